"""Brings to S3 what a job leaves: its model folder as one archive, its checkpoints file by file."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from braketeer.domain.s3_places import Place
from braketeer.work.job_storage import ObjectRefused, Storage
from braketeer.work.job_trees import Entry, entries, open_file

EVERY_SECONDS = 2.0


def upload_model(request: Mapping[str, Any], models: Sequence[Path], work: Path, storage: Storage) -> list[str]:
    """Store the content of the hosts' model folders, flat, as ``{outputDataConfig.s3Path}/output/model.tar.gz``.

    Nothing is stored where all are empty. Of files of one name the first host's is kept; the names of the others are
    returned. ``work`` is a file to build the archive in.
    """
    content, left_out = merged(models)
    if content:
        pack(content, work)
        place = Place.parse(request["outputDataConfig"]["s3Path"]) / "output/model.tar.gz"
        storage.upload(place, lambda: work.open("rb"))
        work.unlink()
    return left_out


def merged(tops: Sequence[Path]) -> tuple[list[tuple[Path, Entry]], list[str]]:
    """What lies in the folders, each path once, and the paths that were found again."""
    found: dict[str, tuple[Path, Entry]] = {}
    again = []
    for top in tops:
        for entry in entries(top):
            if entry.path not in found:
                found[entry.path] = (top, entry)
            elif not (entry.is_folder and found[entry.path][1].is_folder):
                again.append(entry.path)
    files = {path for path, (_, entry) in found.items() if not entry.is_folder}
    kept = {path: one for path, one in found.items() if not _below(path, files)}
    return list(kept.values()), again + [path for path in found if path not in kept]


def pack(content: Sequence[tuple[Path, Entry]], archive: Path) -> None:
    """Write a gzipped tar of these folders and files. A file that is gone by now is left out."""
    import tarfile  # noqa: PLC0415 - nothing before a job's first line needs it

    with tarfile.open(archive, "w:gz", compresslevel=6) as packed:
        for top, entry in content:
            member = tarfile.TarInfo(entry.path)
            member.mtime = entry.mtime_ns // 1_000_000_000
            if entry.is_folder:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                packed.addfile(member)
                continue
            try:
                descriptor = open_file(top, entry.path)
            except OSError:
                continue
            with os.fdopen(descriptor, "rb") as file:
                member.size, member.mode = os.fstat(descriptor).st_size, entry.mode & 0o755 | 0o600
                packed.addfile(member, file)


def _below(path: str, files: set[str]) -> bool:
    """Whether a path lies below what is a file on another host."""
    parts = path.split("/")
    return any("/".join(parts[:count]) in files for count in range(1, len(parts)))


class Checkpoints:
    """The checkpoint folder and its copy in S3."""

    def __init__(self, folder: Path, uri: str | None) -> None:
        self._folder = folder
        self._place = Place.parse(uri) if uri else None
        self._stored: dict[str, tuple[int, int, int]] = {}
        self._turn = threading.Lock()

    def remember_restored(self) -> None:
        """What lies in the folder now came from S3 and need not go back."""
        self._stored = {entry.path: _version(entry) for entry in entries(self._folder) if not entry.is_folder}

    def sync(self, storage: Storage) -> int:
        """Store every file that has changed; how many. A file that vanishes meanwhile is passed over.

        StorageError where not all could be stored. A file that S3 refuses does not keep the others from it.
        """
        if self._place is None:
            return 0
        stored = 0
        refused: ObjectRefused | None = None
        with self._turn:
            for entry in entries(self._folder):
                if not entry.is_folder and self._stored.get(entry.path) != _version(entry):
                    try:
                        stored += self._store(self._place, entry, storage)
                    except ObjectRefused as problem:
                        refused = refused or problem
        if refused is not None:
            raise refused
        return stored

    def _store(self, place: Place, entry: Entry, storage: Storage) -> bool:
        target = Place(place.bucket, f"{place.key.rstrip('/')}/{entry.path}".lstrip("/"))
        try:
            storage.upload(target, lambda: os.fdopen(open_file(self._folder, entry.path), "rb"))
        except OSError:
            return False
        self._stored[entry.path] = _version(entry)
        return True


class CheckpointThread:
    """Syncs while the script runs, so that what a killed machine loses is seconds of work."""

    def __init__(self, checkpoints: Checkpoints, storage: Callable[[Callable[[], None]], Storage]) -> None:
        self._checkpoints = checkpoints
        self._stopped = threading.Event()
        self._storage = storage(self._go_on)
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the file that is on its way, if any."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_SECONDS):
            with contextlib.suppress(Exception):  # the last sync, after the script, tells of problems
                self._checkpoints.sync(self._storage)

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


class _Stopped(Exception):
    pass


def _version(entry: Entry) -> tuple[int, int, int]:
    return entry.inode, entry.size, entry.mtime_ns
