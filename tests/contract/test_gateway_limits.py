"""What a request may take from others before its sender is proven, and while it is: bounds, order, threads."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from braketeer.aws import messages
from braketeer.aws.connections import MOST_HEADER_BYTES, MOST_HEADERS, MOST_TARGET_BYTES, BoundedHttp
from braketeer.aws.gateway import Gateway
from braketeer.aws.messages import joined_headers
from braketeer.domain.accounts import AccessKey, Caller, Role
from tests.contract.toys import KEYS, Members, ToyBraket, ToyIam, Toys, ToyS3, find_key

FORM = "application/x-www-form-urlencoded"
GOOD = b'{"deviceArn":"d","shots":1,"outputS3Bucket":"abc","outputS3KeyPrefix":"t","action":"{}","clientToken":"c"}'


# --- On the wire


@contextlib.contextmanager
def connected(toys: Toys) -> Iterator[socket.socket]:
    where = urlsplit(toys.endpoint)
    with socket.create_connection((where.hostname, where.port), timeout=10) as stream:
        yield stream


def answer_of(stream: socket.socket) -> tuple[int, str | None, bytes]:
    """Status, name of the error, body; the server must have closed the connection after it where it says so."""
    response = http.client.HTTPResponse(stream)
    response.begin()
    body = response.read()
    if response.headers.get("connection") == "close":
        assert stream.recv(1) == b""
    return response.status, response.headers.get("x-amzn-errortype"), body


@pytest.mark.parametrize(
    ("target", "headers", "refusal"),
    [
        ("/", b"a: b\r\n" * (MOST_HEADERS + 1), (431, "RequestHeaderSectionTooLarge")),
        ("/", b"a: %b\r\n" % (b"b" * MOST_HEADER_BYTES), (431, "RequestHeaderSectionTooLarge")),
        ("/" + "a" * MOST_TARGET_BYTES, b"", (414, "RequestUriTooLong")),
        ("/", b"no header\r\n", (400, "BadRequestException")),
    ],
)
def test_heads_out_of_bounds(toys: Toys, target: str, headers: bytes, refusal: tuple[int, str]) -> None:
    with connected(toys) as stream:
        stream.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n".encode() + headers + b"\r\n")
        status, code, body = answer_of(stream)
    assert (status, code) == refusal
    assert json.loads(body)["__type"] == code


def test_long_heads_within_bounds(toys: Toys) -> None:
    """A key of 1,024 bytes that are all percent-encoded, a session token of 8 KiB, headers of every kind."""
    credentials = Credentials("AKIDOPERATOR", "secret", "t" * 8192)
    target = "/bucket/" + "%C3%A9" * 512
    raw = AWSRequest("GET", f"{toys.endpoint}{target}", {f"x-amz-meta-{n}": "v" * 100 for n in range(150)})
    S3SigV4Auth(credentials, "s3", "us-west-2").add_auth(raw)
    connection = http.client.HTTPConnection(urlsplit(toys.endpoint).netloc, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", target, headers=dict(raw.headers))
        answer = connection.getresponse()
        assert (answer.status, b"<Code>InvalidToken</Code>" in answer.read()) == (403, True)


@pytest.mark.parametrize("trailing", [False, True])
def test_a_header_without_end(toys: Toys, trailing: bool) -> None:
    """The parser would keep it until it ends, a trailing header too."""
    raw = AWSRequest("PUT", f"{toys.endpoint}/bucket/endless", {"host": "localhost"})
    raw.context["payload_signing_enabled"] = False
    S3SigV4Auth(Credentials("AKIDOPERATOR", "secret"), "s3", "us-west-2").add_auth(raw)
    lines = "".join(f"{name}: {value}\r\n" for name, value in raw.headers.items())
    body = "Transfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n0\r\n" if trailing else ""
    with connected(toys) as stream:
        stream.sendall(f"PUT /bucket/endless HTTP/1.1\r\n{lines}{body}a: ".encode())
        ended = b""
        with contextlib.suppress(ConnectionError):
            for _ in range(1024):
                stream.sendall(b"b" * 4096)
            ended = stream.recv(4096)
    assert ended == b"" or (ended.startswith(b"HTTP/1.1 431 ") and not trailing)
    assert ("bucket", "endless") not in toys.s3.objects


def test_headers_that_take_too_long(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttp, "header_seconds", 0.05)
    with connected(toys) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert answer_of(stream)[:2] == (408, "RequestTimeout")


def test_the_time_for_headers_is_not_that_for_a_body(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttp, "header_seconds", 0.05)
    with connected(toys) as stream:
        stream.sendall(b"PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\n")
        stream.sendall(b"Content-Length: 4\r\n\r\n")
        threading.Event().wait(0.2)
        stream.sendall(b"data")
        assert answer_of(stream)[0] == 403


def test_repeated_headers_are_joined_in_their_order() -> None:
    pairs = [(b"A", b" 1 "), (b"b", b""), (b"a", b"2"), (b"B", b""), (b"a", b"\xc3\xa9"), (b"c", b"x")]
    assert joined_headers(pairs) == {"a": "1,2,\u00e9", "b": ",", "c": "x"}


@pytest.fixture
def passing_key() -> Iterator[AccessKey]:
    """A key that a test may revoke."""
    key = KEYS["AKIDPASSING"] = AccessKey("AKIDPASSING", "secret", "000000000000", Role.USER)
    yield key
    KEYS.pop(key.id, None)


def waiting_head(toys: Toys, service: str, method: str, path: str, body: bytes, key: AccessKey) -> bytes:
    """The head of a signed request whose sender waits to be told to send its body."""
    raw = AWSRequest(method, f"{toys.endpoint}{path}", {"host": "localhost"}, body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(key.id, key.secret), service, "us-west-2").add_auth(raw)
    lines = "".join(f"{name}: {value}\r\n" for name, value in raw.headers.items())
    wait = f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    return f"{method} {path} HTTP/1.1\r\n{lines}{wait}".encode()


@pytest.mark.parametrize(
    ("service", "method", "path", "body", "code"),
    [
        ("braket", "POST", "/quantum-task", GOOD.replace(b"abc", b"revoked"), b"UnrecognizedClientException"),
        ("s3", "PUT", "/bucket/revoked", b"data", b"InvalidAccessKeyId"),
        ("s3", "POST", "/bucket?delete", b"<Delete><Object><Key>a</Key></Object></Delete>", b"InvalidAccessKeyId"),
    ],
)
def test_a_key_that_is_revoked_while_the_body_comes(
    toys: Toys, passing_key: AccessKey, service: str, method: str, path: str, body: bytes, code: bytes
) -> None:
    """The service asks for the body once it has found the key."""
    with connected(toys) as stream:
        stream.sendall(waiting_head(toys, service, method, path, body, passing_key))
        assert stream.recv(len(b"HTTP/1.1 100 Continue\r\n\r\n")) == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.sendall(body[:2])
        del KEYS[passing_key.id]
        stream.sendall(body[2:])
        status, _, text = answer_of(stream)
    assert (status, code in text) == (403, True)
    assert ("bucket", "revoked") not in toys.s3.objects
    assert all(members.get("outputS3Bucket") != "revoked" for _, members in toys.braket.asked)


@pytest.mark.parametrize(("service", "path"), [("braket", "/quantum-task"), ("s3", "/bucket/key")])
def test_an_unknown_key_is_refused_before_the_body_is_asked_for(toys: Toys, service: str, path: str) -> None:
    unknown = AccessKey("AKIDNOBODY", "secret", "000000000000", Role.USER)
    with connected(toys) as stream:
        stream.sendall(waiting_head(toys, service, "PUT" if service == "s3" else "POST", path, GOOD, unknown))
        assert answer_of(stream)[0] == 403


# --- The gateway alone, called as uvicorn calls it


class Line:
    """What the audit was told."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str | None, str | None]] = []

    async def record(
        self,
        caller: Caller,
        service: str,
        operation: str,
        about: str | None,
        status: int,
        error: str | None,
        source: str,
    ) -> None:
        self.kept.append((operation, about, error))


