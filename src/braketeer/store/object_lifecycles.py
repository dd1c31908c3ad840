"""What lifecycle rules need of the rows: old objects and old uploads of a bucket, and taking away what is still old."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from braketeer.domain.object_lifecycles import Rule, enabled
from braketeer.store import buckets as bucket_rows
from braketeer.store import objects as object_rows
from braketeer.store import uploads as upload_rows
from braketeer.store.buckets import Bucket
from braketeer.store.object_keys import behind
from braketeer.store.tables import objects, uploads


def old_objects(
    connection: Connection, bucket: str, prefix: str, modified_before: int, *, after_key: str, limit: int
) -> Sequence[Any]:
    """At most ``limit`` rows (key, size, tags) of older objects, by key, behind ``after_key``."""
    query = select(objects.c.key, objects.c.size, objects.c.tags).where(
        objects.c.bucket == bucket,
        objects.c.key >= prefix,
        objects.c.key > after_key,
        objects.c.modified_at < modified_before,
    )
    if (end := behind(prefix)) is not None:
        query = query.where(objects.c.key < end)
    return connection.execute(query.order_by(objects.c.key).limit(limit)).all()


def remove_old(connection: Connection, bucket: Bucket, rule: Rule, key: str, modified_before: int) -> list[str] | None:
    """Delete an object that the rule still covers; returns the files that nothing names any more.

    None where it is kept: it was replaced, or tagged anew, or its bucket has another owner or not that rule any more.
    """
    # The locks keep what is looked at, the object and then its bucket's rules, until it is deleted.
    if not object_rows.lock(connection, bucket.name, key) or not _is_in_force(connection, bucket, rule):
        return None
    at_key = (objects.c.bucket == bucket.name, objects.c.key == key, objects.c.modified_at < modified_before)
    there = connection.execute(select(objects.c.size, objects.c.tags).where(*at_key)).one_or_none()
    if there is None or not rule.matches(there.size, there.tags):
        return None
    return object_rows.remove(connection, bucket.name, key, bucket.account)


def old_uploads(connection: Connection, bucket: str, prefix: str, begun_before: int, *, limit: int) -> Sequence[Any]:
    """At most ``limit`` rows (id, key) of unfinished uploads that were begun earlier."""
    query = select(uploads.c.id, uploads.c.key).where(
        uploads.c.bucket == bucket, uploads.c.key >= prefix, uploads.c.created_at < begun_before
    )
    if (end := behind(prefix)) is not None:
        query = query.where(uploads.c.key < end)
    return connection.execute(query.order_by(uploads.c.key, uploads.c.id).limit(limit)).all()


def abort_old(connection: Connection, bucket: Bucket, rule: Rule, key: str, upload_id: str) -> list[str] | None:
    """Give up an upload that the rule still covers; returns the files of its parts.

    None where the bucket has another owner or not that rule any more. Raises NoSuchUpload.
    """
    if not _is_in_force(connection, bucket, rule):
        return None
    return upload_rows.abort(connection, bucket.name, key, upload_id, bucket.account)


def _is_in_force(connection: Connection, bucket: Bucket, rule: Rule) -> bool:
    """Whether it is the same account's bucket and the rule one of its own, as it stays until the transaction ends.

    Raises NoSuchBucket.
    """
    now = bucket_rows.owned(connection, bucket.name, None, share=True)  # who changes rules locks the bucket
    return now.account == bucket.account and rule in enabled(now.lifecycle or {"rules": []})
