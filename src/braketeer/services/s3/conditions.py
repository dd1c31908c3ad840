"""Conditional requests and ranges, as RFC 9110 orders them and S3 answers them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from braketeer.domain.errors import NotImplementedHere
from braketeer.domain.s3_errors import InvalidArgument, InvalidRange, InvalidRequest, PreconditionFailed
from braketeer.services.s3.shared import Request
from braketeer.store.objects import Condition, StoredObject

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
_MOST_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of an object, from ``start`` on."""

    start: int
    length: int

    def header(self, size: int) -> str:
        """``Content-Range``."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def of_write(request: Request) -> Condition:
    """The condition of a write: ``If-None-Match: *`` or ``If-Match``."""
    if (none_match := request.get("IfNoneMatch")) is not None:
        if none_match != "*" or request.get("IfMatch") is not None:
            raise NotImplementedHere(
                "A header you provided implies functionality that is not implemented: If-None-Match"
            )
        return Condition(absent=True)
    return of_match(request.get("IfMatch"))


def of_match(text: str | None) -> Condition:
    """The condition that ``If-Match`` sets."""
    return Condition(etags=None if text is None else etags(text))


def etags(text: str) -> tuple[str, ...]:
    """The ETags of a header, without quotes; weak ones count as themselves."""
    return tuple(etag.strip().removeprefix("W/").strip('"') for etag in text.split(","))


def is_not_modified(request: Request, stored: StoredObject, prefix: str = "") -> bool:
    """Whether a read is answered 304. Raises PreconditionFailed.

    ``prefix`` is "CopySource" for the conditions on a copy's source, where 304 is no answer.
    """
    match, none_match = request.get(f"{prefix}IfMatch"), request.get(f"{prefix}IfNoneMatch")
    unmodified, modified = request.get(f"{prefix}IfUnmodifiedSince"), request.get(f"{prefix}IfModifiedSince")
    if match is not None:
        if not _matches(match, stored):
            raise PreconditionFailed("If-Match")
    elif unmodified is not None and _is_modified(stored, unmodified):
        raise PreconditionFailed("If-Unmodified-Since")
    if none_match is not None:
        return _matches(none_match, stored)
    return modified is not None and not _is_modified(stored, modified)


def span(request: Request, stored: StoredObject) -> Span | None:
    """The bytes that ``Range`` or ``partNumber`` ask for; None: all of them. Raises InvalidRange.

    A range that is not one (several ranges, another unit, nonsense) is ignored, as S3 does.
    """
    part = request.get("PartNumber")
    if part is not None:
        if request.get("Range") is not None:
            raise InvalidRequest("Cannot specify both Range header and partNumber query parameter")
        return _part(part, stored)
    text, size = request.get("Range"), stored.content.size
    found = _RANGE.fullmatch(text.replace(" ", "")) if text else None
    if text is None or found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        length = min(_number(last), size)
        if not length:
            raise InvalidRange(text, size)
        return Span(size - length, length)
    start = _number(first)
    if last and _number(last) < start:
        return None
    if start >= size:
        raise InvalidRange(text, size)
    end = min(_number(last), size - 1) if last else size - 1
    return Span(start, end - start + 1)


def part_count(stored: StoredObject) -> int | None:
    """Of how many parts a multipart object was made: its ETag says so; None for others."""
    _, dash, count = stored.content.etag.partition("-")
    return int(count) if dash else None


def copied_span(text: str | None, size: int) -> Span:
    """The bytes that ``x-amz-copy-source-range`` names: exactly ``bytes=first-last``, within the source."""
    if text is None:
        return Span(0, size)
    found = _RANGE.fullmatch(text)
    if found is None or not found[1] or not found[2] or _number(found[2]) < _number(found[1]):
        raise InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            text,
        )
    first, last = _number(found[1]), _number(found[2])
    if last >= size:
        raise InvalidArgument(
            f"Range specified is not valid for source object of size: {size}", "x-amz-copy-source-range", text
        )
    return Span(first, last - first + 1)


def _part(number: int, stored: StoredObject) -> Span | None:
    if not 1 <= number <= _MOST_PARTS:
        raise InvalidArgument(f"Part number must be an integer between 1 and {_MOST_PARTS}", "partNumber", number)
    files = stored.content.files if part_count(stored) is not None else ()
    if number > max(len(files), 1):
        raise InvalidRange(f"part {number}", stored.content.size)
    if not files:
        return Span(0, stored.content.size) if stored.content.size else None
    return Span(sum(file.size for file in files[: number - 1]), files[number - 1].size)


def _number(digits: str) -> int:
    """Offsets beyond any object are all alike; Python would count long digit strings as an attack."""
    return int(digits) if len(digits) < 19 else 10**18


def _matches(text: str, stored: StoredObject) -> bool:
    wanted = etags(text)
    return "*" in wanted or stored.content.etag in wanted


def _is_modified(stored: StoredObject, since: Any) -> bool:
    """HTTP dates have seconds only."""
    return isinstance(since, datetime) and stored.modified_at // 1000 > int(since.timestamp())
