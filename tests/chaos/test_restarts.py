"""Nothing is lost when the service is stopped, or killed at any moment, and started again."""

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from braketeer.domain.clock import iso
from tests.reservations import allow, association, reserve
from tests.services import BELL, SV1, RunningService, has_ended, openqasm, running, until

# About a second of work, so that a kill finds it running.
HEAVY = (
    "OPENQASM 3.0;\nqubit[23] q;\n"
    + "".join(
        f"h q[{i}];\ncnot q[{i}], q[{(i + 1) % 23}];\nrx(0.{i + 1}) q[{i}];\n" for _ in range(6) for i in range(23)
    )
    + "#pragma braket result probability q[0]\n"
)

SLOW_JOB = """
import time
for number in range(60):
    print(f"line {number}", flush=True)
    time.sleep(0.1)
import json, os
with open(os.path.join(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "answer.txt"), "w") as file:
    file.write("42")
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service of the test's own; its jobs outlive a stop, as they do by default, until the test is over."""
    service = RunningService(tmp_path, environment={"BRAKETEER_JOB_GRACE_SECONDS": "1"}).start()
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()
        if any((tmp_path / "jobs").glob("*/spec.json")):
            service.options = ("--stop-jobs",)
            service.start().stop()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_everything_is_still_there(service: RunningService, how: str) -> None:
    arn = service.create_task(shots=30, tags={"team": "blue"}, clientToken="the-token")
    before = service.wait_for_task(arn)
    result = service.result(before)
    job = service.create_job("print('a line')\n", tags={"stage": "test"})
    assert service.wait_for_job(job)["status"] == "COMPLETED"
    job_before, log_before = service.client("braket").get_job(jobArn=job), service.job_log(job)
    service.client("s3").put_object(Bucket="results", Key="large", Body=b"x" * 300_000, Metadata={"a": "b"})

    assert how == "kill" or service.stop() == 0
    if how == "kill":
        service.kill()
    service.start()

    braket = service.client("braket")
    drop = ("ResponseMetadata",)
    after = braket.get_quantum_task(quantumTaskArn=arn)
    assert {k: v for k, v in after.items() if k not in drop} == {k: v for k, v in before.items() if k not in drop}
    assert service.result(after) == result
    job_after = braket.get_job(jobArn=job)
    assert {k: v for k, v in job_after.items() if k not in drop} == {
        k: v for k, v in job_before.items() if k not in drop
    }
    assert service.job_log(job) == log_before
    assert "a line" in log_before
    large = service.client("s3").get_object(Bucket="results", Key="large")
    assert (large["Body"].read(), large["Metadata"]) == (b"x" * 300_000, {"a": "b"})
    # The token still means the same task.
    assert service.create_task(shots=30, tags={"team": "blue"}, clientToken="the-token") == arn


def test_accepted_tasks_survive_kills_and_are_answered_once(service: RunningService) -> None:
    """Creates go on while the service is killed twice: whatever was answered 201 completes, with one result."""
    service.client("s3").create_bucket(Bucket="results")
    braket = service.client("braket")
    request = {"deviceArn": SV1, "shots": 10, "outputS3Bucket": "results", "outputS3KeyPrefix": "tasks"}
    accepted: dict[str, str] = {}
    over = threading.Event()

    def create() -> None:
        number = 0
        while not over.is_set():
            token = f"token-{number}"
            try:
                answer = braket.create_quantum_task(action=openqasm(BELL), clientToken=token, **request)
            except (BotoCoreError, ClientError):
                time.sleep(0.05)
                continue  # the same token again: it must give one task, whatever happened to the answer
            accepted[token] = answer["quantumTaskArn"]
            number += 1

    thread = threading.Thread(target=create)
    thread.start()
    try:
        for _ in range(2):
            enough = len(accepted) + 20
            until(lambda: len(accepted), lambda count, enough=enough: count >= enough)
            service.kill()
            service.start()
        enough = len(accepted) + 20
        until(lambda: len(accepted), lambda count: count >= enough)
    finally:
        over.set()
        thread.join(60)
    s3 = service.client("s3")
    for arn in accepted.values():
        task = until(lambda arn=arn: braket.get_quantum_task(quantumTaskArn=arn), has_ended)
        assert task["status"] == "COMPLETED", task
        key = f"{task['outputS3Directory']}/results.json"
        assert len(json.load(s3.get_object(Bucket="results", Key=key)["Body"])["measurements"]) == 10
    found = [
        task["quantumTaskArn"]
        for page in service.client("braket").get_paginator("search_quantum_tasks").paginate(filters=[])
        for task in page["quantumTasks"]
    ]
    # Each token made one task, however often it was sent; at most the last one has made a task nobody was told of.
    assert len(found) == len(set(found))
    assert set(accepted.values()) <= set(found)
    assert len(found) <= len(accepted) + 1


