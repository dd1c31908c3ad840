"""The look at a program when its task is created: in this process where that is a matter of milliseconds, else in a
worker that is killed when it takes too long."""

from __future__ import annotations

import asyncio
import re
from importlib import import_module

from braketeer import quantum
from braketeer.domain.errors import ServiceUnavailableException, ValidationException
from braketeer.quantum.circuit import Limits, ProgramError
from braketeer.work.workers import Defect, Refused, Worker, WorkerDied

SECONDS = 2.0
MEMORY_BYTES = 2 * 2**30
SMALL = 4096

# Words whose work is not bounded by the length of the text.
_UNBOUNDED = re.compile(r"\b(for|while|gate|def|let|pow|ctrl|negctrl|array|const|if|switch|box)\b")


class ProgramCheck:
    """``check`` says what a program needs, or refuses it with ValidationException."""

    def __init__(self) -> None:
        self._worker = Worker(MEMORY_BYTES)

    async def check(self, action: str, limits: Limits, shots: int) -> quantum.Prepared:
        """What the program needs. Raises ValidationException (naming line and column) where it cannot be run."""
        if len(action) <= SMALL and not _UNBOUNDED.search(action):
            try:
                return quantum.prepare(action, limits, shots)
            except ProgramError as refusal:
                raise ValidationException(str(refusal)) from refusal
        try:
            head, _ = await self._worker.call("prepare", (action, limits, shots), SECONDS)
        except Refused as refusal:
            raise ValidationException(str(refusal)) from refusal
        except (TimeoutError, WorkerDied) as problem:
            raise ValidationException(
                f"The program takes more than {SECONDS:.0f} s or {MEMORY_BYTES >> 30} GiB to read"
            ) from problem
        except Defect as defect:
            raise ServiceUnavailableException(f"The program could not be read: {defect}") from defect
        return quantum.Prepared(**head)

    async def start(self) -> None:
        """Load what the first check would otherwise wait for."""
        await asyncio.gather(asyncio.to_thread(import_module, "braketeer.quantum.compute"), self._worker.start())

    async def close(self) -> None:
        await self._worker.close()
