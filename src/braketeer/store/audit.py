"""The audit: one JSON line a changing call in ``YYYY-MM-DD.jsonl``, by the day (UTC) of its end.

The lines of one turn of the event loop are one unbuffered append, made before their answers leave: they outlive the
process that is killed next, and lines of several processes do not mix. Not a table: it must cost microseconds and stay
writable by nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from braketeer.domain import audit as lines
from braketeer.domain import clock
from braketeer.domain.accounts import Caller

MOST_BYTES_A_READ = 4 * 1024 * 1024
_FILE = re.compile(r"\d{4}-\d{2}-\d{2}\.jsonl")
_log = logging.getLogger(__name__)


class Audit:
    """Writes the lines of a data directory. Lines older than ``days`` days are removed by ``forget_old``; 0 keeps all.

    Nothing raises: a disk that is full costs lines, not requests, and the log says so once.
    """

    def __init__(self, folder: Path, days: int) -> None:
        self.folder = folder
        self._days = days
        self._day = -1
        self._descriptor: int | None = None
        self._torn = False
        self._in_trouble = False
        self._waiting: list[tuple[int, bytes]] = []
        self._written: asyncio.Event | None = None

    async def record(
        self,
        caller: Caller,
        service: str,
        operation: str,
        resource: str | None,
        status: int,
        error: str | None,
        source: str,
    ) -> None:
        """Keep a line about a call that is answered with ``status``, and an error's code if it was refused.

        Returns when the line has been written: before that the answer must not leave.
        """
        now = time.time()
        text = lines.line(
            at=clock.iso(int(now * 1000)),
            caller=caller,
            service=service,
            operation=operation,
            resource=resource,
            status=status,
            error=error,
            source=source,
        )
        self._waiting.append((int(now // 86400), _encoded(text)))
        if self._written is None:
            self._written = asyncio.Event()
            asyncio.get_running_loop().call_soon(self._write)
        await self._written.wait()

    def forget_old(self) -> None:
        """Remove the files of days that need not be kept."""
        oldest = f"{datetime.now(UTC) - timedelta(days=self._days):%Y-%m-%d}.jsonl"
        for path in _files(self.folder) if self._days else ():
            if path.name < oldest:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        self._let_go()

    def _write(self) -> None:
        """Append what waits, and let its answers go."""
        waiting, self._waiting = self._waiting, []
        written, self._written = self._written, None
        days: dict[int, list[bytes]] = {}
        for day, data in waiting:
            days.setdefault(day, []).append(data)
        try:
            for day, lines_of_day in days.items():
                self._append(day, b"".join(lines_of_day))
        except OSError as problem:
            if not self._in_trouble:
                _log.error("the audit cannot be written, lines are lost until it can: %s", problem)
            self._in_trouble = True
        if written is not None:
            written.set()

    def _append(self, day: int, data: bytes) -> None:
        if day != self._day or self._descriptor is None:
            self._let_go()
            self.folder.mkdir(mode=0o700, exist_ok=True)
            name = f"{datetime.fromtimestamp(day * 86400, UTC):%Y-%m-%d}.jsonl"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor, self._day = os.open(self.folder / name, flags, 0o600), day
            # What a crash or a full disk has left of a line must not swallow the next one.
            self._torn = not _ends_a_line(self.folder / name)
        data = b"\n" + data if self._torn else data
        self._torn = True
        self._torn = os.write(self._descriptor, data) != len(data)
        if self._torn:
            raise OSError("a line could be written in part only")
        self._in_trouble = False

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(frozen=True, slots=True)
class Page:
    """Lines in the order in which they were written, and where to go on: behind the last one that was looked at."""

    lines: list[dict[str, Any]]
    cursor: str
    complete: bool


def read(folder: Path, *, since: str, cursor: str | None, account: str | None, limit: int) -> Page:
    """At most ``limit`` lines from ``cursor`` on, else from the day of ``since`` (an ISO time in UTC), not older than
    it, of one account or of all. A torn line is passed over. ``complete`` says that nothing more was there.

    ValueError for a cursor that is none.
    """
    name, _, offset = (cursor or f"{since[:10]}.jsonl:0").partition(":")
    if not _FILE.fullmatch(name) or not offset.isdecimal() or len(offset) > 18:
        raise ValueError("The cursor is not one that this service has given")
    position, found, budget = (name, int(offset)), [], MOST_BYTES_A_READ
    for path in _files(folder):
        if path.name < name:
            continue
        start = position[1] if path.name == position[0] else 0
        with path.open("rb") as file:
            file.seek(start)
            for raw in file:
                if not raw.endswith(b"\n"):
                    break  # it is being written
                start += len(raw)
                budget -= len(raw)
                position = (path.name, start)
                line = _parsed(raw)
                if line is not None and line["at"] >= since and account in (None, line["account"]):
                    found.append(line)
                if len(found) == limit or budget <= 0:
                    return Page(found, f"{position[0]}:{position[1]}", False)
    return Page(found, f"{position[0]}:{position[1]}", True)


def _encoded(line: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # half of a surrogate pair: no text, but no way to stay out of the audit either
        whole = {k: v.encode(errors="replace").decode() if isinstance(v, str) else v for k, v in line.items()}
        return orjson.dumps(whole, option=orjson.OPT_APPEND_NEWLINE)


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    whole = isinstance(line, dict) and isinstance(line.get("at"), str) and isinstance(line.get("account"), str)
    return line if whole else None


def _files(folder: Path) -> Iterator[Path]:
    """The files of all days, the oldest first."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if _FILE.fullmatch(entry.name))
    except FileNotFoundError:
        return
    yield from (folder / name for name in names)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return True
        file.seek(size - 1)
        return file.read(1) == b"\n"
