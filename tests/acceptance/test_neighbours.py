"""STS, IAM, ECR and Logs with unmodified clients: boto3 and the AWS CLI."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from tests.acceptance.aws_cli import AwsCli
from tests.services import ACCOUNT, ROLE, SV1, RunningService, refusal_code


def with_credentials(service: RunningService, name: str, credentials: dict[str, Any]) -> Any:
    return service.client(
        name,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def test_a_role_is_assumed_and_used(service: RunningService) -> None:
    before = datetime.now(UTC)
    answer = service.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me", DurationSeconds=900)
    assert 890 < (answer["Credentials"]["Expiration"] - before).total_seconds() < 960
    sts = with_credentials(service, "sts", answer["Credentials"])
    assert sts.get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    braket = with_credentials(service, "braket", answer["Credentials"])
    assert braket.get_device(deviceArn=SV1)["deviceName"] == "SV1"
    with_credentials(service, "s3", answer["Credentials"]).create_bucket(Bucket="made-by-a-session")
    assert refusal_code(sts.get_session_token) == ("AccessDenied", 403)
    without = service.client(
        "sts",
        aws_access_key_id=answer["Credentials"]["AccessKeyId"],
        aws_secret_access_key=answer["Credentials"]["SecretAccessKey"],
    )
    assert refusal_code(without.get_caller_identity) == ("InvalidClientTokenId", 403)


def test_a_profile_with_a_role_works(service: RunningService, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """``role_arn`` and ``source_profile`` in ~/.aws/config: botocore assumes the role by itself."""
    access = service.access
    config = tmp_path / "config"
    config.write_text(
        f"[profile lab]\nrole_arn = {ROLE}\nsource_profile = me\nregion = us-east-1\n"
        f"[profile me]\naws_access_key_id = {access.access_key_id}\n"
        f"aws_secret_access_key = {access.secret_access_key}\nregion = us-east-1\n".replace("\\\n", "\n")
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", access.endpoint)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    session = boto3.session.Session(profile_name="lab")
    assert ":assumed-role/" in session.client("sts").get_caller_identity()["Arn"]
    assert session.client("braket").get_device(deviceArn=SV1)["deviceName"] == "SV1"


@pytest.mark.parametrize(
    "request_",
    [
        {"DurationSeconds": 899},
        {"DurationSeconds": 43_201},
        {"RoleSessionName": "a"},
        {"RoleSessionName": "not allowed"},
        {"RoleSessionName": "x" * 65},
        {"RoleArn": "arn:aws:iam::1:role"},
    ],
)
def test_what_the_model_forbids(service: RunningService, request_: dict[str, Any]) -> None:
    sts = service.client("sts", config={"parameter_validation": False})
    asked = {"RoleArn": ROLE, "RoleSessionName": "me", **request_}
    assert refusal_code(sts.assume_role, **asked) == ("ValidationError", 400)


def test_a_jobs_code_makes_no_keys(service: RunningService) -> None:
    script = (
        "import boto3\n"
        "from botocore.exceptions import ClientError\n"
        "sts = boto3.client('sts')\n"
        "print('i am', sts.get_caller_identity()['Arn'])\n"
        f"for ask in (lambda: sts.assume_role(RoleArn={ROLE!r}, RoleSessionName='ab'), sts.get_session_token):\n"
        "    try:\n"
        "        print('got', ask())\n"
        "    except ClientError as error:\n"
        "        print('refused', error.response['Error']['Code'])\n"
    ).replace("\\\n", "\n")
    job = service.create_job(script, name="keys")
    assert service.wait_for_job(job)["status"] == "COMPLETED"
    lines = service.job_log(job)
    assert f"i am arn:aws:sts::{ACCOUNT}:assumed-role/AmazonBraketJobsExecutionRole/{job.rpartition('/')[2]}" in lines
    assert [line for line in lines if line.startswith(("got", "refused"))] == ["refused AccessDenied"] * 2


def test_a_job_writes_logs_of_its_own(service: RunningService) -> None:
    script = (
        "import boto3, time\n"
        "logs = boto3.client('logs')\n"
        "logs.create_log_group(logGroupName='own')\n"
        "logs.create_log_stream(logGroupName='own', logStreamName='s')\n"
        "logs.put_log_events(logGroupName='own', logStreamName='s',\n"
        "    logEvents=[{'timestamp': int(time.time() * 1000), 'message': 'from inside'}])\n"
    ).replace("\\\n", "\n")
    job = service.create_job(script, name="logs")
    assert service.wait_for_job(job)["status"] == "COMPLETED"
    logs = service.client("logs")
    (event,) = logs.get_paginator("filter_log_events").paginate(logGroupName="own").build_full_result()["events"]
    assert event["message"] == "from inside"
    logs.delete_log_group(logGroupName="own")
    assert refusal_code(logs.describe_log_streams, logGroupName="own") == ("ResourceNotFoundException", 400)


def test_a_query_of_insights(service: RunningService) -> None:
    logs, now = service.client("logs"), int(time.time())
    logs.create_log_group(logGroupName="queried")
    logs.create_log_stream(logGroupName="queried", logStreamName="s")
    events = [{"timestamp": now * 1000 + n, "message": f"loss={n};"} for n in range(3)]
    logs.put_log_events(logGroupName="queried", logStreamName="s", logEvents=events)
    asked = {"startTime": now - 60, "endTime": now + 60, "queryString": "fields @message | filter @message like /loss/"}
    query = logs.start_query(logGroupName="queried", **asked)["queryId"]
    deadline = time.monotonic() + 30
    while (answer := logs.get_query_results(queryId=query))["status"] == "Running":
        assert time.monotonic() < deadline
    assert [row[0]["value"] for row in answer["results"]] == ["loss=0;", "loss=1;", "loss=2;"]
    pointer = answer["results"][0][1]["value"]
    assert logs.get_log_record(logRecordPointer=pointer)["logRecord"]["@message"] == "loss=0;"
    assert query in [each["queryId"] for each in logs.describe_queries(status="Complete")["queries"]]


def test_the_command_line_reads_the_same(service: RunningService) -> None:
    aws = AwsCli(service)
    assert aws("sts", "get-caller-identity")["Account"] == ACCOUNT
    assumed = aws("sts", "assume-role", "--role-arn", ROLE, "--role-session-name", "cli")
    assert assumed["AssumedRoleUser"]["Arn"].endswith("/cli")
    role = aws("iam", "get-role", "--role-name", "AmazonBraketJobsExecutionRole")["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Effect"] == "Allow"
    policies = aws("iam", "list-attached-role-policies", "--role-name", "AmazonBraketJobsExecutionRole")
    assert policies["AttachedPolicies"][0]["PolicyName"] == "AmazonBraketJobsExecutionPolicy"
    aws("logs", "create-log-group", "--log-group-name", "cli")
    aws("logs", "create-log-stream", "--log-group-name", "cli", "--log-stream-name", "s")
    events = f"timestamp={int(time.time() * 1000)},message=hello"
    aws("logs", "put-log-events", "--log-group-name", "cli", "--log-stream-name", "s", "--log-events", events)
    aws("logs", "put-retention-policy", "--log-group-name", "cli", "--retention-in-days", "7")
    (event,) = aws("logs", "filter-log-events", "--log-group-name", "cli", "--filter-pattern", "hello")["events"]
    assert event["message"] == "hello"
    assert aws("ecr", "describe-repositories")["repositories"] == []
    assert "does not serve 'kms'" in aws.refused("kms", "list-keys")
    assert "it has AssumeRole" in aws.refused(
        "sts", "get-web-identity-token", "--audience", "a", "--signing-algorithm", "ES384"
    )
