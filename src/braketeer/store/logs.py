"""Log groups, streams and events, in the order of (timestamp, arrival). An account has them in no region or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    String,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy import tuple_ as row_value
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain.log_batches import BYTES_BESIDE_A_MESSAGE, MOST_EVENT_BYTES
from braketeer.domain.log_merge import Place
from braketeer.store.tables import log_events, log_groups, log_streams

# Pieces of a longer text fit whatever their characters are: four bytes is the most that one has in UTF-8.
MOST_CHARACTERS = 65_500
DELETED = "deleted"  # the account of streams that are deleted; no account's number
STREAMS_AT_ONCE = 1_000  # that one write deletes
ABOVE_ANY_NAME = "\U0010ffff"

_s, _e = log_streams.c, log_events.c


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of an order: from ``place`` (exclusive; None: from its beginning) on.

    At most ``limit`` rows and about ``most_bytes`` of text, but one row at least if there is any.
    """

    place: Place | None
    descending: bool
    limit: int
    most_bytes: int


def append(
    connection: Connection, account: str, group: str, stream: str, events: Sequence[tuple[int, str]], now_ms: int
) -> None:
    """Add events (timestamp in ms, text) to a stream, which is created, with its group, when it is missing.

    Events of the same millisecond keep the order in which they were added. A text longer than CloudWatch takes is kept
    in pieces, one event each; what UTF-8 or PostgreSQL cannot hold in it becomes a replacement character; an empty one
    becomes a space, because CloudWatch has no empty events.
    """
    times = [timestamp for timestamp, _ in events]
    # This update locks the stream's row until the commit, so that nobody deletes the stream meanwhile.
    stream_id = _stamp(connection, account, group, stream, times, now_ms)
    if stream_id is None:
        create_group(connection, account, group, now_ms)
        create_stream(connection, account, group, stream, now_ms)
        stream_id = _stamp(connection, account, group, stream, times, now_ms)
    rows = [
        {"stream_id": stream_id, "timestamp": timestamp, "ingested_at": now_ms, "message": piece}
        for timestamp, text in events
        for piece in _pieces(text)
    ]
    if rows:
        connection.execute(insert(log_events), rows)


def create_group(
    connection: Connection, account: str, group: str, now_ms: int, tags: dict[str, str] | None = None
) -> bool:
    """Whether it is new."""
    statement = _insert(connection, log_groups).values(account=account, name=group, created_at=now_ms, tags=tags)
    return connection.execute(statement.on_conflict_do_nothing()).rowcount > 0


def create_stream(connection: Connection, account: str, group: str, stream: str, now_ms: int) -> bool:
    """Whether it is new."""
    statement = _insert(connection, log_streams).values(
        account=account, log_group=group, name=stream, created_at=now_ms
    )
    return connection.execute(statement.on_conflict_do_nothing()).rowcount > 0


def delete_group(connection: Connection, account: str, group: str) -> bool | None:
    """Delete some of its streams, and with the last of them the group: then True. None where there is no such group.

    Streams become nobody's; their events are removed later (log_cleaning).
    """
    # Locked, so that of two callers one deletes it.
    if find_group(connection, account, group, to_change=True) is None:
        return None
    some = select(_s.id).where(_s.account == account, _s.log_group == group).limit(STREAMS_AT_ONCE)
    if _give_away(connection, _s.id.in_(some)) >= STREAMS_AT_ONCE:
        return False
    connection.execute(delete(log_groups).where(_is_group(account, group)))
    return True


def delete_stream(connection: Connection, account: str, group: str, stream: str) -> bool:
    """Whether there was one. It is nobody's at once; its events are removed later (log_cleaning)."""
    return _give_away(connection, (_s.account == account) & (_s.log_group == group) & (_s.name == stream)) > 0


def find_group(connection: Connection, account: str, group: str, *, to_change: bool = False) -> RowMapping | None:
    """A group's row; ``to_change`` locks it until the transaction ends."""
    query = select(log_groups).where(_is_group(account, group))
    return connection.execute(query.with_for_update() if to_change else query).mappings().one_or_none()


def change_group(connection: Connection, account: str, group: str, **values: Any) -> bool:
    """Set columns of a group; whether there is one."""
    return connection.execute(update(log_groups).where(_is_group(account, group)).values(values)).rowcount > 0


def find_stream(connection: Connection, account: str, group: str, stream: str) -> RowMapping | None:
    query = select(log_streams).where(_s.account == account, _s.log_group == group, _s.name == stream)
    return connection.execute(query).mappings().one_or_none()


def groups(
    connection: Connection, account: str, *, prefix: str, part: str, after: str | None, limit: int
) -> list[RowMapping]:
    """Groups by name, whose name begins with ``prefix`` and contains ``part``, from the one after ``after`` on."""
    c = log_groups.c
    query = select(log_groups).where(c.account == account, _begins(c.name, prefix))
    if part:
        query = query.where(position(connection, c.name, part) > 0)
    if after is not None:
        query = query.where(c.name > after)
    return list(connection.execute(query.order_by(c.name).limit(limit)).mappings())


