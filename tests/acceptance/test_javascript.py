"""The AWS SDK for JavaScript under Node, pinned by its lock: all Braket operations, and what programs do with S3."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.services import ROLE, RunningService

HERE = Path(__file__).parent / "javascript"
NODE = shutil.which("node")
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="there is no node on this machine"),
    pytest.mark.skipif(not (HERE / "node_modules").is_dir(), reason=f"`npm ci` has not been run in {HERE.name}/"),
]


def run(service: RunningService, script: str, **environment: str) -> None:
    done = subprocess.run(
        [NODE or "", "--test", "--test-concurrency=1", script],
        cwd=HERE,
        env=service.access.environment() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "# fail 0" in done.stdout, done.stdout[-4000:]


def test_every_braket_operation(service: RunningService) -> None:
    s3 = service.client("s3")
    s3.create_bucket(Bucket="javascript")
    s3.put_object(Bucket="javascript", Key="script.py", Body=b"print('ran')\n")
    run(service, "braket.test.js", BUCKET="javascript", ROLE=ROLE, SCRIPT="s3://javascript/script.py")


def test_s3(service: RunningService) -> None:
    run(service, "s3.test.js", BUCKET="javascript-s3")
