"""Keys in order: what a listing reads. Keys are compared by their UTF-8 bytes, as S3 does.

Keys that share the text up to a delimiter collapse into one common prefix, and the rest of them is jumped over with the
index, not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from braketeer.store.tables import objects

_FIRST_BATCH = 16
_LARGEST_BATCH = 1000
_READS_AT_A_TIME = 64


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a listing, or a common prefix (``etag`` is None then, and ``key`` the prefix)."""

    key: str
    size: int = 0
    etag: str | None = None
    modified_at: int = 0
    checksums: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Some entries in order, and where to go on: the smallest key not looked at yet, or None at the end."""

    entries: Sequence[Listed]
    next_key: str | None


def scan(connection: Connection, bucket: str, *, prefix: str, delimiter: str, from_key: str, limit: int) -> Part:
    """At most ``limit`` entries with ``prefix``, from ``from_key`` on (inclusive); fewer where many jumps are needed.

    One call reads the database a bounded number of times, so that no reader is held for long; call again with
    ``next_key`` until there are enough entries or it is None.
    """
    entries: list[Listed] = []
    position, end = max(from_key, prefix), behind(prefix)
    batch = _FIRST_BATCH if delimiter else min(limit + 1, _LARGEST_BATCH)
    for _ in range(_READS_AT_A_TIME):
        rows = _read(connection, bucket, position, end, batch)
        after: str | None = None
        for row in rows:
            if after is not None and row.key < after:
                continue
            if len(entries) == limit:
                return Part(entries, row.key)
            common = _common_prefix(row.key, prefix, delimiter)
            if common is None:
                entries.append(Listed(row.key, row.size, row.etag, row.modified_at, row.checksums))
                after = None
            else:
                entries.append(Listed(common))
                after = behind(common)
                if after is None:
                    return Part(entries, None)
        if len(rows) < batch:
            return Part(entries, None)
        position = just_after(rows[-1].key) if after is None else after
        batch = min(batch * 2, _LARGEST_BATCH) if after is None else _FIRST_BATCH
    return Part(entries, position)


def behind(prefix: str) -> str | None:
    """The smallest text that is greater than every text with this prefix; None where there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        if code == 0xD800:
            code = 0xE000  # surrogates are no characters
        if code <= 0x10FFFF:
            return prefix[:-1] + chr(code)
        prefix = prefix[:-1]
    return None


def just_after(key: str) -> str:
    """The smallest key that is greater than ``key``: no key has a NUL in it."""
    return key + "\x01"


def _read(connection: Connection, bucket: str, start: str, end: str | None, limit: int) -> Sequence[Any]:
    columns = (objects.c.key, objects.c.size, objects.c.etag, objects.c.modified_at, objects.c.checksums)
    query = select(*columns).where(objects.c.bucket == bucket, objects.c.key >= start)
    if end is not None:
        query = query.where(objects.c.key < end)
    return connection.execute(query.order_by(objects.c.key).limit(limit)).all()


def _common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    at = key.find(delimiter, len(prefix))
    return None if at < 0 else key[: at + len(delimiter)]
