"""The look at a program when its task is created: in this process where that is a matter of milliseconds, else in a
worker that is killed when it takes too long."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import orjson

from braketeer import quantum
from braketeer.domain.errors import ServiceUnavailableException, ThrottlingException, ValidationException
from braketeer.quantum.circuit import Limits, ProgramError
from braketeer.quantum.tasks import ProgramSetError
from braketeer.work.workers import Defect, Refused, Worker, WorkerDied, WorkerNotStarted

SECONDS = 2.0
MEMORY_BYTES = 2 * 2**30
SMALL = 4096
WIDEST = 34  # qubits of a state vector: a statement on a register of thousands is as many gates
CHECKERS = 2
LONGEST_WAIT_SECONDS = 10.0

# Words whose work is not bounded by the length of the text.
_UNBOUNDED = re.compile(r"\b(for|while|gate|def|let|pow|ctrl|negctrl|array|const|if|switch|box|reset|output)\b")


class ProgramCheck:
    """``check`` says what a program needs, or refuses it with ValidationException."""

    def __init__(self) -> None:
        self._workers = [Worker(MEMORY_BYTES) for _ in range(CHECKERS)]
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        for worker in self._workers:
            self._idle.put_nowait(worker)

    def check_at_once(self, action: str, limits: Limits, shots: int) -> quantum.Prepared | None:
        """As ``check``, but None where reading the program is not a matter of milliseconds."""
        if limits.max_qubits > WIDEST or not is_quick(action):
            return None
        try:
            return quantum.prepare(action, limits, shots)
        except ProgramSetError as refusal:
            raise _refusal(str(refusal), [failure.member() for failure in refusal.failures]) from refusal
        except ProgramError as refusal:
            raise _refusal(str(refusal)) from refusal

    async def check(self, action: str, limits: Limits, shots: int) -> quantum.Prepared:
        """What the program needs. Raises ValidationException (naming line and column) where it cannot be run.

        ThrottlingException when too many programs wait to be read, ServiceUnavailableException when the machine
        cannot read any.
        """
        prepared = self.check_at_once(action, limits, shots)
        if prepared is not None:
            return prepared
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                worker = await self._idle.get()
        except TimeoutError as problem:
            raise ThrottlingException("Too many programs are waiting to be read; try again") from problem
        try:
            return await self._check_apart(worker, action, limits, shots)
        finally:
            self._idle.put_nowait(worker)

    async def start(self) -> None:
        """Load what the first check would otherwise wait for."""
        loading = asyncio.to_thread(import_module, "braketeer.quantum.compute")
        await asyncio.gather(loading, *(worker.start() for worker in self._workers))

    async def close(self) -> None:
        await asyncio.gather(*(worker.close() for worker in self._workers))

    async def _check_apart(self, worker: Worker, action: str, limits: Limits, shots: int) -> quantum.Prepared:
        try:
            head, _ = await worker.call("prepare", (action, limits, shots), SECONDS)
        except Refused as refusal:
            raise _refusal(str(refusal), refusal.failures) from refusal
        except (TimeoutError, WorkerDied) as problem:
            raise ValidationException(
                f"The program takes more than {SECONDS:.0f} s or {MEMORY_BYTES >> 30} GiB to read"
            ) from problem
        except (Defect, WorkerNotStarted) as problem:
            raise ServiceUnavailableException(f"The program could not be read: {problem}") from problem
        return quantum.Prepared(**head)


def _refusal(message: str, failures: Sequence[dict[str, Any]] = ()) -> ValidationException:
    """``failures`` are those of a program set, which the SDK shows."""
    if not failures:
        return ValidationException(message)
    reason = "ProgramSetValidationFailed"
    return ValidationException(message, reason=reason, programSetValidationFailures=list(failures))


def is_quick(action: str) -> bool:
    """Whether reading the action is a matter of milliseconds: it is short, no set, and no word in it repeats anything.

    The words are looked for in the program as it will be read, after JSON's escapes are undone.
    """
    if len(action) > SMALL:
        return False
    try:
        document = orjson.loads(action)
    except ValueError:
        return True  # refused at once
    if not isinstance(document, dict) or "programs" in document:
        return not isinstance(document, dict)
    source = document.get("source")
    return not isinstance(source, str) or _UNBOUNDED.search(source) is None
