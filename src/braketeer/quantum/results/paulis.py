"""The expectation of a product of Pauli letters in a state, without a temporary of the state's size."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.engines.amplitudes import State

#: The state is read as rows of 2^13 amplitudes (128 KiB): a row and its partner fit the processor's cache,
#: and BLAS does not wake its threads for a product of two rows, which takes longer than the product.
_ROW_QUBITS = 13


def pauli_expectation(state: State, letters: Iterable[tuple[str, int]]) -> float:
    """<state| P |state> for P the product of (letter in ``ixyz``, qubit), at most one letter a qubit."""
    qubits = state.size.bit_length() - 1
    x, z, unit = masks(letters, qubits)
    rows = state.reshape(-1, 1 << min(qubits, _ROW_QUBITS))
    value = _flipping(rows, x, z) if x else complex(_diagonal(rows, z))
    return float((value * unit).real)


def masks(letters: Iterable[tuple[str, int]], qubits: int) -> tuple[int, int, complex]:
    """x, z and a power of i: P takes basis state k to k ^ x, times (-1)^parity(k & z) and that power, as Y = i X Z."""
    x = z = ys = 0
    for letter, qubit in letters:
        bit = 1 << (qubits - 1 - qubit)
        x |= bit if letter in "xy" else 0
        z |= bit if letter in "yz" else 0
        ys += letter == "y"
    return x, z, (1, 1j, -1, -1j)[ys % 4]


def _diagonal(rows: State, z: int) -> float:
    row_signs, column_signs = _signs(rows, z)
    plain = bool(np.all(column_signs == 1))
    doubled = np.repeat(column_signs, 2)
    product = np.empty(rows.shape[1], dtype=np.complex128)
    total = 0.0
    for row, sign in zip(rows, row_signs, strict=True):
        right = row
        if not plain:
            np.multiply(row.view(np.float64), doubled, out=product.view(np.float64))
            right = product
        total += sign * float(np.vdot(row, right).real)
    return total


def _flipping(rows: State, x: int, z: int) -> complex:
    """Sum over k of conj(a[k ^ x]) a[k] (-1)^parity(k & z).

    The terms of k and k ^ x are each other's conjugates up to the sign that the i of each Y undoes, so half of them,
    those with the highest bit of x at 0, are summed twice.
    """
    count, length = rows.shape
    row_signs, column_signs = _signs(rows, z)
    row_flip, column_flip = divmod(x, length)
    highest = 1 << (x.bit_length() - 1)
    columns = np.arange(length)
    if not row_flip:
        columns = columns[columns & highest == 0]
    partners = columns ^ column_flip
    signs = np.repeat(column_signs[columns], 2)
    plain = bool(np.all(signs == 1))
    # Buffers of our own: allocating 128 KiB anew for each row would cost more than filling it.
    gathered, product, flipped = (np.empty(len(columns), dtype=np.complex128) for _ in range(3))
    total = 0j
    for index in range(count):
        if index & (highest // length):
            continue
        right = rows[index] if row_flip else np.take(rows[index], columns, out=gathered, mode="clip")
        if not plain:
            np.multiply(right.view(np.float64), signs, out=product.view(np.float64))
            right = product
        left = rows[index ^ row_flip]
        if column_flip:
            left = np.take(left, partners, out=flipped, mode="clip")
        total += row_signs[index] * complex(np.vdot(left, right))
    return 2 * total


def _signs(rows: State, z: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(-1)^parity(k & z) as a product of a sign for each row and one for each column."""
    row_mask, column_mask = divmod(z, rows.shape[1])
    return parity_signs(rows.shape[0], row_mask), parity_signs(rows.shape[1], column_mask)


def parity_signs(count: int, mask: int) -> NDArray[np.float64]:
    """(-1)^parity(k & mask) for k below ``count``."""
    return np.asarray(1.0 - 2.0 * (np.bitwise_count(np.arange(count) & mask) & 1))
