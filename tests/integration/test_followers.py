"""What a process takes over from others of its database, also where the database has not answered once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from braketeer.domain.clock import SystemClock, VirtualClock
from braketeer.domain.errors import ServiceUnavailableException
from braketeer.domain.faults import Fault, Kind
from braketeer.store import faults, service_time
from braketeer.store.database import Database, opened
from braketeer.store.faults import Faults
from braketeer.store.service_time import ServiceTime


class Flaky:
    """A database that fails to answer the first time."""

    def __init__(self, database: Database) -> None:
        self.topics = database.topics
        self._database = database
        self._failed = False

    async def read(self, work: Any) -> Any:
        if not self._failed:
            self._failed = True
            raise ServiceUnavailableException("The database does not answer")
        return await self._database.read(work)


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    for module in (faults, service_time):
        monkeypatch.setattr(module, "PAUSE_AFTER_TROUBLE_SECONDS", 0)
    with opened(database_url) as database:
        yield database


async def _follow(following: Awaitable[None], until: Callable[[], Any]) -> None:
    task = asyncio.ensure_future(following)
    try:
        async with asyncio.timeout(20):
            while not until():  # noqa: ASYNC110 - it tells nobody what it has taken over
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_service_time(database: Database) -> None:
    async def follow() -> None:
        await ServiceTime(database, VirtualClock()).advance(5000)
        clock = VirtualClock()
        await _follow(ServiceTime(Flaky(database), clock).follow(), lambda: clock.offset_ms == 5000)  # type: ignore[arg-type]

    asyncio.run(follow())


def test_fault_rules(database: Database) -> None:
    async def follow() -> None:
        await Faults(database, SystemClock()).add(Fault(id="one", kind=Kind.FAILURE))
        other = Faults(Flaky(database), SystemClock())  # type: ignore[arg-type]
        await _follow(other.follow(), lambda: [rule.id for rule in other._rules] == ["one"])

    asyncio.run(follow())
