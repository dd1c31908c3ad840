"""Expectations of products of Pauli letters in a state, many at once, without a temporary of the state's size.

Products of z and i are read together from the probabilities of the qubits they touch. Others are inner products of
the state with itself, some of its axes reversed (``results/overlaps.py``). Those that leave no run of qubits free for
that are read row by row, together where they flip the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.engines.amplitudes import State
from braketeer.quantum.results.overlaps import overlap_sums, reading
from braketeer.quantum.results.probabilities import Probabilities, probabilities
from braketeer.quantum.results.small_states import LARGEST_SMALL, small_expectations

#: A product: (letter in ``ixyz``, qubit), at most one letter a qubit.
Word: TypeAlias = Sequence[tuple[str, int]]
_Reals = NDArray[np.float64]

#: The state is read as rows of 2^13 amplitudes (128 KiB): a row and its partner fit the processor's cache,
#: and BLAS does not wake its threads for a product of two rows, which takes longer than the product.
_ROW_QUBITS = 13
#: So many qubits' probabilities (8 MiB) are read at once.
_MOST_TOGETHER = 20


def pauli_expectations(state: State, words: Sequence[Word]) -> list[float]:
    """<state| P |state> for each product P."""
    qubits = state.size.bit_length() - 1
    if state.size <= LARGEST_SMALL:
        return small_expectations(state, [masks(word, qubits) for word in words])
    found = [0.0] * len(words)
    flipping: dict[int, list[tuple[int, int, complex]]] = {}
    diagonal: list[tuple[int, int]] = []
    narrow = []
    for number, word in enumerate(words):
        x, z, unit = masks(word, qubits)
        if x and (read := reading(x, z, qubits)) is not None:
            narrow.append((number, unit, read))
        elif x:
            flipping.setdefault(x, []).append((number, z, unit))
        else:
            diagonal.append((number, z))
    for together, union in _in_groups(diagonal, qubits):
        table = probabilities(state, [qubit for qubit in range(qubits) if union >> (qubits - 1 - qubit) & 1])
        for number, z in together:
            found[number] = _signed_sum(table, _compressed(z, union))
    sums = overlap_sums(state, [read for _, _, read in narrow])
    for (number, unit, _), total in zip(narrow, sums, strict=True):
        found[number] = 2 * (unit * total).real
    rows = state.reshape(-1, 1 << min(qubits, _ROW_QUBITS))
    for x, terms in flipping.items():
        values = _flipping(rows, x, [(z, unit) for _, z, unit in terms])
        for (number, _, _), value in zip(terms, values, strict=True):
            found[number] = float(value)
    return found


def masks(letters: Iterable[tuple[str, int]], qubits: int) -> tuple[int, int, complex]:
    """x, z and a power of i: P takes basis state k to k ^ x, times (-1)^parity(k & z) and that power, as Y = i X Z."""
    x = z = ys = 0
    for letter, qubit in letters:
        bit = 1 << (qubits - 1 - qubit)
        x |= bit if letter in "xy" else 0
        z |= bit if letter in "yz" else 0
        ys += letter == "y"
    return x, z, (1, 1j, -1, -1j)[ys % 4]


def parity_signs(count: int, mask: int) -> _Reals:
    """(-1)^parity(k & mask) for k below ``count``."""
    return np.asarray(1.0 - 2.0 * (np.bitwise_count(np.arange(count) & mask) & 1))


def _in_groups(diagonal: Sequence[tuple[int, int]], qubits: int) -> Iterable[tuple[list[tuple[int, int]], int]]:
    """Products that touch at most 20 qubits together, or are alone, each group with the mask of what it touches."""
    group: list[tuple[int, int]] = []
    union = 0
    for number, z in diagonal:
        if group and (union | z).bit_count() > _MOST_TOGETHER:
            yield group, union
            group, union = [], 0
        group.append((number, z))
        union |= z
    if group:
        yield group, union


def _compressed(mask: int, union: int) -> int:
    """The bits of ``mask`` at the places where ``union`` has ones, moved together."""
    found = place = 0
    while union:
        lowest = union & -union
        found |= (1 << place) if mask & lowest else 0
        union ^= lowest
        place += 1
    return found


def _signed_sum(table: Probabilities, mask: int) -> float:
    rows = table.reshape(-1, min(table.size, 1 << _ROW_QUBITS))
    row_signs, column_signs = _signs(rows.shape, mask)
    return float(sum(sign * np.dot(row, column_signs) for row, sign in zip(rows, row_signs, strict=True)))


def _flipping(rows: State, x: int, terms: Sequence[tuple[int, complex]]) -> _Reals:
    """For each (z, unit) the real part of unit times the sum over k of conj(a[k ^ x]) a[k] (-1)^parity(k & z).

    The summands of k and k ^ x are equal there, so half of them, those with the highest bit of x at 0, count twice.
    """
    count, length = rows.shape
    highest = 1 << (x.bit_length() - 1)
    row_flip, column_flip = divmod(x, length)
    columns = np.arange(length)
    if not row_flip:
        columns = columns[columns & highest == 0]
    partners = columns ^ column_flip
    signs = [_signs(rows.shape, z) for z, _ in terms]
    weights = [np.repeat(s[columns], 2) if np.any(s < 0) else None for _, s in signs]
    # Buffers of our own: allocating 128 KiB anew for each row would cost more than filling it.
    gathered, flipped, product = (np.empty(len(columns), dtype=np.complex128) for _ in range(3))
    totals = np.zeros(len(terms), dtype=np.complex128)
    for index in range(count):
        if index & highest // length:
            continue
        right = rows[index] if row_flip else np.take(rows[index], columns, out=gathered, mode="clip")
        left = rows[index ^ row_flip]
        if column_flip:
            left = np.take(left, partners, out=flipped, mode="clip")
        for number, weight in enumerate(weights):
            if weight is not None:
                np.multiply(right.view(np.float64), weight, out=product.view(np.float64))
            value = np.vdot(left, right if weight is None else product)
            totals[number] += signs[number][0][index] * value
    return 2 * (totals * [unit for _, unit in terms]).real


def _signs(shape: tuple[int, ...], z: int) -> tuple[_Reals, _Reals]:
    """(-1)^parity(k & z) as a product of a sign for each row and one for each column."""
    row_mask, column_mask = divmod(z, shape[1])
    return parity_signs(shape[0], row_mask), parity_signs(shape[1], column_mask)