def test_a_running_task_is_computed_again_after_a_kill(service: RunningService) -> None:
    arns = create_heavy_tasks(service, 4)
    service.kill()
    service.start()
    for arn in arns:
        task = service.wait_for_task(arn, 120)
        assert task["status"] == "COMPLETED", task
        assert sum(service.result(task)["resultTypes"][0]["value"]) == pytest.approx(1)


def create_heavy_tasks(service: RunningService, count: int) -> list[str]:
    """ARNs of tasks of which at least one is running, when this returns."""
    service.client("s3").create_bucket(Bucket="results")
    braket = service.client("braket")
    request = {"deviceArn": SV1, "shots": 0, "outputS3Bucket": "results", "outputS3KeyPrefix": "tasks"}
    arns = [braket.create_quantum_task(action=openqasm(HEAVY), **request)["quantumTaskArn"] for _ in range(count)]
    until(lambda: braket.get_quantum_task(quantumTaskArn=arns[1])["status"], lambda status: status != "QUEUED")
    return arns


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_running_job_goes_on_and_its_log_has_no_gap(service: RunningService, how: str) -> None:
    job = service.create_job(SLOW_JOB)
    until(lambda: service.job_log(job), lambda lines: any(line == "line 5" for line in lines))
    if how == "kill":
        service.kill()
    else:
        service.stop()
    time.sleep(1)
    service.start()
    ended = service.wait_for_job(job)
    assert ended["status"] == "COMPLETED", ended
    lines = [line for line in service.job_log(job) if line.startswith("line ")]
    assert lines == [f"line {number}" for number in range(60)]
    keys = service.client("s3").list_objects_v2(Bucket="results", Prefix="jobs/job/output")["Contents"]
    assert [item["Key"] for item in keys] == ["jobs/job/output/output/model.tar.gz"]


def test_a_second_service_on_the_same_data_is_refused(service: RunningService) -> None:
    second = RunningService(service.data_dir)
    with pytest.raises(AssertionError, match="Another service already uses"):
        second.start()
    assert service.wait_for_task(service.create_task())["status"] == "COMPLETED"


def test_a_worker_that_is_killed_costs_its_task_an_attempt_and_no_other(service: RunningService) -> None:
    import psutil

    def workers() -> list[psutil.Process]:
        children = psutil.Process(service.process.pid).children()
        return [child for child in children if "braketeer.work.task_worker" in " ".join(child.cmdline())]

    arns = create_heavy_tasks(service, 4)
    for worker in workers():
        worker.kill()
    assert [service.wait_for_task(arn, 120)["status"] for arn in arns] == ["COMPLETED"] * 4


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """Writes that do not fit are answered 5xx and leave nothing behind; what was accepted before stays readable."""
    with running(tmp_path) as service:
        arn = service.create_task()
        task = service.wait_for_task(arn)
        assert task["status"] == "COMPLETED"
        import resource

        size = max(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (size + 65_536, resource.RLIM_INFINITY))
        refused = 0
        for number in range(12):
            try:
                service.client("s3").put_object(Bucket="results", Key=f"fill/{number}", Body=b"x" * 60_000)
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503, 507), error
                refused += 1
        assert refused
        assert service.result(task)["measurements"]
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, unlimited)
        assert service.wait_for_task(service.create_task())["status"] == "COMPLETED"
        listed = service.client("s3").list_objects_v2(Bucket="results", Prefix="fill/").get("Contents", [])
        assert len(listed) == 12 - refused
        for item in listed:
            body = service.client("s3").get_object(Bucket="results", Key=item["Key"])["Body"].read()
            assert body == b"x" * 60_000


