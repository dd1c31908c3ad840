"""The fault rules of a service: their rows, and a copy in memory, so that a service without any asks no database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial

from sqlalchemy import Connection, delete, insert, select, update

from braketeer.domain.clock import Clock
from braketeer.domain.faults import Fault, Kind, offline_until
from braketeer.store import devices, topics
from braketeer.store.database import Database, Transaction
from braketeer.store.tables import faults

log = logging.getLogger(__name__)

PAUSE_AFTER_TROUBLE_SECONDS = 1.0


def listed(connection: Connection) -> list[tuple[Fault, int]]:
    """Every rule, oldest first, with how many calls or tasks it has matched."""
    rows = connection.execute(select(faults.c.rule, faults.c.hits).order_by(faults.c.sequence))
    return [(Fault.of(row.rule), row.hits) for row in rows]


class Faults:
    """What calls and tasks are to meet. Counts are rows: exact also where several services share a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._rules: tuple[Fault, ...] = ()

    async def load(self) -> None:
        found = await self._database.read(listed)
        self._rules = tuple(fault for fault, hits in found if not fault.is_used_up(hits))

    async def follow(self) -> None:
        """Take over what other processes add and clear, until cancelled."""
        with self._database.topics.subscribe(topics.FAULTS) as news:
            while True:
                try:
                    await self.load()
                except Exception:
                    log.exception("fault rules cannot be read; it is tried again")
                    await asyncio.sleep(PAUSE_AFTER_TROUBLE_SECONDS)
                    continue
                await news.wait()

    async def add(self, fault: Fault) -> None:
        def add(transaction: Transaction) -> None:
            row = {"id": fault.id, "rule": fault.as_rule(), "created_at": self._clock.now_ms()}
            transaction.connection.execute(insert(faults).values(row))
            self._set_offline(transaction, [fault])
            _tell(transaction)

        await self._database.write(add)
        await self.load()

    async def clear(self, fault_id: str | None = None) -> int:
        """Forget a rule, or all; how many there were."""

        def clear(transaction: Transaction) -> int:
            which = faults.c.id == fault_id if fault_id is not None else faults.c.id.is_not(None)
            cleared = transaction.connection.execute(delete(faults).where(which).returning(faults.c.rule)).scalars()
            rules = [Fault.of(rule) for rule in cleared]
            self._set_offline(transaction, rules)
            _tell(transaction)
            return len(rules)

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

    def _set_offline(self, transaction: Transaction, changed: Iterable[Fault]) -> None:
        """Write to the devices of these rules until when all rules that there are now have them offline."""
        connection, now = transaction.connection, self._clock.now_ms()
        arns = {fault.device_arn for fault in changed if fault.kind is Kind.OFFLINE and fault.device_arn is not None}
        there = [fault for fault, _ in listed(connection)] if arns else []
        for arn in arns:
            devices.set_offline_until(connection, arn, offline_until(there, arn, now), now)

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
    for topic in (topics.FAULTS, topics.SCHEDULE):  # a device may be on or off by it
        transaction.notify(topic)
