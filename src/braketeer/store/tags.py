"""Tags of quantum tasks, hybrid jobs and whatever else has an ARN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from braketeer.store.statements import Statement
from braketeer.store.tables import tags

_OF = Statement(select(tags.c.key, tags.c.value).where(tags.c.resource_arn == bindparam("arn")).order_by(tags.c.key))


def of(connection: Connection, arn: str) -> dict[str, str]:
    """Key to value, in the order of the keys."""
    return {row.key: row.value for row in _OF.all(connection, {"arn": arn})}


def of_many(connection: Connection, arns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Tags by ARN, in one query; an ARN without tags has no entry."""
    found: dict[str, dict[str, str]] = {}
    query = select(tags).where(tags.c.resource_arn.in_(list(arns))).order_by(tags.c.resource_arn, tags.c.key)
    for row in connection.execute(query):
        found.setdefault(row.resource_arn, {})[row.key] = row.value
    return found


def lock(connection: Connection, arn: str) -> None:
    """Whoever changes the tags of something that is there already does so one after the other, by this lock.

    It is PostgreSQL's, on the ARN, until the transaction ends; SQLite has one writer.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(arn, 0))))


def put(connection: Connection, arn: str, values: Mapping[str, str]) -> None:
    """Set these tags; others stay."""
    if not values:
        return
    remove(connection, arn, values)
    rows = [{"resource_arn": arn, "key": key, "value": value} for key, value in values.items()]
    connection.execute(insert(tags), rows)


def remove(connection: Connection, arn: str, keys: Iterable[str]) -> None:
    connection.execute(delete(tags).where(tags.c.resource_arn == arn, tags.c.key.in_(list(keys))))


def remove_all(connection: Connection, arn: str) -> None:
    """For a resource that goes away."""
    connection.execute(delete(tags).where(tags.c.resource_arn == arn))
