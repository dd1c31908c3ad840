"""Exact values read from a state, against Kronecker-product formulas."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Observable, ProgramError, ResultType
from braketeer.quantum.observables import factor_matrix
from braketeer.quantum.results.exact import exact_values, moments
from braketeer.quantum.results.paulis import pauli_expectations
from braketeer.quantum.results.probabilities import probabilities

Array = NDArray[np.complex128]


def random_state(random: np.random.Generator, qubits: int) -> Array:
    state = random.normal(size=2**qubits) + 1j * random.normal(size=2**qubits)
    return np.asarray(state / np.linalg.norm(state), dtype=np.complex128)


def random_hermitian(random: np.random.Generator, width: int) -> Array:
    matrix = random.normal(size=(2**width,) * 2) + 1j * random.normal(size=(2**width,) * 2)
    return np.asarray((matrix + matrix.conj().T) / 2, dtype=np.complex128)


def dense(observable: Observable, qubits: int) -> Array:
    """The observable on the whole register, through its factors' matrices in target order and a permutation."""
    order = [target for _, targets in observable.factors for target in targets]
    rest = [qubit for qubit in range(qubits) if qubit not in order]
    matrices = [factor_matrix(factor) for factor, _ in observable.factors] + [np.eye(2 ** len(rest))]
    tensor = reduce(np.kron, matrices).reshape((2,) * (2 * qubits))
    places = [(order + rest).index(qubit) for qubit in range(qubits)]
    return tensor.transpose(places + [qubits + place for place in places]).reshape((2**qubits,) * 2)


def random_observable(random: np.random.Generator, qubits: int) -> Observable:
    free = list(map(int, random.permutation(qubits)))
    factors: list[tuple[str | Array, tuple[int, ...]]] = []
    while free and (not factors or random.random() < 0.7):
        width = int(random.integers(1, min(3, len(free)) + 1))
        if random.random() < 0.3:
            factors.append((random_hermitian(random, width), tuple(free[:width])))
        else:
            width = 1
            factors.append((str(random.choice(list("xyzhi"))), (free[0],)))
        del free[:width]
    return Observable(tuple(factors))


def test_moments_of_random_observables() -> None:
    random = np.random.default_rng(1)
    for _ in range(200):
        qubits = int(random.integers(1, 7))
        state, observable = random_state(random, qubits), random_observable(random, qubits)
        matrix = dense(observable, qubits)
        ((mean, square),) = moments(state, [observable])
        assert abs(mean - np.vdot(state, matrix @ state).real) < 1e-12
        assert abs(square - np.vdot(state, matrix @ matrix @ state).real) < 1e-11


@pytest.mark.parametrize("widest", [5, 16])
def test_pauli_products_across_blocks_of_a_larger_state(widest: int) -> None:
    """18 qubits: the state is read in several blocks and rows, so flips and signs fall inside, across, and both.

    Narrow products leave a run of qubits free, wide ones often none.
    """
    qubits = 18
    random = np.random.default_rng(2)
    state = random_state(random, qubits)
    indices = np.arange(state.size)
    words, right = [], []
    for _ in range(50):
        targets = random.permutation(qubits)[: int(random.integers(0, widest + 1))]
        letters = [(str(random.choice(list("xyzzi"))), int(target)) for target in targets]
        image = state.copy()
        for letter, qubit in letters:
            bit = indices >> (qubits - 1 - qubit) & 1
            if letter in "zy":
                image = image * (1 - 2 * bit)
            if letter in "xy":
                image = image[indices ^ 1 << (qubits - 1 - qubit)]
            if letter == "y":
                image = image * 1j
        words.append(letters)
        right.append(np.vdot(state, image).real)
    # Those that flip the same bits are read together.
    words += [[("x", 3), ("z", 7)], [("y", 3)], [("x", 3)]]
    right += [pauli_expectations(state, [word])[0] for word in words[-3:]]
    assert np.abs(np.subtract(pauli_expectations(state, words), right)).max() < 1e-13


def test_more_qubits_than_are_read_together() -> None:
    place = 0b101100111000111100001
    state = np.zeros(2**21, dtype=np.complex128)
    state[place] = 1j
    found = pauli_expectations(state, [[("z", qubit)] for qubit in range(21)])
    assert found == [1.0 - 2 * (place >> (20 - qubit) & 1) for qubit in range(21)]


