"""Expectations of products of Pauli letters in states of few qubits: their signs and partners are kept, since working
these out takes longer than reading such a state, and ever new states are asked for the same products."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.engines.amplitudes import State
from braketeer.quantum.results.probabilities import Probabilities

#: Amplitudes of a state that is small here: 10 qubits.
LARGEST_SMALL = 1 << 10
_KEPT = 256  # of at most 24 KiB each


@lru_cache(maxsize=_KEPT)
def signs(count: int, mask: int) -> Probabilities:
    """(-1)^parity(k & mask) for k below ``count``; not to be changed."""
    return np.asarray(1.0 - 2.0 * (np.bitwise_count(np.arange(count) & mask) & 1))


def small_expectations(state: State, masks: Sequence[tuple[int, int, complex]]) -> list[float]:
    """The expectation of each product, given as :func:`braketeer.quantum.results.paulis.masks` gives it."""
    populations = state.real**2 + state.imag**2
    found: list[float] = []
    for x, z, unit in masks:
        if x:
            partners, weights = _flip(state.size, x, z, unit)
            found.append(float(np.vdot(state[partners], weights * state).real))
        else:
            found.append(float(populations @ signs(state.size, z)))
    return found


@lru_cache(maxsize=_KEPT)
def _flip(count: int, x: int, z: int, unit: complex) -> tuple[NDArray[np.intp], State]:
    """Each index's partner, and what its amplitude is multiplied with."""
    weights: State = np.asarray(signs(count, z) * unit, dtype=np.complex128)
    return np.arange(count, dtype=np.intp) ^ x, weights
