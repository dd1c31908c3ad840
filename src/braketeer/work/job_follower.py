"""Brings what a job's runner writes into the database: events, log lines, and at last how the job ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, RowMapping

from braketeer.domain.clock import Clock
from braketeer.domain.lifecycles import JobStatus
from braketeer.store import jobs, logs, topics
from braketeer.store.database import Database, Transaction
from braketeer.work.job_folder import KEPT_SECONDS, Ending, JobFolder, now_ms, parse_progress
from braketeer.work.job_log import parse

LOG_GROUP = "/aws/braket/jobs"
_CHUNK = 128 * 1024
_LAST_LINES = "\n\nThe script's last lines:"
_LARGE_CHUNK = 4 << 20  # more than the longest record
_EVENT_MESSAGES = {
    JobStatus.COMPLETED: "The job completed.",
    JobStatus.FAILED: "The job failed.",
    JobStatus.CANCELLED: "The job was cancelled.",
}


class RevokeKeys(Protocol):
    """Ends every key of a job, in the transaction of the connection."""

    def __call__(self, connection: Connection, job_id: str) -> None: ...


@dataclass(slots=True)
class Follower:
    """One job that is on this machine: its row as it was claimed, its folder, and how far its files were read.

    The offsets are kept in the job's row, and move in the transaction that stores what was read; so every line and
    event arrives exactly once, whenever the service is killed.
    """

    database: Database
    clock: Clock
    job: RowMapping
    folder: JobFolder
    offsets: dict[str, int]

    def has_news(self) -> bool:
        """Whether a file has grown. A few calls of ``stat``."""
        return any(_size(path) > self.offsets.get(path.name, 0) for path in self._files())

    async def ingest(self, *, complete: bool = False) -> None:
        """Store what the files hold beyond what was read; ``complete`` when nothing more will come.

        Files are read and parsed in a thread, so that neither the event loop nor a transaction waits for them.
        """
        for path in await asyncio.to_thread(self._files):
            while await self._ingest_some(path, complete):
                pass

    async def finish(self, ending: Ending, revoke_keys: RevokeKeys) -> None:
        """Make the job what it became: status, reason, events, end of its keys, in one transaction."""
        ended_at = max(ending.ended_at + self._offset_ms(), self.job["started_at"])
        status = JobStatus(ending.outcome)
        where = "" if ending.saved else _where_it_is_kept(self.folder)
        reason = _joined(ending.reason, where, jobs.LONGEST_FAILURE_REASON) if ending.reason else None
        last_message = _joined(ending.reason or _EVENT_MESSAGES[status], where, jobs.LONGEST_EVENT_MESSAGE)
        last_message = _with_last_lines(last_message, ending.last_lines, jobs.LONGEST_EVENT_MESSAGE)

        def finish(transaction: Transaction) -> None:
            connection, job_id = transaction.connection, self.job["id"]
            if not jobs.finish(connection, job_id, status, ended_at, reason):
                return
            for event_type, message in ending.events:
                jobs.add_event(connection, job_id, event_type, message, ended_at)
            because = jobs.reason_of_cancelling(connection, job_id) if status is JobStatus.CANCELLED else None
            jobs.add_event(connection, job_id, status.value, because or last_message, ended_at)
            revoke_keys(connection, job_id)
            for topic in (topics.job(job_id), topics.JOBS, topics.KEYS):
                transaction.notify(topic)

        await self.database.write(finish)

    async def _ingest_some(self, path: Path, complete: bool) -> bool:
        """Store the next batch of one file; whether there was any."""
        offset = self.offsets.get(path.name, 0)
        batch = await asyncio.to_thread(self._next_batch, path, offset, complete)
        if not batch.taken:
            return False
        shift = self._offset_ms()

        def store(transaction: Transaction) -> int:
            connection, job_id = transaction.connection, self.job["id"]
            if not jobs.advance_ingested(connection, job_id, path.name, offset, offset + batch.taken):
                row = jobs.get(connection, job_id)
                return offset + batch.taken if row is None else int(row["ingested"].get(path.name, 0))
            lines = [(moment + shift, text) for moment, text in batch.lines]
            if lines:
                logs.append(
                    connection, self.job["account"], LOG_GROUP, self._stream(path.stem), lines, self.clock.now_ms()
                )
            for event, message, moment in batch.events:
                jobs.add_event(connection, job_id, event, message, moment + shift)
            if batch.events:
                transaction.notify(topics.job(job_id))
            return offset + batch.taken

        self.offsets[path.name] = await self.database.write(store)
        return True

    def _next_batch(self, path: Path, offset: int, complete: bool) -> _Batch:
        data = _read(path, offset, _CHUNK)
        if len(data) == _CHUNK and b"\n" not in data:
            data = _read(path, offset, _LARGE_CHUNK)
        if path == self.folder.progress:
            taken = data.rfind(b"\n") + 1
            return _Batch(taken, [], parse_progress(data[:taken]))
        lines, taken = parse(data, complete=complete and offset + len(data) >= _size(path))
        return _Batch(taken, lines, [])

    def _files(self) -> list[Path]:
        return [self.folder.progress, *self.folder.log_files()]

    def _stream(self, host: str) -> str:
        """``{job name}/{job id}/algo-1-{epoch ms}``: the SDK asks for streams by the part before the host."""
        return f"{self.job['name']}/{self.job['id']}/{host}-{self.job['started_at']}"

    def _offset_ms(self) -> int:
        """Service time minus real time, in whole seconds: runners know real time only."""
        return round((self.clock.now_ms() - now_ms()) / 1000) * 1000


@dataclass(frozen=True, slots=True)
class _Batch:
    """What came next in a file: how many bytes it took, log lines by real time, events."""

    taken: int
    lines: list[tuple[int, str]]
    events: list[tuple[str, str, int]]


def lost(status: str, folder: JobFolder) -> Ending:
    """The ending of a job whose runner is gone without a word: nobody has brought anything to S3."""
    if status == JobStatus.CANCELLING:
        return Ending("CANCELLED", None, now_ms(), [], saved=False)
    reason = "The job's runner ended without a word: it was killed, or the machine was restarted"
    last = folder.runner_output().strip().splitlines()[-1:]
    return Ending("FAILED", ": ".join([reason, *last]), now_ms(), [], saved=False)


def _where_it_is_kept(folder: JobFolder) -> str:
    days = KEPT_SECONDS // 86400
    return f"What is not in S3 is kept for {days} days on the service's machine in {folder.path}."


def _joined(text: str, more: str, most: int) -> str:
    """Both, if there is room for both."""
    both = f"{text.rstrip('.')}. {more}"
    return both if more and len(both) <= most else text


def _with_last_lines(text: str, lines: list[str], most: int) -> str:
    """As many of the last lines of a script below the text as there is room for."""
    room = most - len(text) - len(_LAST_LINES)
    kept: list[str] = []
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        kept.insert(0, line)
    return "\n".join([text + _LAST_LINES, *kept]) if kept else text


def _read(path: Path, offset: int, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(most)
    except FileNotFoundError:
        return b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
