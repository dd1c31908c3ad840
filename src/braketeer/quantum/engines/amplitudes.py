"""A state as an array of 2^n amplitudes: applying a matrix to it in place, and what is checked before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import isfinite, sqrt
from types import EllipsisType

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Gate, Matrix, ProgramError
from braketeer.quantum.gates import GATES, matrix_power, resolved_matrix

State = NDArray[np.complex128]
Index = tuple[int | slice | EllipsisType, ...]

#: More targets than this are beyond the engines' own dense gates.
WIDEST_NATIVE = 4
#: As for noise.
WIDEST_NOISE = 2
#: Elements that one small product of matrices may multiply, and its fewest columns as a power of two.
_PRODUCT = 1 << 15
_FEWEST_COLUMNS = 6

_BITS = frozenset({0, 1})
#: BLAS takes the product of two such rows by itself.
_ROW = 1 << 13

LARGEST_NORM_ERROR = 1e-6
#: A given matrix may be this far from unitary (it was typed with so many digits); the nearest unitary is then meant.
LARGEST_UNITARITY_ERROR = 1e-4
_EXACT = 1e-12


def zeros(qubits: int) -> State:
    """All qubits in state 0."""
    state = np.zeros(1 << qubits, dtype=np.complex128)
    state[0] = 1
    return state


def apply(
    state: State,
    matrix: Matrix,
    targets: Sequence[int],
    controls: Sequence[int] = (),
    control_states: Sequence[int] = (),
) -> None:
    """Multiply ``matrix`` (2^k, 2^k; the first of k targets most significant) into ``state``, in place.

    It acts on the part of the state where each control has its control state. k may be 0: a phase.
    """
    view = targets_first(state, targets, controls, control_states)
    width = len(targets)
    diagonal = np.diagonal(matrix)
    if np.count_nonzero(matrix) == np.count_nonzero(diagonal):
        for bits, factor in zip(product((0, 1), repeat=width), diagonal, strict=True):
            if factor != 1:
                part: Index = (*bits, ...)
                view[part] *= factor
        return
    # Pieces this small stay below the size where BLAS wakes its threads, which costs more than the product here; and
    # fresh buffers for each piece would cost more than filling them.
    size = min(max(_PRODUCT >> width, 1 << width + _FEWEST_COLUMNS), view.size)
    before = np.empty((1 << width, size >> width), dtype=np.complex128)
    after = np.empty_like(before)
    for piece in pieces(view, width, size):
        np.copyto(before.reshape(piece.shape), piece)
        np.matmul(matrix, before, out=after)
        piece[...] = after.reshape(piece.shape)


def pieces(view: State, width: int, size: int) -> Iterator[State]:
    """Parts of a tensor of bits that together are all of it: the first ``width`` axes whole, the others cut.

    Each part has at most ``size`` amplitudes (a power of two), or 2^width where that is more, and is a view.
    """
    inside = max(size.bit_length() - 1 - width, 0)
    cut = max(view.ndim - width - inside, 0)
    for bits in product((0, 1), repeat=cut):
        part: Index = (*(slice(None),) * width, *bits)
        yield view[part]


def targets_first(
    state: State, targets: Sequence[int], controls: Sequence[int] = (), control_states: Sequence[int] = ()
) -> State:
    """A view of the state as a tensor of bits, controls fixed, the target axes first and in their order."""
    qubits = state.size.bit_length() - 1
    fixed = dict(zip(controls, control_states, strict=True))
    # The ellipsis keeps it a view when every qubit is a control.
    index: Index = (*(fixed.get(qubit, slice(None)) for qubit in range(qubits)), ...)
    free = {qubit: axis for axis, qubit in enumerate(q for q in range(qubits) if q not in fixed)}
    tensor: State = state.reshape((2,) * qubits)[index]
    return np.moveaxis(tensor, [free[target] for target in targets], range(len(targets)))


def check_gate(gate: Gate, qubits: int) -> None:
    """Raise ProgramError where a gate cannot mean anything on that many qubits: the last guard before an engine."""
    if gate.matrix is None and not gate.controls and not gate.control_states and gate.power == 1:
        _check_plain(gate.name, gate.targets, len(gate.parameters), qubits)
        if not all(map(isfinite, gate.parameters)):
            raise ProgramError(f"the gate {gate.name!r} has an angle or exponent that is not a finite number")
    else:
        _check_any(gate, qubits)


@lru_cache(maxsize=4096)
def _check_plain(name: str, targets: tuple[int, ...], parameters: int, qubits: int) -> None:
    """What the gates of a circuit have in common with those before them."""
    _check_any(Gate(name, targets, (0.0,) * parameters), qubits)


def _check_any(gate: Gate, qubits: int) -> None:
    touched = gate.targets + gate.controls
    if len(touched) > 1 and len(set(touched)) != len(touched):
        raise ProgramError(f"the gate {gate.name!r} names one qubit twice")
    for qubit in touched:
        if not 0 <= qubit < qubits:
            raise ProgramError(f"the gate {gate.name!r} names a qubit outside the circuit")
    if len(gate.control_states) != len(gate.controls) or not _BITS.issuperset(gate.control_states):
        raise ProgramError(f"the gate {gate.name!r} needs one control state, 0 or 1, for each control")
    if not (isfinite(gate.power) and all(map(isfinite, gate.parameters))):
        raise ProgramError(f"the gate {gate.name!r} has an angle or exponent that is not a finite number")
    if gate.matrix is not None:
        size = 1 << len(gate.targets)
        if gate.matrix.shape != (size, size) or not np.isfinite(gate.matrix).all():
            raise ProgramError(f"the matrix of {gate.name!r} must be {size} x {size} finite numbers")
        return
    signature = GATES.get(gate.name)
    if signature is None:
        raise ProgramError(f"there is no gate {gate.name!r}")
    if len(gate.parameters) != signature.parameters or len(gate.targets) != signature.qubits:
        raise ProgramError(f"the gate {gate.name!r} takes {signature.parameters} angles and {signature.qubits} qubits")


def target_matrix(gate: Gate) -> Matrix:
    """The unitary of a gate on its targets, power included, controls not; unitary to rounding.

    A matrix that was typed with few digits is replaced by the nearest unitary (its polar factor), so that probabilities
    add up to one; ProgramError beyond 1e-4.
    """
    if gate.matrix is None:
        return resolved_matrix(gate)
    error = np.abs(gate.matrix.conj().T @ gate.matrix - np.eye(len(gate.matrix))).max()
    if error > LARGEST_UNITARITY_ERROR:
        raise ProgramError(f"the matrix of {gate.name!r} is not unitary: off by {error:.1e}")
    matrix = gate.matrix
    if error > _EXACT:
        left, _, right = np.linalg.svd(matrix)
        matrix = left @ right
    return matrix if gate.power == 1 else matrix_power(matrix, gate.power)


def inner_product(left: State, right: State) -> complex:
    """<left|right>, row by row: for whole states BLAS would wake its threads, which then stand in the engine's way."""
    length = min(left.size, _ROW)
    return complex(np.vecdot(left.reshape(-1, length), right.reshape(-1, length)).sum())


def check_norm(state: State) -> None:
    """Raise ProgramError when the state's norm is off 1 by 1e-6 or is no number: the engine went wrong."""
    norm = sqrt(inner_product(state, state).real)
    if not abs(norm - 1) < LARGEST_NORM_ERROR:
        raise ProgramError(f"the engine's final state has norm {norm!r} instead of 1: no result is given")
