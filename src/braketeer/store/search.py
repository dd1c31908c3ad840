"""Searches of tasks and jobs: newest first, a page at a time, stable while rows are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Table, func, select

from braketeer.domain.search import Filter


def newest_first(
    connection: Connection,
    table: Table,
    columns: Mapping[str, Column[Any]],
    account: str,
    region: str,
    filters: Sequence[Filter],
    before: int | None,
    limit: int,
) -> list[RowMapping]:
    """At most ``limit`` rows of one account and region whose sequence is below ``before`` (None: from the newest)."""
    query = select(table).where(table.c.account == account, table.c.region == region)
    for item in filters:
        query = query.where(_condition(columns[item.field], item, connection.dialect.name))
    if before is not None:
        query = query.where(table.c.sequence < before)
    return list(connection.execute(query.order_by(table.c.sequence.desc()).limit(limit)).mappings())


def _condition(column: Column[Any], item: Filter, dialect: str) -> ColumnElement[bool]:
    in_text = func.strpos if dialect == "postgresql" else func.instr  # LIKE would ignore case on SQLite
    first = item.values[0]
    match item.operator:
        case "EQUAL":
            return column.in_(item.values)
        case "CONTAINS":
            return in_text(column, first) > 0
        case "LT":
            return column < first
        case "LTE":
            return column <= first
        case "GT":
            return column > first
        case "GTE":
            return column >= first
        case "BETWEEN":
            return column.between(first, item.values[1])
    raise ValueError(item.operator)
