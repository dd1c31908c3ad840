"""Deletions of rows by the million, in pieces: each is a short write, and other writes go between."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, any_, delete, func, literal_column, select

AT_ONCE = 5_000


def delete_some(connection: Connection, table: Table, which: ColumnElement[bool]) -> bool:
    """Delete at most AT_ONCE of the rows that meet a condition, which an index finds; whether there may be more.

    Rows are named by where they lie, which needs no second search by a key. On PostgreSQL a row that is changed
    meanwhile lies elsewhere and stays for the next time.
    """
    is_postgresql = connection.dialect.name == "postgresql"
    lies: ColumnElement[Any] = literal_column("ctid" if is_postgresql else "rowid")
    some = select(lies).select_from(table).where(which).limit(AT_ONCE)
    # PostgreSQL goes to each place of an array; of a query's rows it might look through the table instead.
    named = lies == any_(func.array(some.scalar_subquery())) if is_postgresql else lies.in_(some)
    return connection.execute(delete(table).where(named)).rowcount >= AT_ONCE
