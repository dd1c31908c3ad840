"""Warm worker processes under our own small supervision: killing one kills no other.

``concurrent.futures.ProcessPoolExecutor`` is not used because the death of one of its workers breaks the whole pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from braketeer.work.task_worker import HEAD, REQUEST

log = logging.getLogger(__name__)

START_SECONDS = 60.0


class WorkerDied(Exception):
    """The process ended (or was killed) before it answered."""


class WorkerNotStarted(Exception):
    """The machine cannot start the process now: nobody's program is to blame."""


class NotNow(Exception):
    """What a driver is for cannot be reached; the same call may work later. The text says what is in the way."""


class Refused(Exception):
    """The program cannot be run; the text is meant for the client.

    ``failures`` are those of a program set, as ValidationException's ``programSetValidationFailures`` has them.
    """

    def __init__(self, reason: str, failures: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(reason)
        self.failures = list(failures)


class Defect(Exception):
    """The worker met an error that no program should be able to cause."""


class Worker:
    """One process that serves one request at a time, started anew after it died."""

    def __init__(self, memory_bytes: int = 0, module: str = "braketeer.work.task_worker") -> None:
        self._memory_bytes = memory_bytes
        self._module = module
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def start(self) -> None:
        """Return once the process has warmed up; a call meanwhile waits for that."""
        async with self._turn:
            await self._ensure_started()

    async def call(self, operation: str, argument: Any, seconds: float | None = None) -> tuple[dict[str, Any], bytes]:
        """(head, body) of the answer.

        Raises Refused, Defect, NotNow, WorkerDied, WorkerNotStarted, or TimeoutError when the answer takes longer than
        ``seconds`` (waiting for one's turn does not count); a call that is cancelled or runs out of time kills the
        process.
        """
        async with self._turn:
            await self._ensure_started()
            try:
                async with asyncio.timeout(seconds):
                    await self._send(pickle.dumps((operation, argument)))
                    head, body = await self._receive()
            except BaseException:
                await self._end()
                raise
        if "refused" in head:
            raise Refused(head["refused"], head.get("failures", ()))
        if "defect" in head:
            raise Defect(head["defect"])
        if "unavailable" in head:
            raise NotNow(head["unavailable"])
        return head, body

    async def close(self) -> None:
        """End the process and wait until it is gone; calls that wait for their turn get WorkerNotStarted."""
        self._closed = True
        await self._end()

    async def _ensure_started(self) -> None:
        if self._closed:
            raise WorkerNotStarted("The worker is closed")
        if self._process is not None and self._process.returncode is None:
            return
        try:
            await self._spawn()
            if self._closed:
                raise WorkerDied("The worker was closed meanwhile")
        except (TimeoutError, OSError, WorkerDied) as problem:
            await self._end()
            raise WorkerNotStarted(f"The worker process does not start: {problem}") from problem
        except BaseException:
            await self._end()  # never leave a process behind that has not said that it is ready
            raise

    async def _spawn(self) -> None:
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            self._module,
            str(self._memory_bytes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,
            limit=2**20,
        )
        async with asyncio.timeout(START_SECONDS):
            await self._receive()

    async def _send(self, request: bytes) -> None:
        pipe = self._require().stdin
        assert pipe is not None  # noqa: S101 - it was asked for when the process was made
        try:
            pipe.write(REQUEST.pack(len(request)) + request)  # in one piece: each wakes the worker
            await pipe.drain()
        except (BrokenPipeError, ConnectionResetError) as problem:
            raise WorkerDied("The worker process is gone") from problem

    async def _receive(self) -> tuple[dict[str, Any], bytes]:
        pipe = self._require().stdout
        assert pipe is not None  # noqa: S101
        try:
            head_length, body_length = HEAD.unpack(await pipe.readexactly(HEAD.size))
            head = orjson.loads(await pipe.readexactly(head_length))
            body = await pipe.readexactly(body_length) if body_length else b""
        except asyncio.IncompleteReadError as problem:
            raise WorkerDied("The worker process ended before it answered") from problem
        return head, body

    def _require(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise WorkerDied("The worker process was never started")
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


# What a numerical library needs of the environment, and no more: no credentials, no addresses.
_KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "PYTHONPATH",
    "PYTHONWARNINGS",
    "TMPDIR",
    "OMP_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
)
