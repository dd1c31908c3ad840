"""Reads folders that a job may still be writing, or has filled with traps.

A runner is trusted and sees the service's files; a job is not and does not. So a runner never follows a link that a
job has made: every folder is opened relative to the descriptor of the one above, and every file without following.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEEPEST = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe would wait for its writer


@dataclass(frozen=True, slots=True)
class Entry:
    """A plain file or a folder below a tree's top, by its path there."""

    path: str
    is_folder: bool
    size: int
    mtime_ns: int
    inode: int
    mode: int


def entries(top: Path) -> Iterator[Entry]:
    """Folders and plain files below ``top``, folders before what is in them. Links, pipes, sockets are passed over."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            folder = _open_folder(top, below)
        except OSError:
            continue
        try:
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - a descriptor, not a path
                try:
                    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                path = f"{below}/{name}" if below else name
                is_folder = stat.S_ISDIR(found.st_mode)
                if is_folder or stat.S_ISREG(found.st_mode):
                    mode = stat.S_IMODE(found.st_mode)
                    yield Entry(path, is_folder, found.st_size, found.st_mtime_ns, found.st_ino, mode)
                if is_folder and path.count("/") < DEEPEST:
                    waiting.append(path)
        finally:
            os.close(folder)


def open_file(top: Path, path: str) -> int:
    """A descriptor of the plain file at ``path`` below ``top``; OSError where it is anything else."""
    below, _, name = path.rpartition("/")
    folder = _open_folder(top, below)
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return descriptor


def read_text(top: Path, path: str, most: int) -> str:
    """The first ``most`` bytes of a file as text, "" where there is none."""
    try:
        descriptor = open_file(top, path)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most).decode(errors="replace")


def bytes_used(top: Path) -> int:
    """What the tree takes on the disk, as ``du`` counts."""
    total = 0
    waiting = [os.fspath(top)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return total


def _open_folder(top: Path, below: str) -> int:
    descriptor = os.open(top, _FOLDER)
    for name in below.split("/") if below else ():
        try:
            inner = os.open(name, _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor
