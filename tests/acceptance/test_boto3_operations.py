"""boto3 with every Braket operation: each member that the model has is sent, and read back, by some test of this file.

The last test says which member no other has touched; it needs all of them to have run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.acceptance.members import Members, braket_model, modelled
from tests.reservations import MINE, book
from tests.services import ACCOUNT, BELL, ROLE, SV1, RunningService, openqasm, running, until

BUCKET = "boto3-bucket"
DM1 = SV1.replace("sv1", "dm1")
ASSOCIATIONS = [{"arn": MINE, "type": "RESERVATION_TIME_WINDOW_ARN"}]
# A second or two of work, for whoever wants to see a task wait or run.
HEAVY = "OPENQASM 3.0;\nqubit[24] q;\n" + "h q;\nctrl @ rx(0.3) q[0], q[23];\n" * 12
TELLS_ITS_TOKEN = """
import os, time
print("token", os.environ["AMZN_BRAKET_JOB_TOKEN"], flush=True)
time.sleep(300)
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with room for one task and one job at a time, and a reservation of SV1."""
    one_at_a_time = {"BRAKETEER_JOB_SLOTS": "1", "BRAKETEER_TASK_SLOTS": "1", "BRAKETEER_JOB_GRACE_SECONDS": "0"}
    with running(tmp_path_factory.mktemp("boto3"), **one_at_a_time) as started:
        started.stop()
        book(started.data_dir, MINE)
        started.start()
        s3 = started.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="code/script.py", Body=b"print('ran')")
        s3.put_object(Bucket=BUCKET, Key="input/data.json", Body=b"{}")
        yield started


@pytest.fixture(scope="module")
def members() -> Members:
    return Members()


@pytest.fixture(scope="module")
def braket(service: RunningService, members: Members) -> Any:
    return members.watch(service.client("braket"))


def task_request(**more: Any) -> dict[str, Any]:
    return {
        "deviceArn": SV1,
        "shots": 20,
        "outputS3Bucket": BUCKET,
        "outputS3KeyPrefix": "tasks",
        "action": openqasm(BELL),
    } | more


def job_request(**more: Any) -> dict[str, Any]:
    code = {"entryPoint": "script", "s3Uri": f"s3://{BUCKET}/code/script.py", "compressionType": "NONE"}
    return {
        "jobName": "boto3",
        "roleArn": ROLE,
        "algorithmSpecification": {"scriptModeConfig": code},
        "deviceConfig": {"device": SV1},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        "outputDataConfig": {"s3Path": f"s3://{BUCKET}/jobs"},
    } | more


def limit_request(**more: Any) -> dict[str, Any]:
    return {"deviceArn": DM1, "spendingLimit": "3"} | more


def test_a_device_and_its_queues(braket: Any) -> None:
    device = braket.get_device(deviceArn=SV1)
    described = {name: device[name] for name in ("deviceArn", "deviceName", "deviceType", "deviceStatus")}
    assert described == {"deviceArn": SV1, "deviceName": "SV1", "deviceType": "SIMULATOR", "deviceStatus": "ONLINE"}
    assert device["providerName"] == "Amazon Braket"
    assert "braket.ir.openqasm.program" in json.loads(device["deviceCapabilities"])["action"]
    queues = [(queue["queue"], queue.get("queuePriority")) for queue in device["deviceQueueInfo"]]
    assert queues == [("QUANTUM_TASKS_QUEUE", "Normal"), ("QUANTUM_TASKS_QUEUE", "Priority"), ("JOBS_QUEUE", None)]
    assert all(queue["queueSize"].isdecimal() for queue in device["deviceQueueInfo"])


def test_devices_page_by_page(braket: Any) -> None:
    everything = braket.search_devices(filters=[])["devices"]
    first = braket.search_devices(filters=[], maxResults=1)
    second = braket.search_devices(filters=[], maxResults=1, nextToken=first["nextToken"])
    assert first["devices"] + second["devices"] == everything[:2]
    (found,) = braket.search_devices(filters=[{"name": "deviceArn", "values": [SV1, "unknown"]}])["devices"]
    assert found == next(device for device in everything if device["deviceArn"] == SV1)


def test_a_task_with_every_member(braket: Any, service: RunningService) -> None:
    request = task_request(
        clientToken="every-member",
        deviceParameters=json.dumps({"paradigmParameters": {"qubitCount": 2}}),
        associations=ASSOCIATIONS,
        experimentalCapabilities={"enabled": "NONE"},
        tags={"team": "blue", "empty": ""},
    )
    began = datetime.now(UTC)
    arn = braket.create_quantum_task(**request)["quantumTaskArn"]
    assert braket.create_quantum_task(**request)["quantumTaskArn"] == arn
    service.wait_for_task(arn)
    task = braket.get_quantum_task(quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"])
    for name in ("deviceArn", "deviceParameters", "shots", "outputS3Bucket", "associations", "tags"):
        assert task[name] == request[name]
    assert task["experimentalCapabilities"] == {"enabled": "NONE"}
    assert (task["quantumTaskArn"], task["status"]) == (arn, "COMPLETED")
    assert task["outputS3Directory"] == f"tasks/{arn.rpartition('/')[2]}"
    assert (task["createdAt"] - began).total_seconds() + 1 >= 0
    assert task["endedAt"] >= task["createdAt"]
    assert task["numSuccessfulShots"] == 20
    assert task["actionMetadata"] == {"actionType": "braket.ir.openqasm.program"}
    queue = task["queueInfo"]
    assert (queue["queue"], queue["position"], queue["queuePriority"]) == ("QUANTUM_TASKS_QUEUE", "None", "Normal")
    assert "COMPLETED" in queue["message"]
    assert len(service.result(task)["measurements"]) == 20


def test_a_program_set(braket: Any, service: RunningService) -> None:
    header = {"name": "braket.ir.openqasm.program_set", "version": "1"}
    programs = [{"source": BELL}, {"source": "input float t; qubit q; rx(t) q;", "inputs": {"t": [0.0, 1.0, 2.0]}}]
    action = json.dumps({"braketSchemaHeader": header, "programs": programs})
    arn = braket.create_quantum_task(**task_request(action=action))["quantumTaskArn"]
    service.wait_for_task(arn)
    task = braket.get_quantum_task(quantumTaskArn=arn)
    assert (task["status"], task["shots"], task["numSuccessfulShots"]) == ("COMPLETED", 20, 20)
    assert task["actionMetadata"] == {"actionType": header["name"], "programCount": 2, "executableCount": 4}
    results = [one for program in service.result(task)["programResults"] for one in program["executableResults"]]
    assert [len(one["measurements"]) for one in results] == [5] * 4


def test_tasks_that_wait_are_cancelled_or_fail_with_a_reason(braket: Any, service: RunningService) -> None:
    service.client("s3").create_bucket(Bucket="boto3-short-lived")
    heavy, cancelled, failed = (
        braket.create_quantum_task(**task_request(**change))["quantumTaskArn"]
        for change in ({"action": openqasm(HEAVY)}, {}, {"outputS3Bucket": "boto3-short-lived"})
    )
    waiting = braket.get_quantum_task(quantumTaskArn=cancelled, additionalAttributeNames=["QueueInfo"])
    if waiting["status"] == "QUEUED":  # unless the machine was quicker
        assert waiting["queueInfo"]["position"].isdecimal()
        assert "message" not in waiting["queueInfo"]
    service.client("s3").delete_bucket(Bucket="boto3-short-lived")
    answer = braket.cancel_quantum_task(quantumTaskArn=cancelled, clientToken="cancel-it")
    assert answer["quantumTaskArn"] == cancelled
    assert answer["cancellationStatus"] in {"CANCELLED", "CANCELLING"}
    again = braket.cancel_quantum_task(quantumTaskArn=cancelled, clientToken="cancel-it")
    assert again["quantumTaskArn"] == cancelled
    assert service.wait_for_task(cancelled)["status"] == "CANCELLED"
    service.wait_for_task(failed)
    task = braket.get_quantum_task(quantumTaskArn=failed)
    assert task["status"] == "FAILED"
    assert "boto3-short-lived" in task["failureReason"]
    assert task["actionMetadata"]["actionType"] == "braket.ir.openqasm.program"
    assert service.wait_for_task(heavy)["status"] == "COMPLETED"


def test_a_job_with_every_member(braket: Any, service: RunningService) -> None:
    request = job_request(
        clientToken="every-member",
        inputDataConfig=[
            {
                "channelName": "input",
                "contentType": "application/json",
                "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/input/data.json"}},
            }
        ],
        outputDataConfig={"s3Path": f"s3://{BUCKET}/every/output", "kmsKeyId": "alias/mine"},
        checkpointConfig={"s3Uri": f"s3://{BUCKET}/every/checkpoints", "localPath": "/opt/jobs/checkpoints"},
        stoppingCondition={"maxRuntimeInSeconds": 100},
        instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 2, "instanceCount": 1},
        hyperParameters={"a": "1", "b": "x y"},
        associations=ASSOCIATIONS,
        tags={"team": "blue"},
    )
    arn = braket.create_job(**request)["jobArn"]
    assert braket.create_job(**request)["jobArn"] == arn
    service.wait_for_job(arn)
    job = braket.get_job(jobArn=arn, additionalAttributeNames=["QueueInfo"])
    assert job["status"] == "COMPLETED"
    assert {name: job[name] for name in request if name != "clientToken"} == {
        name: value for name, value in request.items() if name != "clientToken"
    }
    assert job["createdAt"] <= job["startedAt"] <= job["endedAt"]
    assert job["billableDuration"] == round((job["endedAt"] - job["startedAt"]).total_seconds() * 1000)
    assert [event["eventType"] for event in job["events"]][::-1][:1] == ["COMPLETED"]
    assert all(event["message"] and event["timeOfEvent"] >= job["createdAt"] for event in job["events"])
    assert (job["queueInfo"]["queue"], job["queueInfo"]["position"]) == ("JOBS_QUEUE", "None")
    assert "COMPLETED" in job["queueInfo"]["message"]
    assert "ran" in service.job_log(arn)


def test_a_running_job_sends_tasks_and_another_waits(braket: Any, service: RunningService) -> None:
    """The job's token, sent as a member, makes the task the job's; then both jobs are cancelled."""
    service.client("s3").put_object(Bucket=BUCKET, Key="code/teller.py", Body=TELLS_ITS_TOKEN.encode())
    code = {"entryPoint": "teller", "s3Uri": f"s3://{BUCKET}/code/teller.py", "compressionType": "NONE"}
    runs = braket.create_job(**job_request(algorithmSpecification={"scriptModeConfig": code}))["jobArn"]
    image = {"uri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/own:1"}
    waits = braket.create_job(**job_request(algorithmSpecification={"containerImage": image}))["jobArn"]

    log = until(lambda: service.job_log(runs), lambda lines: any(line.startswith("token ") for line in lines))
    token = next(line.split()[1] for line in log if line.startswith("token "))
    task = braket.create_quantum_task(**task_request(jobToken=token))["quantumTaskArn"]
    assert braket.get_quantum_task(quantumTaskArn=task)["jobArn"] == runs
    of_job = braket.search_quantum_tasks(filters=[{"name": "jobArn", "operator": "EQUAL", "values": [runs]}])
    assert [found["quantumTaskArn"] for found in of_job["quantumTasks"]] == [task]

    queue = braket.get_job(jobArn=waits, additionalAttributeNames=["QueueInfo"])["queueInfo"]
    assert queue == {"queue": "JOBS_QUEUE", "position": "1"}
    assert braket.cancel_job(jobArn=runs) == answered(jobArn=runs, cancellationStatus="CANCELLING")
    assert service.wait_for_job(runs)["status"] == "CANCELLED"
    service.wait_for_job(waits)
    job = braket.get_job(jobArn=waits)
    assert job["status"] == "FAILED"
    assert job["algorithmSpecification"] == {"containerImage": image}
    assert image["uri"] in job["failureReason"]


def test_spending_limits_with_every_member(braket: Any) -> None:
    period = {"startAt": datetime(2026, 1, 1, tzinfo=UTC), "endAt": datetime(2100, 1, 1, 0, 0, 0, 500_000, UTC)}
    request = {
        "clientToken": "every-member",
        "deviceArn": SV1,
        "spendingLimit": "12.5",
        "timePeriod": period,
        "tags": {"team": "blue"},
    }
    arn = braket.create_spending_limit(**request)["spendingLimitArn"]
    assert braket.create_spending_limit(**request)["spendingLimitArn"] == arn
    other = braket.create_spending_limit(**limit_request())["spendingLimitArn"]
    of_sv1 = [{"name": "deviceArn", "operator": "EQUAL", "values": [SV1]}]
    (limit,) = braket.search_spending_limits(filters=of_sv1)["spendingLimits"]
    spent = {"queuedSpend": "0", "totalSpend": "0"}
    shown = {name: value for name, value in request.items() if name != "clientToken"} | spent
    assert {name: limit[name] for name in shown} == shown
    assert (limit["spendingLimitArn"], limit["updatedAt"]) == (arn, limit["createdAt"])

    changes = {"spendingLimit": "20", "timePeriod": period | {"endAt": datetime(2090, 1, 1, tzinfo=UTC)}}
    assert braket.update_spending_limit(spendingLimitArn=arn, clientToken="change", **changes) == answered()
    assert braket.update_spending_limit(spendingLimitArn=arn, clientToken="change", **changes) == answered()
    (limit,) = braket.search_spending_limits(filters=of_sv1)["spendingLimits"]
    assert {name: limit[name] for name in changes} == changes
    assert limit["updatedAt"] >= limit["createdAt"]

    assert [limit["spendingLimitArn"] for limit in by_ones(braket.search_spending_limits, "spendingLimits")] == [
        other,
        arn,
    ]
    for limit in (arn, other):
        assert braket.delete_spending_limit(spendingLimitArn=limit) == answered()
    assert braket.search_spending_limits() == answered(spendingLimits=[])


class answered(dict):  # noqa: N801  reads as a sentence in assertions
    """Equal to an answer with these members, whatever its ResponseMetadata."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and {k: v for k, v in other.items() if k != "ResponseMetadata"} == dict(self)

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("kind", ["quantum-task", "job", "spending-limit"])
def test_tags_come_and_go(braket: Any, service: RunningService, kind: str) -> None:
    tags = {"at create": "1", "changed": "before", "p\u00e4th/+&=": "\u00fc"}
    arn = {
        "job": lambda: braket.create_job(**job_request(tags=tags))["jobArn"],
        "quantum-task": lambda: braket.create_quantum_task(**task_request(tags=tags))["quantumTaskArn"],
        "spending-limit": lambda: braket.create_spending_limit(**limit_request(tags=tags))["spendingLimitArn"],
    }[kind]()
    assert braket.list_tags_for_resource(resourceArn=arn) == answered(tags=tags)
    assert braket.tag_resource(resourceArn=arn, tags={"changed": "after", "k" * 128: "v" * 256}) == answered()
    assert braket.untag_resource(resourceArn=arn, tagKeys=["at create", "p\u00e4th/+&=", "not there"]) == answered()
    left = {"changed": "after", "k" * 128: "v" * 256}
    assert braket.list_tags_for_resource(resourceArn=arn)["tags"] == left
    shown = {
        "job": lambda: braket.get_job(jobArn=arn),
        "quantum-task": lambda: braket.get_quantum_task(quantumTaskArn=arn),
        "spending-limit": lambda: braket.search_spending_limits()["spendingLimits"][0],
    }[kind]()
    assert shown["tags"] == left
    if kind == "spending-limit":
        braket.delete_spending_limit(spendingLimitArn=arn)


