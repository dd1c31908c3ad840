"""Each modelled error of each Braket operation: status, code, header, the form of its body, and the known words.

The table names every error that the model lists for an operation, or says why no request can bring it about.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from braketeer.domain.accounts import Role
from braketeer.store import accounts
from braketeer.store.database import opened
from braketeer.store.secrets import Secrets
from tests.acceptance.members import braket_model
from tests.services import (
    ACCOUNT,
    BELL,
    GARNET,
    HARMONY,
    ROLE,
    SV1,
    RunningService,
    harmony_offline,
    openqasm,
    running,
    until,
)

BUCKET = "errors"
TN1 = SV1.replace("sv1", "tn1")
MODEL = braket_model()
STATUSES = {
    "ValidationException": 400,
    "ServiceQuotaExceededException": 402,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ConflictException": 409,
    "DeviceRetiredException": 410,
    "DeviceOfflineException": 424,
    "ThrottlingException": 429,
}
UNKNOWN = {
    kind: f"arn:aws:braket:us-east-1:{ACCOUNT}:{kind}/00000000-0000-4000-8000-000000000000"
    for kind in ("quantum-task", "job", "spending-limit")
}
RESERVED = [{"arn": f"arn:aws:braket:us-east-1:{ACCOUNT}:reservation/x", "type": "RESERVATION_TIME_WINDOW_ARN"}]
MANY_QUBITS = "OPENQASM 3.0;\nqubit[54] q;\nh q;\n"
ONE_OF_TWO = "OPENQASM 3.0;\nbit[1] b;\nqubit[2] q;\nh q;\nb[0] = measure q[0];\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("errors"), BRAKETEER_JOB_GRACE_SECONDS="0") as started:
        s3 = started.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="script.py", Body=b"")
        with harmony_offline(started):
            yield started


@pytest.fixture(scope="module")
def viewer(service: RunningService) -> Any:
    """A client whose key may only read."""
    service.stop()
    secrets = Secrets((service.data_dir / "secret.key").read_bytes())
    with opened(f"sqlite:///{service.data_dir / 'braketeer.db'}") as database:
        key = database.write_now(lambda tx: accounts.create_key(tx.connection, secrets, ACCOUNT, Role.VIEWER, 0))
    service.start()
    return unchecked(service, aws_access_key_id=key.id, aws_secret_access_key=key.secret)


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service where an operation may be called once in a while, and one task and one job are an account's quota."""
    folder: Path = tmp_path_factory.mktemp("limited")
    counted = [name for name in MODEL.operation_names if not name.startswith("Create")]
    lines = [f"{name} = {{rate = 0.0001, burst = 1}}" for name in counted]
    (folder / "throttle.toml").write_text("\n".join(["[operations]", *lines]))
    settings = {
        "BRAKETEER_THROTTLE": str(folder / "throttle.toml"),
        "BRAKETEER_QUOTA_TASKS_QUEUED": "1",
        "BRAKETEER_QUOTA_JOBS_RUNNING": "1",
        "BRAKETEER_TASK_SLOTS": "1",
        "BRAKETEER_JOB_GRACE_SECONDS": "0",
    }
    with running(folder, **settings) as started:
        started.client("s3").create_bucket(Bucket=BUCKET)
        yield started


def unchecked(service: RunningService, **options: Any) -> Any:
    """A boto3 client that leaves all checks to the service."""
    return service.client("braket", config={"parameter_validation": False}, **options)


def task(**more: Any) -> dict[str, Any]:
    request = {"deviceArn": SV1, "shots": 5, "outputS3Bucket": BUCKET, "outputS3KeyPrefix": "t"}
    return request | {"action": openqasm(BELL)} | more


def job(**more: Any) -> dict[str, Any]:
    code = {"entryPoint": "script", "s3Uri": f"s3://{BUCKET}/script.py", "compressionType": "NONE"}
    return {
        "jobName": "errors",
        "roleArn": ROLE,
        "algorithmSpecification": {"scriptModeConfig": code},
        "deviceConfig": {"device": SV1},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        "outputDataConfig": {"s3Path": f"s3://{BUCKET}/jobs"},
    } | more


