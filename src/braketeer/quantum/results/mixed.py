"""What is read from a density matrix, shape (2^n, 2^n), of a noisy circuit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from braketeer.quantum.circuit import Matrix, Observable
from braketeer.quantum.engines.amplitudes import Index, apply
from braketeer.quantum.engines.density import Density
from braketeer.quantum.observables import factor_matrix, is_identity, pauli_word
from braketeer.quantum.results.paulis import masks, parity_signs
from braketeer.quantum.results.probabilities import Probabilities


def populations(density: Density, targets: Sequence[int] | None = None) -> Probabilities:
    """Probabilities of the values of ``targets``, the first most significant; of all qubits in order where None."""
    diagonal: Probabilities = np.maximum(np.diagonal(density).real, 0.0)
    if targets is None:
        return diagonal
    qubits = len(density).bit_length() - 1
    axes = [*targets, *(qubit for qubit in range(qubits) if qubit not in targets)]
    summed = diagonal.reshape((2,) * qubits).transpose(axes).reshape(1 << len(targets), -1).sum(axis=1)
    return np.asarray(summed)


def moments(density: Density, observable: Observable) -> tuple[float, float]:
    """<O> and <O^2> of an observable that fits."""
    word = pauli_word(observable)
    if word is not None:
        return _pauli_expectation(density, word), 1.0
    factors: list[tuple[Matrix, tuple[int, ...]]] = []
    touched: list[int] = []
    for factor, targets in observable.factors:
        if not is_identity(factor):
            factors.append((factor_matrix(factor), tuple(range(len(touched), len(touched) + len(targets)))))
            touched += targets
    part = reduced(density, touched)
    values = []
    for _ in range(2):
        for matrix, places in factors:
            apply(part.reshape(-1), matrix, places)
        values.append(float(np.trace(part).real))
    return values[0], values[1]


def _pauli_expectation(density: Density, letters: Sequence[tuple[str, int]]) -> float:
    """tr(P rho): one element of each column, as P has one in each row."""
    size = len(density)
    x, z, unit = masks(letters, size.bit_length() - 1)
    rows = np.arange(size)
    return float((unit * np.dot(parity_signs(size, z), density[rows, rows ^ x])).real)


def reduced(density: Density, kept: Sequence[int]) -> Density:
    """The density matrix of the qubits ``kept`` in their order, a new array of shape (2^k, 2^k)."""
    qubits = len(density).bit_length() - 1
    rest = [qubit for qubit in range(qubits) if qubit not in kept]
    axes = [*kept, *rest]
    tensor = density.reshape((2,) * (2 * qubits)).transpose([*axes, *(qubits + axis for axis in axes)])
    size = 1 << len(kept)
    found: Density = np.zeros((size, size), dtype=np.complex128)
    for bits in product((0, 1), repeat=len(rest)):
        part: Index = (*(slice(None),) * len(kept), *bits)
        found += tensor[part * 2].reshape(size, size)
    return found