def too_many(already: int) -> dict[str, str]:
    return {f"key {number}": "v" for number in range(51 - already)}


@pytest.mark.parametrize(
    "tags", [too_many(1), {"k" * 129: ""}, {"k": "v" * 257}, {"aws:mine": "x"}, {"AWS:mine": "x"}, {"": "x"}]
)
def test_tags_that_are_refused(braket: Any, service: RunningService, tags: dict[str, str]) -> None:
    arn = braket.create_quantum_task(**task_request(tags={"there": "1"}))["quantumTaskArn"]
    for call in (
        lambda: braket.tag_resource(resourceArn=arn, tags=tags),
        lambda: braket.create_quantum_task(**task_request(tags=tags | {"there": "1"})),
        lambda: braket.create_job(**job_request(tags=tags | {"there": "1"})),
        lambda: braket.create_spending_limit(**limit_request(tags=tags | {"there": "1"})),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert braket.list_tags_for_resource(resourceArn=arn)["tags"] == {"there": "1"}


def test_fifty_tags_are_not_too_many(braket: Any) -> None:
    arn = braket.create_quantum_task(**task_request(tags={"there": "1"}))["quantumTaskArn"]
    tags = too_many(2) | {"there": "2"}
    braket.tag_resource(resourceArn=arn, tags=tags)
    assert braket.list_tags_for_resource(resourceArn=arn)["tags"] == tags
    braket.tag_resource(resourceArn=arn, tags=dict.fromkeys(tags, "again"))  # no key is new
    assert set(braket.list_tags_for_resource(resourceArn=arn)["tags"].values()) == {"again"}


def test_searches_show_every_member_of_a_summary(braket: Any) -> None:
    created = {"name": "createdAt", "operator": "GT", "values": ["2026-01-01T00:00:00Z"]}
    ended = {"name": "status", "operator": "EQUAL", "values": ["COMPLETED", "FAILED", "CANCELLED"]}
    tasks = by_ones(braket.search_quantum_tasks, "quantumTasks", filters=[created, ended])
    for summary in tasks:
        task = braket.get_quantum_task(quantumTaskArn=summary["quantumTaskArn"])
        assert summary == {name: task[name] for name in summary}
    jobs = by_ones(braket.search_jobs, "jobs", filters=[created, ended])
    for summary in jobs:
        job = braket.get_job(jobArn=summary["jobArn"])
        assert summary.pop("device") == job["deviceConfig"]["device"]
        assert summary == {name: job[name] for name in summary}
    assert min(len(tasks), len(jobs)) > 2


def by_ones(search: Any, key: str, **request: Any) -> list[dict[str, Any]]:
    """Everything found, one row a page."""
    rows, token = [], {}
    while token is not None:
        page = search(maxResults=1, **request, **token)
        rows += page[key]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else None
    return rows


def test_nothing_of_the_model_was_left_out(members: Members, request: pytest.FixtureRequest) -> None:
    mine = {item.originalname for item in request.session.items if item.module is request.module}
    if missing := {name for name in vars(request.module) if name.startswith("test_")} - mine:
        pytest.skip(f"only a part of this file runs: without {', '.join(sorted(missing))}")
    assert set(braket_model().operation_names) - members.operations == set()
    assert modelled("input") - members.sent == set()
    assert modelled("output") - members.read == set()
