"""What the requirements.txt files of a job's source ask for, installed by uv into a folder that later jobs share.

The folders ("layers") are an account's own: nobody else's code builds or reads them. One is known by a hash of what was
asked and of the environment it was asked in; it is built aside, renamed when it is whole, and read-only for jobs. uv
runs in the job's sandbox, as building a package may mean running its code. Such code writes below ``packages`` and
``room`` only: it can put no link where the runner writes, nor in the place of what the runner renames.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from braketeer.work import sandbox
from braketeer.work.job_cgroup import ControlGroup
from braketeer.work.job_folder import JobSpec
from braketeer.work.job_trees import bytes_used, entries, read_text

MOST_LAYERS = 20  # of one account; of those that no job uses, the one that was used longest ago goes first
MOST_BYTES = 8 << 30  # of one layer while it is built
MOST_TEXT = 1 << 20  # of one requirements.txt, and of what uv prints
_LOOK_SECONDS = 0.05
_MEASURE_SECONDS = 1.0
_LAST_LINES = 8
_WRITABLE = ("packages", "room")  # by uv, of what a layer is built in


class PackagesError(Exception):
    """The packages cannot be installed. The text is meant for the job's owner."""


@dataclass(frozen=True, slots=True)
class _Places:
    """Folders as uv knows them: by their real names without a sandbox."""

    source: str
    work: str


