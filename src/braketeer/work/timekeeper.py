"""Carries out what service time brings: reservations that end, events of outages, and a wake-up whenever a window
begins.

It sleeps until the next instant that matters (scheduling.next_due), or until somebody publishes topics.SCHEDULE: a
reservation was made or cancelled, a device has another state, service time has jumped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from braketeer.domain import scheduling
from braketeer.domain.clock import Clock
from braketeer.domain.lifecycles import JobStatus, TaskStatus
from braketeer.domain.reservations import reason_of_cancelling
from braketeer.store import devices, jobs, reservations, schedule, topics
from braketeer.store import quantum_tasks as tasks
from braketeer.store.database import Database, Transaction
from braketeer.store.schedule import Scheduled
from braketeer.store.tables import jobs as jobs_table

log = logging.getLogger(__name__)

PAUSE_AFTER_TROUBLE_SECONDS = 1.0
# A timer counts the seconds that the machine is awake, and its clock may be set: look again after as long.
LONGEST_SLEEP_SECONDS = 15.0
MOST_AT_ONCE = 500  # tasks ended in one transaction; others have their turn between


class Timekeeper:
    """One a process; several do each other no harm."""

    def __init__(self, database: Database, catalogue: Iterable[Scheduled], clock: Clock) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._due: int | None = None
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """End what is over before anything starts, then keep time."""
        await self._catch_up()
        self._loop = asyncio.create_task(self._keep_time(), name="timekeeper")

    async def close(self) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _keep_time(self) -> None:
        with self._database.topics.subscribe(topics.SCHEDULE) as news:
            while True:
                try:
                    await self._catch_up()
                except Exception:
                    log.exception("what is over cannot be ended; it is tried again")
                    await asyncio.sleep(PAUSE_AFTER_TROUBLE_SECONDS)
                    continue
                while not await news.wait(self._seconds_to_sleep()):
                    if self._due is not None and self._clock.now_ms() >= self._due:
                        break

    def _seconds_to_sleep(self) -> float:
        if self._due is None:
            return LONGEST_SLEEP_SECONDS
        return min(max(self._due - self._clock.now_ms(), 0) / 1000, LONGEST_SLEEP_SECONDS)

    async def _catch_up(self) -> None:
        """Have all queues looked at, as whatever woke us may have opened one, and end what is over."""
        now = self._clock.now_ms()
        self._database.topics.publish([topics.TASKS, topics.JOBS])
        view, unnoted = await self._database.read(
            lambda connection: (
                schedule.view(connection, self._catalogue, now),
                devices.has_unnoted_outage(connection, now),
            )
        )
        self._due = scheduling.next_due(view, now)
        if unnoted:
            await self._database.write(self._note_outages)
        if scheduling.to_settle(view, now):
            while await self._database.write(self._end_some):
                pass

    def _note_outages(self, transaction: Transaction) -> None:
        devices.note_outages(transaction.connection, self._clock.now_ms())
        transaction.notify(topics.DEVICES)

    def _end_some(self, transaction: Transaction) -> bool:
        """End a piece of what is over; whether there may be more."""
        connection = transaction.connection
        schedule.lock_scheduling(connection)  # so nothing starts between the look and the end
        now = self._clock.now_ms()
        view = schedule.view(connection, self._catalogue, now)
        for reservation in scheduling.to_settle(view, now):
            reservations.lock(connection, reservation.arn)
            reason = reason_of_cancelling(reservation, now)
            its_jobs = jobs_table.c.reservation_arn == reservation.arn
            _tell_jobs(transaction, jobs.end_queued_or_running(connection, its_jobs, reason, now))
            ended = tasks.end_of_reservation(connection, reservation.arn, reason, now, MOST_AT_ONCE)
            _tell_tasks(transaction, ended)
            if len(ended) == MOST_AT_ONCE:
                return True
            reservations.settle(connection, reservation, now)
        return False


def _tell_jobs(transaction: Transaction, ended: list[tuple[str, JobStatus]]) -> None:
    for job_id, _ in ended:
        transaction.notify(topics.job(job_id))


def _tell_tasks(transaction: Transaction, ended: list[tasks.Ended]) -> None:
    for task in ended:
        transaction.notify(topics.task(task.id))
    if any(task.status is TaskStatus.CANCELLING for task in ended):
        transaction.notify(topics.CANCELLATIONS)