def limit(**more: Any) -> dict[str, Any]:
    return {"deviceArn": SV1, "spendingLimit": "1"} | more


# (operation, error, request, words): where requests are refused whatever there is.
TABLE: list[tuple[str, str, dict[str, Any], str]] = [
    ("GetDevice", "ResourceNotFoundException", {"deviceArn": "nowhere"}, "nowhere"),
    ("GetDevice", "ResourceNotFoundException", {"deviceArn": GARNET}, "not found in us-east-1"),
    ("GetDevice", "ValidationException", {"deviceArn": "x" * 257}, "deviceArn"),
    ("SearchDevices", "ValidationException", {"filters": [{"name": "deviceName", "values": ["x"]}]}, "deviceArn"),
    ("CreateQuantumTask", "DeviceOfflineException", task(deviceArn=HARMONY), "offline"),
    ("CreateQuantumTask", "DeviceRetiredException", task(deviceArn=TN1), "retired"),
    (
        "CreateQuantumTask",
        "ValidationException",
        task(shots=100_001),
        f"Shot count should be between 0 and 100000 on {SV1}, but found 100001.",
    ),
    (
        "CreateQuantumTask",
        "ValidationException",
        task(action=openqasm(MANY_QUBITS)),
        "Used 54 qubits, which is more than the device qubit count of ",
    ),
    (
        "CreateQuantumTask",
        "ValidationException",
        task(action=openqasm(ONE_OF_TWO)),
        "Device requires all qubits in the program to be measured. This may be caused by declaring non-contiguous "
        "qubits or measuring partial qubits",
    ),
    ("CreateQuantumTask", "ValidationException", task(associations=RESERVED), "Braket Direct is not supported for "),
    (
        "CreateQuantumTask",
        "ValidationException",
        task(deviceArn=GARNET, associations=RESERVED),
        "Reservation arn is invalid",
    ),
    ("CreateQuantumTask", "ValidationException", task(shots=-1), "shots"),
    ("GetQuantumTask", "ResourceNotFoundException", {"quantumTaskArn": UNKNOWN["quantum-task"]}, ""),
    ("GetQuantumTask", "ValidationException", {"quantumTaskArn": "x" * 257}, "quantumTaskArn"),
    ("CancelQuantumTask", "ResourceNotFoundException", {"quantumTaskArn": UNKNOWN["quantum-task"]}, ""),
    ("CancelQuantumTask", "ValidationException", {"quantumTaskArn": "x" * 257}, "quantumTaskArn"),
    ("SearchQuantumTasks", "ValidationException", {"filters": [], "nextToken": "x"}, "nextToken"),
    ("CreateJob", "DeviceOfflineException", job(deviceConfig={"device": HARMONY}), "offline"),
    ("CreateJob", "DeviceRetiredException", job(deviceConfig={"device": TN1}), "retired"),
    ("CreateJob", "ValidationException", job(jobName="under_score"), "jobName"),
    ("CreateJob", "ValidationException", job(associations=RESERVED), "Braket Direct is not supported for "),
    ("GetJob", "ResourceNotFoundException", {"jobArn": UNKNOWN["job"]}, ""),
    ("GetJob", "ValidationException", {"jobArn": "arn:x"}, "jobArn"),
    ("CancelJob", "ResourceNotFoundException", {"jobArn": UNKNOWN["job"]}, ""),
    ("CancelJob", "ValidationException", {"jobArn": "arn:x"}, "jobArn"),
    ("SearchJobs", "ValidationException", {"filters": None}, "filters"),
    ("TagResource", "ResourceNotFoundException", {"resourceArn": UNKNOWN["job"], "tags": {"a": "b"}}, ""),
    ("TagResource", "ValidationException", {"resourceArn": UNKNOWN["job"], "tags": {"aws:a": "b"}}, "aws:"),
    ("UntagResource", "ResourceNotFoundException", {"resourceArn": UNKNOWN["quantum-task"], "tagKeys": ["a"]}, ""),
    ("UntagResource", "ValidationException", {"resourceArn": UNKNOWN["quantum-task"]}, "tagKeys"),
    ("ListTagsForResource", "ResourceNotFoundException", {"resourceArn": UNKNOWN["spending-limit"]}, ""),
    ("ListTagsForResource", "ResourceNotFoundException", {"resourceArn": "nonsense"}, ""),
    ("CreateSpendingLimit", "DeviceRetiredException", limit(deviceArn=TN1), "retired"),
    ("CreateSpendingLimit", "ValidationException", limit(spendingLimit="1.234"), "spendingLimit"),
    ("UpdateSpendingLimit", "ResourceNotFoundException", {"spendingLimitArn": UNKNOWN["spending-limit"]}, ""),
    ("UpdateSpendingLimit", "ValidationException", {"spendingLimitArn": "arn:x"}, "spendingLimitArn"),
    ("DeleteSpendingLimit", "ResourceNotFoundException", {"spendingLimitArn": UNKNOWN["spending-limit"]}, ""),
    ("DeleteSpendingLimit", "ValidationException", {"spendingLimitArn": "arn:x"}, "spendingLimitArn"),
    ("SearchSpendingLimits", "ValidationException", {"maxResults": 101}, "maxResults"),
]
# By operation, well formed: for who may only read, and for who calls too often.
REQUESTS: dict[str, dict[str, Any]] = {
    "GetDevice": {"deviceArn": SV1},
    "SearchDevices": {"filters": []},
    "CreateQuantumTask": task(),
    "GetQuantumTask": {"quantumTaskArn": UNKNOWN["quantum-task"]},
    "CancelQuantumTask": {"quantumTaskArn": UNKNOWN["quantum-task"]},
    "SearchQuantumTasks": {"filters": []},
    "CreateJob": job(),
    "GetJob": {"jobArn": UNKNOWN["job"]},
    "CancelJob": {"jobArn": UNKNOWN["job"]},
    "SearchJobs": {"filters": []},
    "CreateSpendingLimit": limit(),
    "UpdateSpendingLimit": {"spendingLimitArn": UNKNOWN["spending-limit"]},
    "DeleteSpendingLimit": {"spendingLimitArn": UNKNOWN["spending-limit"]},
    "SearchSpendingLimits": {},
}
CHANGES = [name for name in REQUESTS if name.startswith(("Create", "Cancel", "Update", "Delete"))]
THROTTLED = [name for name in REQUESTS if not name.startswith("Create")]
# Brought about by the tests below the table.
ELSEWHERE = {
    ("CancelQuantumTask", "ConflictException"),
    ("CancelJob", "ConflictException"),
    ("CreateJob", "ConflictException"),
    ("CreateQuantumTask", "ServiceQuotaExceededException"),
    ("CreateJob", "ServiceQuotaExceededException"),
    *((name, "AccessDeniedException") for name in CHANGES),
    *((name, "ThrottlingException") for name in THROTTLED),
}


