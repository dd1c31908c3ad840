"""Searches of log events, in stretches that are each one short read however many events there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, RowMapping, Select, and_, case, cast, func, or_, select
from sqlalchemy import tuple_ as row_value

from braketeer.domain.log_merge import Place
from braketeer.domain.log_search import MESSAGE, Condition, Match
from braketeer.store.logs import ABOVE_ANY_NAME, position
from braketeer.store.tables import log_events, log_streams

FEWEST_IN_A_STRETCH, MOST_IN_A_STRETCH = 100, 10_000
BYTES_IN_A_STRETCH = 8 * 2**20
STREAMS_AT_ONCE = 1_000

_s, _e = log_streams.c, log_events.c


@dataclass(frozen=True, slots=True)
class Stretch:
    """What reading on from a place of a stream found: the matches, how many events and bytes were looked at, and the
    last event looked at, or None where the stream has no more.
    """

    matches: list[Place]
    events: int
    bytes: int
    reached: Place | None

    @property
    def next_size(self) -> int:
        """How many events the next stretch may have, so that it reads no more than some megabytes."""
        most = BYTES_IN_A_STRETCH * self.events // max(self.bytes, 1)
        return max(FEWEST_IN_A_STRETCH, min(4 * self.events, most, MOST_IN_A_STRETCH))


@dataclass(frozen=True, slots=True)
class NextEvent:
    """A stream and where its next event stands; None where it has no more."""

    stream_id: int
    stream: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event with the names of its stream and its group; ``ingested_at`` is in ms."""

    place: Place
    stream_id: int
    stream: str
    log_group: str
    message: str
    ingested_at: int


def scan(
    connection: Connection,
    stream_id: int,
    condition: Condition,
    times: tuple[int, int],
    place: Place | None,
    *,
    descending: bool,
    size: int,
) -> Stretch:
    """Look at ``size`` events of a stream from ``place`` (exclusive) on, of those within ``times`` (inclusive).

    ``condition`` is about messages alone (log_search.of_stream).
    """
    start, end = times
    within = [_e.stream_id == stream_id]
    here = row_value(_e.timestamp, _e.id)
    if place is not None:
        within.append(here < row_value(*place) if descending else here > row_value(*place))
        # One bound on the time, and the closest: an index search goes by one, and would begin at the stream's start.
        start, end = (start, min(end, place.timestamp)) if descending else (max(start, place.timestamp), end)
    order = (_e.timestamp.desc(), _e.id.desc()) if descending else (_e.timestamp, _e.id)
    ends = select(_e.timestamp, _e.id).where(*within, _e.timestamp.between(start, end)).order_by(*order)
    last = connection.execute(ends.offset(size - 1).limit(1)).one_or_none()
    reached = Place(*last) if last is not None else None
    if reached is not None:
        within.append(here >= row_value(*reached) if descending else here <= row_value(*reached))
        start, end = (reached.timestamp, end) if descending else (start, reached.timestamp)
    within.append(_e.timestamp.between(start, end))
    holds = _holds(connection, condition)
    looked = select(func.count(), func.sum(_size(connection)), func.sum(case((holds, 1), else_=0))).where(*within)
    events, size_in_bytes, matched = connection.execute(looked).one()
    matches: list[Place] = []
    if matched:
        rows = connection.execute(select(_e.timestamp, _e.id).where(*within, holds).order_by(*order))
        matches = [Place(*row) for row in rows]
    return Stretch(matches, events, int(size_in_bytes or 0), reached)


def streams(
    connection: Connection, account: str, group: str, prefix: str, times: tuple[int, int], after: str, limit: int
) -> list[RowMapping]:
    """Streams by name, from the one after ``after`` on, that begin with ``prefix`` and have events within ``times``."""
    query = (
        select(_s.id, _s.name, _s.first_event_at, _s.last_event_at)
        .where(_s.account == account, _s.log_group == group, _s.name <= prefix + ABOVE_ANY_NAME)
        .where(_s.name > after if after else _s.name >= prefix)
        .where(_s.first_event_at <= times[1], _s.last_event_at >= times[0])
    )
    return list(connection.execute(query.order_by(_s.name).limit(limit)).mappings())


