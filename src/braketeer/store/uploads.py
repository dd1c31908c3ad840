"""Multipart uploads: their parts, each a file, until they become an object or are given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, or_, select

from braketeer.domain.s3_errors import NoSuchUpload
from braketeer.store import buckets as bucket_rows
from braketeer.store import objects as object_rows
from braketeer.store.object_keys import behind
from braketeer.store.objects import Condition, Details, File, StoredObject
from braketeer.store.tables import upload_parts, uploads

_FIND = select(uploads).where(
    uploads.c.id == bindparam("id"), uploads.c.bucket == bindparam("bucket"), uploads.c.key == bindparam("key")
)
_FIND_AND_LOCK = _FIND.with_for_update()
_AT_PART = and_(upload_parts.c.upload_id == bindparam("of_upload"), upload_parts.c.number == bindparam("of_number"))
_PART_FILE = select(upload_parts.c.file).where(_AT_PART)
_FORGET_PART = delete(upload_parts).where(_AT_PART)
_ADD_PART = insert(upload_parts)


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished upload. ``algorithm`` and ``checksum_type`` are None where the client asked for none."""

    id: str
    bucket: str
    key: str
    details: Details
    algorithm: str | None
    checksum_type: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part as last uploaded under its number; the name of its file is its identity."""

    number: int
    etag: str
    checksums: Mapping[str, str]
    file: File
    modified_at: int


def create(connection: Connection, upload: Upload, owner: str | None) -> None:
    """Raises NoSuchBucket, AccessDenied."""
    bucket_rows.owned(connection, upload.bucket, owner)
    connection.execute(
        insert(uploads).values(
            id=upload.id,
            bucket=upload.bucket,
            key=upload.key,
            headers=dict(upload.details.headers),
            user_metadata=dict(upload.details.user_metadata),
            tags=dict(upload.details.tags),
            checksum_algorithm=upload.algorithm,
            checksum_type=upload.checksum_type,
            created_at=upload.created_at,
        )
    )


def find(
    connection: Connection, bucket: str, key: str, upload_id: str, owner: str | None, *, lock: bool = False
) -> Upload:
    """The upload of this key. Raises NoSuchBucket, AccessDenied, NoSuchUpload."""
    bucket_rows.owned(connection, bucket, owner)
    wanted = {"id": upload_id, "bucket": bucket, "key": key}
    row = connection.execute(_FIND_AND_LOCK if lock else _FIND, wanted).one_or_none()
    if row is None:
        raise NoSuchUpload(upload_id)
    return _upload(row)


def put_part(connection: Connection, upload: Upload, part: Part, owner: str | None) -> list[str]:
    """Keep a part, in place of an earlier one of the same number, whose file is returned."""
    find(connection, upload.bucket, upload.key, upload.id, owner, lock=True)
    at = {"of_upload": upload.id, "of_number": part.number}
    before = connection.scalars(_PART_FILE, at).all()
    if before:
        connection.execute(_FORGET_PART, at)
    connection.execute(
        _ADD_PART,
        {
            "upload_id": upload.id,
            "number": part.number,
            "size": part.file.size,
            "etag": part.etag,
            "checksums": dict(part.checksums),
            "file": part.file.name,
            "modified_at": part.modified_at,
        },
    )
    return list(before)


def parts(connection: Connection, upload_id: str, *, after: int = 0, limit: int | None = None) -> list[Part]:
    """Parts by number, from the first one above ``after``."""
    query = select(upload_parts).where(upload_parts.c.upload_id == upload_id, upload_parts.c.number > after)
    rows = connection.execute(query.order_by(upload_parts.c.number).limit(limit))
    return [Part(row.number, row.etag, row.checksums, File(row.file, row.size), row.modified_at) for row in rows]


def unfinished(
    connection: Connection,
    bucket: str,
    owner: str | None,
    *,
    prefix: str,
    after_key: str,
    after_id: str,
    limit: int,
) -> list[Upload]:
    """At most ``limit`` uploads by key, then by age, behind (key, id). Raises NoSuchBucket, AccessDenied."""
    bucket_rows.owned(connection, bucket, owner)
    after = or_(uploads.c.key > after_key, and_(uploads.c.key == after_key, uploads.c.id > after_id))
    query = select(uploads).where(uploads.c.bucket == bucket, after, uploads.c.key >= prefix)
    if (end := behind(prefix)) is not None:
        query = query.where(uploads.c.key < end)
    return [_upload(row) for row in connection.execute(query.order_by(uploads.c.key, uploads.c.id).limit(limit))]


def complete(
    connection: Connection,
    upload: Upload,
    used: Sequence[Part],
    made: StoredObject,
    *,
    owner: str | None,
    condition: Condition,
) -> list[str] | None:
    """Turn the ``used`` parts into the object ``made``; None when one of them was replaced meanwhile.

    Returns the files that nothing names any more: parts that were not used, and what was at the key before.
    """
    find(connection, upload.bucket, upload.key, upload.id, owner, lock=True)
    query = select(upload_parts.c.number, upload_parts.c.file).where(upload_parts.c.upload_id == upload.id)
    now = {row.number: row.file for row in connection.execute(query)}
    if any(now.get(part.number) != part.file.name for part in used):
        return None
    connection.execute(delete(uploads).where(uploads.c.id == upload.id))
    released = object_rows.put(connection, made, owner, condition)
    wanted = {part.file.name for part in used}
    return released + [file for file in now.values() if file not in wanted]


def abort(connection: Connection, bucket: str, key: str, upload_id: str, owner: str | None) -> list[str]:
    """Give up an upload; returns the files of its parts."""
    find(connection, bucket, key, upload_id, owner, lock=True)
    files = connection.scalars(select(upload_parts.c.file).where(upload_parts.c.upload_id == upload_id)).all()
    connection.execute(delete(uploads).where(uploads.c.id == upload_id))
    return list(files)


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        row.id,
        row.bucket,
        row.key,
        Details(row.headers, row.user_metadata, row.tags),
        row.checksum_algorithm,
        row.checksum_type,
        row.created_at,
    )
