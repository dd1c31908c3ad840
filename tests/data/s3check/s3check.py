"""Compatibility check of an S3 endpoint with boto3: the calls that Braket clients and tools make.

    s3check.py http://localhost:9000 [--key K --secret S] [--only PATTERN] [--big] [--perf] [--json OUT]

Endpoint and credentials default to AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
AWS_DEFAULT_REGION. Prints one line per check; exits 1 if a required check fails. It makes two
buckets (prefix given by --prefix) and removes them at the end.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, MissingDependencyException

SMALL = b'{"hello":"world"}' * 10
RESULT_KEY = "tasks/a/results.json"
STRANGE_KEY = "uni/é ü 漢字+&=%25?#~'\"/😀 file.json"
MIB = 1 << 20
PARTS = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)

Check = Callable[["Target"], Any]
CHECKS: list[tuple[str, Check, str]] = []  # name, function, kind: required | optional | big | perf


def check(name: str, kind: str = "required") -> Callable[[Check], Check]:
    def add(function: Check) -> Check:
        CHECKS.append((name, function, kind))
        return function

    return add


class Target:
    """The endpoint under test, with two bucket names and a client."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.endpoint: str = options.endpoint
        self.one, self.two = f"{options.prefix}-us-east-1", f"{options.prefix}-us-west-2"
        self.s3 = self.client()

    def client(self, style: str = "path", **overrides: Any) -> Any:
        settings = {
            "endpoint_url": self.endpoint,
            "region_name": self.options.region,
            "aws_access_key_id": self.options.key,
            "aws_secret_access_key": self.options.secret,
        } | overrides
        signature = settings.pop("signature", "s3v4")
        config = Config(
            s3={"addressing_style": style}, retries={"max_attempts": 0}, signature_version=signature, read_timeout=120
        )
        return boto3.client("s3", config=config, **settings)

    def body(self, key: str, bucket: str | None = None) -> bytes:
        return self.s3.get_object(Bucket=bucket or self.one, Key=key)["Body"].read()

    def keys(self, prefix: str, **more: Any) -> list[str]:
        return [o["Key"] for o in self.s3.list_objects_v2(Bucket=self.one, Prefix=prefix, **more).get("Contents", [])]


def fails(call: Callable[[], Any], *accepted: str | int) -> tuple[str, int]:
    """The call must raise a ClientError with one of these codes or HTTP statuses."""
    try:
        call()
    except ClientError as error:
        found = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert found[0] in accepted or found[1] in accepted, found
        return found
    raise AssertionError("no error")


def refused(request: str | urllib.request.Request) -> int:
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        assert error.code in (400, 401, 403), error.code
        return error.code
    raise AssertionError("served")


def same(found: Any, wanted: Any) -> None:
    assert found == wanted, f"{str(found)[:80]} is not {str(wanted)[:80]}"


# ---------------------------------------------------------------- buckets


def owned_or_made(call: Callable[[], Any]) -> str:
    try:
        call()
        return "200"
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"), code
        return code


def make_west(t: Target, **client: Any) -> Any:
    return t.client(**client).create_bucket(Bucket=t.two, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})


@check("create bucket")
def _(t: Target) -> str:
    return owned_or_made(lambda: t.s3.create_bucket(Bucket=t.one))


@check("create bucket with LocationConstraint")
def _(t: Target) -> str:
    return owned_or_made(lambda: make_west(t))


@check("create bucket again")
def _(t: Target) -> str:
    return owned_or_made(lambda: t.s3.create_bucket(Bucket=t.one))


@check("create bucket again, from another region")
def _(t: Target) -> str:
    return owned_or_made(lambda: make_west(t, region_name="us-west-2"))


@check("head bucket")
def _(t: Target) -> None:
    t.s3.head_bucket(Bucket=t.one)


@check("head missing bucket is 404")
def _(t: Target) -> Any:
    return fails(lambda: t.s3.head_bucket(Bucket="nope-xyz"), 404)


