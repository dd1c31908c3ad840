"""Hybrid jobs on this machine: claims them, starts a runner for each, and follows it to its end.

A runner is a process of its own that outlives the service (runner.py). What it says, it says through the files of its
folder (job_folder.py); the follower brings that into the database (job_follower.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil
from sqlalchemy import Connection, RowMapping

from braketeer.domain import arns
from braketeer.domain.accounts import AccessKey
from braketeer.domain.clock import Clock
from braketeer.domain.lifecycles import JobStatus
from braketeer.store import jobs, topics
from braketeer.store.database import Database, Transaction
from braketeer.work import sandbox
from braketeer.work.job_folder import (
    CANCEL,
    MAX_RUNTIME,
    SERVICE_STOPPED,
    Credentials,
    Ending,
    JobFolder,
    JobSpec,
)
from braketeer.work.job_follower import Follower, RevokeKeys, lost
from braketeer.work.sandbox import SandboxChoice

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 0.05
PROOF_OF_LIFE_EVERY_SECONDS = 1.0
HEARTBEAT_SECONDS = 2.0
STOP_MARGIN_SECONDS = 10.0
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
    stop_jobs: bool = False


class JobSupervisor:
    """Starts and follows the runners of all jobs of this machine."""

    def __init__(
        self, database: Database, clock: Clock, issue_key: IssueKey, revoke_keys: RevokeKeys, settings: JobSettings
    ) -> None:
        self._database = database
        self._clock = clock
        self._issue_key = issue_key
        self._revoke_keys = revoke_keys
        self._settings = settings
        self._folders = settings.folder.absolute()  # runners have another working directory
        self._memory_bytes = settings.memory_bytes or psutil.virtual_memory().total * 9 // 10
        self._shown: list[str] = []
        self._background: list[asyncio.Task[None]] = []
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._runners = _OUR_RUNNERS  # those that are children of this process

    async def start(self) -> None:
        """Take back the jobs that were on this machine, then take new ones as they come."""
        self._folders.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._beat()
        self._shown = list(await asyncio.to_thread(sandbox.interpreter_folders, self._settings.python))
        for job in await self._database.read(jobs.unfinished):
            self._follow(job)  # those that the service before this one has left on
        ready = asyncio.Event()
        self._background = [
            asyncio.create_task(self._claim_jobs(ready), name="claim jobs"),
            asyncio.create_task(self._keep_beating(), name="heartbeat"),
            asyncio.create_task(self._remove_leftovers(), name="job leftovers"),
        ]
        await ready.wait()

    async def close(self) -> None:
        """Stop following. Runners go on, unless the settings say ``stop_jobs``: then they are ended first."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._settings.stop_jobs:
            await self.end_jobs()
        for task in self._followed.values():
            task.cancel()
        await asyncio.gather(*self._followed.values(), return_exceptions=True)

    async def end_jobs(self) -> None:
        """Ask every runner to end its job, and wait until they have, or their grace is over."""
        for job_id in self._followed:
            self._folder(job_id).ask_to_stop(SERVICE_STOPPED)
        if self._followed:
            await asyncio.wait(self._followed.values(), timeout=self._settings.grace_seconds + STOP_MARGIN_SECONDS)

    async def _claim_jobs(self, ready: asyncio.Event) -> None:
        with self._database.topics.subscribe(topics.JOBS) as news:
            ready.set()
            while True:
                try:
                    while (job := await self._claim_next()) is not None:
                        self._follow(job)
                except Exception:
                    log.exception("claiming jobs failed; it is tried again at the next news")
                await news.wait(60)

    async def _claim_next(self) -> RowMapping | None:
        def claim(transaction: Transaction) -> RowMapping | None:
            now = self._clock.now_ms()
            job = jobs.claim_next(transaction.connection, now, self._settings.slots)
            if job is not None:
                message = "Starting a process for the job."
                jobs.add_event(transaction.connection, job["id"], "STARTING_INSTANCE", message, now)
                transaction.notify(topics.job(job["id"]))
            return job

        return await self._database.write(claim)

    def _follow(self, job: RowMapping) -> None:
        task = asyncio.create_task(self._see_through(job), name=f"job {job['id']}")
        self._followed[job["id"]] = task
        task.add_done_callback(lambda _: self._followed.pop(job["id"], None))

    async def _see_through(self, job: RowMapping) -> None:
        """Follow one job, starting its runner if it has none yet, until its end is in the database."""
        while True:
            try:
                folder = self._folder(job["id"])
                follower = Follower(self._database, self._clock, job, folder, dict(job["ingested"]))
                with self._database.topics.subscribe(topics.job(job["id"])) as news:
                    ending = folder.ending()
                    if not folder.runner_lives() and (not folder.was_begun() or (ending and not ending.saved)):
                        await self._start_runner(job, folder)
                    await self._watch(job, follower, news)
                return
            except Exception:
                log.exception("following job %s failed; it is tried again", job["id"])
                await asyncio.sleep(1)
                job = await self._current(job["id"]) or job

    async def _watch(self, job: RowMapping, follower: Follower, news: topics.Subscription) -> None:
        folder = follower.folder
        deadline_ms = job["started_at"] + 1000 * job["request"]["stoppingCondition"]["maxRuntimeInSeconds"]
        status, proof_due, told = job["status"], 0.0, True
        ending: Ending | None = None
        while ending is None:
            if told and (row := await self._current(job["id"])) is not None:
                status = row["status"]
            if status == JobStatus.CANCELLING:
                folder.ask_to_stop(CANCEL)
            elif self._clock.now_ms() > deadline_ms:
                folder.ask_to_stop(MAX_RUNTIME)
            if follower.has_news():
                await follower.ingest()
            ending = folder.ending()
            if ending is not None and not ending.saved and folder.runner_lives():
                ending = None  # a second runner is trying to save what the first could not
            if ending is None and time.monotonic() >= proof_due:
                proof_due = time.monotonic() + PROOF_OF_LIFE_EVERY_SECONDS
                if not folder.runner_lives():
                    ending = folder.ending() or await self._lost(status, folder, job["id"])
            if ending is None:
                told = await news.wait(LOOK_EVERY_SECONDS)
        await follower.ingest(complete=True)
        await follower.finish(ending, self._revoke_keys)
        await asyncio.to_thread(self._clear_away, folder, job["id"], ending)

    def _clear_away(self, folder: JobFolder, job_id: str, ending: Ending) -> None:
        """Reap the runner if it was our child; remove its folder, but keep what could not be brought to S3."""
        if (runner := self._runners.pop(job_id, None)) is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                runner.wait(STOP_MARGIN_SECONDS)
        if ending.saved:
            folder.remove()
        else:
            folder.forget_secrets()

    async def _lost(self, status: str, folder: JobFolder, job_id: str) -> Ending:
        if not self._settings.sandbox.isolates:
            await asyncio.to_thread(sandbox.kill_marked, job_id)
        return lost(status, folder)

    async def _start_runner(self, job: RowMapping, folder: JobFolder) -> None:
        spec = await self._specify(job)
        runner = await asyncio.to_thread(_spawn, folder, spec)
        if runner is not None:
            self._runners[job["id"]] = runner

    async def _specify(self, job: RowMapping) -> JobSpec:
        """What the runner is told, with a fresh key; a key of an earlier try ends."""
        settings, request = self._settings, job["request"]
        limit = request["stoppingCondition"]["maxRuntimeInSeconds"]
        expires_at = (
            int(time.time() + limit + settings.grace_seconds + 2 * settings.patience_seconds) + KEY_MARGIN_SECONDS
        )

        def issue(transaction: Transaction) -> AccessKey:
            self._revoke_keys(transaction.connection, job["id"])
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
        )

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with contextlib.suppress(OSError):
                self._beat()

    def _beat(self) -> None:
        """Tell the runners that their service is there."""
        (self._folders / "heartbeat").touch()

    async def _remove_leftovers(self) -> None:
        """Folders of jobs that had ended when the service was killed, before their folder was removed."""
        found = await asyncio.to_thread(lambda: list(self._folders.iterdir()))
        for path in (path for path in found if path.is_dir()):
            folder = self._folder(path.name)
            ending = folder.ending()
            if path.name not in self._followed and not folder.runner_lives() and (ending is None or ending.saved):
                await asyncio.to_thread(folder.remove)

    async def _current(self, job_id: str) -> RowMapping | None:
        return await self._database.read(lambda connection: jobs.get(connection, job_id))

    def _folder(self, job_id: str) -> JobFolder:
        return JobFolder(self._folders / job_id)


def _spawn(folder: JobFolder, spec: JobSpec) -> subprocess.Popen[bytes] | None:
    """Start a runner with a session and files of its own and the lock already in its hands; None where one lives."""
    folder.create()
    folder.write_spec(spec)
    lock = folder.take_lock()
    if lock is None:
        return None
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
        os.close(lock)


def _runner_environment() -> dict[str, str]:
    """A runner gets nothing of the service's but where programs are; above all no AWS settings."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "HOME") if name in os.environ}
    return {**kept, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
