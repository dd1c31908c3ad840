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

from braketeer.domain.encryption import Encryption
from braketeer.domain.s3_errors import AccessDenied, BucketNotEmpty, NoSuchBucket, NoSuchKey, PreconditionFailed
from braketeer.store import buckets as bucket_rows
from braketeer.store import storage
from braketeer.store.statements import Statement
from braketeer.store.tables import buckets, object_files, objects, upload_parts, uploads

_MOST_NAMES_IN_A_QUERY = 500


@dataclass(frozen=True, slots=True)
class File:
    """A piece of a body: the name of an immutable file and the size in bytes of what it holds.

    ``data_key`` is the sealed key of an encrypted file; ``checksums`` are a part's, where the upload asked for some.
    """

    name: str
    size: int
    data_key: bytes | None = None
    checksums: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an object, already on disk unless they are small: ``body`` is None exactly when ``files`` hold them.

    ``etag`` has no quotes. ``checksums`` are members as S3 names them: {"ChecksumCRC32": base64, "ChecksumType": ...}.
    With ``encryption``, ``body`` is encrypted under ``data_key``, which is sealed, and each file under its own.
    """

    size: int
    etag: str
    checksums: Mapping[str, str]
    body: bytes | None = None
    files: tuple[File, ...] = ()
    encryption: Encryption | None = None
    data_key: bytes | None = None


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


class EncryptionWanted(Exception):
    """The bucket encrypts what comes into it, and this body is as it is: to be put again, encrypted with that."""

    def __init__(self, encryption: Encryption) -> None:
        super().__init__(encryption)
        self.encryption = encryption


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
# The lock keeps the bucket from being deleted meanwhile (PostgreSQL; SQLite has one writer, here and everywhere).
_LOOK = Statement(
    select(buckets.c.account, buckets.c.encryption, objects.c.etag, objects.c.files, objects.c.size)
    .select_from(_BUCKET_AND_KEY)
    .where(_IS_BUCKET)
    .with_for_update(read=True, key_share=True, of=buckets)
)
_AT_KEY = and_(objects.c.bucket == bindparam("at_bucket"), objects.c.key == bindparam("at_key"))
_LOCK = select(objects.c.key).where(_AT_KEY).with_for_update()
_REPLACE = update(objects).where(_AT_KEY)
_REMOVE = delete(objects).where(_AT_KEY)


def find(connection: Connection, bucket: str, key: str, owner: str | None, *, with_body: bool = True) -> StoredObject:
    """The object at a key of ``owner``'s bucket (None: anybody's). Raises NoSuchBucket, AccessDenied, NoSuchKey.

    ``with_body=False`` leaves a small body in the database: ``content.body`` is None then.
    """
    statement = _FIND if with_body else _FIND_WITHOUT_BODY
    row = _owned(connection.execute(statement, {"bucket": bucket, "key": key}).one_or_none(), bucket, owner)
    if row.key is None:
        raise NoSuchKey(key)
    files = _files(connection, bucket, key) if row.files else ()
    encryption = Encryption.of_row(row.encryption)
    body = row.body if with_body else None
    return StoredObject(
        bucket,
        key,
        Content(row.size, row.etag, row.checksums, body, files, encryption, row.data_key),
        Details(row.headers, row.user_metadata, row.tags),
        row.modified_at,
        row.upload_id,
    )


def find_and_lock(
    connection: Connection, bucket: str, key: str, owner: str | None, *, with_body: bool = True
) -> StoredObject:
    """As ``find``, but the object, with its files, stays as it is until the transaction ends."""
    while True:
        held = lock(connection, bucket, key)
        there = find(connection, bucket, key, owner, with_body=with_body)
        if held:
            return there
        # It has come in between, is not locked yet, and its files may have been looked for after they had gone.


def size_at(connection: Connection, bucket: str, key: str) -> int:
    """The size of the object at a key, 0 if there is none."""
    query = select(objects.c.size).where(objects.c.bucket == bucket, objects.c.key == key)
    return connection.execute(query).scalar() or 0


def lock(connection: Connection, bucket: str, key: str) -> bool:
    """Keep the object as it is until the transaction ends (SQLite has one writer and needs nothing).

    False where there was none to keep: one may come at any moment.
    """
    if _is_sqlite(connection):
        return True
    return connection.execute(_LOCK, {"at_bucket": bucket, "at_key": key}).first() is not None


def put(
    connection: Connection,
    stored: StoredObject,
    owner: str | None,
    condition: Condition = ALWAYS,
    *,
    given_back: int = 0,
) -> list[str]:
    """Put the object at its key, in place of what is there; returns the files that nothing names any more.

    ``given_back`` bytes are what the account stores less, apart from that, once this transaction ends.
    Raises NoSuchBucket, AccessDenied, PreconditionFailed, NoSuchKey where an ETag was wanted and nothing is there,
    ServiceQuotaExceededException, and EncryptionWanted.
    """
    bucket, key, content = stored.bucket, stored.key, stored.content
    values = _values(stored)
    while True:
        there = _locked(connection, bucket, key, owner)
        if content.body is not None and content.encryption is None and there.encryption is not None:
            raise EncryptionWanted(Encryption(**there.encryption))
        _require(condition, there, key)
        if there.etag is not None:  # locked: nobody changes it before this transaction ends
            connection.execute(_REPLACE, {"at_bucket": bucket, "at_key": key, **values})
            break
        if _insert(connection, values):
            break
        # Another came first: the primary key has kept this row out. Its object is looked at now.
    released = _forget_files(connection, bucket, key) if there.files else []
    if content.files:
        connection.execute(
            insert(object_files),
            [
                {
                    "bucket": bucket,
                    "key": key,
                    "number": number,
                    "size": file.size,
                    "file": file.name,
                    "data_key": file.data_key,
                    "checksums": None if file.checksums is None else dict(file.checksums),
                }
                for number, file in enumerate(content.files, 1)
            ],
        )
    storage.add(connection, there.account, content.size - (there.size or 0) - given_back)
    return unreferenced(connection, released)


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
    object become visible together. Raises NoSuchBucket, AccessDenied when the bucket is not ``owner``'s, and
    EncryptionWanted: then the content is to be prepared with that. A result counts against the account's quota as
    everything else does (ServiceQuotaExceededException).
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
    there = _locked(connection, bucket, key, owner)
    _require(condition, there, key)
    if there.etag is None:
        return []
    released = _forget_files(connection, bucket, key) if there.files else []
    connection.execute(_REMOVE, {"at_bucket": bucket, "at_key": key})
    storage.add(connection, there.account, -there.size)
    return unreferenced(connection, released)


def set_tags(connection: Connection, bucket: str, key: str, owner: str | None, tags: Mapping[str, str]) -> None:
    """Replace the tags of an object; the object does not count as modified. Raises as ``find`` does."""
    # The locked object keeps its bucket, so that it is still the owner's when the tags are written.
    find_and_lock(connection, bucket, key, owner, with_body=False)
    at_key = and_(objects.c.bucket == bucket, objects.c.key == key)
    connection.execute(update(objects).where(at_key).values(tags=dict(tags)))


def remove_bucket(connection: Connection, bucket: str, owner: str | None) -> list[str]:
    """Delete an empty bucket with its unfinished uploads; returns the files of those.

    Raises NoSuchBucket, AccessDenied, BucketNotEmpty.
    """
    # Locked: what would put something into it waits, and then finds it gone. Uploads are locked for parts on the way.
    account = bucket_rows.owned(connection, bucket, owner, lock=True).account
    if connection.execute(select(literal(1)).where(objects.c.bucket == bucket).limit(1)).first():
        raise BucketNotEmpty("The bucket you tried to delete is not empty", BucketName=bucket)
    unfinished = list(connection.scalars(select(uploads.c.id).where(uploads.c.bucket == bucket).with_for_update()))
    parts: list[Any] = []
    for start in range(0, len(unfinished), _MOST_NAMES_IN_A_QUERY):
        some = upload_parts.c.upload_id.in_(unfinished[start : start + _MOST_NAMES_IN_A_QUERY])
        parts += connection.execute(select(upload_parts.c.file, upload_parts.c.size).where(some))
    connection.execute(delete(uploads).where(uploads.c.bucket == bucket))
    bucket_rows.remove(connection, bucket)
    storage.add(connection, account, -sum(part.size for part in parts))
    return [part.file for part in parts]


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
        "encryption": content.encryption and content.encryption.to_row(),
        "data_key": content.data_key,
        "body": content.body,
    }


def _require(condition: Condition, there: Any, key: str) -> None:
    if condition.absent and there.etag is not None:
        raise PreconditionFailed("If-None-Match")
    if condition.etags is not None:
        if there.etag is None:
            raise NoSuchKey(key)
        if "*" not in condition.etags and there.etag not in condition.etags:
            raise PreconditionFailed("If-Match")


def _locked(connection: Connection, bucket: str, key: str, owner: str | None) -> Any:
    """The bucket and what is at the key, if anything: that stays as it is until the transaction ends."""
    while True:
        held = lock(connection, bucket, key)
        there = _owned(_LOOK.one_or_none(connection, {"bucket": bucket, "key": key}), bucket, owner)
        if held or there.etag is None:
            return there
        # It has come in between, and is not locked yet.


def _insert(connection: Connection, values: Mapping[str, Any]) -> bool:
    """False where another has put an object there that was not there a moment ago."""
    return bool(connection.execute(_insertion(connection.dialect.name), values).rowcount)


@cache
def _insertion(dialect: str) -> Executable:
    statement: Any = (sqlite if dialect == "sqlite" else postgresql).insert(objects)
    return cast(Executable, statement.on_conflict_do_nothing())


def _forget_files(connection: Connection, bucket: str, key: str) -> list[str]:
    at_key = and_(object_files.c.bucket == bucket, object_files.c.key == key)
    names = connection.scalars(select(object_files.c.file).where(at_key)).all()
    if names:
        connection.execute(delete(object_files).where(at_key))
    return list(names)


def _files(connection: Connection, bucket: str, key: str) -> tuple[File, ...]:
    at_key = and_(object_files.c.bucket == bucket, object_files.c.key == key)
    columns = (object_files.c.file, object_files.c.size, object_files.c.data_key, object_files.c.checksums)
    query = select(*columns).where(at_key).order_by(object_files.c.number)
    return tuple(File(row.file, row.size, row.data_key, row.checksums) for row in connection.execute(query))


def _owned(row: Any, bucket: str, owner: str | None) -> Any:
    if row is None:
        raise NoSuchBucket(bucket)
    if owner is not None and row.account != owner:
        raise AccessDenied()
    return row


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"
