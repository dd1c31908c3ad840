"""Watches over a running job: what it takes of the machine, and whether its service is still there."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from braketeer.work.job_cgroup import ControlGroup
from braketeer.work.job_folder import JobFolder, JobSpec
from braketeer.work.job_trees import bytes_used

if TYPE_CHECKING:
    import psutil

MEMORY_EVERY_SECONDS = 0.5
DISK_EVERY_SECONDS = 2.0


class Watchdog:
    """A thread that looks regularly; ``verdict`` is why the job must end, or None."""

    def __init__(self, folder: Path, spec: JobSpec, group: ControlGroup) -> None:
        self._group = group
        self.verdict: str | None = None
        self._folder = folder
        self._memory_bytes = spec.memory_bytes
        self._host_memory_bytes = spec.host_memory_bytes or spec.memory_bytes
        self._disk_bytes = spec.disk_bytes
        self._most_processes = spec.most_processes * spec.host_count
        self._processes: list[int] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def watch_process(self, pid: int) -> None:
        """From now on this process, of one host, and all below it count."""
        self._processes = [*self._processes, pid]

    @contextlib.contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        """Until the end of the block this process counts as a host's does."""
        self.watch_process(pid)
        try:
            yield
        finally:
            self._processes = [other for other in self._processes if other != pid]

    def stop(self) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        disk_due = 0.0
        while self.verdict is None and not self._stopped.wait(MEMORY_EVERY_SECONDS):
            if self._processes:
                self.verdict = self._memory_verdict()
            if self.verdict is None and time.monotonic() >= disk_due:
                started = time.monotonic()
                self.verdict = self._disk_verdict()
                # A huge tree takes long to count: spend at most a twentieth of the time on it.
                disk_due = time.monotonic() + max(DISK_EVERY_SECONDS, 20 * (time.monotonic() - started))

    def _memory_verdict(self) -> str | None:
        if self._group.is_full():
            return f"The job had more than {self._most_processes} processes and threads"
        if not self._may_be_too_much():
            return None
        trees = [_tree(pid) for pid in self._processes]
        if sum(map(len, trees)) > self._most_processes:
            return f"The job had more than {self._most_processes} processes"
        for tree in trees:
            if _is_more(tree, self._host_memory_bytes):
                return f"The job's processes used more than {_gib(self._host_memory_bytes)} of memory"
        if len(trees) > 1 and _is_more([process for tree in trees for process in tree], self._memory_bytes):
            return f"The processes of the job's hosts used more than {_gib(self._memory_bytes)} of memory together"
        return None

    def _may_be_too_much(self) -> bool:
        """A look at the whole machine, which is cheap: a job cannot have more than all processes together."""
        import psutil  # noqa: PLC0415

        memory = psutil.virtual_memory()
        if memory.total - memory.available > self._host_memory_bytes:
            return True
        try:
            threads = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
        except (OSError, ValueError, IndexError):
            return True
        return threads > self._most_processes

    def _disk_verdict(self) -> str | None:
        if bytes_used(self._folder) <= self._disk_bytes:
            return None
        return f"The job's files took more than {_gib(self._disk_bytes)} (volumeSizeInGb)"


class ServiceWatch:
    """Notices a service that stays away: the heartbeat file beside the job folders no longer changes.

    Waiting is counted by the monotonic clock, which stands still while a machine sleeps.
    """

    def __init__(self, folder: JobFolder, patience_seconds: float) -> None:
        self._folder = folder
        self._patience_seconds = patience_seconds
        self._last_beat: int | None = None
        self._heard_at = time.monotonic()

    def problem(self) -> str | None:
        """Why nobody can want this job's results any more, or None."""
        if not self._folder.path.is_dir():
            return "The job's folder is gone"
        try:
            beat = self._folder.heartbeat.stat().st_mtime_ns
        except FileNotFoundError:
            beat = None
        if beat != self._last_beat:
            self._last_beat, self._heard_at = beat, time.monotonic()
        if time.monotonic() - self._heard_at > self._patience_seconds:
            return f"The service was away for more than {self._patience_seconds:.0f} seconds"
        return None


def _tree(pid: int) -> list[psutil.Process]:
    """A process and all below it; none where it has ended."""
    import psutil  # noqa: PLC0415 - loading it would delay every job's first line

    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _is_more(processes: list[psutil.Process], most_bytes: int) -> bool:
    return _sum(processes, shared=True) > most_bytes and _sum(processes, shared=False) > most_bytes


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _sum(tree: list[psutil.Process], *, shared: bool) -> int:
    """Memory of the processes: resident (pages that several share count for each), or each page once (slower)."""
    import psutil  # noqa: PLC0415

    total = 0
    for process in tree:
        try:
            total += process.memory_info().rss if shared else _proportional(process)
        except psutil.Error:
            continue
    return total


def _proportional(process: psutil.Process) -> int:
    full = process.memory_full_info()
    return int(getattr(full, "pss", full.rss))
