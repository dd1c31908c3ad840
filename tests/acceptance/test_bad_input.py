"""Bad input gets a clear modelled error, or a FAILED state with a reason; the service goes on."""

import http.client
import io
import json
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import EndpointConnectionError

from braketeer.cli.service import is_healthy
from tests.services import BELL, HARMONY, ROLE, SV1, RunningService, harmony_offline, openqasm, refusal

DEEP = "OPENQASM 3.0;\nqubit q;\nrx(" + "(" * 50_000 + "1" + ")" * 50_000 + ") q;\n"
ENDLESS = "OPENQASM 3.0;\nqubit q;\nfor int i in [0:1000000000] { for int j in [0:1000000000] { h q; } }\n"


@pytest.fixture(scope="module", autouse=True)
def one_device_is_offline(service: RunningService) -> Iterator[None]:
    with harmony_offline(service):
        yield


@pytest.fixture
def task(service: RunningService) -> dict[str, Any]:
    service.client("s3").create_bucket(Bucket="results")
    return {
        "deviceArn": SV1,
        "shots": 10,
        "outputS3Bucket": "results",
        "outputS3KeyPrefix": "tasks",
        "action": openqasm(BELL),
    }


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"deviceArn": "arn:aws:braket:::device/quantum-simulator/amazon/sv9"}, "ValidationException", "sv9"),
        ({"deviceArn": HARMONY}, "DeviceOfflineException", "offline"),
        ({"deviceArn": SV1.replace("sv1", "tn1")}, "DeviceRetiredException", "retired"),
        (
            {"shots": 100_001},
            "ValidationException",
            f"Shot count should be between 0 and 100000 on {SV1}, but found 100001.",
        ),
        ({"outputS3Bucket": "is-not-there"}, "ValidationException", "does not exist"),
        ({"jobToken": "no-such-token"}, "ValidationException", "job token"),
        ({"action": "{}"}, "ValidationException", "braketSchemaHeader"),
        ({"action": openqasm("OPENQASM 3.0;\nqubit[2] q;\nh q[0]\ncnot q[0], q[1];")}, "ValidationException", "line 4"),
        ({"action": openqasm("OPENQASM 3.0;\nqubit[2] q;\ncnot q[1], q[1];")}, "ValidationException", "line 3"),
        ({"action": openqasm("OPENQASM 3.0;\nqubit[40] q;\nh q;")}, "ValidationException", "more than the device"),
        ({"action": openqasm("OPENQASM 3.0;\nqubit q;\nh q;"), "shots": 0}, "ValidationException", ""),
        ({"action": openqasm(DEEP)}, "ValidationException", "nest"),
        ({"action": openqasm(ENDLESS)}, "ValidationException", ""),
        ({"tags": {"k": "v" * 257}}, "ValidationException", "256"),
        ({"tags": {f"k{i}": "v" for i in range(51)}}, "ValidationException", "50"),
    ],
)
def test_a_task_that_cannot_be(
    service: RunningService, task: dict[str, Any], change: dict[str, Any], code: str, said: str
) -> None:
    found, status, message = refusal(service.client("braket").create_quantum_task, **(task | change))
    assert found == code
    assert status in {400, 410, 424}
    assert said in message
    assert service.client("braket").search_devices(filters=[])["devices"]


def test_a_wrong_signature_an_unknown_key_and_a_wrong_clock(service: RunningService) -> None:
    search = {"filters": []}
    wrong = service.client("braket", aws_secret_access_key="not-the-secret")
    code, status, _ = refusal(wrong.search_devices, **search)
    assert (code, status) == ("InvalidSignatureException", 403)
    unknown = service.client("braket", aws_access_key_id="AKIAAAAAAAAAAAAAAAAA")
    code, status, message = refusal(unknown.search_devices, **search)
    assert (code, status) == ("UnrecognizedClientException", 403)
    assert message == "The security token included in the request is invalid."

    status, code, message = signed_an_hour_ago(service)
    assert (status, code) == (403, "InvalidSignatureException")
    assert "expired" in message


