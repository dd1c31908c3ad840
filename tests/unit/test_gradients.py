"""Adjoint gradients of both engines against differences of the dense reference, for every gate with angles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from braketeer.quantum.circuit import Circuit, Gate, Limits, Observable, ProgramError, ResultType
from braketeer.quantum.engines import available, choose
from braketeer.quantum.evolution import values
from braketeer.quantum.gates import GATES, gate_derivative, inverse, resolved_matrix
from braketeer.quantum.memory import memory_bytes
from braketeer.quantum.noise import noise
from tests.unit.dense import density_of, operator_of, state_of
from tests.unit.random_circuits import random_gate, spread

ANGLED = sorted(name for name, signature in GATES.items() if signature.parameters)
LIMITS = Limits("sv1", 20, frozenset({"adjoint_gradient"}), frozenset(), frozenset(GATES))
INPUTS = ("a", "b", "c")


def parametrised(random: np.random.Generator, qubits: int, plain: bool) -> Gate:
    """A gate of which each angle is a random linear function of some inputs; ``plain``: no controls, no powers."""
    while True:
        gate = random_gate(random, qubits)
        if gate.name in ANGLED and (not plain or not (gate.controls or gate.power != 1)):
            break
    slopes = tuple(
        tuple((name, float(random.normal())) for name in INPUTS if random.random() < 0.5) for _ in gate.parameters
    )
    return replace(gate, slopes=slopes)


def moved(circuit: Circuit, by: dict[str, float]) -> Circuit:
    def gate_moved(gate: Gate) -> Gate:
        slopes = gate.slopes or ((),) * len(gate.parameters)
        changes = [sum(slope * by.get(name, 0.0) for name, slope in pairs) for pairs in slopes]
        return replace(gate, parameters=tuple(np.add(gate.parameters, changes)))

    return replace(circuit, operations=[gate_moved(gate) for gate in circuit.gates])


def energy(circuit: Circuit, terms: tuple[tuple[float, Observable], ...]) -> float:
    state, total = state_of(circuit), 0.0
    for coefficient, observable in terms:
        matrix, qubits = operator_of(observable.factors)
        total += coefficient * np.trace(density_of(state, qubits) @ matrix).real
    return total


def differences(circuit: Circuit, terms: tuple[tuple[float, Observable], ...]) -> dict[str, float]:
    """Central differences of fourth order, good to about 1e-10."""
    step = 1e-3
    found = {}
    for name in INPUTS:
        e = [energy(moved(circuit, {name: k * step}), terms) for k in (-2, -1, 1, 2)]
        found[name] = (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * step)
    return found


def random_terms(random: np.random.Generator, qubits: int, letters: str) -> tuple[tuple[float, Observable], ...]:
    terms = []
    for _ in range(3):
        targets = random.permutation(qubits)[: int(random.integers(1, qubits + 1))]
        factors = tuple((str(random.choice(list(letters))), (int(target),)) for target in targets)
        terms.append((float(random.normal()), Observable(factors)))
    return tuple(terms)


def gradient_of(circuit: Circuit, terms: tuple[tuple[float, Observable], ...], engine: str) -> dict[str, object]:
    asked = ResultType("adjoint_gradient", {}, terms=terms, parameters=INPUTS)
    (found,) = values(replace(circuit, results=[asked]), LIMITS, choose(engine))
    return dict(found)


@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize("plain", [True, False], ids=["plain", "controls and powers"])
def test_random_circuits(engine: str, plain: bool) -> None:
    random = np.random.default_rng(11)
    for _ in range(40):
        qubits = int(random.integers(1, 5))
        gates = spread(qubits)
        for _ in range(6):
            gates += [parametrised(random, qubits, plain), random_gate(random, qubits)]
        circuit = Circuit(tuple(range(qubits)), gates)
        terms = random_terms(random, qubits, "ixyzh")
        found = gradient_of(circuit, terms, engine)
        assert found["expectation"] == pytest.approx(energy(circuit, terms), abs=1e-10)
        assert found["gradient"] == pytest.approx(differences(circuit, terms), abs=2e-8)


@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize("name", ANGLED)
def test_every_gate_with_angles(name: str, engine: str) -> None:
    signature = GATES[name]
    targets = (2, 0)[: signature.qubits]
    slopes = tuple(((INPUTS[place], 1.0 + place),) for place in range(signature.parameters))
    gate = Gate(name, targets, (0.4, -1.1, 2.3)[: signature.parameters], slopes=slopes)
    circuit = Circuit((0, 1, 2), [*spread(3), gate, *spread(3), Gate("cnot", (0, 1)), replace(gate, power=-1.0)])
    terms = random_terms(np.random.default_rng(5), 3, "xyz")
    assert gradient_of(circuit, terms, engine)["gradient"] == pytest.approx(differences(circuit, terms), abs=1e-8)


def test_inputs_that_no_gate_depends_on_have_the_derivative_zero() -> None:
    circuit = Circuit((0,), [Gate("ry", (0,), (0.3,), slopes=((("a", 2.0),),))])
    found = gradient_of(circuit, ((1.5, Observable((("z", (0,)),))),), available()[0])
    assert found["expectation"] == pytest.approx(1.5 * np.cos(0.3))
    assert found["gradient"] == pytest.approx({"a": -3 * np.sin(0.3), "b": 0.0, "c": 0.0})


@pytest.mark.parametrize("name", sorted(GATES))
@pytest.mark.parametrize("power", [1.0, 0.4, -2.0])
def test_the_inverse_undoes_a_gate(name: str, power: float) -> None:
    gate = Gate(name, tuple(range(GATES[name].qubits)), (0.4, -1.1, 2.3)[: GATES[name].parameters], power=power)
    product = resolved_matrix(inverse(gate)) @ resolved_matrix(gate)
    assert np.abs(product - np.eye(len(product))).max() < 1e-13


@pytest.mark.parametrize("name", ANGLED)
@pytest.mark.parametrize("power", [1.0, 0.4, -1.0, 3.0])
def test_derivatives_of_matrices(name: str, power: float) -> None:
    gate = Gate(name, (), (0.4, -1.1, 2.3)[: GATES[name].parameters], power=power)
    for place in range(GATES[name].parameters):
        above, below = (
            resolved_matrix(
                replace(
                    gate, parameters=tuple(np.add(gate.parameters, step * np.eye(3)[place][: len(gate.parameters)]))
                )
            )
            for step in (1e-5, -1e-5)
        )
        assert np.abs(gate_derivative(gate, place) - (above - below) / 2e-5).max() < 1e-8


def test_other_results_beside_a_gradient() -> None:
    asked = [
        ResultType("expectation", {}, (0,), Observable((("z", (0,)),))),
        ResultType("adjoint_gradient", {}, terms=((1.0, Observable((("z", (0,)),))),), parameters=("a",)),
        ResultType("probability", {}, (0,)),
    ]
    circuit = Circuit((0,), [Gate("rx", (0,), (0.3,), slopes=((("a", 1.0),),))], asked)
    mean, gradient, probabilities = values(circuit, LIMITS, choose())
    assert mean == pytest.approx(np.cos(0.3))
    assert gradient["gradient"]["a"] == pytest.approx(-np.sin(0.3))
    assert probabilities == pytest.approx([np.cos(0.15) ** 2, np.sin(0.15) ** 2])


def test_the_memory_of_a_gradient_is_asked_for() -> None:
    asked = ResultType("adjoint_gradient", {}, terms=((1.0, Observable((("z", (0,)),))),), parameters=("a",))
    circuit = Circuit(tuple(range(20)), [Gate("rx", (19,), (0.3,))], [asked])
    assert memory_bytes(circuit, 0, LIMITS) > 7 * (16 << 20)


def test_a_gradient_after_noise_is_refused() -> None:
    operations = [Gate("rx", (0,), (0.3,), slopes=((("a", 1.0),),)), noise("bit_flip", (0.1,), (0,))]
    asked = ResultType("adjoint_gradient", {}, terms=((1.0, Observable((("z", (0,)),))),), parameters=("a",))
    with pytest.raises(ProgramError, match="without noise"):
        values(Circuit((0,), operations, [asked]), replace(LIMITS, max_density_qubits=5), choose())
