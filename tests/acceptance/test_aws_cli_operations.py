"""Every Braket operation by the AWS CLI, versions 1 and 2: from its own skeleton, filled in and handed back as a file.

Version 2 is tried where the machine has one. Debian's is of 2022: what it does not know is left out of its requests.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from tests.acceptance.aws_cli import AwsCli, second_version
from tests.acceptance.members import braket_model
from tests.services import BELL, ROLE, SV1, RunningService, openqasm, until

BUCKET = "cli-operations"
HEAVY = "OPENQASM 3.0;\nqubit[24] q;\n" + "h q;\nctrl @ rx(0.3) q[0], q[23];\n" * 60
# What has got members since Debian's version 2; for all else its requests are as they ever were.
NEWER = {"create-job", "create-quantum-task", "create-spending-limit", "get-job", "get-quantum-task"}
# Members that no skeleton can be filled with beforehand.
LEFT_OUT = {"nextToken", "jobToken"}

Ask = Callable[..., Any]


@pytest.fixture(params=["version 1", "version 2"])
def cli(request: pytest.FixtureRequest, service: RunningService) -> AwsCli:
    service.client("s3").create_bucket(Bucket=BUCKET)
    if request.param == "version 1":
        return AwsCli(service)
    found = second_version()
    if found is None:
        pytest.skip("there is no version 2 of the AWS CLI: neither BRAKETEER_TEST_AWS2 nor /usr/bin/aws is one")
    return AwsCli(service, found)


@pytest.fixture
def asked() -> set[str]:
    return set()


@pytest.fixture
def ask(cli: AwsCli, tmp_path: Path, asked: set[str]) -> Ask:
    """Asks an operation for a request that fills in everything its skeleton has; None where it is not known."""

    def ask(operation: str, **request: Any) -> Any:
        if cli.is_second and operation not in NEWER:
            return cli.ask(operation, request, tmp_path)
        skeleton = cli.skeleton(operation)
        if skeleton is None:
            assert cli.is_second, f"version 1 does not know {operation}"
            return None
        assert set(skeleton) - LEFT_OUT <= set(request)
        asked.add(operation)
        return cli.ask(operation, {name: value for name, value in request.items() if name in skeleton}, tmp_path)

    return ask


def task_request(**more: Any) -> dict[str, Any]:
    return {
        "clientToken": str(uuid.uuid4()),
        "deviceArn": SV1,
        "deviceParameters": "{}",
        "shots": 7,
        "outputS3Bucket": BUCKET,
        "outputS3KeyPrefix": "tasks",
        "action": openqasm(BELL),
        "tags": {"team": "blue"},
        "associations": [],
        "experimentalCapabilities": {"enabled": "NONE"},
    } | more


def job_request(script: str) -> dict[str, Any]:
    source = f"s3://{BUCKET}/{script}"
    return {
        "clientToken": str(uuid.uuid4()),
        "jobName": "by-cli",
        "roleArn": ROLE,
        "algorithmSpecification": {
            "scriptModeConfig": {"entryPoint": "script", "s3Uri": source, "compressionType": "NONE"}
        },
        "deviceConfig": {"device": SV1},
        "inputDataConfig": [
            {
                "channelName": "input",
                "contentType": "text/x-python",
                "dataSource": {"s3DataSource": {"s3Uri": source}},
            }
        ],
        "outputDataConfig": {"s3Path": f"s3://{BUCKET}/out"},
        "checkpointConfig": {"s3Uri": f"s3://{BUCKET}/checkpoints", "localPath": "/opt/jobs/checkpoints"},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": 1},
        "hyperParameters": {"layers": "2"},
        "stoppingCondition": {"maxRuntimeInSeconds": 100},
        "tags": {"team": "blue"},
        "associations": [],
    }


def equal(name: str, *values: str) -> list[dict[str, Any]]:
    return [{"name": name, "operator": "EQUAL", "values": list(values)}]


def test_every_operation(cli: AwsCli, ask: Ask, asked: set[str], service: RunningService, tmp_path: Path) -> None:
    devices(ask)
    tasks(cli, ask, service)
    jobs(cli, ask, service, tmp_path)
    spending_limits(ask)
    if not cli.is_second:
        assert asked == {xform_name(name, "-") for name in braket_model().operation_names}


def devices(ask: Ask) -> None:
    assert ask("get-device", deviceArn=SV1)["deviceStatus"] == "ONLINE"
    (found,) = ask("search-devices", filters=[{"name": "deviceArn", "values": [SV1]}], maxResults=1)["devices"]
    assert found["deviceName"] == "SV1"


def tasks(cli: AwsCli, ask: Ask, service: RunningService) -> None:
    request = task_request()
    arn = ask("create-quantum-task", **request)["quantumTaskArn"]
    service.wait_for_task(arn)
    task = ask("get-quantum-task", quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"])
    assert (task["status"], task["shots"], task["tags"]) == ("COMPLETED", 7, {"team": "blue"})
    filters = equal("quantumTaskArn", arn)
    (found,) = ask("search-quantum-tasks", filters=filters, maxResults=10)["quantumTasks"]
    assert found["createdAt"] == task["createdAt"]
    ask("tag-resource", resourceArn=arn, tags={"stage": "test", "sp ace": "\u00e4/+"})
    ask("untag-resource", resourceArn=arn, tagKeys=["team", "stage"])
    assert ask("list-tags-for-resource", resourceArn=arn) == {"tags": {"sp ace": "\u00e4/+"}}

    braket = service.client("braket")
    heavy = task_request(action=openqasm(HEAVY), clientToken="")
    del heavy["clientToken"]
    queued = [braket.create_quantum_task(**heavy)["quantumTaskArn"] for _ in range(8)]
    answer = ask("cancel-quantum-task", quantumTaskArn=queued[-1], clientToken=str(uuid.uuid4()))
    assert answer["cancellationStatus"] in {"CANCELLED", "CANCELLING"}
    assert service.wait_for_task(queued[-1])["status"] == "CANCELLED"
    for arn in queued[:-1]:
        with contextlib.suppress(braket.exceptions.ConflictException):  # it has ended already
            braket.cancel_quantum_task(quantumTaskArn=arn)
    assert "ConflictException" in cli.refused("braket", "cancel-quantum-task", "--quantum-task-arn", queued[-1])


def jobs(cli: AwsCli, ask: Ask, service: RunningService, tmp_path: Path) -> None:
    for name, text in (("script.py", "print('ran')\n"), ("slow/script.py", "import time\ntime.sleep(300)\n")):
        (tmp_path / "script.py").write_text(text)
        cli("s3", "cp", str(tmp_path / "script.py"), f"s3://{BUCKET}/{name}")
    request = job_request("script.py")
    arn = ask("create-job", **request)["jobArn"]
    assert ask("create-job", **request)["jobArn"] == arn  # the same file, the same token
    service.wait_for_job(arn)
    job = ask("get-job", jobArn=arn, additionalAttributeNames=["QueueInfo"])
    assert job["status"] == "COMPLETED"
    unseen = {"clientToken", "associations"}
    assert {name: job[name] for name in request if name not in unseen} == {
        name: value for name, value in request.items() if name not in unseen
    }
    (found,) = ask("search-jobs", filters=equal("jobArn", arn), maxResults=1)["jobs"]
    assert found["jobName"] == "by-cli"
    slow = ask("create-job", **job_request("slow/script.py"))["jobArn"]
    until(lambda: service.client("braket").get_job(jobArn=slow)["status"], lambda status: status == "RUNNING")
    assert ask("cancel-job", jobArn=slow)["cancellationStatus"] == "CANCELLING"
    assert service.wait_for_job(slow)["status"] == "CANCELLED"


def spending_limits(ask: Ask) -> None:
    period = {"startAt": 1767225600, "endAt": 4102444800.5}
    made = ask(
        "create-spending-limit",
        clientToken=str(uuid.uuid4()),
        deviceArn=SV1,
        spendingLimit="100",
        timePeriod=period,
        tags={"a": "b"},
    )
    if made is None:
        return  # a version 2 of before 2025-11
    arn = made["spendingLimitArn"]
    token = str(uuid.uuid4())
    ask("update-spending-limit", spendingLimitArn=arn, clientToken=token, spendingLimit="200", timePeriod=period)
    limits = ask("search-spending-limits", filters=equal("deviceArn", SV1), maxResults=10)["spendingLimits"]
    (limit,) = (limit for limit in limits if limit["spendingLimitArn"] == arn)
    assert float(limit["spendingLimit"]) == 200
    ask("delete-spending-limit", spendingLimitArn=arn)


def test_pages_and_queries(cli: AwsCli, service: RunningService) -> None:
    job_name = f"paged-{time.time_ns()}"
    arns = [service.create_job("", name=job_name, bucket=BUCKET) for _ in range(3)][::-1]
    search = ("braket", "search-jobs", "--filters", f"name=jobName,operator=EQUAL,values={job_name}")
    every = ("--query", "jobs[].jobArn")
    assert cli(*search, *every) == arns
    assert cli(*search, *every, "--page-size", "1") == arns
    assert cli(*search, "--no-paginate", "--max-results", "2", *every) == arns[:2]
    some = cli(*search, "--max-items", "2")
    rest = cli(*search, "--starting-token", some["NextToken"])
    assert [job["jobArn"] for job in some["jobs"] + rest["jobs"]] == arns
    text = cli(*search, "--query", "jobs[0].jobName", "--output", "text")
    assert text.strip() == job_name


def test_files_come_and_go(cli: AwsCli, service: RunningService, tmp_path: Path) -> None:
    bucket = f"cli-files-{2 if cli.is_second else 1}"
    folder = tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    (folder / "a b").write_bytes(b"x" * 9_000_000)  # two parts
    (folder / "in" / "\u00e4").write_text("text")
    cli("s3", "mb", f"s3://{bucket}")
    cli("s3", "sync", str(folder), f"s3://{bucket}/up")
    assert "\u00e4" in cli("s3", "ls", f"s3://{bucket}/up/in/")
    cli("s3", "cp", f"s3://{bucket}/up", str(tmp_path / "down"), "--recursive")
    assert (tmp_path / "down" / "a b").stat().st_size == 9_000_000
    assert (tmp_path / "down" / "in" / "\u00e4").read_text() == "text"
    cli("s3", "mv", f"s3://{bucket}/up/a b", f"s3://{bucket}/moved")
    listed = cli("s3api", "list-objects-v2", "--bucket", bucket, "--query", "Contents[].Key")
    assert listed == ["moved", "up/in/\u00e4"]
    cli("s3", "rb", f"s3://{bucket}", "--force")
    assert json.dumps(bucket) not in json.dumps(cli("s3api", "list-buckets", "--query", "Buckets[].Name"))
