"""The events of all accounts, in their order, and waiting for the next."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from sqlalchemy import Connection

from braketeer.admin.routes import Asked, Route
from braketeer.devices.catalogue import Catalogue
from braketeer.domain.errors import ValidationException
from braketeer.domain.events import Cursor, document
from braketeer.store import events, service_values, topics
from braketeer.store.database import Database

MOST_AT_ONCE = 1000
LONGEST_WAIT_SECONDS = 30
PAUSE_SECONDS = 0.1


class Events:
    """The operator's view of the outbox."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    def routes(self) -> list[Route]:
        return [Route("GET", "events", "ListEvents", self.list_some)]

    async def list_some(self, asked: Asked) -> dict[str, Any]:
        """The events behind ``after`` (a cursor; none: from the oldest kept; ``now``: what comes from now on), at most
        ``limit``. With ``wait`` the answer comes when there is one, or after so many seconds."""
        cursor = await self._cursor(asked.query.get("after", ""))
        most = _whole(asked.query, "limit", 100, MOST_AT_ONCE)
        wait = _whole(asked.query, "wait", 0, LONGEST_WAIT_SECONDS)
        deadline = time.monotonic() + wait
        with self._database.topics.subscribe(topics.ANYTHING) as news:
            while True:
                found, last = await self._database.read(partial(self._documents, cursor=cursor, most=most))
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return {"events": found, "after": last.text}
                cursor = last
                await asyncio.sleep(min(PAUSE_SECONDS, left))
                await news.wait(left)

    def _documents(self, connection: Connection, cursor: Cursor, most: int) -> tuple[list[dict[str, Any]], Cursor]:
        """The events that can be told, and the place behind all that were read."""
        found = events.after(connection, cursor, most)
        installation = service_values.installation(connection)
        usual = self._catalogue.usual_status
        told = [document(event, installation, usual) for event in found if event.can_be_told]
        return told, found[-1].cursor if found else cursor

    async def _cursor(self, text: str) -> Cursor:
        if text == "now":
            return await self._database.read(events.last)
        try:
            return Cursor.of(text) if text else Cursor()
        except ValueError as problem:
            raise ValidationException(str(problem)) from None


def _whole(query: Any, name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise ValidationException(f"'{name}' must be a whole number from 0 to {most}")
    return int(text)
