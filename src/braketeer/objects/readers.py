"""Reading bodies: streams of blocks, and the promise that no file is deleted under a reader."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from braketeer.objects.files import Files, storage_errors
from braketeer.store.objects import File, StoredObject

_BLOCK = 1 << 20


class Readers:
    """Who reads which files. A file that is to go is deleted when its last reader has finished."""

    def __init__(self, files: Files, threads: ThreadPoolExecutor) -> None:
        self._files = files
        self._threads = threads
        # Re-entrant, because the garbage collector may let go of a reader at any point.
        self._lock = threading.RLock()
        self._read: Counter[str] = Counter()
        self._to_go: set[str] = set()

    async def open(self, stored: StoredObject) -> OpenObject | None:
        """The object held open for reading; None when its files are gone, so that it must be looked up again."""
        names = [file.name for file in stored.content.files]
        opened = OpenObject(stored, self._files, self._threads)
        if names:
            with self._lock:
                if not self._to_go.isdisjoint(names):
                    return None
                self._read.update(names)
            weakref.finalize(opened, self._let_go, names).atexit = False
            if not await asyncio.wrap_future(self._threads.submit(self._files.exist, names)):
                return None
        return opened

    def delete(self, names: Iterable[str]) -> None:
        """Delete files that nothing names any more, in the background, those being read when that ends."""
        going = list(names)
        with self._lock:
            self._to_go.update(going)
            free = [name for name in going if name not in self._read]
        self._delete_now(free)

    def _let_go(self, names: Sequence[str]) -> None:
        with self._lock:
            self._read.subtract(names)
            for name in names:
                if self._read[name] <= 0:
                    del self._read[name]
            free = [name for name in names if name in self._to_go and name not in self._read]
        self._delete_now(free)

    def _delete_now(self, names: list[str]) -> None:
        if names:
            with contextlib.suppress(RuntimeError):  # the service has stopped: garbage for the next start
                self._threads.submit(self._remove, names)

    def _remove(self, names: list[str]) -> None:
        try:
            self._files.remove(names)
        finally:
            # What could not be deleted is found again by the collection of garbage.
            with self._lock:
                self._to_go.difference_update(names)


class OpenObject:
    """An object whose bytes stay readable for as long as this, or a stream from it, is held."""

    def __init__(self, stored: StoredObject, files: Files, threads: ThreadPoolExecutor) -> None:
        self.stored = stored
        self._files = files
        self._threads = threads

    async def read(self, start: int, length: int) -> bytes | AsyncIterator[bytes]:
        """``length`` bytes from ``start`` on, both within the object: at once if they are few, else as a stream."""
        content = self.stored.content
        if content.body is not None:
            return content.body[start : start + length]
        blocks = _blocks(content.files, start, length)
        if length <= _BLOCK:
            pieces = [await asyncio.wrap_future(self._threads.submit(self._block, *block)) for block in blocks]
            return b"".join(pieces)
        return _Stream(self, blocks)

    def submit(self, block: tuple[str, int, int]) -> Future[bytes]:
        """Begin to read one block: (file, offset, length)."""
        return self._threads.submit(self._block, *block)

    def _block(self, name: str, offset: int, length: int) -> bytes:
        with storage_errors():
            return self._files.read(name, offset, length)


class _Stream:
    """Blocks of at most 1 MiB, the next one read while the last is sent. It holds no descriptor between blocks."""

    def __init__(self, opened: OpenObject, blocks: Iterator[tuple[str, int, int]]) -> None:
        self._opened: OpenObject | None = opened
        self._blocks = blocks
        self._next: Future[bytes] | None = None

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> bytes:
        ahead = self._next or self._submit()
        if ahead is None:
            self._opened = None
            raise StopAsyncIteration
        data = await asyncio.wrap_future(ahead)
        self._next = self._submit()
        return data

    async def aclose(self) -> None:
        self._opened = self._next = None

    def _submit(self) -> Future[bytes] | None:
        block = next(self._blocks, None)
        return None if block is None or self._opened is None else self._opened.submit(block)


def _blocks(files: Sequence[File], start: int, length: int) -> Iterator[tuple[str, int, int]]:
    """(file, offset, length) of the blocks that make up the bytes from ``start`` on."""
    end = start + length
    begins = 0
    for file in files:
        position, last = max(start, begins), min(end, begins + file.size)
        while position < last:
            size = min(_BLOCK, last - position)
            yield file.name, position - begins, size
            position += size
        begins += file.size
        if begins >= end:
            return
