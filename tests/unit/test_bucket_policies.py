"""Bucket policies: what says what is so is kept, all else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from braketeer.domain.bucket_policies import check_policy
from braketeer.domain.errors import ServiceError

ACCOUNT = "000000000000"
BRAKET = {"Service": "braket.amazonaws.com"}


def policy(**statement: Any) -> str:
    allowed = {"Effect": "Allow", "Principal": BRAKET, "Action": "s3:*", "Resource": ["arn:aws:s3:::b"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed | statement]})


def refusal(text: str) -> tuple[str, int]:
    with pytest.raises(ServiceError) as caught:
        check_policy(text, "b", ACCOUNT)
    return caught.value.code, caught.value.status


@pytest.mark.parametrize(
    "text",
    [
        policy(),
        policy(Resource="arn:aws:s3:::b/*", Action=["s3:GetObject", "s3:Put*"]),
        policy(Principal={"AWS": ACCOUNT}),
        policy(Principal={"AWS": [f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:role/service-role/Jobs"]}),
        policy(Principal=BRAKET | {"AWS": ACCOUNT}, Condition={"Bool": {"aws:SecureTransport": "true"}}),
    ],
)
def test_what_is_allowed_anyway_may_be_said(text: str) -> None:
    check_policy(text, "b", ACCOUNT)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (policy(Effect="Deny"), "NotImplemented"),
        (policy(Principal={"AWS": "111111111111"}), "NotImplemented"),
        (policy(Principal={"AWS": "arn:aws:iam::111111111111:root"}), "NotImplemented"),
        (policy(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/viewer"}), "NotImplemented"),
        (policy(Principal={"Service": "logs.amazonaws.com"}), "NotImplemented"),
        (policy(NotPrincipal=BRAKET), "NotImplemented"),
        (policy(Principal="*"), "AccessDenied"),
        (policy(Principal={"AWS": "*"}), "AccessDenied"),
        (policy(Principal={"Somebody": "x"}), "MalformedPolicy"),
        (policy(Principal=7), "MalformedPolicy"),
        (policy(Resource="arn:aws:s3:::other/*"), "MalformedPolicy"),
        (policy(Resource=[]), "MalformedPolicy"),
        (policy(Action="iam:PassRole"), "MalformedPolicy"),
        (policy(Effect="Perhaps"), "MalformedPolicy"),
        ("{}", "MalformedPolicy"),
        ("[]", "MalformedPolicy"),
        ("no JSON", "MalformedPolicy"),
        ('{"Statement": [7]}', "MalformedPolicy"),
        ('{"Version": "2099-01-01", "Statement": {}}', "MalformedPolicy"),
        ("[" * 20_000, "MalformedPolicy"),
        (json.dumps({"Statement": "x" * 30_000}), "MalformedPolicy"),
    ],
)
def test_all_else_is_refused(text: str, code: str) -> None:
    status = {"NotImplemented": 501, "AccessDenied": 403, "MalformedPolicy": 400}[code]
    assert refusal(text) == (code, status)
