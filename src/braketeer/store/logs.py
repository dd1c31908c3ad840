"""Log groups, streams and events, in the order of (timestamp, arrival). An account has them in no region or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import tuple_ as row_value
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain.log_search import MESSAGE, Condition, Match
from braketeer.store.tables import log_events, log_groups, log_queries, log_streams

# CloudWatch takes 256 KiB a message; four bytes is the most that a character has in UTF-8.
MOST_CHARACTERS = 65_500
BYTES_BESIDE_A_MESSAGE = 26  # CloudWatch counts them to each event
QUERIES_KEPT_MS = 7 * 24 * 3600 * 1000
_ABOVE_ANY_NAME = "\U0010ffff"

_s, _e = log_streams.c, log_events.c


class Place(NamedTuple):
    """Where an event stands in the order of events."""

    timestamp: int
    id: int


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of an order: from ``place`` (exclusive; None: from its beginning) on.

    At most ``limit`` rows and about ``most_bytes`` of text, but one row at least if there is any.
    """

    place: Place | None
    descending: bool
    limit: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Search:
    """Events of some groups of an account with start <= timestamp <= end that meet a condition.

    ``streams`` narrows them to streams of these names.
    """

    account: str
    groups: Sequence[str]
    condition: Condition
    start: int
    end: int
    streams: Sequence[str] | None = None


def append(
    connection: Connection, account: str, group: str, stream: str, events: Sequence[tuple[int, str]], now_ms: int
) -> None:
    """Add events (timestamp in ms, text) to a stream, which is created, with its group, when it is missing.

    Events of the same millisecond keep the order in which they were added. A text longer than CloudWatch takes is kept
    in pieces, one event each; what UTF-8 or PostgreSQL cannot hold in it becomes a replacement character; an empty one
    becomes a space, because CloudWatch has no empty events.
    """
    found = find_stream(connection, account, group, stream)
    if found is None:
        create_group(connection, account, group, now_ms)
        create_stream(connection, account, group, stream, now_ms)
        found = find_stream(connection, account, group, stream)
    if found is None or not events:
        return
    rows = [
        {"stream_id": found["id"], "timestamp": timestamp, "ingested_at": now_ms, "message": piece}
        for timestamp, text in events
        for piece in _pieces(text)
    ]
    connection.execute(insert(log_events), rows)
    first, last = min(events)[0], max(events)[0]
    connection.execute(
        update(log_streams)
        .where(_s.id == found["id"])
        .values(
            first_event_at=case((_s.first_event_at < first, _s.first_event_at), else_=first),
            last_event_at=case((_s.last_event_at > last, _s.last_event_at), else_=last),
            last_ingestion_at=now_ms,
        )
    )


def create_group(connection: Connection, account: str, group: str, now_ms: int) -> bool:
    """Whether it is new."""
    statement = _insert(connection, log_groups).values(account=account, name=group, created_at=now_ms)
    return connection.execute(statement.on_conflict_do_nothing()).rowcount > 0


def create_stream(connection: Connection, account: str, group: str, stream: str, now_ms: int) -> bool:
    """Whether it is new."""
    statement = _insert(connection, log_streams).values(
        account=account, log_group=group, name=stream, created_at=now_ms
    )
    return connection.execute(statement.on_conflict_do_nothing()).rowcount > 0


def group_exists(connection: Connection, account: str, group: str) -> bool:
    query = select(log_groups.c.name).where(log_groups.c.account == account, log_groups.c.name == group)
    return connection.execute(query).first() is not None


def find_stream(connection: Connection, account: str, group: str, stream: str) -> RowMapping | None:
    query = select(log_streams).where(_s.account == account, _s.log_group == group, _s.name == stream)
    return connection.execute(query).mappings().one_or_none()


def groups(
    connection: Connection, account: str, *, prefix: str, part: str, after: str | None, limit: int
) -> list[RowMapping]:
    """Groups by name, whose name begins with ``prefix`` and contains ``part``, from the one after ``after`` on."""
    c = log_groups.c
    query = select(log_groups).where(c.account == account, c.name.between(prefix, prefix + _ABOVE_ANY_NAME))
    if part:
        query = query.where(_position(connection, c.name, part) > 0)
    if after is not None:
        query = query.where(c.name > after)
    return list(connection.execute(query.order_by(c.name).limit(limit)).mappings())


