"""State changes as Amazon EventBridge tells of Braket's: source ``aws.braket``, a detail type for each kind.

The task's detail has the members of the sample event on the page "Monitoring your quantum tasks with EventBridge"; of
jobs and devices no sample is published, so theirs are named as GetJob and GetDevice name them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid5

from braketeer.domain import arns
from braketeer.domain.clock import iso
from braketeer.domain.lifecycles import JOB_FINISHED, TASK_FINISHED

DETAIL_TYPES = {
    "task": "Braket Task State Change",
    "job": "Braket Job State Change",
    "device": "Braket Device Status Change",
}
KINDS = tuple(DETAIL_TYPES)
MOST_WEBHOOKS = 100
DEFAULT = "DEFAULT"  # the status of a device whose operator has taken back what was set
_NAMESPACE = UUID("6f2f6f5e-52ab-4f0e-9f0c-6a2d5e0e9d5b")


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the order of events; ``text`` and ``of`` are what clients keep."""

    transaction: int = 0
    sequence: int = 0

    @property
    def text(self) -> str:
        return f"{self.transaction}.{self.sequence}"

    @classmethod
    def of(cls, text: str) -> Cursor:
        """ValueError for anything that is no cursor."""
        transaction, dot, sequence = text.partition(".")
        if not (dot and transaction.isascii() and transaction.isdigit() and sequence.isascii() and sequence.isdigit()):
            raise ValueError(f"{text[:60]!r} is no place among events")
        return cls(*(min(int(part), 2**62) for part in (transaction[:20], sequence[:20])))


@dataclass(frozen=True, slots=True)
class Event:
    """One state that a resource has taken, with the resource's row as it is now (None: it is not there any more)."""

    cursor: Cursor
    kind: str
    resource: str
    status: str
    name: str
    at_ms: int
    row: Mapping[str, Any] | None

    @property
    def can_be_told(self) -> bool:
        """Whether there is still what it is about: a device's event needs no row, all others do."""
        return self.kind == "device" or self.row is not None

    @property
    def account(self) -> str | None:
        """Whose event it is; None for devices, which are everybody's."""
        return None if self.row is None or self.kind == "device" else str(self.row["account"])


def document(event: Event, installation: str, usual_status: Callable[[str], str]) -> dict[str, Any]:
    """The event as it is sent. Its id is the same each time it is sent, and another in every installation.

    ``usual_status`` is the status of a device, by its ARN, for which the operator has set none.
    """
    if event.kind == "device" and event.status == DEFAULT:
        event = replace(event, status=usual_status(event.resource))
    arn, region, detail = _ABOUT[event.kind](event)
    return {
        "version": "0",
        "id": str(uuid5(_NAMESPACE, f"{installation}/{event.cursor.text}")),
        "detail-type": DETAIL_TYPES[event.kind],
        "source": "aws.braket",
        "account": event.account or "",
        "time": f"{iso(event.at_ms)[:19]}Z",
        "region": region,
        "resources": [arn],
        "detail": detail,
    }


def signature(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """``webhook-signature`` as the Standard Webhooks specification has it: ``v1,`` and a base64 HMAC-SHA256."""
    signed = hmac.digest(secret, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


def retry_seconds(failures: int) -> int:
    """How long a webhook waits after so many failures in a row: 1 s, doubled each time, at most an hour."""
    return min(1 << min(failures - 1, 12), 3600)


def _task(event: Event) -> tuple[str, str, dict[str, Any]]:
    row = event.row or {}
    arn = arns.quantum_task(row["region"], row["account"], event.resource)
    detail = {
        "quantumTaskArn": arn,
        "status": event.status,
        "deviceArn": row["device_arn"],
        "shots": str(row["shots"]),
        "outputS3Bucket": row["output_bucket"],
        "outputS3Directory": row["output_prefix"],
        "createdAt": iso(row["created_at"]),
        "eventName": event.name,
    }
    if event.status in TASK_FINISHED and row["ended_at"] is not None:
        detail["endedAt"] = iso(row["ended_at"])
    if row["failure_reason"] is not None and event.status == "FAILED":
        detail["failureReason"] = row["failure_reason"]
    return arn, row["region"], detail


def _job(event: Event) -> tuple[str, str, dict[str, Any]]:
    row = event.row or {}
    arn = arns.job(row["region"], row["account"], event.resource)
    ended = event.status in JOB_FINISHED
    times = {
        "createdAt": row["created_at"],
        "startedAt": row["started_at"] if event.status != "QUEUED" else None,
        "endedAt": row["ended_at"] if ended else None,
    }
    detail = {
        "jobArn": arn,
        "jobName": row["name"],
        "status": event.status,
        "device": row["device_arn"],
        "eventName": event.name,
        **{name: iso(time) for name, time in times.items() if time is not None},
    }
    if row["failure_reason"] is not None and event.status == "FAILED":
        detail["failureReason"] = row["failure_reason"]
    return arn, row["region"], detail


def _device(event: Event) -> tuple[str, str, dict[str, Any]]:
    region = event.resource.split(":")[3] if event.resource.count(":") >= 5 else ""
    detail = {"deviceArn": event.resource, "deviceStatus": event.status, "eventName": event.name}
    return event.resource, region, detail


_ABOUT = {"task": _task, "job": _job, "device": _device}
