"""The gateway under HTTP itself: raw requests, keep-alive, Expect, bodies that are not what they claim."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from hashlib import sha256
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser
from botocore.session import get_session

from braketeer.aws.model import Api
from braketeer.aws.validation import validate
from tests.contract.toys import TASK, Toys

KEY = Credentials("AKIDOPERATOR", "secret")
GOOD = b'{"deviceArn":"d","shots":1,"outputS3Bucket":"abc","outputS3KeyPrefix":"t","action":"{}","clientToken":"c"}'


class Connection(http.client.HTTPConnection):
    """One connection to the toys that signs what it sends."""

    def __init__(self, toys: Toys) -> None:
        super().__init__(urlsplit(toys.endpoint).netloc, timeout=10)
        self.connects = 0

    def connect(self) -> None:
        self.connects += 1
        super().connect()

    def send_signed(
        self, service: str, method: str, target: str, body: bytes = b"", sent: bytes | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        """``body`` is what is signed, ``sent`` what travels instead of it."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = AWSRequest(method, f"http://{self.host}:{self.port}{target}", names, body)
        raw.headers["host"] = f"{self.host}:{self.port}"
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(KEY, service, "us-west-2").add_auth(raw)
        self.request(method, target, body if sent is None else sent, dict(raw.headers))
        return self.getresponse()


@pytest.fixture
def connection(toys: Toys) -> Iterator[Connection]:
    with contextlib.closing(Connection(toys)) as opened:
        yield opened


def head_and_rest(toys: Toys, data: bytes) -> tuple[str, socket.socket]:
    """Send bytes, read the head of the answer; the socket is still open."""
    where = urlsplit(toys.endpoint)
    stream = socket.create_connection((where.hostname, where.port), timeout=10)
    stream.sendall(data)
    received = b""
    while b"\r\n\r\n" not in received:
        piece = stream.recv(1)
        if not piece:
            break
        received += piece
    return received.decode(), stream


def test_answers_carry_a_date_and_a_request_id(connection: Connection) -> None:
    answer = connection.send_signed("braket", "GET", "/nowhere")
    body = answer.read()
    assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) < 60
    assert answer.headers["Date"].endswith(" GMT")
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-amzn-RequestId"])
    assert answer.status == 404
    assert answer.headers["x-amzn-ErrorType"] == "UnknownOperationException"
    assert b'"message":"braket has no operation GET /nowhere"' in body


def test_a_connection_lives_through_errors(connection: Connection) -> None:
    for body, status in ((b"{", 400), (b"[]", 400), (b"", 400), (b"\xff", 400), (GOOD, 201)):
        answer = connection.send_signed("braket", "POST", "/quantum-task", body)
        answer.read()
        assert answer.status == status
    answer = connection.send_signed("s3", "PUT", "/missing/key", b"x" * 500_000)
    assert (answer.status, b"NoSuchBucket" in answer.read()) == (404, True)
    answer = connection.send_signed("s3", "HEAD", "/made/nothing")
    assert (answer.status, answer.read()) == (404, b"")
    answer = connection.send_signed("s3", "PUT", "/made/key", b"data")
    assert (answer.status, answer.read()) == (200, b"")
    assert connection.connects == 1


def test_a_body_that_is_too_much_to_throw_away_ends_the_connection(connection: Connection, toys: Toys) -> None:
    text = f"PUT /missing/key HTTP/1.1\r\nHost: {connection.host}\r\nContent-Length: 99999999\r\n\r\n"
    head, stream = head_and_rest(toys, text.encode())
    with stream:
        assert head.startswith("HTTP/1.1 403 ")
        assert "connection: close" in head


def test_expect_is_answered_when_the_body_is_wanted(toys: Toys) -> None:
    raw = AWSRequest("PUT", f"{toys.endpoint}/bucket/expected", {"host": "localhost"}, b"data")
    S3SigV4Auth(KEY, "s3", "us-west-2").add_auth(raw)
    headers = "".join(f"{name}: {value}\r\n" for name, value in raw.headers.items())
    text = f"PUT /bucket/expected HTTP/1.1\r\n{headers}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    head, stream = head_and_rest(toys, text.encode())
    with stream:
        assert head == "HTTP/1.1 100 Continue\r\n\r\n"
        stream.sendall(b"data")
        assert stream.recv(15) == b"HTTP/1.1 200 OK"
    assert toys.s3.objects["bucket", "expected"][0] == b"data"


