"""Calls that come too soon are turned away, and clients that try again succeed, once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.services import ACCOUNT, BELL, SV1, RunningService, openqasm, running


def request(**more: Any) -> dict[str, Any]:
    program = {"deviceArn": SV1, "shots": 10, "outputS3Bucket": "results", "outputS3KeyPrefix": "t"}
    return {**program, "action": openqasm(BELL), **more}


def patient(service: RunningService, attempts: int) -> Any:
    """A client that tries again by itself, as boto3 does by default."""
    found = service.access
    return boto3.session.Session().client(
        "braket",
        region_name="us-east-1",
        endpoint_url=found.endpoint,
        aws_access_key_id=found.access_key_id,
        aws_secret_access_key=found.secret_access_key,
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
    )


def test_a_client_that_tries_again_gets_one_resource(tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text(
        '[operations]\nCreateQuantumTask = {rate = 0.5, burst = 2}\n"s3:ListBuckets" = {rate = 0.01, burst = 1}'
    )
    (tmp_path / "data").mkdir()
    with running(tmp_path / "data", BRAKETEER_THROTTLE=str(limits)) as service:
        braket, s3 = service.client("braket"), service.client("s3")
        s3.create_bucket(Bucket="results")
        before = []
        with pytest.raises(ClientError) as refused:  # two at once, and one more for each two seconds that they took
            while len(before) < 100:
                before.append(braket.create_quantum_task(**request()))
        assert len(before) >= 2
        answer = refused.value.response
        assert (answer["Error"]["Code"], answer["Error"]["Message"]) == ("ThrottlingException", "Rate exceeded")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429

        answers: list[int] = []
        client = patient(service, 12)
        client.meta.events.register(
            "response-received", lambda response_dict, **_: answers.append(response_dict["status_code"])
        )
        created = client.create_quantum_task(**request(clientToken="mine", tags={"of": "patience"}))
        assert answers[-1] == 201
        assert 429 in answers[:-1]
        assert len(braket.search_quantum_tasks(filters=[])["quantumTasks"]) == len(before) + 1
        until_admitted = time.monotonic() + 60
        while True:
            try:
                again = braket.create_quantum_task(**request(clientToken="mine", tags={"of": "patience"}))
                break
            except ClientError:
                assert time.monotonic() < until_admitted
                time.sleep(0.2)
        assert again["quantumTaskArn"] == created["quantumTaskArn"]

        s3.list_buckets()
        with pytest.raises(ClientError) as refused:
            s3.list_buckets()
        assert refused.value.response["Error"]["Code"] == "SlowDown"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_the_rates_of_braket(tmp_path: Path) -> None:
    with running(tmp_path, BRAKETEER_THROTTLE="braket") as service:
        braket = service.client("braket")
        told = set()
        for _ in range(30):  # 2 at once, then 2 a second
            with pytest.raises(ClientError) as refused:
                braket.cancel_job(jobArn=f"arn:aws:braket:us-east-1:{ACCOUNT}:job/none")
            told.add(refused.value.response["Error"]["Code"])
        assert told == {"ResourceNotFoundException", "ThrottlingException"}
        assert len(braket.search_devices(filters=[])["devices"]) > 1  # another operation has its own


def test_a_file_that_cannot_be_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text("[operations]\nCreateQuantumTasks = {rate = 1}")
    service = RunningService(tmp_path, (), {"BRAKETEER_THROTTLE": str(tmp_path / "limits.toml")})
    with pytest.raises(AssertionError, match="BRAKETEER_THROTTLE"):
        service.start()
    assert service.process is not None
    assert service.process.returncode == 2
