"""Killed services, killed runners: jobs go on or end truthfully, and no log line is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from braketeer.work import sandbox
from braketeer.work.job_folder import JobFolder
from tests.integration.job_host import BUCKET, JobHost, until

COUNT = """
import os, time
from pathlib import Path
checkpoints = Path(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"])
n = 0
while not (checkpoints / "stop").exists() and n < {last}:
    print("count", n, flush=True)
    (checkpoints / "next").write_text(str(n))
    (checkpoints / "next").rename(checkpoints / "at")
    n += 1
    time.sleep(0.005)
print("counted to", n, flush=True)
Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "n").write_text(str(n))
"""


class KillableHost:
    """The job host as a process, and a view of its rows from here."""

    def __init__(self, folder: Path, sandbox_name: str, patience_seconds: float) -> None:
        self.folder = folder
        self.options = (sandbox_name, str(patience_seconds))
        self.port = 0
        self.start()

    def start(self) -> None:
        program = [sys.executable, "-m", "tests.integration.job_host"]
        command = [*program, str(self.folder), str(self.port), *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        self.process.stdout.close()
        assert url
        self.port = int(url.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


both_sandboxes = pytest.mark.parametrize("sandbox_name", ["bubblewrap", "none"])


@pytest.fixture
def sandbox_name() -> str:
    """Where a test does not care: the strongest there is."""
    return "auto"


@pytest.fixture
def killable(sandbox_name: str, tmp_path: Path) -> Iterator[Callable[..., KillableHost]]:
    if sandbox_name == "bubblewrap" and not sandbox.probe().isolates:
        pytest.skip(f"no sandbox here: {sandbox.probe().reason}")
    started: list[KillableHost] = []

    def start(patience_seconds: float = 60) -> KillableHost:
        started.append(KillableHost(tmp_path, sandbox_name, patience_seconds))
        return started[-1]

    yield start
    for host in started:
        host.kill()


@pytest.fixture
def view(tmp_path: Path) -> Iterator[JobHost]:
    """The rows of the killable host's database, and a client of its S3; never started itself."""
    found = JobHost(tmp_path, "none")
    yield found
    found.close()


def counted(lines: list[str]) -> list[int]:
    return [int(line.split()[1]) for line in lines if line.startswith("count ")]


