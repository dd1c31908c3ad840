"""Probabilities of some qubits' values from a state, read in pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.engines.amplitudes import State

_PIECE_QUBITS = 16
_INNER_QUBITS = 10

Probabilities = NDArray[np.float64]


def probabilities(state: State, targets: Sequence[int] | None = None) -> Probabilities:
    """Shape (2^k,) for k targets, the first the most significant bit; all qubits in order where ``targets`` is None.

    Takes 8 bytes a value of the answer and 2 MiB.
    """
    qubits = state.size.bit_length() - 1
    wanted = tuple(range(qubits)) if targets is None else tuple(targets)
    kept = sorted(wanted)
    inside = min(qubits, _PIECE_QUBITS)
    outer_kept = [qubit for qubit in kept if qubit < qubits - inside]
    inner_kept = [qubit - (qubits - inside) for qubit in kept if qubit >= qubits - inside]
    values = np.zeros((1 << len(outer_kept), 1 << len(inner_kept)))
    squares = np.empty(2 << inside)
    for number, piece in enumerate(state.view(np.float64).reshape(-1, 2 << inside)):
        np.multiply(piece, piece, out=squares)
        outer = _bits_of(number, qubits - inside, outer_kept)
        values[outer] += _summed(squares[0::2] + squares[1::2], inner_kept)
    if list(wanted) == kept:
        return values.reshape(-1)
    order = [kept.index(qubit) for qubit in wanted]
    return values.reshape((2,) * len(kept)).transpose(order).reshape(-1)


def _bits_of(number: int, width: int, positions: Sequence[int]) -> int:
    """The number made of the bits of ``number`` (``width`` bits) at ``positions`` from the most significant."""
    result = 0
    for position in positions:
        result = result << 1 | number >> (width - 1 - position) & 1
    return result


def _summed(values: Probabilities, kept: Sequence[int]) -> Probabilities:
    """Sum out all bits but the kept ones (ascending) of an array over bits: outer bits as whole rows, then inner."""
    width = values.size.bit_length() - 1
    if len(kept) == width:
        return values
    inner = min(width, _INNER_QUBITS)
    outer = width - inner
    dropped = tuple(axis for axis in range(outer) if axis not in kept)
    rows: Probabilities = values.reshape((2,) * outer + (-1,)).sum(axis=dropped).reshape(-1, 1 << inner)
    inner_kept = [axis - outer for axis in kept if axis >= outer]
    if len(inner_kept) == inner:
        return rows.reshape(-1)
    gone = [axis for axis in range(inner) if axis not in inner_kept]
    tensor = rows.reshape((-1,) + (2,) * inner).transpose([0, *(1 + axis for axis in inner_kept + gone)])
    return np.asarray(tensor.reshape(-1, 1 << len(gone)).sum(axis=1))
