"""Insights queries: what was asked, and once they have ended, the numbers of the events they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy import tuple_ as row_value

from braketeer.domain.clock import DAY_MS
from braketeer.store.deletions import delete_some
from braketeer.store.tables import log_queries

KEPT_MS = 7 * DAY_MS
RUNNING, COMPLETE, FAILED, CANCELLED = "Running", "Complete", "Failed", "Cancelled"

_c = log_queries.c


def add(connection: Connection, query_id: str, account: str, request: dict[str, Any], now_ms: int) -> None:
    """Keep a query; it runs."""
    connection.execute(
        insert(log_queries).values(id=query_id, account=account, request=request, created_at=now_ms, status=RUNNING)
    )


def find(connection: Connection, account: str, query_id: str) -> RowMapping | None:
    """The account's query."""
    query = select(log_queries).where(_c.id == query_id, _c.account == account)
    return connection.execute(query).mappings().one_or_none()


def end(
    connection: Connection,
    query_id: str,
    status: str,
    found: Sequence[int] | None = None,
    statistics: Mapping[str, float] | None = None,
) -> bool:
    """A running query has ended; whether it was running. The condition on its status lets one ending win."""
    running = update(log_queries).where(_c.id == query_id, _c.status == RUNNING)
    return connection.execute(running.values(status=status, found=found, statistics=statistics)).rowcount > 0


def forget_old(connection: Connection, now_ms: int) -> bool:
    """Drop some of the queries older than CloudWatch would keep; whether there may be more."""
    return delete_some(connection, log_queries, _c.created_at < now_ms - KEPT_MS)


def newest_first(
    connection: Connection, account: str, status: str | None, after: tuple[int, str] | None, limit: int
) -> list[RowMapping]:
    """The account's queries, without what they found, from the one after (created_at, id) on."""
    query = select(_c.id, _c.request, _c.created_at, _c.status).where(_c.account == account)
    if status is not None:
        query = query.where(_c.status == status)
    if after is not None:
        query = query.where(row_value(_c.created_at, _c.id) < row_value(*after))
    return list(connection.execute(query.order_by(_c.created_at.desc(), _c.id.desc()).limit(limit)).mappings())
