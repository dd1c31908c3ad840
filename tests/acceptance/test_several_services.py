"""Two services on one PostgreSQL database and one data directory are one service to whoever calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests import processes
from tests.postgresql import Cluster
from tests.services import BELL, SV1, RunningService, has_ended, openqasm, until

CALLERS = 50
LEASE_SECONDS = 2
Pair = tuple[RunningService, RunningService]

# About a second of work, so that a kill finds it running.
HEAVY = (
    "OPENQASM 3.0;\nqubit[23] q;\n"
    + "".join(f"h q[{i}];\ncnot q[{i}], q[{(i + 1) % 23}];\nrx(0.7) q[{i}];\n" for _ in range(6) for i in range(23))
    + "#pragma braket result probability q[0]\n"
)
SLOW_JOB = """
import time
for number in range(50):
    print(f"line {number}", flush=True)
    time.sleep(0.1)
"""


def two_services(data_dir: Path, url: str) -> Pair:
    environment = {
        "BRAKETEER_DATABASE": url,
        "BRAKETEER_LEASE_SECONDS": str(LEASE_SECONDS),
        "BRAKETEER_TASK_SLOTS": "1",
        "BRAKETEER_JOB_GRACE_SECONDS": "1",
    }
    return RunningService(data_dir, ("--stop-jobs",), environment), RunningService(data_dir, (), environment)


@pytest.fixture(scope="module")
def pair(postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both start at the same time on a database that is new."""
    folder = tmp_path_factory.mktemp("shared")
    with postgresql.new_database() as url:
        both = two_services(folder, url)
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(RunningService.start, both))
            yield both
        finally:
            for service in both[::-1]:
                if service.process is not None and service.process.poll() is None:
                    service.stop()


@pytest.fixture(params=["one on SQLite", "two on PostgreSQL"])
def services(request: pytest.FixtureRequest) -> list[RunningService]:
    if request.param == "one on SQLite":
        return [request.getfixturevalue("service")]
    return list(request.getfixturevalue("pair"))


def create_request(bucket: str, token: str) -> dict[str, Any]:
    return {
        "deviceArn": SV1,
        "shots": 10,
        "outputS3Bucket": bucket,
        "outputS3KeyPrefix": "tasks",
        "action": openqasm(BELL),
        "clientToken": token,
    }


def test_fifty_callers_with_one_client_token_get_one_task(services: list[RunningService]) -> None:
    services[0].client("s3").create_bucket(Bucket="fifty-callers")
    clients = [service.client("braket", config={"max_pool_connections": CALLERS}) for service in services]
    request = create_request("fifty-callers", "one token for all")
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [
            pool.submit(client.create_quantum_task, **request)
            for client, _ in zip(cycle(clients), range(CALLERS), strict=False)
        ]
        arns = [call.result()["quantumTaskArn"] for call in calls]
    assert len(set(arns)) == 1
    for client in clients:
        found = client.search_quantum_tasks(filters=[])["quantumTasks"]
        assert [task["quantumTaskArn"] for task in found if task["outputS3Bucket"] == "fifty-callers"] == arns[:1]
        with pytest.raises(ClientError) as refused:
            client.create_quantum_task(**request | {"shots": 11})
        assert refused.value.response["Error"]["Code"] == "ValidationException"
        assert "client token" in refused.value.response["Error"]["Message"]


def test_of_fifty_callers_with_different_bodies_one_is_answered(services: list[RunningService]) -> None:
    services[0].client("s3").create_bucket(Bucket="different-bodies")
    clients = [service.client("braket", config={"max_pool_connections": CALLERS}) for service in services]

    def create(number: int) -> str:
        request = create_request("different-bodies", "a token for one") | {"shots": number + 1}
        try:
            return str(clients[number % len(clients)].create_quantum_task(**request)["quantumTaskArn"])
        except ClientError as refused:
            return str(refused.response["Error"]["Code"])

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = Counter(pool.map(create, range(CALLERS)))
    assert answers.pop("ValidationException") == CALLERS - 1
    assert list(answers.values()) == [1]


def test_the_first_start_made_everything_once(pair: Pair) -> None:
    first, second = pair
    assert first.access.secret_access_key == second.access.secret_access_key
    for service in pair:
        identity = service.client("sts").get_caller_identity()
        assert identity["Account"] == "000000000000"


def test_what_one_is_told_the_other_knows(pair: Pair) -> None:
    first, second = pair
    arn = first.create_task(shots=20_000, bucket="told")  # a result that is a file, not part of a row
    task = second.wait_for_task(arn)
    assert task["status"] == "COMPLETED"
    assert len(second.result(task)["measurements"]) == 20_000
    second.client("s3").put_object(Bucket="told", Key="large", Body=b"x" * 300_000)
    assert first.client("s3").get_object(Bucket="told", Key="large")["Body"].read() == b"x" * 300_000
    first.client("s3").delete_object(Bucket="told", Key="large")
    assert [entry["Key"] for entry in second.client("s3").list_objects_v2(Bucket="told")["Contents"]] == [
        f"{task['outputS3Directory']}/results.json"
    ]


