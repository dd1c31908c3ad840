"""Program sets: what the SDK sends and reads back, what is refused and how, and what happens when one fails."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from braket.circuits import Circuit, FreeParameter, Observable
from braket.circuits.observables import Sum
from braket.program_sets import CircuitBinding, ProgramSet
from braket.task_result import ProgramSetTaskResult
from braket.tasks import ProgramSetQuantumTaskResult

from braketeer.quantum import ProgramError, ProgramSetError, SetFailure, executables, prepare
from braketeer.quantum.results.evaluated import Evaluated
from tests.unit.tasks_help import EVERYTHING, outcome

HEADER = {"name": "braket.ir.openqasm.program_set", "version": "1"}
BELL = "OPENQASM 3.0;\nbit[2] b;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\nb[0] = measure q[0];\nb[1] = measure q[1];"
TURN = "OPENQASM 3.0;\ninput float t;\nbit[1] b;\nqubit[1] q;\nrx(t) q[0];\nb[0] = measure q[0];"


def program_set(*programs: Any) -> str:
    return json.dumps({"braketSchemaHeader": HEADER, "programs": programs})


def program(source: str, inputs: Any = None) -> dict[str, Any]:
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    return {"braketSchemaHeader": header, "source": source, "inputs": inputs}


def given(action: str, shots: int) -> Any:
    text = outcome(action, shots).document
    ProgramSetTaskResult.parse_raw(text)
    return json.loads(text)


def ones(result: Any) -> float:
    return float(np.mean(result["measurements"]))


def test_programs_and_rows_in_order() -> None:
    angles = [0.0, np.pi / 2, np.pi]
    action = program_set(program(BELL), program(TURN, {"t": angles}))
    prepared = prepare(action, EVERYTHING, 4_000)
    assert (prepared.action_type, prepared.program_count, prepared.executable_count) == (HEADER["name"], 2, 4)
    assert prepared.qubit_count == 2
    bell, turn = given(action, 4_000)["programResults"]
    assert bell["source"]["source"] == BELL
    assert turn["source"]["inputs"] == {"t": angles}
    assert [result["inputsIndex"] for result in turn["executableResults"]] == [0, 1, 2]
    assert [len(result["measurements"]) for result in turn["executableResults"]] == [1_000] * 3
    assert [ones(result) for result in turn["executableResults"]] == pytest.approx([0, 0.5, 1], abs=0.06)
    (pair,) = bell["executableResults"]
    assert pair["measuredQubits"] == [0, 1]
    assert {tuple(row) for row in pair["measurements"]} == {(0, 0), (1, 1)}


def test_metadata() -> None:
    text = outcome(program_set(program(TURN, {"t": [1.0, 2.0]})), 20)
    assert text.successful_shots == 20
    facts = json.loads(text.document)["taskMetadata"]
    assert (facts["requestedShots"], facts["successfulShots"], facts["totalFailedExecutables"]) == (20, 20, 0)
    assert facts["programMetadata"] == [{"executables": [{}, {}]}]
    assert facts["createdAt"] == "1970-01-01T00:00:01.000Z"


def test_what_the_sdk_sends_and_reads() -> None:
    theta = FreeParameter("theta")
    circuit = Circuit().rx(0, theta).cnot(0, 1)
    observables = [Observable.Z(0) @ Observable.Z(1), Observable.X(0) @ Observable.X(1), Observable.Y(0)]
    hamiltonian = Sum([0.5 * Observable.Z(0), 2 * Observable.X(0) @ Observable.X(1)])
    sent = ProgramSet(
        [
            CircuitBinding(circuit, {"theta": [0.0, 1.0]}, observables),
            CircuitBinding(circuit, {"theta": [0.5]}, hamiltonian),
            Circuit().h(0).cnot(0, 1),
        ],
        shots_per_executable=2_000,
    )
    action = sent.to_ir().json()
    text = outcome(action, sent.total_shots).document
    result = ProgramSetQuantumTaskResult.from_object(ProgramSetTaskResult.parse_raw(text), program_set=sent)
    assert len(result) == 3
    first = [entry.expectation for entry in result[0].entries]
    # <ZZ> = 1, <XX> = 0 and <Y> = 0 of rx(t) on |00>, then cnot.
    assert first == pytest.approx([1, 0, 0, 1, 0, 0], abs=0.1)
    assert result[1].expectation() == pytest.approx(0.5 * np.cos(0.5), abs=0.15)
    assert set(result[2].entries[0].counts) == {"00", "11"}


def test_rows_of_one_program_differ_and_a_seed_repeats_them() -> None:
    action = program_set(program(TURN, {"t": [np.pi / 2] * 2}))
    one, two = (result["measurements"] for result in given(action, 400)["programResults"][0]["executableResults"])
    assert one != two
    assert given(action, 400)["programResults"][0]["executableResults"][0]["measurements"] == one


def test_one_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = executables.evaluate_shots

    def failing(circuit: Any, *rest: Any) -> Evaluated:
        if any(gate.parameters == (2.0,) for gate in circuit.gates):
            raise ProgramError("the engine went wrong")
        return usual(circuit, *rest)

    monkeypatch.setattr(executables, "evaluate_shots", failing)
    text = outcome(program_set(program(TURN, {"t": [1.0, 2.0, 3.0]})), 30)
    assert text.successful_shots == 20
    result = ProgramSetTaskResult.parse_raw(text.document)
    assert result.taskMetadata.totalFailedExecutables == 1
    failed = result.programResults[0].executableResults[1]
    assert failed.inputsIndex == 1
    assert failed.failureMetadata.failureReason == "the engine went wrong"
    assert result.taskMetadata.programMetadata[0].executables[1].category == "DEVICE"


def test_a_set_of_which_nothing_runs_has_a_document_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads the results of a program set that has failed."""

    def failing(*_: Any) -> Evaluated:
        raise ProgramError("the engine went wrong")

    monkeypatch.setattr(executables, "evaluate_shots", failing)
    found = outcome(program_set(program(TURN, {"t": [2.0]})), 30)
    assert found.successful_shots == 0
    assert found.failure == "No executable of the program set could be run; the first: the engine went wrong"
    assert ProgramSetTaskResult.parse_raw(found.document).taskMetadata.status == "FAILED"