def test_expect_is_refused_before_the_body_travels(toys: Toys) -> None:
    text = "PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    head, stream = head_and_rest(toys, text.encode())
    with stream:
        assert head.startswith("HTTP/1.1 403 ")
        assert "connection: close" in head


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/quantum-task/%ff", 400),
        (f"/quantum-task/{TASK}/cancel/more", 404),
        (f"/quantum-task/{TASK.replace(':', '%3A').replace('/', '%2F')}?additionalAttributeNames=%ff", 400),
        ("/quantum-task/%00?additionalAttributeNames=QueueInfo", 400),
        ("/quantum-task/x?additionalAttributeNames=Other", 400),
        ("/quantum-task/", 404),
        ("//", 404),
    ],
)
def test_strange_targets(connection: Connection, target: str, status: int) -> None:
    answer = connection.send_signed("braket", "GET", target)
    body = answer.read()
    assert (answer.status, b'"message"' in body) == (status, True)


@pytest.mark.parametrize("target", ["/%ff?%ff=%ff", "/quantum-task/%ff?X-Amz-Signature=%ff", "/?AWSAccessKeyId=%ff"])
def test_strange_targets_without_a_signature(toys: Toys, target: str) -> None:
    head, stream = head_and_rest(toys, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    with stream:
        assert head.startswith(("HTTP/1.1 400 ", "HTTP/1.1 403 "))


def test_a_body_that_is_not_the_signed_one(connection: Connection, toys: Toys) -> None:
    answer = connection.send_signed("braket", "POST", "/quantum-task", GOOD, sent=GOOD.replace(b"abc", b"xyz"))
    assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (403, "InvalidSignatureException")
    answer.read()
    answer = connection.send_signed("s3", "PUT", "/bucket/tampered", b"data", sent=b"DATA")
    assert (answer.status, b"XAmzContentSHA256Mismatch" in answer.read()) == (400, True)
    assert ("bucket", "tampered") not in toys.s3.objects
    answer = connection.send_signed("s3", "POST", "/bucket?delete", b"<Delete/>", sent=b"<delete/>")
    assert (answer.status, b"XAmzContentSHA256Mismatch" in answer.read()) == (400, True)


@pytest.mark.parametrize(
    ("decoded_length", "body", "code"),
    [
        ("4", b"4\r\ndata\r\n0\r\nx-amz-checksum-crc32:abcd\r\n\r\n", None),
        ("4", b"2;x=y\r\nda\r\n2\r\nta\r\n0\r\n\r\n", None),
        ("5", b"4\r\ndata\r\n0\r\n\r\n", b"IncompleteBody"),
        ("3", b"4\r\ndata\r\n0\r\n\r\n", b"IncompleteBody"),
        ("4", b"4\r\ndata\r\n", b"IncompleteBody"),
        ("4", b"data", b"IncompleteBody"),
        ("4", b"".join(b"1\r\n%c\r\n" % letter for letter in b"data") + b"0\r\n\r\n", None),
        ("x", b"4\r\ndata\r\n0\r\n\r\n", b"MissingContentLength"),
        ("9" * 5000, b"4\r\ndata\r\n0\r\n\r\n", b"MissingContentLength"),
    ],
)
def test_unsigned_chunks(
    connection: Connection, toys: Toys, decoded_length: str, body: bytes, code: bytes | None
) -> None:
    target = f"/bucket/chunks-{sha256(body).hexdigest()[:8]}-{decoded_length[:5]}"
    raw = AWSRequest("PUT", f"http://localhost{target}", {"host": "localhost"})
    raw.headers["x-amz-decoded-content-length"] = decoded_length
    raw.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    S3SigV4Auth(KEY, "s3", "us-west-2").add_auth(raw)
    connection.request("PUT", target, body, dict(raw.headers))
    answer = connection.getresponse()
    text = answer.read()
    if code is None:
        assert answer.status == 200
        assert toys.s3.objects["bucket", target.removeprefix("/bucket/")][0] == b"data"
    else:
        assert code in text
        assert answer.status in (400, 411)


@pytest.mark.parametrize(
    "body",
    [
        b"not xml",
        b"<Delete><Object><Key>a</Key>",
        b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "x">]><Delete><Object><Key>&a;</Key></Object></Delete>',
        b"<Delete><Object><Key><a/></Key></Object></Delete>",
        b"<Delete><Object></Object></Delete>",
        b"\xff\xfe",
        b"",
    ],
)
def test_xml_that_is_none(connection: Connection, body: bytes) -> None:
    answer = connection.send_signed("s3", "POST", "/bucket?delete", body)
    assert (answer.status, b"<Code>" in answer.read()) == (400, True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Action=Nonsense",
        b"Action=TagRole&RoleName=r&Tags.member.x.Key=a",
        b"Action=TagRole&RoleName=r&Tags=a",
        b"Action=TagRole&RoleName=r&Tags.member.1=a",
        b"Action=TagRole&RoleName.x=r",
        b"Action=ListRoles&MaxItems=many",
        b"Action=ListRoles&PathPrefix=%ff",
        b"Action=ListRoles&PathPrefix=\xff",
        b"Action=ListRoles&" + b".".join([b"a"] * 100) + b"=1",
    ],
)
def test_forms_that_are_none(connection: Connection, body: bytes) -> None:
    answer = connection.send_signed("iam", "POST", "/", body, content_type="application/x-www-form-urlencoded")
    assert (answer.status, b"<ErrorResponse" in answer.read()) == (400, True)


