"""Bounds on a job that no fork bomb outruns: control groups for its number of processes and its cores.

RLIMIT_NPROC binds users, not jobs, and never root; counting from outside comes too late, and a thousand processes
leave no time for whoever counts. Where no control group can be made (not root, or none mounted), the runner falls back
on both.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
from collections.abc import Sequence
from pathlib import Path

# Version 1 has a hierarchy for each controller; in version 2 the root has them all.
_ROOTS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))
_CPU_ROOT = Path("/sys/fs/cgroup/cpu")
_EMPTYING_SECONDS = 5.0
_PERIOD = 100_000  # microseconds, the kernel's default


class ControlGroup:
    """The control group of one job, or nothing where none can be made (``exists`` says which).

    ``most_tasks`` is how many processes and threads together the job may have, ``cpus`` how many cores (0: all).
    """

    def __init__(
        self,
        job_id: str,
        most_tasks: int,
        cpus: int = 0,
        roots: Sequence[Path] = _ROOTS,
        cpu_root: Path = _CPU_ROOT,
    ) -> None:
        name = f"braketeer-{job_id}"
        self._most_tasks = most_tasks
        self._path = next((path for root in roots if (path := _made(root / name, "pids.max", most_tasks))), None)
        # Being in a group of its own is what counts: a group competes for the cores as if it were one process.
        cpu = _made(cpu_root / name, "cpu.shares", 1024) if self._path is not None else None
        self._paths = [path for path in (self._path, cpu) if path is not None]
        self.bounds_cores = bool(cpus) and self._bound_cores(cpu, cpus)

    def _bound_cores(self, cpu: Path | None, cpus: int) -> bool:
        """Whether the job now has no more than so many cores, whichever they are."""
        with contextlib.suppress(OSError):
            if cpu is not None:
                (cpu / "cpu.cfs_quota_us").write_text(str(cpus * _PERIOD))
                return True
            if self._path is not None:
                (self._path / "cpu.max").write_text(f"{cpus * _PERIOD} {_PERIOD}")
                return True
        return False

    @property
    def exists(self) -> bool:
        return self._path is not None

    def entering(self, argv: Sequence[str]) -> list[str]:
        """The command, put into the group before it begins, so that nothing of it is ever outside."""
        if not self._paths:
            return list(argv)
        enter = " && ".join(f"echo $$ > {shlex.quote(os.fspath(path / 'cgroup.procs'))}" for path in self._paths)
        return ["/bin/sh", "-c", f'{enter} && exec "$@"', "sh", *argv]

    def is_full(self) -> bool:
        """Whether the job has as many processes and threads as it may."""
        if self._path is None:
            return False
        try:
            return int((self._path / "pids.current").read_text()) >= self._most_tasks
        except (OSError, ValueError):
            return False

    def remove(self) -> None:
        """End whatever is left in the group, and the group."""
        deadline = time.monotonic() + _EMPTYING_SECONDS
        while self._paths and time.monotonic() < deadline:
            for pid in self._processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._paths = [path for path in self._paths if not _removed(path)]
            if self._paths:
                time.sleep(0.02)  # the killed are not gone yet

    def _processes(self) -> list[int]:
        with contextlib.suppress(OSError):
            return [int(line) for path in self._paths for line in (path / "cgroup.procs").read_text().split()]
        return []


def _made(path: Path, setting: str, value: int) -> Path | None:
    try:
        path.mkdir(exist_ok=True)
    except OSError:
        return None
    try:
        (path / setting).write_text(str(value))
    except OSError:
        _removed(path)
        return None
    return path


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
