"""The look at a program when its task is created: in this process where that is a matter of milliseconds, else in a
worker that is killed when it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from typing import Any

import orjson

from braketeer import quantum
from braketeer.domain.errors import ServiceUnavailableException, ThrottlingException, ValidationException
from braketeer.domain.turns import Turns
from braketeer.quantum.circuit import Limits, ProgramError
from braketeer.quantum.tasks import ProgramSetError
from braketeer.work.workers import Defect, Refused, Worker, WorkerDied, WorkerNotStarted

SECONDS = 2.0
MEMORY_BYTES = 2 * 2**30
SMALL = 4096
MOST_GATES = 600  # of a program that is read in this process: a few milliseconds
GATES_OF_A_MATRIX = 20  # so much longer than a gate does it take to look a matrix over
WIDEST = 34  # qubits of a state vector: a statement on a register of thousands is as many gates
CHECKERS = 2
LONGEST_WAIT_SECONDS = 10.0
MOST_WAITING = 100  # programs of one account: as many as the SDK's AwsQuantumTaskBatch creates at once

# Words whose work is not bounded by the length of the text.
_UNBOUNDED = frozenset(
    (
        "for",
        "while",
        "gate",
        "def",
        "let",
        "pow",
        "ctrl",
        "negctrl",
        "array",
        "const",
        "if",
        "switch",
        "box",
        "reset",
        "output",
    )
)
_WORDS = re.compile(r"([^\W\d]\w*)(\s*\[)?")
_REGISTERS = re.compile(r"\bqubit\s*(?:\[\s*(\d{1,9})\s*\]\s*)?\b([^\W\d]\w*)\s*;")


class ProgramCheck:
    """``check`` says what a program needs, or refuses it with ValidationException."""

    def __init__(self) -> None:
        self._workers = [Worker(MEMORY_BYTES) for _ in range(CHECKERS)]
        self._idle = list(self._workers)
        self._turns = Turns(CHECKERS)

    def check_at_once(self, action: str, limits: Limits, shots: int) -> quantum.Prepared | None:
        """As ``check``, but in this process, and None where that is not a matter of milliseconds."""
        if limits.max_qubits > WIDEST or not is_quick(action):
            return None
        try:
            return quantum.prepare(action, limits, shots)
        except ProgramSetError as refusal:
            raise _refusal(str(refusal), [failure.member() for failure in refusal.failures]) from refusal
        except ProgramError as refusal:
            raise _refusal(str(refusal)) from refusal

    async def check(self, account: str, action: str, limits: Limits, shots: int) -> quantum.Prepared:
        """What a program of the account needs. ValidationException (naming line and column) where it cannot be run.

        It is read in a worker: ``check_at_once`` is asked first. ThrottlingException when too many programs wait to be
        read, ServiceUnavailableException when the machine cannot read any.
        """
        async with self._worker(account) as worker:
            return await self._check_apart(worker, action, limits, shots)

    async def load(self) -> None:
        """Load what the first check would otherwise wait for. Call it before any worker process is started.

        A process that is forked while a thread imports may wait for ever: for a lock that the thread holds, holding
        one that the thread waits for.
        """
        await asyncio.to_thread(import_module, "braketeer.quantum.compute")

    async def start(self) -> None:
        """Return once every worker can start at once."""
        await asyncio.gather(*(worker.start() for worker in self._workers))

    async def close(self) -> None:
        await asyncio.gather(*(worker.close() for worker in self._workers))

    @contextlib.asynccontextmanager
    async def _worker(self, account: str) -> AsyncIterator[Worker]:
        """A worker for one program; accounts take turns. ThrottlingException where that takes LONGEST_WAIT_SECONDS, or
        is no use to wait for.
        """
        if self._turns.waiting(account) >= MOST_WAITING:
            raise ThrottlingException("Too many programs of this account are waiting to be read; try again")
        async with contextlib.AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                    await turn.enter_async_context(self._turns.of(account))
            except TimeoutError:
                raise ThrottlingException("Too many programs are waiting to be read; try again") from None
            worker = self._idle.pop()
            try:
                yield worker
            finally:
                self._idle.append(worker)

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
    """Whether reading the action is a matter of milliseconds: it is short, no set, no word in it repeats anything, and
    what it says of whole registers is not much.

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
    return not isinstance(source, str) or _is_little_work(source)


def _is_little_work(source: str) -> bool:
    """By a rough count of the gates: one a statement, and one a qubit wherever a register is named as a whole."""
    words = _WORDS.findall(source)
    widths = {name: int(size or 1) for size, name in _REGISTERS.findall(source)}
    declared = 0
    gates = source.count(";") + GATES_OF_A_MATRIX * source.count("[[") + source.count("@")
    for word, index in words:
        if word in _UNBOUNDED:
            return False
        declared += word in ("qubit", "qreg")
        if not index:
            gates += widths.get(word, 0)
    gates += source.count(":") * max(widths.values(), default=0)  # ranges
    # Where a declaration is not of the plain form, its register may have any size.
    return declared == len(widths) and gates <= MOST_GATES
