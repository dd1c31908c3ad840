"""Taking bodies in: a stream of chunks becomes a row's bytes or a file, hashed and encrypted on the way, in bounded
memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace

from braketeer.domain.s3_errors import EntityTooLarge
from braketeer.objects.checksums import FULL_OBJECT, Digests
from braketeer.objects.encryption import EncryptedFile, Key
from braketeer.objects.files import Files, IncomingFile
from braketeer.store.objects import Content, File

Body = bytes | AsyncIterable[bytes]
Verify = Callable[[Digests], None]

SMALL = 64 << 10  # bytes; up to here a body is kept in its row
LARGEST = 5 << 30  # bytes; S3's limit of one put and of one part
_BLOCK = 1 << 20


class Intake:
    """Bodies on their way in. Two blocks of 1 MiB of a body are in memory at most; threads hash and write."""

    def __init__(self, files: Files, threads: ThreadPoolExecutor) -> None:
        self._files = files
        self._threads = threads

    async def receive(
        self,
        body: Body,
        digests: Digests,
        verify: Verify,
        *,
        small: int = SMALL,
        key: Key | None = None,
        before_file: Callable[[], Awaitable[Key | None]] | None = None,
    ) -> Content:
        """The content of ``body``, durable if it is in a file. Nothing of it remains where anything fails.

        ``verify`` sees the digests of the complete body and raises to refuse it. ``key`` encrypts it; ``before_file``
        gives the key of a body larger than ``small`` bytes, or raises before that is read to its end.
        """
        async with aclosing(_chunks(body)) as chunks:
            held: list[bytes] = []
            size = 0
            async for chunk in chunks:
                held.append(chunk)
                size += len(chunk)
                if size > small:
                    break
            if size <= small:
                data = b"".join(held)
                digests.update(data)
                verify(digests)
                content = _content(digests, data, ())
                return content if key is None else key.encrypted(content)
            if before_file is not None:
                key = await before_file()
            file = await self._to_file(held, chunks, digests, verify, key)
            content = _content(digests, None, (file,))
            return content if key is None else replace(content, encryption=key.encryption)

    async def _to_file(
        self, held: list[bytes], chunks: AsyncIterator[bytes], digests: Digests, verify: Verify, key: Key | None
    ) -> File:
        begun = self._files.begin()
        incoming = begun if key is None else EncryptedFile(begun, key)
        step: Future[None] | None = None
        try:
            waiting = sum(map(len, held))
            async for chunk in chunks:
                held.append(chunk)
                waiting += len(chunk)
                if waiting >= _BLOCK:
                    if step is not None:
                        await asyncio.wrap_future(step)
                    step = self._threads.submit(_take, incoming, digests, held)
                    held, waiting = [], 0
            if step is not None:
                await asyncio.wrap_future(step)
            step = self._threads.submit(_take, incoming, digests, held)
            await asyncio.wrap_future(step)
            verify(digests)
            step = self._threads.submit(incoming.finish)
            await asyncio.wrap_future(step)
        except BaseException:
            # Nothing is awaited here: whoever cancels us may not wait either.
            if step is None:
                self._threads.submit(incoming.discard)
            else:
                step.add_done_callback(lambda _: self._threads.submit(incoming.discard))
            raise
        return File(incoming.name, digests.size, incoming.data_key)


def _take(incoming: IncomingFile | EncryptedFile, digests: Digests, chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    if digests.size + len(data) > LARGEST:
        raise EntityTooLarge("Your proposed upload exceeds the maximum allowed size", MaxSizeAllowed=str(LARGEST))
    digests.update(data)
    incoming.write(data)


def _content(digests: Digests, body: bytes | None, files: tuple[File, ...]) -> Content:
    checksums = digests.values()
    if checksums:
        checksums["ChecksumType"] = FULL_OBJECT
    return Content(digests.size, digests.etag(), checksums, body, files)


async def _chunks(body: Body) -> AsyncGenerator[bytes, None]:
    if isinstance(body, bytes):
        yield body
    else:
        async for chunk in body:
            yield chunk
