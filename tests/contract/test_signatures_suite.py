"""AWS's SigV4 test suite: each of its signatures is accepted, and none after a change."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from braketeer.aws.messages import Request, joined_headers
from braketeer.aws.signatures import read_claim, verify
from braketeer.domain.accounts import AccessKey, Role
from braketeer.domain.errors import ServiceError

DATA = Path(__file__).parents[1] / "data" / "signatures" / "sigv4.json"
CASES = json.loads(DATA.read_text())
suite = pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])


def request_of(case: dict[str, Any]) -> Request:
    """The request as an HTTP server hands it on: folded header lines joined, the session token's header there."""
    head, _, body = case["raw_request"].partition("\n\n")
    start, *lines = head.replace("\n ", " ").split("\n")
    method, _, rest = start.partition(" ")
    path, _, query = rest.rpartition(" ")[0].partition("?")
    pairs = [line.partition(":")[::2] for line in lines]
    pairs.append(("Authorization", case["authorization"]))
    if case["session_token"] and not any(name.lower() == "x-amz-security-token" for name, _ in pairs):
        pairs.append(("X-Amz-Security-Token", case["session_token"]))
    headers = joined_headers((name.encode(), value.encode()) for name, value in pairs)
    return Request(method, path, query, headers, body.encode())


def key_of(case: dict[str, Any]) -> AccessKey:
    return AccessKey(case["access_key"], case["secret_key"], "1", Role.USER, session_token=case["session_token"])


def check(case: dict[str, Any], request: Request) -> AccessKey:
    claim = read_claim(request)
    assert claim is not None
    now = datetime.strptime(case["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    return verify(claim, request, sha256(request.body).hexdigest(), key_of(case), now)


@suite
def test_a_right_signature_is_accepted(case: dict[str, Any]) -> None:
    assert check(case, request_of(case)).id == case["access_key"]


@suite
def test_a_changed_request_is_refused(case: dict[str, Any]) -> None:
    request = request_of(case)
    signed = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    changes = [
        replace(request, path=request.path + "x"),
        replace(request, query=request.query + "&x=y"),
        replace(request, body=request.body + b"x"),
        replace(request, method="DELETE"),
        *[replace(request, headers=request.headers | {name: request.headers[name] + "x"}) for name in signed],
    ]
    for changed in changes:
        with pytest.raises(ServiceError) as refusal:
            check(case, changed)
        assert refusal.value.status == 403
