"""What S3 requests mean, without a bucket in sight: names, ranges, conditions, checksums, tags."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from braketeer.domain.errors import ServiceError
from braketeer.objects.checksums import Digests
from braketeer.services.s3 import conditions, integrity
from braketeer.services.s3.details import from_request, tags_of_header
from braketeer.services.s3.names import LONGEST_KEY, check_bucket, check_key, region_of_new_bucket
from braketeer.services.s3.objects import copy_source
from braketeer.store.objects import Content, Details, File, StoredObject


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ServiceError) as caught:
        call()
    return caught.value.code, caught.value.status


def stored(size: int = 10, etag: str = "abc", modified_at: int = 1_700_000_000_500, parts: int = 0) -> StoredObject:
    files = tuple(File(f"f{number}", size // parts) for number in range(parts))
    return StoredObject("b", "k", Content(size, etag, {}, None, files), Details(), modified_at)


@pytest.mark.parametrize("name", ["abc", "amazon-braket-us-east-1-000000000000", "a.b-c", "1ab", "a" * 63])
def test_bucket_names(name: str) -> None:
    check_bucket(name)


@pytest.mark.parametrize(
    "name",
    [
        *("ab", "a" * 64, "Abc", "a_b", "-abc", "abc-", ".abc", "a..b", "192.168.5.4", "xn--abc", "a-s3alias"),
        *("", "a/b", "abc\n", "é" * 5, "a b"),
    ],
)
def test_what_is_no_bucket_name(name: str) -> None:
    assert refusal(lambda: check_bucket(name)) == ("InvalidBucketName", 400)


def test_keys() -> None:
    for key in ("a", "a//b", "../../etc/passwd", "%2e", " ", "é漢😀", "a" * 1024, "\n\t\x01"):
        check_key(key)
    assert refusal(lambda: check_key("a" * 1025, LONGEST_KEY)) == ("KeyTooLongError", 400)
    assert refusal(lambda: check_key("é" * 513, LONGEST_KEY)) == ("KeyTooLongError", 400)
    check_key("é" * 1024 + "/results.json")  # where a task's result may lie
    assert refusal(lambda: check_key("a" * 5000)) == ("KeyTooLongError", 400)
    assert refusal(lambda: check_key("a\0b")) == ("InvalidArgument", 400)
    assert refusal(lambda: check_key("\udc80")) == ("InvalidArgument", 400)


def test_regions_of_new_buckets() -> None:
    assert region_of_new_bucket("us-east-1", None) == "us-east-1"
    assert region_of_new_bucket("us-east-1", "eu-west-2") == "eu-west-2"
    assert region_of_new_bucket("eu-west-2", "eu-west-2") == "eu-west-2"
    assert region_of_new_bucket("us-east-1", "EU") == "eu-west-1"
    illegal = ("IllegalLocationConstraintException", 400)
    assert refusal(lambda: region_of_new_bucket("eu-west-2", None)) == illegal
    assert refusal(lambda: region_of_new_bucket("eu-west-2", "us-west-2")) == illegal
    for wrong in ("us-east-1", "here", ""):
        assert refusal(lambda wrong=wrong: region_of_new_bucket("us-east-1", wrong)) == (
            "InvalidLocationConstraint",
            400,
        )


@pytest.mark.parametrize(
    ("text", "start", "length"),
    [
        *(("bytes=0-0", 0, 1), ("bytes=3-9", 3, 7), ("bytes=3-", 3, 7), ("bytes=3-99999999999999999999999", 3, 7)),
        *(("bytes=-4", 6, 4), ("bytes=-99", 0, 10), ("bytes=9-9", 9, 1)),
    ],
)
def test_ranges(text: str, start: int, length: int) -> None:
    span = conditions.span({"Range": text}, stored(10))
    assert span == conditions.Span(start, length)
    assert span.header(10) == f"bytes {start}-{start + length - 1}/10"


@pytest.mark.parametrize(
    "text", ["bytes=", "bytes=-", "bytes=5-2", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "bytes=٣-"]
)
def test_what_is_no_range_is_ignored(text: str) -> None:
    assert conditions.span({"Range": text}, stored(10)) is None


@pytest.mark.parametrize(("text", "size"), [("bytes=10-", 10), ("bytes=99-100", 10), ("bytes=-0", 10), ("bytes=0-", 0)])
def test_ranges_beyond_the_end(text: str, size: int) -> None:
    assert refusal(lambda: conditions.span({"Range": text}, stored(size))) == ("InvalidRange", 416)


def test_part_numbers() -> None:
    multipart = stored(9, "abc-3", parts=3)
    assert conditions.span({"PartNumber": 2}, multipart) == conditions.Span(3, 3)
    assert conditions.part_count(multipart) == 3
    assert conditions.span({"PartNumber": 1}, stored(10)) == conditions.Span(0, 10)
    assert conditions.span({"PartNumber": 1}, stored(0)) is None
    assert conditions.part_count(stored(10)) is None
    assert refusal(lambda: conditions.span({"PartNumber": 4}, multipart)) == ("InvalidRange", 416)
    assert refusal(lambda: conditions.span({"PartNumber": 0}, multipart)) == ("InvalidArgument", 400)
    assert refusal(lambda: conditions.span({"PartNumber": 1, "Range": "bytes=0-1"}, multipart)) == (
        "InvalidRequest",
        400,
    )


SAME = datetime.fromtimestamp(1_700_000_000, UTC)
LATER = datetime.fromtimestamp(1_700_000_001, UTC)
EARLIER = datetime.fromtimestamp(1_699_999_999, UTC)


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({}, "serve"),
        ({"IfMatch": '"abc"'}, "serve"),
        ({"IfMatch": '"x", W/"abc"'}, "serve"),
        ({"IfMatch": "*"}, "serve"),
        ({"IfMatch": '"x"'}, "refuse"),
        ({"IfNoneMatch": '"abc"'}, "304"),
        ({"IfNoneMatch": "*"}, "304"),
        ({"IfNoneMatch": '"x"'}, "serve"),
        ({"IfModifiedSince": SAME}, "304"),
        ({"IfModifiedSince": EARLIER}, "serve"),
        ({"IfModifiedSince": LATER}, "304"),
        ({"IfUnmodifiedSince": SAME}, "serve"),
        ({"IfUnmodifiedSince": EARLIER}, "refuse"),
        ({"IfMatch": '"abc"', "IfUnmodifiedSince": EARLIER}, "serve"),
        ({"IfNoneMatch": '"x"', "IfModifiedSince": LATER}, "serve"),
        ({"IfNoneMatch": '"abc"', "IfModifiedSince": EARLIER}, "304"),
    ],
)
def test_conditions_of_reading(headers: dict[str, Any], outcome: str) -> None:
    if outcome == "refuse":
        assert refusal(lambda: conditions.is_not_modified(headers, stored())) == ("PreconditionFailed", 412)
    else:
        assert conditions.is_not_modified(headers, stored()) == (outcome == "304")


def test_conditions_of_writing() -> None:
    assert conditions.of_write({"IfNoneMatch": "*"}).absent
    assert conditions.of_write({"IfMatch": '"abc"'}).etags == ("abc",)
    assert refusal(lambda: conditions.of_write({"IfNoneMatch": '"abc"'})) == ("NotImplemented", 501)


def test_copied_spans() -> None:
    assert conditions.copied_span(None, 10) == conditions.Span(0, 10)
    assert conditions.copied_span("bytes=2-9", 10) == conditions.Span(2, 8)
    for wrong in ("bytes=2-10", "bytes=2-", "bytes=-2", "bytes=5-2", "2-3"):
        assert refusal(lambda wrong=wrong: conditions.copied_span(wrong, 10)) == ("InvalidArgument", 400)


def test_copy_sources() -> None:
    assert copy_source("/bucket/a%20b//c%3F%25") == ("bucket", "a b//c?%")
    assert copy_source("bucket/a+b?versionId=null") == ("bucket", "a+b")
    assert refusal(lambda: copy_source("bucket/a?versionId=17")) == ("NoSuchVersion", 404)
    for wrong in ("", "bucket", "bucket/", "/", "b/%FF"):
        assert refusal(lambda wrong=wrong: copy_source(wrong)) == ("InvalidArgument", 400)


def digests(algorithm: str, data: bytes) -> Digests:
    made = Digests([algorithm])
    made.update(data)
    return made


class Body:
    """A body with trailing headers, as the gateway hands it on."""

    def __init__(self, **trailers: str) -> None:
        self.trailers = {name.replace("_", "-"): value for name, value in trailers.items()}


RIGHT = base64.b64encode(hashlib.sha256(b"right").digest()).decode()


def test_a_right_checksum_is_accepted() -> None:
    for request in (
        {"ChecksumSHA256": RIGHT},
        {"ChecksumAlgorithm": "SHA256", "Body": Body(x_amz_checksum_sha256=RIGHT)},
        {"ContentMD5": base64.b64encode(hashlib.md5(b"right").digest()).decode()},
    ):
        meant = integrity.of_request(request)
        meant.verify(digests(meant.algorithm or "SHA256", b"right"))


def test_a_wrong_checksum_is_refused() -> None:
    for request in (
        {"ChecksumSHA256": RIGHT},
        {"ChecksumAlgorithm": "SHA256", "Body": Body(x_amz_checksum_sha256=RIGHT)},
        {"ContentMD5": base64.b64encode(hashlib.md5(b"right").digest()).decode()},
    ):
        meant = integrity.of_request(request)
        wrong = digests(meant.algorithm or "SHA256", b"wrong")
        assert refusal(lambda meant=meant, wrong=wrong: meant.verify(wrong)) == ("BadDigest", 400)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"ChecksumSHA256": "AAAA"}, "InvalidRequest"),
        ({"ChecksumSHA256": RIGHT, "ChecksumCRC32": "AAAAAA=="}, "InvalidRequest"),
        ({"ChecksumAlgorithm": "ADLER"}, "InvalidRequest"),
        ({"ContentMD5": "AAAA"}, "InvalidDigest"),
        ({"ContentMD5": "?"}, "InvalidDigest"),
    ],
)
def test_what_is_no_checksum(request_: dict[str, Any], code: str) -> None:
    assert refusal(lambda: integrity.of_request(request_)) == (code, 400)


def test_a_trailing_checksum_must_be_announced() -> None:
    meant = integrity.of_request({"Body": Body(x_amz_checksum_sha256=RIGHT)})
    assert refusal(lambda: meant.verify(digests("SHA256", b"right"))) == ("InvalidRequest", 400)


def test_tags_of_a_header() -> None:
    assert tags_of_header("") == {}
    assert tags_of_header("a=b&c%20d=%C3%A9&e=") == {"a": "b", "c d": "é", "e": ""}
    for wrong, code in (
        ("a", "InvalidArgument"),
        ("a=%FF", "InvalidArgument"),
        ("a=b&a=c", "InvalidTag"),
        ("=b", "InvalidTag"),
        ("aws:a=b", "InvalidTag"),
        ("a=" + "b" * 257, "InvalidTag"),
        ("&".join(f"k{n}=v" for n in range(11)), "BadRequest"),
    ):
        assert refusal(lambda wrong=wrong: tags_of_header(wrong)) == (code, 400)


def test_details_of_a_request() -> None:
    details = from_request(
        {"Metadata": {"Mixed-Case": "é"}, "CacheControl": "no-store", "Expires": SAME, "ACL": "private"}
    )
    assert details.user_metadata == {"mixed-case": "é"}
    assert details.headers == {
        "ContentType": "binary/octet-stream",
        "CacheControl": "no-store",
        "Expires": 1_700_000_000,
    }


@pytest.mark.parametrize(
    ("request_", "code", "status"),
    [
        ({"Metadata": {"a": "b" * 2048}}, "MetadataTooLarge", 400),
        ({"ACL": "public-read"}, "AccessControlListNotSupported", 400),
        ({"GrantRead": "id=1"}, "AccessControlListNotSupported", 400),
        ({"StorageClass": "GLACIER"}, "InvalidStorageClass", 400),
        ({"ObjectLockMode": "GOVERNANCE"}, "NotImplemented", 501),
        ({"WriteOffsetBytes": 5}, "NotImplemented", 501),
    ],
)
def test_what_would_not_be_kept_is_refused(request_: dict[str, Any], code: str, status: int) -> None:
    assert refusal(lambda: from_request(request_)) == (code, status)
