"""Every rule of the Braket model, kept and broken, sent over HTTP to the real service. No answer may be a 5xx.

``tests/contract/test_validation_braket.py`` judges the same cases by the validator alone; here they meet the whole
service, so a case that is well formed may still be refused for what it means (see ``meant_otherwise``).
"""

import contextlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.services import BELL, GARNET, ROLE, SV1, RunningService, openqasm, running

DATA = Path(__file__).parent.parent / "data" / "braket-requests" / "braket-requests.json"
CASES = json.loads(DATA.read_text())["cases"]
BUCKET = "amazon-braket-us-west-2-123456789012"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own, with as few jobs at once as possible: these jobs are not there to be run."""
    with running(tmp_path_factory.mktemp("rules"), BRAKETEER_JOB_SLOTS="1", BRAKETEER_JOB_GRACE_SECONDS="0") as started:
        started.client("s3").create_bucket(Bucket=BUCKET)
        yield started


def test_every_case_is_answered_as_the_model_says(service: RunningService) -> None:
    wrong = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", service.port)) as connection:
        for case in CASES:
            status, code, message = send(service, connection, case)
            fits = status in case["expect"]["status"] or not case["expect"]["certain"] or meant_otherwise(case, message)
            if status >= 500 or not fits:
                wrong.append((case["id"], case["rule"], case["member"], status, code, message[:160]))
    assert wrong == []
    assert service.client("braket").search_devices(filters=[])["devices"]


def meant_otherwise(case: dict[str, Any], message: str) -> bool:
    """Well formed, but refused for a reason that the model cannot know: this version says which."""
    return case["expect"]["status"] in ([200], [201]) and any(
        said in message
        for said in (
            "is offline",  # QPUs are not emulated yet
            "does not exist",
            "Reservation arn is invalid",
            "Braket Direct is not supported",
            "is not a role of account",
            "is not supported",
            "belongs to another account",
            "cannot cancel",  # a task that has ended before the case could cancel it
            "have the same name",  # twenty channels, all called alike
            "has a spending limit for",  # one for a device, and the cases are all for one device
        )
    )


def send(service: RunningService, connection: http.client.HTTPConnection, case: dict[str, Any]) -> tuple[int, str, str]:
    """(status, error code, message) of one case, signed, with the placeholders filled in."""
    access = service.access
    target = case["target"]
    for need in case.get("needs", []):
        if f"{{{need}}}" in target:
            target = target.replace(f"{{{need}}}", quote(thing(service, need), safe=""))
    if "raw_body" in case:
        raw = case["raw_body"]
        escaped = case.get("raw_body_encoding") == "escaped bytes"
        body = raw.encode("latin-1").decode("unicode_escape").encode("latin-1") if escaped else raw.encode()
    else:
        body = json.dumps(case["body"]).encode() if case.get("body") is not None else b""
        body = body.replace(b":123456789012:", b":000000000000:").replace(b"iam::123456789012", b"iam::000000000000")
    request = AWSRequest(case["method"], f"{access.endpoint}{target}", data=body)
    if body:
        request.headers["Content-Type"] = "application/json"
    SigV4Auth(Credentials(access.access_key_id, access.secret_access_key), "braket", "us-west-2").add_auth(request)
    connection.request(case["method"], target, body, dict(request.headers.items()))
    answer = connection.getresponse()
    content = answer.read()
    document = json.loads(content) if content else {}
    return answer.status, answer.getheader("x-amzn-ErrorType") or "", document.get("message", "")


def thing(service: RunningService, kind: str) -> str:
    """The ARN of something of this kind that exists and can still be cancelled."""
    return {"task": _task, "job": _job, "limit": _limit}[kind](service)


def _limit(service: RunningService) -> str:
    braket = service.client("braket", "us-west-2")
    if there := braket.search_spending_limits()["spendingLimits"]:
        return str(there[0]["spendingLimitArn"])
    return str(braket.create_spending_limit(deviceArn=GARNET, spendingLimit="1")["spendingLimitArn"])


def _task(service: RunningService) -> str:
    return service.client("braket", "us-west-2").create_quantum_task(
        deviceArn=SV1, shots=1, outputS3Bucket=BUCKET, outputS3KeyPrefix="t", action=openqasm(BELL)
    )["quantumTaskArn"]


def _job(service: RunningService) -> str:
    return service.client("braket", "us-west-2").create_job(
        jobName="there",
        roleArn=ROLE,
        algorithmSpecification={
            "scriptModeConfig": {"entryPoint": "x", "s3Uri": f"s3://{BUCKET}/x.py", "compressionType": "NONE"}
        },
        deviceConfig={"device": SV1},
        instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        outputDataConfig={"s3Path": f"s3://{BUCKET}/jobs"},
    )["jobArn"]
