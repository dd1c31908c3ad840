"""Buckets: names that are unique over all accounts, each with the account that owns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain.s3_errors import AccessDenied, NoSuchBucket
from braketeer.store.tables import buckets

# Looked up by nearly every request: making the statement would cost more than running it.
_FIND = select(buckets).where(buckets.c.name == bindparam("name"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """``created_at`` is epoch milliseconds; ``tags`` maps key to value."""

    name: str
    account: str
    region: str
    tags: Mapping[str, str]
    created_at: int


def find(connection: Connection, name: str) -> Bucket | None:
    row = connection.execute(_FIND, {"name": name}).one_or_none()
    return None if row is None else _bucket(row)


def owned(connection: Connection, name: str, owner: str | None) -> Bucket:
    """The bucket, which must be ``owner``'s (None: anybody's). Raises NoSuchBucket, AccessDenied."""
    bucket = find(connection, name)
    if bucket is None:
        raise NoSuchBucket(name)
    if owner is not None and bucket.account != owner:
        raise AccessDenied()
    return bucket


def create(connection: Connection, bucket: Bucket) -> Bucket:
    """The bucket as it now exists: the given one, or the one that had the name already."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    inserted = connection.execute(
        dialect.insert(buckets)
        .values(
            name=bucket.name,
            account=bucket.account,
            region=bucket.region,
            tags=dict(bucket.tags),
            created_at=bucket.created_at,
        )
        .on_conflict_do_nothing()
    )
    return bucket if inserted.rowcount else (find(connection, bucket.name) or bucket)


def remove(connection: Connection, name: str) -> None:
    """Delete the row of a bucket that holds nothing any more (the foreign keys refuse any other)."""
    connection.execute(delete(buckets).where(buckets.c.name == name))


def set_tags(connection: Connection, name: str, tags: Mapping[str, str]) -> None:
    connection.execute(update(buckets).where(buckets.c.name == name).values(tags=dict(tags)))


def of_account(
    connection: Connection, account: str, *, prefix: str = "", after: str = "", region: str | None = None, limit: int
) -> list[Bucket]:
    """At most ``limit`` buckets by name, from the first one behind ``after``."""
    query = select(buckets).where(buckets.c.account == account, buckets.c.name > after)
    if prefix:
        query = query.where(buckets.c.name.startswith(prefix, autoescape=True))
    if region is not None:
        query = query.where(buckets.c.region == region)
    return [_bucket(row) for row in connection.execute(query.order_by(buckets.c.name).limit(limit))]


def _bucket(row: Row[Any]) -> Bucket:
    return Bucket(row.name, row.account, row.region, row.tags, row.created_at)
