"""All that Braket's clients and tools do with S3, checked by a tool of its own, and again after ``kill -9``."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.services import RunningService, running, until

TOOL = Path(__file__).parent.parent / "data" / "s3check" / "s3check.py"
CHECKS = 62
# Some machines do not resolve bucket.localhost: this does, and then runs the tool.
RESOLVING = """
import runpy, socket, sys
resolve = socket.getaddrinfo
def local(host, *more, **named):
    return resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *more, **named)
socket.getaddrinfo = local
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def check(service: RunningService, outcome: Path, *options: str) -> list[dict[str, Any]]:
    """What each check has found."""
    done = subprocess.run(
        [sys.executable, "-c", RESOLVING, str(TOOL), "--keep", "--json", str(outcome), *options],
        env=service.access.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert outcome.exists(), done.stderr
    found: list[dict[str, Any]] = json.loads(outcome.read_text())
    return found


def everything(service: RunningService) -> dict[str, list[tuple[str, str, int]]]:
    """Every object of every bucket: key, ETag, size."""
    with closing(service.client("s3")) as s3:
        return {
            bucket["Name"]: [
                (item["Key"], item["ETag"], item["Size"])
                for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
                for item in page.get("Contents", [])
            ]
            for bucket in s3.list_buckets()["Buckets"]
        }


def test_every_check_passes_and_again_after_kill_9(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    with running(data_dir) as service:
        first = check(service, tmp_path / "first.json")
        assert [one for one in first if not one["passed"]] == []
        assert len(first) == CHECKS
        before = everything(service)
        service.kill()
        service.start()
        assert everything(service) == before
        second = check(service, tmp_path / "second.json")
        assert [one for one in second if not one["passed"]] == []
        assert len(second) == CHECKS


def test_buckets_in_the_name_of_a_public_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--public-url`` is a name of the service too: ``bucket.braketeer.example`` is that bucket."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *more, **named: resolve("127.0.0.1", *more, **named))
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://braketeer.example:{port}"
    with running(tmp_path, "--public-url", url, "--port", str(port)) as service:
        for base in (url, f"http://localhost:{port}"):
            with closing(service.client("s3", endpoint_url=base, config={"s3": {"addressing_style": "virtual"}})) as s3:
                s3.create_bucket(Bucket="in-the-name")
                s3.put_object(Bucket="in-the-name", Key="a b/ü", Body=b"content")
                assert s3.get_object(Bucket="in-the-name", Key="a b/ü")["Body"].read() == b"content"
                assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["in-the-name"]


def test_lifecycle_rules_are_carried_out(tmp_path: Path) -> None:
    """By housekeeping, whose first round is at the start."""
    with running(tmp_path) as service, closing(service.client("s3")) as s3:
        s3.create_bucket(Bucket="ruled")
        for key in ("tmp/a", "tmp/b", "kept"):
            s3.put_object(Bucket="ruled", Key=key, Body=key.encode())
        rule = {
            "Status": "Enabled",
            "Filter": {"Prefix": "tmp/"},
            "Expiration": {"Date": datetime(2020, 1, 1, tzinfo=UTC)},
        }
        s3.put_bucket_lifecycle_configuration(Bucket="ruled", LifecycleConfiguration={"Rules": [rule]})
        service.stop()
        service.start()
        until(lambda: [item["Key"] for item in s3.list_objects_v2(Bucket="ruled")["Contents"]], lambda k: k == ["kept"])
