"""Every operation of S3's model is answered: done, or refused by name; and what else clients may try on the way in."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from braketeer.services.s3 import S3
from tests.integration.s3_server import S3Server, body, client_of, raw_answer, refusal

MODEL = botocore.session.Session().get_service_model("s3")
OPERATIONS = [name for name in MODEL.operation_names if not MODEL.operation_model(name).deprecated]
REFUSED = {
    *("CreateBucketMetadataConfiguration", "CreateBucketMetadataTableConfiguration", "CreateSession"),
    *("DeleteBucketMetadataConfiguration", "DeleteBucketMetadataTableConfiguration", "DeleteBucketOwnershipControls"),
    *("DeleteObjectAnnotation", "DeletePublicAccessBlock", "GetBucketMetadataConfiguration"),
    *("GetBucketMetadataTableConfiguration", "GetObjectAnnotation", "GetObjectTorrent", "ListObjectAnnotations"),
    *("PutBucketAnalyticsConfiguration", "PutBucketCors", "PutBucketIntelligentTieringConfiguration"),
    *("PutBucketInventoryConfiguration", "PutBucketMetricsConfiguration", "PutBucketReplication", "PutBucketWebsite"),
    *("PutObjectAnnotation", "PutObjectLegalHold", "PutObjectLockConfiguration", "PutObjectRetention", "RenameObject"),
    *("SelectObjectContent", "UpdateBucketMetadataAnnotationTableConfiguration", "UpdateObjectEncryption"),
    *("UpdateBucketMetadataInventoryTableConfiguration", "UpdateBucketMetadataJournalTableConfiguration"),
}
# Accepted where they say what is so, which the least that they can say may not be.
ONLY_SO = {
    *("PutBucketAbac", "PutBucketAccelerateConfiguration", "PutBucketLogging", "PutBucketNotificationConfiguration"),
    *("PutBucketOwnershipControls", "PutBucketRequestPayment", "PutBucketVersioning", "PutPublicAccessBlock"),
}
# Not to be told from another by its request: ListBuckets answers the one, the other has a host name of its own.
UNREACHABLE = {"ListDirectoryBuckets", "WriteGetObjectResponse"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server.url


@pytest.fixture(scope="module")
def s3(url: str) -> Iterator[Any]:
    with closing(client_of(url)) as client:
        client.create_bucket(Bucket="bucket")
        yield client


def some(shape: Any, name: str = "") -> Any:
    """The least that the model lets pass."""
    if shape.type_name == "structure":
        wanted = shape.required_members or list(shape.members)[:1]
        return {member: some(shape.members[member], member) for member in wanted}
    if shape.type_name == "list":
        return [some(shape.member)]
    if getattr(shape, "enum", None):
        return shape.enum[0]
    named = {"Bucket": "bucket", "Key": "key", "CopySource": "bucket/key", "RenameSource": "/bucket/key"}
    named["KMSKeyArn"] = "arn:aws:kms:us-east-1:000000000000:key/1"
    simple = {"integer": 1, "long": 1, "boolean": True, "timestamp": datetime(2026, 1, 1, tzinfo=UTC), "blob": b"x"}
    return named.get(name, simple.get(shape.type_name, "x"))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_answered(s3: Any, name: str) -> None:
    assert hasattr(S3, xform_name(name))
    if name in UNREACHABLE:
        return
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=b"body")
    try:
        answer = getattr(s3, xform_name(name))(**some(MODEL.operation_model(name).input_shape))
        status, code = answer["ResponseMetadata"]["HTTPStatusCode"], ""
    except ClientError as error:
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    assert (status == 501) is (code == "NotImplemented")
    assert status == 501 if name in REFUSED else status < 500 or name in ONLY_SO, (status, code)


def test_a_bucket_that_is_not_there_is_said_first(s3: Any) -> None:
    for name in sorted(REFUSED - {"CreateSession"}):
        request = some(MODEL.operation_model(name).input_shape) | {"Bucket": "not-there"}
        assert refusal(lambda n=name, r=request: getattr(s3, xform_name(n))(**r)) == ("NoSuchBucket", 404)


def test_errors_are_documents_with_all_that_s3_tells(url: str, s3: Any) -> None:
    status, headers, document = raw_answer(url, "GET", "/bucket/no%20such")
    text = document.decode()
    assert (status, headers["content-type"]) == (404, "application/xml")
    assert "<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>no such</Key>" in text
    assert "<Resource>/bucket/no%20such</Resource>" in text
    assert f"<RequestId>{headers['x-amz-request-id']}</RequestId>" in text
    assert f"<HostId>{headers['x-amz-id-2']}</HostId></Error>" in text


def test_forms_of_web_pages_are_refused_by_name(url: str, s3: Any) -> None:
    """``generate_presigned_post``: an upload by a form, whose policy is in the form's fields."""
    post = s3.generate_presigned_post("bucket", "key")
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**post["fields"], "file": "content"}.items()
    )
    request = urllib.request.Request(
        post["url"], f"{parts}--b--\r\n".encode(), {"Content-Type": "multipart/form-data; boundary=b"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught, closing(urllib.request.urlopen(request)):
        pass
    with caught.value as answer:
        document = answer.read()
    assert answer.code == 501
    assert b"<Code>NotImplemented</Code>" in document
    assert b"presigned" in document


def test_the_bucket_in_any_name_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not write path style, through localhost and a public name, one of which is below the other."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *more, **named: real("127.0.0.1", *more, **named))
    with S3Server(tmp_path, hosts=("localhost", "lab.localhost", "braketeer.example")) as server:
        port = urlsplit(server.url).port
        with closing(client_of(server.url)) as plain:
            for name in ("one", "two", "with.dots"):
                plain.create_bucket(Bucket=name)
                plain.put_object(Bucket=name, Key="key", Body=name.encode())
        for host in ("localhost", "lab.localhost", "braketeer.example", "BRAKETEER.example"):
            with closing(client_of(f"http://{host}:{port}", style="virtual")) as client:
                for name in ("one", "with.dots"):
                    assert body(client, name, "key") == name.encode()
                for signature in ("s3v4", "s3"):
                    base = f"http://{host.lower()}:{port}"
                    with closing(client_of(base, style="virtual", signature=signature)) as signer:
                        target = signer.generate_presigned_url("get_object", Params={"Bucket": "one", "Key": "key"})
                    assert (urlsplit(target).hostname or "").startswith("one."), "the bucket is in the name"
                    with urllib.request.urlopen(target) as answer:
                        assert answer.read() == b"one"
            with closing(client_of(f"http://{host}:{port}", style="path")) as client:
                assert body(client, "one", "key") == b"one"
                assert len(client.list_buckets()["Buckets"]) == 3


def test_conditions_of_directory_buckets_are_refused(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="kept", Body=b"x")
    size = refusal(lambda: s3.delete_object(Bucket="bucket", Key="kept", IfMatchSize=7))
    assert size == ("NotImplemented", 501)
    many = refusal(lambda: s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "kept", "Size": 7}]}))
    assert many == ("NotImplemented", 501)
    assert body(s3, "bucket", "kept") == b"x"


