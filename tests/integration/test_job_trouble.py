"""Jobs in trouble: odd names, torn files, a full disk, failing starts. Every row comes to an end, results survive."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from braketeer.domain.errors import ServiceUnavailableException
from braketeer.store import jobs as rows
from braketeer.store import logs
from braketeer.work import job_follower, job_life, jobs
from braketeer.work.job_folder import KEPT_SECONDS, Credentials, Ending, JobFolder, JobSpec, now_ms
from tests.integration.job_host import BUCKET, JobHost, until
from tests.postgresql import Cluster

ENDLESS = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.05)\n"
NAMES = """
import os
folder, results = (os.environ[f"AMZN_BRAKET_{name}"] for name in ("CHECKPOINT_DIR", "JOB_RESULTS_DIR"))
print("found", sorted(os.listdir(folder)), flush=True)
open(results + "/results.json", "w").write("42")
for name in (%r, b"z"):
    open(os.path.join(os.fsencode(folder), name), "w").write("x")
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., JobHost]]:
    """Starts hosts without a sandbox, in one folder, and closes them at the end."""
    monkeypatch.setattr(job_life, "PAUSE_AFTER_TROUBLE_SECONDS", 0.02)
    monkeypatch.setattr(jobs, "PAUSE_AFTER_TROUBLE_SECONDS", 0.02)
    monkeypatch.setattr(job_life, "MOST_TRIES", 5)
    started: list[JobHost] = []

    def begin(**settings: Any) -> JobHost:
        started.append(JobHost(tmp_path, "none", **settings).start())
        return started[-1]

    yield begin
    for host in started:
        host.close()


def checkpoints_at(prefix: str) -> dict[str, str]:
    return {"s3Uri": f"s3://{BUCKET}/{prefix}", "localPath": "/opt/jobs/checkpoints"}


def test_a_checkpoint_with_a_line_break_in_its_name_is_stored_and_comes_back(start: Callable[..., JobHost]) -> None:
    host = start()
    for found in ("found []", "found ['a\\nb', 'z']"):
        job_id = host.create(NAMES % b"a\nb", checkpointConfig=checkpoints_at("odd"))
        job = host.ended(job_id)
        assert (job["status"], job["failure_reason"]) == ("COMPLETED", None)
        assert found in host.log(job_id)
    assert host.keys("odd") == ["odd/a\nb", "odd/z"]


def test_a_checkpoint_whose_name_no_key_can_be_costs_neither_the_results_nor_the_others(
    start: Callable[..., JobHost],
) -> None:
    host = start()
    job_id = host.create(NAMES % b"caf\xe9", checkpointConfig=checkpoints_at("bad"))
    job = host.ended(job_id)
    folder = host.jobs_folder / job_id
    assert (job["status"], job["failure_reason"]) == (
        "FAILED",
        f"The results could not be stored. s3://{BUCKET}/bad/caf\\udce9: the name is not UTF-8, which every key in S3"
        f" is. What is not in S3 is kept for 7 days on the service's machine in {folder}.",
    )
    assert host.output(job_id) == {"results.json": b"42"}
    assert host.keys("bad") == ["bad/z"]
    until((folder / "spec.json").exists, lambda there: not there)
    assert "caf\udce9" in {path.name for path in (folder / "checkpoints").iterdir()}


def test_a_torn_line_in_a_jobs_events_is_passed_over(start: Callable[..., JobHost]) -> None:
    host = start()
    job_id = host.create("import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\n")
    folder = JobFolder(host.jobs_folder / job_id)
    until(lambda: [event["eventType"] for event in host.job(job_id)["events"]], lambda types: "RUNNING" in types)
    with folder.progress.open("a") as file:
        file.write('{"event": "TORN", "mess')
    (folder.ml / "code" / "customer_code" / "extracted" / "go").touch()
    job = host.ended(job_id)
    assert job["status"] == "COMPLETED"
    assert [event["eventType"] for event in job["events"]][-3:] == ["RUNNING", "UPLOADING_RESULTS", "COMPLETED"]


