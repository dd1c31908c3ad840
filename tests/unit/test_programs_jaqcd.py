"""JAQCD programs give the circuit of the OpenQASM program that the SDK writes for the same thing."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from braket.circuits import Circuit, Observable
from braket.circuits.serialization import IRType
from braket.tasks import GateModelQuantumTaskResult

from braketeer.quantum import ProgramError, prepare
from braketeer.quantum.noise import noise
from braketeer.quantum.programs import JAQCD, compile_jaqcd, compile_program
from tests.unit.programs_help import LIMITS, WIDE
from tests.unit.tasks_help import EVERYTHING, counts, outcome

HEADER = {"name": JAQCD, "version": "1"}
HERMITIAN = np.array([[0.3, 2 - 1j], [2 + 1j, -3]])


def everything() -> Circuit:
    circuit = Circuit()
    for name in ("h", "i", "x", "y", "z", "s", "si", "t", "ti", "v", "vi"):
        getattr(circuit, name)(4)
    for number, name in enumerate(("rx", "ry", "rz", "phaseshift")):
        getattr(circuit, name)(2, 0.1 + number)
    for name in ("cnot", "cy", "cz", "cv", "swap", "iswap", "ecr"):
        getattr(circuit, name)(4, 2)
    for name in ("xx", "yy", "zz", "xy", "pswap", "cphaseshift", "cphaseshift00", "cphaseshift01", "cphaseshift10"):
        getattr(circuit, name)(2, 7, 0.4)
    circuit.ccnot(7, 2, 4).cswap(2, 4, 7)
    return circuit.unitary(matrix=np.kron(np.diag([1, 1j]), np.array([[0, 1], [1, 0]])), targets=[7, 2])


def with_noise() -> Circuit:
    circuit = Circuit().h(0).cnot(0, 3)
    circuit.bit_flip(0, 0.1).phase_flip(3, 0.2).depolarizing(0, 0.3).pauli_channel(0, 0.1, 0.05, 0.2)
    circuit.amplitude_damping(0, 0.1).phase_damping(3, 0.2).generalized_amplitude_damping(0, 0.3, 0.4)
    circuit.two_qubit_depolarizing(3, 0, 0.2).two_qubit_dephasing(0, 3, 0.1)
    return circuit.kraus([0], [np.sqrt(0.8) * np.eye(2), np.sqrt(0.2) * np.array([[0, 1], [1, 0]])])


def with_results() -> Circuit:
    circuit = Circuit().h(0).cnot(0, 3).ry(5, 0.3)
    circuit.expectation(Observable.X() @ Observable.Hermitian(HERMITIAN), [3, 0]).variance(Observable.Y(), 5)
    circuit.expectation(Observable.H()).probability([5, 0]).probability().state_vector().amplitude(["010", "111"])
    return circuit.density_matrix([3, 0])


def jaqcd(circuit: Circuit) -> str:
    with pytest.warns(UserWarning, match="deprecated"):
        return str(circuit.to_ir(IRType.JAQCD).json())


@pytest.mark.parametrize("circuit", [everything(), with_noise(), with_results()], ids=["gates", "noise", "results"])
def test_the_same_circuit_as_in_openqasm(circuit: Circuit) -> None:
    program = json.loads(circuit.to_ir(IRType.OPENQASM).json())
    wanted = compile_program(program["source"], {}, WIDE)
    found = compile_jaqcd(json.loads(jaqcd(circuit)), WIDE, exact=True)
    assert repr(found.operations) == repr(wanted.operations)
    assert found.labels == wanted.labels
    assert repr(found.results) == repr(wanted.results)


def test_pauli_words() -> None:
    circuit = Circuit().h(0).cnot(0, 3).two_qubit_pauli_channel(3, 0, {"XY": 0.1, "ZI": 0.2})
    found = compile_jaqcd(json.loads(jaqcd(circuit)), WIDE, exact=True).operations[-1]
    words = ["".join(pair) for pair in product("IXYZ", repeat=2)][1:]
    assert found == noise("two_qubit_pauli_channel", [{"XY": 0.1, "ZI": 0.2}.get(word, 0) for word in words], (1, 0))
    one = {"type": "multi_qubit_pauli_channel", "targets": [0], "probabilities": {"X": 0.1, "Z": 0.2}}
    found = compile_jaqcd(json.loads(raw(one)), WIDE, exact=True).operations[0]
    assert found == noise("pauli_channel", [0.1, 0, 0.2], (0,))


def test_shots_as_the_sdk_reads_them() -> None:
    circuit = Circuit().h(0).cnot(0, 3).expectation(Observable.X() @ Observable.X(), [0, 3]).sample(Observable.X(), 0)
    text = outcome(jaqcd(circuit), 400).document
    result = GateModelQuantumTaskResult.from_string(text.decode())
    assert result.values[0] == 1
    assert len(result.values[1]) == 400
    assert result.measurements.shape == (400, 2)


def raw(*instructions: Any, **members: Any) -> str:
    return json.dumps({"braketSchemaHeader": HEADER, "instructions": instructions, **members})


def test_basis_rotations_without_results() -> None:
    plus = {"type": "h", "target": 2}
    text = outcome(raw(plus, basis_rotation_instructions=[plus]), 50).document
    assert counts(json.loads(text)) == {"0": 50}
    given = json.loads(
        outcome(raw(plus, basis_rotation_instructions=[plus], results=[{"type": "probability"}]), 0).document
    )
    assert given["resultTypes"][0]["value"] == pytest.approx([0.5, 0.5])


H = {"type": "h", "target": 0}


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (json.dumps({"braketSchemaHeader": HEADER}), "'instructions' must be a list"),
        (raw(), "uses no qubits"),
        (raw({"target": 0}), "Instruction 0 has no type"),
        (raw(H, {"type": "foo", "target": 0}), "Instruction 1 (foo): JAQCD has no such instruction"),
        (raw({"type": "gpi", "target": 0, "angle": 1}), "no such instruction"),
        (raw({"type": "rx", "target": 0}), "finite number 'angle'"),
        (raw({"type": "rx", "target": 0, "angle": "1"}), "finite number 'angle'"),
        (raw({"type": "cnot", "control": 1, "target": 1}), "names a qubit twice"),
        (raw({"type": "cnot", "target": 1}), "acts on 2 qubits, not on 1"),
        (raw({"type": "h", "target": -1}), "from 0 to"),
        (raw({"type": "h", "target": 10**9}), "from 0 to"),
        (raw({"type": "h", "target": 0.5}), "whole numbers"),
        (raw({"type": "h", "targets": "01"}), "whole numbers"),
        (raw({"type": "unitary", "targets": [0], "matrix": [[[1, 0], [1, 0]], [[0, 0], [1, 0]]]}), "must be unitary"),
        (raw({"type": "unitary", "targets": [0], "matrix": [[[1, 0]], [[1, 0], [0, 0]]]}), "expected a matrix"),
        (
            raw({"type": "unitary", "targets": [0, 1], "matrix": [[[1, 0], [0, 0]], [[0, 0], [1, 0]]]}),
            "does not act on 2",
        ),
        (raw({"type": "bit_flip", "target": 0, "probability": 1.5}), "from 0 to 1"),
        (raw({"type": "multi_qubit_pauli_channel", "targets": [0], "probabilities": {"XX": 0.1}}), "'XX' is no Pauli"),
        (raw({"type": "multi_qubit_pauli_channel", "targets": [0], "probabilities": {"X": 2}}), "from 0 to 1"),
        (raw({"type": "multi_qubit_pauli_channel", "targets": [0]}), "expected 'probabilities'"),
        (raw({"type": "kraus", "targets": [0], "matrices": 3}), "a list 'matrices'"),
        (raw(H, results=[{"type": "foo"}]), "'foo' is not supported in JAQCD programs"),
        (raw(H, results=[{"type": "adjoint_gradient"}]), "is not supported in JAQCD programs"),
        (raw(H, results=[{"type": "expectation", "observable": ["q"]}]), "unknown observable 'q'"),
        (
            raw(H, results=[{"type": "expectation", "observable": ["x", "y"], "targets": [0]}]),
            "acts on 2 qubits, not on 1",
        ),
        (raw(H, results=[{"type": "expectation", "observable": ["x", "y"]}]), "needs its targets"),
        (raw(H, results=[{"type": "expectation"}]), "a list of observables"),
        (raw(H, results=[{"type": "probability", "targets": [0, 0]}]), "names a qubit twice"),
        (raw(H, results=[{"type": "amplitude", "states": ["02"]}]), "expected states"),
        (raw(H, results=[{"type": "amplitude", "states": ["00"]}]), "one digit for each of the 1 qubits"),
        (raw(*[{"type": "h", "target": qubit} for qubit in range(40)]), "Used 40 qubits"),
        (raw(H, results=4), "'results' must be a list"),
    ],
)
def test_mistakes(action: str, message: str) -> None:
    with pytest.raises(ProgramError) as refusal:
        prepare(action, EVERYTHING, 0 if "results" in action else 10)
    assert message in str(refusal.value)


def test_what_the_device_does_not_take() -> None:
    with pytest.raises(ProgramError, match="does not take JAQCD programs"):
        prepare(raw(H), LIMITS, 10)
    with pytest.raises(ProgramError, match="the noise is not supported"):
        prepare(raw({"type": "bit_flip", "target": 0, "probability": 0.1}), replace(EVERYTHING, noise=frozenset()), 10)
    with pytest.raises(ProgramError, match="more than 2 gates"):
        prepare(raw(H, H, H), replace(EVERYTHING, most_gates=2), 10)