def test_wide_products_of_other_factors_on_a_larger_state() -> None:
    """17 touched qubits: beyond one piece of work."""
    state = np.full(2**18, 2**-9, dtype=np.complex128)
    sizes = [("h", (qubit,)) for qubit in range(17)]
    ((mean, square),) = moments(state, [Observable(tuple(sizes))])
    assert abs(mean - np.sqrt(0.5) ** 17) < 1e-12
    assert abs(square - 1) < 1e-12


@pytest.mark.parametrize("qubits", [1, 3, 11, 18])
def test_probabilities_of_targets_in_the_order_asked(qubits: int) -> None:
    random = np.random.default_rng(qubits)
    state = random_state(random, qubits)
    every = np.abs(state) ** 2
    assert np.abs(probabilities(state) - every).max() < 1e-15
    for _ in range(20):
        targets = list(map(int, random.permutation(qubits)[: int(random.integers(1, qubits + 1))]))
        tensor = every.reshape((2,) * qubits)
        rest = tuple(qubit for qubit in range(qubits) if qubit not in targets)
        kept = sorted(targets)
        expected = tensor.sum(axis=rest).transpose([kept.index(target) for target in targets]).reshape(-1)
        assert np.abs(probabilities(state, targets) - expected).max() < 1e-14


def result(
    kind: str, targets: tuple[int, ...] | None = None, *factors: object, states: tuple[str, ...] = ()
) -> ResultType:
    observable = Observable(factors) if factors else None  # type: ignore[arg-type]
    return ResultType(kind, {"type": kind}, targets, observable, states)


def values(state: Array, *results: ResultType) -> list[object]:
    return exact_values(Circuit(tuple(range(state.size.bit_length() - 1)), [], list(results)), state)


def test_one_value_for_each_qubit_where_no_target_is_named() -> None:
    state = np.kron([1, 0], np.kron([0, 1], [np.sqrt(0.75), 0.5])).astype(np.complex128)
    every = [("z", (qubit,)) for qubit in range(3)]
    expectation, variance = values(state, result("expectation", None, *every), result("variance", None, *every))
    assert np.allclose(expectation, [1, -1, 0.5], atol=1e-15)
    assert np.allclose(variance, [0, 0, 0.75], atol=1e-15)


def test_amplitudes_and_states_are_pairs() -> None:
    state = np.array([0.6, 0, 0, -0.8j])
    amplitudes, vector = values(state, result("amplitude", states=("11", "00")), result("state_vector"))
    assert amplitudes == {"11": [0.0, -0.8], "00": [0.6, 0.0]}
    assert np.array_equal(vector, [[0.6, 0], [0, 0], [0, 0], [0, -0.8]])


def test_density_matrices_of_some_qubits() -> None:
    random = np.random.default_rng(4)
    state = random_state(random, 5)
    (given,) = values(state, result("density_matrix", (3, 1)))
    pairs = np.asarray(given)
    tensor = state.reshape((2,) * 5).transpose(3, 1, 0, 2, 4).reshape(4, 8)
    assert np.abs(pairs[..., 0] + 1j * pairs[..., 1] - tensor @ tensor.conj().T).max() < 1e-14


BAD_RESULTS = [
    (result("amplitude", states=("1",)), "must be 2 bits long"),
    (result("amplitude", states=("1x",)), "must be 2 bits long"),
    (result("sample", (0,), ("z", (0,))), "needs shots"),
    (result("adjoint_gradient"), "'adjoint_gradient' has no exact value"),
    (result("expectation", (0,), ("w", (0,))), "no observable 'w'"),
    (result("expectation", (0,)), "names no observable"),
    (result("expectation", (0, 0), ("z", (0,)), ("x", (0,))), "each of its qubits once"),
    (result("expectation", (5,), ("z", (5,))), "only qubits of the circuit"),
    (result("expectation", (0, 1), ("z", (0, 1))), "does not fit"),
    (result("expectation", (0,), (np.array([[0, 1], [2, 0]]), (0,))), "not hermitian"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_RESULTS, ids=[message for _, message in BAD_RESULTS])
def test_results_that_cannot_be_read_are_refused(bad: ResultType, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        values(np.array([1, 0, 0, 0], dtype=np.complex128), bad)
