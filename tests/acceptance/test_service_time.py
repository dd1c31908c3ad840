"""A virtual clock: what goes by service time follows its jumps, and what goes by real time does not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from braketeer.cli.problems import Problem
from tests.services import GARNET, RunningService, running, until


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    with running(folder, "--clock", "virtual", BRAKETEER_JOB_GRACE_SECONDS="1") as service:
        yield service


def command(service: RunningService, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = ("--data-dir", str(service.data_dir), "--port", str(service.port))
    line = [sys.executable, "-m", "braketeer", *arguments, *where]
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=60)


def clock(service: RunningService, *arguments: str) -> dict[str, Any]:
    done = command(service, "clock", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_jump_is_in_what_is_created_after_it_and_signatures_still_hold(service: RunningService) -> None:
    before = service.wait_for_task(service.create_task())
    ahead = clock(service, "advance", "1h30m")["ahead_ms"] - clock(service, "now")["ahead_ms"]
    assert ahead == 0
    after = service.wait_for_task(service.create_task())
    assert timedelta(minutes=89) < after["createdAt"] - before["createdAt"] < timedelta(minutes=100)
    ended = service.result(after)["taskMetadata"]["endedAt"]
    assert ended.startswith(f"{after['endedAt']:%Y-%m-%dT%H:}")


def test_a_job_whose_time_was_jumped_over_is_stopped(service: RunningService) -> None:
    script = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"
    arn = service.create_job(script, name="sleeper", stoppingCondition={"maxRuntimeInSeconds": 7200})
    until(lambda: service.job_log(arn), lambda lines: "begun" in lines)
    clock(service, "advance", "1h")
    assert service.client("braket").get_job(jobArn=arn)["status"] == "RUNNING"
    clock(service, "advance", "61m")
    job = service.wait_for_job(arn)
    assert job["status"] == "FAILED"
    assert "MAX_RUNTIME_EXCEEDED" in [event["eventType"] for event in job["events"]]
    assert job["endedAt"] - job["startedAt"] > timedelta(hours=2)


def test_jumps_at_once_all_count(service: RunningService) -> None:
    before = clock(service, "now")["ahead_ms"]
    lines = [
        [sys.executable, "-m", "braketeer", "clock", "advance", "10s", "--data-dir", str(service.data_dir)]
        for _ in range(3)
    ]
    for running_command in [subprocess.Popen(line, stdout=subprocess.DEVNULL) for line in lines]:
        assert running_command.wait(60) == 0
    assert clock(service, "now")["ahead_ms"] == before + 30_000


def test_announced_maintenance(service: RunningService) -> None:
    """What runs as it begins goes on, what is queued waits for its end, and no more is taken."""
    call, here, there = service.access.call, service.client("braket"), service.client("braket", "eu-north-1")
    now = datetime.fromisoformat(call("GET", "clock")["now"])
    start, end = now + timedelta(hours=1), now + timedelta(hours=2)
    span = f"{start:%Y-%m-%dT%H:%M:%S}.000Z to {end:%Y-%m-%dT%H:%M:%S}.000Z"
    times = [f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in (start, end)]
    told = command(service, "device", "maintenance", "Garnet", "--start", times[0], "--end", times[1])
    assert told.stdout == f"{GARNET}: {span}\n", told.stderr
    assert span in command(service, "device", "show", "Garnet").stdout
    assert span in command(service, "queue", GARNET).stdout
    call("POST", "faults", {"delay_ms": 3000, "device": GARNET, "next": 1})
    create = partial(service.create_task, deviceArn=GARNET)
    runs, waits = create(), create()
    until(lambda: here.get_quantum_task(quantumTaskArn=runs)["status"], "RUNNING".__eq__)
    call("POST", "clock/advance", {"milliseconds": 3_600_000})
    assert there.get_device(deviceArn=GARNET)["deviceStatus"] == "OFFLINE"
    with pytest.raises(ClientError, match="is offline") as refused:
        create()
    assert refused.value.response["Error"]["Code"] == "DeviceOfflineException"
    assert service.wait_for_task(runs)["status"] == "COMPLETED"
    (reason,) = call("GET", f"why/{quote(waits, safe='')}")["reasons"]
    assert (reason["rule"], reason["until"]) == ("device-offline", span[-24:])
    call("POST", "clock/advance", {"milliseconds": 3_600_000})
    assert service.wait_for_task(waits)["status"] == "COMPLETED"

    def statuses() -> list[str]:
        events = call("GET", "events?limit=1000")["events"]
        return [event["detail"]["deviceStatus"] for event in events if event["resources"] == [GARNET]]

    assert until(statuses, lambda found: len(found) == 2) == ["OFFLINE", "ONLINE"]


def test_maintenance_is_taken_back(service: RunningService) -> None:
    path = f"devices/{quote(GARNET, safe='')}"
    window = {"start": "2026-01-01", "end": "2099-01-01T00:00:00+01:00"}
    announced = service.access.call("PUT", f"{path}/maintenance", window)
    assert (announced["status"], announced["offline_until"]) == ("OFFLINE", "2098-12-31T23:00:00.000Z")
    assert command(service, "device", "maintenance", "Garnet", "--cancel").stdout == f"{GARNET}: no maintenance\n"
    assert service.access.call("GET", path)["status"] == "ONLINE"
    for wrong in ({"start": "2098-01-01", "end": "2098-01-01"}, {"start": "2020-01-01", "end": "2020-01-02"}, {}):
        with pytest.raises(Problem, match=r"Maintenance ends after|'start' must be"):
            service.access.call("PUT", f"{path}/maintenance", wrong)
    for words in ([], ["--start", "2098-01-01"], ["--cancel", "--end", "2098-01-01"]):
        assert command(service, "device", "maintenance", "Garnet", *words).returncode == 2


@pytest.mark.parametrize(
    ("span", "says"),
    [("-1h", "No such option"), ("soon", "is not a span of time"), ("9999w", "beyond the year 2100")],
)
def test_what_is_no_jump_forward_is_refused(service: RunningService, span: str, says: str) -> None:
    refused = command(service, "clock", "advance", span)
    assert refused.returncode in (1, 2)
    assert says in refused.stderr


def test_service_time_survives_a_kill_and_never_goes_back(tmp_path: Path) -> None:
    service = RunningService(tmp_path, ("--clock", "virtual")).start()
    try:
        clock(service, "advance", "5d")
        service.kill()
        service.start()
        assert clock(service, "now")["ahead_ms"] == 5 * 86_400_000
        service.stop()
        refused = subprocess.run(
            [sys.executable, "-m", "braketeer", "serve", "--data-dir", str(tmp_path), "--port", "0"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert refused.returncode == 1
        assert "cannot go back: start the service with --clock virtual" in refused.stderr
    finally:
        if service.process is not None and service.process.poll() is None:
            service.stop()


def test_a_real_clock_cannot_be_advanced(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        assert clock(service, "now")["clock"] == "real"
        refused = command(service, "clock", "advance", "1h")
        assert refused.returncode == 1
        assert "start the service with --clock virtual to advance it" in refused.stderr
