"""Service time that can be advanced: the offset to the machine's time, which all processes of a service agree on."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy import Connection, select, update

from braketeer.domain.clock import FARTHEST_MS, VirtualClock
from braketeer.domain.errors import ValidationException
from braketeer.store import service_values, topics
from braketeer.store.database import Database, Transaction
from braketeer.store.tables import service_values as rows

log = logging.getLogger(__name__)

NAME = "clock offset"
PAUSE_AFTER_TROUBLE_SECONDS = 1.0


def offset_ms(connection: Connection) -> int:
    """How far service time is ahead of the machine's; 0 where it was never advanced."""
    return int(service_values.of(connection, [NAME]).get(NAME, 0))


class ServiceTime:
    """A virtual clock and the row that it stands for."""

    def __init__(self, database: Database, clock: VirtualClock) -> None:
        self._database = database
        self.clock = clock

    async def advance(self, by_ms: int) -> None:
        """One jump forward, for every process. What waits for a time looks again once it is on disk.

        ValidationException for a jump beyond the year 2100.
        """

        def advance(transaction: Transaction) -> int:
            connection = transaction.connection
            service_values.get_or_add(connection, NAME, 0)
            # Locked until the commit: two jumps at once are two jumps.
            locked = select(rows.c.value).where(rows.c.name == NAME).with_for_update()
            offset = int(connection.execute(locked).scalar_one()) + by_ms
            if self.clock.now_ms() - self.clock.offset_ms + offset > FARTHEST_MS:
                raise ValidationException("Service time cannot be advanced beyond the year 2100")
            connection.execute(update(rows).where(rows.c.name == NAME).values(value=offset))
            transaction.notify(topics.CLOCK)
            return offset

        self._move_to(await self._database.write(advance))

    async def follow(self) -> None:
        """Take over what other processes advance, until cancelled."""
        with self._database.topics.subscribe(topics.CLOCK) as news:
            while True:
                try:
                    self._move_to(await self._database.read(offset_ms))
                except Exception:
                    log.exception("service time cannot be read; it is tried again")
                    await asyncio.sleep(PAUSE_AFTER_TROUBLE_SECONDS)
                    continue
                await news.wait()

    def _move_to(self, offset: int) -> None:
        if self.clock.move_to(offset):
            self._database.topics.publish_all()
