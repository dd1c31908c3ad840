"""Bucket policies. They are not evaluated: the owning account and Braket have access to a bucket, and nobody else.

So a policy that allows them something is true and can be kept; any other would be a promise that nobody keeps. Texts of
what is malformed follow those of S3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from braketeer.domain.errors import NotImplementedHere, ServiceError
from braketeer.domain.s3_errors import AccessDenied

_LARGEST = 20 * 1024  # characters
_SERVICE = "braket.amazonaws.com"
_VERSIONS = ("2012-10-17", "2008-10-17")
_ONLY = "A bucket is open to the account that owns it and to Braket: {} would not be done"


def check_policy(text: str, bucket: str, account: str) -> None:
    """Whether the policy says what is so anyway.

    Raises MalformedPolicy (400) for what is no policy of this bucket, AccessDenied for one that opens it to everybody
    (public access is always blocked), NotImplemented for one that would have to be carried out.
    """
    policy = _document(text)
    if policy.get("Version", _VERSIONS[1]) not in _VERSIONS:
        raise _malformed("The policy must contain a valid version string")
    statements = _list(policy.get("Statement"))
    if not statements:
        raise _malformed("Missing required field Statement")
    for statement in statements:
        if not isinstance(statement, dict):
            raise _malformed("Policies must be valid JSON and the first byte must be '{'")
        _check_statement(statement, bucket, account)


def _check_statement(statement: Mapping[str, Any], bucket: str, account: str) -> None:
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed(f"Invalid effect: {str(statement.get('Effect'))[:40]}")
    actions = _list(statement.get("Action", statement.get("NotAction")))
    if not actions or not all(isinstance(one, str) and re.fullmatch(r"\*|s3:[A-Za-z*?]+", one) for one in actions):
        raise _malformed("Policy has invalid action")
    resources = _list(statement.get("Resource", statement.get("NotResource")))
    own = re.compile(rf"arn:aws[a-z-]*:s3:::{re.escape(bucket)}(/.*)?", re.DOTALL)
    if not resources or not all(isinstance(one, str) and own.fullmatch(one) for one in resources):
        raise _malformed("Policy has invalid resource")
    if "Principal" not in statement and "NotPrincipal" not in statement:
        raise _malformed("Missing required field Principal")
    if statement["Effect"] == "Deny":
        raise NotImplementedHere(_ONLY.format("a statement that denies something"))
    if "NotPrincipal" in statement:
        raise NotImplementedHere(_ONLY.format("a statement with NotPrincipal"))
    for kind, name in _principals(statement["Principal"]):
        _check_principal(kind, name, account)


def _check_principal(kind: str, name: Any, account: str) -> None:
    if kind == "AWS" and name == "*":
        raise AccessDenied("Public policies are blocked by the BlockPublicPolicy setting, which is always on")
    if kind == "Service" and name == _SERVICE:
        return
    if kind == "AWS" and isinstance(name, str):
        if name == account or re.fullmatch(rf"arn:aws[a-z-]*:iam::{account}:(root|role/.+)", name):
            return
    elif kind not in ("Service", "Federated", "CanonicalUser"):
        raise _malformed("Invalid principal in policy")
    raise NotImplementedHere(_ONLY.format(f"access of {str(name)[:100]}"))


def _principals(given: Any) -> Iterator[tuple[str, Any]]:
    if given == "*":
        yield "AWS", "*"
    elif isinstance(given, dict) and given:
        for kind, names in given.items():
            yield from ((kind, name) for name in _list(names))
    else:
        raise _malformed("Invalid principal in policy")


def _document(text: str) -> dict[str, Any]:
    try:
        policy = json.loads(text) if len(text) <= _LARGEST else None
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict):
        raise _malformed(f"Policies must be valid JSON of at most {_LARGEST} bytes and the first byte must be '{{'")
    return policy


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _malformed(message: str) -> ServiceError:
    return ServiceError(message, code="MalformedPolicy")