def streams_by_name(
    connection: Connection, account: str, group: str, *, prefix: str, after: str | None, descending: bool, limit: int
) -> list[RowMapping]:
    """Streams whose name begins with ``prefix``, from the one after ``after`` on in the order asked for."""
    query = _streams_of(account, group).where(_begins(_s.name, prefix))
    if after is not None:
        query = query.where(_s.name < after if descending else _s.name > after)
    order = _s.name.desc() if descending else _s.name
    return list(connection.execute(query.order_by(order).limit(limit)).mappings())


def streams_by_time(
    connection: Connection, account: str, group: str, *, after: Place | None, descending: bool, limit: int
) -> list[RowMapping]:
    """Streams in the order of (last event, id); one without events counts as the oldest."""
    last = func.coalesce(_s.last_event_at, 0)
    query = _streams_of(account, group)
    if after is not None:
        here, there = row_value(last, _s.id), row_value(*after)
        query = query.where(here < there if descending else here > there)
    order = (last.desc(), _s.id.desc()) if descending else (last, _s.id)
    return list(connection.execute(query.order_by(*order).limit(limit)).mappings())


def events(connection: Connection, stream_id: int, start: int, end: int, page: Page) -> list[RowMapping]:
    """Events of one stream with start <= timestamp < end; oldest first, whatever the direction of the page."""
    query = select(log_events).where(_e.stream_id == stream_id)
    found = _cut(connection, query, start, end - 1, page)
    return found[::-1] if page.descending else found


def _stamp(
    connection: Connection, account: str, group: str, stream: str, times: Sequence[int], now_ms: int
) -> int | None:
    """Take the times of new events into a stream's row; its number, or None where there is no such stream."""
    values: dict[str, Any] = {"created_at": _s.created_at}
    if times:
        first, last = min(times), max(times)
        values = {
            "first_event_at": case((_s.first_event_at < first, _s.first_event_at), else_=first),
            "last_event_at": case((_s.last_event_at > last, _s.last_event_at), else_=last),
            "last_ingestion_at": now_ms,
        }
    mine = (_s.account == account) & (_s.log_group == group) & (_s.name == stream)
    number: int | None = connection.execute(
        update(log_streams).where(mine).values(values).returning(_s.id)
    ).scalar_one_or_none()
    return number


def _give_away(connection: Connection, which: ColumnElement[bool]) -> int:
    """Streams become nobody's, each under a name of its own; how many."""
    values = {"account": DELETED, "log_group": "", "name": cast(_s.id, String)}
    return connection.execute(update(log_streams).where(which).values(values)).rowcount


def _is_group(account: str, group: str) -> ColumnElement[bool]:
    return (log_groups.c.account == account) & (log_groups.c.name == group)


def _begins(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Two comparisons, because PostgreSQL takes no collation inside BETWEEN."""
    return (column >= prefix) & (column <= prefix + ABOVE_ANY_NAME)


def _streams_of(account: str, group: str) -> Select[Any]:
    return select(log_streams).where(_s.account == account, _s.log_group == group)


def _cut(connection: Connection, query: Select[Any], start: int, end: int, page: Page) -> list[RowMapping]:
    """The page of those events of the query that have start <= timestamp <= end."""
    if page.place is not None:
        here, there = row_value(_e.timestamp, _e.id), row_value(*page.place)
        query = query.where(here < there if page.descending else here > there)
        # One bound on the time, and the closest: an index search goes by one, and would begin at the stream's start.
        if page.descending:
            end = min(end, page.place.timestamp)
        else:
            start = max(start, page.place.timestamp)
    query = query.where(_e.timestamp.between(start, end))
    order = (_e.timestamp.desc(), _e.id.desc()) if page.descending else (_e.timestamp, _e.id)
    found: list[RowMapping] = []
    left = page.most_bytes
    # Read piece by piece, so that a page of huge messages is never in memory whole.
    with connection.execute(query.order_by(*order).limit(page.limit), execution_options={"yield_per": 100}) as rows:
        for row in rows.mappings():
            left -= len(row["message"].encode()) + BYTES_BESIDE_A_MESSAGE
            if found and left < 0:
                break
            found.append(row)
    return found


def position(connection: Connection, column: ColumnElement[str], text: str) -> ColumnElement[int]:
    """Where the text begins in the column, from 1; 0 where it is not in it."""
    if connection.dialect.name == "postgresql":
        return func.strpos(column, text)
    return func.instr(column, text)


def _pieces(text: str) -> list[str]:
    clean = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if len(clean.encode()) + BYTES_BESIDE_A_MESSAGE <= MOST_EVENT_BYTES:
        return [clean or " "]
    return [clean[at : at + MOST_CHARACTERS] for at in range(0, len(clean), MOST_CHARACTERS)]


def _insert(connection: Connection, table: Any) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
