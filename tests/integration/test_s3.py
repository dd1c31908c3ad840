"""The S3 service over HTTP with boto3: what a client sees."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.integration.s3_server import KEYS, S3Server, body, client_of, refusal

MIB = 1 << 20
STRANGE = ["a//b", "a/../b", ".", "..", "/lead", "tail/", " ", "+&=%25?#", "é漢😀", "a\nb", "~'\"<>", "x" * 1024]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, shared_database_url: str) -> Iterator[str]:
    with S3Server(tmp_path_factory.mktemp("s3"), database_url=shared_database_url) as server:
        yield server.url


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3-tls"), tls=True) as server:
        yield server


@pytest.fixture(scope="module")
def s3(url: str) -> Any:
    return client_of(url)


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = "b-" + hashlib.sha1(request.node.nodeid.encode()).hexdigest()[:20]
    s3.create_bucket(Bucket=name)
    return name


def status(answer: dict[str, Any]) -> int:
    code: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return code


def test_creating_buckets(url: str, s3: Any) -> None:
    west = client_of(url, region="us-west-2")
    constraint = {"LocationConstraint": "us-west-2"}
    assert status(s3.create_bucket(Bucket="home")) == 200
    assert status(s3.create_bucket(Bucket="home")) == 200
    assert status(west.create_bucket(Bucket="west", CreateBucketConfiguration=constraint)) == 200
    again = refusal(lambda: west.create_bucket(Bucket="west", CreateBucketConfiguration=constraint))
    assert again == ("BucketAlreadyOwnedByYou", 409)
    other = client_of(url, "AKIAOTHER")
    assert refusal(lambda: other.create_bucket(Bucket="home")) == ("BucketAlreadyExists", 409)
    assert refusal(lambda: west.create_bucket(Bucket="unsaid")) == ("IllegalLocationConstraintException", 400)
    assert refusal(lambda: s3.create_bucket(Bucket="Upper.Case"))[0] == "InvalidBucketName"
    assert s3.get_bucket_location(Bucket="home")["LocationConstraint"] is None
    assert s3.get_bucket_location(Bucket="west")["LocationConstraint"] == "us-west-2"
    assert s3.head_bucket(Bucket="west")["BucketRegion"] == "us-west-2"
    locked = refusal(lambda: s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True))
    assert locked == ("NotImplemented", 501)


def test_listing_buckets(url: str) -> None:
    other = client_of(url, "AKIAOTHER")
    for name in ("list-a", "list-b", "list-c"):
        other.create_bucket(Bucket=name)
    assert [b["Name"] for b in other.list_buckets()["Buckets"]] == ["list-a", "list-b", "list-c"]
    pages = list(other.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 2}))
    assert [[b["Name"] for b in page["Buckets"]] for page in pages] == [["list-a", "list-b"], ["list-c"]]
    assert [b["Name"] for b in other.list_buckets(Prefix="list-b")["Buckets"]] == ["list-b"]
    other.delete_bucket(Bucket="list-b")
    assert refusal(lambda: other.head_bucket(Bucket="list-b")) == ("404", 404)


def test_another_accounts_bucket_is_closed(url: str, s3: Any, bucket: str) -> None:
    other = client_of(url, "AKIAOTHER")
    s3.put_object(Bucket=bucket, Key="k", Body=b"mine")
    other.create_bucket(Bucket="theirs")
    source = {"Bucket": bucket, "Key": "k"}
    for call in (
        lambda: other.get_object(Bucket=bucket, Key="k"),
        lambda: other.put_object(Bucket=bucket, Key="k", Body=b"theirs"),
        lambda: other.delete_object(Bucket=bucket, Key="k"),
        lambda: other.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]}),
        lambda: other.list_objects_v2(Bucket=bucket),
        lambda: other.list_multipart_uploads(Bucket=bucket),
        lambda: other.create_multipart_upload(Bucket=bucket, Key="k"),
        lambda: other.copy_object(Bucket="theirs", Key="k", CopySource=source),
        lambda: other.delete_bucket(Bucket=bucket),
        lambda: other.get_bucket_tagging(Bucket=bucket),
        lambda: other.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []}),
        lambda: s3.get_object(Bucket=bucket, Key="k", ExpectedBucketOwner="111111111111"),
    ):
        assert refusal(call) == ("AccessDenied", 403)
    assert refusal(lambda: other.head_bucket(Bucket=bucket)) == ("403", 403)
    assert body(s3, bucket, "k") == b"mine"


def test_a_viewer_reads(url: str, s3: Any, bucket: str) -> None:
    viewer = client_of(url, "AKIAVIEWER")
    s3.put_object(Bucket=bucket, Key="k", Body=b"v")
    assert body(viewer, bucket, "k") == b"v"
    assert status(viewer.list_objects_v2(Bucket=bucket)) == 200
    assert refusal(lambda: viewer.put_object(Bucket=bucket, Key="k", Body=b"w"))[1] == 403
    assert refusal(lambda: viewer.delete_object(Bucket=bucket, Key="k"))[1] == 403


@pytest.mark.parametrize("key", STRANGE)
def test_strange_keys(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert body(s3, bucket, key) == key.encode()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert body(s3, bucket, "copy") == key.encode()
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy"]


def test_keys_too_long(s3: Any, bucket: str) -> None:
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="x" * 1025, Body=b"")) == ("KeyTooLongError", 400)


def test_headers_and_metadata_come_back(s3: Any, bucket: str) -> None:
    expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    given = {
        "ContentType": "text/plain; charset=utf-8",
        "CacheControl": "no-store",
        "ContentDisposition": 'attachment; filename="a.txt"',
        "ContentEncoding": "identity",
        "ContentLanguage": "de",
        "Metadata": {"Mixed-Case": "Value", "empty": ""},
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires=expires, **given)
    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in given if name != "Metadata"} == {
            name: value for name, value in given.items() if name != "Metadata"
        }
        assert answer["Metadata"] == {"mixed-case": "Value", "empty": ""}
        assert answer["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
        assert abs(answer["LastModified"] - datetime.now(UTC)) < timedelta(minutes=5)
        assert answer["AcceptRanges"] == "bytes"
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    assert s3.head_object(Bucket=bucket, Key="plain")["ContentType"] == "binary/octet-stream"


def test_non_ascii_metadata_of_other_clients(s3: Any, url: str, bucket: str) -> None:
    """boto3 refuses to send such metadata; other clients send UTF-8."""
    request = AWSRequest("PUT", f"{url}/{bucket}/k", {"x-amz-meta-name": "é漢"}, b"x")
    key = KEYS["AKIAOWNER"]
    S3SigV4Auth(Credentials(key.id, key.secret), "s3", "us-east-1").add_auth(request)
    headers = {name: value.encode() for name, value in request.headers.items()}
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    with closing(connection):
        connection.request("PUT", f"/{bucket}/k", b"x", headers)
        assert connection.getresponse().status == 200
    target = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}))
    with closing(connection):
        connection.request("GET", f"{target.path}?{target.query}")
        answer = connection.getresponse()
        assert answer.getheader("x-amz-meta-name", "").encode("latin-1").decode() == "é漢"
        answer.read()


def test_ranges(s3: Any, bucket: str) -> None:
    data = os.urandom(3 * MIB)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    for text, expected, header in (
        ("bytes=0-0", data[:1], f"bytes 0-0/{len(data)}"),
        ("bytes=1000000-2500000", data[1_000_000:2_500_001], f"bytes 1000000-2500000/{len(data)}"),
        ("bytes=-7", data[-7:], f"bytes {len(data) - 7}-{len(data) - 1}/{len(data)}"),
    ):
        answer = s3.get_object(Bucket=bucket, Key="k", Range=text, ChecksumMode="ENABLED")
        assert (status(answer), answer["ContentRange"], answer["Body"].read()) == (206, header, expected)
        assert not [name for name in answer if name.startswith("Checksum")]
        head = s3.head_object(Bucket=bucket, Key="k", Range=text)
        assert (status(head), head["ContentLength"]) == (206, len(expected))
    beyond = refusal(lambda: s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={len(data)}-"))
    assert beyond == ("InvalidRange", 416)


def test_conditional_reads(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    soon = datetime.now(UTC) + timedelta(hours=1)
    for call in (s3.get_object, s3.head_object):
        assert refusal(lambda call=call: call(Bucket=bucket, Key="k", IfNoneMatch=etag)) == ("304", 304)
        assert refusal(lambda call=call: call(Bucket=bucket, Key="k", IfModifiedSince=soon)) == ("304", 304)
        assert refusal(lambda call=call: call(Bucket=bucket, Key="k", IfMatch='"x"'))[1] == 412
        assert status(call(Bucket=bucket, Key="k", IfMatch=etag)) == 200
    assert body(s3, bucket, "k") == b"x", "the connection is still good after answers without a body"


def test_conditional_writes(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    taken = refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*"))
    assert taken == ("PreconditionFailed", 412)
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    late = refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"4", IfMatch=etag))
    assert late == ("PreconditionFailed", 412)
    assert refusal(lambda: s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)) == ("PreconditionFailed", 412)
    assert body(s3, bucket, "k") == b"3"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "XXHASH64"])
@pytest.mark.parametrize("size", [10, 200_000])
def test_checksums(s3: Any, bucket: str, algorithm: str, size: int) -> None:
    name, data = f"Checksum{algorithm}", b"y" * size
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got[name], got["ChecksumType"]) == (data, put[name], "FULL_OBJECT")
    assert name not in s3.head_object(Bucket=bucket, Key="k")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == ([algorithm], "FULL_OBJECT")


@pytest.mark.parametrize("size", [10, 200_000])
def test_wrong_checksums_store_nothing(s3: Any, bucket: str, size: int) -> None:
    data = b"y" * size
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    sha = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=data, ContentMD5=md5)) == ("BadDigest", 400)
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumSHA256=sha)) == ("BadDigest", 400)
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=data, ContentMD5="AA"))[0] == "InvalidDigest"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_copies(s3: Any, bucket: str) -> None:
    data = os.urandom(MIB)
    s3.put_object(Bucket=bucket, Key="a", Body=data, ContentType="text/plain", Metadata={"k": "v"}, Tagging="t=1")
    source = {"Bucket": bucket, "Key": "a"}
    made = s3.copy_object(Bucket=bucket, Key="b", CopySource=source)["CopyObjectResult"]
    head = s3.head_object(Bucket=bucket, Key="b")
    assert (head["ContentType"], head["Metadata"], head["ETag"]) == ("text/plain", {"k": "v"}, made["ETag"])
    assert s3.get_object_tagging(Bucket=bucket, Key="b")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(
        **{"Bucket": bucket, "Key": "a", "CopySource": source},
        **{"MetadataDirective": "REPLACE", "ContentType": "text/html", "TaggingDirective": "REPLACE", "Tagging": "n=2"},
    )
    head = s3.head_object(Bucket=bucket, Key="a")
    assert (head["ContentType"], head["Metadata"]) == ("text/html", {})
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == [{"Key": "n", "Value": "2"}]
    assert body(s3, bucket, "a") == body(s3, bucket, "b") == data
    itself = refusal(lambda: s3.copy_object(Bucket=bucket, Key="a", CopySource=source))
    assert itself == ("InvalidRequest", 400)
    stale = refusal(lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=source, CopySourceIfMatch='"x"'))
    assert stale == ("PreconditionFailed", 412)
    same = refusal(
        lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=source, CopySourceIfNoneMatch=made["ETag"])
    )
    assert same == ("PreconditionFailed", 412)
    summed = s3.copy_object(Bucket=bucket, Key="d", CopySource=source, ChecksumAlgorithm="SHA256")["CopyObjectResult"]
    assert summed["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(data).digest()).decode()
    missing = {"Bucket": bucket, "Key": "missing"}
    assert refusal(lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=missing)) == ("NoSuchKey", 404)


def test_listing_pages(s3: Any, bucket: str) -> None:
    keys = [f"{folder}/{number}" for folder in "abc" for number in range(4)] + ["top"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    for name in ("list_objects_v2", "list_objects"):
        for size in (1, 2, 5, 100):
            paginator = s3.get_paginator(name)
            pages = list(paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": size}))
            assert [item["Key"] for page in pages for item in page["Contents"]] == keys
            pages = list(paginator.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}))
            assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["a/", "b/", "c/"]
            assert [item["Key"] for page in pages for item in page.get("Contents", [])] == ["top"]
    versions = s3.list_object_versions(Bucket=bucket, Prefix="a/")["Versions"]
    assert [(v["Key"], v["VersionId"], v["IsLatest"]) for v in versions] == [(k, "null", True) for k in keys[:4]]
    none = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"], "Contents" in none) == (0, False, False)
    assert [i["Key"] for i in s3.list_objects_v2(Bucket=bucket, StartAfter="c/2")["Contents"]] == ["c/3", "top"]
    owned = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]
    assert owned["Owner"]["ID"] == "000000000000"
    bad = refusal(lambda: s3.list_objects_v2(Bucket=bucket, ContinuationToken="?"))
    assert bad == ("InvalidArgument", 400)
    assert refusal(lambda: s3.list_objects_v2(Bucket=bucket, MaxKeys=-1)) == ("InvalidArgument", 400)
    assert refusal(lambda: s3.list_objects_v2(Bucket="no-such-bucket", MaxKeys=0)) == ("NoSuchBucket", 404)


def test_deleting_many(s3: Any, bucket: str) -> None:
    for key in ("a", "b", "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    asked = [{"Key": "a"}, {"Key": "b", "VersionId": "null"}, {"Key": "c", "VersionId": "17"}, {"Key": "none"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": asked})
    assert [one["Key"] for one in answer["Deleted"]] == ["a", "b", "none"]
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("c", "NoSuchVersion")]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    too_many = [{"Key": str(number)} for number in range(1001)]
    assert refusal(lambda: s3.delete_objects(Bucket=bucket, Delete={"Objects": too_many}))[0] == "MalformedXML"


def test_multipart_by_transfer_manager(s3: Any, bucket: str) -> None:
    data = os.urandom(17 * MIB)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=6 * MIB)
    s3.upload_fileobj(io.BytesIO(data), bucket, "k", ExtraArgs={"Metadata": {"k": "v"}}, Config=config)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-3"')
    assert (head["Metadata"], head["ChecksumType"]) == ({"k": "v"}, "COMPOSITE")
    back = io.BytesIO()
    s3.download_fileobj(bucket, "k", back, Config=config)
    assert back.getvalue() == data
    part = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert (part["Body"].read(), part["PartsCount"]) == (data[6 * MIB : 12 * MIB], 3)
    s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copied", Config=config)
    assert body(s3, bucket, "copied") == data
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts", "Checksum"]
    )
    assert (attributes["ObjectSize"], attributes["ObjectParts"]["TotalPartsCount"]) == (len(data), 3)


def test_trailing_checksums(tls: S3Server) -> None:
    """Over TLS clients send ``aws-chunked`` bodies with the checksum behind them."""
    with closing(client_of(tls.url, verify=tls.certificate)) as s3:
        s3.create_bucket(Bucket="chunked")
        for size in (0, 10, 200_000, 17 * MIB):
            data = os.urandom(size)
            s3.upload_fileobj(io.BytesIO(data), "chunked", "k")
            assert body(s3, "chunked", "k") == data
        put = s3.put_object(Bucket="chunked", Key="sum", Body=io.BytesIO(b"x"), ChecksumAlgorithm="SHA256")
        got = s3.head_object(Bucket="chunked", Key="sum", ChecksumMode="ENABLED")
        assert got["ChecksumSHA256"] == put["ChecksumSHA256"]
        assert "ContentEncoding" not in got


def test_multipart_step_by_step(s3: Any, bucket: str) -> None:
    upload = {"Bucket": bucket, "Key": "dir/k"}
    made = s3.create_multipart_upload(**upload, ChecksumAlgorithm="SHA256", ContentType="text/plain", Tagging="a=b")
    assert (made["ChecksumAlgorithm"], made["ChecksumType"]) == ("SHA256", "COMPOSITE")
    upload["UploadId"] = made["UploadId"]
    assert refusal(lambda: s3.upload_part(**upload, PartNumber=0, Body=b""))[1] == 400
    mixed = refusal(lambda: s3.upload_part(**upload, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32"))
    assert mixed == ("InvalidRequest", 400)
    part = s3.upload_part(**upload, PartNumber=1, Body=b"only", ChecksumAlgorithm="SHA256")
    assert part["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"only").digest()).decode()
    listed = s3.list_parts(**upload)
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in listed["Parts"]] == [(1, 4, part["ETag"])]
    assert listed["Parts"][0]["ChecksumSHA256"] == part["ChecksumSHA256"]
    found = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert ([p["Prefix"] for p in found["CommonPrefixes"]], found.get("Uploads")) == (["dir/"], None)
    assert s3.list_multipart_uploads(Bucket=bucket, Prefix="dir/")["Uploads"][0]["UploadId"] == upload["UploadId"]
    after = s3.list_multipart_uploads(Bucket=bucket, KeyMarker="dir/k")
    assert "Uploads" not in after
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]}
    done = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert (
        done["ETag"].endswith('-1"') and done["ChecksumSHA256"].endswith("-1") and done["Location"].endswith("/dir/k")
    )
    again = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert again["ETag"] == done["ETag"]
    assert s3.get_object(Bucket=bucket, Key="dir/k")["TagCount"] == 1
    assert refusal(lambda: s3.list_parts(**upload)) == ("NoSuchUpload", 404)
    unknown = upload | {"UploadId": "none"}
    assert refusal(lambda: s3.upload_part(**unknown, PartNumber=1, Body=b"")) == ("NoSuchUpload", 404)


def test_tags(s3: Any, bucket: str) -> None:
    tags = [{"Key": "a", "Value": "b"}, {"Key": "é", "Value": ""}]
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert refusal(lambda: s3.get_bucket_tagging(Bucket=bucket)) == ("NoSuchTagSet", 404)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    doubled = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert refusal(lambda: s3.put_bucket_tagging(Bucket=bucket, Tagging=doubled)) == ("InvalidTag", 400)


def test_settings_that_are_true(s3: Any, bucket: str) -> None:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    blocked = dict.fromkeys(names, True)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocked)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == blocked
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="private")
    assert [g["Permission"] for g in s3.get_bucket_acl(Bucket=bucket)["Grants"]] == ["FULL_CONTROL"]
    assert [g["Permission"] for g in s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]] == ["FULL_CONTROL"]
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == rules
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    for call in (
        s3.get_bucket_logging,
        s3.get_bucket_notification_configuration,
        s3.get_bucket_accelerate_configuration,
    ):
        assert status(call(Bucket=bucket)) == 200
    for call, code in (
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
    ):
        assert refusal(lambda call=call: call(Bucket=bucket)) == (code, 404)


def test_settings_that_would_not_be_kept(s3: Any, bucket: str) -> None:
    opened = {"BlockPublicAcls": False}
    tiering = {"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}
    for call in (
        lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        lambda: s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=opened),
        lambda: s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"}),
        lambda: s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"}),
        lambda: s3.put_bucket_logging(
            Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": bucket, "TargetPrefix": ""}}
        ),
        lambda: s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        ),
        lambda: s3.delete_bucket_ownership_controls(Bucket=bucket),
        lambda: s3.put_bucket_intelligent_tiering_configuration(
            Bucket=bucket,
            Id="x",
            IntelligentTieringConfiguration={"Id": "x", "Status": "Enabled", "Tierings": [tiering]},
        ),
    ):
        assert refusal(call) == ("NotImplemented", 501)
    assert refusal(lambda: s3.put_bucket_acl(Bucket=bucket, ACL="public-read"))[0] == "AccessControlListNotSupported"


def test_presigned(s3: Any, url: str, bucket: str) -> None:
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b"})
    urllib.request.urlopen(urllib.request.Request(put, data=b"via url", method="PUT")).close()
    params = {"Bucket": bucket, "Key": "a b", "ResponseContentType": "text/html", "ResponseCacheControl": "no-cache"}
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", Params=params)) as answer:
        assert answer.read() == b"via url"
        assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("text/html", "no-cache")


def test_a_bucket_in_the_host_name(url: str, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other SDKs write ``bucket.localhost``; not every machine resolves that."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *more, **named: real("127.0.0.1", *more, **named))
    port = urlsplit(url).port
    client = client_of(f"http://localhost:{port}", style="virtual")
    client.put_object(Bucket=bucket, Key="a//b c", Body=b"x")
    assert body(s3, bucket, "a//b c") == body(client, bucket, "a//b c") == b"x"
    assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["a//b c"]


def test_versions_are_null(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert body(s3, bucket, "k", VersionId="null") == b"x"
    assert refusal(lambda: body(s3, bucket, "k", VersionId="17")) == ("NoSuchVersion", 404)


def test_an_upload_that_breaks_off_stores_nothing(s3: Any, bucket: str) -> None:
    target = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}))
    connection = http.client.HTTPConnection(target.netloc)
    connection.putrequest("PUT", f"{target.path}?{target.query}")
    connection.putheader("Content-Length", str(10 * MIB))
    connection.endheaders(b"x" * (3 * MIB))
    connection.close()
    time.sleep(0.2)
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k")) == ("NoSuchKey", 404)


@pytest.mark.parametrize("part", [False, True], ids=["object", "part"])
def test_a_body_of_unknown_length_is_refused_unread(url: str, s3: Any, bucket: str, part: bool) -> None:
    params: dict[str, Any] = {"Bucket": bucket, "Key": "k"}
    if part:
        params |= {"UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"], "PartNumber": 1}
    signed = s3.generate_presigned_url("upload_part" if part else "put_object", Params=params)
    target = signed.removeprefix(url)
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)) as connection:
        connection.putrequest("PUT", target)
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        connection.send(b"4\r\ndata\r\n")  # and it would go on
        answer = connection.getresponse()
        assert (answer.status, b"<Code>MissingContentLength</Code>" in answer.read()) == (411, True)
    with closing(http.client.HTTPConnection(urlsplit(url).netloc)) as connection:
        connection.request("PUT", target, b"data")
        assert connection.getresponse().status == 200