def next_events(
    connection: Connection,
    streams: Select[Any],
    times: tuple[int, int],
    place: Place | None,
    *,
    descending: bool,
) -> list[NextEvent]:
    """The streams of a short select of (id, name), in its order, each with its first event after ``place`` within
    ``times`` (inclusive), or its last one before it.
    """
    some = streams.subquery()
    found = select(_e.timestamp, _e.id).where(_e.stream_id == some.c.id, _e.timestamp.between(*times))
    if place is not None:
        here = row_value(_e.timestamp, _e.id)
        found = found.where(here < row_value(*place) if descending else here > row_value(*place))
    found = found.order_by(*((_e.timestamp.desc(), _e.id.desc()) if descending else (_e.timestamp, _e.id))).limit(1)
    time, number = (found.with_only_columns(column).scalar_subquery() for column in (_e.timestamp, _e.id))
    rows = connection.execute(select(some.c.id, some.c.name, time, number))
    return [
        NextEvent(stream, name, Place(timestamp, event) if event is not None else None)
        for stream, name, timestamp, event in rows
    ]


def streams_by_id(ids: Sequence[int]) -> Select[Any]:
    """These few streams."""
    return select(_s.id, _s.name).where(_s.id.in_(ids))


def streams_under_way(
    account: str, group: str, prefix: str, times: tuple[int, int], after: str, *, descending: bool
) -> Select[Any]:
    """Some streams by name, from the one after ``after`` on, that have events on both sides of where ``times`` begin
    (where they end, of those in descending order), or there.
    """
    at = times[1] if descending else times[0]
    return (
        _of_group(account, group, prefix)
        .where(_s.name > after, _s.first_event_at <= at, _s.last_event_at >= at)
        .order_by(_s.name)
        .limit(STREAMS_AT_ONCE)
    )


def streams_to_come(
    connection: Connection,
    account: str,
    group: str,
    prefix: str,
    times: tuple[int, int],
    after: tuple[int, int],
    *,
    descending: bool,
) -> list[RowMapping]:
    """Some streams in the order of ``begins``, the time of their first event, from the one after (time, id) on; in
    descending order, in that of their last one.
    """
    begins = _s.last_event_at if descending else _s.first_event_at
    here, there = row_value(begins, _s.id), row_value(*after)
    query = _of_group(account, group, prefix).add_columns(begins.label("begins"))
    if descending:
        query = query.where(begins.between(times[0], min(times[1], after[0])), here < there)
        query = query.order_by(begins.desc(), _s.id.desc())
    else:
        query = query.where(begins.between(max(times[0], after[0]), times[1]), here > there)
        query = query.order_by(begins, _s.id)
    return list(connection.execute(query.limit(STREAMS_AT_ONCE)).mappings())


def fetch(connection: Connection, account: str, ids: Sequence[int]) -> list[FoundEvent]:
    """The account's events with these few numbers, in this order; those that are gone by now are left out."""
    # Not joined with their streams: a planner may begin there, and read all events of the account.
    rows = {row.id: row for row in connection.execute(select(log_events).where(_e.id.in_(ids)))}
    of_streams = {row.stream_id for row in rows.values()}
    names = select(_s.id, _s.name, _s.log_group).where(_s.id.in_(of_streams), _s.account == account)
    named = {row.id: (row.name, row.log_group) for row in connection.execute(names)}
    return [
        FoundEvent(Place(row.timestamp, row.id), row.stream_id, *named[row.stream_id], row.message, row.ingested_at)
        for row in (rows[number] for number in ids if number in rows)
        if row.stream_id in named
    ]


def _of_group(account: str, group: str, prefix: str) -> Select[Any]:
    mine = (_s.account == account) & (_s.log_group == group)
    return select(_s.id, _s.name).where(mine, _s.name >= prefix, _s.name <= prefix + ABOVE_ANY_NAME)


def _size(connection: Connection) -> ColumnElement[Any]:
    """The bytes of a message in UTF-8."""
    if connection.dialect.name == "postgresql":
        return func.octet_length(_e.message)
    return func.length(cast(_e.message, LargeBinary))


def _holds(connection: Connection, condition: Condition) -> ColumnElement[bool]:
    return and_(True, *(or_(False, *(_match(connection, match) for match in group)) for group in condition))


def _match(connection: Connection, match: Match) -> ColumnElement[bool]:
    """Compared letter by letter; LIKE would not heed capitals on SQLite."""
    if match.field != MESSAGE:
        raise ValueError(match.field)
    column = _e.message
    holds: ColumnElement[bool]
    if match.starts and match.ends:
        holds = column == match.text
    elif match.starts:
        holds = func.substr(column, 1, len(match.text)) == match.text
    elif match.ends:
        missing = func.length(column) - len(match.text)
        holds = and_(missing >= 0, func.substr(column, missing + 1) == match.text)
    else:
        holds = position(connection, column, match.text) > 0
    return ~holds if match.negated else holds
