"""FilterLogEvents: events of a group's streams in one order of time, by patterns of plain terms."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select

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
MOST_READS = 1_000
MOST_SECONDS = 3.0  # of real time
FIRST_STRETCH = 500
_TO_COME = 0  # in the place of a stream's number: all streams that were not taken yet


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
        sources = _Sources(caller, group, condition, (start, end), place, descending)
        merge = Merge(await self._under_way(sources, request), descending)
        found: list[Place] = []
        sizes: dict[int, int] = {}
        reads, events, size_in_bytes = 0, 0, 0
        until = time.monotonic() + MOST_SECONDS
        while (behind := merge.lagging()) and len(found) < limit:
            stream, front = behind
            if stream == _TO_COME:
                streams = await self._database.read(sources.to_come)
                merge.advance((), sources.reached)
                for number, begin in streams:
                    merge.add(number, begin)
            else:
                # At least one is read on, so that the next page begins later.
                too_much = events >= MOST_LOOKED_AT or size_in_bytes >= MOST_BYTES_LOOKED_AT or reads >= MOST_READS
                if reads > 0 and (too_much or time.monotonic() > until):
                    break
                stretch = await self._database.read(
                    lambda connection, stream=stream, front=front: log_scans.scan(  # type: ignore[misc]
                        connection,
                        stream,
                        sources.conditions[stream],
                        (start, end),
                        front,
                        descending=descending,
                        size=sizes.get(stream, min(FIRST_STRETCH, 4 * limit)),
                    )
                )
                reads, events, size_in_bytes = reads + 1, events + stretch.events, size_in_bytes + stretch.bytes
                sizes[stream] = stretch.next_size
                merge.advance(stretch.matches, stretch.reached)
            found += islice(merge.settled(), limit - len(found))
        page = await self._fetch(caller, [place.id for place in found], PAGE_BYTES)
        reached = _reached(merge, found, page)
        token = self._token(f"events/{group}", place=reached, descending=descending) if reached is not None else {}
        return {"events": [_answered(event) for event in page], "searchedLogStreams": [], **token}

    async def _under_way(self, sources: _Sources, request: Mapping[str, Any]) -> list[tuple[int, Place]]:
        """The streams that have begun where the page begins, and what stands for those to come; in short reads."""
        names = request.get("logStreamNames")
        if names is not None:
            return await self._database.read(lambda connection: sources.named(connection, list(dict.fromkeys(names))))
        streams: list[tuple[int, Place]] = []
        while sources.after is not None:
            streams += await self._database.read(sources.under_way)
        if sources.reached is not None:
            streams.append((_TO_COME, sources.reached))
        return streams


class _Sources:
    """The streams that can have events of a page, each with its front, taken from the database some at a time.

    Where very many begin at different times, a page takes no more of them than it comes to. The methods are reads.
    """

    def __init__(
        self,
        caller: Caller,
        group: str,
        condition: Condition,
        times: tuple[int, int],
        place: Place | None,
        descending: bool,
    ) -> None:
        self._caller = caller
        self._group = group
        self._condition = condition
        self._prefix = log_search.stream_prefix(condition)
        self._times = times
        self._place = place
        self._descending = descending
        # What is asked of the messages of each stream that was taken.
        self.conditions: dict[int, Condition] = {}
        # The last of the streams under way that were looked at, by name; None when all are.
        self.after: str | None = ""
        # The last of those to come that were looked at, by (begin, id).
        self._begun = (times[1], FIRST_ID) if descending else (times[0], LAST_ID)
        # Up to there no event is of a stream to come; None when all of those have been taken.
        self.reached: Place | None = Place(*self._begun)

    def named(self, connection: Connection, names: Sequence[str]) -> list[tuple[int, Place]]:
        rows = [require_stream(connection, self._caller, self._group, name) for name in names]
        return self._fronts(connection, log_scans.streams_by_id([row["id"] for row in rows]))

    def under_way(self, connection: Connection) -> list[tuple[int, Place]]:
        """The next of those under way: in front of each is what it has next, and no two have the same."""
        require_group(connection, self._caller, self._group)
        some = log_scans.streams_under_way(
            self._caller.account,
            self._group,
            self._prefix,
            self._times,
            self.after or "",
            descending=self._descending,
        )
        return self._fronts(connection, some)

    def to_come(self, connection: Connection) -> list[tuple[int, Place]]:
        """The next of those to come, in the order in which they begin: in front of each is the time of its begin."""
        rows = log_scans.streams_to_come(
            connection,
            self._caller.account,
            self._group,
            self._prefix,
            self._times,
            self._begun,
            descending=self._descending,
        )
        before = LAST_ID if self._descending else FIRST_ID
        self.reached = None
        if len(rows) == log_scans.STREAMS_AT_ONCE:
            self._begun = (rows[-1]["begins"], rows[-1]["id"])
            self.reached = Place(rows[-1]["begins"], before)
        return [(row["id"], Place(row["begins"], before)) for row in rows if self._takes(row["id"], row["name"])]

    def _fronts(self, connection: Connection, some: Select[Any]) -> list[tuple[int, Place]]:
        rows = log_scans.next_events(connection, some, self._times, self._place, descending=self._descending)
        self.after = rows[-1].stream if len(rows) == log_scans.STREAMS_AT_ONCE else None
        step = 1 if self._descending else -1
        return [
            (row.stream_id, Place(row.place.timestamp, row.place.id + step))
            for row in rows
            if row.place is not None and self._takes(row.stream_id, row.stream)
        ]

    def _takes(self, stream_id: int, name: str) -> bool:
        """Whether a stream is to be looked at, and was not taken before its times changed."""
        wanted = log_search.of_stream(self._condition, name)
        if wanted is None or stream_id in self.conditions:
            return False
        self.conditions[stream_id] = wanted
        return True


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
