"""Reading bodies: streams of blocks, and the promise that no file is deleted under a reader."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from braketeer.objects.encryption import Key
from braketeer.objects.files import Files, storage_errors
from braketeer.store.objects import File, StoredObject

_BLOCK = 1 << 20
_Block = tuple[File, int, int]


class Readers:
    """Who reads which files. A file that is to go is deleted, in a thread, when its last reader has finished.

    ``shared``: it may have readers in other processes. So it is only dated anew, and the collection of garbage takes
    it once it has found it an hour old and unnamed twice.
    """

    def __init__(self, files: Files, threads: ThreadPoolExecutor, *, shared: bool) -> None:
        self._files = files
        self._threads = threads
        self._shared = shared
        self._lock = threading.Lock()
        self._read: Counter[str] = Counter()
        self._to_go: set[str] = set()
        # Readers end whenever Python lets go of them, in any thread: they may only put something here, nothing else.
        self._ended: queue.SimpleQueue[Sequence[str] | None] = queue.SimpleQueue()
        self._deleter = threading.Thread(target=self._delete_unread, name="objects-delete", daemon=True)
        self._deleter.start()

    async def open(self, stored: StoredObject, key: Key | None) -> OpenObject | None:
        """The object held open for reading, with the key of an encrypted one.

        None when its files are gone, so that it must be looked up again.
        """
        names = [file.name for file in stored.content.files]
        opened = OpenObject(stored, self._files, self._threads, key)
        if names:
            with self._lock:
                if not self._to_go.isdisjoint(names):
                    return None
                self._read.update(names)
            weakref.finalize(opened, self._ended.put, names).atexit = False
            if not await asyncio.wrap_future(self._threads.submit(self._files.exist, names)):
                return None
        return opened

    def delete(self, names: Sequence[str]) -> None:
        """Delete files that nothing names any more, in the background, those being read when that ends."""
        if self._shared and names:
            self._threads.submit(self._files.date_anew, names)
        elif names:
            with self._lock:
                self._to_go.update(names)
            self._ended.put(())

    def close(self) -> None:
        """Delete what can be deleted, then stop."""
        self._ended.put(None)
        self._deleter.join()

    def _delete_unread(self) -> None:
        while (ended := self._ended.get()) is not None:
            with self._lock:
                self._read.subtract(ended)
                for name in ended:
                    if self._read[name] <= 0:
                        del self._read[name]
                free = [name for name in self._to_go if name not in self._read]
            # What cannot be deleted is found again by the collection of garbage.
            with contextlib.suppress(OSError):
                self._files.remove(free)
            with self._lock:
                self._to_go.difference_update(free)


class OpenObject:
    """An object whose bytes stay readable for as long as this, or a stream from it, is held."""

    def __init__(self, stored: StoredObject, files: Files, threads: ThreadPoolExecutor, key: Key | None) -> None:
        self.stored = stored
        self._files = files
        self._threads = threads
        self._key = key

    async def read(self, start: int, length: int) -> bytes | AsyncIterator[bytes]:
        """``length`` bytes from ``start`` on, both within the object: at once if they are few, else as a stream."""
        content = self.stored.content
        if content.body is not None:
            with storage_errors():
                body = content.body if self._key is None else self._key.body(content)
            return body[start : start + length]
        blocks = _blocks(content.files, start, length)
        if length <= _BLOCK:
            pieces = [await asyncio.wrap_future(self._threads.submit(self._block, *block)) for block in blocks]
            return b"".join(pieces)
        return _Stream(self, blocks)

    def submit(self, block: _Block) -> Future[bytes]:
        """Begin to read one block: (file, offset, length)."""
        return self._threads.submit(self._block, *block)

    def _block(self, file: File, offset: int, length: int) -> bytes:
        with storage_errors():
            if self._key is not None:
                return self._key.read(file, offset, length, self._files.read)
            return self._files.read(file.name, offset, length)


class _Stream:
    """Blocks of at most 1 MiB, the next one read while the last is sent. It holds no descriptor between blocks."""

    def __init__(self, opened: OpenObject, blocks: Iterator[_Block]) -> None:
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

    def _submit(self) -> Future[bytes] | None:
        block = next(self._blocks, None)
        return None if block is None or self._opened is None else self._opened.submit(block)


def _blocks(files: Sequence[File], start: int, length: int) -> Iterator[_Block]:
    """(file, offset, length) of the blocks that make up the bytes from ``start`` on."""
    end = start + length
    begins = 0
    for file in files:
        position, last = max(start, begins), min(end, begins + file.size)
        while position < last:
            size = min(_BLOCK, last - position)
            yield file, position - begins, size
            position += size
        begins += file.size
        if begins >= end:
            return
