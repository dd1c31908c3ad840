"""Insights queries while they run: a few at a time, each a row of short reads, however many events there are."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from sqlalchemy import Connection, RowMapping

from braketeer.domain import log_search
from braketeer.domain.errors import ServiceUnavailableException
from braketeer.domain.log_merge import Place
from braketeer.domain.log_search import Condition
from braketeer.domain.turns import Turns
from braketeer.store import log_queries, log_scans
from braketeer.store.database import Database
from braketeer.store.log_scans import Stretch

T = TypeVar("T")

MOST_OF_AN_ACCOUNT = 30  # queries that run here
AT_ONCE = 2  # reads; the database's readers are for everybody
FIRST_STRETCH = 500
STREAMS_AT_ONCE = 500
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query looks for: the first ``most`` events of some groups within ``times`` (inclusive) in its order."""

    account: str
    groups: Sequence[str]
    condition: Condition
    times: tuple[int, int]
    descending: bool
    most: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a query stands: the numbers of its events once it is Complete, and what has been looked at."""

    status: str
    found: Sequence[int]
    statistics: dict[str, float]

    @classmethod
    def of(cls, row: RowMapping) -> Self | None:
        """The outcome of a query that has ended; None of one that runs, or ought to."""
        if row["status"] == log_queries.RUNNING:
            return None
        return cls(row["status"], row["found"] or (), row["statistics"] or {})


@dataclass(slots=True)
class _Run:
    """One query's progress."""

    wanted: Wanted
    number: int
    task: asyncio.Task[None] | None = None
    found: list[Place] = field(default_factory=list)
    matched: int = 0
    scanned: int = 0
    bytes: int = 0

    def add(self, stretch: Stretch) -> None:
        self.found += stretch.matches
        self.matched += len(stretch.matches)
        self.scanned += stretch.events
        self.bytes += stretch.bytes
        if len(self.found) > 2 * self.wanted.most:
            self.keep_the_first()

    def keep_the_first(self) -> None:
        """Forget the matches that come after the query's limit."""
        self.found.sort(reverse=self.wanted.descending)
        del self.found[self.wanted.most :]

    def statistics(self) -> dict[str, float]:
        return {
            "recordsMatched": float(self.matched),
            "recordsScanned": float(self.scanned),
            "bytesScanned": float(self.bytes),
            "logGroupsScanned": float(len(self.wanted.groups)),
        }


class QueryRuns:
    """The queries that this process runs. What they find is stored when they end, by whoever ends them first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs: dict[str, _Run] = {}
        self._turns = Turns(AT_ONCE)
        self._numbers = itertools.count()

    def reserve(self, query_id: str, wanted: Wanted) -> bool:
        """Take a place for a query, to ``start`` or to ``stop``; whether the account had one left."""
        if sum(run.wanted.account == wanted.account for run in self._runs.values()) >= MOST_OF_AN_ACCOUNT:
            return False
        self._runs[query_id] = _Run(wanted, next(self._numbers))
        return True

    def start(self, query_id: str, wanted: Wanted) -> bool:
        """Run a query unless it runs already; whether the account had a place for it."""
        run = self._runs.get(query_id)
        if run is not None and run.task is not None and run.task.done():
            del self._runs[query_id]  # it was cancelled from outside
            run = None
        if run is None and not self.reserve(query_id, wanted):
            return False
        run = self._runs[query_id]
        if run.task is None:
            run.task = asyncio.create_task(self._run(query_id, run), name=f"log query {query_id}")
        return True

    async def wait(self, query_id: str, seconds: float) -> Outcome:
        """Wait for a query that was started to end, but not longer; what it has looked at."""
        run = self._runs[query_id]
        if run.task is not None:
            await asyncio.wait({run.task}, timeout=seconds)
        return Outcome(log_queries.RUNNING, (), run.statistics())

    def stop(self, query_id: str) -> None:
        run = self._runs.pop(query_id, None)
        if run is not None and run.task is not None:
            run.task.cancel()

    async def close(self) -> None:
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for query_id in list(self._runs):
            self.stop(query_id)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, query_id: str, run: _Run) -> None:
        try:
            await self._look(run)
            run.keep_the_first()
            status, found = log_queries.COMPLETE, [place.id for place in run.found]
        except Exception:
            log.exception("log query %s failed", query_id)
            status, found = log_queries.FAILED, []
        statistics = run.statistics()
        try:
            await self._database.write(lambda tx: log_queries.end(tx.connection, query_id, status, found, statistics))
        except ServiceUnavailableException as problem:
            log.warning("log query %s will be run again: %s", query_id, problem.message)
        finally:
            if self._runs.get(query_id) is run:
                del self._runs[query_id]

    async def _look(self, run: _Run) -> None:
        """Look at every event that the query may be about, stream by stream."""
        wanted = run.wanted
        prefix = log_search.stream_prefix(wanted.condition)
        for group in wanted.groups:
            after = ""
            while streams := await self._streams(run, group, prefix, after):
                for stream in streams:
                    condition = log_search.of_stream(wanted.condition, stream["name"])
                    if condition is not None:
                        await self._look_at(run, stream["id"], condition)
                after = streams[-1]["name"]

    async def _streams(self, run: _Run, group: str, prefix: str, after: str) -> list[RowMapping]:
        wanted = run.wanted
        return await self._read(
            run,
            lambda connection: log_scans.streams(
                connection, wanted.account, group, prefix, wanted.times, after, STREAMS_AT_ONCE
            ),
        )

    async def _look_at(self, run: _Run, stream_id: int, condition: Condition) -> None:
        """All events of a stream, in stretches."""
        times = run.wanted.times
        place: Place | None = None
        size = FIRST_STRETCH
        while True:
            stretch = await self._read(
                run,
                lambda connection, place=place, size=size: log_scans.scan(  # type: ignore[misc]
                    connection, stream_id, condition, times, place, descending=False, size=size
                ),
            )
            run.add(stretch)
            if stretch.reached is None:
                return
            place, size = stretch.reached, stretch.next_size

    async def _read(self, run: _Run, work: Callable[[Connection], T]) -> T:
        """A read when it is the account's turn; the account's oldest query has it."""
        async with self._turns.of(run.wanted.account, run.number):
            return await self._database.read(work)
