"""Noise on a state vector: one of a channel's operators, picked at random as often as the channel would apply it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Noise
from braketeer.quantum.engines.amplitudes import State, apply, targets_first


def apply_at_random(state: State, noise: Noise, random: np.random.Generator) -> None:
    """Apply one Kraus operator K with probability |K state|^2, in place; the norm stays."""
    weights = _weights(noise, state)
    chosen = int(np.searchsorted(np.cumsum(weights), random.random() * weights.sum(), side="right"))
    chosen = min(chosen, int(np.flatnonzero(weights)[-1]))
    apply(state, noise.operators[chosen] / np.sqrt(weights[chosen]), noise.targets)


def _weights(noise: Noise, state: State) -> NDArray[np.float64]:
    """tr(K* K rho) for each operator K, with rho the targets' part of the state."""
    columns = targets_first(state, noise.targets).reshape(1 << len(noise.targets), -1)
    products = noise.operators.conj().transpose(0, 2, 1) @ noise.operators
    weights = np.einsum("kil,li->k", products, columns @ columns.conj().T).real
    return np.asarray(np.maximum(weights, 0.0), dtype=np.float64)
