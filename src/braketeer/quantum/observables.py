"""Observables: their matrices, and the basis each qubit is measured in when there are shots."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Gate, Matrix, Observable, ProgramError
from braketeer.quantum.gates import gate_matrix

_MATRICES: dict[str, Matrix] = {name: gate_matrix(name) for name in "ixyzh"}
_PAULIS = frozenset("ixyz")

#: What turns each letter's eigenvectors for +1 and -1 into 0 and 1, as the SDK's basis rotations do.
_ROTATIONS: dict[str, tuple[tuple[str, tuple[float, ...]], ...]] = {
    "x": (("h", ()),),
    "y": (("si", ()), ("h", ())),
    "z": (),
    "h": (("ry", (-math.pi / 4,)),),
}


def factor_matrix(factor: str | Matrix) -> Matrix:
    """The matrix of a factor of an observable. ProgramError for an unknown letter or a matrix that is not hermitian."""
    if isinstance(factor, str):
        if factor not in _MATRICES:
            raise ProgramError(f"there is no observable {factor!r}")
        return _MATRICES[factor]
    if not np.isfinite(factor).all() or not np.allclose(factor, factor.conj().T, atol=1e-8):
        raise ProgramError("the matrix of a hermitian observable is not hermitian")
    return (factor + factor.conj().T) / 2


def check_observable(observable: Observable, qubits: int) -> None:
    """Raise ProgramError unless each factor fits its targets and no qubit is named twice."""
    touched: list[int] = []
    for factor, targets in observable.factors:
        size = 1 << len(targets)
        if factor_matrix(factor).shape != (size, size):
            raise ProgramError(f"an observable's factor does not fit its {len(targets)} targets")
        touched += targets
    if not touched or len(set(touched)) != len(touched) or not 0 <= min(touched) <= max(touched) < qubits:
        raise ProgramError("an observable must name each of its qubits once, and only qubits of the circuit")


def is_identity(factor: str | Matrix) -> bool:
    """Whether a factor is the letter i."""
    return isinstance(factor, str) and factor == "i"


def pauli_word(observable: Observable) -> list[tuple[str, int]] | None:
    """The letters of ``ixyz`` and their qubits where an observable is a product of such; None for others."""
    word = [(name, targets[0]) for name, targets in observable.factors if isinstance(name, str) and name in _PAULIS]
    return word if len(word) == len(observable.factors) else None


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    factor: str | Matrix
    targets: tuple[int, ...]


def basis_rotations(circuit: Circuit) -> list[Gate]:
    """Gates to append so that all results of a circuit can be read from the same shots, measured in 0 and 1.

    ProgramError where two results want a qubit in different bases; a probability wants 0 and 1 (as the SDK has it).
    Identities want nothing.
    """
    wanted: dict[int, _Measured] = {}
    rotations: list[Gate] = []
    for factor, targets in _wanted(circuit):
        measured = [wanted[target] for target in targets if target in wanted]
        if not measured:
            rotations += _rotations(factor, targets)
            wanted |= dict.fromkeys(targets, _Measured(factor, targets))
        elif any(entry.targets != targets or not _same(entry.factor, factor) for entry in measured):
            labels = ", ".join(str(circuit.labels[target]) for target in targets)
            raise ProgramError(f"the results ask to measure qubit {labels} in two different bases: use separate tasks")
    return rotations


def _wanted(circuit: Circuit) -> Iterable[tuple[str | Matrix, tuple[int, ...]]]:
    for result in circuit.results:
        if result.kind == "probability":
            targets = range(circuit.qubit_count) if result.targets is None else result.targets
            yield from (("z", (target,)) for target in targets)
        elif result.observable is not None:
            if result.targets is not None:
                check_observable(result.observable, circuit.qubit_count)
            for factor, factor_targets in result.observable.factors:
                if not is_identity(factor):
                    yield factor, factor_targets


def _same(a: str | Matrix, b: str | Matrix) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str) and a == b
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-12)


def _rotations(factor: str | Matrix, targets: tuple[int, ...]) -> list[Gate]:
    if isinstance(factor, str):
        factor_matrix(factor)
        return [Gate(name, targets, parameters) for name, parameters in _ROTATIONS[factor]]
    _, vectors = np.linalg.eigh(factor_matrix(factor))
    return [Gate("unitary", targets, matrix=vectors.conj().T)]


def eigenvalues(factor: str | Matrix) -> NDArray[np.float64]:
    """What measuring a factor in its basis gives for each value of its qubits: index 0 first."""
    if isinstance(factor, str):
        return np.array([1.0, 1.0] if is_identity(factor) else [1.0, -1.0])
    return np.asarray(np.linalg.eigvalsh(factor_matrix(factor)), dtype=np.float64)