def signed_an_hour_ago(service: RunningService) -> tuple[int, str | None, str]:
    """(status, error code, message) for a request whose signature was right an hour ago."""
    access = service.access
    request = AWSRequest("POST", f"{access.endpoint}/devices", data=b'{"filters": []}')
    request.headers["Content-Type"] = "application/json"
    then = datetime.now(UTC) - timedelta(hours=1)
    with patch("botocore.auth.get_current_datetime", return_value=then):
        SigV4Auth(Credentials(access.access_key_id, access.secret_access_key), "braket", "us-east-1").add_auth(request)
    with closing(http.client.HTTPConnection("127.0.0.1", service.port)) as connection:
        connection.request("POST", "/devices", request.body, dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.getheader("x-amzn-ErrorType"), json.loads(answer.read())["message"]


def test_a_result_that_no_memory_here_holds_is_refused_at_create(service: RunningService, task: dict[str, Any]) -> None:
    braket = service.client("braket")
    most = json.loads(braket.get_device(deviceArn=SV1)["deviceCapabilities"])["paradigm"]["qubitCount"]
    every = f"OPENQASM 3.0;\nqubit[{most}] q;\nh q;\n#pragma braket result probability all\n"
    change = {"shots": 0, "action": openqasm(every)}
    code, status, message = refusal(braket.create_quantum_task, **(task | change))
    assert (code, status) == ("ValidationException", 400)
    assert "of memory, which is more than the" in message


def test_what_boto3_does_not_check_is_checked_here(service: RunningService) -> None:
    braket = service.client("braket", config={"parameter_validation": False})
    assert refusal(braket.create_quantum_task, deviceArn=SV1)[1] == 400
    assert refusal(braket.search_devices, filters=[{"name": "deviceArn", "values": ["x"]}] * 11)[1] == 400
    assert refusal(braket.search_quantum_tasks, filters=[], maxResults=101)[1] == 400
    assert refusal(braket.search_quantum_tasks, filters=[], nextToken="made up")[0] == "ValidationException"
    for value in ("1e300", "-1e18", "never"):
        late = [{"name": "createdAt", "operator": "GT", "values": [value]}]
        assert refusal(braket.search_quantum_tasks, filters=late)[0] == "ValidationException"


def job(service: RunningService, **change: Any) -> dict[str, Any]:
    service.client("s3").create_bucket(Bucket="results")
    return {
        "jobName": "bad",
        "roleArn": ROLE,
        "algorithmSpecification": {
            "scriptModeConfig": {
                "entryPoint": "script",
                "s3Uri": "s3://results/there/is/nothing.py",
                "compressionType": "NONE",
            }
        },
        "deviceConfig": {"device": SV1},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        "outputDataConfig": {"s3Path": "s3://results/jobs/bad"},
    } | change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"jobName": "under_score"}, ""),
        ({"roleArn": "arn:aws:iam::111111111111:role/x"}, "111111111111"),
        ({"outputDataConfig": {"s3Path": "s3://is-not-there/x"}}, "does not exist"),
        ({"deviceConfig": {"device": "nonsense"}}, "nonsense"),
        ({"algorithmSpecification": {}}, "scriptModeConfig"),
        ({"instanceConfig": {"instanceType": "ml.m5.huge", "volumeSizeInGb": 1}}, ""),
    ],
)
def test_a_job_that_cannot_be(service: RunningService, change: dict[str, Any], said: str) -> None:
    code, status, message = refusal(service.client("braket").create_job, **job(service, **change))
    assert status == 400
    assert code in {"ValidationException", "BadRequestException"}
    assert said in message


def test_a_job_whose_code_is_not_there_fails_with_the_reason(service: RunningService) -> None:
    ended = service.wait_for_job(service.client("braket").create_job(**job(service))["jobArn"])
    assert ended["status"] == "FAILED"
    assert "s3://results/there/is/nothing.py" in ended["failureReason"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../../escaped.py"])
def test_an_archive_that_leaves_its_folder_fails_the_job(service: RunningService, path: str) -> None:
    service.client("s3").create_bucket(Bucket="results")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo(path)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    service.client("s3").put_object(Bucket="results", Key="evil.tar.gz", Body=content.getvalue())
    code = {"entryPoint": "script", "s3Uri": "s3://results/evil.tar.gz", "compressionType": "GZIP"}
    request = job(service, algorithmSpecification={"scriptModeConfig": code})
    ended = service.wait_for_job(service.client("braket").create_job(**request)["jobArn"])
    assert ended["status"] == "FAILED"
    assert path in ended["failureReason"]


def test_other_peoples_arns_are_not_found(service: RunningService) -> None:
    arn = service.create_task()
    braket = service.client("braket")
    for other in (arn.replace("000000000000", "111111111111"), arn.replace("us-east-1", "us-west-2"), "nonsense"):
        assert refusal(braket.get_quantum_task, quantumTaskArn=other)[:2] == ("ResourceNotFoundException", 404)
    assert refusal(braket.list_tags_for_resource, resourceArn=arn[:-12] + 12 * "0")[1] == 404
    assert refusal(service.client("braket", "us-west-2").get_quantum_task, quantumTaskArn=arn)[1] == 404


def test_a_task_that_has_ended_cannot_be_cancelled(service: RunningService) -> None:
    arn = service.create_task()
    service.wait_for_task(arn)
    code, status, message = refusal(service.client("braket").cancel_quantum_task, quantumTaskArn=arn)
    assert (code, status) == ("ConflictException", 409)
    assert message.startswith("Amazon Braket cannot cancel a quantum task in the COMPLETED status")


def test_a_service_that_is_not_served_says_what_is(service: RunningService) -> None:
    _, status, message = refusal(service.client("dynamodb").list_tables)
    assert status < 500
    assert "braket" in message


def test_nothing_listens_beyond_loopback(service: RunningService) -> None:
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1", "127.0.1.1"}:
        client = boto3.client(
            "sts",
            region_name="us-east-1",
            endpoint_url=f"http://{address}:{service.port}",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        with pytest.raises(EndpointConnectionError):
            client.get_caller_identity()


def test_a_result_below_the_longest_prefix_can_be_read(service: RunningService) -> None:
    for prefix in ("p" * 1024, "\u00e9" * 1024, "tasks/", "a//b"):
        task = service.wait_for_task(service.create_task(outputS3KeyPrefix=prefix))
        assert task["outputS3Directory"].startswith(prefix)
        assert len(service.result(task)["measurements"]) == 100
    too_long = {"Bucket": "results", "Key": "k" * 1025, "Body": b""}
    assert refusal(service.client("s3").put_object, **too_long)[0] == "KeyTooLongError"


def test_a_program_that_takes_long_to_read_holds_nobody_up(service: RunningService, task: dict[str, Any]) -> None:
    slow = "OPENQASM 3.0;\nqubit q;\nint x = 0;\nfor int i in [0:290000] { x = " + "1+" * 150 + "1; }\nh q;\n"
    answers: list[float] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            assert is_healthy(service.access.endpoint)
            answers.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    code, _, message = refusal(service.client("braket").create_quantum_task, **(task | {"action": openqasm(slow)}))
    over.set()
    thread.join()
    assert code == "ValidationException"
    assert "to read" in message or "statements" in message
    assert len(answers) > 10  # it was asked all the while, and answered
