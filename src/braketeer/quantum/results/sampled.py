"""Values of result types estimated from shots, as SV1 gives them: all from the same measurements.

The arithmetic is that of amazon-braket-sdk's ``braket.tasks.measurement_utils`` and ``GateModelQuantumTaskResult``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Observable, ProgramError, ResultType
from braketeer.quantum.observables import eigenvalues

#: Values of so many qubits are counted together, where there are thousands of qubits.
_MOST_TOGETHER = 24

Shots: TypeAlias = NDArray[np.integer[Any]]


def sampled_values(circuit: Circuit, indices: Shots) -> list[Any]:
    """The value of each result type in order from measured basis states (already in the measurement basis).

    ``indices`` has shape (shots,), or (shots, qubits) with each qubit's bit where there are more than an index holds.
    """
    return [_value(result, indices, circuit.qubit_count) for result in circuit.results]


def _value(result: ResultType, indices: Shots, qubits: int) -> Any:
    if result.kind == "probability":
        targets = range(qubits) if result.targets is None else result.targets
        return np.bincount(select(indices, targets, qubits), minlength=1 << len(targets)) / len(indices)
    if result.kind not in ("expectation", "variance", "sample") or result.observable is None:
        raise ProgramError(f"the result type {result.kind!r} cannot be had from shots")
    if result.targets is None:
        return [_one(result.kind, Observable((factor,)), indices, qubits) for factor in result.observable.factors]
    return _one(result.kind, result.observable, indices, qubits)


def _one(kind: str, observable: Observable, indices: Shots, qubits: int) -> Any:
    samples = np.ones(len(indices))
    for factor, targets in observable.factors:
        samples *= eigenvalues(factor)[select(indices, targets, qubits)]
    if kind == "sample":
        return samples
    return float(samples.mean() if kind == "expectation" else samples.var())


def select(indices: Shots, targets: Sequence[int], qubits: int) -> NDArray[np.integer[Any]]:
    """The numbers that the bits of ``targets`` make, the first target most significant."""
    if indices.ndim == 2:
        if len(targets) > _MOST_TOGETHER:
            raise ProgramError(f"{len(targets)} qubits are too many to be read together: at most {_MOST_TOGETHER}")
        return indices[:, list(targets)] @ (1 << np.arange(len(targets) - 1, -1, -1, dtype=np.int64))
    if list(targets) == list(range(qubits)):
        return indices
    selected = np.zeros_like(indices)
    for target in targets:
        selected <<= 1
        selected |= (indices >> (qubits - 1 - target)) & 1
    return selected


def measurement_bits(indices: Shots, targets: Sequence[int], qubits: int) -> NDArray[np.uint8]:
    """Shape (shots, len(targets)): each shot's 0 or 1 of each target."""
    if indices.ndim == 2:
        return np.ascontiguousarray(indices[:, list(targets)], dtype=np.uint8)
    selected = select(indices, targets, qubits)
    octets = selected.astype(">u8").view(np.uint8).reshape(-1, 8)
    return np.unpackbits(octets, axis=1)[:, 64 - len(targets) :]
