"""Inner products of a state with itself after some of its bits are flipped and signed, at the speed of the memory.

A product of Pauli letters takes amplitude k to k ^ x with a sign for each bit of k & z. Seen as a tensor of bits, the
flips are reversed axes and the signs belong to axes too; along a run of qubits that it leaves alone, amplitudes and
partners are two vectors, whose product BLAS takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.engines.amplitudes import State

#: The state is read in blocks of 2^16 amplitudes (1 MiB), which all products find in the processor's cache.
_BLOCK_QUBITS = 16
#: A shorter run of free qubits is not worth it; along a longer one BLAS would wake its threads, which takes longer than
#: the product, or, where the run is not in one piece, each amplitude would be in another page of memory.
_SHORTEST, _LONGEST, _LONGEST_APART = 4, 12, 8

_Index = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a product is read: the axes of a block, which parts of them meet, the sign of each run, and the flips and
    signs of the bits above the block. The axis of the runs comes last."""

    shape: tuple[int, ...]
    order: tuple[int, ...]
    left: _Index
    right: _Index
    signs: NDArray[np.complex128]
    block_flip: int
    block_sign: int


def reading(x: int, z: int, qubits: int) -> Reading | None:
    """How to read a product that flips the bits ``x``, at least one, and signs by ``z``; None where it leaves no run
    of free qubits."""
    width = min(qubits, _BLOCK_QUBITS)
    inside = (1 << width) - 1
    axes, run = _axes((x | z) & inside, width)
    if run is None:
        return None
    halved = x > inside  # the flipped pairs, by the blocks that are left out
    left: list[slice] = []
    right: list[slice] = []
    signs: NDArray[Any] = np.ones(1)
    for axis, (low, count) in enumerate(axes):
        flips = bool(x >> low & 1)
        if flips and not halved:
            left.append(slice(1, 2))
            right.append(slice(0, 1))
            halved = True
            continue
        left.append(slice(None, None, -1) if flips else slice(None))
        right.append(slice(None))
        if axis != run:
            signs = np.kron(signs, [1, -1] if z >> low & 1 else np.ones(1 << count))
    order = (*(axis for axis in range(len(axes)) if axis != run), run)
    shape = tuple(1 << count for _, count in axes)
    return Reading(shape, order, tuple(left), tuple(right), signs.astype(np.complex128), x >> width, z >> width)


def overlap_sums(state: State, readings: Sequence[Reading]) -> list[complex]:
    """For each the sum over k of conj(a[k ^ x]) a[k] (-1)^parity(k & z), over those k whose highest bit of x is 0."""
    totals = [0j] * len(readings)
    views = [_views(state, each) for each in readings]
    for block in range(state.size >> min(state.size.bit_length() - 1, _BLOCK_QUBITS)):
        for number, (each, (left, right)) in enumerate(zip(readings, views, strict=True)):
            flip = each.block_flip
            if flip and block >> (flip.bit_length() - 1) & 1:
                continue
            runs = np.vecdot(left[block ^ flip], right[block])
            value = complex(np.dot(runs.reshape(-1), each.signs))
            totals[number] += -value if (block & each.block_sign).bit_count() & 1 else value
    return totals


def _views(state: State, each: Reading) -> tuple[State, State]:
    """The amplitudes' partners and the amplitudes, block by block."""
    tensor = state.reshape(-1, *each.shape)
    order = (0, *(1 + axis for axis in each.order))
    return tensor[(slice(None), *each.left)].transpose(order), tensor[(slice(None), *each.right)].transpose(order)


def _axes(touched: int, width: int) -> tuple[list[tuple[int, int]], int | None]:
    """The bits of a block from the highest as axes (lowest bit, number of bits): one for each bit touched, the others
    in runs; and which axis to multiply along, None where every run is short. The lowest is the quickest to read."""
    axes: list[tuple[int, int]] = []
    for bit in reversed(range(width)):
        free = not touched >> bit & 1
        if free and axes and not touched >> axes[-1][0] & 1:
            axes[-1] = (bit, axes[-1][1] + 1)
        else:
            axes.append((bit, 1))
    runs = [axis for axis, (low, count) in enumerate(axes) if count >= _SHORTEST and not touched >> low & 1]
    if not runs:
        return axes, None
    run = runs[-1]
    low, count = axes[run]
    most = _LONGEST_APART if low else _LONGEST
    if count > most:
        axes[run : run + 1] = [(low + most, count - most), (low, most)]
        run += 1
    return axes, run
