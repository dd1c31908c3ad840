"""Result documents, read with amazon-braket-sdk's own parser."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from braket.ir.openqasm import Program
from braket.task_result import GateModelTaskResult
from braket.tasks import GateModelQuantumTaskResult

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.results.document import (
    TaskFacts,
    check_action_text,
    measurements_json,
    result_document,
    timestamp,
)

PARAMETERS = {
    "braketSchemaHeader": {
        "name": "braket.device_schema.simulators.gate_model_simulator_device_parameters",
        "version": "1",
    },
    "paradigmParameters": {
        "braketSchemaHeader": {"name": "braket.device_schema.gate_model_parameters", "version": "1"},
        "qubitCount": 2,
        "disableQubitRewiring": False,
    },
}
SOURCE = 'OPENQASM 3.0;\n// "quoted", \\ and \u00e9\u4e2d\nqubit[2] q;\nh q[0];'
ACTION = Program(source=SOURCE, inputs={"theta": 0.1, "n": 3})
FACTS = TaskFacts(
    task_arn="arn:aws:braket:us-east-1:000000000000:quantum-task/6943633f-584d-4393-b507-262c168bf146",
    device_arn="arn:aws:braket:::device/quantum-simulator/amazon/sv1",
    shots=0,
    action=ACTION.json(),
    device_parameters=json.dumps(PARAMETERS),
    created_at_ms=1_670_285_995_943,
    ended_at_ms=1_670_285_998_057,
    execution_ms=16,
)
BITS = np.array([[0, 1, 1], [1, 0, 0]], dtype=np.uint8)


def parsed(document: bytes) -> Any:
    result = GateModelTaskResult.parse_raw(document)
    assert GateModelQuantumTaskResult.from_string(document.decode()).task_metadata.id == FACTS.task_arn
    return result


def test_shots_without_result_types() -> None:
    document = result_document(replace(FACTS, shots=2), [], (4, 7, 2), BITS)
    result = parsed(document)
    assert result.measurements == [[0, 1, 1], [1, 0, 0]]
    assert result.measuredQubits == [4, 7, 2]
    assert result.resultTypes == []
    assert list(json.loads(document)) == [
        "braketSchemaHeader",
        "measurements",
        "resultTypes",
        "measuredQubits",
        "taskMetadata",
        "additionalMetadata",
    ]


def test_metadata_and_the_program_verbatim() -> None:
    result = parsed(result_document(FACTS, [({"type": "probability"}, [1.0, 0.0])]))
    metadata = result.taskMetadata
    assert (metadata.createdAt, metadata.endedAt) == ("2022-12-06T00:19:55.943Z", "2022-12-06T00:19:58.057Z")
    assert (metadata.shots, metadata.deviceId, metadata.status) == (0, FACTS.device_arn, "COMPLETED")
    assert metadata.deviceParameters.paradigmParameters.qubitCount == 2
    assert result.additionalMetadata.action == ACTION
    assert result.additionalMetadata.action.source == SOURCE
    assert result.additionalMetadata.simulatorMetadata.executionDuration == 16
    assert result.measurements is None
    assert result.measuredQubits is None


def test_values_of_every_shape() -> None:
    types = [
        ({"type": "expectation", "observable": ["x"], "targets": [0]}, 0.25),
        ({"type": "variance", "observable": ["z"]}, [0.5, 0.75]),
        ({"type": "amplitude", "states": ["0", "1"]}, {"0": [0.6, 0.0], "1": [0.0, -0.8]}),
        ({"type": "probability", "targets": [1, 0]}, np.array([0.5, 0.25, 0.25, 0])),
        ({"type": "statevector"}, np.array([[0.6, 0], [0, -0.8]])),
        ({"type": "sample", "observable": ["y"]}, [np.array([1.0, -1.0]), np.array([-1.0, 1.0])]),
    ]
    result = parsed(result_document(FACTS, types))
    assert [given.value for given in result.resultTypes] == [
        0.25,
        [0.5, 0.75],
        {"0": [0.6, 0.0], "1": [0.0, -0.8]},
        [0.5, 0.25, 0.25, 0.0],
        [[0.6, 0.0], [0.0, -0.8]],
        [[1.0, -1.0], [-1.0, 1.0]],
    ]


@pytest.mark.parametrize("text", [None, "", "{}", "nonsense", '{"a": 1}', '{"braketSchemaHeader": {"name": "x"}}'])
def test_parameters_that_no_schema_knows_are_left_out(text: str | None) -> None:
    result = parsed(result_document(replace(FACTS, device_parameters=text), [({"type": "probability"}, [1.0])]))
    assert result.taskMetadata.deviceParameters is None


def test_measurements_as_text() -> None:
    random = np.random.default_rng(0)
    for shape in ((1, 1), (3, 1), (1, 5), (100, 20)):
        bits = random.integers(0, 2, shape, dtype=np.uint8)
        assert json.loads(measurements_json(bits)) == bits.tolist()


def test_timestamps() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_767_225_600_007) == "2026-01-01T00:00:00.007Z"
    assert len(timestamp(4_102_444_800_000)) == 24


@pytest.mark.parametrize("action", ['{"source": NaN}', '{"source": "\ud800"}', "{", ""])
def test_actions_that_cannot_be_repeated_are_refused(action: str) -> None:
    with pytest.raises(ProgramError, match="not valid JSON"):
        check_action_text(action)