def streams_by_name(
    connection: Connection, account: str, group: str, *, prefix: str, after: str | None, descending: bool, limit: int
) -> list[RowMapping]:
    """Streams whose name begins with ``prefix``, from the one after ``after`` on in the order asked for."""
    query = _streams_of(account, group).where(_s.name.between(prefix, prefix + _ABOVE_ANY_NAME))
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


def find(connection: Connection, search: Search, page: Page) -> list[RowMapping]:
    """Rows with the columns of log_events, and ``stream`` and ``log_group``, in the direction of the page."""
    query = _joined(search, log_events, _s.name.label("stream"), _s.log_group)
    query = query.where(_holds(connection, search.condition))
    return _cut(connection, query, search.start, search.end, page)


def count(connection: Connection, search: Search) -> tuple[int, int, int]:
    """How many events match, how many were looked at, and how many characters those have."""
    query = _joined(
        search,
        func.coalesce(func.sum(case((_holds(connection, search.condition), 1), else_=0)), 0),
        func.count(_e.id),
        func.coalesce(func.sum(func.length(_e.message)), 0),
    )
    query = query.where(_e.timestamp.between(search.start, search.end))
    matched, scanned, characters = connection.execute(query).one()
    return int(matched), scanned, int(characters)


def add_query(connection: Connection, query_id: str, account: str, request: dict[str, Any], now_ms: int) -> None:
    """Keep a query, and drop those older than CloudWatch would keep."""
    connection.execute(delete(log_queries).where(log_queries.c.created_at < now_ms - QUERIES_KEPT_MS))
    connection.execute(insert(log_queries).values(id=query_id, account=account, request=request, created_at=now_ms))


def find_query(connection: Connection, account: str, query_id: str) -> dict[str, Any] | None:
    """The request of the account's query."""
    request: dict[str, Any] | None = connection.execute(
        select(log_queries.c.request).where(log_queries.c.id == query_id, log_queries.c.account == account)
    ).scalar_one_or_none()
    return request


def _streams_of(account: str, group: str) -> Select[Any]:
    return select(log_streams).where(_s.account == account, _s.log_group == group)


def _joined(search: Search, *columns: Any) -> Select[Any]:
    query = (
        select(*columns)
        .select_from(log_events)
        .join(log_streams, _s.id == _e.stream_id)
        .where(
            _s.account == search.account,
            _s.log_group.in_(search.groups),
        )
    )
    return query if search.streams is None else query.where(_s.name.in_(search.streams))


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


def _holds(connection: Connection, condition: Condition) -> ColumnElement[bool]:
    return and_(True, *(or_(False, *(_match(connection, match) for match in group)) for group in condition))


def _match(connection: Connection, match: Match) -> ColumnElement[bool]:
    """Compared letter by letter; LIKE would not heed capitals on SQLite."""
    column: ColumnElement[str] = _e.message if match.field == MESSAGE else _s.name
    holds: ColumnElement[bool]
    if match.starts and match.ends:
        holds = column == match.text
    elif match.starts:
        holds = func.substr(column, 1, len(match.text)) == match.text
    elif match.ends:
        missing = func.length(column) - len(match.text)
        holds = and_(missing >= 0, func.substr(column, missing + 1) == match.text)
    else:
        holds = _position(connection, column, match.text) > 0
    return ~holds if match.negated else holds


def _position(connection: Connection, column: ColumnElement[str], text: str) -> ColumnElement[int]:
    """Where the text begins in the column, from 1; 0 where it is not in it."""
    if connection.dialect.name == "postgresql":
        return func.strpos(column, text)
    return func.instr(column, text)


def _pieces(text: str) -> list[str]:
    clean = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return [clean[at : at + MOST_CHARACTERS] for at in range(0, len(clean), MOST_CHARACTERS)] or [" "]


def _insert(connection: Connection, table: Any) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
