"""A real service process for tests, and real clients for it. It picks a free port and always cleans up after itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from braketeer.cli.service import Access, access, is_healthy
from tests.processes import ForkedProcess

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
HARMONY = "arn:aws:braket:us-east-1::device/qpu/ionq/Harmony"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonBraketJobsExecutionRole"
BELL = """OPENQASM 3.0;
bit[2] b;
qubit[2] q;
h q[0];
cnot q[0], q[1];
b[0] = measure q[0];
b[1] = measure q[1];
"""
FINAL = {"COMPLETED", "FAILED", "CANCELLED"}


def openqasm(source: str, inputs: Mapping[str, Any] | None = None) -> str:
    """An OpenQASM program as CreateQuantumTask's ``action`` carries it."""
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    return json.dumps({"braketSchemaHeader": header, "source": source, "inputs": inputs or {}})


@dataclass
class RunningService:
    """A service process of one's own. ``stop`` asks it, ``kill`` does not; ``start`` starts it again on its port."""

    data_dir: Path
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: ForkedProcess | None = None

    def start(self) -> RunningService:
        command = ["braketeer", "serve", "--data-dir", str(self.data_dir), "--port", str(self.port), *self.options]
        log = self.data_dir / "service.log"
        self.process = ForkedProcess(command, {**os.environ, **self.environment}, log, log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            with contextlib.suppress(OSError, ValueError):
                document = json.loads((self.data_dir / "service.json").read_text())
                if document["pid"] == self.process.pid and is_healthy(document["endpoint"]):
                    self.port = document["port"]
                    return self
            time.sleep(0.02)
        raise AssertionError(f"The service is not ready: {self.log()}")

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        """``kill -9`` of the service process alone, as an unlucky machine would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def log(self) -> str:
        return (self.data_dir / "service.log").read_text(errors="replace")[-6000:]

    @property
    def access(self) -> Access:
        return access(self.data_dir, self.port)

    def client(self, name: str, region: str = "us-east-1", **options: Any) -> Any:
        """A boto3 client of the service's default account; it does not retry, so that tests see every answer."""
        found = self.access
        return boto3.session.Session().client(
            name,
            region_name=region,
            endpoint_url=options.pop("endpoint_url", found.endpoint),
            aws_access_key_id=options.pop("aws_access_key_id", found.access_key_id),
            aws_secret_access_key=options.pop("aws_secret_access_key", found.secret_access_key),
            config=Config(retries={"total_max_attempts": 1}, **options.pop("config", {})),
            **options,
        )

    def create_task(self, source: str = BELL, shots: int = 100, bucket: str = "results", **more: Any) -> str:
        """The ARN of a new quantum task on SV1; the bucket is made when it is missing."""
        self.client("s3").create_bucket(Bucket=bucket)
        request = {
            "deviceArn": SV1,
            "shots": shots,
            "outputS3Bucket": bucket,
            "outputS3KeyPrefix": "tasks",
            "action": openqasm(source),
        }
        return self.client("braket").create_quantum_task(**(request | more))["quantumTaskArn"]

    def wait_for_task(self, arn: str, seconds: float = 60) -> dict[str, Any]:
        """GetQuantumTask's answer once the task has ended."""
        braket = self.client("braket", arn.split(":")[3])
        return until(lambda: braket.get_quantum_task(quantumTaskArn=arn), has_ended, seconds)

    def wait_for_job(self, arn: str, seconds: float = 120) -> dict[str, Any]:
        """GetJob's answer once the job has ended."""
        braket = self.client("braket", arn.split(":")[3])
        return until(lambda: braket.get_job(jobArn=arn), has_ended, seconds)

    def result(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """The result document of a task that COMPLETED."""
        key = f"{task['outputS3Directory']}/results.json"
        return json.load(self.client("s3").get_object(Bucket=task["outputS3Bucket"], Key=key)["Body"])

    def create_job(self, script: str, name: str = "job", bucket: str = "results", **more: Any) -> str:
        """The ARN of a new hybrid job that runs ``script`` (a single file, module ``script``)."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=bucket)
        key = f"jobs/{name}/{time.time_ns()}/script.py"
        s3.put_object(Bucket=bucket, Key=key, Body=script.encode())
        code = {"entryPoint": "script", "s3Uri": f"s3://{bucket}/{key}", "compressionType": "NONE"}
        request = {
            "jobName": name,
            "roleArn": ROLE,
            "algorithmSpecification": {"scriptModeConfig": code},
            "deviceConfig": {"device": SV1},
            "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
            "outputDataConfig": {"s3Path": f"s3://{bucket}/jobs/{name}/output"},
        }
        return self.client("braket").create_job(**(request | more))["jobArn"]

    def job_log(self, arn: str) -> list[str]:
        """Every log line of a job, in order."""
        logs = self.client("logs", arn.split(":")[3])
        group = "/aws/braket/jobs"
        prefix = f"{self.client('braket').get_job(jobArn=arn)['jobName']}/{arn.rpartition('/')[2]}"
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return []  # nothing has been logged yet
        lines: list[str] = []
        for stream in streams:
            token: dict[str, str] = {}
            while True:
                page = logs.get_log_events(
                    logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True, **token
                )
                if not page["events"]:
                    break
                lines += [event["message"] for event in page["events"]]
                token = {"nextToken": page["nextForwardToken"]}
        return lines


def has_ended(answer: Mapping[str, Any]) -> bool:
    return answer["status"] in FINAL


def until(ask: Any, good: Any, seconds: float = 60) -> Any:
    """Ask until the answer is good; fails with the last answer when it never is."""
    deadline = time.monotonic() + seconds
    while not good(answer := ask()):
        assert time.monotonic() < deadline, f"still {answer}"
        time.sleep(0.05)
    return answer


@contextlib.contextmanager
def harmony_offline(service: RunningService) -> Iterator[None]:
    """A retired QPU, which no test runs anything on, is OFFLINE meanwhile."""
    path = f"devices/{quote(HARMONY, safe='')}/status"
    service.access.call("PUT", path, {"status": "OFFLINE"})
    try:
        yield
    finally:
        service.access.call("PUT", path, {"status": "RETIRED"})


def refusal(call: Any, **request: Any) -> tuple[str, int, str]:
    """(error code, HTTP status, message) of a call that must be refused."""
    with pytest.raises(ClientError) as refused:
        call(**request)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def refusal_code(call: Any, **request: Any) -> tuple[str, int]:
    """(error code, HTTP status) of a call that must be refused."""
    return refusal(call, **request)[:2]


@contextlib.contextmanager
def running(data_dir: Path, *options: str, **environment: str) -> Iterator[RunningService]:
    """A service that is stopped, with its jobs, when the block ends, however it ends."""
    service = RunningService(data_dir, ("--stop-jobs", *options), environment).start()
    try:
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.stop()
