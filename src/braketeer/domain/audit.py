"""The audit's lines: who changed what, from where, and what came of it. Pure; store/audit.py keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from braketeer.domain.accounts import Caller, makes_keys, only_reads

_LONGEST_AGENT = 120
_LONGEST_RESOURCE = 512

# Members that name what a call is about, the best first; the answer's count before the request's.
_NAMES = (
    "quantumTaskArn",
    "jobArn",
    "spendingLimitArn",
    "resourceArn",
    "logGroupName",
    "logGroupIdentifier",
    "queryId",
    "RoleArn",
    "RoleName",
    "repositoryName",
    "jobName",
    "deviceArn",
    "id",
    "name",
    "account",
)


def is_kept(operation: str) -> bool:
    """Whether a call of the AWS surface belongs into the audit: it changes something, or hands out keys."""
    return not only_reads(operation) or makes_keys(operation)


def resource(request: Mapping[str, Any], outcome: Mapping[str, Any]) -> str | None:
    """What a call is about: an ARN, ``bucket/key``, ``log group:stream``, names; None where it names nothing."""
    named = _named(request, outcome)
    return named[:_LONGEST_RESOURCE] if named else None


def line(
    *,
    at: str,
    caller: Caller,
    service: str,
    operation: str,
    resource: str | None,
    status: int,
    error: str | None,
    source: str,
) -> dict[str, Any]:
    """One line, as it is kept and shown; ``at`` is real time. A member without a value is null, never missing."""
    return {
        "at": at,
        "request_id": caller.request_id,
        "account": caller.account,
        "key": caller.key_id,
        "role": caller.role.value,
        "job_id": caller.job_id,
        "region": caller.region,
        "service": service,
        "operation": operation,
        "resource": resource,
        "status": status,
        "error": error,
        "source": source,
        "agent": caller.user_agent[:_LONGEST_AGENT],
    }


def _named(request: Mapping[str, Any], outcome: Mapping[str, Any]) -> str | None:
    if isinstance(bucket := request.get("Bucket"), str):
        key = request.get("Key")
        return f"{bucket}/{key}" if isinstance(key, str) else bucket
    if isinstance(accounts := request.get("accounts"), list):
        return ",".join(str(one.get("name")) for one in accounts if isinstance(one, dict))
    for members in (outcome, request):
        for name in _NAMES:
            if isinstance(value := members.get(name), str):
                stream = request.get("logStreamName") if name == "logGroupName" else None
                return f"{value}:{stream}" if isinstance(stream, str) else value
    return None
