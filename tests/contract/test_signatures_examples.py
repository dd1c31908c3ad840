"""Worked examples of S3's API reference: a presigned GET, and bodies in signed chunks, with and without trailers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from braketeer.aws.messages import Request
from braketeer.aws.payload import Payload, RawBody
from braketeer.aws.signatures import ChunkSignatures, announced_payload, read_claim, verify
from braketeer.domain.accounts import AccessKey, Role
from braketeer.domain.errors import ServiceError

KEY = AccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "1", Role.USER)
MIDNIGHT = datetime(2013, 5, 24, tzinfo=UTC).timestamp()
SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"

PRESIGNED = Request(
    "GET",
    "/test.txt",
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    {"host": "examplebucket.s3.amazonaws.com"},
)
SIGNED_CHUNKS = Request(
    "PUT",
    "/examplebucket/chunkObject.txt",
    "",
    {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders=content-encoding;content-length;host;"
        "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,"
        "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "content-length": "66824",
    },
)
CHUNKS = [
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
]
SIGNED_TRAILER = Request(
    "PUT",
    "/examplebucket/chunkObject.txt",
    "",
    {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders=content-encoding;host;"
        "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,"
        "Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "x-amz-trailer": "x-amz-checksum-crc32c",
        "content-length": "66946",
    },
)
TRAILED_CHUNKS = [
    (65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
    (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
    (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
]
TRAILER = (
    b"x-amz-checksum-crc32c:sOO8/Q==\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def verified(request: Request, now: float = MIDNIGHT) -> AccessKey:
    claim = read_claim(request)
    assert claim is not None
    payload = announced_payload(claim, request)
    assert payload is not None
    return verify(claim, request, payload, KEY, now)


def wire(chunks: list[tuple[int, str]], fill: bytes = b"a") -> bytes:
    parts = [b"%x;chunk-signature=%s\r\n%s\r\n" % (size, sign.encode(), fill * size) for size, sign in chunks]
    return b"".join(parts[:-1]) + parts[-1][:-2]


def decoded(request: Request, body: bytes, piece: int) -> tuple[bytes, dict[str, str]]:
    """The body read in pieces of a size that splits lines and chunks anywhere."""
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)]

    async def receive() -> Any:
        return {"type": "http.request", "body": pieces.pop(0) if pieces else b"", "more_body": bool(pieces)}

    async def read() -> tuple[bytes, dict[str, str]]:
        claim = read_claim(request)
        assert claim is not None
        announced = announced_payload(claim, request) or ""
        payload = Payload(RawBody(receive, request.headers), request.headers, announced, ChunkSignatures(claim, KEY))
        return b"".join([part async for part in payload]), payload.trailers

    return asyncio.run(read())


def test_a_presigned_get() -> None:
    assert verified(PRESIGNED, MIDNIGHT + 86399) is KEY


def test_a_presigned_get_too_late() -> None:
    with pytest.raises(ServiceError) as refusal:
        verified(PRESIGNED, MIDNIGHT + 86401)
    assert (refusal.value.status, refusal.value.code) == (403, "AccessDenied")


def test_a_presigned_get_of_something_else() -> None:
    with pytest.raises(ServiceError) as refusal:
        verified(replace(PRESIGNED, path="/other.txt"))
    assert refusal.value.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("piece", [7, 1000, 10**6])
def test_signed_chunks(piece: int) -> None:
    assert verified(SIGNED_CHUNKS) is KEY
    assert decoded(SIGNED_CHUNKS, wire(CHUNKS) + b"\r\n", piece) == (b"a" * 66560, {})


@pytest.mark.parametrize("piece", [7, 1000, 10**6])
def test_signed_chunks_and_trailer(piece: int) -> None:
    assert verified(SIGNED_TRAILER) is KEY
    body = wire(TRAILED_CHUNKS) + TRAILER
    assert decoded(SIGNED_TRAILER, body, piece) == (b"a" * 66560, {"x-amz-checksum-crc32c": "sOO8/Q=="})


def test_a_changed_chunk_is_refused() -> None:
    with pytest.raises(ServiceError) as refusal:
        decoded(SIGNED_CHUNKS, wire(CHUNKS, b"b") + b"\r\n", 1000)
    assert refusal.value.code == "SignatureDoesNotMatch"


def test_a_changed_trailer_is_refused() -> None:
    with pytest.raises(ServiceError) as refusal:
        decoded(SIGNED_TRAILER, wire(TRAILED_CHUNKS) + TRAILER.replace(b"sOO8", b"AAAA"), 1000)
    assert refusal.value.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("kept", [10, 70, 30000, 66000, 66700])
def test_chunks_that_end_early_are_refused(kept: int) -> None:
    with pytest.raises(ServiceError) as refusal:
        decoded(SIGNED_CHUNKS, wire(CHUNKS)[:kept], 1000)
    assert refusal.value.code == "IncompleteBody"


@pytest.mark.parametrize("body", [b"zz\r\n", b"-5\r\n", b"\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"x" * 20000])
def test_chunks_without_form_are_refused(body: bytes) -> None:
    headers = SIGNED_CHUNKS.headers | {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    with pytest.raises(ServiceError) as refusal:
        decoded(replace(SIGNED_CHUNKS, headers=headers), body, 1000)
    assert refusal.value.status == 400
