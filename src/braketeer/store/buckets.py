"""Buckets: names that are unique over all accounts, each with the account that owns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain.encryption import Encryption
from braketeer.domain.s3_errors import AccessDenied, NoSuchBucket
from braketeer.store.statements import Statement
from braketeer.store.tables import buckets

_NAMED = select(buckets).where(buckets.c.name == bindparam("of_name"))
_FIND = Statement(_NAMED)
_FIND_AND_LOCK = Statement(_NAMED.with_for_update())
_FIND_AND_SHARE = Statement(_NAMED.with_for_update(read=True, key_share=True))


@dataclass(frozen=True, slots=True)
class Bucket:
    """``created_at`` is epoch milliseconds; ``tags`` maps key to value.

    ``encryption`` is that of new objects which say nothing themselves. ``lifecycle`` is {"rules": [...]} as S3 names
    their members, times as ISO texts; ``policy`` is a JSON text.
    """

    name: str
    account: str
    region: str
    tags: Mapping[str, str]
    created_at: int
    encryption: Encryption | None = None
    lifecycle: Mapping[str, Any] | None = None
    policy: str | None = None


def find(connection: Connection, name: str) -> Bucket | None:
    row = _FIND.one_or_none(connection, {"of_name": name})
    return None if row is None else _bucket(row)


def owned(connection: Connection, name: str, owner: str | None, *, lock: bool = False, share: bool = False) -> Bucket:
    """The bucket, which must be ``owner``'s (None: anybody's). Raises NoSuchBucket, AccessDenied.

    Until the transaction ends, ``share`` keeps it from being deleted, ``lock`` also from being shared (PostgreSQL).
    """
    statement = _FIND_AND_LOCK if lock else _FIND_AND_SHARE if share else _FIND
    row = statement.one_or_none(connection, {"of_name": name})
    if row is None:
        raise NoSuchBucket(name)
    bucket = _bucket(row)
    if owner is not None and bucket.account != owner:
        raise AccessDenied()
    return bucket


def create(connection: Connection, bucket: Bucket) -> Bucket:
    """The bucket as it now exists: the given one, or the one that had the name already."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(buckets).values(
        name=bucket.name,
        account=bucket.account,
        region=bucket.region,
        tags=dict(bucket.tags),
        created_at=bucket.created_at,
    )
    while True:  # the one that had the name may be deleted before it is looked at
        if connection.execute(new.on_conflict_do_nothing()).rowcount:
            return bucket
        if (there := find(connection, bucket.name)) is not None:
            return there


def remove(connection: Connection, name: str) -> None:
    """Delete the row of a bucket that holds nothing any more (the foreign keys refuse any other)."""
    connection.execute(delete(buckets).where(buckets.c.name == name))


def set_tags(connection: Connection, name: str, tags: Mapping[str, str]) -> None:
    connection.execute(update(buckets).where(buckets.c.name == name).values(tags=dict(tags)))


def set_encryption(connection: Connection, name: str, encryption: Encryption | None) -> None:
    row = None if encryption is None else encryption.to_row()
    connection.execute(update(buckets).where(buckets.c.name == name).values(encryption=row))


def set_lifecycle(connection: Connection, name: str, lifecycle: Mapping[str, Any] | None) -> None:
    row = None if lifecycle is None else dict(lifecycle)
    connection.execute(update(buckets).where(buckets.c.name == name).values(lifecycle=row))


def set_policy(connection: Connection, name: str, policy: str | None) -> None:
    connection.execute(update(buckets).where(buckets.c.name == name).values(policy=policy))


def with_lifecycle(connection: Connection) -> list[Bucket]:
    """The buckets that have lifecycle rules, of all accounts, by name."""
    query = select(buckets).where(buckets.c.lifecycle.is_not(None)).order_by(buckets.c.name)
    return [_bucket(row) for row in connection.execute(query)]


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
    encryption = Encryption.of_row(row.encryption)
    return Bucket(row.name, row.account, row.region, row.tags, row.created_at, encryption, row.lifecycle, row.policy)
