"""The audit, read back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from braketeer.admin.accounts import found
from braketeer.admin.routes import Asked, Route
from braketeer.domain.errors import ValidationException
from braketeer.store import audit
from braketeer.store.database import Database

MOST_LINES = 1000


class AuditLines:
    """The operator's view of what was done."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def routes(self) -> list[Route]:
        return [Route("GET", "audit", "ListAudit", self.list_lines)]

    async def list_lines(self, asked: Asked) -> dict[str, Any]:
        """Lines from ``since`` (ISO time) on, of one ``account`` (name or number) if given, at most ``limit``.

        ``cursor`` in the answer goes into the next request; ``complete`` says that there is nothing more for now.
        """
        account, cursor = asked.query.get("account"), asked.query.get("cursor")
        number = None
        if account:
            number = (await self._database.read(lambda connection: found(connection, account)))["id"]
        since, limit = _moment(asked.query.get("since", "")), _limit(asked.query.get("limit", str(MOST_LINES)))
        try:
            page = await asyncio.to_thread(
                audit.read, self._folder, since=since, cursor=cursor, account=number, limit=limit
            )
        except ValueError as problem:
            raise ValidationException(str(problem)) from None
        return {"lines": page.lines, "cursor": page.cursor, "complete": page.complete}


def _moment(text: str) -> str:
    """An ISO time as the lines have it, in UTC; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text or "1970-01-01")
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationException(f"'{text[:40]}' is not an ISO time such as 2030-01-31T12:00:00Z") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _limit(text: str) -> int:
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= MOST_LINES:
        raise ValidationException(f"'limit' must be a whole number from 1 to {MOST_LINES}")
    return int(text)
