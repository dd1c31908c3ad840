"""The S3 service on its rows: what changes between two looks at a bucket, and the keys that requests make."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from braketeer.domain.accounts import Caller, Role
from braketeer.domain.clock import SystemClock
from braketeer.domain.encryption import AES256
from braketeer.domain.errors import ServiceError
from braketeer.objects import encryption, uploads
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.services.s3 import S3, multipart
from braketeer.store import accounts, buckets, tables
from braketeer.store.database import Database
from braketeer.store.secrets import Secrets

CALLER = Caller("000000000000", "us-east-1", "AKIAOWNER", Role.USER, "request")
OTHER = Caller("111111111111", "us-east-1", "AKIAOTHER", Role.USER, "request")
RULE = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
ENCRYPTED = {"ServerSideEncryptionConfiguration": {"Rules": [{"BucketKeyEnabled": False}]}}
POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", '
    '"Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Resource": "arn:aws:s3:::bucket/*"}]}'
)


class House:
    def __init__(self, folder: Path, database_url: str) -> None:
        self.database = Database(database_url)
        self.objects = EmbeddedObjects(self.database, folder / "objects", SystemClock(), Secrets(b"0" * 43 + b"="))
        self.s3 = S3(self.database, self.objects, SystemClock())
        for caller, name in ((CALLER, "bucket"), (OTHER, "foreign")):
            account = caller.account
            self.database.write_now(lambda tx, a=account: accounts.create_account(tx.connection, a, a, 0))
            bucket = buckets.Bucket(name, account, "us-east-1", {}, 0)
            self.database.write_now(lambda tx, bucket=bucket: buckets.create(tx.connection, bucket))

    def names_of_keys(self) -> list[str]:
        query = tables.encryption_keys.select().with_only_columns(tables.encryption_keys.c.name)
        return sorted(self.database.read_now(lambda c: list(c.scalars(query))))


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    house = House(tmp_path, database_url)
    yield house
    house.objects.close()
    house.database.close()


async def refusal(work: Any) -> str:
    with pytest.raises(ServiceError) as caught:
        await work
    assert caught.value.status < 500
    return caught.value.code


@pytest.mark.parametrize(
    ("operation", "request_members"),
    [
        ("put_bucket_tagging", {"Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]}}),
        ("delete_bucket_tagging", {}),
        ("put_bucket_encryption", ENCRYPTED),
        ("delete_bucket_encryption", {}),
        ("put_bucket_policy", {"Policy": POLICY}),
        ("delete_bucket_policy", {}),
        ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": [RULE]}}),
        ("delete_bucket_lifecycle", {}),
    ],
)
def test_a_setting_goes_to_ones_own_bucket_only(
    house: House, monkeypatch: pytest.MonkeyPatch, operation: str, request_members: dict[str, Any]
) -> None:
    """The caller's bucket is deleted, and the name taken by another account, just before the setting is written."""
    write = house.database.write

    def change_hands(tx: Any) -> None:
        buckets.remove(tx.connection, "bucket")
        buckets.create(tx.connection, theirs)
        buckets.set_tags(tx.connection, "bucket", {"their": "tag"})
        buckets.set_policy(tx.connection, "bucket", "their policy")

    async def write_late(work: Any) -> Any:
        if house.database.read_now(lambda c: buckets.owned(c, "bucket", None)).account == CALLER.account:
            await write(change_hands)
        return await write(work)

    theirs = buckets.Bucket("bucket", OTHER.account, "us-east-1", {}, 0)
    asyncio.run(house.objects.keys.named(CALLER.account, AES256))  # so that the setting is the first to be written
    monkeypatch.setattr(house.database, "write", write_late)
    method = getattr(house.s3, operation)
    assert asyncio.run(refusal(method(CALLER, {"Bucket": "bucket", **request_members}))) == "AccessDenied"
    now = house.database.read_now(lambda c: buckets.owned(c, "bucket", OTHER.account))
    assert (now.tags, now.policy, now.lifecycle, now.encryption) == ({"their": "tag"}, "their policy", None, None)


@pytest.mark.parametrize(
    ("operation", "request_members"),
    [
        ("put_object", {"Key": "k", "Body": b""}),
        ("create_multipart_upload", {"Key": "k"}),
        ("copy_object", {"Key": "k", "CopySource": "bucket/k"}),
    ],
)
def test_no_key_is_made_for_a_bucket_of_others(house: House, operation: str, request_members: dict[str, Any]) -> None:
    request = {**request_members, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}
    method = getattr(house.s3, operation)
    assert asyncio.run(refusal(method(CALLER, {"Bucket": "foreign", **request}))) == "AccessDenied"
    assert asyncio.run(refusal(method(CALLER, {"Bucket": "none", **request}))) == "NoSuchBucket"
    expected = {"Bucket": "bucket", "ExpectedBucketOwner": OTHER.account, **request}
    assert asyncio.run(refusal(method(CALLER, expected))) == "AccessDenied"
    assert house.names_of_keys() == []


def test_an_account_has_so_many_keys(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "MOST_NAMED_KEYS", 2)

    async def put(key: str | None, caller: Caller = CALLER, bucket: str = "bucket") -> None:
        asked = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {"ServerSideEncryption": AES256}
        await house.s3.put_object(caller, {"Bucket": bucket, "Key": f"of {key}", "Body": b"", **asked})

    async def story() -> None:
        outcomes = await asyncio.gather(*(put(f"key-{number}") for number in range(6)), return_exceptions=True)
        codes = [outcome.code for outcome in outcomes if isinstance(outcome, ServiceError)]
        assert codes == ["KMS.LimitExceededException"] * 4
        made = [number for number, outcome in enumerate(outcomes) if outcome is None]
        await put(f"key-{made[0]}")
        await put(None)
        await put("key-of-theirs", OTHER, "foreign")
        assert await refusal(put("key-7")) == "KMS.LimitExceededException"
        assert len(house.names_of_keys()) == 4

    asyncio.run(story())


def test_keys_that_were_opened_are_not_held_without_bound(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "_MOST_OPENED", 2)

    async def story() -> None:
        keys = house.objects.keys
        for number in range(5):
            key = await keys.named(CALLER.account, "aws:kms", f"arn:{number}")
            await house.objects.put("bucket", f"{number}", b"x" * number, encryption=key)
        assert len(keys._opened) == 2
        assert [await house.objects.read("bucket", f"{number}") for number in range(5)] == [b"x" * n for n in range(5)]

    asyncio.run(story())


def test_a_completion_of_many_parts_is_read_beside_the_event_loop(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    named = multipart._named

    def note(part: dict[str, Any]) -> Any:
        threads.add(threading.get_ident())
        return named(part)

    async def story() -> None:
        monkeypatch.setattr(uploads, "_MANY_PARTS", 0)
        monkeypatch.setattr(multipart, "_named", note)
        at = {"Bucket": "bucket", "Key": "k"}
        upload_id = (await house.s3.create_multipart_upload(CALLER, at))["UploadId"]
        upload = await house.objects.uploads.find("bucket", "k", upload_id)
        part = await house.objects.uploads.put_part(upload, 1, b"part")
        asked = {"UploadId": upload_id, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part.etag}]}}
        told = await house.s3.complete_multipart_upload(CALLER, at | asked)
        assert told["Key"] == "k"
        assert threading.get_ident() not in threads
        assert threads

    asyncio.run(story())
