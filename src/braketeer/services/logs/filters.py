"""FilterLogEvents: events of a group's streams in one order of time, by patterns of plain terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.domain import log_search
from braketeer.domain.accounts import Caller
from braketeer.domain.log_merge import FIRST_ID, LAST_ID, Merge, Place
from braketeer.domain.log_search import Condition
from braketeer.services.logs.shared import (
    MOST_EVENTS,
    PAGE_BYTES,
    Shared,
    group_of,
    invalid,
    require_group,
    require_stream,
    times_of,
)
from braketeer.store import log_scans
from braketeer.store.log_scans import FoundEvent

# One request looks at no more than about this much; then it answers with what it has, and a token to go on with.
MOST_LOOKED_AT = 200_000
MOST_BYTES_LOOKED_AT = 256 * 2**20
FIRST_STRETCH = 500
STREAMS_AT_ONCE = 1000


class FilterOperations(Shared):
    async def filter_log_events(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Events of a group that meet a pattern of plain terms, in the order of time; both times are inclusive.

        A page may be empty and yet have a token, as CloudWatch's: there is more to look at. Streams are always
        interleaved.
        """
        group, condition = group_of(request, caller), _condition(request)
        limit = request.get("limit") or MOST_EVENTS
        after = self._after(request, f"events/{group}")
        descending = after["descending"] if after else not request.get("startFromHead", True)
        start, end = times_of(request)
        place = Place(*after["place"]) if after else None
        if place is not None:
            start, end = (start, min(end, place.timestamp)) if descending else (max(start, place.timestamp), end)
        streams = await self._streams(caller, group, request, condition, (start, end))
        conditions = {row["id"]: wanted for row, wanted in streams}
        fronts = {row["id"]: _front(row, place, (start, end), descending) for row, _ in streams}
        merge = Merge(fronts.items(), descending)
        found: list[Place] = []
        sizes: dict[int, int] = {}
        events, size_in_bytes = 0, 0
        begin = min(fronts.values(), default=None) if not descending else max(fronts.values(), default=None)
        while (behind := merge.lagging()) and len(found) < limit:
            stream, front = behind
            # Not before every stream has come on from where this page began, or the next one would begin there too.
            if front != begin and (events >= MOST_LOOKED_AT or size_in_bytes >= MOST_BYTES_LOOKED_AT):
                break
            stretch = await self._database.read(
                lambda connection, stream=stream, front=front: log_scans.scan(  # type: ignore[misc]
                    connection,
                    stream,
                    conditions[stream],
                    (start, end),
                    front,
                    descending=descending,
                    size=sizes.get(stream, min(FIRST_STRETCH, 4 * limit)),
                )
            )
            sizes[stream] = stretch.next_size
            events, size_in_bytes = events + stretch.events, size_in_bytes + stretch.bytes
            merge.advance(stretch.matches, stretch.reached)
            found += islice(merge.settled(), limit - len(found))
        page = await self._fetch(caller, [place.id for place in found], PAGE_BYTES)
        reached = _reached(merge, found, page)
        token = self._token(f"events/{group}", place=reached, descending=descending) if reached is not None else {}
        return {"events": [_answered(event) for event in page], "searchedLogStreams": [], **token}

    async def _streams(
        self, caller: Caller, group: str, request: Mapping[str, Any], condition: Condition, times: tuple[int, int]
    ) -> list[tuple[RowMapping, Condition]]:
        """The streams that can have events, each with what is asked of its messages; read some at a time."""
        names = request.get("logStreamNames")
        if names is not None:
            named = await self._database.read(
                lambda connection: [require_stream(connection, caller, group, name) for name in dict.fromkeys(names)]
            )
            rows = [row for row in named if row["first_event_at"] is not None]
            return _with_conditions(rows, condition)
        found: list[tuple[RowMapping, Condition]] = []
        prefix, after = log_search.stream_prefix(condition), ""

        def look(connection: Connection) -> list[RowMapping]:
            require_group(connection, caller, group)
            return log_scans.streams(connection, caller.account, group, prefix, times, after, STREAMS_AT_ONCE)

        while rows := await self._database.read(look):
            found += _with_conditions(rows, condition)
            after = rows[-1]["name"]
        return found


def _condition(request: Mapping[str, Any]) -> Condition:
    prefix = request.get("logStreamNamePrefix")
    if prefix is not None and request.get("logStreamNames") is not None:
        raise invalid("logStreamNames and logStreamNamePrefix cannot both be given.")
    try:
        condition = log_search.parse_pattern(request.get("filterPattern") or "")
    except log_search.QuerySyntaxError as problem:
        raise invalid(f"Invalid filter pattern: {problem}") from problem
    if prefix is not None:
        condition += ((log_search.Match(log_search.STREAM, prefix, starts=True),),)
    return condition


def _with_conditions(rows: Sequence[RowMapping], condition: Condition) -> list[tuple[RowMapping, Condition]]:
    """The streams that can have events that meet the condition, each with what is left of it to ask of messages."""
    asked = ((row, log_search.of_stream(condition, row["name"])) for row in rows)
    return [(row, wanted) for row, wanted in asked if wanted is not None]


def _front(row: RowMapping, place: Place | None, times: tuple[int, int], descending: bool) -> Place:
    """Up to where nothing of a stream is wanted: the token's place, or just before its first event in the times."""
    if descending:
        first = Place(min(row["last_event_at"], times[1]), LAST_ID)
        return min(first, place) if place is not None else first
    first = Place(max(row["first_event_at"], times[0]), FIRST_ID)
    return max(first, place) if place is not None else first


def _reached(merge: Merge, found: list[Place], events: list[FoundEvent]) -> Place | None:
    """From where the next page goes on; None where this one is the last."""
    behind = merge.lagging()
    if events and events[-1].place != found[-1]:
        return events[-1].place  # the page was cut at its size
    if found and next(iter(merge.settled()), None) is not None:
        return found[-1]
    return behind[1] if behind is not None else None


def _answered(event: FoundEvent) -> dict[str, Any]:
    return {
        "logStreamName": event.stream,
        "timestamp": event.place.timestamp,
        "message": event.message,
        "ingestionTime": event.ingested_at,
        "eventId": str(event.place.id),
    }
