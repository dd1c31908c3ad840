"""One call that forgets all work, for services that tests start."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from braketeer.admin.routes import Asked, Route
from braketeer.domain.clock import Clock
from braketeer.domain.errors import AccessDeniedException, ServiceUnavailableException
from braketeer.store import jobs, quantum_tasks, reset, topics
from braketeer.store.database import Database, Transaction

PATIENCE_SECONDS = 50.0
LOOK_EVERY_SECONDS = 0.02


class Reset:
    """``allowed`` is the operator's setting: without it nothing can be forgotten by a mistake."""

    def __init__(self, database: Database, clock: Clock, *, allowed: bool) -> None:
        self._database = database
        self._clock = clock
        self._allowed = allowed

    def routes(self) -> list[Route]:
        return [Route("POST", "reset", "Reset", self.reset)]

    async def reset(self, asked: Asked) -> dict[str, Any]:
        """Cancel what runs, wait for it, then forget tasks, jobs, objects, logs, limits, reservations, faults and what
        was set for devices. Accounts and their keys stay, and so does service time, which never goes back."""
        asked.body.allow()
        if not self._allowed:
            raise AccessDeniedException("This service was not started with --allow-reset: it keeps what it has")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(await self._database.read(reset.unfinished)):
            if time.monotonic() > deadline:
                raise ServiceUnavailableException("Some work did not end in time; nothing was forgotten")
            await self._database.write(self._cancel_all)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        await self._database.write(self._forget)
        return {}

    def _cancel_all(self, transaction: Transaction) -> None:
        connection, now = transaction.connection, self._clock.now_ms()
        task_ids, job_ids = reset.unfinished(connection)
        for task_id in task_ids:
            quantum_tasks.request_cancel(connection, task_id, now)
            transaction.notify(topics.task(task_id))
        for job_id in job_ids:
            jobs.request_cancel(connection, job_id, now)
            transaction.notify(topics.job(job_id))
        for topic in (topics.TASKS, topics.JOBS, topics.CANCELLATIONS):
            transaction.notify(topic)

    def _forget(self, transaction: Transaction) -> None:
        reset.forget_everything(transaction.connection)
        for topic in (topics.SCHEDULE, topics.KEYS, topics.FAULTS, topics.DEVICES):
            transaction.notify(topic)
