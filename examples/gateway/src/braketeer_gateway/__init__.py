"""A driver for Braketeer that hands quantum tasks on: to Amazon Braket, or to another Braketeer.

The options, in the device's file:

    device_arn    the device over there
    bucket        a bucket over there for results; with ``prefix``, which is "braketeer" unless given
    region        the region to sign for; that of device_arn if it names one, else us-east-1
    endpoint_url  the other Braketeer; without it, Amazon's own
    aws_access_key_id, aws_secret_access_key, aws_session_token, profile_name
                  the key to sign with; without any, boto3 looks where it always does
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from braketeer.devices.drivers import Finished, Refused, Submitted, Task, Unavailable

_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "profile_name")
_OPTIONS = {"device_arn", "bucket", "prefix", "region", "endpoint_url", *_KEYS}
_COME_BACK = {"ExpiredTokenException", "ExpiredToken", "ThrottlingException"}
_SHORTEST_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.05, 5.0
_TAG = "braketeer:task"
_UNFINISHED = ("CREATED", "QUEUED", "RUNNING")


class Gateway:
    """One device over there. Task ids travel as client tokens, so a task handed on twice is there once."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        if unknown := sorted(set(options) - _OPTIONS):
            raise Refused(f"The gateway has no option {', '.join(unknown)}")
        for name in ("device_arn", "bucket"):
            if not isinstance(options.get(name), str):
                raise Refused(f"The gateway needs the option {name}")
        if not options["device_arn"].startswith("arn:") or options["device_arn"].count(":") < 5:
            raise Refused("The gateway's option device_arn must be the ARN of a device")
        self._device: str = options["device_arn"]
        self._bucket: str = options["bucket"]
        self._prefix: str = options.get("prefix", "braketeer")
        region = options.get("region") or self._device.split(":")[3] or "us-east-1"
        key = {name: options[name] for name in _KEYS if name in options}
        session = boto3.session.Session(region_name=region, **key)
        settings = {"endpoint_url": options.get("endpoint_url"), "config": Config(retries={"mode": "standard"})}
        self._braket = session.client("braket", **settings)
        self._s3 = session.client("s3", **settings)
        self._poll_seconds: float | None = None

    def validate(self, task: Task) -> None:
        """Nothing: what the device does not take is refused over there, with its own words, when it is handed on."""

    def run(self, task: Task, handle: str | None) -> Submitted | Finished:
        if handle is None:
            return Submitted(self._create(task))
        if self._poll_seconds is None:
            millis = self.calibration()["service"].get("getTaskPollIntervalMillis") or 1000
            self._poll_seconds = max(_SHORTEST_POLL_SECONDS, min(millis / 1000, _LONGEST_POLL_SECONDS))
        while True:
            there = self._ask(self._braket.get_quantum_task, quantumTaskArn=handle)
            if there["status"] == "COMPLETED":
                place = f"{there['outputS3Directory']}/results.json"
                result = self._whole(self._object(there["outputS3Bucket"], place), there["outputS3Bucket"])
                return Finished(result, there.get("numSuccessfulShots"))
            if there["status"] in ("FAILED", "CANCELLED"):
                raise Refused(there.get("failureReason") or f"The task was {there['status']} at {self._device}")
            time.sleep(self._poll_seconds)

    def cancel(self, task: Task, handle: str | None) -> None:
        for there in [handle] if handle is not None else self._unfinished(task):
            try:
                self._ask(self._braket.cancel_quantum_task, quantumTaskArn=there, clientToken=f"{task.id}-cancel")
            except Refused:
                continue  # it has ended, or is being cancelled

    def status(self) -> str:
        return str(self._ask(self._braket.get_device, deviceArn=self._device)["deviceStatus"])

    def calibration(self) -> Mapping[str, Any]:
        found = self._ask(self._braket.get_device, deviceArn=self._device)
        document: dict[str, Any] = json.loads(found["deviceCapabilities"])
        return document

    def _unfinished(self, task: Task) -> Iterator[str]:
        """The task over there, found by its tag: it was handed on, but the answer never came."""
        for status in _UNFINISHED:
            request: dict[str, Any] = {
                "filters": [
                    {"name": "deviceArn", "operator": "EQUAL", "values": [self._device]},
                    {"name": "status", "operator": "EQUAL", "values": [status]},
                ]
            }
            while True:
                page = self._ask(self._braket.search_quantum_tasks, **request)
                for found in page["quantumTasks"]:
                    if found.get("tags", {}).get(_TAG) == task.arn:
                        yield found["quantumTaskArn"]
                if "nextToken" not in page:
                    break
                request["nextToken"] = page["nextToken"]

    def _create(self, task: Task) -> str:
        request = {
            "clientToken": task.id,
            "deviceArn": self._device,
            "shots": task.shots,
            "action": task.action,
            "outputS3Bucket": self._bucket,
            "outputS3KeyPrefix": f"{self._prefix}/{task.id}",
            "tags": {_TAG: task.arn},
        }
        if task.device_parameters != "{}":
            request["deviceParameters"] = task.device_parameters
        return str(self._ask(self._braket.create_quantum_task, **request)["quantumTaskArn"])

    def _whole(self, result: Any, bucket: str) -> Any:
        """A program set's result with everything in it that the device has put into objects of their own."""
        for name in ("programResults", "executableResults"):
            if isinstance(parts := result.get(name), list):
                result[name] = [
                    self._whole(self._object(bucket, part) if isinstance(part, str) else part, bucket) for part in parts
                ]
        return result

    def _object(self, bucket: str, key: str) -> Any:
        def read() -> Any:
            return json.loads(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())

        return self._ask(read)  # the body may break off as well

    def _ask(self, operation: Any, **members: Any) -> Any:
        """An answer; Refused where the other side says no, Unavailable where it cannot say anything now."""
        try:
            return operation(**members)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # A key that is not taken any more is no reason to lose a task: the operator gives the device another one.
            if status >= 500 or status in (401, 403, 424, 429) or code in _COME_BACK:
                raise Unavailable(f"{code}: {message}") from error
            raise Refused(f"{code}: {message}") from error
        except BotoCoreError as error:
            raise Unavailable(str(error)) from error
