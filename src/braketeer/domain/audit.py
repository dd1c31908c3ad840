"""The audit's lines: who changed what, from where, and what came of it. Pure; store/audit.py keeps them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from braketeer.domain.accounts import Caller, makes_keys, only_reads

# (caller, service, operation, resource, status, error code, source address): keeps a line.
Record = Callable[[Caller, str, str, str | None, int, str | None, str], Awaitable[None]]

_LONGEST_AGENT = 120
_LONGEST_RESOURCE = 512
_MOST_KEYS = 10

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
    "arn",
    "id",
    "name",
    "account",
)


def is_kept(operation: str) -> bool:
    """Whether a call of the AWS surface belongs into the audit: it changes something, or hands out keys."""
    return not only_reads(operation) or makes_keys(operation)


def resource(request: Mapping[str, Any], outcome: Mapping[str, Any]) -> str | None:
    """What a call is about: an ARN, ``bucket/key``, ``log group:stream``, names; None where it names nothing.

    Many keys are ``bucket (number keys): key, key`` with the first of them.
    """
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
        keys = _keys(request)
        if len(keys) > 1:
            # The number first: it is what is left when the names are cut.
            return f"{bucket} ({len(keys)} keys): {', '.join(keys[:_MOST_KEYS])}"
        return f"{bucket}/{keys[0]}" if keys else bucket
    if isinstance(accounts := request.get("accounts"), list):
        return ",".join(str(one.get("name")) for one in accounts if isinstance(one, dict))
    for members in (outcome, request):
        for name in _NAMES:
            if isinstance(value := members.get(name), str):
                stream = request.get("logStreamName") if name == "logGroupName" else None
                return f"{value}:{stream}" if isinstance(stream, str) else value
    return None


def _keys(request: Mapping[str, Any]) -> list[str]:
    """The keys that a request names: its own, or those that it deletes."""
    if isinstance(key := request.get("Key"), str):
        return [key]
    deleted = request.get("Delete")
    named = deleted.get("Objects") if isinstance(deleted, dict) else None
    found = [one.get("Key") for one in named if isinstance(one, dict)] if isinstance(named, list) else []
    return [key for key in found if isinstance(key, str)]