@pytest.mark.parametrize("target", ["", "Logs_20140328.Nonsense", "Other.GetLogEvents", "GetLogEvents"])
def test_targets_of_the_json_protocol_that_are_none(connection: Connection, target: str) -> None:
    answer = connection.send_signed("logs", "POST", "/", b"{}", x_amz_target=target)
    assert (answer.status, b"UnknownOperationException" in answer.read()) == (400, True)


def test_a_client_of_another_service_that_reads_cbor_gets_it(connection: Connection) -> None:
    """As SDKs other than boto3 speak to CloudWatch; botocore has the parser."""
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    answer = connection.send_signed("monitoring", "POST", path, b"\xa0", smithy_protocol="rpc-v2-cbor")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["smithy-protocol"] == "rpc-v2-cbor"
    shape = get_session().get_service_model("cloudwatch").operation_model("ListMetrics").output_shape
    response = {"body": answer.read(), "headers": headers, "status_code": answer.status}
    error = create_parser("smithy-rpc-v2-cbor").parse(response, shape)["Error"]
    assert error["Code"] == "UnknownOperationException"
    assert error["Message"] == "Braketeer does not serve 'monitoring'; it serves braket, iam, logs, s3, sts"


def test_a_client_of_ec2_gets_ec2s_xml(connection: Connection) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    body = connection.send_signed("ec2", "POST", "/", b"Action=DescribeVpcs&Version=2016-11-15", **form).read()
    assert b"<Response><Errors><Error><Code>UnknownOperationException</Code><Message>Braketeer does not" in body


def test_what_xml_cannot_hold_is_replaced_in_an_error(connection: Connection) -> None:
    body = b"Action=ListRoles&MaxItems=%00%01"
    answer = connection.send_signed("iam", "POST", "/", body, content_type="application/x-www-form-urlencoded")
    text = ElementTree.fromstring(answer.read()).findtext(".//{*}Message") or ""
    assert "Value '\ufffd\ufffd' at 'MaxItems'" in text


def test_a_copys_source_may_be_encoded_as_a_whole() -> None:
    shape = Api.load("s3").model.operation_model("CopyObject").input_shape
    validate(shape, {"Bucket": "there", "Key": "k", "CopySource": "from%2Fa%20key"})
