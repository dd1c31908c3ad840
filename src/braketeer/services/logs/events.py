"""Events of one stream: written by clients and read, page by page, both ways."""

from __future__ import annotations

import re
import uuid
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.domain import log_batches
from braketeer.domain.accounts import Caller
from braketeer.domain.log_merge import Place
from braketeer.services.logs.shared import (
    END_OF_TIME,
    MOST_EVENTS,
    PAGE_BYTES,
    Shared,
    group_of,
    invalid,
    place_of,
    require_group,
    require_stream,
    times_of,
)
from braketeer.store import logs
from braketeer.store.database import Transaction
from braketeer.store.logs import Page

_EVENT_TOKEN = re.compile(r"([fb])/(\d{1,18})/(\d{1,18})")


class EventOperations(Shared):
    async def put_log_events(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Add events under CloudWatch's rules (domain/log_batches.py); the sequence token is not looked at, as there.

        What is too old or too new is told in ``rejectedLogEventsInfo``, the rest is kept.
        """
        group, stream, now = request["logGroupName"], request["logStreamName"], self._clock.now_ms()
        events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
        if any(not 0 <= timestamp <= END_OF_TIME for timestamp, _ in events):
            raise invalid("A timestamp is out of range.")
        try:
            log_batches.look_over(events)
        except log_batches.BatchRefused as problem:
            raise invalid(str(problem)) from problem

        def put(transaction: Transaction) -> dict[str, int]:
            connection = transaction.connection
            require_stream(connection, caller, group, stream)
            days = require_group(connection, caller, group)["retention_days"]
            batch = log_batches.sort_out(events, now, days)
            logs.append(connection, caller.account, group, stream, batch.kept, now)
            return batch.rejected()

        rejected = await self._database.write(put)
        answer: dict[str, Any] = {"nextSequenceToken": uuid.uuid4().hex}
        if rejected:
            answer["rejectedLogEventsInfo"] = rejected
        if request.get("entity"):
            answer["rejectedEntityInfo"] = {"errorType": "UnsupportedLogGroupType"}
        return answer

    async def get_log_events(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A page of one stream, oldest first; startTime is inclusive, endTime is not.

        Without a token: the latest page, or with startFromHead the first. At either end the page is empty and the token
        in that direction is the one that was sent, which is how the SDK knows that it has read all (log_stream).
        """
        group, token = group_of(request, caller), request.get("nextToken")
        forward, place = bool(request.get("startFromHead")), None
        if token is not None:
            direction, place = _parse_event_token(token)
            forward = direction == "f"
        page = Page(place, not forward, request.get("limit") or MOST_EVENTS, PAGE_BYTES)
        start, end = times_of(request)

        def look(connection: Connection) -> list[RowMapping]:
            stream = require_stream(connection, caller, group, request["logStreamName"])
            return logs.events(connection, stream["id"], start, end, page)

        rows = await self._database.read(look)
        if rows:
            first, last = place_of(rows[0]), place_of(rows[-1])
        else:
            # The end: onwards the token stays, and the way back begins with the event that the token stands for.
            time, row_id = place or Place(0, 0)
            first = Place(time, row_id + 1) if forward else Place(time, row_id)
            last = Place(time, row_id) if forward else Place(time, max(row_id - 1, 0))
        return {
            "events": [
                {"timestamp": row["timestamp"], "message": row["message"], "ingestionTime": row["ingested_at"]}
                for row in rows
            ],
            "nextForwardToken": f"f/{last.timestamp}/{last.id}",
            "nextBackwardToken": f"b/{first.timestamp}/{first.id}",
        }


def _parse_event_token(token: str) -> tuple[str, Place]:
    found = _EVENT_TOKEN.fullmatch(token)
    if found is None:
        raise invalid("The specified nextToken is invalid.")
    return found[1], Place(int(found[2]), int(found[3]))
