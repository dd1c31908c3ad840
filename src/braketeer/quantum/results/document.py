"""The result document that clients read: ``braket.task_result.gate_model_task_result`` version 1.

Member by member as amazon-braket-schemas has it; SV1's recorded documents give the order. Timestamps are of at most 24
characters, or the SDK refuses the whole document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from braketeer.quantum.circuit import ProgramError


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What a result document says about its task. ``action`` and ``device_parameters`` are JSON texts as given."""

    task_arn: str
    device_arn: str
    shots: int
    action: str
    device_parameters: str | None
    created_at_ms: int
    ended_at_ms: int
    execution_ms: int


def result_document(
    facts: TaskFacts,
    result_types: Sequence[tuple[dict[str, Any], Any]],
    measured_qubits: Sequence[int] = (),
    measurements: NDArray[np.uint8] | None = None,
    outputs: Sequence[dict[str, Any]] | None = None,
    machine: dict[str, Any] | None = None,
) -> bytes:
    """The document as JSON. The action stands in it as it was given (see check_action_text).

    ``measurements`` has shape (shots, len(measured_qubits)) and is absent with shots = 0.
    ``outputs`` are the output variables of each shot, where the program declares some. ``machine`` is what a QPU adds
    to ``additionalMetadata``; a simulator adds its own.
    """
    document: dict[str, Any] = {"braketSchemaHeader": header("gate_model_task_result")}
    if measurements is not None:
        document["measurements"] = orjson.Fragment(measurements_json(measurements))
    document["resultTypes"] = [{"type": specification, "value": value} for specification, value in result_types]
    if measurements is not None:
        document["measuredQubits"] = list(measured_qubits)
    if outputs:
        document["outputs"] = outputs
    document["taskMetadata"] = task_metadata(facts)
    document["additionalMetadata"] = {
        "action": orjson.Fragment(facts.action),
        **(simulator(facts) if machine is None else machine),
    }
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def task_metadata(facts: TaskFacts) -> dict[str, Any]:
    """``taskMetadata``, the same in the documents of all kinds of tasks that are one program."""
    return {
        "braketSchemaHeader": header("task_metadata"),
        "id": facts.task_arn,
        "shots": facts.shots,
        "deviceId": facts.device_arn,
        **device_parameters_of(facts.device_parameters),
        "createdAt": timestamp(facts.created_at_ms),
        "endedAt": timestamp(facts.ended_at_ms),
        "status": "COMPLETED",
    }


def simulator(facts: TaskFacts) -> dict[str, Any]:
    """What a simulator adds to ``additionalMetadata``; the SDK's Tracker goes by it."""
    return {
        "simulatorMetadata": {
            "braketSchemaHeader": header("simulator_metadata"),
            "executionDuration": facts.execution_ms,
        }
    }


def qpu(maker: str, compiled: str | None) -> dict[str, Any]:
    """What a QPU adds: the program it has run, where its maker's class has a member for that (IonQ's has none)."""
    if maker == "ionq":
        return {"ionqMetadata": {"braketSchemaHeader": header("ionq_metadata")}}
    if compiled is None:
        return {}
    return {f"{maker}Metadata": {"braketSchemaHeader": header(f"{maker}_metadata"), "compiledProgram": compiled}}


def check_action_text(action: str) -> None:
    """Raise ProgramError unless the action is strict JSON, since the document repeats it character by character."""
    try:
        orjson.loads(action)
    except orjson.JSONDecodeError as error:
        raise ProgramError(f"the action is not valid JSON: {error}") from error


def measurements_json(bits: NDArray[np.uint8]) -> bytes:
    """``[[0,1],[1,1]]`` from an array of shape (shots, qubits), through one array of characters."""
    shots, width = bits.shape
    text = np.empty((shots, 2 * width + 2), dtype=np.uint8)
    text[:, 0] = ord("[")
    text[:, 1:-1:2] = bits
    text[:, 1:-1:2] += ord("0")
    text[:, 2:-1:2] = ord(",")
    text[:, -2] = ord("]")
    text[:, -1] = ord(",")
    text[-1, -1] = ord("]")
    return b"[" + text.tobytes()


def timestamp(milliseconds: int) -> str:
    """``2026-01-01T00:00:00.123Z`` from milliseconds since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def header(name: str) -> dict[str, str]:
    return {"name": f"braket.task_result.{name}", "version": "1"}


def device_parameters_of(text: str | None) -> dict[str, Any]:
    """Only parameters with the shape of a device's schema: the SDK would refuse the whole document for others."""
    try:
        parameters = orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return {}
    match parameters:
        case {"braketSchemaHeader": {"name": str(name)}, "paradigmParameters": {"qubitCount": int()}}:
            return {"deviceParameters": parameters} if name.startswith("braket.device_schema.") else {}
    return {}