@pytest.mark.parametrize("what", ["cancel", "deadline", "end"])
def test_a_job_whose_lines_cannot_be_stored_still_comes_to_its_end(
    start: Callable[..., JobHost], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    class Advanced:
        offset = 0

        def now_ms(self) -> int:
            return now_ms() + self.offset

    def refuse(*_: object) -> None:
        raise RuntimeError("a defect")

    clock = Advanced()
    host = start(clock=clock)
    monkeypatch.setattr(logs, "append", refuse)
    job_id = host.create("print('begun')" if what == "end" else ENDLESS)
    log = host.jobs_folder / job_id / "logs" / "algo-1.log"
    if what != "end":
        until(lambda: log.read_text() if log.exists() else "", lambda text: "begun" in text)
    if what == "cancel":
        host.cancel(job_id)
    if what == "deadline":
        clock.offset = 3601 * 1000
    job = host.ended(job_id)
    reason = "The job ran longer than its maxRuntimeInSeconds of 3600"
    assert (job["status"], job["failure_reason"]) == {
        "cancel": ("CANCELLED", None),
        "deadline": ("FAILED", reason),
        "end": ("COMPLETED", None),
    }[what]


def test_a_job_that_cannot_be_started_fails_with_the_reason(
    start: Callable[..., JobHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job_life, "_spawn", refuse)
    host = start()
    job = host.ended(host.create("print(1)"))
    assert job["status"] == "FAILED"
    assert job["failure_reason"] == "The job could not be started: [Errno 28] No space left on device"
    monkeypatch.setattr(job_life, "MOST_TRIES", 10**9)
    job_id = host.create("print(1)")
    until(lambda: host.job(job_id)["status"], lambda status: status == "RUNNING")
    host.cancel(job_id)
    assert host.ended(job_id)["status"] == "CANCELLED"


def test_a_key_that_was_issued_anew_ends_the_one_before_at_once(
    start: Callable[..., JobHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = start()
    begin = job_life._spawn
    used: list[Credentials] = []
    answers: list[str] = []

    def ask(key: Credentials) -> str:
        session = boto3.session.Session(key.access_key_id, key.secret_access_key, key.session_token, "us-east-1")
        try:
            return str(session.client("sts", endpoint_url=host.url).get_caller_identity()["Account"])
        except ClientError as problem:
            return str(problem.response["Error"]["Code"])

    def spawn(folder: JobFolder, spec: JobSpec) -> Any:
        used.append(spec.credentials)
        answers.append(ask(used[0]))  # the first time, this brings the key into the gateway's memory
        if len(used) == 1:
            raise OSError("not yet")
        return begin(folder, spec)

    monkeypatch.setattr(job_life, "_spawn", spawn)
    assert host.ended(host.create("print(1)"))["status"] == "COMPLETED"
    assert answers == ["000000000000", "InvalidClientTokenId"]
    assert used[0] != used[1]


def test_a_claim_that_failed_is_tried_again_without_any_news(
    start: Callable[..., JobHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, refused = rows.claim_next, []

    def trouble(*arguments: Any) -> Any:
        if len(refused) < 2:
            refused.append(1)
            raise ServiceUnavailableException("The database cannot write")
        return claim(*arguments)

    host = start()
    job_id = host.create("print(1)", deviceConfig={"device": "local:none/none"})
    host.ended(job_id)
    monkeypatch.setattr(rows, "claim_next", trouble)
    assert host.ended(host.queue_again(job_id), 20)["status"] == "COMPLETED"
    assert len(refused) == 2


def test_a_stop_ends_every_job_though_the_disk_is_full_at_first_and_begins_no_other(
    start: Callable[..., JobHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = start(stop_jobs=True, slots=2)
    begun = [host.create(ENDLESS) for _ in range(2)]
    waiting = host.create(ENDLESS)
    for job_id in begun:
        host.says(job_id, "begun")
    ask, refused = JobFolder.ask_to_stop, []

    def full(folder: JobFolder, reason: str) -> None:
        if len(refused) < 2:
            refused.append(1)
            raise OSError(28, "No space left on device")
        ask(folder, reason)

    monkeypatch.setattr(JobFolder, "ask_to_stop", full)
    host.stop()
    assert [host.job(job_id)["status"] for job_id in [*begun, waiting]] == ["FAILED", "FAILED", "QUEUED"]
    assert host.job(begun[0])["failure_reason"] == "The service was stopped and ended its jobs"
    assert len(refused) == 2


def test_a_jobs_files_are_never_read_on_the_event_loop(
    start: Callable[..., JobHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, on_the_loop = set(), []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def look(*arguments: Any, **named: Any) -> Any:
            looked.add(name)
            with contextlib.suppress(RuntimeError):  # in a thread there is no loop
                asyncio.get_running_loop()
                on_the_loop.append(name)
            return function(*arguments, **named)

        return look

    host = start()
    methods = ("ending", "runner_lives", "was_begun", "log_files", "ask_to_stop", "create", "remove", "take_lock")
    for name in methods:
        monkeypatch.setattr(JobFolder, name, watched(name, getattr(JobFolder, name)))
    for name in ("_read", "_size", "parse", "parse_progress"):
        monkeypatch.setattr(job_follower, name, watched(name, getattr(job_follower, name)))
    job_id = host.create(ENDLESS)
    host.says(job_id, "begun")
    host.cancel(job_id)
    host.ended(job_id)
    until((host.jobs_folder / job_id).exists, lambda there: not there)
    assert on_the_loop == []
    assert looked == {*methods, "_read", "_size", "parse", "parse_progress"}


def test_folders_of_ended_jobs_are_kept_for_a_week_where_they_are_needed(
    start: Callable[..., JobHost], tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "jobs"
    long_ago = time.time() - KEPT_SECONDS - 60

    def leave(name: str, *, ending: Ending | None, begun_at: float = time.time()) -> None:
        left = JobFolder(folder / name)
        left.create()
        if begun_at:
            left.add_progress("RUNNING", "")
            os.utime(left.progress, (begun_at, begun_at))
        if ending:
            left.end(ending)

    leave("saved", ending=Ending("COMPLETED", None, now_ms(), []))
    leave("unsaved", ending=Ending("FAILED", "x", now_ms(), [], saved=False))
    leave("unsaved-long-ago", ending=Ending("FAILED", "x", int(long_ago * 1000), [], saved=False))
    leave("lost", ending=None)
    leave("lost-long-ago", ending=None, begun_at=long_ago)
    leave("never-begun", ending=None, begun_at=0)
    start()
    left = until(lambda: {path.name for path in folder.iterdir() if path.is_dir()}, lambda found: len(found) <= 2)
    assert left == {"unsaved", "lost"}


def test_a_folder_that_cannot_be_looked_at_keeps_no_other_from_being_removed(
    start: Callable[..., JobHost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = JobFolder.runner_lives

    def look(folder: JobFolder) -> bool:
        if folder.path.name == "a-bad-one":
            raise PermissionError(13, "Permission denied")
        return lives(folder)

    monkeypatch.setattr(JobFolder, "runner_lives", look)
    folder = tmp_path / "data" / "jobs"
    for name in ("a-bad-one", "never-begun"):
        JobFolder(folder / name).create()
    start()
    until(lambda: {path.name for path in folder.iterdir() if path.is_dir()}, lambda found: found == {"a-bad-one"})


def test_a_running_job_follows_its_service_to_another_port(tmp_path: Path) -> None:
    """What its script was told at its start leads to where the service is now."""
    script = """
import boto3, time
s3 = boto3.client("s3")
print("begun", flush=True)
while not s3.list_objects_v2(Bucket="bucket", Prefix="go").get("KeyCount"): time.sleep(0.05)
"""
    first = JobHost(tmp_path, "auto").start()
    job_id = first.create(script)
    first.says(job_id, "begun")
    first.close()
    second = JobHost(tmp_path, "auto").start()
    try:
        assert second.url != first.url
        time.sleep(0.5)  # the script asks on meanwhile
        second.s3().put_object(Bucket=BUCKET, Key="go", Body=b"")
        job = second.ended(job_id)
        assert (job["status"], job["failure_reason"]) == ("COMPLETED", None), second.log(job_id)
    finally:
        second.close()


@pytest.fixture
def several(tmp_path: Path, postgresql: Cluster) -> Iterator[Callable[..., JobHost]]:
    """Starts hosts that share a PostgreSQL database and a folder, and closes them at the end."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(postgresql.database())

        def begin(**settings: Any) -> JobHost:
            host = JobHost(tmp_path, "none", database_url=url, **settings)
            stack.callback(host.close)
            return host.start()

        yield begin


def test_a_job_whose_claim_was_not_heard_of_is_run_all_the_same(
    several: Callable[..., JobHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection to the database was lost after the commit, before the answer."""
    claim, lost = jobs.JobSupervisor._claim_next, []

    async def unheard(supervisor: jobs.JobSupervisor) -> Any:
        job = await claim(supervisor)
        if job is not None and not lost:
            lost.append(job["id"])
            raise ServiceUnavailableException("The database cannot write")
        return job

    monkeypatch.setattr(jobs.JobSupervisor, "_claim_next", unheard)
    host = several(lease_seconds=1)
    job_id = host.create("print(1)")
    assert host.ended(job_id, 30)["status"] == "COMPLETED"
    assert lost == [job_id]


@pytest.mark.parametrize(("module", "name"), [(rows, "claim_next"), (job_life, "_spawn")])
def test_a_stop_lets_go_of_a_job_once_it_is_claimed_and_its_runner_started(
    several: Callable[..., JobHost], monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    host, order = several(), []
    step, end_leases = getattr(module, name), rows.end_leases
    entered, go = threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> Any:
        entered.set()
        go.wait(30)
        try:
            return step(*arguments)
        finally:
            order.append("done")

    def let_go(*arguments: Any) -> None:
        order.append("let go")
        end_leases(*arguments)

    monkeypatch.setattr(module, name, slowly)
    monkeypatch.setattr(rows, "end_leases", let_go)
    job_id = host.create("print(1)")
    assert entered.wait(30)
    stopping = threading.Thread(target=host.stop)
    stopping.start()
    time.sleep(0.5)
    go.set()
    stopping.join()
    assert order[-2:] == ["done", "let go"]
    row = host.job(job_id)
    assert (row["status"], row["lease_until"]) == ("RUNNING", 0)
    assert several().ended(job_id, 30)["status"] == "COMPLETED"


def test_leases_are_extended_again_after_any_trouble(
    several: Callable[..., JobHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    extend, troubles = rows.extend_leases, [RuntimeError("a defect"), ServiceUnavailableException("cannot write")]

    def trouble(*arguments: Any) -> Any:
        if troubles:
            raise troubles.pop()
        return extend(*arguments)

    monkeypatch.setattr(rows, "extend_leases", trouble)
    host = several(lease_seconds=1)
    job_id = host.create(ENDLESS)
    host.says(job_id, "begun")
    until(lambda: troubles, lambda left: not left)
    lease = host.job(job_id)["lease_until"]
    until(lambda: host.job(job_id)["lease_until"], lambda later: later > lease)
    host.cancel(job_id)
    assert host.ended(job_id)["status"] == "CANCELLED"


def test_who_has_lost_a_lease_follows_no_longer(several: Callable[..., JobHost]) -> None:
    host = several(lease_seconds=2)
    job_id = host.create(ENDLESS)
    host.says(job_id, "begun")
    far = int(time.time()) + 3600
    host.database.write_now(lambda tx: rows.end_leases(tx.connection, host.job(job_id)["lease_owner"]))
    host.database.write_now(lambda tx: rows.take_over(tx.connection, "another service", far, far))
    supervisor = host.supervisor
    assert supervisor is not None
    until(lambda: dict(supervisor._followed), lambda followed: not followed)
    assert host.job(job_id)["lease_owner"] == "another service"
    host.database.write_now(lambda tx: rows.end_leases(tx.connection, "another service"))
    host.cancel(job_id)
    assert host.ended(job_id)["status"] == "CANCELLED"
