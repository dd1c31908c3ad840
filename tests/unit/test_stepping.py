"""Stepping states against the dense reference: every outcome's probability and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest

from braketeer.quantum.circuit import Circuit, Gate, ProgramError
from braketeer.quantum.engines import available
from braketeer.quantum.engines.stepping import Stepping, SteppingDensity, SteppingVector, stepping
from braketeer.quantum.noise import noise, reset
from tests.unit.dense import mixed_state_of
from tests.unit.random_circuits import random_gate, random_noise, spread

RANDOM = np.random.default_rng(0)


def projector(qubits: int, qubit: int, outcome: int) -> np.ndarray:
    keep = np.zeros(2)
    keep[outcome] = 1
    return np.diag(np.kron(np.kron(np.ones(1 << qubit), keep), np.ones(1 << (qubits - 1 - qubit))))


def as_matrix(state: Stepping) -> np.ndarray:
    if isinstance(state, SteppingDensity):
        return state.density
    assert isinstance(state, SteppingVector)
    return np.outer(state.state(), state.state().conj())


@pytest.mark.parametrize("density", [False, True], ids=["vector", "density"])
@pytest.mark.parametrize("engine", available())
def test_gates_and_both_outcomes_of_measurements(engine: str, density: bool) -> None:
    random = np.random.default_rng(4)
    for _ in range(40):
        qubits = int(random.integers(1, 5))
        state = stepping(qubits, density=density, engine=engine)
        gates = spread(qubits) + [random_gate(random, qubits) for _ in range(6)]
        for gate in gates:
            state.apply(gate, RANDOM)
        right = mixed_state_of(Circuit(tuple(range(qubits)), gates))
        qubit = int(random.integers(qubits))
        for outcome in (0, 1):
            keep = projector(qubits, qubit, outcome)
            probability = np.trace(keep @ right).real
            one = state.probability_of_one(qubit)
            assert (one if outcome else 1 - one) == pytest.approx(probability, abs=1e-12)
            if probability > 1e-9:
                course = state.copy()
                course.project(qubit, outcome)
                assert np.abs(as_matrix(course) - keep @ right @ keep / probability).max() < 1e-10
                assert course.populations().sum() == pytest.approx(1)
        assert np.abs(as_matrix(state) - right).max() < 1e-11


def test_noise_and_resets_of_a_density_matrix() -> None:
    random = np.random.default_rng(5)
    operators = [np.array([[1, 0], [0, 0]]), np.array([[0, 1], [0, 0]])]
    for _ in range(30):
        qubits = int(random.integers(1, 4))
        operations = [*spread(qubits), random_noise(random, qubits), random_gate(random, qubits)]
        state = stepping(qubits, density=True)
        for operation in operations:
            state.apply(operation, RANDOM)
        qubit = int(random.integers(qubits))
        state.apply(reset(qubit), RANDOM)
        right = mixed_state_of(Circuit(tuple(range(qubits)), operations))
        wide = [np.kron(np.kron(np.eye(1 << qubit), k), np.eye(1 << (qubits - 1 - qubit))) for k in operators]
        assert np.abs(as_matrix(state) - sum(k @ right @ k.T for k in wide)).max() < 1e-12
        assert state.probability_of_one(qubit) == pytest.approx(0, abs=1e-12)


def test_a_trajectory_follows_noise_and_resets_by_chance() -> None:
    random = np.random.default_rng(6)
    operations = [*spread(2), noise("amplitude_damping", (0.6,), (1,)), Gate("cnot", (1, 0))]
    right = np.diag(mixed_state_of(Circuit((0, 1), operations))).real
    total = np.zeros(4)
    for _ in range(2_000):
        state = stepping(2, density=False)
        for operation in operations:
            state.apply(operation, random)
        total += state.populations()
        state.apply(reset(1), random)
        assert state.probability_of_one(1) == 0
    assert np.abs(total / 2_000 - right).max() < 0.03


def measure(state: Stepping, qubit: int, random: np.random.Generator) -> int:
    outcome = int(random.random() < state.probability_of_one(qubit))
    state.project(qubit, outcome)
    return outcome


def test_outcomes_are_drawn_as_often_as_they_are_likely_and_never_when_impossible() -> None:
    random = np.random.default_rng(7)
    drawn = []
    for _ in range(2_000):
        state = stepping(2, density=False)
        state.apply(Gate("ry", (0,), (2 * np.arcsin(np.sqrt(0.3)),)), random)
        state.apply(Gate("cnot", (0, 1)), random)
        first = measure(state, 0, random)
        assert measure(state, 1, random) == first
        drawn.append(first)
    assert 520 < sum(drawn) < 680


def test_many_waiting_gates_go_through_the_engine() -> None:
    state = stepping(12, density=False)
    for gate in spread(12):
        state.apply(gate, RANDOM)
    state.project(3, 1)
    state.apply(Gate("x", (3,)), RANDOM)
    state.apply(Gate("cnot", (0, 11)), RANDOM)
    assert state.probability_of_one(3) == pytest.approx(0, abs=1e-12)
    assert state.probability_of_one(0) == pytest.approx(np.sin(0.35) ** 2)


def test_a_gate_that_does_not_fit_is_refused() -> None:
    for density in (False, True):
        with pytest.raises(ProgramError, match="one qubit twice"):
            stepping(2, density=density).apply(Gate("cnot", (0, 0)), RANDOM)