def test_the_same_token_by_many_callers_is_one_task(service: RunningService) -> None:
    service.client("s3").create_bucket(Bucket="results")
    arns: list[str] = []
    request = {
        "deviceArn": SV1,
        "shots": 10,
        "outputS3Bucket": "results",
        "outputS3KeyPrefix": "tasks",
        "action": openqasm(BELL),
        "clientToken": "shared",
    }
    clients = [service.client("braket") for _ in range(16)]
    threads = [
        threading.Thread(
            target=lambda client=client: arns.append(client.create_quantum_task(**request)["quantumTaskArn"])
        )
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arns) == 16
    assert len(set(arns)) == 1
    with pytest.raises(ClientError, match="ValidationException") as refusal:
        clients[0].create_quantum_task(**(request | {"shots": 11}))
    assert "different request parameters" in refusal.value.response["Error"]["Message"]


def test_a_cancel_is_heard_while_the_worker_still_starts(service: RunningService) -> None:
    arns = create_heavy_tasks(service, 3)
    service.kill()
    service.start()
    braket = service.client("braket")
    for arn in arns:
        braket.cancel_quantum_task(quantumTaskArn=arn)
    assert [service.wait_for_task(arn)["status"] for arn in arns] == ["CANCELLED"] * 3
    assert service.wait_for_task(service.create_task())["status"] == "COMPLETED"


def test_a_service_that_is_killed_inside_a_window_and_comes_back_after_it(service: RunningService) -> None:
    """Nothing of the reservation outlives it, whether it ran or waited, and nobody else's work is lost."""
    allow(service, SV1)
    service.client("s3").create_bucket(Bucket="results")
    window = reserve(service, SV1)
    tie = {"associations": association(window["arn"])}
    others = service.create_task()
    running = service.create_task(HEAVY, shots=0, **tie)
    until(lambda: status(service, running), lambda now: now != "QUEUED")
    mine = [running, *(service.create_task(HEAVY, shots=0, **tie) for _ in range(6))]
    job = service.create_job(SLOW_JOB, "reserved", **tie)
    service.kill()
    end = shorten(service, window["arn"])
    service.start()
    assert service.wait_for_task(others)["status"] == "COMPLETED"
    ended = [service.wait_for_task(arn) for arn in mine]
    assert {task["status"] for task in ended[-2:]} == {"CANCELLED"}
    for task in ended:
        if task["status"] == "CANCELLED":
            assert task["failureReason"] == f"The reservation {window['arn']} ended at {iso(end)}"
        else:
            assert task["endedAt"].timestamp() * 1000 < end
    assert service.wait_for_job(job)["status"] == "CANCELLED"


def shorten(service: RunningService, arn: str) -> int:
    """Let a window end now (the answer, epoch ms), without a wait; no service may be running."""
    end = time.time_ns() // 1_000_000
    with contextlib.closing(sqlite3.connect(service.data_dir / "braketeer.db")) as database, database:
        database.execute("UPDATE reservations SET ends_at = ? WHERE arn = ?", (end, arn))
    return end


def status(service: RunningService, arn: str) -> str:
    return service.client("braket").get_quantum_task(quantumTaskArn=arn)["status"]
