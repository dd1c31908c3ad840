"""Nobody else's: what one account has, another can neither see nor touch, not even with a forged ARN."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from braketeer.domain.accounts import AccessKey, Role
from braketeer.store import accounts
from braketeer.store.database import opened
from braketeer.store.secrets import Secrets
from tests.services import ACCOUNT, RunningService, running

OTHER = "111111111111"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("accounts"), BRAKETEER_JOB_GRACE_SECONDS="1") as started:
        yield started


@pytest.fixture(scope="module")
def keys(service: RunningService) -> dict[str, AccessKey]:
    """Keys that the command line cannot make yet: another account's, a viewer's, and one that has expired."""
    folder: Path = service.data_dir
    service.stop()
    secrets = Secrets((folder / "secret.key").read_bytes())
    with opened(f"sqlite:///{folder / 'braketeer.db'}") as database:

        def make(tx: Any) -> dict[str, AccessKey]:
            accounts.create_account(tx.connection, OTHER, "other", 0)
            return {
                "other": accounts.create_key(tx.connection, secrets, OTHER, Role.USER, 0),
                "viewer": accounts.create_key(tx.connection, secrets, ACCOUNT, Role.VIEWER, 0),
                "expired": accounts.create_key(tx.connection, secrets, ACCOUNT, Role.USER, 0, expires_at=1000),
            }

        made = database.write_now(make)
    service.start()
    return made


def client(service: RunningService, name: str, key: AccessKey, region: str = "us-east-1") -> Any:
    return service.client(
        name,
        region,
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        aws_session_token=key.session_token,
    )


def refusal(call: Any, **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call(**request)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_an_arn_made_to_measure_opens_nothing(service: RunningService, keys: dict[str, AccessKey]) -> None:
    task = service.create_task(tags={"secret": "yes"})
    job = service.create_job("import time; time.sleep(60)")
    braket = client(service, "braket", keys["other"])
    for arn in (task, task.replace(ACCOUNT, OTHER)):
        assert refusal(braket.get_quantum_task, quantumTaskArn=arn) == ("ResourceNotFoundException", 404)
        assert refusal(braket.cancel_quantum_task, quantumTaskArn=arn) == ("ResourceNotFoundException", 404)
    for arn in (job, job.replace(ACCOUNT, OTHER)):
        assert refusal(braket.get_job, jobArn=arn) == ("ResourceNotFoundException", 404)
        assert refusal(braket.cancel_job, jobArn=arn) == ("ResourceNotFoundException", 404)
    for arn in (task, job, task.replace(ACCOUNT, OTHER), job.replace(ACCOUNT, OTHER)):
        assert refusal(braket.list_tags_for_resource, resourceArn=arn)[1] == 404
        assert refusal(braket.tag_resource, resourceArn=arn, tags={"a": "b"})[1] == 404
        assert refusal(braket.untag_resource, resourceArn=arn, tagKeys=["secret"])[1] == 404
    assert braket.search_quantum_tasks(filters=[])["quantumTasks"] == []
    assert braket.search_jobs(filters=[])["jobs"] == []
    mine = service.client("braket")
    assert mine.list_tags_for_resource(resourceArn=task)["tags"] == {"secret": "yes"}
    assert refusal(mine.tag_resource, resourceArn=task.replace("arn:aws:", "arn:aws-cn:"), tags={"a": "b"})[1] == 404
    elsewhere = service.client("braket", "us-west-2")
    assert refusal(elsewhere.get_quantum_task, quantumTaskArn=task.replace("us-east-1", "us-west-2"))[1] == 404
    assert mine.get_job(jobArn=job)["status"] in {"QUEUED", "RUNNING"}
    mine.cancel_job(jobArn=job)


def test_buckets_logs_and_outputs_are_ones_own(service: RunningService, keys: dict[str, AccessKey]) -> None:
    job = service.create_job("print('private')")
    assert service.wait_for_job(job)["status"] == "COMPLETED"
    s3 = client(service, "s3", keys["other"])
    assert s3.list_buckets()["Buckets"] == []
    assert refusal(s3.list_objects_v2, Bucket="results") == ("AccessDenied", 403)
    assert refusal(s3.put_object, Bucket="results", Key="x", Body=b"") == ("AccessDenied", 403)
    assert refusal(s3.create_bucket, Bucket="results") == ("BucketAlreadyExists", 409)
    logs = client(service, "logs", keys["other"])
    assert refusal(logs.describe_log_streams, logGroupName="/aws/braket/jobs")[0] == "ResourceNotFoundException"
    braket = client(service, "braket", keys["other"])
    task = service.client("braket").get_quantum_task(quantumTaskArn=service.create_task())
    request = {"deviceArn": task["deviceArn"], "shots": 1, "outputS3KeyPrefix": "x", "action": "{}"}
    assert refusal(braket.create_quantum_task, outputS3Bucket="results", **request) == ("ValidationException", 400)


def test_a_viewer_reads_and_no_more(service: RunningService, keys: dict[str, AccessKey]) -> None:
    task = service.create_task()
    braket = client(service, "braket", keys["viewer"])
    assert braket.get_quantum_task(quantumTaskArn=task)["quantumTaskArn"] == task
    assert braket.search_jobs(filters=[])["jobs"] is not None
    assert refusal(braket.cancel_quantum_task, quantumTaskArn=task) == ("AccessDeniedException", 403)
    assert refusal(client(service, "s3", keys["viewer"]).create_bucket, Bucket="viewers") == ("AccessDenied", 403)


def test_a_temporary_key_ends(service: RunningService, keys: dict[str, AccessKey]) -> None:
    sts = client(service, "sts", keys["expired"])
    assert refusal(sts.get_caller_identity)[0].startswith("ExpiredToken")
    without_token = service.client(
        "sts", aws_access_key_id=keys["expired"].id, aws_secret_access_key=keys["expired"].secret
    )
    assert refusal(without_token.get_caller_identity)[1] == 403


def test_a_jobs_key_dies_with_the_job(service: RunningService) -> None:
    names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    script = f"import os\nprint('|'.join(['key', *(os.environ[name] for name in {names})]))\n"
    job = service.create_job(script)
    assert service.wait_for_job(job)["status"] == "COMPLETED"
    line = next(line for line in service.job_log(job) if line.startswith("key|"))
    _, key, secret, token = line.split("|")
    sts = service.client("sts", aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token)
    assert refusal(sts.get_caller_identity)[1] == 403