def not_to_be_had(operation: str, error: str) -> str | None:
    """Why no request brings an error about."""
    if error == "InternalServiceException":
        return "it would be a defect"
    if error == "AccessDeniedException" and operation.startswith(("Get", "Search")):
        return "every role may read"
    if error == "ThrottlingException" and operation.startswith("Create"):
        return "as the others; a limit of its own would hinder the quotas' tests"
    if (operation, error) == ("ListTagsForResource", "ValidationException"):
        return "whatever is no ARN of a resource is not found"
    return None


def test_the_table_has_every_error_of_the_model() -> None:
    modelled = {
        (name, shape.name) for name in MODEL.operation_names for shape in MODEL.operation_model(name).error_shapes
    }
    here = {(operation, error) for operation, error, _, _ in TABLE} | ELSEWHERE
    assert here <= modelled
    assert {pair for pair in modelled if not_to_be_had(*pair) is None} == here


def refuse(client: Any, operation: str, error: str, request: dict[str, Any], words: str = "") -> None:
    """The call is refused with this error, in the form that Amazon Braket gives it."""
    raw: list[bytes] = []
    noted = f"after-call.braket.{operation}"
    client.meta.events.register(noted, lambda http_response, **_: raw.append(http_response.content), unique_id="raw")
    try:
        with pytest.raises(ClientError) as refused:
            getattr(client, xform_name(operation))(**request)
    finally:
        client.meta.events.unregister(noted, unique_id="raw")
    answer = refused.value.response
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    assert (answer["Error"]["Code"], status) == (error, STATUSES[error]), answer["Error"]
    assert headers["x-amzn-errortype"] == error
    assert headers["content-type"] == "application/json"
    assert re.fullmatch("[0-9a-f-]{36}", headers["x-amzn-requestid"])
    document = json.loads(raw[0])
    assert document["message"] == answer["message"] == answer["Error"]["Message"]
    assert words in document["message"]
    assert document["message"]
    assert isinstance(refused.value, getattr(client.exceptions, error))


