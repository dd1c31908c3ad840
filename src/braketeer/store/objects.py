"""Objects: what is at a key of a bucket, and which files hold it.

A file is named by one object when it is stored, by more after copies, and by none once the last of them is gone: from
then on, never again. Functions that take something away say to which files that happened, so that they can be deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from sqlalchemy import Connection, Executable, and_, bindparam, delete, insert, literal, select, union, update
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain.s3_errors import AccessDenied, BucketNotEmpty, NoSuchBucket, NoSuchKey, PreconditionFailed
from braketeer.store import buckets as bucket_rows
from braketeer.store.tables import buckets, object_files, objects, upload_parts, uploads

_MOST_NAMES_IN_A_QUERY = 500


@dataclass(frozen=True, slots=True)
class File:
    """A piece of a body: the name of an immutable file and its size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an object, already on disk unless they are small: ``body`` is None exactly when ``files`` hold them.

    ``etag`` has no quotes. ``checksums`` are members as S3 names them: {"ChecksumCRC32": base64, "ChecksumType": ...}.
    """

    size: int
    etag: str
    checksums: Mapping[str, str]
    body: bytes | None = None
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Details:
    """What a client says about an object: HTTP headers by their S3 member names, its own metadata, and tags."""

    headers: Mapping[str, Any] = field(default_factory=dict)
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold at the key for a write: nothing there, or an object with one of these ETags ("*" is any)."""

    absent: bool = False
    etags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it is at one moment; ``modified_at`` in epoch milliseconds."""

    bucket: str
    key: str
    content: Content
    details: Details
    modified_at: int
    upload_id: str | None = None


ALWAYS = Condition()

# Statements of the two hottest paths are made once: making them costs more than running them.
_BUCKET_AND_KEY = buckets.outerjoin(
    objects, and_(objects.c.bucket == buckets.c.name, objects.c.key == bindparam("key"))
)
_IS_BUCKET = buckets.c.name == bindparam("bucket")
_FIND = select(buckets.c.account, *objects.c).select_from(_BUCKET_AND_KEY).where(_IS_BUCKET)
_FIND_WITHOUT_BODY = (
    select(buckets.c.account, *(column for column in objects.c if column is not objects.c.body))
    .select_from(_BUCKET_AND_KEY)
    .where(_IS_BUCKET)
)
_LOOK = select(buckets.c.account, objects.c.etag, objects.c.files).select_from(_BUCKET_AND_KEY).where(_IS_BUCKET)


def find(connection: Connection, bucket: str, key: str, owner: str | None, *, with_body: bool = True) -> StoredObject:
    """The object at a key of ``owner``'s bucket (None: anybody's). Raises NoSuchBucket, AccessDenied, NoSuchKey.

    ``with_body=False`` leaves a small body in the database: ``content.body`` is None then.
    """
    statement = _FIND if with_body else _FIND_WITHOUT_BODY
    row = _owned(connection.execute(statement, {"bucket": bucket, "key": key}).one_or_none(), bucket, owner)
    if row.key is None:
        raise NoSuchKey(key)
    files = _files(connection, bucket, key) if row.files else ()
    return StoredObject(
        bucket,
        key,
        Content(row.size, row.etag, row.checksums, row.body if with_body else None, files),
        Details(row.headers, row.user_metadata, row.tags),
        row.modified_at,
        row.upload_id,
    )


def lock(connection: Connection, bucket: str, key: str) -> None:
    """Keep the object as it is until the transaction ends (SQLite has one writer and needs nothing)."""
    at_key = and_(objects.c.bucket == bucket, objects.c.key == key)
    if not _is_sqlite(connection):
        connection.execute(select(objects.c.key).where(at_key).with_for_update())


def put(
    connection: Connection,
    stored: StoredObject,
    owner: str | None,
    condition: Condition = ALWAYS,
) -> list[str]:
    """Put the object at its key, in place of what is there; returns the files that nothing names any more.

    Raises NoSuchBucket, AccessDenied, PreconditionFailed, and NoSuchKey where an ETag was wanted and nothing is there.
    """
    bucket, key = stored.bucket, stored.key
    there = _owned(connection.execute(_LOOK, {"bucket": bucket, "key": key}).one_or_none(), bucket, owner)
    values = _values(stored)
    if condition.absent:
        if there.etag is not None or not _insert(connection, values):
            raise PreconditionFailed("If-None-Match")
    elif condition.etags is not None:
        if there.etag is None:
            raise NoSuchKey(key)
        unchanged = and_(objects.c.bucket == bucket, objects.c.key == key, objects.c.etag == there.etag)
        matches = "*" in condition.etags or there.etag in condition.etags
        if not matches or not connection.execute(update(objects).where(unchanged).values(values)).rowcount:
            raise PreconditionFailed("If-Match")
    else:
        _insert_or_replace(connection, values)
    # SQLite has one writer, so what was seen is what is there; elsewhere another may have come in between.
    before = _forget_files(connection, bucket, key) if there.files or not _is_sqlite(connection) else []
    if stored.content.files:
        connection.execute(
            insert(object_files),
            [
                {"bucket": bucket, "key": key, "number": number, "size": file.size, "file": file.name}
                for number, file in enumerate(stored.content.files, 1)
            ],
        )
    return unreferenced(connection, before)


def insert_if_absent(
    connection: Connection,
    bucket: str,
    key: str,
    content: Content,
    *,
    owner: str,
    now_ms: int,
    content_type: str = "application/json",
) -> bool:
    """Store what ``objects.prepare`` made, inside the caller's own transaction; False when the key is taken.

    Nothing is ever replaced: of two callers one gets True. What the caller changes in the same transaction and this
    object become visible together. Raises NoSuchBucket, and AccessDenied when the bucket is not ``owner``'s.
    """
    stored = StoredObject(bucket, key, content, Details({"ContentType": content_type}), now_ms)
    try:
        put(connection, stored, owner, Condition(absent=True))
    except PreconditionFailed:
        return False
    return True


def remove(
    connection: Connection, bucket: str, key: str, owner: str | None, condition: Condition = ALWAYS
) -> list[str]:
    """Delete the object if there is one; returns the files that nothing names any more."""
    there = _owned(connection.execute(_LOOK, {"bucket": bucket, "key": key}).one_or_none(), bucket, owner)
    if condition.etags is not None:
        if there.etag is None:
            raise NoSuchKey(key)
        if "*" not in condition.etags and there.etag not in condition.etags:
            raise PreconditionFailed("If-Match")
    if there.etag is None:
        return []
    before = _forget_files(connection, bucket, key) if there.files else []
    connection.execute(delete(objects).where(objects.c.bucket == bucket, objects.c.key == key))
    return unreferenced(connection, before)


def set_tags(connection: Connection, bucket: str, key: str, owner: str | None, tags: Mapping[str, str]) -> None:
    """Replace the tags of an object; the object does not count as modified. Raises as ``find`` does."""
    find(connection, bucket, key, owner, with_body=False)
    at_key = and_(objects.c.bucket == bucket, objects.c.key == key)
    connection.execute(update(objects).where(at_key).values(tags=dict(tags)))


def remove_bucket(connection: Connection, bucket: str, owner: str | None) -> list[str]:
    """Delete an empty bucket with its unfinished uploads; returns the files of those.

    Raises NoSuchBucket, AccessDenied, BucketNotEmpty.
    """
    bucket_rows.owned(connection, bucket, owner)
    if connection.execute(select(literal(1)).where(objects.c.bucket == bucket).limit(1)).first():
        raise BucketNotEmpty("The bucket you tried to delete is not empty", BucketName=bucket)
    unfinished = select(uploads.c.id).where(uploads.c.bucket == bucket)
    files = connection.scalars(select(upload_parts.c.file).where(upload_parts.c.upload_id.in_(unfinished))).all()
    connection.execute(delete(uploads).where(uploads.c.bucket == bucket))
    bucket_rows.remove(connection, bucket)
    return list(files)


def unreferenced(connection: Connection, names: Sequence[str]) -> list[str]:
    """Those of the named files that neither an object nor a part of an upload names."""
    if not names:
        return []
    named: set[str] = set()
    for start in range(0, len(names), _MOST_NAMES_IN_A_QUERY):
        some = names[start : start + _MOST_NAMES_IN_A_QUERY]
        query = union(
            select(object_files.c.file).where(object_files.c.file.in_(some)),
            select(upload_parts.c.file).where(upload_parts.c.file.in_(some)),
        )
        named.update(connection.scalars(query))
    return [name for name in names if name not in named]


def _values(stored: StoredObject) -> dict[str, Any]:
    content, details = stored.content, stored.details
    return {
        "bucket": stored.bucket,
        "key": stored.key,
        "size": content.size,
        "etag": content.etag,
        "modified_at": stored.modified_at,
        "files": len(content.files),
        "checksums": dict(content.checksums),
        "headers": dict(details.headers),
        "user_metadata": dict(details.user_metadata),
        "tags": dict(details.tags),
        "upload_id": stored.upload_id,
        "body": content.body,
    }


def _insert(connection: Connection, values: Mapping[str, Any]) -> bool:
    return bool(connection.execute(_insertion(connection.dialect.name, replace=False), values).rowcount)


def _insert_or_replace(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(_insertion(connection.dialect.name, replace=True), values)


@cache
def _insertion(dialect: str, *, replace: bool) -> Executable:
    statement: Any = (sqlite if dialect == "sqlite" else postgresql).insert(objects)
    if not replace:
        return cast(Executable, statement.on_conflict_do_nothing())
    new = {column.name: statement.excluded[column.name] for column in objects.c if not column.primary_key}
    return cast(Executable, statement.on_conflict_do_update(index_elements=["bucket", "key"], set_=new))


def _forget_files(connection: Connection, bucket: str, key: str) -> list[str]:
    at_key = and_(object_files.c.bucket == bucket, object_files.c.key == key)
    names = connection.scalars(select(object_files.c.file).where(at_key)).all()
    if names:
        connection.execute(delete(object_files).where(at_key))
    return list(names)


def _files(connection: Connection, bucket: str, key: str) -> tuple[File, ...]:
    at_key = and_(object_files.c.bucket == bucket, object_files.c.key == key)
    query = select(object_files.c.file, object_files.c.size).where(at_key).order_by(object_files.c.number)
    return tuple(File(row.file, row.size) for row in connection.execute(query))


def _owned(row: Any, bucket: str, owner: str | None) -> Any:
    if row is None:
        raise NoSuchBucket(bucket)
    if owner is not None and row.account != owner:
        raise AccessDenied()
    return row


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"
