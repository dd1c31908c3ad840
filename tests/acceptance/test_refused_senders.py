"""Who is not proven to be who they say: each service's own error, in the form that its clients read.

The JSON services, the query services and S3 name and word these errors differently; the status differs too.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from braketeer.domain.accounts import AccessKey, Role
from braketeer.store import accounts
from braketeer.store.database import opened
from braketeer.store.secrets import Secrets
from tests.services import ACCOUNT, RunningService, running

# How a request of each service looks, by its protocol.
FORMS: dict[str, tuple[str, str, str, dict[str, str], bytes]] = {
    "rest-json": ("braket", "POST", "/devices", {"Content-Type": "application/json"}, b'{"filters": []}'),
    "json": (
        "logs",
        "POST",
        "/",
        {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.DescribeLogGroups"},
        b"{}",
    ),
    "query": (
        "sts",
        "POST",
        "/",
        {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
        b"Action=GetCallerIdentity&Version=2011-06-15",
    ),
    "s3": ("s3", "GET", "/", {}, b""),
}
MISMATCH = "The request signature we calculated does not match the signature you provided."
INVALID_TOKEN = "The security token included in the request is invalid"
EXPIRED_TOKEN = "The security token included in the request is expired"


@dataclass(frozen=True)
class Sender:
    """What a sender does, and what each form answers: code and words (for ``json`` as for ``rest-json``)."""

    send: Callable[[World, str], tuple[int, dict[str, str], bytes]]
    json: tuple[str, str]
    query: tuple[str, str]
    s3: tuple[str, str]


@dataclass(frozen=True)
class World:
    """The service, a key of it, and a temporary key that has ended."""

    service: RunningService
    key: Credentials
    ended: AccessKey

    def send(
        self,
        form: str,
        key: Credentials,
        change: Callable[[Any], object] = lambda headers: None,
        late: timedelta = timedelta(0),
        scope: str | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) for a request that is signed ``late`` and whose headers are changed afterwards."""
        service, method, target, headers, body = FORMS[form]
        request = AWSRequest(method, f"http://127.0.0.1:{self.service.port}{target}", headers, body)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        with patch("botocore.auth.get_current_datetime", return_value=datetime.now(UTC) + late):
            signer(key, scope or service, "us-east-1").add_auth(request)
        change(request.headers)
        with closing(http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)) as connection:
            connection.request(method, target, body, dict(request.headers.items()))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("senders")) as service:
        service.stop()
        secrets = Secrets((service.data_dir / "secret.key").read_bytes())
        with opened(f"sqlite:///{service.data_dir / 'braketeer.db'}") as database:
            ended = database.write_now(
                lambda tx: accounts.create_key(
                    tx.connection, secrets, ACCOUNT, Role.USER, 0, expires_at=int(time.time()) - 60
                )
            )
        access = service.start().access
        yield World(service, Credentials(access.access_key_id, access.secret_access_key), ended)


def in_header(before: str, after: str) -> Callable[[Any], object]:
    """A change of the Authorization header."""

    def change(headers: Any) -> None:
        assert before in headers["Authorization"]
        headers.replace_header("Authorization", headers["Authorization"].replace(before, after))

    return change


def temporary(world: World, token: str | None) -> Credentials:
    return Credentials(world.ended.id, world.ended.secret, token)