def test_programs_that_go_on_after_measurements() -> None:
    source = (
        "input float t; qubit[2] q; bit[2] b; rx(t) q[0]; b[0] = measure q[0]; if (b[0]) x q[1]; b[1] = measure q[1];"
    )
    results = given(program_set(program(source, {"t": [0.0, np.pi]})), 40)["programResults"][0]["executableResults"]
    assert [{tuple(row) for row in result["measurements"]} for result in results] == [{(0, 0)}, {(1, 1)}]


def failures(*programs: Any, shots: int = 100) -> list[dict[str, Any]]:
    with pytest.raises(ProgramSetError) as refusal:
        prepare(program_set(*programs), EVERYTHING, shots)
    assert pickle.loads(pickle.dumps(refusal.value)).failures == refusal.value.failures  # it crosses a worker's pipe
    return [failure.member() for failure in refusal.value.failures]


def test_every_invalid_executable_is_named() -> None:
    broken = program("OPENQASM 3.0;\nqubit q;\nfoo q;")
    found = failures(program(BELL), broken, program(TURN, {"t": [0.0, "x"]}), shots=400)
    assert [(failure["programIndex"], failure.get("inputsIndex")) for failure in found] == [(1, 0), (2, 1)]
    assert found[0]["errors"] == ["Unknown gate 'foo' (line 3, column 1)"]
    assert "'t' does not fit" in found[1]["errors"][0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (program(TURN, {"t": 1.0}), "must be lists"),
        (program(TURN, {"t": [1.0], "u": [1.0, 2.0]}), "lists of one length"),
        (program(TURN, {"t": []}), "at least one value"),
        (program(TURN, [1.0]), "'inputs' must be an object"),
        (program(3), "'source' must be a text"),  # type: ignore[arg-type]
        ("x", "must be an object"),
        ({**program(BELL), "braketSchemaHeader": {"name": "braket.ir.jaqcd.program", "version": "1"}}, "the header of"),
    ],
)
def test_programs_of_the_wrong_form(wrong: Any, message: str) -> None:
    (failure,) = failures(program(BELL), wrong)
    assert failure["programIndex"] == 1
    assert "inputsIndex" not in failure
    assert message in failure["errors"][0]


@pytest.mark.parametrize(
    ("action", "shots", "message"),
    [
        (program_set(), 100, "at least one program"),
        (json.dumps({"braketSchemaHeader": HEADER}), 100, "at least one program"),
        (program_set(*[program(BELL)] * 101), 1010, "at most 100"),
        (program_set(program(TURN, {"t": [1.0] * 101})), 1010, "101 executables"),
        (program_set(program(BELL)), 200_001, "at most 200000 shots"),
        (program_set(program(TURN, {"t": [1.0] * 3})), 100, "cannot be shared evenly between 3"),
        (program_set(program(BELL)), 0, "cannot be shared"),
    ],
)
def test_what_is_wrong_with_the_whole(action: str, shots: int, message: str) -> None:
    with pytest.raises(ProgramError, match=message) as refusal:
        prepare(action, EVERYTHING, shots)
    assert not isinstance(refusal.value, ProgramSetError)


def test_a_device_without_program_sets() -> None:
    plain = replace(EVERYTHING, actions=frozenset({"braket.ir.openqasm.program"}))
    with pytest.raises(ProgramError, match="does not take program sets"):
        prepare(program_set(program(BELL)), plain, 100)


def test_a_failure_as_the_service_model_has_it() -> None:
    assert SetFailure(1, None, ("no",)).member() == {"programIndex": 1, "errors": ["no"]}
    assert SetFailure(1, 2, ("no",)).member() == {"programIndex": 1, "inputsIndex": 2, "errors": ["no"]}
