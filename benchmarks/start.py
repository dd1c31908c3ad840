"""How soon the service is ready, and how much memory it holds when idle."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.figures import Figure, median
from braketeer.cli.service import is_healthy


def measure() -> list[Figure]:
    ready, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):
            before = time.perf_counter()
            # The command itself: the services of tests are forked from a process that has loaded everything.
            command = [str(Path(sys.executable).with_name("braketeer")), "serve", "--data-dir", folder, "--port", "0"]
            with (Path(folder) / "service.log").open("a") as log:
                process = subprocess.Popen([*command, "--stop-jobs"], stdout=log, stderr=log, env=os.environ)
            try:
                _wait_until_ready(process, Path(folder))
                ready.append(time.perf_counter() - before)
                time.sleep(3)  # workers and libraries have warmed up
                memory.append(psutil.Process(process.pid).memory_info().rss / 2**20)
            finally:
                process.terminate()
                process.wait(60)
    return [
        Figure("service ready, from its process start", median(ready), "s", 2),
        Figure("memory of the idle service without its workers", median(memory), "MiB", 200),
    ]


def _wait_until_ready(process: subprocess.Popen[bytes], data_dir: Path) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            document = json.loads((data_dir / "service.json").read_text())
            if document["pid"] == process.pid and is_healthy(document["endpoint"]):
                return
        time.sleep(0.01)
    raise RuntimeError((data_dir / "service.log").read_text())
