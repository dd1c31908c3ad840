"""Values of result types estimated from shots, as SV1 gives them: all from the same measurements.

The arithmetic is that of amazon-braket-sdk's ``braket.tasks.measurement_utils`` and ``GateModelQuantumTaskResult``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Observable, ProgramError, ResultType
from braketeer.quantum.results.observables import eigenvalues
from braketeer.quantum.results.sampling import Indices


def sampled_values(circuit: Circuit, indices: Indices) -> list[Any]:
    """The value of each result type in order from measured basis states (already in the measurement basis)."""
    return [_value(result, indices, circuit.qubit_count) for result in circuit.results]


def _value(result: ResultType, indices: Indices, qubits: int) -> Any:
    if result.kind == "probability":
        targets = range(qubits) if result.targets is None else result.targets
        return np.bincount(select(indices, targets, qubits), minlength=1 << len(targets)) / len(indices)
    if result.kind not in ("expectation", "variance", "sample") or result.observable is None:
        raise ProgramError(f"the result type {result.kind!r} cannot be had from shots")
    if result.targets is None:
        return [_one(result.kind, Observable((factor,)), indices, qubits) for factor in result.observable.factors]
    return _one(result.kind, result.observable, indices, qubits)


def _one(kind: str, observable: Observable, indices: Indices, qubits: int) -> Any:
    samples = np.ones(len(indices))
    for factor, targets in observable.factors:
        samples *= eigenvalues(factor)[select(indices, targets, qubits)]
    if kind == "sample":
        return samples
    return float(samples.mean() if kind == "expectation" else samples.var())


def select(indices: Indices, targets: Sequence[int], qubits: int) -> Indices:
    """The numbers that the bits of ``targets`` make, the first target most significant."""
    if list(targets) == list(range(qubits)):
        return indices
    selected = np.zeros_like(indices)
    for target in targets:
        selected <<= 1
        selected |= (indices >> (qubits - 1 - target)) & 1
    return selected


def measurement_bits(indices: Indices, targets: Sequence[int], qubits: int) -> NDArray[np.uint8]:
    """Shape (shots, len(targets)): each shot's 0 or 1 of each target."""
    selected = select(indices, targets, qubits)
    octets = selected.astype(">u8").view(np.uint8).reshape(-1, 8)
    return np.unpackbits(octets, axis=1)[:, 64 - len(targets) :]
