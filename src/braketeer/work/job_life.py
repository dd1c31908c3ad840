"""The life of one hybrid job, from its claim to its end: starts its runner, follows it, makes the job what it became.

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
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, RowMapping

from braketeer.domain import arns
from braketeer.domain.accounts import AccessKey
from braketeer.domain.clock import Clock
from braketeer.domain.errors import ServiceError
from braketeer.domain.lifecycles import JobStatus
from braketeer.store import accounts, jobs, topics
from braketeer.store.database import Database, Transaction
from braketeer.work import job_images, job_network, sandbox
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
)
from braketeer.work.job_follower import Follower, RevokeKeys, lost
from braketeer.work.job_settings import JobSettings, interpreter, room

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 0.05
PROOF_OF_LIFE_EVERY_SECONDS = 1.0
STOP_MARGIN_SECONDS = 10.0
PAUSE_AFTER_TROUBLE_SECONDS = 1.0
MOST_TRIES = 30  # a job that cannot be followed, for another reason than the database, is given up after as many
KEY_MARGIN_SECONDS = 3600

# How uv reaches a package index, besides its own UV_* variables.
_WAYS_OUT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")

# A runner that goes on when its supervisor closes is still a child of this process: it must be remembered.
_OUR_RUNNERS: dict[str, subprocess.Popen[bytes]] = {}


class IssueKey(Protocol):
    """A temporary key for a job, made in the transaction of the connection; ``expires_at`` is real epoch seconds."""

    def __call__(self, connection: Connection, account: str, job_id: str, expires_at: int) -> AccessKey: ...


@dataclass(slots=True)
class Surroundings:
    """What all jobs of one service share; ``owner`` is the service's name in leases.

    Once ``stopping``, every job is to end.
    """

    database: Database
    clock: Clock
    issue_key: IssueKey
    revoke_keys: RevokeKeys
    settings: JobSettings
    folders: Path
    owner: str
    stopping: bool = False
    runners: dict[str, subprocess.Popen[bytes]] = field(default_factory=lambda: _OUR_RUNNERS)


class JobLife:
    """Follows one job. Whatever fails, the row comes to an end that says what has happened."""

    def __init__(self, around: Surroundings, job: RowMapping) -> None:
        self._around = around
        self._database = around.database
        self._settings = around.settings
        self._id: str = job["id"]
        self._job = job
        self._folder = JobFolder(around.folders / job["id"])

    async def see_through(self) -> None:
        """Follow the job, starting its runner if it has none yet, until its end is in the database."""
        tries, trouble = 0, ""
        while True:
            try:
                await self._try_to_see_through(tries, trouble)
                return
            except _TakenOver:
                log.warning("job %s is followed by another service now", self._id)
                return
            except ServiceError as problem:  # a database that does not answer now: time does not make it hopeless
                log.warning("job %s cannot be followed: %s", self._id, problem)
            except Exception as problem:
                log.exception("following job %s failed; it is tried again", self._id)
                tries, trouble = tries + 1, str(problem)
            await asyncio.sleep(PAUSE_AFTER_TROUBLE_SECONDS)
            with contextlib.suppress(Exception):
                self._job = await self._current() or self._job

    async def _try_to_see_through(self, tries: int, trouble: str) -> None:
        folder = self._folder
        follower = Follower(self._database, self._around.clock, self._job, folder, dict(self._job["ingested"]))
        with self._database.topics.subscribe(topics.job(self._id)) as news:
            lives, begun, ending = await asyncio.to_thread(
                lambda: (folder.runner_lives(), folder.was_begun(), folder.ending())
            )
            if lives:  # begun by a service before this one, which may have been elsewhere
                await asyncio.to_thread(folder.move_to, self._settings.endpoint)
            if not lives and not begun:
                why = self._why_to_stop(self._job["status"])
                if why is None and tries >= MOST_TRIES:
                    why = f"The job could not be started: {trouble}"
                if why is not None:
                    await self._finish(follower, forced_ending(why, self._run_seconds))
                    return
            if not lives and (not begun or (ending and not ending.saved and tries < MOST_TRIES)):
                await _whole(self._start_runner())
            ending = await self._watch(follower, news)
        try:
            await follower.ingest(complete=True)
        except ServiceError:
            raise
        except Exception:
            if tries < MOST_TRIES:
                raise
            log.exception("the last lines and events of job %s cannot be stored", self._id)
        await self._finish(follower, ending)

    async def _watch(self, follower: Follower, news: topics.Subscription) -> Ending:
        """Follow a job that has a runner until it is known how it ended; pass on cancels and the end of its time."""
        status, asked, told, thorough_at = self._job["status"], None, True, 0.0
        while True:
            if told and (row := await self._current()) is not None:
                status = row["status"]
            why = self._why_to_stop(status)
            thorough = time.monotonic() >= thorough_at or why != asked
            if thorough:
                thorough_at, asked = time.monotonic() + PROOF_OF_LIFE_EVERY_SECONDS, why
            seen = await asyncio.to_thread(_look, follower, why, thorough)
            if seen.ending is not None:
                return seen.ending
            if seen.runner_is_gone:
                return await self._lost(status)
            if seen.news:
                await follower.ingest()
            told = await news.wait(LOOK_EVERY_SECONDS)

    def _why_to_stop(self, status: str) -> str | None:
        """Why the job is to end now, if it is."""
        if status == JobStatus.CANCELLING:
            return CANCEL
        if self._around.stopping:
            return SERVICE_STOPPED
        if self._around.clock.now_ms() > self._job["started_at"] + 1000 * self._run_seconds:
            return MAX_RUNTIME
        return None

    async def _finish(self, follower: Follower, ending: Ending) -> None:
        await follower.finish(ending, self._around.revoke_keys)
        await asyncio.to_thread(self._clear_away, ending)

    def _clear_away(self, ending: Ending) -> None:
        """Reap the runner if it was our child; remove its folder, but keep what could not be brought to S3."""
        if (runner := self._around.runners.pop(self._id, None)) is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                runner.wait(STOP_MARGIN_SECONDS)
        if ending.saved:
            self._folder.remove()
            return
        log.warning("what job %s has left is not in S3; it is kept for a while in %s", self._id, self._folder.path)
        self._folder.forget_secrets()
        with contextlib.suppress(OSError):
            self._folder.end(ending)

    async def _lost(self, status: str) -> Ending:
        """The ending of a job whose runner is gone; what it may have left running is ended."""

        def end_what_is_left() -> Ending:
            if not self._settings.sandbox.isolates:
                sandbox.kill_marked(self._id)
            ControlGroup(self._id, self._settings.most_processes).remove()
            job_images.stop_all(self._folder)
            return lost(status, self._folder)

        return await asyncio.to_thread(end_what_is_left)

    async def _start_runner(self) -> None:
        spec = await self._specify()
        runner = await asyncio.to_thread(_spawn, self._folder, spec)
        if runner is not None:
            self._around.runners[self._id] = runner

    async def _specify(self) -> JobSpec:
        """What the runner is told, with a fresh key; a key of an earlier try ends.

        Raises _TakenOver where another service follows the job: then the key is that one's.
        """
        settings, job, request = self._settings, self._job, self._job["request"]
        lasts = self._run_seconds + settings.grace_seconds + 2 * settings.patience_seconds
        expires_at = int(time.time() + lasts) + KEY_MARGIN_SECONDS

        def issue(transaction: Transaction) -> tuple[AccessKey, bool]:
            connection = transaction.connection
            if not jobs.lock_followed(connection, self._id, self._around.owner):
                raise _TakenOver
            self._around.revoke_keys(connection, self._id)
            transaction.notify(topics.KEYS)
            key = self._around.issue_key(connection, job["account"], self._id, expires_at)
            return key, accounts.are_several(connection)

        key, several = await self._database.write(issue)
        python, has = interpreter(settings, request), room(request, settings.memory_bytes)
        shown = await asyncio.to_thread(sandbox.interpreter_folders, python) if python else ()
        image = None if python else request["algorithmSpecification"]["containerImage"]["uri"]
        return JobSpec(
            job_id=self._id,
            job_arn=arns.job(job["region"], job["account"], self._id),
            job_name=job["name"],
            job_token=job["job_token"],
            account=job["account"],
            region=job["region"],
            endpoint=settings.endpoint,
            credentials=Credentials(key.id, key.secret, key.session_token or ""),
            request=request,
            python=python or "",
            sandbox=settings.sandbox.name,
            shown=list(shown),
            hidden=[os.fspath(path) for path in settings.hidden],
            run_seconds=self._run_seconds,
            grace_seconds=settings.grace_seconds,
            patience_seconds=settings.patience_seconds,
            memory_bytes=has.memory_bytes,
            disk_bytes=has.hosts * (request["instanceConfig"]["volumeSizeInGb"] << 30),
            most_processes=settings.most_processes,
            host_count=has.hosts,
            host_cpus=has.cpus,
            host_memory_bytes=has.host_memory_bytes,
            own_network=await self._has_own_network(several=several),
            layers=os.fspath(self._around.folders.parent / "job-packages" / job["account"]),
            install_seconds=settings.install_seconds,
            install_environment=_install_environment(),
            warning=has.warning,
            engine=(await asyncio.to_thread(job_images.find_engine)).path if image else "",
            image=image,
        )

    async def _has_own_network(self, *, several: bool) -> bool:
        """Whether the job gets a network of its own: always, or where several accounts share the machine."""
        wanted = {"own": True, "auto": several, "shared": False}[self._settings.network]
        if not wanted or not self._settings.sandbox.isolates:
            return False
        trouble = await asyncio.to_thread(job_network.problem, as_user=os.getuid() != 0)
        if trouble:
            log.warning("job %s shares the machine's network: %s", self._id, trouble)
        return not trouble

    @property
    def _run_seconds(self) -> int:
        return int(self._job["request"]["stoppingCondition"]["maxRuntimeInSeconds"])

    async def _current(self) -> RowMapping | None:
        return await self._database.read(lambda connection: jobs.get(connection, self._id))


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


def _install_environment() -> dict[str, str]:
    """What of the service's environment is uv's: the operator's index and the way to it."""
    return {name: value for name, value in os.environ.items() if name.startswith("UV_") or name.upper() in _WAYS_OUT}