class Packages:
    """The layers of the account of one job.

    ``say`` takes lines for the job's log. ``check`` is called again and again while uv runs; what it raises ends uv.
    ``watching`` is told its process: it may take what a host's may.
    """

    def __init__(
        self,
        spec: JobSpec,
        group: ControlGroup,
        say: Callable[[list[bytes]], None],
        check: Callable[[], None],
        watching: Callable[[int], AbstractContextManager[object]],
    ) -> None:
        self._spec = spec
        self._group = group
        self._watching = watching
        self._top = Path(spec.layers)
        self._log = say
        self._check = check
        self._deadline = time.monotonic() + spec.install_seconds

    def layer(self, source: Path) -> Path | None:
        """The folder that holds what the files ``requirements.txt`` below ``source`` ask for; None where none is there.

        It stays as long as this process lives. PackagesError where it cannot be had in the time and room there is.
        """
        found = [one for one in entries(source) if not one.is_folder and one.path.endswith("requirements.txt")]
        sizes = {one.path: one.size for one in found if one.path.rpartition("/")[2] == "requirements.txt"}
        if not sizes:
            return None
        if max(sizes.values()) > MOST_TEXT:
            raise PackagesError(f"A requirements.txt has more than {MOST_TEXT >> 20} MiB")
        files = sorted(sizes)
        layer = self._top / _key(self._spec, source, files)
        self._top.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(f"{layer}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # kept until this process ends
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not layer.is_dir():
            self._wait_for_turn(lock)
            if not layer.is_dir():
                self._build(layer, source, files)
            fcntl.flock(lock, fcntl.LOCK_SH)
        with suppress(OSError):
            os.utime(layer)
        return layer

    def _say(self, lines: Sequence[str]) -> None:
        self._log([line.encode(errors="replace") for line in lines])

    def _wait_for_turn(self, lock: int) -> None:
        """Until no other job builds the same layer."""
        fcntl.flock(lock, fcntl.LOCK_UN)
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._look()
                time.sleep(_LOOK_SECONDS)
            else:
                return

    def _build(self, layer: Path, source: Path, files: Sequence[str]) -> None:
        self._make_room()
        work = self._top / f".{os.urandom(16).hex()}"
        for inner in _WRITABLE:
            (work / inner).mkdir(mode=0o755, parents=True)
        try:
            self._install(work, source, files)
            (work / "packages").rename(layer)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _install(self, work: Path, source: Path, files: Sequence[str]) -> None:
        """Nothing that the environment has already, in a version that will do, is installed again."""
        if self._spec.own_network:
            _require_no_options(source, files)
        at = _Places(os.fspath(source), os.fspath(work))
        if self._spec.sandbox != "none":
            at = _Places("/tool/source", "/tool/work")  # where no interpreter is
        asked = [f"{at.source}/{file}" for file in files]
        named = [word for file in asked for word in ("--requirements", file)]
        self._say([f"Installing {', '.join(files)}"])
        options = ["--only-binary", ":all:"] if self._spec.own_network else []
        plan = self._must(work, source, at, "--dry-run", "--break-system-packages", *named, *options)
        new = sorted(filter(None, map(_to_install, plan)))
        self._say(plan)
        if new:
            (work / "new.txt").write_text("".join(f"{one}\n" for one in new))
            target = ["--no-deps", "--link-mode", "copy", "--target", f"{at.work}/packages"]
            self._must(work, source, at, *target, "--requirements", f"{at.work}/new.txt", *options)

    def _must(self, work: Path, source: Path, at: _Places, *words: str) -> list[str]:
        """What ``uv pip install`` says; PackagesError in its words where it fails."""
        code, lines = self._uv(work, source, at, "pip", "install", *words)
        if code != 0:
            self._say(lines)
            told = " ".join(line.strip() for line in lines[-_LAST_LINES:])
            raise PackagesError(f"requirements.txt cannot be installed: {told}")
        return lines

    def _uv(self, work: Path, source: Path, at: _Places, *words: str) -> tuple[int, list[str]]:
        """Run uv; its exit code and what it printed."""
        from uv import find_uv_bin  # noqa: PLC0415 - most jobs need not load it

        spec = self._spec
        argv = [find_uv_bin(), *words, "--python", spec.python, "--no-cache", "--no-progress", "--color", "never"]
        for inner in _WRITABLE:
            sandbox.give_to_nobody(spec.sandbox, work / inner)
        readable = {at.source: source, at.work: work}
        writable = {f"{at.work}/{inner}": work / inner for inner in _WRITABLE}
        command = sandbox.tool_command(spec.sandbox, argv, readable, writable, spec.shown, spec.hidden)
        output = work.with_name(f"{work.name}.out")
        with output.open("w+b") as printed:
            output.unlink()
            process = subprocess.Popen(
                self._group.entering(command),
                env=self._environment(at),
                cwd=source,  # paths in a requirements.txt begin there
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
            try:
                with self._watching(process.pid):
                    self._wait(process, work, printed.fileno())
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            printed.seek(0)
            return process.returncode, printed.read(MOST_TEXT).decode(errors="replace").splitlines()

    def _wait(self, process: subprocess.Popen[bytes], work: Path, printed: int) -> None:
        measured = time.monotonic()
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
                return
            self._look()
            if time.monotonic() - measured > _MEASURE_SECONDS:
                if bytes_used(work) + os.fstat(printed).st_size > MOST_BYTES:
                    raise PackagesError(f"The packages of requirements.txt take more than {MOST_BYTES >> 30} GiB")
                measured = time.monotonic()

    def _look(self) -> None:
        self._check()
        if time.monotonic() > self._deadline:
            raise PackagesError(
                f"The packages of requirements.txt could not be installed in {self._spec.install_seconds:.0f} seconds"
            )

    def _environment(self, at: _Places) -> dict[str, str]:
        usual = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "BRAKETEER_JOB_ID": self._spec.job_id}
        ours = {"HOME": f"{at.work}/room", "TMPDIR": f"{at.work}/room", "UV_PYTHON_DOWNLOADS": "never"}
        return usual | self._spec.install_environment | ours

    def _make_room(self) -> None:
        """Remove layers beyond the most that an account keeps, and what a killed runner has left half built."""
        long_ago = time.time() - self._spec.install_seconds - 3600
        layers = []
        for path in self._top.iterdir():
            if path.name.startswith(".") and path.is_dir() and path.stat().st_mtime < long_ago:
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir() and not path.name.startswith("."):
                layers.append((path.stat().st_mtime, path))
        for _, path in sorted(layers)[: max(0, len(layers) + 1 - MOST_LAYERS)]:
            lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            except BlockingIOError:
                continue  # a job uses it
            finally:
                os.close(lock)


def _key(spec: JobSpec, source: Path, files: Sequence[str]) -> str:
    """Tells apart what was asked, and the environments it was asked in."""
    told = hashlib.sha256(f"{spec.python}\n{spec.sandbox}\n".encode())
    for folder in spec.shown:
        for packages in sorted(Path(folder).glob("lib/python3*/site-packages")):
            told.update(f"{packages} {packages.stat().st_mtime_ns}\n".encode())
    texts = [read_text(source, file, MOST_TEXT) for file in files]
    for file, text in zip(files, texts, strict=True):
        told.update(f"{file}\0{text}\0".encode(errors="replace"))
    if any(map(_names_files, texts)):
        for entry in sorted(entries(source), key=lambda entry: entry.path):
            if not entry.is_folder:
                told.update(f"{entry.path}\0".encode(errors="replace"))
                with (source / entry.path).open("rb") as content:  # unpacked by us: no link is among them
                    told.update(hashlib.file_digest(content, "sha256").digest())
    return told.hexdigest()[:40]


def _require_no_options(source: Path, files: Sequence[str]) -> None:
    """Where jobs have networks of their own, uv has the machine's. PackagesError for what would let a job use that one:
    an option (``--no-binary NAME`` has a package built, which runs its code, whatever uv was told), or an address.
    """
    for file in files:
        for line in map(str.strip, read_text(source, file, MOST_TEXT).lstrip("\ufeff").splitlines()):
            unreadable = "\0" in line or "\ufffd" in line  # uv reads other encodings, too
            if line.startswith("-") or unreadable or ("://" in line and not line.startswith("#")):
                raise PackagesError(
                    f"{file} may name packages, and files of the source, but neither options nor addresses, as jobs "
                    f"have networks of their own here: {line[:100]}"
                )


def _names_files(text: str) -> bool:
    """Whether a requirements.txt may refer to other files of the source: by an option, a path or an address."""
    lines = (line.partition(" #")[0].strip() for line in text.splitlines())
    return any(re.search(r"^-|/|\\|@|\.(whl|zip|gz)\b", line) for line in lines if not line.startswith("#"))


def _to_install(line: str) -> str | None:
    """What a line of a dry run of uv would install: `` + name==1.0`` or `` + name @ address``."""
    found = re.fullmatch(r" \+ (\S+==\S+|\S+ @ \S+)", line)
    return found[1] if found else None
