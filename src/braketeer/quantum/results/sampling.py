"""Shots: basis states drawn from a state's probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.engines.amplitudes import State
from braketeer.quantum.results.probabilities import Probabilities, probabilities

_ROW = 64
_SMALL = 1 << 14
_SHOTS_AT_ONCE = 1 << 13

Indices = NDArray[np.int64]


def draw(state: State, shots: int, random: np.random.Generator) -> Indices:
    """``shots`` independent indices k, each with probability |state[k]|^2, in random order; shape (shots,).

    An index of probability 0 is never drawn. Few shots of a large state go by rows of 64 amplitudes, so that the table
    of probabilities is a 128th of the state.
    """
    if state.size <= max(_SMALL, _ROW * shots):
        return draw_from(probabilities(state), shots, random)
    indices = _by_rows(state, shots, random)
    random.shuffle(indices)
    return indices


def draw_from(weights: Probabilities, shots: int, random: np.random.Generator) -> Indices:
    """``shots`` independent indices k, each as likely as ``weights[k]`` (at least 0) is of their sum."""
    table = np.cumsum(weights)
    indices: Indices = np.searchsorted(table, _sorted_uniform(table[-1], shots, random), side="right")
    random.shuffle(indices)
    return indices


def _by_rows(state: State, shots: int, random: np.random.Generator) -> Indices:
    parts = state.view(np.float64).reshape(-1, 2 * _ROW)
    weights = np.vecdot(parts, parts)
    table = np.cumsum(weights)
    drawn = _sorted_uniform(table[-1], shots, random)
    rows = np.searchsorted(table, drawn, side="right")
    fractions = (drawn - (table[rows] - weights[rows])) / weights[rows]
    indices = rows * _ROW
    for start in range(0, shots, _SHOTS_AT_ONCE):
        part = slice(start, start + _SHOTS_AT_ONCE)
        amplitudes = state.reshape(-1, _ROW)[rows[part]]
        inner = np.cumsum(amplitudes.real**2 + amplitudes.imag**2, axis=1)
        wanted = _below(np.maximum(fractions[part], 0.0) * inner[:, -1], inner[:, -1])
        indices[part] += np.count_nonzero(inner <= wanted[:, None], axis=1)
    return indices


def _sorted_uniform(limit: float, shots: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Sorted, so that looking them up walks through the table once."""
    return np.sort(_below(random.random(shots) * limit, limit))


def _below(values: NDArray[np.float64], limits: float | np.floating | NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounding may have brought a value up to its limit, which would be past the last possible outcome."""
    return np.minimum(values, np.nextafter(limits, 0.0))
