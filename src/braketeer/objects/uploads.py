"""Multipart uploads of the embedded object storage: parts are files, and completing only names them in order."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TypeVar

from braketeer.domain.clock import Clock
from braketeer.domain.encryption import Encryption
from braketeer.domain.errors import ServiceError
from braketeer.domain.object_lifecycles import Rule
from braketeer.domain.s3_errors import (
    BadDigest,
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    NoSuchKey,
    NoSuchUpload,
)
from braketeer.objects.checksums import DEFAULT_ALGORITHM, FULL_OBJECT, Digests, etag_of_parts, member, of_parts
from braketeer.objects.encryption import Keys
from braketeer.objects.intake import Body, Intake, Verify
from braketeer.objects.readers import Readers
from braketeer.store import object_lifecycles
from braketeer.store import objects as object_rows
from braketeer.store import uploads as rows
from braketeer.store.buckets import Bucket
from braketeer.store.database import Database
from braketeer.store.objects import ALWAYS, Condition, Content, Details, StoredObject
from braketeer.store.uploads import Part, Upload

T = TypeVar("T")
R = TypeVar("R")

SMALLEST_PART = 5 << 20  # bytes; the last part may be smaller
_MANY_PARTS = 300


@dataclass(frozen=True, slots=True)
class NamedPart:
    """A part as a completion names it: ETag without quotes, and those checksums the client cares to repeat."""

    number: int
    etag: str
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a client says about the whole object when it completes an upload; None is not said."""

    checksums: Mapping[str, str]
    checksum_type: str | None = None
    size: int | None = None


class Uploads:
    """Multipart uploads. ``owner`` as in EmbeddedObjects; errors are those of domain/s3_errors.py."""

    def __init__(self, database: Database, clock: Clock, intake: Intake, readers: Readers, keys: Keys) -> None:
        self._database = database
        self._clock = clock
        self._intake = intake
        self._readers = readers
        self._keys = keys

    async def create(
        self,
        bucket: str,
        key: str,
        *,
        owner: str | None = None,
        details: Details | None = None,
        algorithm: str | None = None,
        checksum_type: str | None = None,
        encryption: Encryption | None = None,
    ) -> Upload:
        """Begin an upload. Its id sorts by age. ``encryption`` is, if None, what the bucket has now."""
        now = self._clock.now_ms()
        upload_id = f"{now:012x}{secrets.token_hex(20)}"
        upload = Upload(upload_id, bucket, key, details or Details(), algorithm, checksum_type, now, encryption)
        return await self._database.write(lambda tx: rows.create(tx.connection, upload, owner))

    async def find(self, bucket: str, key: str, upload_id: str, *, owner: str | None = None) -> Upload:
        return await self._database.read(lambda c: rows.find(c, bucket, key, upload_id, owner))

    async def put_part(
        self,
        upload: Upload,
        number: int,
        body: Body,
        *,
        owner: str | None = None,
        algorithms: Iterable[str] = (),
        verify: Verify | None = None,
        announced: int | None = None,
    ) -> Part:
        """Store a part, in place of one with the same number, with the checksum of the upload and ``algorithms``.

        ``announced`` is its size, if it is known: too large a part is refused before it is read.
        """
        digests = Digests({upload.algorithm or DEFAULT_ALGORITHM, *algorithms})
        secret = None if upload.encryption is None else await self._keys.of(upload.encryption)
        if announced is not None:
            await self._database.read(lambda c: rows.refuse_early(c, upload, number, announced))
        content = await self._intake.receive(body, digests, verify or (lambda _: None), small=-1, key=secret)
        part = Part(number, content.etag, digests.values(), content.files[0], self._clock.now_ms())
        try:
            replaced = await self._database.write(lambda tx: rows.put_part(tx.connection, upload, part, owner))
        except ServiceError as error:
            if error.status < 500:
                self._readers.delete([part.file.name])
            raise
        self._readers.delete(replaced)
        return part

    async def parts(
        self, bucket: str, key: str, upload_id: str, *, owner: str | None = None, after: int = 0, limit: int
    ) -> tuple[Upload, list[Part]]:
        """The upload and at most ``limit`` of its parts, by number, from the first one above ``after``."""
        return await self._database.read(
            lambda c: (rows.find(c, bucket, key, upload_id, owner), rows.parts(c, upload_id, after=after, limit=limit))
        )

    async def unfinished(
        self,
        bucket: str,
        *,
        owner: str | None = None,
        prefix: str = "",
        after_key: str = "",
        after_id: str = "",
        limit: int,
    ) -> list[Upload]:
        """At most ``limit`` uploads by key, then by age, from the first one behind (key, id)."""
        return await self._database.read(
            lambda c: rows.unfinished(
                c, bucket, owner, prefix=prefix, after_key=after_key, after_id=after_id, limit=limit
            )
        )

    async def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        named: Sequence[NamedPart],
        *,
        owner: str | None = None,
        condition: Condition = ALWAYS,
        claims: Claims | None = None,
    ) -> Content:
        """Make the object of the named parts, all at once. Asked again after it succeeded, it answers the same.

        Raises NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest, PreconditionFailed.
        """
        while True:
            try:
                upload, there = await self._database.read(
                    lambda c: (rows.find(c, bucket, key, upload_id, owner), rows.parts(c, upload_id))
                )
            except NoSuchUpload:
                return await self._completed_before(bucket, key, upload_id, owner)
            used, content = await in_thread_if_many(named, partial(_put_together, upload, there, claims or Claims({})))
            made = StoredObject(bucket, key, content, upload.details, self._clock.now_ms(), upload_id)
            try:
                files = await self._database.write(
                    lambda tx, upload=upload, used=used, made=made: rows.complete(  # type: ignore[misc]
                        tx.connection, upload, used, made, owner=owner, condition=condition
                    )
                )
            except NoSuchUpload:
                return await self._completed_before(bucket, key, upload_id, owner)
            if files is not None:
                self._readers.delete(files)
                return content

    async def abort(self, bucket: str, key: str, upload_id: str, *, owner: str | None = None) -> None:
        """Give up an upload and delete its parts."""
        files = await self._database.write(lambda tx: rows.abort(tx.connection, bucket, key, upload_id, owner))
        self._readers.delete(files)

    async def abort_old(self, bucket: Bucket, rule: Rule, key: str, upload_id: str) -> bool:
        """Give up an upload if the bucket still has that rule; whether it has. Raises NoSuchUpload."""
        files = await self._database.write(
            lambda tx: object_lifecycles.abort_old(tx.connection, bucket, rule, key, upload_id)
        )
        self._readers.delete(files or [])
        return files is not None

    async def _completed_before(self, bucket: str, key: str, upload_id: str, owner: str | None) -> Content:
        """The object, if this upload made it: then the client has missed the first answer."""
        try:
            there = await self._database.read(lambda c: object_rows.find(c, bucket, key, owner, with_body=False))
        except NoSuchKey:
            raise NoSuchUpload(upload_id) from None
        if there.upload_id != upload_id:
            raise NoSuchUpload(upload_id)
        return there.content