@pytest.mark.parametrize(
    ("operation", "error", "request_", "words"), [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in TABLE]
)
def test_an_error_of_the_table(
    service: RunningService, operation: str, error: str, request_: dict[str, Any], words: str
) -> None:
    refuse(unchecked(service), operation, error, request_, words)


@pytest.mark.parametrize("operation", CHANGES)
def test_who_may_only_read_changes_nothing(viewer: Any, operation: str) -> None:
    refuse(viewer, operation, "AccessDeniedException", REQUESTS[operation], f"perform: braket:{operation}")


@pytest.mark.parametrize("operation", THROTTLED)
def test_who_calls_too_often_is_throttled(limited: RunningService, operation: str) -> None:
    client = unchecked(limited)
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):  # which is a call as any other
        getattr(client, xform_name(operation))(**REQUESTS[operation])
    refuse(client, operation, "ThrottlingException", REQUESTS[operation], "Rate exceeded")


def test_quotas(limited: RunningService) -> None:
    client = unchecked(limited)
    heavy = "OPENQASM 3.0;\nqubit[24] q;\n" + "h q;\nctrl @ rx(0.3) q[0], q[23];\n" * 60
    for _ in range(2):  # one is computed, one waits
        until(lambda: _created(client, task(action=openqasm(heavy))), bool)
    refuse(
        client, "CreateQuantumTask", "ServiceQuotaExceededException", task(), "You have exceeded the service quota of "
    )
    client.create_job(**job())
    refuse(client, "CreateJob", "ServiceQuotaExceededException", job(), "You have exceeded the service quota of ")


def _created(client: Any, request: dict[str, Any]) -> bool:
    try:
        client.create_quantum_task(**request)
    except client.exceptions.ServiceQuotaExceededException:
        return False  # the one before is not being computed yet
    return True


def test_what_has_ended_cannot_be_cancelled(service: RunningService) -> None:
    client = unchecked(service)
    arn = client.create_quantum_task(**task())["quantumTaskArn"]
    service.wait_for_task(arn)
    words = "Amazon Braket cannot cancel a quantum task in the COMPLETED status"
    refuse(client, "CancelQuantumTask", "ConflictException", {"quantumTaskArn": arn}, words)
    arn = client.create_job(**job())["jobArn"]
    service.wait_for_job(arn)
    refuse(client, "CancelJob", "ConflictException", {"jobArn": arn}, "cannot cancel")


def test_a_client_token_with_another_request(service: RunningService) -> None:
    client = unchecked(service)
    for operation, error, request, other in (
        ("CreateQuantumTask", "ValidationException", task(), task(shots=6)),
        ("CreateJob", "ConflictException", job(), job(jobName="other")),
        ("CreateSpendingLimit", "ValidationException", limit(), limit(spendingLimit="2")),
    ):
        getattr(client, xform_name(operation))(**request, clientToken="said-before")
        refuse(client, operation, error, other | {"clientToken": "said-before"}, "already used")


def test_what_is_no_request_at_all(service: RunningService) -> None:
    """The real front door's words for a body that breaks the schema."""
    client = unchecked(service)

    def send_nonsense(params: dict[str, Any], **_: Any) -> None:
        params["body"] = b'{"filters": '

    client.meta.events.register("before-call.braket.SearchJobs", send_nonsense)
    with pytest.raises(ClientError, match="Invalid request body") as refused:
        client.search_jobs(filters=[])
    assert refused.value.response["Error"]["Code"] == "BadRequestException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
