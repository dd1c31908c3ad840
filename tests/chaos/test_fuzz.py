"""Thousands of strange requests, signed, over several connections: no 5xx, no hang, and the service is well afterwards.

Set BRAKETEER_TEST_SEED to go another way; a failure names the seed and each request that did harm.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore import xform_name
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.credentials import Credentials
from botocore.parsers import ResponseParserError, create_parser

from braketeer.services import ecr, iam, logs, pricing, s3, sts
from braketeer.services.braket import Braket
from tests.chaos.random_requests import OPERATORS, Draft, Known, Maker
from tests.services import ACCOUNT, BELL, GARNET, ROLE, SV1, RunningService, openqasm, running

SEED = int(os.environ.get("BRAKETEER_TEST_SEED", "1"))
REQUESTS = int(os.environ.get("BRAKETEER_TEST_REQUESTS", "6000"))
CONNECTIONS = 6
LONGEST_SECONDS = 60.0
WEIGHTS = {"braket": 42, "s3": 35, "logs": 10, "sts": 3, "iam": 2, "ecr": 2, "pricing": 2, "braketeer": 4}
BUCKET = "fuzz-bucket"  # of tasks and jobs: nothing deletes it
SHARED = "fuzz-shared"


# Optional members of S3 by which nearly every request would be refused before anything is done.
HINDERING = (
    *("contentMD5", "contentLength", "checksumType", "mpuObjectSize", "writeOffsetBytes", "mFA", "aCL", "storageClass"),
    *(f"checksum{name}" for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5")),
    *(f"checksumXXHASH{name}" for name in ("3", "64", "128")),
    *(f"{where}sSECustomer{name}" for where in ("", "copySource") for name in ("Algorithm", "Key", "KeyMD5")),
    *("serverSideEncryption", "sSEKMSKeyId", "sSEKMSEncryptionContext", "bucketKeyEnabled", "grantFullControl"),
    *(f"grant{name}" for name in ("Read", "ReadACP", "Write", "WriteACP")),
    *(f"objectLock{name}" for name in ("Mode", "RetainUntilDate", "LegalHoldStatus")),
    *("ifMatchLastModifiedTime", "ifMatchSize", "ifMatchInitiatedTime", "copySourceRange", "tagging"),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("fuzz"), BRAKETEER_JOB_SLOTS="1", BRAKETEER_JOB_GRACE_SECONDS="0") as started:
        yield started


def test_no_request_does_harm(service: RunningService) -> None:
    maker = Maker(SEED, WEIGHTS, SERVED, Known(names_in(service)))
    statuses: list[int | str] = []
    harm: list[str] = []

    def send_share(first: int) -> None:
        with contextlib.closing(Connection(service)) as connection:
            for number in range(first, REQUESTS, CONNECTIONS):
                draft = maker.make(number)
                answer = connection.ask(draft)
                statuses.append(answer if isinstance(answer, str) else answer.status)
                if trouble := trouble_in(draft, answer):
                    harm.append(f"{trouble}: {draft}")

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(send_share, range(CONNECTIONS)))
    answers = Counter(statuses)
    print(f"seed {SEED}: {sorted(answers.items(), key=str)}")
    assert harm == [], f"seed {SEED}: {len(harm)} answers, {harm[:20]}"
    # It went past authentication, and deep.
    assert answers[403] < REQUESTS / 5
    assert answers[200] + answers[201] > REQUESTS / 20
    # And the service is as before.
    task = service.wait_for_task(service.create_task(shots=50, bucket="after-the-fuzz"))
    assert task["status"] == "COMPLETED"
    assert all(a == b for a, b in service.result(task)["measurements"])
    assert "Traceback" not in (service.data_dir / "service.log").read_text(errors="replace")


class Answer(http.client.HTTPResponse):
    content = b""


class Connection:
    """Signs drafts and sends them over one kept connection, as raw bytes: no library between that would refuse."""

    def __init__(self, service: RunningService) -> None:
        access = service.access
        self._address = ("127.0.0.1", service.port)
        self._credentials = Credentials(access.access_key_id, access.secret_access_key)
        self._socket: socket.socket | None = None

    def ask(self, draft: Draft) -> Answer | str:
        """The answer, or ``closed`` where the connection ended without one, or ``hangs``."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=LONGEST_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            answer: Answer | str = self._exchange(self._socket, draft)
        except TimeoutError:
            answer = "hangs"
        except (OSError, http.client.HTTPException):
            answer = "closed"
        if isinstance(answer, str) or answer.will_close or draft.sent is not None:
            self.close()
        return answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, stream: socket.socket, draft: Draft) -> Answer:
        wire = self._signed(draft)
        try:
            stream.sendall(wire)
            if draft.sent is not None:
                stream.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may have answered before it had read everything
        answer = Answer(stream, method=draft.method)
        answer.begin()
        answer.content = answer.read()
        return answer

    def _signed(self, draft: Draft) -> bytes:
        request = AWSRequest(draft.method, f"http://localhost{draft.target}", data=draft.body)
        for name, value in draft.headers:
            request.headers.add_header(name, value.translate(_NO_LINES).encode(errors="replace").decode())
        if "host" not in request.headers:
            request.headers["host"] = f"127.0.0.1:{self._address[1]}"
        if draft.service == "s3" and "aws-chunked" in request.headers.get("content-encoding", ""):
            request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
        signer = S3SigV4Auth if draft.service == "s3" else SigV4Auth
        signer(self._credentials, draft.service, "us-east-1").add_auth(request)
        lines = [f"{draft.method} {draft.target} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
        body = draft.body[: draft.sent]
        if draft.chunked:
            lines.append("Transfer-Encoding: chunked")
            end = b"0\r\n\r\n" if draft.sent is None else b""
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + end
        else:
            lines.append(f"Content-Length: {len(draft.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


_NO_LINES = {ord("\r"): " ", ord("\n"): " "}


def trouble_in(draft: Draft, answer: Answer | str) -> str | None:
    """What is wrong with an answer; None for a good one."""
    if isinstance(answer, str):
        expected = answer == "closed" and draft.sent is not None
        return None if expected else answer
    if answer.status >= 500:
        text = answer.content.decode(errors="replace")
        return None if answer.status == 501 and may_lack(draft, text) else f"{answer.status} {text[:300]}"
    if answer.status in (400, 414, 431) and answer.getheader("x-amzn-requestid") is None:
        return None  # the HTTP server itself has found no request in it, or none that it wants to read
    shape = draft.operation.output_shape
    mangled = len(draft.done) > 1  # and so maybe another operation than it was
    if "HEAD" in (draft.method, draft.operation.http["method"]):
        return None
    if answer.status < 400 and (mangled or draft.operation.has_streaming_output):
        return None
    wire = {"status_code": answer.status, "headers": HeadersDict(answer.getheaders()), "body": answer.content}
    try:
        parsed = create_parser(draft.operation.service_model.metadata["protocol"]).parse(wire, shape)
    except (ResponseParserError, ValueError) as problem:
        return f"{answer.status} is not readable ({problem})"
    if answer.status >= 400 and not (parsed["Error"].get("Code") and parsed["Error"].get("Message")):
        return f"{answer.status} without code or message: {answer.content[:300]!r}"
    return None


def may_lack(draft: Draft, text: str) -> bool:
    """A refusal by name of what is not served; of Amazon Braket and of the operator's API everything is."""
    named = "NotImplemented" in text or "UnsupportedOperationException" in text or draft.method == "HEAD"
    return named and draft.service not in ("braket", "braketeer")


def names_in(service: RunningService) -> dict[str, list[Any]]:
    """What exists in the service, and what else lets a request through, by the name of the member that takes it."""
    s3_client = service.client("s3")
    task = service.create_task(bucket=BUCKET)
    service.wait_for_task(task)
    job = service.create_job("print(1)", bucket=BUCKET)
    s3_client.create_bucket(Bucket=SHARED)
    s3_client.put_object(Bucket=SHARED, Key="a", Body=b"12345", Metadata={"m": "1"})
    upload = s3_client.create_multipart_upload(Bucket=SHARED, Key="parts")["UploadId"]
    etag = s3_client.upload_part(Bucket=SHARED, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    code = {"entryPoint": "script", "s3Uri": f"s3://{BUCKET}/none.py", "compressionType": "NONE"}
    return {
        "deviceArn": [SV1, SV1, GARNET, SV1.replace("sv1", "tn1")],
        "device": [SV1, "local:none/none", GARNET],
        "quantumTaskArn": [task, task[:-1]],
        "jobArn": [job, job[:-1]],
        "resourceArn": [task, job],
        "roleArn": [ROLE],
        "jobName": ["fuzz-job"],
        "algorithmSpecification": [{"scriptModeConfig": code}],
        "instanceType": ["ml.m5.large"],
        "s3Path": [f"s3://{BUCKET}/out"],
        "s3Uri": [f"s3://{BUCKET}/in"],
        "outputS3Bucket": [BUCKET],
        "outputS3KeyPrefix": ["tasks", "\u00e4/b//"],
        "action": [
            openqasm(BELL),
            openqasm("OPENQASM 3.0;\nqubit q;\nh q;\n#pragma braket result probability\n"),
            "{}",
        ],
        "shots": [10, 0, 100_001],
        "filters": [
            [],
            [{"name": "deviceArn", "values": [SV1, GARNET]}],
            [{"name": "status", "operator": "EQUAL", "values": ["QUEUED", "COMPLETED"]}],
            [{"name": "createdAt", "operator": "BETWEEN", "values": ["2026-01-01", "2100-01-01T00:00:00.5+01:00"]}],
            [{"name": "createdAt", "operator": "LT", "values": ["1e12"]}, {"name": "jobArn", "operator": "EQUAL"}],
            [{"name": "jobName", "operator": "CONTAINS", "values": ["%", "\u00e4"]}] * 3,
        ],
        "nextToken": [None],
        "jobToken": [None],
        "associations": [None, [], [{"arn": task, "type": "RESERVATION_TIME_WINDOW_ARN"}]],
        "deviceParameters": ["{}", None],
        "expectedBucketOwner": [ACCOUNT],
        "maxResults": [1, 50],
        "bucket": [SHARED, SHARED, "fuzz-other", "is-not-there"],
        "key": ["a", "b/c", "\u00e4 +%", "parts", "a//.."],
        "copySource": [f"{SHARED}/a", f"{BUCKET}/none"],
        "uploadId": [upload],
        "partNumber": [1, 2, 10_000],
        "eTag": [etag],
        "range": ["bytes=1-2", "bytes=-1", "bytes=9-"],
        "prefix": ["", "a", "jobs/"],
        "delimiter": ["/", ""],
        "versionId": ["null"],
        "checksumAlgorithm": ["CRC32", "SHA256"],
        **dict.fromkeys(HINDERING, ()),
        "logGroupName": ["/aws/braket/jobs", "fuzz-group"],
        "logStreamName": ["fuzz-stream"],
        "queryString": ["fields @timestamp, @message", "stats count() by x"],
        "repositoryName": ["amazon-braket-base-jobs"],
        "registryId": ["292282985366"],
        "imageTag": ["latest"],
        "roleName": ["AmazonBraketJobsExecutionRole"],
        "pathPrefix": ["/service-role/"],
        "serviceCode": ["AmazonBraket"],
        "name": ["fuzz-account"],
        "account": ["default", "fuzz-account"],
        "role": ["user", "viewer"],
        "arn": [task, job],
    }


def methods_of(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


SERVED = {
    "braket": set(Braket.__init__.__code__.co_names),
    "s3": methods_of(s3.S3),
    "sts": methods_of(sts.Sts),
    "iam": methods_of(iam.Iam),
    "logs": methods_of(logs.Logs),
    "ecr": methods_of(ecr.Ecr),
    "pricing": methods_of(pricing.Pricing),
    "braketeer": {xform_name(name) for name, *_ in OPERATORS},
}
