"""Multipart uploads: their parts, each a file, until they become an object or are given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, or_, select

from braketeer.domain.encryption import Encryption
from braketeer.domain.s3_errors import NoSuchUpload
from braketeer.store import buckets as bucket_rows
from braketeer.store import objects as object_rows
from braketeer.store import storage
from braketeer.store.object_keys import behind
from braketeer.store.objects import Condition, Details, File, StoredObject
from braketeer.store.tables import upload_parts, uploads

_FIND = select(uploads).where(
    uploads.c.id == bindparam("id"), uploads.c.bucket == bindparam("bucket"), uploads.c.key == bindparam("key")
)
_FIND_AND_LOCK = _FIND.with_for_update()
_AT_PART = and_(upload_parts.c.upload_id == bindparam("of_upload"), upload_parts.c.number == bindparam("of_number"))
_PART_FILE = select(upload_parts.c.file, upload_parts.c.size).where(_AT_PART)
_FORGET_PART = delete(upload_parts).where(_AT_PART)
_ADD_PART = insert(upload_parts)


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished upload. ``algorithm``, ``checksum_type`` and ``encryption`` are None where there is none."""

    id: str
    bucket: str
    key: str
    details: Details
    algorithm: str | None
    checksum_type: str | None
    created_at: int
    encryption: Encryption | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part as last uploaded under its number; the name of its file is its identity."""

    number: int
    etag: str
    checksums: Mapping[str, str]
    file: File
    modified_at: int


def create(connection: Connection, upload: Upload, owner: str | None) -> Upload:
    """The upload as it is now: encrypted as it says, else as the bucket has it. Raises NoSuchBucket, AccessDenied."""
    bucket = bucket_rows.owned(connection, upload.bucket, owner, share=True)
    upload = replace(upload, encryption=upload.encryption or bucket.encryption)
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
            encryption=upload.encryption and upload.encryption.to_row(),
            created_at=upload.created_at,
        )
    )
    return upload


def find(
    connection: Connection, bucket: str, key: str, upload_id: str, owner: str | None, *, lock: bool = False
) -> Upload:
    """The upload of this key. Raises NoSuchBucket, AccessDenied, NoSuchUpload.

    With ``lock`` it stays, with its parts, and so does its bucket, until the transaction ends.
    """
    return _found(connection, bucket, key, upload_id, owner, lock=lock)[0]


def refuse_early(connection: Connection, upload: Upload, number: int, size: int) -> None:
    """ServiceQuotaExceededException where there is no room for a part of that size, as things are now."""
    at = {"of_upload": upload.id, "of_number": number}
    before = connection.execute(_PART_FILE, at).one_or_none()
    account = bucket_rows.owned(connection, upload.bucket, None).account
    storage.refuse_early(connection, account, size - (0 if before is None else before.size))


def put_part(connection: Connection, upload: Upload, part: Part, owner: str | None) -> list[str]:
    """Keep a part, in place of an earlier one of the same number, whose file is returned.

    Raises as ``find`` does, and ServiceQuotaExceededException.
    """
    _, account = _found(connection, upload.bucket, upload.key, upload.id, owner, lock=True)
    at = {"of_upload": upload.id, "of_number": part.number}
    before = connection.execute(_PART_FILE, at).one_or_none()
    if before is not None:
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
            "data_key": part.file.data_key,
            "modified_at": part.modified_at,
        },
    )
    storage.add(connection, account, part.file.size - (0 if before is None else before.size))
    return [] if before is None else [before.file]


def parts(connection: Connection, upload_id: str, *, after: int = 0, limit: int | None = None) -> list[Part]:
    """Parts by number, from the first one above ``after``."""
    query = select(upload_parts).where(upload_parts.c.upload_id == upload_id, upload_parts.c.number > after)
    rows = connection.execute(query.order_by(upload_parts.c.number).limit(limit))
    return [
        Part(row.number, row.etag, row.checksums, File(row.file, row.size, row.data_key), row.modified_at)
        for row in rows
    ]


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
    _found(connection, upload.bucket, upload.key, upload.id, owner, lock=True)
    there = _part_files(connection, upload.id)
    now = {row.number: row.file for row in there}
    if any(now.get(part.number) != part.file.name for part in used):
        return None
    connection.execute(delete(uploads).where(uploads.c.id == upload.id))
    # Counted at once: parts that become an object are nothing more, whatever the quota is by now.
    released = object_rows.put(connection, made, owner, condition, given_back=sum(row.size for row in there))
    wanted = {part.file.name for part in used}
    return released + [file for file in now.values() if file not in wanted]


def abort(connection: Connection, bucket: str, key: str, upload_id: str, owner: str | None) -> list[str]:
    """Give up an upload; returns the files of its parts."""
    _, account = _found(connection, bucket, key, upload_id, owner, lock=True)
    there = _part_files(connection, upload_id)
    connection.execute(delete(uploads).where(uploads.c.id == upload_id))
    storage.add(connection, account, -sum(row.size for row in there))
    return [row.file for row in there]


def _found(
    connection: Connection, bucket: str, key: str, upload_id: str, owner: str | None, *, lock: bool
) -> tuple[Upload, str]:
    """The upload, and the account whose bucket it is in."""
    account = bucket_rows.owned(connection, bucket, owner, share=lock).account
    wanted = {"id": upload_id, "bucket": bucket, "key": key}
    row = connection.execute(_FIND_AND_LOCK if lock else _FIND, wanted).one_or_none()
    if row is None:
        raise NoSuchUpload(upload_id)
    return _upload(row), account


def _part_files(connection: Connection, upload_id: str) -> Sequence[Any]:
    columns = (upload_parts.c.number, upload_parts.c.file, upload_parts.c.size)
    return connection.execute(select(*columns).where(upload_parts.c.upload_id == upload_id)).all()


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        row.id,
        row.bucket,
        row.key,
        Details(row.headers, row.user_metadata, row.tags),
        row.checksum_algorithm,
        row.checksum_type,
        row.created_at,
        Encryption.of_row(row.encryption),
    )
