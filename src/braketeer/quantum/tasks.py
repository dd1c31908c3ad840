"""What goes into computing a quantum task and what comes out, without anything numerical: the service holds these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from braketeer.quantum.circuit import Limits, ProgramError


@dataclass(frozen=True, slots=True)
class SetFailure:
    """Why a program of a set cannot be run: ``program`` counts from 0, as does ``inputs``, its row of inputs; None
    where the program is wrong whatever its inputs."""

    program: int
    inputs: int | None
    errors: tuple[str, ...]

    def member(self) -> dict[str, Any]:
        """As it stands in ValidationException's ``programSetValidationFailures``."""
        place = {} if self.inputs is None else {"inputsIndex": self.inputs}
        return {"programIndex": self.program, **place, "errors": list(self.errors)}


class ProgramSetError(ProgramError):
    """A program set is not valid: the service answers ValidationException, reason ProgramSetValidationFailed."""

    def __init__(self, failures: Sequence[SetFailure]) -> None:
        first = failures[0]
        where = f"program {first.program}" + ("" if first.inputs is None else f", inputs {first.inputs}")
        super().__init__(f"The program set has {len(failures)} invalid executables; {where}: {first.errors[0]}")
        self.failures = tuple(failures)

    def __reduce__(self) -> tuple[type[ProgramSetError], tuple[Any]]:
        return type(self), (self.failures,)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a task once its program is accepted; ``memory_bytes`` is for admission.

    ``action_type`` is the name in the action's ``braketSchemaHeader``. The counts are of program sets, else None.
    """

    action_type: str
    qubit_count: int
    memory_bytes: int
    program_count: int | None = None
    executable_count: int | None = None


@dataclass(frozen=True, slots=True)
class TaskDescription:
    """All that computing a task needs. ``started_at_ms`` is service time; ``seed``, at least 0, repeats its shots, None
    draws fresh ones.

    ``engine`` is one of :data:`braketeer.quantum.engines.ENGINES`, or None for the fastest there is.
    """

    task_arn: str
    device_arn: str
    shots: int
    action: str
    device_parameters: str | None
    created_at_ms: int
    started_at_ms: int
    seed: int | None
    limits: Limits
    engine: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """``document`` is the complete ``results.json``; ``ended_at_ms`` is service time, as the document has it.

    ``failure`` is given where no executable of a program set could be run: the task has failed, and clients read the
    document all the same.
    """

    document: bytes
    successful_shots: int | None
    ended_at_ms: int
    execution_ms: int
    failure: str | None = None
