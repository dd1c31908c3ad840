"""The result document of a program set, everything in one file: ``braket.task_result.program_set_task_result`` v1.

Member by member as amazon-braket-schemas has it; the SDK takes the form with further files too, which we do not write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.results.document import (
    TaskFacts,
    device_parameters_of,
    header,
    measurements_json,
    simulator,
    timestamp,
)
from braketeer.quantum.results.evaluated import Evaluated


@dataclass(frozen=True, slots=True)
class ProgramOutcome:
    """A program of the set as it was given, and what became of each of its executables, in the order of its inputs."""

    program: dict[str, Any]
    executables: Sequence[Evaluated | ProgramError]


def set_document(
    facts: TaskFacts, outcomes: Sequence[ProgramOutcome], shots: int, machine: dict[str, Any] | None = None
) -> bytes:
    """The document as JSON; ``shots`` are those of one executable, those of ``facts`` all that were asked for.

    ``machine`` is what a QPU adds to ``additionalMetadata``; a simulator adds its own.
    """
    failed = sum(isinstance(each, ProgramError) for outcome in outcomes for each in outcome.executables)
    count = sum(len(outcome.executables) for outcome in outcomes)
    document = {
        "braketSchemaHeader": header("program_set_task_result"),
        "programResults": [_program_result(outcome, facts, machine) for outcome in outcomes],
        "taskMetadata": {
            "braketSchemaHeader": header("program_set_task_metadata"),
            "id": facts.task_arn,
            "deviceId": facts.device_arn,
            "requestedShots": facts.shots,
            "successfulShots": shots * (count - failed),
            "programMetadata": [
                {
                    "executables": [
                        _failure(each) if isinstance(each, ProgramError) else {} for each in outcome.executables
                    ]
                }
                for outcome in outcomes
            ],
            **device_parameters_of(facts.device_parameters),
            "createdAt": timestamp(facts.created_at_ms),
            "endedAt": timestamp(facts.ended_at_ms),
            "status": "COMPLETED" if failed < count else "FAILED",
            "totalFailedExecutables": failed,
        },
    }
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def _program_result(outcome: ProgramOutcome, facts: TaskFacts, machine: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "braketSchemaHeader": header("program_result"),
        "executableResults": [_executable_result(row, each) for row, each in enumerate(outcome.executables)],
        "source": outcome.program,
        "additionalMetadata": simulator(facts) if machine is None else machine,
    }


def _executable_result(row: int, each: Evaluated | ProgramError) -> dict[str, Any]:
    if isinstance(each, ProgramError) or each.bits is None:
        return {
            "braketSchemaHeader": header("program_set_executable_failure"),
            "inputsIndex": row,
            "failureMetadata": _failure(each),
        }
    return {
        "braketSchemaHeader": header("program_set_executable_result"),
        "inputsIndex": row,
        "measurements": orjson.Fragment(measurements_json(each.bits)),
        "measuredQubits": each.measured,
    }


def _failure(problem: object) -> dict[str, Any]:
    return {"failureReason": str(problem), "retryable": False, "category": "DEVICE"}