@check("bucket location")
def _(t: Target) -> Any:
    return t.s3.get_bucket_location(Bucket=t.two).get("LocationConstraint")


@check("list buckets")
def _(t: Target) -> None:
    assert {t.one, t.two} <= {b["Name"] for b in t.s3.list_buckets()["Buckets"]}


@check("put bucket encryption", "optional")
def _(t: Target) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    t.s3.put_bucket_encryption(Bucket=t.one, ServerSideEncryptionConfiguration={"Rules": [rule]})


@check("put public access block", "optional")
def _(t: Target) -> None:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    t.s3.put_public_access_block(Bucket=t.one, PublicAccessBlockConfiguration=dict.fromkeys(names, True))


@check("put bucket policy", "optional")
def _(t: Target) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["braket.amazonaws.com"]},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{t.one}", f"arn:aws:s3:::{t.one}/*"],
    }
    t.s3.put_bucket_policy(Bucket=t.one, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))


@check("put bucket lifecycle", "optional")
def _(t: Target) -> None:
    rule = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "t/"}, "Expiration": {"Days": 400}}
    t.s3.put_bucket_lifecycle_configuration(Bucket=t.one, LifecycleConfiguration={"Rules": [rule]})


@check("put bucket tagging", "optional")
def _(t: Target) -> None:
    t.s3.put_bucket_tagging(Bucket=t.one, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})


# ---------------------------------------------------------------- objects


@check("put and get, ETag is the MD5")
def _(t: Target) -> None:
    answer = t.s3.put_object(
        Bucket=t.one,
        Key=RESULT_KEY,
        Body=SMALL,
        ContentType="application/json",
        Metadata={"task": "arn-1", "Mixed-Case": "v"},
    )
    same(t.body(RESULT_KEY), SMALL)
    same(answer["ETag"], f'"{hashlib.md5(SMALL).hexdigest()}"')


@check("content type and metadata are kept")
def _(t: Target) -> None:
    head = t.s3.head_object(Bucket=t.one, Key=RESULT_KEY)
    same(head["ContentType"], "application/json")
    same({k.lower(): v for k, v in head["Metadata"].items()}, {"task": "arn-1", "mixed-case": "v"})


@check("head has length, date and ETag")
def _(t: Target) -> None:
    head = t.s3.head_object(Bucket=t.one, Key=RESULT_KEY)
    same(head["ContentLength"], len(SMALL))
    assert head["ETag"] and head["LastModified"]


@check("put from a stream")
def _(t: Target) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 300_000)
        file.seek(0)
        t.s3.put_object(Bucket=t.one, Key="tasks/b.bin", Body=file)
    same(t.body("tasks/b.bin"), b"x" * 300_000)


def checksum(algorithm: str) -> Check:
    def run(t: Target) -> Any:
        t.s3.put_object(Bucket=t.one, Key=f"ck/{algorithm}", Body=b"y" * 100_000, ChecksumAlgorithm=algorithm)
        answer = t.s3.get_object(Bucket=t.one, Key=f"ck/{algorithm}", ChecksumMode="ENABLED")
        same(answer["Body"].read(), b"y" * 100_000)
        return [k for k in answer if k.startswith("Checksum")]

    return run


for _algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA256", "SHA1"):
    check(f"checksum {_algorithm}", "required" if _algorithm == "CRC32" else "optional")(checksum(_algorithm))


@check("wrong checksum is refused")
def _(t: Target) -> Any:
    wrong = base64.b64encode(b"0" * 32).decode()
    return fails(lambda: t.s3.put_object(Bucket=t.one, Key="ck/bad", Body=b"abc", ChecksumSHA256=wrong), 400)


@check("wrong Content-MD5 is refused")
def _(t: Target) -> Any:
    wrong = base64.b64encode(b"0" * 16).decode()
    return fails(lambda: t.s3.put_object(Bucket=t.one, Key="ck/bad2", Body=b"abc", ContentMD5=wrong), 400)


@check("empty object")
def _(t: Target) -> None:
    t.s3.put_object(Bucket=t.one, Key="zero", Body=b"")
    same(t.body("zero"), b"")


@check("folder marker key")
def _(t: Target) -> None:
    t.s3.put_object(Bucket=t.one, Key="dmark/", Body=b"")
    t.s3.head_object(Bucket=t.one, Key="dmark/")
    assert "dmark/" in t.keys("dmark")


@check("one key is both object and prefix")
def _(t: Target) -> None:
    for key, body in (("x/y", b"1"), ("x/y/z", b"2")):
        t.s3.put_object(Bucket=t.one, Key=key, Body=body)
    same((t.body("x/y"), t.body("x/y/z")), (b"1", b"2"))


@check("strange characters in keys")
def _(t: Target) -> None:
    t.s3.put_object(Bucket=t.one, Key=STRANGE_KEY, Body=b"u")
    same(t.body(STRANGE_KEY), b"u")
    same(t.keys("uni/"), [STRANGE_KEY])


@check("keys with // and dots are not normalised")
def _(t: Target) -> None:
    names = ("p//q", "p/./q", "p/../q")
    for key in names:
        t.s3.put_object(Bucket=t.one, Key=key, Body=key.encode())
    same([t.body(k) for k in names], [k.encode() for k in names])


@check("key of 1000 bytes")
def _(t: Target) -> None:
    key = "long/" + "a" * 995
    t.s3.put_object(Bucket=t.one, Key=key, Body=b"1")
    t.s3.head_object(Bucket=t.one, Key=key)


@check("missing key: get is NoSuchKey")
def _(t: Target) -> Any:
    return fails(lambda: t.body("no/such"), "NoSuchKey")


@check("missing key: head is 404")
def _(t: Target) -> Any:
    return fails(lambda: t.s3.head_object(Bucket=t.one, Key="no/such"), "404")


@check("missing bucket is NoSuchBucket")
def _(t: Target) -> Any:
    return fails(lambda: t.body("no/such", "no-such-bucket-xyz"), "NoSuchBucket")


@check("range")
def _(t: Target) -> None:
    answer = t.s3.get_object(Bucket=t.one, Key=RESULT_KEY, Range="bytes=3-9")
    same(answer["Body"].read(), SMALL[3:10])
    same(answer["ResponseMetadata"]["HTTPStatusCode"], 206)


@check("conditional put, If-None-Match *", "optional")
def _(t: Target) -> Any:
    t.s3.put_object(Bucket=t.one, Key="cond/a", Body=b"a")
    return fails(
        lambda: t.s3.put_object(Bucket=t.one, Key="cond/a", Body=b"z", IfNoneMatch="*"), 412, "PreconditionFailed"
    )


# ---------------------------------------------------------------- listing

LISTED = [f"l/{k // 5}/{k:02d}" for k in range(25)]


@check("list by prefix")
def _(t: Target) -> None:
    for key in LISTED:
        t.s3.put_object(Bucket=t.one, Key=key, Body=b"1")
    same(t.keys("l/1/"), LISTED[5:10])


@check("list by part of a name")
def _(t: Target) -> None:
    same(t.keys("l/1/0"), LISTED[5:10])


@check("list with delimiter")
def _(t: Target) -> None:
    answer = t.s3.list_objects_v2(Bucket=t.one, Prefix="l/", Delimiter="/")
    same([p["Prefix"] for p in answer.get("CommonPrefixes", [])], [f"l/{k}/" for k in range(5)])


@check("list in pages")
def _(t: Target) -> None:
    pages = list(
        t.s3.get_paginator("list_objects_v2").paginate(Bucket=t.one, Prefix="l/", PaginationConfig={"PageSize": 7})
    )
    same([o["Key"] for p in pages for o in p["Contents"]], LISTED)
    same(len(pages), 4)


@check("list with StartAfter")
def _(t: Target) -> None:
    same(t.keys("l/", StartAfter="l/4/21"), LISTED[22:])


@check("empty listing has no Contents")
def _(t: Target) -> None:
    answer = t.s3.list_objects_v2(Bucket=t.one, Prefix="nothere/")
    assert "Contents" not in answer and answer["KeyCount"] == 0


@check("list, version 1")
def _(t: Target) -> None:
    same(len(t.s3.list_objects(Bucket=t.one, Prefix="l/2/")["Contents"]), 5)


# ---------------------------------------------------------------- copy and multipart


@check("copy between buckets keeps type and metadata")
def _(t: Target) -> None:
    t.s3.copy_object(Bucket=t.two, Key="c/copied.json", CopySource={"Bucket": t.one, "Key": RESULT_KEY})
    same(t.body("c/copied.json", t.two), SMALL)
    same(t.s3.head_object(Bucket=t.two, Key="c/copied.json")["ContentType"], "application/json")


@check("copy from a strange key")
def _(t: Target) -> None:
    t.s3.copy_object(Bucket=t.one, Key="c/u", CopySource={"Bucket": t.one, "Key": STRANGE_KEY})
    same(t.body("c/u"), b"u")


@check("copy with new metadata")
def _(t: Target) -> None:
    t.s3.copy_object(
        Bucket=t.one,
        Key="c/m",
        CopySource={"Bucket": t.one, "Key": RESULT_KEY},
        MetadataDirective="REPLACE",
        Metadata={"n": "1"},
        ContentType="text/plain",
    )
    same(t.s3.head_object(Bucket=t.one, Key="c/m")["Metadata"].get("n"), "1")


@check("multipart upload and download")
def _(t: Target) -> Any:
    data = os.urandom(20 * MIB)
    with tempfile.TemporaryDirectory() as folder:
        source, back = Path(folder, "f"), Path(folder, "g")
        source.write_bytes(data)
        t.s3.upload_file(
            str(source),
            t.one,
            "mp/20m",
            Config=PARTS,
            ExtraArgs={"ContentType": "application/x-tar", "Metadata": {"k": "v"}},
        )
        t.s3.download_file(t.one, "mp/20m", str(back), Config=PARTS)
        assert back.read_bytes() == data, "other bytes came back"
    head = t.s3.head_object(Bucket=t.one, Key="mp/20m")
    assert head["ETag"].strip('"').endswith("-3"), head["ETag"]
    same((head["ContentType"], head["Metadata"]), ("application/x-tar", {"k": "v"}))


@check("multipart copy")
def _(t: Target) -> None:
    t.s3.copy({"Bucket": t.one, "Key": "mp/20m"}, t.two, "mp/20copy", Config=PARTS)
    same(t.s3.head_object(Bucket=t.two, Key="mp/20copy")["ContentLength"], 20 * MIB)


@check("list parts, list uploads, abort")
def _(t: Target) -> None:
    upload = {"Bucket": t.one, "Key": "mp/ab"}
    upload["UploadId"] = t.s3.create_multipart_upload(**upload)["UploadId"]
    t.s3.upload_part(**upload, PartNumber=1, Body=b"q" * 5 * MIB)
    same(len(t.s3.list_parts(**upload)["Parts"]), 1)
    assert upload["UploadId"] in [u["UploadId"] for u in t.s3.list_multipart_uploads(Bucket=t.one).get("Uploads", [])]
    t.s3.abort_multipart_upload(**upload)
    fails(lambda: t.s3.list_parts(**upload), "NoSuchUpload", 404)


# ---------------------------------------------------------------- presigned URLs and authentication


def presigned(t: Target, method: str, key: str, expires: int = 60, signature: str = "s3v4", **more: Any) -> str:
    client = t.client(signature=signature)
    return client.generate_presigned_url(method, Params={"Bucket": t.one, "Key": key} | more, ExpiresIn=expires)


@check("presigned get")
def _(t: Target) -> None:
    same(urllib.request.urlopen(presigned(t, "get_object", RESULT_KEY)).read(), SMALL)


@check("presigned get, boto3 default (signature version 2)", "optional")
def _(t: Target) -> None:
    same(urllib.request.urlopen(presigned(t, "get_object", RESULT_KEY, signature="s3")).read(), SMALL)


@check("presigned put")
def _(t: Target) -> None:
    urllib.request.urlopen(urllib.request.Request(presigned(t, "put_object", "pre/put"), data=b"pp", method="PUT"))
    same(t.body("pre/put"), b"pp")


@check("expired presigned URL is refused")
def _(t: Target) -> int:
    url = presigned(t, "get_object", RESULT_KEY, expires=1)
    time.sleep(2.2)
    return refused(url)


@check("presigned URL can set Content-Disposition", "optional")
def _(t: Target) -> None:
    url = presigned(t, "get_object", RESULT_KEY, ResponseContentDisposition='attachment; filename="r.json"')
    assert "r.json" in (urllib.request.urlopen(url).headers.get("Content-Disposition") or "")


@check("wrong secret is refused", "auth")
def _(t: Target) -> Any:
    return fails(lambda: t.client(aws_secret_access_key="wrong").get_object(Bucket=t.one, Key=RESULT_KEY), 403)


@check("unknown access key is refused", "auth")
def _(t: Target) -> Any:
    return fails(lambda: t.client(aws_access_key_id="NOBODY").get_object(Bucket=t.one, Key=RESULT_KEY), 403)


@check("anonymous is refused", "auth")
def _(t: Target) -> int:
    return refused(f"{t.endpoint}/{t.one}/{RESULT_KEY}")


@check("virtual-host addressing", "optional")
def _(t: Target) -> None:
    """Needs a name under which BUCKET.name resolves; most systems resolve *.localhost."""
    url = urlsplit(t.endpoint)
    client = t.client("virtual", endpoint_url=f"{url.scheme}://localhost:{url.port}")
    same(client.get_object(Bucket=t.one, Key=RESULT_KEY)["Body"].read(), SMALL)


@check("default addressing")
def _(t: Target) -> None:
    same(t.client("auto").get_object(Bucket=t.one, Key=RESULT_KEY)["Body"].read(), SMALL)


# ---------------------------------------------------------------- tags and deletion


@check("object tags", "optional")
def _(t: Target) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    t.s3.put_object_tagging(Bucket=t.one, Key="x/y", Tagging={"TagSet": tags})
    same(t.s3.get_object_tagging(Bucket=t.one, Key="x/y")["TagSet"], tags)


@check("delete, twice")
def _(t: Target) -> None:
    for _attempt in range(2):
        t.s3.delete_object(Bucket=t.one, Key="tasks/b.bin")
    fails(lambda: t.s3.head_object(Bucket=t.one, Key="tasks/b.bin"), "404")


@check("delete many")
def _(t: Target) -> None:
    answer = t.s3.delete_objects(Bucket=t.one, Delete={"Objects": [{"Key": k} for k in [*LISTED[:5], "notthere"]]})
    assert not answer.get("Errors"), answer["Errors"]
    same(t.keys("l/0/"), [])


@check("a bucket with objects cannot be deleted")
def _(t: Target) -> Any:
    return fails(lambda: t.s3.delete_bucket(Bucket=t.one), "BucketNotEmpty")


# ---------------------------------------------------------------- size and speed


@check("1 GiB up and down", "big")
def _(t: Target) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, back = Path(folder, "f"), Path(folder, "g")
        block = os.urandom(MIB - 4)
        with source.open("wb") as file:
            for k in range(1024):
                file.write(k.to_bytes(4, "big") + block)
        start = time.time()
        t.s3.upload_file(str(source), t.one, "big/1g")
        middle = time.time()
        t.s3.download_file(t.one, "big/1g", str(back))
        end = time.time()
        digests = []
        for path in (source, back):
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    same(digests[0], digests[1])
    return f"up {1024 / (middle - start):.0f} MiB/s, down {1024 / (end - middle):.0f} MiB/s"


def timed(t: Target, count: int, threads: int, call: Callable[[Any, int], Any]) -> str:
    """Rate and latency of a call made `count` times from some threads, each with its own client."""
    todo, lock, times, errors = iter(range(count)), threading.Lock(), [], []  # type: ignore[var-annotated]

    def work() -> None:
        client = t.client()
        while True:
            with lock:
                k = next(todo, None)
            if k is None:
                return
            begin = time.perf_counter()
            try:
                call(client, k)
            except Exception as error:
                errors.append(error)
            times.append(time.perf_counter() - begin)

    start = time.time()
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    times.sort()
    assert not errors, errors[0]
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return f"{count / (time.time() - start):.0f}/s, p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms"


for _count, _threads in ((300, 1), (600, 8)):

    @check(f"put 1 KiB x {_count}, {_threads} threads", "perf")
    def _(t: Target, count: int = _count, threads: int = _threads) -> str:
        return timed(t, count, threads, lambda c, k: c.put_object(Bucket=t.one, Key=f"perf/{k}", Body=b"k" * 1024))

    @check(f"get 1 KiB x {_count}, {_threads} threads", "perf")
    def _(t: Target, count: int = _count, threads: int = _threads) -> str:
        return timed(t, count, threads, lambda c, k: c.get_object(Bucket=t.one, Key=f"perf/{k}")["Body"].read())


# ---------------------------------------------------------------- command line


def clean_up(t: Target) -> None:
    for bucket in (t.one, t.two):
        try:
            for page in t.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for item in page.get("Contents", []):
                    t.s3.delete_object(Bucket=bucket, Key=item["Key"])
            t.s3.delete_bucket(Bucket=bucket)
        except Exception as error:
            print(f"could not remove {bucket}: {error}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    env = os.environ.get
    parser.add_argument("endpoint", nargs="?", default=env("AWS_ENDPOINT_URL"))
    parser.add_argument("--key", default=env("AWS_ACCESS_KEY_ID", "test"))
    parser.add_argument("--secret", default=env("AWS_SECRET_ACCESS_KEY", "test"))
    parser.add_argument("--region", default=env("AWS_DEFAULT_REGION", "us-east-1"))
    parser.add_argument("--prefix", default="s3check-123456789012", help="start of the bucket names")
    parser.add_argument("--only", default="", help="regular expression on the names of the checks")
    parser.add_argument("--big", action="store_true", help="also move 1 GiB")
    parser.add_argument("--perf", action="store_true", help="also measure speed")
    parser.add_argument("--no-auth", action="store_true", help="the endpoint accepts any credentials")
    parser.add_argument("--keep", action="store_true", help="leave the buckets")
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    if not options.endpoint:
        parser.error("give an endpoint or set AWS_ENDPOINT_URL")
    options.endpoint = options.endpoint.rstrip("/")
    target = Target(options)
    rows: list[dict[str, Any]] = []
    skipped = {
        k for k, wanted in (("big", options.big), ("perf", options.perf), ("auth", not options.no_auth)) if not wanted
    }
    for name, function, kind in CHECKS:
        if kind in skipped or not re.search(options.only, name):
            continue
        start = time.time()
        try:
            note, passed = function(target), True
        except MissingDependencyException:
            note, passed = "skipped: this botocore lacks the crt extra", True
        except Exception as error:
            note, passed = f"{type(error).__name__}: {error}", False
        rows.append(
            {
                "name": name,
                "kind": kind,
                "passed": passed,
                "note": "" if note is None else str(note)[:160],
                "seconds": round(time.time() - start, 3),
            }
        )
        row = rows[-1]
        print(
            f"{'pass' if passed else 'FAIL':4}  {kind:8}  {row['seconds']:7.3f}  {name:52}  {row['note']}", flush=True
        )
    if not options.keep:
        clean_up(target)
    failed = [r for r in rows if not r["passed"] and r["kind"] != "optional"]
    print(f"{sum(r['passed'] for r in rows)} of {len(rows)} pass; {len(failed)} required checks fail")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
