"""The end of log events: of streams that were deleted, and of groups that keep theirs for so many days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import BigInteger, ColumnElement, Connection, cast, delete, func, literal, select, update

from braketeer.domain.clock import DAY_MS
from braketeer.store.database import Database
from braketeer.store.logs import DELETED
from braketeer.store.tables import log_events, log_groups, log_streams

MOST_AT_ONCE = 1_000  # events in one write
STREAMS_AT_ONCE = 100  # in one write, however few events they have
STREAMS_FOUND_AT_ONCE = 1_000

_s, _e = log_streams.c, log_events.c


async def clean(database: Database, now_ms: int) -> None:
    """Remove the events that have to go, and the streams that were deleted, in short writes by the streams' numbers.

    Which streams it is about is read beforehand; each write looks again.
    """
    while found := await database.read(deleted_streams):
        await _each(database, found, remove_deleted)
    after = 0
    while found := await database.read(partial(expired_streams, now_ms=now_ms, after=after)):
        await _each(database, found, lambda connection, streams: remove_expired(connection, streams, now_ms))
        after = found[-1]


def deleted_streams(connection: Connection) -> list[int]:
    """Some of the streams that were deleted, by number."""
    query = select(_s.id).where(_s.account == DELETED).limit(STREAMS_FOUND_AT_ONCE)
    return list(connection.execute(query).scalars())


def expired_streams(connection: Connection, now_ms: int, after: int) -> list[int]:
    """Some of the streams with events older than their group keeps them, by number, from the one after ``after`` on."""
    oldest = _oldest(now_ms)
    query = (
        select(_s.id)
        .join(log_groups, (log_groups.c.account == _s.account) & (log_groups.c.name == _s.log_group))
        .where(log_groups.c.retention_days.is_not(None), _s.first_event_at < oldest, _s.id > after)
    )
    return list(connection.execute(query.order_by(_s.id).limit(STREAMS_FOUND_AT_ONCE)).scalars())


def remove_deleted(connection: Connection, streams: Sequence[int]) -> int:
    """Remove some of these streams, which were deleted, with their events; how many are done, from the first on."""
    left = MOST_AT_ONCE
    for done, stream in enumerate(streams[:STREAMS_AT_ONCE]):
        # The lock waits for who is adding events to the stream, and whoever comes later finds it under no name.
        query = select(_s.id).where(_s.id == stream, _s.account == DELETED).with_for_update()
        if connection.execute(query).first() is None:
            continue
        left -= _remove(connection, _e.stream_id == stream, left)
        if left <= 0:
            return done
        connection.execute(delete(log_streams).where(_s.id == stream))
    return min(len(streams), STREAMS_AT_ONCE)


def remove_expired(connection: Connection, streams: Sequence[int], now_ms: int) -> int:
    """Remove some events of these streams that are older than their groups keep them; how many streams are done."""
    left = MOST_AT_ONCE
    for done, stream in enumerate(streams[:STREAMS_AT_ONCE]):
        query = (
            select(_oldest(now_ms))
            .select_from(log_streams)
            .join(log_groups, (log_groups.c.account == _s.account) & (log_groups.c.name == _s.log_group))
            .where(_s.id == stream)
        )
        # Locked, so that no event comes in between their removal and the new time of the first.
        before = connection.execute(query.with_for_update(of=log_streams)).scalar_one_or_none()
        if before is None:
            continue
        left -= _remove(connection, (_e.stream_id == stream) & (_e.timestamp < before), left)
        if left <= 0:
            return done
        first = select(func.min(_e.timestamp)).where(_e.stream_id == stream).scalar_subquery()
        last = select(func.max(_e.timestamp)).where(_e.stream_id == stream).scalar_subquery()
        times = {"first_event_at": first, "last_event_at": last}
        connection.execute(update(log_streams).where(_s.id == stream).values(times))
    return min(len(streams), STREAMS_AT_ONCE)


async def _each(database: Database, streams: Sequence[int], remove: Callable[[Connection, Sequence[int]], int]) -> None:
    """All of these streams, in as many writes as it takes."""
    while streams:
        done = await database.write(lambda tx, streams=streams: remove(tx.connection, streams))  # type: ignore[misc]
        streams = streams[done:]


def _oldest(now_ms: int) -> ColumnElement[int]:
    """The time from which on a group keeps its events; NULL where it keeps them for ever."""
    # PostgreSQL would compute with 32 bits, as wide as the column is.
    kept = cast(log_groups.c.retention_days, BigInteger) * literal(DAY_MS, BigInteger)
    return literal(now_ms, BigInteger) - kept


def _remove(connection: Connection, which: ColumnElement[bool], most: int) -> int:
    """Remove some of these events; how many."""
    some = select(_e.id).where(which).limit(most)
    return connection.execute(delete(log_events).where(_e.id.in_(some))).rowcount