def refusal(data_dir: Path, *options: str) -> str:
    """What a service says that does not start."""
    command = ["braketeer", "serve", "--port", "0", "--data-dir", str(data_dir), *options]
    done = processes.run(command, os.environ, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_others_are_kept_away(pair: Pair, postgresql: Cluster) -> None:
    folder = pair[0].data_dir
    assert "Another service already uses" in refusal(folder)  # SQLite wants the directory for itself
    with postgresql.new_database() as another:
        assert "belongs to another database" in refusal(folder, "--database", another)
    for service in pair:
        service.client("braket").search_quantum_tasks(filters=[])


def test_a_directory_of_sqlite_is_closed_to_postgresql(service: RunningService, postgresql: Cluster) -> None:
    with postgresql.new_database() as url:
        assert "Another service already uses" in refusal(service.data_dir, "--database", url)


def test_a_server_that_cannot_be_reached_is_told_without_the_password(tmp_path: Path) -> None:
    said = refusal(tmp_path, "--database", "postgresql://somebody:the-password@127.0.0.1:1/braketeer")
    assert "The database cannot be used" in said
    assert "the-password" not in said


def test_a_service_for_a_while_leaves_the_database_alone() -> None:
    unreachable = {**os.environ, "BRAKETEER_DATABASE": "postgresql://127.0.0.1:1/braketeer"}
    subprocess.run([sys.executable, "-m", "braketeer", "run", "--", "true"], check=True, env=unreachable, timeout=60)


def test_work_of_a_killed_service_is_taken_over(pair: Pair) -> None:
    first, second = pair
    job = first.create_job(SLOW_JOB, name="goes-on", bucket="takeover")
    until(lambda: second.job_log(job), lambda lines: "line 3" in lines)
    tasks = [first.create_task(source=HEAVY, shots=0, bucket="takeover") for _ in range(4)]
    braket = second.client("braket")
    until(
        lambda: [braket.get_quantum_task(quantumTaskArn=arn)["status"] for arn in tasks].count("RUNNING"),
        lambda n: n == 2,
    )
    killed, left = (first, second) if has_child(first, job) else (second, first)
    killed.kill()
    try:
        for arn in tasks:
            task = left.wait_for_task(arn)
            assert task["status"] == "COMPLETED", task
            assert left.result(task)["taskMetadata"]["id"] == arn
        ended = until(lambda: left.client("braket").get_job(jobArn=job), has_ended)
        assert ended["status"] == "COMPLETED", ended
        assert [line for line in left.job_log(job) if line.startswith("line")] == [f"line {n}" for n in range(50)]
    finally:
        killed.start()


def has_child(service: RunningService, job: str) -> bool:
    """Whether the service has started the job's runner."""
    assert service.process is not None
    commands = (child.cmdline() for child in psutil.Process(service.process.pid).children())
    return any(job.rpartition("/")[2] in part for command in commands for part in command)


def braketeer(service: RunningService, *arguments: str) -> Any:
    """What an operator's command prints."""
    where = ["--json", "--data-dir", str(service.data_dir), "--port", str(service.port)]
    told = processes.run(["braketeer", *arguments, *where], os.environ, timeout=60)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_a_key_revoked_at_one_is_refused_by_the_other(pair: Pair) -> None:
    first, second = pair
    made = braketeer(first, "key", "create", "--account", "default", "--role", "user")
    key = {"aws_access_key_id": made["access_key_id"], "aws_secret_access_key": made["secret_access_key"]}
    for service in pair:
        service.client("braket", **key).search_quantum_tasks(filters=[])
    braketeer(first, "key", "revoke", made["access_key_id"])
    for service in (second, first):
        with pytest.raises(ClientError) as refused:
            service.client("braket", **key).search_quantum_tasks(filters=[])
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_quota_holds_to_the_last_over_both(services: list[RunningService]) -> None:
    wanted = {"name": "bounded", "quotas": {"storage_bytes": 1000}}
    key = services[0].access.call("POST", "accounts", {"accounts": [wanted]})["accounts"][0]
    credentials = {"aws_access_key_id": key["access_key_id"], "aws_secret_access_key": key["secret_access_key"]}
    pool_size = {"max_pool_connections": CALLERS}
    clients = [service.client("s3", **credentials, config=pool_size) for service in services]
    clients[0].create_bucket(Bucket="bounded")

    def put(number: int) -> str:
        try:
            clients[number % len(clients)].put_object(Bucket="bounded", Key=f"k{number}", Body=b"x" * 90)
        except ClientError as refused:
            return str(refused.response["Error"]["Code"])
        return "done"

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = Counter(pool.map(put, range(CALLERS)))
    assert answers == {"done": 11, "ServiceQuotaExceededException": CALLERS - 11}
    [used] = [one for one in services[-1].access.call("GET", "usage")["usage"] if one["name"] == "bounded"]
    assert used["storage_bytes"] == 990