SENDERS: dict[str, Sender] = {
    "a key that nobody has": Sender(
        lambda world, form: world.send(form, Credentials("AKIAAAAAAAAAAAAAAAAA", "x")),
        ("UnrecognizedClientException", INVALID_TOKEN),
        ("InvalidClientTokenId", INVALID_TOKEN),
        ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    ),
    "a wrong secret": Sender(
        lambda world, form: world.send(form, Credentials(world.key.access_key, "wrong")),
        ("InvalidSignatureException", MISMATCH),
        ("SignatureDoesNotMatch", MISMATCH),
        ("SignatureDoesNotMatch", MISMATCH),
    ),
    "a temporary key that has ended": Sender(
        lambda world, form: world.send(form, temporary(world, world.ended.session_token)),
        ("ExpiredTokenException", EXPIRED_TOKEN),
        ("ExpiredToken", EXPIRED_TOKEN),
        ("ExpiredToken", "The provided token has expired."),
    ),
    "a temporary key without its token": Sender(
        lambda world, form: world.send(form, temporary(world, None)),
        ("UnrecognizedClientException", INVALID_TOKEN),
        ("InvalidClientTokenId", INVALID_TOKEN),
        ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    ),
    "another token": Sender(
        lambda world, form: world.send(form, temporary(world, "another")),
        ("UnrecognizedClientException", INVALID_TOKEN),
        ("InvalidClientTokenId", INVALID_TOKEN),
        ("InvalidToken", "The provided token is malformed or otherwise invalid."),
    ),
    "a clock that is late": Sender(
        lambda world, form: world.send(form, world.key, late=timedelta(minutes=-16)),
        ("InvalidSignatureException", "Signature expired: "),
        ("SignatureDoesNotMatch", "Signature expired: "),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ),
    "a clock that is fast": Sender(
        lambda world, form: world.send(form, world.key, late=timedelta(minutes=16)),
        ("InvalidSignatureException", "Signature not yet current: "),
        ("SignatureDoesNotMatch", "Signature not yet current: "),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ),
    "no signature": Sender(
        lambda world, form: world.send(form, world.key, lambda headers: headers.__delitem__("Authorization")),
        ("MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("MissingAuthenticationToken", "Request is missing Authentication Token"),
        ("AccessDenied", "Access Denied"),
    ),
    "another way to sign": Sender(
        lambda world, form: world.send(form, world.key, in_header("AWS4-HMAC-SHA256 ", "Basic ")),
        ("IncompleteSignatureException", "AWS4-HMAC-SHA256"),
        ("IncompleteSignature", "AWS4-HMAC-SHA256"),
        ("AuthorizationHeaderMalformed", "AWS4-HMAC-SHA256"),
    ),
    "no signed headers": Sender(
        lambda world, form: world.send(form, world.key, in_header("SignedHeaders=", "Other=")),
        ("IncompleteSignatureException", "Authorization header requires 'SignedHeaders' parameter."),
        ("IncompleteSignature", "Authorization header requires 'SignedHeaders' parameter."),
        ("AuthorizationHeaderMalformed", "Authorization header requires 'SignedHeaders' parameter."),
    ),
    "half a scope": Sender(
        lambda world, form: world.send(form, world.key, in_header("/aws4_request", "")),
        ("IncompleteSignatureException", "Credential"),
        ("IncompleteSignature", "Credential"),
        ("AuthorizationHeaderMalformed", "Credential"),
    ),
    "another region than was signed": Sender(
        lambda world, form: world.send(form, world.key, in_header("/us-east-1/", "/eu-west-1/")),
        ("InvalidSignatureException", MISMATCH),
        ("SignatureDoesNotMatch", MISMATCH),
        ("SignatureDoesNotMatch", MISMATCH),
    ),
    "another day than was signed": Sender(
        lambda world, form: world.send(form, world.key, other_day),
        ("InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD"),
        ("SignatureDoesNotMatch", "Date in Credential scope does not match YYYYMMDD"),
        ("SignatureDoesNotMatch", "Date in Credential scope does not match YYYYMMDD"),
    ),
}


def other_day(headers: Any) -> None:
    today = datetime.now(UTC).strftime("%Y%m%d")
    in_header(f"/{today}/", "/20200101/")(headers)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sender", SENDERS)
def test_a_sender_who_is_not_proven(world: World, sender: str, form: str) -> None:
    what = SENDERS[sender]
    status, headers, body = what.send(world, form)
    code, words = {"rest-json": what.json, "json": what.json, "query": what.query, "s3": what.s3}[form]
    assert read[form](headers, body)[0] == code, body
    assert words in read[form](headers, body)[1]
    incomplete = code in {"IncompleteSignature", "AuthorizationHeaderMalformed"}
    assert status == (400 if form == "json" or incomplete else 403)


def of_rest_json(headers: dict[str, str], body: bytes) -> tuple[str, str]:
    assert headers["content-type"] == "application/json"
    return headers["x-amzn-errortype"], json.loads(body)["message"]


def of_json(headers: dict[str, str], body: bytes) -> tuple[str, str]:
    assert headers["content-type"] == "application/x-amz-json-1.1"
    document = json.loads(body)
    return document["__type"], document["message"]


def of_query(headers: dict[str, str], body: bytes) -> tuple[str, str]:
    assert headers["content-type"] == "text/xml"
    root = ElementTree.fromstring(body)
    space = root.tag.removesuffix("ErrorResponse")
    assert root.findtext(f"{space}Error/{space}Type") == "Sender"
    assert root.findtext(f"{space}RequestId") == headers["x-amzn-requestid"]
    return root.findtext(f"{space}Error/{space}Code") or "", root.findtext(f"{space}Error/{space}Message") or ""


def of_s3(headers: dict[str, str], body: bytes) -> tuple[str, str]:
    assert headers["content-type"] == "application/xml"
    root = ElementTree.fromstring(body)
    assert root.tag == "Error"
    assert root.findtext("RequestId") == headers["x-amz-request-id"]
    return root.findtext("Code") or "", root.findtext("Message") or ""


read = {"rest-json": of_rest_json, "json": of_json, "query": of_query, "s3": of_s3}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_sender_proven_is_answered(world: World, form: str) -> None:
    assert world.send(form, world.key)[0] == 200


def test_another_service_than_was_asked(world: World) -> None:
    """The scope decides which service is meant; one that is not served is refused by the names of those that are."""
    status, _, body = world.send("rest-json", world.key, scope="ec2")
    assert status < 500
    assert b"ec2" in body
    assert b"braket" in body
