"""Object storage inside the service: index rows in the database, bodies in the rows or in immutable files.

A body of at most 64 KiB is part of its row. A larger one is a file that is complete and on disk before the row that
names it is committed, so a crash at any point leaves the old object or the new one, whole. Processes that
share a folder share the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from braketeer.domain.clock import Clock
from braketeer.domain.encryption import Encryption
from braketeer.domain.errors import ServiceError
from braketeer.domain.object_lifecycles import Rule
from braketeer.domain.s3_errors import NoSuchBucket, NoSuchKey
from braketeer.objects.checksums import DEFAULT_ALGORITHM, FULL_OBJECT, Digests, member
from braketeer.objects.encryption import Key, Keys
from braketeer.objects.files import Files, storage_errors
from braketeer.objects.intake import Body, Intake, Verify
from braketeer.objects.readers import OpenObject, Readers
from braketeer.objects.uploads import Uploads
from braketeer.store import buckets as bucket_rows
from braketeer.store import object_keys, object_lifecycles, storage
from braketeer.store import objects as rows
from braketeer.store.buckets import Bucket
from braketeer.store.database import Database, Transaction
from braketeer.store.objects import ALWAYS, Condition, Content, Details, EncryptionWanted, File, StoredObject
from braketeer.store.secrets import Secrets

T = TypeVar("T")

_THREADS = 8
GARBAGE_AFTER_SECONDS = 3600.0
_DATED_ANEW_AFTER_SECONDS = 600.0  # while a copy of many parts is made


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a listing in order, and the key to go on from (None: there is no more)."""

    entries: Sequence[object_keys.Listed]
    next_key: str | None


