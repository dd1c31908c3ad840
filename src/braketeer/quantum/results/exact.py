"""Exact values (shots = 0) of every result type, all read from the one final state vector or density matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from braketeer.quantum.circuit import Circuit, Matrix, Observable, ProgramError, ResultType
from braketeer.quantum.engines.amplitudes import State, apply, pieces, targets_first
from braketeer.quantum.engines.density import Density
from braketeer.quantum.observables import check_observable, factor_matrix, is_identity, pauli_word
from braketeer.quantum.results import mixed
from braketeer.quantum.results.paulis import pauli_expectations
from braketeer.quantum.results.probabilities import probabilities

_MEASURED = ("expectation", "variance")
#: Of a result: 4^12 numbers are half a gigabyte of JSON.
LARGEST_DENSITY_QUBITS = 12
#: The state is read in pieces of at most this many amplitudes (128 KiB) where the targets allow: BLAS wakes its threads
#: for longer products, which takes longer than they.
_PIECE = 1 << 13


def exact_values(circuit: Circuit, state: State | Density) -> list[Any]:
    """The value of each result type in order, ready for JSON: complex numbers as [re, im], arrays as numpy arrays.

    ``state`` has shape (2^n,), or (2^n, 2^n) after noise.
    """
    measured = [(result, observable) for result in circuit.results for observable in observables_of(result)]
    found = iter(moments(state, [observable for _, observable in measured]))
    return [_value(result, state, circuit.qubit_count, found) for result in circuit.results]


def observables_of(result: ResultType) -> list[Observable]:
    """What a result is the expectation or variance of: several observables where it names no qubit."""
    if result.kind not in _MEASURED or result.observable is None:
        return []
    if result.targets is None:
        return [Observable((factor,)) for factor in result.observable.factors]
    return [result.observable]


def _value(result: ResultType, state: State | Density, qubits: int, found: Iterator[tuple[float, float]]) -> Any:
    """``found`` gives the moments of this result's observables next."""
    is_mixed = state.ndim == 2
    match result.kind:
        case "probability":
            return (mixed.populations if is_mixed else probabilities)(state, result.targets)
        case "expectation" | "variance":
            if result.observable is None:
                raise ProgramError(f"the result type {result.kind!r} names no observable")
            values = [
                mean if result.kind == "expectation" else max(square - mean * mean, 0.0)
                for mean, square in islice(found, len(observables_of(result)))
            ]
            return values if result.targets is None else values[0]
        case "density_matrix":
            return _density_matrix(state, result.targets)
        case "amplitude" | "state_vector" if is_mixed:
            raise ProgramError(f"after noise there is no {result.kind.replace('_', ' ')}, only a density matrix")
        case "amplitude":
            return {bits: _pair(state[_index(bits, qubits)]) for bits in result.states}
        case "state_vector":
            return state.view(np.float64).reshape(-1, 2)
    raise ProgramError(f"the result type {result.kind!r} has no exact value: it needs shots")


def moments(state: State | Density, observables: Sequence[Observable]) -> list[tuple[float, float]]:
    """<O> and <O^2> of each observable; products of Pauli letters are read together."""
    for observable in observables:
        check_observable(observable, len(state).bit_length() - 1)
    if state.ndim == 2:
        return [mixed.moments(state, observable) for observable in observables]
    words = {
        number: word for number, observable in enumerate(observables) if (word := pauli_word(observable)) is not None
    }
    means = dict(zip(words, pauli_expectations(state, list(words.values())), strict=True))
    return [
        (means[number], 1.0) if number in means else _general_moments(state, observable)
        for number, observable in enumerate(observables)
    ]


def _general_moments(state: State, observable: Observable) -> tuple[float, float]:
    """By applying O to pieces of the state that hold its targets whole."""
    factors: list[tuple[Matrix, tuple[int, ...]]] = [
        (factor_matrix(name), targets) for name, targets in observable.factors if not is_identity(name)
    ]
    touched = [target for _, targets in factors for target in targets]
    place = {target: position for position, target in enumerate(touched)}
    mean = square = 0.0
    for piece in pieces(targets_first(state, touched), len(touched), _PIECE):
        before = np.ascontiguousarray(piece).reshape(-1)
        after = before.copy()
        for matrix, targets in factors:
            apply(after, matrix, [place[target] for target in targets])
        mean += float(np.vdot(before, after).real)
        square += float(np.vdot(after, after).real)
    return mean, square


def _density_matrix(state: State | Density, targets: tuple[int, ...] | None) -> Any:
    """Shape (2^k, 2^k, 2) for the targets kept, all of them where None."""
    kept = tuple(range(len(state).bit_length() - 1)) if targets is None else targets
    if len(kept) > LARGEST_DENSITY_QUBITS:
        raise ProgramError(f"a density matrix of {len(kept)} qubits is beyond the {LARGEST_DENSITY_QUBITS} taken here")
    if state.ndim == 2:
        part = np.ascontiguousarray(state) if targets is None else mixed.reduced(state, kept)
        return part.view(np.float64).reshape(*part.shape, 2)
    matrix = np.zeros((1 << len(kept),) * 2, dtype=np.complex128)
    for piece in pieces(targets_first(state, kept), len(kept), _PIECE):
        columns = piece.reshape(1 << len(kept), -1)
        matrix += columns @ columns.conj().T
    return matrix.view(np.float64).reshape(*matrix.shape, 2)


def _index(bits: str, qubits: int) -> int:
    if len(bits) != qubits or not set(bits) <= {"0", "1"}:
        raise ProgramError(f"the basis state {bits!r} must be {qubits} bits long, one for each qubit used")
    return int(bits, 2)


def _pair(amplitude: np.complex128) -> list[float]:
    return [float(amplitude.real), float(amplitude.imag)]


def states_needed(result: ResultType) -> int:
    """How many arrays of the state's size reading ``result`` holds at its peak, the state itself included."""
    if result.observable is None or result.targets is None:
        return 1
    touched = sum(len(targets) for name, targets in result.observable.factors if not is_identity(name))
    return 1 if pauli_word(result.observable) is not None or 1 << touched <= _PIECE else 4


def values_wanted(circuit: Circuit) -> int:
    """How many numbers the results of a circuit are, those of single numbers aside."""
    total = 0
    for result in circuit.results:
        width = circuit.qubit_count if result.targets is None else len(result.targets)
        if result.kind == "probability":
            total += 1 << width
        elif result.kind == "state_vector":
            total += 2 << width
        elif result.kind == "density_matrix":
            total += 2 << min(2 * width, 2 * LARGEST_DENSITY_QUBITS)
    return total
