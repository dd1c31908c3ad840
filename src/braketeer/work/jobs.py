"""Hybrid jobs on this machine: claims them, and has each followed to its end (job_life.py).

Where several services share a database and a data directory, each job is followed by one of them, under a lease. When
that one is gone, another takes the job over with the runner it has: it is known by its lock. A service that was only
slow does no harm meanwhile, as whatever it stores names what it goes by: the offset in a file, the status before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from functools import partial

from sqlalchemy import RowMapping

from braketeer.domain import scheduling
from braketeer.domain.clock import Clock
from braketeer.domain.errors import ServiceError
from braketeer.store import jobs, schedule, topics
from braketeer.store.database import Database, Transaction
from braketeer.store.schedule import Scheduled
from braketeer.work import sandbox
from braketeer.work.job_folder import KEPT_SECONDS, JobFolder, now_ms
from braketeer.work.job_follower import RevokeKeys
from braketeer.work.job_life import PAUSE_AFTER_TROUBLE_SECONDS, STOP_MARGIN_SECONDS, IssueKey, JobLife, Surroundings
from braketeer.work.job_settings import JobSettings

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
LEFTOVERS_EVERY_SECONDS = 3600.0


class JobSupervisor:
    """Starts and follows the runners of all jobs of this machine."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        issue_key: IssueKey,
        revoke_keys: RevokeKeys,
        settings: JobSettings,
        catalogue: Iterable[Scheduled] = (),
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._settings = settings
        self._folders = settings.folder.absolute()  # runners have another working directory
        self._owner = str(uuid.uuid4())
        self._around = Surroundings(database, clock, issue_key, revoke_keys, settings, self._folders, self._owner)
        self._alone = False
        self._accepting = True  # others may begin
        self._claiming: asyncio.Task[None] | None = None
        self._background: list[asyncio.Task[None]] = []
        self._followed: dict[str, asyncio.Task[None]] = {}

    async def start(self, *, alone: bool) -> None:
        """Take back the jobs that were on this machine, then take new ones as they come.

        ``alone``: no other service is on the database, so every job that nobody has ended is taken back at once.
        """
        self._alone = alone
        self._folders.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._beat()
        for python in {self._settings.python, *self._settings.pythons.values(), *self._settings.images.values()}:
            await asyncio.to_thread(sandbox.interpreter_folders, python)  # what is asked once, before any job waits
        await self._take_over(None if alone else int(time.time()))
        ready = asyncio.Event()
        self._claiming = asyncio.create_task(self._claim_jobs(ready), name="claim jobs")
        self._background = [
            self._claiming,
            asyncio.create_task(self._keep_beating(), name="heartbeat"),
            asyncio.create_task(self._remove_leftovers(), name="job leftovers"),
        ]
        if not alone:
            self._background.append(asyncio.create_task(self._keep_leases(), name="job leases"))
        await ready.wait()

    async def close(self) -> None:
        """Stop following. Runners go on, unless the settings say ``stop_jobs``: then they are ended first."""
        if self._settings.stop_jobs:
            await self.end_jobs()
        await self._end_claiming()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for task in self._followed.values():
            task.cancel()
        await asyncio.gather(*self._followed.values(), return_exceptions=True)
        if not self._alone:
            with contextlib.suppress(ServiceError):  # then another service waits for the end of the leases
                await self._database.write(self._let_go)

    async def end_jobs(self) -> None:
        """Begin no other job, ask every runner to end its own, and wait until they have, or their grace is over."""
        self._around.stopping = True
        await self._end_claiming()
        if self._followed:  # those who follow the runners ask them
            await asyncio.wait(self._followed.values(), timeout=self._settings.grace_seconds + STOP_MARGIN_SECONDS)

    async def _end_claiming(self) -> None:
        """Begin no other job. One that is being claimed just now is followed when this returns, like all before it."""
        self._accepting = False
        self._database.topics.publish([topics.JOBS])
        if self._claiming is not None:
            await asyncio.wait([self._claiming], timeout=STOP_MARGIN_SECONDS)

    async def _claim_jobs(self, ready: asyncio.Event) -> None:
        with self._database.topics.subscribe(topics.JOBS) as news:
            ready.set()
            while self._accepting:
                try:
                    if not self._alone:
                        await self._take_over(int(time.time()))
                    while (job := await self._claim_next()) is not None:
                        self._follow(job)
                except Exception:
                    log.exception("claiming jobs failed; it is tried again")
                    await asyncio.sleep(PAUSE_AFTER_TROUBLE_SECONDS)
                    continue
                await news.wait(60 if self._alone else self._settings.lease_seconds / 4)

    async def _take_over(self, lease_before: int | None) -> None:
        """Follow the jobs that another service has left on: all that are there, or those whose lease has ended."""
        taken = await self._database.write(
            lambda tx: jobs.take_over(tx.connection, self._owner, self._lease_until(), lease_before)
        )
        for job in taken:
            self._follow(job)

    async def _keep_leases(self) -> None:
        """Extend our leases, and stop following what another service follows by now: this one was too slow.

        Nothing ends this loop but the end of the service: without it every job would be another's after a while.
        """
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 4)
            followed = list(self._followed)
            try:
                ours = await self._database.write(partial(self._extend_leases, followed))
                unfinished = await self._database.read(jobs.unfinished)
            except ServiceError as trouble:  # a database that does not answer now
                log.warning("leases of jobs cannot be extended: %s", trouble)
                continue
            except Exception:
                log.exception("extending the leases of jobs failed; it is tried again")
                continue
            for job_id in set(followed).intersection(unfinished).difference(ours):
                log.warning("job %s is followed by another service now", job_id)
                if (following := self._followed.get(job_id)) is not None:
                    following.cancel()

    def _extend_leases(self, followed: Sequence[str], transaction: Transaction) -> list[str]:
        return jobs.extend_leases(transaction.connection, followed, self._owner, self._lease_until())

    def _let_go(self, transaction: Transaction) -> None:
        """End our leases now: another service need not wait for their end."""
        jobs.end_leases(transaction.connection, self._owner)
        transaction.notify(topics.JOBS)

    def _lease_until(self) -> int:
        return int(time.time() + self._settings.lease_seconds)

    async def _claim_next(self) -> RowMapping | None:
        def claim(transaction: Transaction) -> RowMapping | None:
            if not self._accepting:
                return None
            # Before the look: a reservation that is being made meanwhile is among what is seen.
            schedule.lock_scheduling(transaction.connection)
            now = self._clock.now_ms()
            slots = self._settings.slots
            gates = scheduling.gates(schedule.view(transaction.connection, self._catalogue, now), now)
            job = jobs.claim_next(transaction.connection, now, slots, self._owner, self._lease_until(), gates)
            if job is not None:
                message = "Starting a process for the job."
                jobs.add_event(transaction.connection, job["id"], "STARTING_INSTANCE", message, now)
                transaction.notify(topics.job(job["id"]))
            return job

        return await self._database.write(claim)

    def _follow(self, job: RowMapping) -> None:
        if job["id"] in self._followed:
            return  # our own, whose lease had ended while the database did not answer
        task = asyncio.create_task(JobLife(self._around, job).see_through(), name=f"job {job['id']}")
        self._followed[job["id"]] = task
        task.add_done_callback(lambda _: self._followed.pop(job["id"], None))

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._beat)

    def _beat(self) -> None:
        """Tell the runners that their service is there."""
        (self._folders / "heartbeat").touch()

    async def _remove_leftovers(self) -> None:
        while True:
            try:
                # First the folders, then the jobs: the folder of a job that is just beginning is not among them.
                there = await asyncio.to_thread(
                    lambda: [path.name for path in self._folders.iterdir() if path.is_dir()]
                )
                unfinished = await self._database.read(jobs.unfinished)
            except (OSError, ServiceError) as trouble:
                log.warning("folders of ended jobs cannot be looked for: %s", trouble)
            else:
                for name in there:
                    if name not in unfinished and name not in self._followed:
                        await self._remove_if_of_no_use(JobFolder(self._folders / name))
            await asyncio.sleep(LEFTOVERS_EVERY_SECONDS)

    async def _remove_if_of_no_use(self, folder: JobFolder) -> None:
        """One of a job that had ended when the service was killed, or that was kept for long enough.

        A folder that cannot be looked at keeps no other from being removed.
        """
        try:
            if await asyncio.to_thread(lambda: not folder.runner_lives() and _is_of_no_use(folder)):
                log.info("the folder %s of an ended job is removed", folder.path)
                await asyncio.to_thread(folder.remove)
        except Exception:
            log.exception("the folder %s of an ended job cannot be removed", folder.path)


def _is_of_no_use(folder: JobFolder) -> bool:
    """Whether nobody can want an ended job's folder: all is in S3, nothing was begun, or it was kept long enough."""
    if (ending := folder.ending()) is not None:
        return ending.saved or now_ms() - ending.ended_at > 1000 * KEPT_SECONDS
    return not folder.was_begun() or time.time() - folder.progress.stat().st_mtime > KEPT_SECONDS
