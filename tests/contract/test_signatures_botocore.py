"""Requests signed by botocore as boto3 signs them, and every way in which a claim can be untrue."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from braketeer.aws.messages import Request
from braketeer.aws.signatures import MalformedClaim, announced_payload, read_claim, verify
from braketeer.domain.accounts import AccessKey, Role
from braketeer.domain.errors import ServiceError

KEY = AccessKey("AKIDEXAMPLE", "a secret", "000000000000", Role.USER)
TEMPORARY = AccessKey("ASIAEXAMPLE", "a secret", "000000000000", Role.USER, "the token", expires_at=time.time() + 3600)
ARN = "arn%3Aaws%3Abraket%3A%3A%3Adevice%2Fquantum-simulator%2Famazon%2Fsv1"


def sign(
    signer: Any, key: AccessKey, scope: tuple[str, ...], method: str, target: str, body: bytes = b"", **headers: str
):
    """A request signed by one of botocore's signers, as the server reads it."""
    credentials = Credentials(key.id, key.secret, key.session_token)
    raw = AWSRequest(method, "http://127.0.0.1:4747" + target, headers=headers, data=body)
    raw.headers["host"] = "127.0.0.1:4747"
    signer(credentials, *scope).add_auth(raw)
    url = urlsplit(raw.url)
    lower = {name.lower(): value for name, value in raw.headers.items()}
    return Request(method, url.path, url.query, lower, body)


def sender(request: Request, key: AccessKey | None, now: float | None = None) -> AccessKey:
    claim = read_claim(request)
    assert claim is not None
    payload = announced_payload(claim, request) or sha256(request.body).hexdigest()
    return verify(claim, request, payload, key, now or time.time())


def refusal(request: Request, key: AccessKey | None, now: float | None = None) -> tuple[str, int, str]:
    with pytest.raises(ServiceError) as error:
        sender(request, key, now)
    return error.value.code, error.value.status, error.value.message


def braket(key: AccessKey = KEY, target: str = f"/device/{ARN}", **headers: str) -> Request:
    return sign(SigV4Auth, key, ("braket", "us-west-2"), "GET", target, **headers)


def s3(key: AccessKey = KEY, target: str = "/bucket/a//b/../c%20%2B%C3%A9~", body: bytes = b"data") -> Request:
    return sign(S3SigV4Auth, key, ("s3", "us-west-2"), "PUT", target, body)


@pytest.mark.parametrize(
    "target",
    ["/", f"/device/{ARN}", f"/tags/{ARN}?tagKeys=a%20b&tagKeys=%2B%2F&tagKeys=%C3%A9", "/jobs", "/x?b=2&a=1&a=0&c"],
)
def test_a_request_signed_by_botocore(target: str) -> None:
    assert sender(braket(target=target), KEY) is KEY


@pytest.mark.parametrize(
    "target", ["/bucket/a//b/../c%20%2B%C3%A9~", "/bucket?list-type=2&prefix=a%20b%2Fc&delimiter=%2F", "/"]
)
def test_a_request_to_s3_signed_by_botocore(target: str) -> None:
    assert sender(s3(target=target), KEY) is KEY


def test_s3_accepts_a_path_that_travels_encoded_otherwise_than_it_was_signed() -> None:
    request = s3(target="/bucket/a%28b%29%2Ac")
    request.path = "/bucket/a(b)*c"
    assert sender(request, KEY) is KEY


def test_a_temporary_key() -> None:
    assert sender(braket(TEMPORARY), TEMPORARY) is TEMPORARY


@pytest.mark.parametrize("signer", [SigV4QueryAuth, S3SigV4QueryAuth])
@pytest.mark.parametrize("key", [KEY, TEMPORARY])
def test_a_presigned_request(signer: Any, key: AccessKey) -> None:
    service = "s3" if signer is S3SigV4QueryAuth else "sts"
    request = sign(signer, key, (service, "us-west-2"), "GET", "/bucket/a%20b?versionId=1")
    assert sender(request, key) is key


