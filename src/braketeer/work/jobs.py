"""Hybrid jobs on this machine: claims them, starts a runner for each, and follows it to its end.

A runner is a process of its own that outlives the service (runner.py). What it says, it says through the files of its
folder (job_folder.py); the follower brings that into the database (job_follower.py).

Where several services share a database and a data directory, each job is followed by one of them, under a lease. When
that one is gone, another takes the job over with the runner it has: it is known by its lock. A service that was only
slow does no harm meanwhile, as whatever it stores names what it goes by: the offset in a file, the status before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import psutil
from sqlalchemy import Connection, RowMapping

from braketeer.domain import arns, scheduling
from braketeer.domain.accounts import AccessKey
from braketeer.domain.clock import Clock
from braketeer.domain.errors import ServiceError
from braketeer.domain.lifecycles import JobStatus
from braketeer.store import jobs, schedule, topics
from braketeer.store.database import Database, Transaction
from braketeer.store.schedule import Scheduled
from braketeer.work import sandbox
from braketeer.work.job_cgroup import ControlGroup
from braketeer.work.job_folder import (
    CANCEL,
    MAX_RUNTIME,
    SERVICE_STOPPED,
    Credentials,
    Ending,
    JobFolder,
    JobSpec,
    forced_ending,
    now_ms,
)
from braketeer.work.job_follower import KEPT_SECONDS, Follower, RevokeKeys, lost
from braketeer.work.sandbox import SandboxChoice

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 0.05
PROOF_OF_LIFE_EVERY_SECONDS = 1.0
HEARTBEAT_SECONDS = 2.0
STOP_MARGIN_SECONDS = 10.0
PAUSE_AFTER_TROUBLE_SECONDS = 1.0
MOST_TRIES = 30  # a job that cannot be followed, for another reason than the database, is given up after as many
LEFTOVERS_EVERY_SECONDS = 3600.0
KEY_MARGIN_SECONDS = 3600

# A runner that goes on when its supervisor closes is still a child of this process: it must be remembered.
_OUR_RUNNERS: dict[str, subprocess.Popen[bytes]] = {}


class IssueKey(Protocol):
    """A temporary key for a job, made in the transaction of the connection; ``expires_at`` is real epoch seconds."""

    def __call__(self, connection: Connection, account: str, job_id: str, expires_at: int) -> AccessKey: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """How jobs are run here. Seconds and bytes; ``hidden`` are folders that no job may see."""

    folder: Path
    endpoint: str
    slots: int
    sandbox: SandboxChoice
    python: str = sys.executable
    hidden: Sequence[Path] = ()
    grace_seconds: float = 30.0
    patience_seconds: float = 600.0
    memory_bytes: int = 0  # of one job's processes together; 0: nine tenths of the machine's
    most_processes: int = 1024  # of one job; where a control group can be made, with its threads
    stop_jobs: bool = False
    lease_seconds: float = 60.0  # how long a service that does not answer keeps its jobs


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
        self._issue_key = issue_key
        self._revoke_keys = revoke_keys
        self._settings = settings
        self._folders = settings.folder.absolute()  # runners have another working directory
        self._memory_bytes = settings.memory_bytes or psutil.virtual_memory().total * 9 // 10
        self._shown: list[str] = []
        self._owner = str(uuid.uuid4())
        self._alone = False
        self._stopping = False  # jobs are to end
        self._accepting = True  # others may begin
        self._claiming: asyncio.Task[None] | None = None
        self._background: list[asyncio.Task[None]] = []
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._runners = _OUR_RUNNERS  # those that are children of this process

    async def start(self, *, alone: bool) -> None:
        """Take back the jobs that were on this machine, then take new ones as they come.

        ``alone``: no other service is on the database, so every job that nobody has ended is taken back at once.
        """
        self._alone = alone
        self._folders.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._beat()
        self._shown = list(await asyncio.to_thread(sandbox.interpreter_folders, self._settings.python))
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
        self._stopping = True
        await self._end_claiming()
        if self._followed:  # _watch asks them
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
        """Extend our leases, and stop following what another service follows by now: this one was too slow."""
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 4)
            followed = list(self._followed)
            try:
                ours = await self._database.write(partial(self._extend_leases, followed))
                unfinished = await self._database.read(jobs.unfinished)
            except ServiceError as trouble:
                log.warning("leases of jobs cannot be extended: %s", trouble)
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
        task = asyncio.create_task(self._see_through(job), name=f"job {job['id']}")
        self._followed[job["id"]] = task
        task.add_done_callback(lambda _: self._followed.pop(job["id"], None))

    async def _see_through(self, job: RowMapping) -> None:
        """Follow one job, starting its runner if it has none yet, until its end is in the database."""
        tries, trouble = 0, ""
        while True:
            try:
                await self._try_to_see_through(job, tries, trouble)
                return
            except _TakenOver:
                log.warning("job %s is followed by another service now", job["id"])
                return
            except ServiceError as problem:  # a database that does not answer now: time does not make it hopeless
                log.warning("job %s cannot be followed: %s", job["id"], problem)
            except Exception as problem:
                log.exception("following job %s failed; it is tried again", job["id"])
                tries, trouble = tries + 1, str(problem)
            await asyncio.sleep(PAUSE_AFTER_TROUBLE_SECONDS)
            with contextlib.suppress(Exception):
                job = await self._current(job["id"]) or job

    async def _try_to_see_through(self, job: RowMapping, tries: int, trouble: str) -> None:
        folder = self._folder(job["id"])
        follower = Follower(self._database, self._clock, job, folder, dict(job["ingested"]))
        with self._database.topics.subscribe(topics.job(job["id"])) as news:
            lives, begun, ending = await asyncio.to_thread(
                lambda: (folder.runner_lives(), folder.was_begun(), folder.ending())
            )
            if lives:  # begun by a service before this one, which may have been elsewhere
                await asyncio.to_thread(folder.move_to, self._settings.endpoint)
            if not lives and not begun:
                why = self._why_to_stop(job, job["status"])
                if why is None and tries >= MOST_TRIES:
                    why = f"The job could not be started: {trouble}"
                if why is not None:
                    await self._finish(follower, forced_ending(why, _run_seconds(job)))
                    return
            if not lives and (not begun or (ending and not ending.saved and tries < MOST_TRIES)):
                await _whole(self._start_runner(job, folder))
            ending = await self._watch(job, follower, news)
        try:
            await follower.ingest(complete=True)
        except ServiceError:
            raise
        except Exception:
            if tries < MOST_TRIES:
                raise
            log.exception("the last lines and events of job %s cannot be stored", job["id"])
        await self._finish(follower, ending)

    async def _watch(self, job: RowMapping, follower: Follower, news: topics.Subscription) -> Ending:
        """Follow a job that has a runner until it is known how it ended; pass on cancels and the end of its time."""
        status, asked, told, thorough_at = job["status"], "", True, 0.0
        while True:
            if told and (row := await self._current(job["id"])) is not None:
                status = row["status"]
            why = self._why_to_stop(job, status)
            thorough = time.monotonic() >= thorough_at or (why or "") != asked
            if thorough:
                thorough_at, asked = time.monotonic() + PROOF_OF_LIFE_EVERY_SECONDS, why or ""
            seen = await asyncio.to_thread(_look, follower, why, thorough)
            if seen.ending is not None:
                return seen.ending
            if seen.runner_is_gone:
                return await self._lost(status, follower.folder, job["id"])
            if seen.news:
                await follower.ingest()
            told = await news.wait(LOOK_EVERY_SECONDS)

    def _why_to_stop(self, job: RowMapping, status: str) -> str | None:
        """Why the job is to end now, if it is."""
        if status == JobStatus.CANCELLING:
            return CANCEL
        if self._stopping:
            return SERVICE_STOPPED
        if self._clock.now_ms() > job["started_at"] + 1000 * _run_seconds(job):
            return MAX_RUNTIME
        return None

    async def _finish(self, follower: Follower, ending: Ending) -> None:
        await follower.finish(ending, self._revoke_keys)
        await asyncio.to_thread(self._clear_away, follower.folder, follower.job["id"], ending)

    def _clear_away(self, folder: JobFolder, job_id: str, ending: Ending) -> None:
        """Reap the runner if it was our child; remove its folder, but keep what could not be brought to S3."""
        if (runner := self._runners.pop(job_id, None)) is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                runner.wait(STOP_MARGIN_SECONDS)
        if ending.saved:
            folder.remove()
            return
        log.warning("what job %s has left is not in S3; it is kept for a while in %s", job_id, folder.path)
        folder.forget_secrets()
        with contextlib.suppress(OSError):
            folder.end(ending)

    async def _lost(self, status: str, folder: JobFolder, job_id: str) -> Ending:
        if not self._settings.sandbox.isolates:
            await asyncio.to_thread(sandbox.kill_marked, job_id)
        await asyncio.to_thread(ControlGroup(job_id, self._settings.most_processes).remove)
        return await asyncio.to_thread(lost, status, folder)

    async def _start_runner(self, job: RowMapping, folder: JobFolder) -> None:
        spec = await self._specify(job)
        runner = await asyncio.to_thread(_spawn, folder, spec)
        if runner is not None:
            self._runners[job["id"]] = runner

    async def _specify(self, job: RowMapping) -> JobSpec:
        """What the runner is told, with a fresh key; a key of an earlier try ends.

        Raises _TakenOver where another service follows the job: then the key is that one's.
        """
        settings, request = self._settings, job["request"]
        limit = _run_seconds(job)
        expires_at = (
            int(time.time() + limit + settings.grace_seconds + 2 * settings.patience_seconds) + KEY_MARGIN_SECONDS
        )

        def issue(transaction: Transaction) -> AccessKey:
            if not jobs.lock_followed(transaction.connection, job["id"], self._owner):
                raise _TakenOver
            self._revoke_keys(transaction.connection, job["id"])
            transaction.notify(topics.KEYS)
            return self._issue_key(transaction.connection, job["account"], job["id"], expires_at)

        key = await self._database.write(issue)
        return JobSpec(
            job_id=job["id"],
            job_arn=arns.job(job["region"], job["account"], job["id"]),
            job_name=job["name"],
            job_token=job["job_token"],
            account=job["account"],
            region=job["region"],
            endpoint=settings.endpoint,
            credentials=Credentials(key.id, key.secret, key.session_token or ""),
            request=request,
            python=settings.python,
            sandbox=settings.sandbox.name,
            shown=self._shown,
            hidden=[os.fspath(path) for path in settings.hidden],
            run_seconds=limit,
            grace_seconds=settings.grace_seconds,
            patience_seconds=settings.patience_seconds,
            memory_bytes=self._memory_bytes,
            disk_bytes=request["instanceConfig"]["volumeSizeInGb"] << 30,
            most_processes=settings.most_processes,
        )

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
            with contextlib.suppress(OSError, ServiceError):
                # First the folders, then the jobs: the folder of a job that is just beginning is not among them.
                there = await asyncio.to_thread(
                    lambda: [path.name for path in self._folders.iterdir() if path.is_dir()]
                )
                unfinished = await self._database.read(jobs.unfinished)
                ended = [name for name in there if name not in unfinished and name not in self._followed]
                await asyncio.to_thread(self._remove_those_of_no_use, ended)
            await asyncio.sleep(LEFTOVERS_EVERY_SECONDS)

    def _remove_those_of_no_use(self, job_ids: list[str]) -> None:
        """Folders of jobs that had ended when the service was killed, and those that were kept for long enough."""
        for folder in map(self._folder, job_ids):
            if not folder.runner_lives() and _is_of_no_use(folder):
                log.info("the folder %s of an ended job is removed", folder.path)
                folder.remove()

    async def _current(self, job_id: str) -> RowMapping | None:
        return await self._database.read(lambda connection: jobs.get(connection, job_id))

    def _folder(self, job_id: str) -> JobFolder:
        return JobFolder(self._folders / job_id)


async def _whole(begun: Coroutine[Any, Any, None]) -> None:
    """Await it; a caller that is cancelled meanwhile waits for its end all the same, for a while.

    So nobody lets go of a job whose runner is just being started: another service would start one too.
    """
    task = asyncio.create_task(begun)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=STOP_MARGIN_SECONDS)
        raise


class _TakenOver(Exception):
    """Another service follows the job."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look at a job's folder has shown."""

    ending: Ending | None
    runner_is_gone: bool
    news: bool


