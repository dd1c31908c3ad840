"""How soon the service is ready, and how much memory it holds when idle."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.figures import Figure, median
from tests.services import RunningService


def measure() -> list[Figure]:
    ready, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        service = RunningService(Path(folder), ("--stop-jobs",))
        for _ in range(5):
            before = time.perf_counter()
            service.start()
            ready.append(time.perf_counter() - before)
            time.sleep(3)  # workers and libraries have warmed up
            memory.append(psutil.Process(service.process.pid).memory_info().rss / 2**20)
            service.stop()
    return [
        Figure("service ready, from its process start", median(ready), "s", 2),
        Figure("memory of the idle service without its workers", median(memory), "MiB", 200),
    ]
