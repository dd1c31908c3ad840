"""``braketeer`` and ``aws`` as processes of their own that begin with their imports done.

Either takes Python most of a second to import, and the tests run them hundreds of times. So they are forked from one
process that has the imports and nothing else: each has its own environment, files, signals and exit code, as if typed.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

ROOT = Path(__file__).parent.parent


class ForkedProcess:
    """The part of ``subprocess.Popen`` that tests use."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], stdout: Path, stderr: Path) -> None:
        """``command`` begins with ``braketeer`` or ``aws``; what it prints is appended to the files."""
        how = (list(command), dict(environment), os.fspath(stdout), os.fspath(stderr))
        self._process = _forks().Process(target=_become, args=how, daemon=True)  # daemon: it ends with the tests
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(command: Sequence[str], environment: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` with captured output."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = ForkedProcess(command, environment, out, err)
        try:
            process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(command, process.wait(), _text(out), _text(err))


def _text(path: Path) -> str:
    return path.read_text("utf-8").replace("\r\n", "\n")


@cache
def _forks() -> ForkServerContext:
    """The process to fork from, one for all tests of a worker."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["tests.preloaded"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([os.fspath(ROOT), *([before] if before else [])])  # it begins with that
    multiprocessing.forkserver.ensure_running()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
    return found


def _become(command: list[str], environment: dict[str, str], stdout: str, stderr: str) -> None:
    """In the new process: be the command, until it ends."""
    from tests import preloaded

    os.setsid()
    for number, path in ((1, stdout), (2, stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    sys.exit(preloaded.COMMANDS[command[0]]())