@pytest.mark.parametrize("key", [KEY, TEMPORARY])
def test_the_older_presigned_form(key: AccessKey) -> None:
    request = sign(HmacV1QueryAuth, key, (), "GET", "/bucket/a%20b?response-content-type=text%2Fplain")
    assert sender(request, key) is key
    assert refusal(request, key, time.time() + 3601)[:2] == ("AccessDenied", 403)
    request.path = "/bucket/other"
    assert refusal(request, key)[0] == "SignatureDoesNotMatch"


def test_the_older_presigned_form_on_a_virtual_host() -> None:
    raw = AWSRequest("GET", "http://bucket.localhost:4747/key", auth_path="/bucket/key")
    HmacV1QueryAuth(Credentials(KEY.id, KEY.secret)).add_auth(raw)
    url = urlsplit(raw.url)
    assert sender(Request("GET", url.path, url.query, {"host": "bucket.localhost:4747"}, bucket="bucket"), KEY) is KEY


def test_an_unknown_key() -> None:
    text = "The security token included in the request is invalid."
    assert refusal(braket(), None) == ("UnrecognizedClientException", 403, text)
    assert refusal(s3(), None)[:2] == ("InvalidAccessKeyId", 403)
    assert refusal(sign(SigV4Auth, KEY, ("sts", "us-east-1"), "GET", "/"), None)[:2] == ("InvalidClientTokenId", 403)


def test_a_wrong_secret() -> None:
    other = AccessKey(KEY.id, "another secret", KEY.account, KEY.role)
    code, status, text = refusal(braket(), other)
    assert (code, status) == ("InvalidSignatureException", 403)
    assert text.startswith("The request signature we calculated does not match the signature you provided.")
    assert refusal(s3(), other)[:2] == ("SignatureDoesNotMatch", 403)


@pytest.mark.parametrize("signature", ["", "é", "0" * 64])
def test_a_signature_that_is_none(signature: str) -> None:
    request = braket()
    head = request.headers["authorization"].partition("Signature=")[0]
    request.headers["authorization"] = f"{head}Signature={signature or ' '}"
    if signature:
        assert refusal(request, KEY)[:2] == ("InvalidSignatureException", 403)
    else:
        with pytest.raises(MalformedClaim, match="Signature"):
            read_claim(request)


def test_a_clock_that_is_wrong() -> None:
    request = braket()
    assert sender(request, KEY, time.time() + 14 * 60) is KEY
    code, status, text = refusal(request, KEY, time.time() + 16 * 60)
    assert (code, status) == ("InvalidSignatureException", 403)
    assert text.startswith("Signature expired: ")
    assert refusal(request, KEY, time.time() - 16 * 60)[2].startswith("Signature not yet current: ")
    assert refusal(s3(), KEY, time.time() + 16 * 60)[:2] == ("RequestTimeTooSkewed", 403)


def test_a_session_token_that_is_not_the_keys() -> None:
    no_token = AccessKey(TEMPORARY.id, TEMPORARY.secret, "1", Role.USER)
    other_token = AccessKey(TEMPORARY.id, TEMPORARY.secret, "1", Role.USER, "another token")
    for sent, own in ((no_token, TEMPORARY), (other_token, TEMPORARY), (TEMPORARY, no_token)):
        assert refusal(braket(sent), own)[:2] == ("UnrecognizedClientException", 403)
        code = "InvalidToken" if sent.session_token else "InvalidAccessKeyId"
        assert refusal(s3(sent), own)[:2] == (code, 403)


def test_a_temporary_key_that_has_expired() -> None:
    expired = AccessKey(TEMPORARY.id, TEMPORARY.secret, "1", Role.USER, "the token", expires_at=time.time() - 1)
    assert refusal(braket(expired), expired)[:2] == ("ExpiredTokenException", 403)
    assert refusal(s3(expired), expired)[:2] == ("ExpiredToken", 403)


def test_what_decides_about_a_request_must_be_signed() -> None:
    request = sign(S3SigV4QueryAuth, KEY, ("s3", "us-west-2"), "PUT", "/bucket/key")
    request.headers["x-amz-copy-source"] = "/somebody/elses"
    assert refusal(request, KEY)[:2] == ("AccessDenied", 403)
    request = braket()
    request.headers["authorization"] = request.headers["authorization"].replace("host;", "")
    assert refusal(request, KEY)[:2] == ("InvalidSignatureException", 403)