def ask(
    gateway: Gateway,
    service: str,
    method: str,
    target: str,
    body: bytes = b"",
    key: str | None = "AKIDOPERATOR",
    **headers: str,
) -> tuple[int, str]:
    """Status and body of the answer to one request; with no key it is not signed."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = AWSRequest(method, f"http://localhost{target}", names, body)
    raw.headers["host"] = "localhost"
    if key is not None:
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(Credentials(key, "secret"), service, "us-west-2").add_auth(raw)
    raw.headers["content-length"] = str(len(body))
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), str(value).encode()) for name, value in raw.headers.items()],
        "client": ("127.0.0.1", 1),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gateway(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


def test_a_form_that_is_too_large() -> None:
    gateway = Gateway({"iam": ToyIam()}, find_key)
    body = b"Action=ListRoles&PathPrefix=" + b"a" * 256 * 1024
    status, text = ask(gateway, "iam", "POST", "/", body, content_type=FORM)
    assert (status, "<Code>RequestEntityTooLarge</Code>" in text) == (413, True)


def test_an_unsigned_form_that_is_too_large() -> None:
    gateway = Gateway({"iam": ToyIam()}, find_key)
    body = b"Action=ListRoles&PathPrefix=" + b"a" * 64 * 1024
    status, text = ask(gateway, "iam", "POST", "/", body, key=None, content_type=FORM)
    assert (status, "<Code>RequestEntityTooLarge</Code>" in text) == (413, True)


def test_a_form_of_too_many_parameters() -> None:
    gateway = Gateway({"iam": ToyIam()}, find_key)
    body = b"Action=ListRoles&PathPrefix=/&" + b"a&" * 2000
    status, text = ask(gateway, "iam", "POST", "/", body, content_type=FORM)
    assert (status, "<Code>MalformedQueryString</Code>" in text) == (400, True)
    status, text = ask(gateway, "iam", "POST", "/", body, key=None, content_type=FORM)
    assert (status, "<Code>MissingAuthenticationToken</Code>" in text) == (403, True)


@pytest.mark.parametrize(("size", "in_a_thread"), [(1000, False), (100_000, True)])
def test_a_form_is_read_once_and_a_large_one_beside_the_requests(
    monkeypatch: pytest.MonkeyPatch, size: int, in_a_thread: bool
) -> None:
    readers: list[threading.Thread] = []

    def read(text: str) -> list[tuple[str, str]]:
        if "ListRoles" in text:
            readers.append(threading.current_thread())
        return real(text)

    real = messages.decoded_pairs
    monkeypatch.setattr(messages, "decoded_pairs", read)
    body = b"Action=ListRoles&PathPrefix=/&Other=" + b"a" * size
    assert ask(Gateway({"iam": ToyIam()}, find_key), "iam", "POST", "/", body, content_type=FORM)[0] == 200
    assert [reader is not threading.current_thread() for reader in readers] == [in_a_thread]


class Watched(list[Members]):
    """Remembers which thread goes through it."""

    reader: threading.Thread | None = None

    def __iter__(self) -> Iterator[Members]:
        self.reader = threading.current_thread()
        return super().__iter__()


@pytest.mark.parametrize(("count", "in_a_thread"), [(100, False), (101, True)])
def test_a_long_answer_is_written_beside_the_requests(count: int, in_a_thread: bool) -> None:
    events = Watched({"timestamp": 1, "message": "m", "ingestionTime": 1} for _ in range(count))

    class Logs:
        async def get_log_events(self, caller: Caller, request: Members) -> Members:
            return {"events": events}

    body = b'{"logStreamName": "s"}'
    status, text = ask(
        Gateway({"logs": Logs()}, find_key), "logs", "POST", "/", body, x_amz_target="Logs_20140328.GetLogEvents"
    )
    assert (status, len(json.loads(text)["events"])) == (200, count)
    assert (events.reader is not threading.current_thread()) == in_a_thread


def test_what_a_role_may_not_do_is_refused_before_its_members_are_looked_at() -> None:
    line = Line()
    gateway = Gateway({"braket": ToyBraket(), "s3": ToyS3()}, find_key, record=line.record)
    for body in (b"{}", b"not JSON"):
        status, text = ask(gateway, "braket", "POST", "/quantum-task", body, key="AKIDVIEWER")
        assert (status, json.loads(text)["__type"]) == (403, "AccessDeniedException")
    status, text = ask(gateway, "s3", "PUT", "/bucket/a%20key", b"data", key="AKIDVIEWER")
    assert (status, "<Code>AccessDenied</Code>" in text) == (403, True)
    refused = "AccessDeniedException"
    assert line.kept == [("CreateQuantumTask", None, refused)] * 2 + [("PutObject", "bucket/a key", refused)]


def test_a_throttled_call_is_refused_before_its_members_are_looked_at() -> None:
    line = Line()
    gateway = Gateway({"braket": ToyBraket()}, find_key, admits=lambda *_: False, record=line.record)
    status, text = ask(gateway, "braket", "POST", "/quantum-task", b"not JSON")
    assert (status, json.loads(text)["__type"]) == (429, "ThrottlingException")
    assert line.kept == [("CreateQuantumTask", None, "ThrottlingException")]
