"""The end of log events: of streams that were deleted, and of groups that keep theirs for so many days."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, Connection, cast, delete, func, literal, select, update

from braketeer.domain.log_batches import DAY_MS
from braketeer.store.logs import DELETED
from braketeer.store.tables import log_events, log_groups, log_streams

MOST_AT_ONCE = 1_000

_s, _e = log_streams.c, log_events.c


def clean(connection: Connection, now_ms: int) -> bool:
    """Remove some events that have to go; whether there may be more. Short, however many there are."""
    return _clean_deleted(connection) or _clean_expired(connection, now_ms)


def _clean_deleted(connection: Connection) -> bool:
    # The lock waits for who is adding events to the stream, and whoever comes later finds it under no name.
    query = select(_s.id).where(_s.account == DELETED).order_by(_s.id).limit(1).with_for_update()
    stream = connection.execute(query).scalar_one_or_none()
    if stream is None:
        return False
    if _remove(connection, _e.stream_id == stream) < MOST_AT_ONCE:
        connection.execute(delete(log_streams).where(_s.id == stream))
    return True


def _clean_expired(connection: Connection, now_ms: int) -> bool:
    # PostgreSQL would compute with 32 bits, as wide as the column is.
    kept = cast(log_groups.c.retention_days, BigInteger) * literal(DAY_MS, BigInteger)
    oldest = literal(now_ms, BigInteger) - kept
    query = (
        select(_s.id, oldest)
        .join(log_groups, (log_groups.c.account == _s.account) & (log_groups.c.name == _s.log_group))
        .where(log_groups.c.retention_days.is_not(None), _s.first_event_at < oldest)
        .limit(1)
    )
    # Locked, so that no event comes in between their removal and the new time of the first.
    found = connection.execute(query.with_for_update(of=log_streams)).one_or_none()
    if found is None:
        return False
    stream, before = found
    if _remove(connection, (_e.stream_id == stream) & (_e.timestamp < before)) < MOST_AT_ONCE:
        first = select(func.min(_e.timestamp)).where(_e.stream_id == stream).scalar_subquery()
        last = select(func.max(_e.timestamp)).where(_e.stream_id == stream).scalar_subquery()
        times = {"first_event_at": first, "last_event_at": last}
        connection.execute(update(log_streams).where(_s.id == stream).values(times))
    return True


def _remove(connection: Connection, which: ColumnElement[bool]) -> int:
    """Remove some of these events; how many."""
    some = select(_e.id).where(which).limit(MOST_AT_ONCE)
    return connection.execute(delete(log_events).where(_e.id.in_(some))).rowcount
