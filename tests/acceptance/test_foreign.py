"""Nobody else's, systematically: every operation that is served is tried on another account's things, and by a viewer
on its own account's. The tries are in foreign_requests.py; an operation without one fails the first test.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.loaders import Loader

from braketeer.config import Settings
from braketeer.server import Service
from tests.acceptance.foreign_requests import GROUP, MARK, TRIES, Owned, Try, job_request, task_request
from tests.services import SV1, RunningService, running, until

ALL = [(service, operation) for service, tries in TRIES.items() for operation in tries]
DENIED = ("AccessDenied", "AccessDeniedException")


class Party:
    """An account with a key: clients of all services in its name."""

    def __init__(self, service: RunningService, name: str, role: str = "user") -> None:
        self._service = service
        key = service.access.call("POST", "keys", {"account": name, "role": role})
        self.account, self.key_id = key["account"], key["access_key_id"]
        self._keys = {
            "aws_access_key_id": key["access_key_id"],
            "aws_secret_access_key": key["secret_access_key"],
        }
        self._clients: dict[str, Any] = {}

    def client(self, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = self._service.client(name, **self._keys)
        return self._clients[name]

    def call(self, service: str, operation: str, request: dict[str, Any]) -> tuple[str | None, Any]:
        """The error code, or None, and the answer."""
        try:
            return None, getattr(self.client(service), xform_name(operation))(**request)
        except ClientError as error:
            return error.response["Error"]["Code"], error.response


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """An owner who has one of everything, another account, and the owner's viewer."""
    with running(tmp_path_factory.mktemp("foreign"), BRAKETEER_JOB_GRACE_SECONDS="1") as service:
        names = [{"name": "owner"}, {"name": "other"}]
        service.access.call("POST", "accounts", {"accounts": names})
        owner, other = Party(service, "owner"), Party(service, "other")
        scene = SimpleNamespace(
            owner=owner, other=other, viewer=Party(service, "owner", "viewer"), owned=_furnish(owner, other)
        )
        scene.before = _state(scene)
        yield scene


def _furnish(owner: Party, other: Party) -> Owned:
    s3, braket, logs = owner.client("s3"), owner.client("braket"), owner.client("logs")
    bucket, others_bucket = f"{MARK}-bucket", "others-bucket"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="object", Body=MARK.encode(), Metadata={"note": MARK})
    s3.put_object_tagging(Bucket=bucket, Key="object", Tagging={"TagSet": [{"Key": "note", "Value": MARK}]})
    waits = b"import os, time\nprint('token', os.environ['AMZN_BRAKET_JOB_TOKEN'], flush=True)\ntime.sleep(600)\n"
    s3.put_object(Bucket=bucket, Key="script.py", Body=waits)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="upload")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="upload", UploadId=upload, PartNumber=1, Body=MARK.encode())
    other.client("s3").create_bucket(Bucket=others_bucket)
    other.client("s3").put_object(Bucket=others_bucket, Key="object", Body=b"others")
    tags = {"note": MARK}
    token = "a-token-of-the-owners"
    limit = braket.create_spending_limit(deviceArn=SV1, spendingLimit="1000", clientToken="limit", tags=tags)
    tasks = [braket.create_quantum_task(**task_request(bucket, tags=tags, clientToken=f"{token}{n}")) for n in "12"]
    job = braket.create_job(**job_request(owner.account, bucket, tags=tags))["jobArn"]
    logs.create_log_group(logGroupName=GROUP, tags=tags)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="stream")
    event = {"timestamp": int(time.time() * 1000), "message": MARK}
    logs.put_log_events(logGroupName=GROUP, logStreamName="stream", logEvents=[event])
    query = logs.start_query(logGroupName=GROUP, startTime=0, endTime=2**33, queryString="fields @message, @ptr")
    results = until(
        lambda: logs.get_query_results(queryId=query["queryId"]), lambda answer: answer["status"] == "Complete"
    )
    pointers = [field["value"] for row in results["results"] for field in row if field["field"] == "@ptr"]
    page = braket.search_quantum_tasks(filters=[], maxResults=1)
    return Owned(
        account=owner.account,
        bucket=bucket,
        task=tasks[0]["quantumTaskArn"],
        running_job=job,
        job_token=_job_token(owner, job),
        client_token=f"{token}1",
        page_token=page["nextToken"],
        spending_limit=limit["spendingLimitArn"],
        upload_id=upload,
        query_id=query["queryId"],
        log_record=pointers[0],
        key_id=owner.key_id,
        others_account=other.account,
        others_bucket=others_bucket,
    )


def _job_token(owner: Party, job: str) -> str:
    """What the job's script has printed: its token."""
    logs = owner.client("logs")

    def printed() -> list[str]:
        try:
            events = logs.filter_log_events(logGroupName="/aws/braket/jobs")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in events if event["message"].startswith("token ")]

    return str(until(printed, bool)[0].split()[1])


