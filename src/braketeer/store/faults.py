"""The fault rules of a service: their rows, and a copy in memory, so that a service without any asks no database."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, delete, insert, select, update

from braketeer.domain import faults as rules
from braketeer.domain.faults import Fault, Kind
from braketeer.store import topics
from braketeer.store.database import Database, Transaction
from braketeer.store.tables import faults


def listed(connection: Connection) -> list[tuple[Fault, int]]:
    """Every rule, oldest first, with how many calls or tasks it has matched."""
    rows = connection.execute(select(faults.c.rule, faults.c.hits).order_by(faults.c.sequence))
    return [(Fault.of(row.rule), row.hits) for row in rows]


class Faults:
    """What calls and tasks are to meet. Counts are rows: exact also where several services share a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules: tuple[Fault, ...] = ()

    async def load(self) -> None:
        found = await self._database.read(listed)
        self._rules = tuple(fault for fault, hits in found if not fault.is_used_up(hits))

    async def follow(self) -> None:
        """Take over what other processes add and clear, until cancelled."""
        with self._database.topics.subscribe(topics.FAULTS) as news:
            while True:
                await self.load()
                await news.wait()

    async def add(self, fault: Fault, now_ms: int) -> None:
        def add(transaction: Transaction) -> None:
            row = {"id": fault.id, "rule": fault.as_rule(), "created_at": now_ms}
            transaction.connection.execute(insert(faults).values(row))
            _tell(transaction)

        await self._database.write(add)
        await self.load()

    async def clear(self, fault_id: str | None = None) -> int:
        """Forget a rule, or all; how many there were."""

        def clear(transaction: Transaction) -> int:
            which = faults.c.id == fault_id if fault_id is not None else faults.c.id.is_not(None)
            cleared = transaction.connection.execute(delete(faults).where(which)).rowcount
            _tell(transaction)
            return cleared

        cleared = await self._database.write(clear)
        await self.load()
        return cleared

    async def of_call(self, account: str, service: str, operation: str) -> Fault | None:
        """The rule that a call meets, if any."""
        if not self._rules:
            return None
        return await self._first(lambda fault: fault.matches_call(account, service, operation))

    async def of_task(self, kind: Kind, account: str, device_arn: str) -> Fault | None:
        """The rule of this kind that a quantum task meets, if any."""
        if not self._rules:
            return None
        return await self._first(lambda fault: fault.matches_task(kind, account, device_arn))

    def offline_until(self, device_arn: str, now_ms: int) -> int | None:
        """Until when a device is to be offline; None where it is not."""
        return rules.offline_until(self._rules, device_arn, now_ms)

    async def _first(self, matches: Callable[[Fault], bool]) -> Fault | None:
        """The oldest matching rule whose turn it is; those before it have counted, too."""
        for fault in self._rules:
            if not matches(fault):
                continue
            hit = await self._database.write(partial(_count, fault=fault))
            if hit is None or fault.is_used_up(hit):
                self._rules = tuple(other for other in self._rules if other is not fault)
            if hit is not None and fault.fires(hit):
                return fault
        return None


def _count(transaction: Transaction, fault: Fault) -> int | None:
    """Which of what the rule matches this is, by the row that counts them; None where it was cleared meanwhile."""
    counting = update(faults).where(faults.c.id == fault.id).values(hits=faults.c.hits + 1).returning(faults.c.hits)
    hit: int | None = transaction.connection.execute(counting).scalar_one_or_none()
    return hit


def _tell(transaction: Transaction) -> None:
    for topic in (topics.FAULTS, topics.TASKS, topics.JOBS):  # a device may be on or off by it
        transaction.notify(topic)
