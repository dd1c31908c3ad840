"""What the tests of whole tasks share: an action to its document, as a worker does it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from braketeer.quantum import Limits, Outcome, TaskDescription, run
from braketeer.quantum.programs import JAQCD, OPENQASM, PROGRAM_SET
from tests.unit.programs_help import WIDE

TASK = "arn:aws:braket:us-east-1:000000000000:quantum-task/6943633f-584d-4393-b507-262c168bf146"
EVERYTHING = replace(WIDE, actions=frozenset({OPENQASM, PROGRAM_SET, JAQCD}))


def openqasm(source: str, inputs: dict[str, Any] | None = None) -> str:
    return json.dumps({"braketSchemaHeader": {"name": OPENQASM, "version": "1"}, "source": source, "inputs": inputs})


def outcome(action: str, shots: int, limits: Limits = EVERYTHING, seed: int | None = 5) -> Outcome:
    return run(TaskDescription(TASK, limits.device_arn, shots, action, None, 1_000, 2_000, seed, limits))


def document(source: str, shots: int, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
    """The result document of an OpenQASM program."""
    return json.loads(outcome(openqasm(source, inputs), shots, **options).document)


def counts(given: Any) -> Counter[str]:
    """How often each row of ``measurements`` is there."""
    return Counter("".join(map(str, row)) for row in given["measurements"])
