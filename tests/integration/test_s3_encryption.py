"""Encryption at rest over HTTP: asked for by requests, by buckets and by uploads; told to clients; true on the disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.s3_server import S3Server, body, client_of, raw_answer, refusal

MIB = 1 << 20
SECRET = b"the plaintext that nobody may find "
SMALL = SECRET * 3
LARGE = SECRET * 60_000  # two MiB, in a file
OWN_KEY = "arn:aws:kms:us-east-1:000000000000:key/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shared_database_url: str) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3"), database_url=shared_database_url) as server:
        yield server


@pytest.fixture
def s3(server: S3Server) -> Iterator[Any]:
    with closing(client_of(server.url)) as client:
        yield client


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = "b-" + hashlib.sha1(request.node.nodeid.encode()).hexdigest()[:20]
    s3.create_bucket(Bucket=name)
    return name


def default(algorithm: str, key: str | None = None) -> dict[str, Any]:
    rule: dict[str, Any] = {"SSEAlgorithm": algorithm}
    if key is not None:
        rule["KMSMasterKeyID"] = key
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}


def told(answer: dict[str, Any]) -> tuple[str | None, str | None]:
    return answer.get("ServerSideEncryption"), answer.get("SSEKMSKeyId")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"ServerSideEncryption": "AES256"}, ("AES256", None)),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}, ("aws:kms", OWN_KEY + "key-1")),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": OWN_KEY + "key-1"}, ("aws:kms", OWN_KEY + "key-1")),
        ({"ServerSideEncryption": "aws:kms"}, ("aws:kms", "arn:aws:kms:us-east-1:000000000000:alias/aws/s3")),
    ],
)
@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_asked_for_with_the_object(
    s3: Any, bucket: str, asked: dict[str, str], expected: tuple[str, str | None], data: bytes
) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, **asked)
    assert told(put) == expected
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert told(s3.head_object(Bucket=bucket, Key="k")) == expected
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (told(got), got["Body"].read()) == (expected, data)
    if data:
        ranged = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes=40-{len(data) - 30}")
        assert ranged["Body"].read() == data[40 : len(data) - 29]


def test_a_bucket_key_is_read_again(s3: Any, bucket: str) -> None:
    asked = {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True}
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"", **asked)["BucketKeyEnabled"] is True
    assert s3.head_object(Bucket=bucket, Key="k")["BucketKeyEnabled"] is True


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_the_buckets_own(s3: Any, bucket: str, data: bytes) -> None:
    s3.put_object(Bucket=bucket, Key="before", Body=data)
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=default("aws:kms", "alias/mine"))
    arn = "arn:aws:kms:us-east-1:000000000000:alias/mine"
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
    assert told(s3.put_object(Bucket=bucket, Key="k", Body=data)) == ("aws:kms", arn)
    asked = s3.put_object(Bucket=bucket, Key="asked", Body=data, ServerSideEncryption="AES256")
    assert told(asked) == ("AES256", None)
    assert told(s3.head_object(Bucket=bucket, Key="before")) == (None, None)
    s3.delete_bucket_encryption(Bucket=bucket)
    gone = refusal(lambda: s3.get_bucket_encryption(Bucket=bucket))
    assert gone == ("ServerSideEncryptionConfigurationNotFoundError", 404)
    s3.put_object(Bucket=bucket, Key="after", Body=data)
    assert told(s3.head_object(Bucket=bucket, Key="after")) == (None, None)
    assert all(body(s3, bucket, key) == data for key in ("before", "k", "asked", "after"))


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_copies_keep_or_change_it(s3: Any, bucket: str, data: bytes) -> None:
    etag = s3.put_object(Bucket=bucket, Key="plain", Body=data, Metadata={"m": "1"})["ETag"]
    source = {"Bucket": bucket, "Key": "plain"}
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}
    first = s3.copy_object(Bucket=bucket, Key="k1", CopySource=source, **kms)
    assert (told(first), first["CopyObjectResult"]["ETag"]) == (("aws:kms", OWN_KEY + "key-1"), etag)
    s3.delete_object(Bucket=bucket, Key="plain")
    kept = s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "k1"})
    assert told(kept) == ("aws:kms", OWN_KEY + "key-1")
    changed = s3.copy_object(
        Bucket=bucket, Key="k2", CopySource={"Bucket": bucket, "Key": "k1"}, ServerSideEncryption="AES256"
    )
    assert told(changed) == ("AES256", None)
    itself = s3.copy_object(Bucket=bucket, Key="k2", CopySource={"Bucket": bucket, "Key": "k2"}, **kms)
    assert told(itself) == ("aws:kms", OWN_KEY + "key-1")
    summed = s3.copy_object(
        Bucket=bucket,
        Key="k3",
        CopySource={"Bucket": bucket, "Key": "k1"},
        ChecksumAlgorithm="SHA256",
        ServerSideEncryption="AES256",
    )
    assert summed["CopyObjectResult"]["ChecksumSHA256"]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=default("aws:kms", "key-9"))
    into = s3.copy_object(Bucket=bucket, Key="into", CopySource={"Bucket": bucket, "Key": "k1"})
    assert told(into) == ("aws:kms", OWN_KEY + "key-9")
    for key in ("k1", "kept", "k2", "k3", "into"):
        got = s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        assert (got["Body"].read(), got["Metadata"], got["ETag"]) == (data, {"m": "1"}, etag)


def test_multipart_uploads(s3: Any, bucket: str) -> None:
    data = os.urandom(5 * MIB + 7)
    s3.put_object(Bucket=bucket, Key="source", Body=LARGE, ServerSideEncryption="AES256")
    upload = {"Bucket": bucket, "Key": "k"}
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}
    expected = ("aws:kms", OWN_KEY + "key-1")
    made = s3.create_multipart_upload(**upload, **kms, ChecksumAlgorithm="CRC32C")
    assert told(made) == expected
    upload["UploadId"] = made["UploadId"]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=default("AES256"))
    parts = [s3.upload_part(**upload, PartNumber=1, Body=data, ChecksumAlgorithm="CRC32C")]
    copied = s3.upload_part_copy(
        **upload, PartNumber=2, CopySource={"Bucket": bucket, "Key": "source"}, CopySourceRange="bytes=10-1000009"
    )
    assert told(parts[0]) == told(copied) == expected
    parts.append(copied["CopyPartResult"])
    named = [
        {"PartNumber": n, "ETag": part["ETag"], "ChecksumCRC32C": part["ChecksumCRC32C"]}
        for n, part in enumerate(parts, 1)
    ]
    assert told(s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": named})) == expected
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (told(got), got["Body"].read()) == (expected, data + LARGE[10:1_000_010])
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"}, ServerSideEncryption="AES256")
    second = s3.get_object(Bucket=bucket, Key="copy", PartNumber=2, ChecksumMode="ENABLED")
    assert (second["Body"].read(), second["PartsCount"]) == (LARGE[10:1_000_010], 2)
    assert (second["ETag"], second["ChecksumCRC32C"]) == (got["ETag"], parts[1]["ChecksumCRC32C"])


def test_uploads_take_what_the_bucket_has_when_they_begin(s3: Any, bucket: str) -> None:
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=default("AES256"))
    upload = {"Bucket": bucket, "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    s3.delete_bucket_encryption(Bucket=bucket)
    part = s3.upload_part(**upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert told(s3.head_object(Bucket=bucket, Key="k")) == ("AES256", None)


def test_what_is_refused(server: S3Server, s3: Any, bucket: str) -> None:
    def put(**asked: Any) -> tuple[str, int]:
        return refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"x", **asked))

    foreign = "arn:aws:kms:us-east-1:111111111111:key/1"
    assert put(ServerSideEncryption="aws:kms", SSEKMSKeyId=foreign) == ("AccessDenied", 403)
    assert put(ServerSideEncryption="aws:kms", SSEKMSKeyId="no such name") == ("KMS.NotFoundException", 400)
    assert put(ServerSideEncryption="AES256", SSEKMSKeyId="key-1") == ("InvalidArgument", 400)
    assert put(SSEKMSKeyId="key-1") == ("InvalidArgument", 400)
    assert put(ServerSideEncryption="aws:kms:dsse") == ("NotImplemented", 501)
    assert put(ServerSideEncryption="aws:kms", SSEKMSEncryptionContext="e30=") == ("NotImplemented", 501)
    brought = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}
    status, _, document = raw_answer(server.url, "PUT", f"/{bucket}/k", brought, b"x")
    assert (status, b"<Code>NotImplemented</Code>" in document, b"SSE-C" in document) == (501, True, True)
    s3.put_object(Bucket=bucket, Key="there", Body=b"x")
    status, _, document = raw_answer(server.url, "GET", f"/{bucket}/there", brought)
    assert (status, b"<Code>InvalidRequest</Code>" in document) == (400, True)
    for wrong, code in (
        (default("aws:kms", foreign), "AccessDenied"),
        (default("aws:kms:dsse"), "NotImplemented"),
        ({"Rules": default("AES256")["Rules"] * 2}, "MalformedXML"),
        ({"Rules": [{"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]}, "NotImplemented"),
    ):
        assert (
            refusal(lambda w=wrong: s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=w))[0]
            == code
        )
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k"))[0] == "NoSuchKey"


def test_nothing_of_it_is_found_on_the_disk(tmp_path: Path) -> None:
    """In the data directory and the database of a service of its own, which also lies in the write-ahead log."""
    with S3Server(tmp_path) as server, closing(client_of(server.url)) as s3:
        s3.create_bucket(Bucket="secret")
        s3.put_bucket_encryption(Bucket="secret", ServerSideEncryptionConfiguration=default("AES256"))
        for key, data in (("small", SMALL), ("large", LARGE)):
            s3.put_object(Bucket="secret", Key=key, Body=data)
            s3.put_object(Bucket="secret", Key=f"{key}-kms", Body=data, ServerSideEncryption="aws:kms")
            source = {"Bucket": "secret", "Key": key}
            s3.copy_object(Bucket="secret", Key=f"{key}-copy", CopySource=source, ServerSideEncryption="aws:kms")
        upload = {"Bucket": "secret", "Key": "upload"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        s3.upload_part(**upload, PartNumber=1, Body=LARGE)
        assert _found(tmp_path) == []
        s3.create_bucket(Bucket="open")
        for key, data in (("small", SMALL), ("large", LARGE)):
            s3.put_object(Bucket="open", Key=key, Body=data)
        assert len(_found(tmp_path)) >= 2, "so one would have found it"


def test_what_was_changed_on_the_disk_is_not_served(tmp_path: Path) -> None:
    with S3Server(tmp_path) as server, closing(client_of(server.url)) as s3:
        s3.create_bucket(Bucket="secret")
        s3.put_object(Bucket="secret", Key="k", Body=LARGE, ServerSideEncryption="AES256")
        (file,) = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
        data = bytearray(file.read_bytes())
        data[70_000] ^= 1
        file.write_bytes(data)
        assert body(s3, "secret", "k", Range="bytes=0-9") == LARGE[:10]
        changed = refusal(lambda: s3.get_object(Bucket="secret", Key="k", Range="bytes=70000-70009"))
        assert changed == ("ServiceUnavailable", 503)


def _found(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and SECRET in path.read_bytes()]
