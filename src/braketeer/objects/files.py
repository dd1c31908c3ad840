"""The folder of immutable files: how bytes get there durably, and how they are read.

A file is written under ``incoming/``, flushed to the disk, and renamed into one of 256 folders by its random name. What
a client calls its object never becomes part of a path.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from braketeer.domain.errors import ServiceUnavailableException
from braketeer.domain.s3_errors import InsufficientStorage

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Files:
    """The files of a folder. Every method touches the disk: call them in a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        for number in range(256):
            (folder / f"{number:02x}").mkdir(exist_ok=True)
        sync_folder(folder)
        sync_folder(folder.parent)

    def begin(self) -> IncomingFile:
        """A new file to write to. Nobody can read it before it is finished."""
        name = secrets.token_hex(16)
        return IncomingFile(name, self._incoming / name, self.path(name))

    def path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def exist(self, names: Iterable[str]) -> bool:
        """Whether all of them are there."""
        return all(self.path(name).exists() for name in names)

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset`` on; OSError where the file has not got them."""
        with self.path(name).open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        if len(data) != length:
            raise OSError(errno.EIO, f"{length} bytes wanted, {len(data)} there", str(self.path(name)))
        return data

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def date_anew(self, names: Iterable[str]) -> None:
        """Let files count as written just now."""
        for name in names:
            with contextlib.suppress(OSError):
                os.utime(self.path(name))

    def older_than(self, seconds: float) -> Iterator[list[str]]:
        """Names of finished files that were written longer ago (real time), a folder at a time."""
        for number in range(256):
            names = [path.name for path in _older(self.folder / f"{number:02x}", seconds)]
            if names:
                yield names

    def remove_incoming(self, older_than_seconds: float) -> int:
        """Delete what was begun and given up (by a crash): files nobody has written to for that long."""
        paths = list(_older(self._incoming, older_than_seconds))
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)


class IncomingFile:
    """A file while it is written. Then ``finish`` makes it durable, or ``discard`` makes it vanish."""

    def __init__(self, name: str, temporary: Path, final: Path) -> None:
        self.name = name
        self.data_key: bytes | None = None  # these bytes are stored as they are
        self._temporary = temporary
        self._final = final
        self._descriptor: int | None = None

    def write(self, data: bytes) -> None:
        """Append; the first call, even with nothing to write, makes the file."""
        view = memoryview(data)
        with storage_errors():
            if self._descriptor is None:
                self._descriptor = os.open(self._temporary, _NEW_FILE, 0o600)
            while view:
                written = os.write(self._descriptor, view)
                view = view[written:]

    def finish(self) -> None:
        """The file is on disk under its name when this returns: its bytes, and its entry in the folder."""
        with storage_errors():
            if self._descriptor is not None:
                os.fsync(self._descriptor)
            self._close()
            self._temporary.rename(self._final)
            sync_folder(self._final.parent)

    def discard(self) -> None:
        self._close()
        self._temporary.unlink(missing_ok=True)
        self._final.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Errors of the disk as answers: InsufficientStorage (507) when it is full, else ServiceUnavailable (503)."""
    try:
        yield
    except OSError as problem:
        if problem.errno in _FULL:
            raise InsufficientStorage(f"The object cannot be stored: {problem.strerror}") from problem
        raise ServiceUnavailableException(
            f"The object storage does not answer: {problem.strerror}", code="ServiceUnavailable"
        ) from problem


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _older(folder: Path, seconds: float) -> Iterator[Path]:
    limit = time.time() - seconds
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime <= limit:
                    yield Path(entry.path)
