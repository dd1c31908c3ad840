"""Programs as amazon-braket-sdk writes them, against the matrices of the SDK's own instructions."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from braket.circuits import Circuit as SdkCircuit
from braket.circuits import FreeParameter, Gate, Observable, ResultType, observables
from braket.circuits.serialization import IRType
from braket.task_result.gate_model_task_result_v1 import ResultTypeValue
from braket.tasks import GateModelQuantumTaskResult

from braketeer.quantum.circuit import Circuit
from braketeer.quantum.circuit import Gate as OurGate
from braketeer.quantum.gates import GATES
from tests.unit.dense import full_matrix, state_of
from tests.unit.programs_help import compiled

BY_NAME = {name.lower(): getattr(Gate, name) for name in dir(Gate) if name.lower() in GATES}


def written(circuit: SdkCircuit, inputs: dict[str, float] | None = None) -> Circuit:
    return compiled(circuit.to_ir(ir_type=IRType.OPENQASM).source, inputs)


def sdk_state(circuit: SdkCircuit) -> Any:
    """The state by the SDK's matrices, qubits in ascending order."""
    place = {int(qubit): i for i, qubit in enumerate(sorted(circuit.qubits))}
    state = np.zeros(2 ** len(place), dtype=complex)
    state[0] = 1
    for instruction in circuit.instructions:
        if not isinstance(instruction.operator, Gate):
            continue
        gate = OurGate(
            "unitary",
            tuple(place[int(qubit)] for qubit in instruction.target),
            (),
            tuple(place[int(qubit)] for qubit in instruction.control),
            tuple(instruction.control_state) if instruction.control else (),
            instruction.power,
            instruction.operator.to_matrix(),
        )
        state = full_matrix(gate, len(place)) @ state
    return state


def random_circuit(seed: int, qubits: list[int]) -> SdkCircuit:
    rng = random.Random(seed)
    circuit = SdkCircuit()
    for qubit in qubits:
        circuit.ry(qubit, rng.uniform(-3, 3))
    for _ in range(14):
        name = rng.choice(sorted(BY_NAME))
        signature = GATES[name]
        gate = BY_NAME[name](*[rng.uniform(-4, 4) for _ in range(signature.parameters)])
        chosen = rng.sample(qubits, len(qubits))
        if name == "gphase":
            circuit.add_instruction(instruction(gate, chosen[:0], chosen, rng))
            continue
        circuit.add_instruction(instruction(gate, chosen[: signature.qubits], chosen[signature.qubits :], rng))
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4, 2)) @ [1, 1j])[0]
    circuit.unitary(matrix=turn, targets=rng.sample(qubits, 2))
    return circuit


def instruction(gate: Gate, target: list[int], others: list[int], rng: random.Random) -> Any:
    from braket.circuits import Instruction

    control = others[: rng.choice([0, 0, 1, 2])]
    state = [rng.randint(0, 1) for _ in control]
    power = rng.choice([1, 1, 1, -1, 2, 0.5, -1.3]) if gate.name != "GPhase" else 1
    return Instruction(gate, target, control=control, control_state=state or None, power=power)


@pytest.mark.parametrize("seed", range(40))
def test_random_circuits(seed: int) -> None:
    qubits = [0, 1, 2, 3] if seed % 2 else [1, 4, 5, 9]
    circuit = random_circuit(seed, qubits)
    ours = written(circuit)
    assert list(ours.labels) == qubits
    np.testing.assert_allclose(state_of(ours), sdk_state(circuit), atol=1e-8)


def test_measurements() -> None:
    assert written(SdkCircuit().h(0).cnot(0, 1)).measured == (0, 1)
    ours = written(SdkCircuit().h(0).cnot(0, 4).measure([4, 0]))
    assert (ours.labels, ours.measured) == ((0, 4), (1, 0))
    ours = written(SdkCircuit().h(0).cnot(0, 1).measure(1))
    assert (ours.labels, ours.measured) == ((0, 1), (1,))
    ours = written(SdkCircuit().h(2).add_verbatim_box(SdkCircuit().cz(2, 3)).barrier([2, 3]))
    assert (ours.labels, ours.measured, [gate.name for gate in ours.gates]) == ((2, 3), (0, 1), ["h", "cz"])


def test_parameters_mean_what_the_user_wrote() -> None:
    a, c = FreeParameter("alpha"), FreeParameter("c_1")
    expressions = [
        a,
        -a,
        2 * a + c,
        (a + 1) / 3,
        a / 3 + 1 / 3,
        a**2,
        a * c - c / 7,
        (a - c) * (a + 2) / 5,
        a + 1e-5,
        1e20 * a,
    ]
    circuit = SdkCircuit()
    for expression in expressions:
        circuit.rx(0, expression)
    circuit.u(0, a, c, 0.5).ms(0, 1, c, a, -c).rz(1, a, control=0, power=2)
    values = {"alpha": 0.4, "c_1": -1.25}
    ours = written(circuit, values)
    bound = circuit.make_bound_circuit(values)
    for gate, right in zip(ours.gates, bound.instructions, strict=True):
        assert gate.parameters == pytest.approx([float(value) for value in right.operator.parameters])


def test_every_result_type_is_found_again_by_the_sdk() -> None:
    wide = np.array([[1, 0, 0, 2 - 1j], [0, 2, 1j, 0], [0, -1j, 3, 0], [2 + 1j, 0, 0, -4e-7]])
    small = np.array([[0.3, -1e-7 - 2j], [-1e-7 + 2j, -3]])
    asked = [
        ResultType.StateVector(),
        ResultType.DensityMatrix(),
        ResultType.DensityMatrix([2, 0]),
        ResultType.Probability(),
        ResultType.Probability([2, 1]),
        ResultType.Amplitude(["010", "111"]),
        ResultType.Expectation(Observable.X() @ Observable.Y(), [2, 0]),
        ResultType.Expectation(Observable.Z()),
        ResultType.Variance(Observable.H(), 1),
        ResultType.Sample(Observable.I(), 2),
        ResultType.Expectation(Observable.Hermitian(small), 0),
        ResultType.Expectation(Observable.Hermitian(small)),
        ResultType.Variance(Observable.Hermitian(wide), [2, 0]),
        ResultType.Expectation(observables.Hermitian(small) @ observables.Z() @ observables.X(), [1, 2, 0]),
        ResultType.Expectation(observables.Z() @ observables.Hermitian(wide), [1, 2, 0]),
    ]
    circuit = SdkCircuit().h(0).cnot(0, 2).i(1)
    for result_type in asked:
        circuit.add_result_type(result_type)
    found = [
        ResultTypeValue.parse_obj({"type": result.specification, "value": 0.0}) for result in written(circuit).results
    ]
    hash_of = GateModelQuantumTaskResult._result_type_hash
    assert [hash_of(ours.type) for ours in found] == [hash_of(result_type.to_ir()) for result_type in asked]