class EmbeddedObjects:
    """Objects in buckets. ``owner`` is the account whose bucket it must be; None is the service itself.

    Methods raise the errors of domain/s3_errors.py: NoSuchBucket, AccessDenied, NoSuchKey, PreconditionFailed, and
    InsufficientStorage when the disk is full. To be used from one event loop. ``keys`` are what objects are encrypted
    with, where a client or the bucket asks for that. ``shared``: other processes use the folder too.
    """

    def __init__(
        self, database: Database, folder: Path, clock: Clock, secrets: Secrets, *, shared: bool = False
    ) -> None:
        self._database = database
        self._clock = clock
        self._files = Files(folder)
        self._shared = shared
        self._unnamed: set[str] = set()  # what the last collection of garbage found, where the folder is shared
        self._prepared: set[str] = set()  # files of copies, already old perhaps, before a row names them
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")
        self._intake = Intake(self._files, self._threads)
        self._readers = Readers(self._files, self._threads, shared=shared)
        self.keys = Keys(database, secrets, clock)
        self.uploads = Uploads(database, clock, self._intake, self._readers, self.keys)

    # What the service itself stores and reads.

    async def store_with(self, bucket: str, data: bytes, change: Callable[[Transaction, Content], bool]) -> None:
        """Make bytes an object of a bucket together with whatever else ``change`` does in its transaction.

        ``change`` calls ``store.objects.insert_if_absent(tx.connection, bucket, key, content, owner=..., now_ms=...)``
        and says whether the content was used; it may be called again. The bytes are encrypted if the bucket wants that.
        """
        content = await self._intake.receive(
            data, Digests((DEFAULT_ALGORITHM,)), _accept, before_file=lambda: self._look_ahead(bucket, None)
        )
        used, content = await self._committed(content, lambda tx, content: (change(tx, content), []))
        if not used:
            await self.discard(content)

    async def discard(self, content: Content) -> None:
        """Give up content that was taken in; if an object has it after all, nothing happens."""
        if names := [file.name for file in content.files]:
            self._readers.delete(await self._database.read(lambda connection: rows.unreferenced(connection, names)))

    async def read(self, bucket: str, key: str, *, owner: str | None = None) -> bytes | None:
        """The whole object in memory, or None where there is no such bucket or key."""
        try:
            opened = await self.get(bucket, key, owner=owner)
        except (NoSuchBucket, NoSuchKey):
            return None
        body = await opened.read(0, opened.stored.content.size)
        return body if isinstance(body, bytes) else b"".join([block async for block in body])

    async def exists(self, bucket: str, key: str, *, owner: str | None = None) -> bool:
        """Whether there is an object, without reading it."""
        try:
            await self.find(bucket, key, owner=owner)
        except (NoSuchBucket, NoSuchKey):
            return False
        return True

    # What clients do, by way of the service.

    async def put(
        self,
        bucket: str,
        key: str,
        body: Body,
        *,
        owner: str | None = None,
        details: Details | None = None,
        condition: Condition = ALWAYS,
        algorithms: Iterable[str] = (DEFAULT_ALGORITHM,),
        verify: Verify | None = None,
        encryption: Encryption | None = None,
        announced: int | None = None,
    ) -> Content:
        """Store a body, in place of what is there. It is durable when this returns, and not there at all if it raises.

        ``algorithms`` are the checksums to compute and keep; ``verify`` is given the digests of the complete body and
        raises to refuse it. ``encryption`` is, if None, what the bucket has for such objects. ``announced`` is the
        body's size, if it is known: too large a one is refused before it is read.
        """
        secret = None if encryption is None else await self.keys.of(encryption)
        expected = None if announced is None else (key, announced)
        content = await self._intake.receive(
            body,
            Digests(algorithms),
            verify or _accept,
            key=secret,
            before_file=lambda: self._look_ahead(bucket, owner, secret, expected),
        )

        def store(tx: Transaction, content: Content) -> tuple[None, list[str]]:
            stored = StoredObject(bucket, key, content, details or Details(), self._clock.now_ms())
            return None, rows.put(tx.connection, stored, owner, condition)

        return (await self._committed(content, store))[1]

    async def find(self, bucket: str, key: str, *, owner: str | None = None) -> StoredObject:
        """The object without its bytes."""
        return await self._database.read(lambda c: rows.find(c, bucket, key, owner, with_body=False))

    async def get(self, bucket: str, key: str, *, owner: str | None = None) -> OpenObject:
        """The object, open for reading: it may be replaced or deleted meanwhile and still be read to its end."""
        while True:
            stored = await self._database.read(lambda c: rows.find(c, bucket, key, owner))
            encryption = stored.content.encryption
            opened = await self._readers.open(stored, None if encryption is None else await self.keys.of(encryption))
            if opened is not None:
                return opened
            still = await self.find(bucket, key, owner=owner)
            if still.content.files == stored.content.files:
                with storage_errors():
                    raise FileNotFoundError(2, "a file of the object is missing")

    async def delete(self, bucket: str, key: str, *, owner: str | None = None, condition: Condition = ALWAYS) -> None:
        """Delete the object if there is one."""
        await self._change(lambda tx: (None, rows.remove(tx.connection, bucket, key, owner, condition)))

    async def delete_many(
        self, bucket: str, wanted: Sequence[tuple[str, Condition]], *, owner: str | None = None
    ) -> list[Exception | None]:
        """Delete (key, condition) each on its own; what went wrong with each, or None."""
        await self._check(bucket, owner)
        deletions = (self.delete(bucket, key, owner=owner, condition=condition) for key, condition in wanted)
        outcomes = await asyncio.gather(*deletions, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
                raise outcome
        return [outcome if isinstance(outcome, Exception) else None for outcome in outcomes]

    async def copy(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        *,
        owner: str | None = None,
        details: Callable[[Details], Details] = lambda details: details,
        condition: Condition = ALWAYS,
        algorithm: str | None = None,
        encryption: Encryption | None = None,
        check: Callable[[StoredObject], None] = lambda stored: None,
    ) -> StoredObject:
        """Copy an object, (bucket, key) to (bucket, key); both buckets must be ``owner``'s.

        ``details`` makes the copy's details from the source's; ``check`` sees the source and raises to refuse;
        ``algorithm`` is a checksum the copy shall have (computed if the source has not got it). The copy is encrypted
        with ``encryption``, else as the target's bucket has it, else as the source is; only where that is another key
        than the source's are bytes moved.
        """
        ready: StoredObject | None = None  # the source with what had to be made first: a checksum, bytes under a key
        own_files: set[str] = set()
        if algorithm is not None:
            ready = await self._summed(source, owner, algorithm)

        def copied(tx: Transaction) -> tuple[StoredObject | Encryption | None, list[str]]:
            """The copy; or None when the source has changed since; or the encryption that it must have first."""
            found = rows.find_and_lock(tx.connection, *source, owner)
            check(found)
            content = found.content
            default = bucket_rows.owned(tx.connection, target[0], owner, share=True).encryption
            wanted = encryption or default or content.encryption
            if ready is not None:
                if (ready.content.etag, ready.modified_at) != (content.etag, found.modified_at):
                    return None, []
                # Bytes of its own are taken over; a checksum goes with the bytes that are there now, which are equal.
                own = ready.content.encryption != content.encryption
                content = ready.content if own else replace(content, checksums=ready.content.checksums)
            if wanted is not None and (content.encryption is None or content.encryption.key_id != wanted.key_id):
                return wanted, []
            content = replace(content, encryption=wanted)
            made = StoredObject(*target, content, details(found.details), self._clock.now_ms())
            return made, rows.put(tx.connection, made, owner, condition)

        try:
            while True:
                try:
                    made = await self._change(copied)
                except ServiceError as error:
                    if ready is not None:
                        await self._give_up(ready.content, error)
                    raise
                if isinstance(made, StoredObject):
                    return made
                if ready is not None:
                    await self.discard(ready.content)
                ready = await self._summed(source, owner, algorithm) if algorithm is not None else None
                if made is not None:
                    ready = await self._encrypted(source, owner, made, ready)
                    own_files.update(file.name for file in ready.content.files)
        finally:
            self._prepared -= own_files

    async def page(
        self,
        bucket: str,
        *,
        owner: str | None = None,
        prefix: str = "",
        delimiter: str = "",
        from_key: str = "",
        limit: int = 1000,
    ) -> Page:
        """Objects and common prefixes from ``from_key`` on (inclusive), at most ``limit``, in order of their bytes."""
        await self._check(bucket, owner)
        entries: list[object_keys.Listed] = []
        start: str | None = from_key
        while start is not None and (room := limit - len(entries)) > 0:
            part = await self._database.read(
                lambda c, start=start, room=room: object_keys.scan(  # type: ignore[misc]
                    c, bucket, prefix=prefix, delimiter=delimiter, from_key=start, limit=room
                )
            )
            entries += part.entries
            start = part.next_key
        return Page(entries, start)

    async def set_tags(self, bucket: str, key: str, tags: Mapping[str, str], *, owner: str | None = None) -> None:
        """Replace the tags of an object."""
        await self._database.write(lambda tx: rows.set_tags(tx.connection, bucket, key, owner, tags))

    async def remove_bucket(self, bucket: str, *, owner: str | None = None) -> None:
        """Delete an empty bucket and its unfinished uploads. Raises BucketNotEmpty."""
        await self._change(lambda tx: (None, rows.remove_bucket(tx.connection, bucket, owner)))

    # Upkeep.

    async def remove_old(self, bucket: Bucket, rule: Rule, key: str, modified_before: int) -> bool:
        """Delete an object that the rule of the bucket still covers; whether it did."""

        def remove(tx: Transaction) -> tuple[bool, list[str]]:
            files = object_lifecycles.remove_old(tx.connection, bucket, rule, key, modified_before)
            return files is not None, files or []

        return await self._change(remove)

    async def collect_garbage(self, older_than_seconds: float = GARBAGE_AFTER_SECONDS) -> int:
        """Delete files that no row names and that were written longer ago: what crashes left. Returns how many.

        Where other processes use the folder, who reads there is not known: a file goes when it was found so twice in
        succession. With 0 it may only be called before anything is stored, as when the service starts.
        """
        count = await self._in_thread(self._files.remove_incoming, older_than_seconds)
        found: set[str] = set()
        folders = self._files.older_than(older_than_seconds)
        while (names := await self._in_thread(next, folders, None)) is not None:
            names = [name for name in names if name not in self._prepared]  # looked at before the rows are
            garbage = await self._database.read(lambda c, names=names: rows.unreferenced(c, names))  # type: ignore[misc]
            if self._shared:
                found.update(garbage)
                garbage = [name for name in garbage if name in self._unnamed]
                await self._in_thread(self._files.remove, garbage)
            else:
                self._readers.delete(garbage)
            count += len(garbage)
        self._unnamed = found
        return count

    def close(self) -> None:
        """Finish what is being written and deleted. Call it before the database is closed."""
        self._threads.shutdown(wait=True)
        self._readers.close()

    async def _change(self, change: Callable[[Transaction], tuple[T, list[str]]]) -> T:
        """Run a change and delete the files that it says nothing names any more."""
        result, files = await self._database.write(change)
        self._readers.delete(files)
        return result

    async def _committed(
        self, content: Content, change: Callable[[Transaction, Content], tuple[T, list[str]]]
    ) -> tuple[T, Content]:
        """Run a change that makes content an object; what it returns, and the content as it is stored.

        A body that the bucket wants encrypted is. Content that is refused is discarded.
        """
        while True:
            try:
                return await self._change(lambda tx, content=content: change(tx, content)), content  # type: ignore[misc]
            except EncryptionWanted as wanted:
                content = (await self.keys.of(wanted.encryption)).encrypted(content)
            except ServiceError as error:
                await self._give_up(content, error)
                raise

    async def _give_up(self, content: Content, error: ServiceError) -> None:
        """Discard what was not stored. After a failure of ours it is not certain that nothing was committed: then the
        files are left to the collection of garbage."""
        if error.status < 500:
            await self.discard(content)

    async def _check(self, bucket: str, owner: str | None) -> None:
        await self._database.read(lambda connection: bucket_rows.owned(connection, bucket, owner))

    async def _look_ahead(
        self, bucket: str, owner: str | None, key: Key | None = None, expected: tuple[str, int] | None = None
    ) -> Key | None:
        """What a file in a bucket is encrypted with: ``key``, else the bucket's.

        Refuses what there is no room for, if its key and its size are known before.
        """

        def look(connection: Connection) -> Encryption | None:
            found = bucket_rows.owned(connection, bucket, owner)
            if expected is not None:
                name, size = expected
                storage.refuse_early(connection, found.account, size - rows.size_at(connection, bucket, name))
            return found.encryption

        default = await self._database.read(look)
        return key if key is not None or default is None else await self.keys.of(default)

    async def _encrypted(
        self, source: tuple[str, str], owner: str | None, encryption: Encryption, summed: StoredObject | None
    ) -> StoredObject:
        """The source with all its bytes under another key, part by part; its files are then among ``_prepared``."""
        key = await self.keys.of(encryption)
        opened = await self.get(*source, owner=owner)
        stored, content = opened.stored, opened.stored.content
        checksums = content.checksums
        if summed is not None:
            if (summed.content.etag, summed.modified_at) != (content.etag, stored.modified_at):
                return summed  # which is not what is there now, so that it is made anew
            checksums = summed.content.checksums
        files: list[File] = []
        if not content.files:
            body = await opened.read(0, content.size)
            plain = replace(content, body=b"".join([block async for block in _blocks(body)]), checksums=checksums)
            return replace(stored, content=key.encrypted(plain))
        begins, dated = 0, time.monotonic()
        try:
            for file in content.files:
                part = await self._intake.receive(
                    await opened.read(begins, file.size), Digests(), _accept, small=-1, key=key
                )
                files.append(replace(part.files[0], checksums=file.checksums))
                self._prepared.add(part.files[0].name)
                begins += file.size
                # Other processes only see how old the files are.
                if self._shared and time.monotonic() - dated >= _DATED_ANEW_AFTER_SECONDS:
                    await self._in_thread(self._files.date_anew, [file.name for file in files])
                    dated = time.monotonic()
        except BaseException:
            # Nothing was committed, and nothing is awaited here: whoever cancels us may not wait either.
            names = [file.name for file in files]
            self._prepared.difference_update(names)
            self._readers.delete(names)
            raise
        return replace(stored, content=replace(content, files=tuple(files), checksums=checksums, encryption=encryption))

    async def _summed(self, source: tuple[str, str], owner: str | None, algorithm: str) -> StoredObject:
        """The source with that checksum of all its bytes."""
        opened = await self.get(*source, owner=owner)
        content = opened.stored.content
        if member(algorithm) in content.checksums and content.checksums.get("ChecksumType") == FULL_OBJECT:
            return opened.stored
        digests = Digests((algorithm,))
        async for block in _blocks(await opened.read(0, content.size)):
            await self._in_thread(digests.update, block)
        checksums = {**digests.values(), "ChecksumType": FULL_OBJECT}
        return replace(opened.stored, content=replace(content, checksums=checksums))

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


async def _blocks(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    async for block in body:
        yield block


def _accept(digests: Digests) -> None:
    """Any body is welcome."""
