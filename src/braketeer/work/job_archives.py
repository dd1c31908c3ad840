"""Unpacks archives that nobody trusts, before any sandbox stands around them.

Only folders and plain files are ever made, all below the target. A link inside an archive becomes a copy of the file it
points to, if that file is in the archive too; so no link exists that a later member could be written through.
"""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import tarfile

MOST_MEMBERS = 100_000
LONGEST_PATH = 1024
DEEPEST_PATH = 64
_CHUNK = 1 << 20
_MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04", b"PK\x05\x06")


class BadArchive(Exception):
    """The archive cannot be unpacked, or must not be. The text is meant for the job's owner."""


def is_archive(path: Path) -> bool:
    """Whether the file begins like a zip or a tar archive, compressed or not."""
    with path.open("rb") as file:
        head = file.read(512)
    return head.startswith(_MAGIC) or head[257:262] == b"ustar"


def unpack(archive: Path, target: Path, most_bytes: int) -> None:
    """Unpack a zip or tar archive (plain, gzip, bzip2, xz) into the folder ``target``.

    BadArchive where it is none, is damaged, has absolute or parent paths, links that leave it, devices, more than
    100,000 members, or more than ``most_bytes`` bytes once unpacked. What was unpacked until then stays.
    """
    import lzma  # noqa: PLC0415 - a plain script need not wait for these
    import tarfile  # noqa: PLC0415
    import zipfile  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    budget = _Budget(most_bytes)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, target, budget)
        else:
            _unpack_tar(archive, target, budget)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as problem:
        raise BadArchive(f"it cannot be read: {problem}") from problem
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as problem:
        raise BadArchive(f"'{problem.filename}' is in it both as a file and as a folder") from problem
    except (OSError, ValueError) as problem:
        raise BadArchive(f"it cannot be unpacked: {problem}") from problem


@dataclass(slots=True)
class _Budget:
    """What an archive may still cost."""

    bytes_left: int
    members_left: int = MOST_MEMBERS

    def member(self) -> None:
        self.members_left -= 1
        if self.members_left < 0:
            raise BadArchive(f"it has more than {MOST_MEMBERS:,} members")

    def copy(self, source: IO[bytes], destination: Path) -> None:
        """Copy to a new file what really comes out of the archive, whatever its header claims."""
        destination.parent.mkdir(parents=True, exist_ok=True)
        with destination.open("wb") as file:
            while chunk := source.read(_CHUNK):
                self.bytes_left -= len(chunk)
                if self.bytes_left < 0:
                    raise BadArchive("it unpacks to more than the job's volume may hold")
                file.write(chunk)


def _unpack_tar(archive: Path, target: Path, budget: _Budget) -> None:
    import tarfile  # noqa: PLC0415

    links: list[tuple[str, str]] = []
    with tarfile.open(archive, "r:*") as opened:
        for member in _members(opened, budget):
            path = _checked(member.name)
            if member.isdir():
                (target / path).mkdir(parents=True, exist_ok=True)
            elif member.isreg():
                source = opened.extractfile(member)
                if source is None:
                    raise BadArchive(f"'{member.name}' has no content")
                budget.copy(source, target / path)
                (target / path).chmod(0o755 if member.mode & 0o100 else 0o644)
            elif member.issym():
                links.append((path, _inside(posixpath.join(posixpath.dirname(path), member.linkname), member.name)))
            elif member.islnk():
                links.append((path, _inside(member.linkname, member.name)))
            else:
                raise BadArchive(f"'{member.name}' is a device or a pipe")
    _copy_links(links, target, budget)


def _members(opened: tarfile.TarFile, budget: _Budget) -> Iterator[tarfile.TarInfo]:
    while (member := opened.next()) is not None:
        budget.member()
        yield member


def _unpack_zip(archive: Path, target: Path, budget: _Budget) -> None:
    import zipfile  # noqa: PLC0415

    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            budget.member()
            path = _checked(member.filename)
            mode = member.external_attr >> 16
            if mode & 0o170000 == 0o120000:
                raise BadArchive(f"'{member.filename}' is a link")
            if member.is_dir():
                (target / path).mkdir(parents=True, exist_ok=True)
                continue
            with opened.open(member) as source:
                budget.copy(source, target / path)
            (target / path).chmod(0o755 if mode & 0o100 else 0o644)


def _copy_links(links: list[tuple[str, str]], target: Path, budget: _Budget) -> None:
    """Put a copy in place of each link. Links to links are resolved in as many rounds as it takes."""
    while links:
        waiting = []
        for path, linked in links:
            if not (target / linked).is_file():
                waiting.append((path, linked))
                continue
            with (target / linked).open("rb") as source:
                budget.copy(source, target / path)
            shutil.copymode(target / linked, target / path)
        if len(waiting) == len(links):
            raise BadArchive(f"'{waiting[0][0]}' is a link to '{waiting[0][1]}', which is no file of the archive")
        links = waiting


def _checked(name: str) -> str:
    """A member's path below the target, or BadArchive."""
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        raise BadArchive(f"'{_short(name)}' is an absolute path")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise BadArchive(f"'{_short(name)}' leads out of it")
    if len(name) > LONGEST_PATH or len(parts) > DEEPEST_PATH or "\0" in name:
        raise BadArchive(f"'{_short(name)}' is too long or too deep a path")
    return "/".join(parts)


def _inside(linked: str, name: str) -> str:
    normal = posixpath.normpath(linked)
    if normal.startswith("/") or normal.split("/")[0] == "..":
        raise BadArchive(f"'{_short(name)}' is a link that leads out of it")
    return normal


def _short(name: str) -> str:
    return name if len(name) <= 100 else name[:97] + "..."