def _look(follower: Follower, why_to_stop: str | None, thorough: bool) -> _Seen:
    """Look at the folder; a thorough look asks the runner to stop, if it is to, and makes sure that it lives."""
    folder = follower.folder
    if thorough and why_to_stop is not None:
        try:
            folder.ask_to_stop(why_to_stop)
        except OSError as problem:
            log.warning("the runner in %s cannot be asked to stop: %s", folder.path, problem)
    ending = folder.ending()
    gone = False
    if thorough or (ending is not None and not ending.saved):
        gone = not folder.runner_lives()
        ending = folder.ending()
    if ending is not None and not ending.saved and not gone:
        ending = None  # a second runner is trying to save what the first could not
    return _Seen(ending, gone, follower.has_news())


def _is_of_no_use(folder: JobFolder) -> bool:
    """Whether nobody can want an ended job's folder: all is in S3, nothing was begun, or it was kept long enough."""
    if (ending := folder.ending()) is not None:
        return ending.saved or now_ms() - ending.ended_at > 1000 * KEPT_SECONDS
    return not folder.was_begun() or time.time() - folder.progress.stat().st_mtime > KEPT_SECONDS


def _run_seconds(job: RowMapping) -> int:
    return int(job["request"]["stoppingCondition"]["maxRuntimeInSeconds"])


def _spawn(folder: JobFolder, spec: JobSpec) -> subprocess.Popen[bytes] | None:
    """Start a runner with a session and files of its own and the lock already in its hands; None where one lives."""
    folder.create()
    lock = folder.take_lock()
    if lock is None:
        return None
    try:
        folder.write_spec(spec)
        output = os.open(folder.path / "runner.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "braketeer.work.runner", os.fspath(folder.path), str(lock)],
                cwd=folder.path,
                env=_runner_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
                start_new_session=True,
            )
        finally:
            os.close(output)
    finally:
        os.close(lock)


def _runner_environment() -> dict[str, str]:
    """A runner gets nothing of the service's but where programs are; above all no AWS settings."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "HOME") if name in os.environ}
    return {**kept, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