def test_s3_demands_the_hash_of_the_body() -> None:
    request = s3()
    del request.headers["x-amz-content-sha256"]
    assert refusal(request, KEY)[:2] == ("InvalidRequest", 400)


def test_an_anonymous_request() -> None:
    assert read_claim(Request("GET", "/", "a=b", {"host": "localhost"})) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer abc"},
        {"authorization": "AWS AKID:signature"},
        {"authorization": "AWS4-HMAC-SHA256 nonsense"},
        {"authorization": "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0", "x-amz-date": "1"},
        {"authorization": "AWS4-HMAC-SHA256 Credential=a/1/r/s/aws4_request, SignedHeaders=host, Signature=0"},
        {
            "authorization": "AWS4-HMAC-SHA256 Credential=a/1/r//aws4_request, SignedHeaders=host, Signature=0",
            "date": "x",
        },
    ],
)
def test_a_header_that_is_no_claim(headers: dict[str, str]) -> None:
    with pytest.raises(MalformedClaim):
        read_claim(Request("GET", "/", "", headers))


@pytest.mark.parametrize(
    ("changed", "to"),
    [
        ("X-Amz-Expires=3600", "X-Amz-Expires=0"),
        ("X-Amz-Expires=3600", "X-Amz-Expires=604801"),
        ("X-Amz-Expires=3600", "X-Amz-Expires=x"),
        ("X-Amz-Expires=3600", ""),
        ("AWS4-HMAC-SHA256", "MD5"),
    ],
)
def test_a_query_that_is_no_claim(changed: str, to: str) -> None:
    request = sign(SigV4QueryAuth, KEY, ("sts", "us-west-2"), "GET", "/")
    with pytest.raises(MalformedClaim):
        read_claim(Request("GET", "/", request.query.replace(changed, to), request.headers))


def test_a_date_that_is_none() -> None:
    request = braket()
    request.headers["x-amz-date"] = "yesterday"
    assert refusal(request, KEY)[:2] == ("IncompleteSignatureException", 403)


@pytest.mark.parametrize(
    ("date", "refusal_of_it"),
    [
        ("99991231T235959Z", "InvalidSignatureException"),
        ("00010101T000000Z", "InvalidSignatureException"),
        ("00000101T000000Z", "IncompleteSignatureException"),
        ("20261332T256199Z", "IncompleteSignatureException"),
    ],
)
@pytest.mark.parametrize("signer", [SigV4Auth, SigV4QueryAuth])
def test_dates_at_the_ends_of_the_calendar(signer: Any, date: str, refusal_of_it: str) -> None:
    request = sign(signer, KEY, ("braket", "us-west-2"), "GET", "/")
    now = time.strftime("%Y%m%d", time.gmtime())
    if signer is SigV4Auth:
        request.headers["authorization"] = request.headers["authorization"].replace(now, date[:8])
        request.headers["x-amz-date"] = date
    else:
        stamp = request.parameter("X-Amz-Date") or ""
        request = Request("GET", "/", request.query.replace(stamp, date).replace(now, date[:8]), request.headers)
    assert refusal(request, KEY)[:2] == (refusal_of_it, 403)


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 -1200",
        f"Mon, 01 Jan {'9' * 40} 00:00:00 GMT",
        f"Mon, 01 Jan 2026 00:00:00 +{'9' * 40}",
        "Mon, 01 Jan 2026 00:00:00 +9999",
        "",
        " ",
        ",",
        "Mon, 01",
        "1 2 3 4:5:6:7",
    ],
)
def test_a_date_header_that_is_no_time(date: str) -> None:
    headers = {"authorization": "AWS4-HMAC-SHA256 Credential=a/1/r/s/aws4_request, SignedHeaders=host, Signature=0"}
    with pytest.raises(MalformedClaim):
        read_claim(Request("GET", "/", "", headers | {"date": date}))


def test_a_date_that_is_not_the_scopes() -> None:
    request = braket()
    request.headers["x-amz-date"] = "20000101T000000Z"
    assert refusal(request, KEY)[:2] == ("InvalidSignatureException", 403)


def test_the_date_header_may_stand_for_amazons() -> None:
    request = braket(Date="to be replaced by the signer")
    assert "x-amz-date" not in request.headers
    assert sender(request, KEY) is KEY