async def in_thread_if_many(parts: Sequence[T], work: Callable[[Sequence[T]], R]) -> R:
    """``work(parts)``; if they are many, in a thread, as the event loop would stand still for tenths of a second."""
    return await asyncio.to_thread(work, parts) if len(parts) > _MANY_PARTS else work(parts)


def _put_together(
    upload: Upload, there: Sequence[Part], claims: Claims, named: Sequence[NamedPart]
) -> tuple[list[Part], Content]:
    """The parts that make the object, and the object."""
    used = _used(named, {part.number: part for part in there})
    return used, _content(upload, used, claims)


def _used(named: Sequence[NamedPart], there: Mapping[int, Part]) -> list[Part]:
    """The stored parts that a completion names, checked against what it says of them."""
    if not named:
        raise InvalidRequest("You must specify at least one part")
    if any(first.number >= second.number for first, second in pairwise(named)):
        raise InvalidPartOrder("The list of parts was not in ascending order. Parts must be ordered by part number.")
    used = []
    for one in named:
        part = there.get(one.number)
        differs = part is None or part.etag != one.etag
        if part is None or differs or any(part.checksums.get(k, v) != v for k, v in one.checksums.items()):
            raise InvalidPart(
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
                "specified entity tag may not match the part's entity tag.",
                PartNumber=str(one.number),
                ETag=one.etag,
            )
        used.append(part)
    for part in used[:-1]:
        if part.file.size < SMALLEST_PART:
            raise EntityTooSmall(
                "Your proposed upload is smaller than the minimum allowed size",
                MinSizeAllowed=str(SMALLEST_PART),
                ProposedSize=str(part.file.size),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    return used


def _content(upload: Upload, parts: Sequence[Part], claims: Claims) -> Content:
    """The object that the parts make, checked against what the client says of it."""
    algorithm = upload.algorithm or DEFAULT_ALGORITHM
    kind = upload.checksum_type or FULL_OBJECT
    if claims.checksum_type is not None and claims.checksum_type != kind:
        raise InvalidRequest(f"The upload was created with the checksum type {kind}, not {claims.checksum_type}")
    checksums = of_parts(algorithm, kind, [(part.checksums, part.file.size) for part in parts])
    for name, value in claims.checksums.items():
        if name not in checksums:
            raise InvalidRequest(f"The upload was created with the checksum algorithm {algorithm}; {name} was given")
        # The number of parts behind a composite value may be left out.
        if value not in (checksums[name], checksums[name].partition("-")[0]):
            raise BadDigest(f"The {name.removeprefix('Checksum')} you specified did not match the calculated checksum.")
    shown = None if upload.algorithm is None else member(upload.algorithm)
    files = tuple(
        part.file if shown is None else replace(part.file, checksums={shown: part.checksums[shown]}) for part in parts
    )
    size = sum(file.size for file in files)
    if claims.size is not None and claims.size != size:
        raise InvalidRequest(f"The parts have {size} bytes together, not {claims.size}")
    etag = etag_of_parts([part.etag for part in parts])
    return Content(size, etag, checksums, None, files, upload.encryption)