def _state(scene: SimpleNamespace) -> str:
    """All that the owner has, as the owner sees it; what goes on by itself is left out."""
    braket, s3, logs = (scene.owner.client(name) for name in ("braket", "s3", "logs"))
    owned: Owned = scene.owned
    bucket = {"Bucket": owned.bucket}
    done = until(lambda: braket.get_quantum_task(quantumTaskArn=owned.task), lambda task: task["status"] == "COMPLETED")
    limits = braket.search_spending_limits(filters=[])["spendingLimits"]
    seen = [
        done,
        [braket.get_job(jobArn=owned.running_job)[name] for name in ("status", "tags", "jobName")],
        len(braket.search_quantum_tasks(filters=[])["quantumTasks"]),
        [(limit["spendingLimitArn"], limit["spendingLimit"], limit["tags"]) for limit in limits],
        s3.list_buckets()["Buckets"],
        [each["Key"] for each in s3.list_objects_v2(**bucket)["Contents"] if not each["Key"].startswith("p/")],
        s3.get_object(**bucket, Key="object")["Body"].read(),
        s3.get_object_tagging(**bucket, Key="object")["TagSet"],
        s3.list_parts(**bucket, Key="upload", UploadId=owned.upload_id)["Parts"],
        s3.list_multipart_uploads(**bucket)["Uploads"],
        logs.get_log_events(logGroupName=GROUP, logStreamName="stream", startFromHead=True)["events"],
        [group.get("retentionInDays") for group in logs.describe_log_groups()["logGroups"]],
        logs.list_tags_log_group(logGroupName=GROUP)["tags"],
    ]
    for each in seen:
        if isinstance(each, dict):
            each.pop("ResponseMetadata", None)
    return json.dumps(seen, default=str, indent=1)


def test_every_operation_has_its_try(tmp_path: Path) -> None:
    service = Service(Settings(data_dir=tmp_path), "http://127.0.0.1:1")
    try:
        served = {
            (name, operation)
            for name, methods in service.operations().items()
            for operation in Loader().load_service_model(name, "service-2")["operations"]
            if xform_name(operation) in dir(methods)
        }
    finally:
        service.objects.close()
        service.database.close()
    assert served - set(ALL) == set()
    assert set(ALL) - served == set()


@pytest.mark.parametrize(("service", "operation"), ALL)
def test_another_account_reaches_nothing(scene: SimpleNamespace, service: str, operation: str) -> None:
    attempt: Try = TRIES[service][operation]
    for request in attempt.requests(scene.owned):
        code, answer = scene.other.call(service, operation, request)
        if attempt.refused:
            assert code in attempt.refused, (request, answer)
        else:
            assert code is None, (request, answer)
            told = json.dumps(answer, default=lambda value: value.read().decode() if hasattr(value, "read") else "")
            assert MARK not in told, request
            assert scene.owned.account not in told.replace(request.get("registryId", "-"), ""), request


@pytest.mark.parametrize(("service", "operation"), ALL)
def test_a_viewer_reads_all_and_writes_nothing(scene: SimpleNamespace, service: str, operation: str) -> None:
    attempt: Try = TRIES[service][operation]
    for request in attempt.requests(scene.owned):
        code, answer = scene.viewer.call(service, operation, request)
        if attempt.writes:
            assert code in DENIED or (operation.startswith("Head") and code == "403"), (request, answer)
        elif _is_of(scene.owned, request):
            assert code not in DENIED, (request, answer)


def _is_of(owned: Owned, request: dict[str, Any]) -> bool:
    """Whether the request stays within the owner's account: a viewer may read there, not at the other's."""
    return owned.others_account not in str(request) and owned.others_bucket not in str(request)


def test_pages_of_another_account_cannot_be_turned(scene: SimpleNamespace) -> None:
    code, _ = scene.other.call("braket", "SearchQuantumTasks", {"filters": [], "nextToken": scene.owned.page_token})
    assert code == "ValidationException"


def test_a_client_token_is_ones_own(scene: SimpleNamespace) -> None:
    """The same token and program as the owner's make another task, in the account of who sends it."""
    request = task_request(scene.owned.others_bucket, clientToken=scene.owned.client_token)
    code, answer = scene.other.call("braket", "CreateQuantumTask", request)
    assert code is None
    assert answer["quantumTaskArn"].split(":")[4] == scene.other.account


def test_a_jobs_data_comes_from_its_own_account_only(scene: SimpleNamespace) -> None:
    """The runner fetches with the job's own key, so another account's script ends the job, unread."""
    owned: Owned = scene.owned
    request = job_request(owned.others_account, owned.others_bucket)
    request["algorithmSpecification"]["scriptModeConfig"]["s3Uri"] = f"s3://{owned.bucket}/script.py"
    braket = scene.other.client("braket")
    arn = braket.create_job(**request)["jobArn"]
    job = until(lambda: braket.get_job(jobArn=arn), lambda job: job["status"] in ("FAILED", "COMPLETED"), 60)
    assert job["status"] == "FAILED"
    assert "access denied" in job["failureReason"]


def test_a_viewers_session_is_a_viewers(scene: SimpleNamespace) -> None:
    """No role is won by assuming one."""
    sts = scene.viewer.client("sts")
    role = f"arn:aws:iam::{scene.owned.account}:role/service-role/AmazonBraketJobsExecutionRole"
    for answer in (sts.get_session_token(), sts.assume_role(RoleArn=role, RoleSessionName="somebody")):
        key = answer["Credentials"]
        braket = scene.viewer._service.client(
            "braket",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            aws_session_token=key["SessionToken"],
        )
        assert braket.get_quantum_task(quantumTaskArn=scene.owned.task)["status"] == "COMPLETED"
        with pytest.raises(ClientError, match="AccessDenied"):
            braket.cancel_quantum_task(quantumTaskArn=scene.owned.task)


def test_the_owner_has_lost_nothing(scene: SimpleNamespace) -> None:
    """After all that was tried above."""
    assert _state(scene) == scene.before
