"""From CreateJob to the first line that the user's script prints."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, median
from tests.services import running

SCRIPT = "import time\nprint('first line at', time.time())\n"


def measure() -> list[Figure]:
    found = []
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        for _ in range(8):
            arn = service.create_job(SCRIPT)
            job = service.wait_for_job(arn)
            line = next(line for line in service.job_log(arn) if line.startswith("first line at"))
            started = float(re.findall(r"[\d.]+", line)[0])
            found.append((started - job["createdAt"].timestamp()) * 1000)
        sandbox = _sandbox(service.access.endpoint)
    return [Figure("CreateJob to the first line of its script, p50", median(found), "ms", note=f"sandbox: {sandbox}")]


def _sandbox(endpoint: str) -> str:
    from braketeer.cli.service import is_healthy

    return str((is_healthy(endpoint) or {}).get("sandbox"))