def runner_of(folder: Path) -> int:
    """The process id of the runner whose job has this folder."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"braketeer.work.runner" in words and os.fsencode(folder) in words:
            return int(path.parent.name)
    raise AssertionError(f"no runner for {folder}")


@both_sandboxes
def test_a_job_outlives_its_service_and_its_log_has_no_gap(
    killable: Callable[..., KillableHost], view: JobHost
) -> None:
    host = killable()
    view.url = f"http://127.0.0.1:{host.port}"
    prefix = f"checkpoints-{time.time_ns()}"
    config = {"s3Uri": f"s3://{BUCKET}/{prefix}", "localPath": "/opt/jobs/checkpoints"}
    job_id = view.create(COUNT.format(last=100_000), checkpointConfig=config)
    for round_ in range(2):
        reached = 50 * (round_ + 1)
        until(lambda: counted(view.log(job_id)), lambda numbers, reached=reached: len(numbers) >= reached)
        host.kill()
        time.sleep(0.5)  # the script goes on meanwhile
        host.start()
    assert view.job(job_id)["status"] == "RUNNING"
    (view.jobs_folder / job_id / "checkpoints" / "stop").touch()
    job = view.ended(job_id)
    assert (job["status"], job["failure_reason"], job["attempt"]) == ("COMPLETED", None, 1)
    numbers = counted(view.log(job_id))
    assert numbers == list(range(len(numbers)))
    assert view.log(job_id)[-3] == f"counted to {len(numbers)}"
    assert view.output(job_id) == {"n": str(len(numbers)).encode()}
    types = [event["eventType"] for event in job["events"]]
    assert len(types) == len(set(types)) == 6


def test_a_job_that_ends_while_its_service_is_down_is_finished_by_the_next(
    killable: Callable[..., KillableHost], view: JobHost
) -> None:
    host = killable()
    view.url = f"http://127.0.0.1:{host.port}"
    job_id = view.create(COUNT.format(last=200))
    view.says(job_id, "count 5")
    host.kill()
    folder = JobFolder(view.jobs_folder / job_id)
    until(folder.progress.read_text, lambda text: "UPLOADING_RESULTS" in text)
    assert folder.runner_lives()
    host.start()
    job = view.ended(job_id)
    assert (job["status"], job["failure_reason"]) == ("COMPLETED", None)
    assert counted(view.log(job_id)) == list(range(200))
    assert view.output(job_id) == {"n": b"200"}


@both_sandboxes
@pytest.mark.parametrize("service_lives", [True, False])
def test_a_killed_runner_is_told_truthfully_and_takes_its_script_along(
    killable: Callable[..., KillableHost], view: JobHost, service_lives: bool
) -> None:
    host = killable()
    view.url = f"http://127.0.0.1:{host.port}"
    mark = f"mark-{time.time_ns()}"
    child = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)', '{mark}'])\n"
    )
    job_id = view.create(child + COUNT.format(last=100_000))
    view.says(job_id, "count 5")
    runner = runner_of(view.jobs_folder / job_id)
    if not service_lives:
        host.kill()
    os.kill(runner, signal.SIGKILL)
    if not service_lives:
        host.start()
    job = view.ended(job_id)
    assert job["status"] == "FAILED"
    assert job["failure_reason"].startswith("The job's runner ended without a word")
    kept = view.jobs_folder / job_id
    assert f" is kept for 7 days on the service's machine in {kept}." in job["failure_reason"]
    assert (kept / "checkpoints" / "at").exists()
    until((kept / "spec.json").exists, lambda there: not there)
    until(lambda: subprocess.run(["pgrep", "-f", mark], check=False).returncode, lambda code: code == 1, 10)
    numbers = counted(view.log(job_id))
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 5


def test_a_killed_runner_of_a_job_that_is_being_cancelled_is_cancelled(
    killable: Callable[..., KillableHost], view: JobHost
) -> None:
    host = killable()
    view.url = f"http://127.0.0.1:{host.port}"
    job_id = view.create(COUNT.format(last=100_000))
    view.says(job_id, "count 5")
    host.kill()
    os.kill(runner_of(view.jobs_folder / job_id), signal.SIGKILL)
    view.cancel(job_id)
    host.start()
    assert view.ended(job_id)["status"] == "CANCELLED"


def test_a_cancel_that_was_accepted_just_before_a_kill_is_carried_out(
    killable: Callable[..., KillableHost], view: JobHost
) -> None:
    host = killable()
    view.url = f"http://127.0.0.1:{host.port}"
    job_id = view.create(COUNT.format(last=100_000))
    view.says(job_id, "count 5")
    host.kill()
    view.cancel(job_id)
    host.start()
    assert view.ended(job_id)["status"] == "CANCELLED"


def test_a_job_claimed_by_a_service_that_was_killed_before_it_could_start_it_is_started(
    killable: Callable[..., KillableHost], view: JobHost
) -> None:
    host = killable()
    view.url = f"http://127.0.0.1:{host.port}"
    job_id = view.create(COUNT.format(last=3))
    view.ended(job_id)
    host.kill()
    second = view.queue_again(job_id)
    view.claim()
    host.start()
    job = view.ended(second)
    assert (job["status"], job["attempt"]) == ("COMPLETED", 1)


def test_a_service_that_stays_away_ends_the_job_and_its_work_is_saved_later(
    killable: Callable[..., KillableHost], view: JobHost
) -> None:
    host = killable(patience_seconds=3)
    view.url = f"http://127.0.0.1:{host.port}"
    prefix = f"checkpoints-{time.time_ns()}"
    config = {"s3Uri": f"s3://{BUCKET}/{prefix}", "localPath": "/opt/jobs/checkpoints"}
    job_id = view.create(COUNT.format(last=100_000), checkpointConfig=config)
    view.says(job_id, "count 5")
    host.kill()
    folder = JobFolder(view.jobs_folder / job_id)
    until(folder.ending, lambda ending: ending is not None, 60)
    until(folder.runner_lives, lambda lives: not lives)
    last = (folder.checkpoints / "at").read_bytes()
    host.start()
    job = view.ended(job_id)
    assert (job["status"], job["failure_reason"]) == ("FAILED", "The service was away for more than 3 seconds")
    assert view.s3().get_object(Bucket=BUCKET, Key=f"{prefix}/at")["Body"].read() == last
    assert counted(view.log(job_id))[-1] == int(last)