def test_a_marker_of_a_version_needs_one_of_a_key(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="versioned", Body=b"x")
    alone = refusal(lambda: s3.list_object_versions(Bucket="bucket", VersionIdMarker="null"))
    assert alone == ("InvalidArgument", 400)
    found = s3.list_object_versions(Bucket="bucket", KeyMarker="versioned", VersionIdMarker="null")
    assert "versioned" not in [one["Key"] for one in found.get("Versions", [])]


def test_conditional_completion_and_copies(s3: Any) -> None:
    there = s3.put_object(Bucket="bucket", Key="cond", Body=b"first")["ETag"]

    def complete(**condition: str) -> Any:
        upload = {"Bucket": "bucket", "Key": "cond"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        part = s3.upload_part(**upload, PartNumber=1, Body=b"second")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return s3.complete_multipart_upload(**upload, MultipartUpload=parts, **condition)

    assert refusal(lambda: complete(IfNoneMatch="*")) == ("PreconditionFailed", 412)
    assert refusal(lambda: complete(IfMatch='"other"')) == ("PreconditionFailed", 412)
    new = complete(IfMatch=there)["ETag"]
    source = {"Bucket": "bucket", "Key": "cond"}
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"other"'}):
        copy = {"Bucket": "bucket", "Key": "cond", "CopySource": source, "MetadataDirective": "REPLACE", **condition}
        assert refusal(lambda c=copy: s3.copy_object(**c)) == ("PreconditionFailed", 412)
    s3.delete_object(Bucket="bucket", Key="cond", IfMatch=new)
    assert refusal(lambda: complete(IfMatch=new)) == ("NoSuchKey", 404)
    complete(IfNoneMatch="*")


def test_parts_are_told_with_their_checksums(s3: Any) -> None:
    upload = {"Bucket": "bucket", "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload, ChecksumAlgorithm="SHA256")["UploadId"]
    sent = [
        s3.upload_part(**upload, PartNumber=number, Body=data, ChecksumAlgorithm="SHA256")
        for number, data in ((1, b"a" * (5 << 20)), (2, b"b" * (5 << 20)), (3, b"c"))
    ]
    named = [{"PartNumber": n, "ETag": p["ETag"], "ChecksumSHA256": p["ChecksumSHA256"]} for n, p in enumerate(sent, 1)]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": named})
    found: list[dict[str, Any]] = []
    marker: dict[str, int] = {}
    while True:
        page = s3.get_object_attributes(
            Bucket="bucket", Key="parts", ObjectAttributes=["ObjectParts"], MaxParts=2, **marker
        )["ObjectParts"]
        found += page["Parts"]
        assert page["TotalPartsCount"] == 3
        if not page["IsTruncated"]:
            break
        marker = {"PartNumberMarker": page["NextPartNumberMarker"]}
    assert [(p["PartNumber"], p["Size"], p["ChecksumSHA256"]) for p in found] == [
        (number, size, part["ChecksumSHA256"])
        for number, (size, part) in enumerate(zip((5 << 20, 5 << 20, 1), sent, strict=True), 1)
    ]
    one = s3.get_object(Bucket="bucket", Key="parts", PartNumber=3, ChecksumMode="ENABLED")
    assert (one["Body"].read(), one["ChecksumSHA256"]) == (b"c", sent[2]["ChecksumSHA256"])


def test_policies_and_lifecycle_rules_are_read_again(s3: Any) -> None:
    s3.create_bucket(Bucket="rules")
    policy = (
        '{ "Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "braket.amazonaws.com"},'
        ' "Action": "s3:*", "Resource": "arn:aws:s3:::rules/*"} }'
    )
    s3.put_bucket_policy(Bucket="rules", Policy=policy)
    assert s3.get_bucket_policy(Bucket="rules")["Policy"] == policy
    assert s3.get_bucket_policy_status(Bucket="rules")["PolicyStatus"]["IsPublic"] is False
    s3.delete_bucket_policy(Bucket="rules")
    assert refusal(lambda: s3.get_bucket_policy(Bucket="rules")) == ("NoSuchBucketPolicy", 404)
    rules = [
        {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "t/"}, "Expiration": {"Days": 400}},
        {
            "ID": "b",
            "Status": "Disabled",
            "Filter": {"And": {"Prefix": "u/", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeLessThan": 9}},
            "Expiration": {"Date": datetime(2027, 1, 1, tzinfo=UTC)},
        },
        {
            "ID": "c",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 5},
        },
    ]
    s3.put_bucket_lifecycle_configuration(Bucket="rules", LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket="rules")["Rules"] == rules
    moved = [rules[0] | {"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}]
    call = refusal(
        lambda: s3.put_bucket_lifecycle_configuration(Bucket="rules", LifecycleConfiguration={"Rules": moved})
    )
    assert call == ("NotImplemented", 501)
    s3.delete_bucket_lifecycle(Bucket="rules")
    gone = refusal(lambda: s3.get_bucket_lifecycle_configuration(Bucket="rules"))
    assert gone == ("NoSuchLifecycleConfiguration", 404)
