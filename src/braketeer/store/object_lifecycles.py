"""What lifecycle rules need of the rows: old objects and old uploads of a bucket, and taking away what is still old."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from braketeer.store import objects as object_rows
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


def remove_old(connection: Connection, bucket: str, key: str, modified_before: int) -> list[str]:
    """Delete an object that has not been replaced since; returns the files that nothing names any more."""
    object_rows.lock(connection, bucket, key)  # so that what is looked at is what is deleted
    still_old = (objects.c.bucket == bucket, objects.c.key == key, objects.c.modified_at < modified_before)
    if connection.execute(select(objects.c.key).where(*still_old)).first() is None:
        return []
    return object_rows.remove(connection, bucket, key, None)


def old_uploads(connection: Connection, bucket: str, prefix: str, begun_before: int, *, limit: int) -> Sequence[Any]:
    """At most ``limit`` rows (id, key) of unfinished uploads that were begun earlier."""
    query = select(uploads.c.id, uploads.c.key).where(
        uploads.c.bucket == bucket, uploads.c.key >= prefix, uploads.c.created_at < begun_before
    )
    if (end := behind(prefix)) is not None:
        query = query.where(uploads.c.key < end)
    return connection.execute(query.order_by(uploads.c.key, uploads.c.id).limit(limit)).all()
