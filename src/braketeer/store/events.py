"""The outbox: states that quantum tasks, hybrid jobs and devices have taken, each written with the change itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, literal_column, select
from sqlalchemy import tuple_ as row_value

from braketeer.domain.events import Cursor, Event
from braketeer.store.deletions import delete_some
from braketeer.store.tables import events, jobs, quantum_tasks

_e = events.c
# Of a job not its request, which may be long.
_JOB_COLUMNS = [
    *(jobs.c.id, jobs.c.account, jobs.c.region, jobs.c.name, jobs.c.device_arn),
    *(jobs.c.created_at, jobs.c.started_at, jobs.c.ended_at, jobs.c.failure_reason),
]


def after(connection: Connection, cursor: Cursor, most: int) -> list[Event]:
    """The next events in their order, at most so many; those whose rows were deleted since are passed over.

    On PostgreSQL only what no transaction under way can come before: such a one may have taken its place in the order
    already, and be seen later.
    """
    query = (
        select(events)
        .where(row_value(_e.transaction, _e.sequence) > row_value(cursor.transaction, cursor.sequence))
        .order_by(_e.transaction, _e.sequence)
        .limit(most)
    )
    if connection.dialect.name == "postgresql":
        settled: Any = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        query = query.where(_e.transaction < settled)
    rows = connection.execute(query).mappings().all()
    about = {
        "task": _rows(connection, quantum_tasks, quantum_tasks.c, (row["resource"] for row in rows)),
        "job": _rows(connection, jobs, _JOB_COLUMNS, (row["resource"] for row in rows)),
    }
    return [
        Event(
            Cursor(row["transaction"], row["sequence"]),
            row["kind"],
            row["resource"],
            row["status"],
            row["name"],
            row["at"],
            about.get(row["kind"], {}).get(row["resource"]),
        )
        for row in rows
    ]


def last(connection: Connection) -> Cursor:
    """The place of the newest event: what comes after it is new."""
    newest = select(_e.transaction, _e.sequence).order_by(_e.transaction.desc(), _e.sequence.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return Cursor() if row is None else Cursor(row.transaction, row.sequence)


def forget_old(connection: Connection, before_ms: int) -> bool:
    """Drop some of the events from before a time; whether there may be more."""
    return delete_some(connection, events, _e.at < before_ms)


def _rows(
    connection: Connection, table: Table, columns: Iterable[Any], ids: Iterable[str]
) -> dict[str, Mapping[str, Any]]:
    wanted = select(*columns).where(table.c.id.in_(sorted(set(ids))))
    return {row["id"]: dict(row) for row in connection.execute(wanted).mappings()}
