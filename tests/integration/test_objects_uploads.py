"""Multipart uploads of the embedded object storage."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest

from braketeer.domain.clock import SystemClock
from braketeer.domain.errors import ServiceError
from braketeer.objects import uploads
from braketeer.objects.checksums import Digests
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.objects.uploads import SMALLEST_PART, Claims, NamedPart
from braketeer.store import buckets
from braketeer.store.database import Database
from braketeer.store.objects import Condition
from braketeer.store.secrets import Secrets
from braketeer.store.uploads import Part, Upload

FIRST, SECOND, LAST = os.urandom(SMALLEST_PART), os.urandom(SMALLEST_PART + 3), b"the last part"
WHOLE = FIRST + SECOND + LAST


@pytest.fixture
def storage(database_url: str, tmp_path: Path) -> Iterator[EmbeddedObjects]:
    database = Database(database_url)
    bucket = buckets.Bucket("bucket", "000000000000", "us-east-1", {}, 0)
    database.write_now(lambda tx: buckets.create(tx.connection, bucket))
    objects = EmbeddedObjects(database, tmp_path / "objects", SystemClock(), Secrets(b"0" * 43 + b"="))
    yield objects
    objects.close()
    database.close()
    left = [path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    with_rows = Database(database_url)
    named = with_rows.read_now(
        lambda c: set(c.exec_driver_sql("SELECT file FROM object_files UNION SELECT file FROM upload_parts").scalars())
    )
    with_rows.close()
    assert set(left) == named, "every file is named, every named file is there"


async def begun(storage: EmbeddedObjects, **options: Any) -> tuple[Upload, list[Part]]:
    upload = await storage.uploads.create("bucket", "k", **options)
    parts = [
        await storage.uploads.put_part(upload, number, data) for number, data in ((2, FIRST), (5, SECOND), (9, LAST))
    ]
    return upload, parts


def named(parts: list[Part]) -> list[NamedPart]:
    return [NamedPart(part.number, part.etag, {}) for part in parts]


async def refusal(work: Awaitable[Any]) -> str:
    with pytest.raises(ServiceError) as caught:
        await work
    return caught.value.code


def test_parts_become_an_object(storage: EmbeddedObjects) -> None:
    async def story() -> None:
        upload, parts = await begun(storage)
        assert not await storage.exists("bucket", "k")
        content = await storage.uploads.complete("bucket", "k", upload.id, named(parts))
        joined = b"".join(hashlib.md5(data).digest() for data in (FIRST, SECOND, LAST))
        assert (content.size, content.etag) == (len(WHOLE), hashlib.md5(joined).hexdigest() + "-3")
        whole = Digests(["CRC64NVME"])
        whole.update(WHOLE)
        assert content.checksums == {**whole.values(), "ChecksumType": "FULL_OBJECT"}
        assert await storage.read("bucket", "k") == WHOLE
        opened = await storage.get("bucket", "k")
        across = await opened.read(len(FIRST) - 5, len(SECOND) + 10)
        found = across if isinstance(across, bytes) else b"".join([block async for block in across])
        assert found == WHOLE[len(FIRST) - 5 : len(FIRST) + len(SECOND) + 5]
        assert await refusal(storage.uploads.find("bucket", "k", upload.id)) == "NoSuchUpload"

    asyncio.run(story())


def test_completing_again_answers_the_same(storage: EmbeddedObjects) -> None:
    """The client lost the first answer; but once the object is another's, the upload is unknown."""

    async def story() -> None:
        upload, parts = await begun(storage)
        outcomes = await asyncio.gather(
            *(storage.uploads.complete("bucket", "k", upload.id, named(parts)) for _ in range(5))
        )
        assert len({content.etag for content in outcomes}) == 1
        await storage.put("bucket", "k", b"another")
        assert await refusal(storage.uploads.complete("bucket", "k", upload.id, named(parts))) == "NoSuchUpload"
        await storage.delete("bucket", "k")
        assert await refusal(storage.uploads.complete("bucket", "k", upload.id, named(parts))) == "NoSuchUpload"

    asyncio.run(story())


def test_parts_are_replaced_and_left_out(storage: EmbeddedObjects) -> None:
    async def story() -> None:
        upload, parts = await begun(storage)
        new = await storage.uploads.put_part(upload, 9, b"a new last part")
        assert await refusal(storage.uploads.complete("bucket", "k", upload.id, named(parts))) == "InvalidPart"
        await storage.uploads.complete("bucket", "k", upload.id, named([parts[0], new]))
        assert await storage.read("bucket", "k") == FIRST + b"a new last part"

    asyncio.run(story())


def test_completions_that_make_no_sense(storage: EmbeddedObjects) -> None:
    async def story() -> None:
        upload, parts = await begun(storage)
        first, second, last = named(parts)

        async def code(*asked: NamedPart, key: str = "k", **options: Any) -> str:
            return await refusal(storage.uploads.complete("bucket", key, upload.id, asked, **options))

        assert await code() == "InvalidRequest"
        assert await code(second, first) == "InvalidPartOrder"
        assert await code(first, first) == "InvalidPartOrder"
        assert await code(NamedPart(3, first.etag, {})) == "InvalidPart"
        assert await code(NamedPart(2, second.etag, {})) == "InvalidPart"
        assert await code(NamedPart(2, first.etag, {"ChecksumCRC64NVME": "AAAAAAAAAAA="})) == "InvalidPart"
        assert await code(last, NamedPart(10, last.etag, {})) == "InvalidPart"
        assert await code(first, second, last, key="other") == "NoSuchUpload"
        assert await code(first, claims=Claims({}, size=1)) == "InvalidRequest"
        assert await code(first, claims=Claims({"ChecksumCRC64NVME": "AAAAAAAAAAA="})) == "BadDigest"
        assert await code(first, claims=Claims({"ChecksumSHA256": "x"})) == "InvalidRequest"
        assert await code(first, claims=Claims({}, "COMPOSITE")) == "InvalidRequest"
        await storage.put("bucket", "k", b"there")
        assert await code(first, condition=Condition(absent=True)) == "PreconditionFailed"
        small = await storage.uploads.put_part(upload, 1, b"small")
        assert await code(*named([small]), first) == "EntityTooSmall"
        assert await storage.read("bucket", "k") == b"there"
        await storage.uploads.complete("bucket", "k", upload.id, [first, second, last])

    asyncio.run(story())


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("SHA256", "COMPOSITE"), ("CRC32", "COMPOSITE"), ("CRC32C", "FULL_OBJECT")]
)
def test_checksums_of_the_asked_kind(storage: EmbeddedObjects, algorithm: str, kind: str) -> None:
    async def story() -> None:
        upload, parts = await begun(storage, algorithm=algorithm, checksum_type=kind)
        name = f"Checksum{algorithm}"
        asked = [NamedPart(part.number, part.etag, {name: part.checksums[name]}) for part in parts]
        content = await storage.uploads.complete("bucket", "k", upload.id, asked)
        if kind == "FULL_OBJECT":
            whole = Digests([algorithm])
            whole.update(WHOLE)
            assert content.checksums == {**whole.values(), "ChecksumType": kind}
        else:
            assert content.checksums["ChecksumType"] == kind
            assert content.checksums[name].endswith("-3")

    asyncio.run(story())


def test_a_completed_object_is_copied_and_replaced(storage: EmbeddedObjects) -> None:
    async def story() -> None:
        upload, parts = await begun(storage)
        await storage.uploads.complete("bucket", "k", upload.id, named(parts))
        await storage.copy(("bucket", "k"), ("bucket", "copy"))
        await storage.put("bucket", "k", b"new")
        assert await storage.read("bucket", "copy") == WHOLE
        await storage.delete("bucket", "copy")

    asyncio.run(story())


def test_an_aborted_upload_is_gone(storage: EmbeddedObjects) -> None:
    async def story() -> None:
        upload, parts = await begun(storage)
        await storage.uploads.abort("bucket", "k", upload.id)
        assert await refusal(storage.uploads.complete("bucket", "k", upload.id, named(parts))) == "NoSuchUpload"
        assert await refusal(storage.uploads.put_part(upload, 1, b"late")) == "NoSuchUpload"
        assert await refusal(storage.uploads.abort("bucket", "k", upload.id)) == "NoSuchUpload"

    asyncio.run(story())


def test_uploads_and_parts_are_listed_in_order(storage: EmbeddedObjects) -> None:
    async def story() -> None:
        upload, parts = await begun(storage)
        for key in ("a", "z", "a"):
            await storage.uploads.create("bucket", key)
        assert [one.key for one in await storage.uploads.unfinished("bucket", limit=10)] == ["a", "a", "k", "z"]
        first = (await storage.uploads.unfinished("bucket", limit=1))[0]
        rest = await storage.uploads.unfinished("bucket", after_key=first.key, after_id=first.id, limit=10)
        assert [one.key for one in rest] == ["a", "k", "z"]
        assert [one.key for one in await storage.uploads.unfinished("bucket", prefix="k", limit=10)] == ["k"]
        _, found = await storage.uploads.parts("bucket", "k", upload.id, after=2, limit=1)
        assert found == parts[1:2]

    asyncio.run(story())


@pytest.mark.parametrize("many", [True, False])
def test_many_parts_are_put_together_beside_the_event_loop(
    storage: EmbeddedObjects, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    threads: set[int] = set()
    used, etag_of_parts = uploads._used, uploads.etag_of_parts

    def noting(work: Any) -> Any:
        def note(*arguments: Any) -> Any:
            threads.add(threading.get_ident())
            return work(*arguments)

        return note

    async def story() -> None:
        upload, parts = await begun(storage)
        monkeypatch.setattr(uploads, "_MANY_PARTS", 2 if many else 3)
        monkeypatch.setattr(uploads, "_used", noting(used))
        monkeypatch.setattr(uploads, "etag_of_parts", noting(etag_of_parts))
        await storage.uploads.complete("bucket", "k", upload.id, named(parts))
        assert len(threads) == 1
        assert (threading.get_ident() in threads) != many

    asyncio.run(story())
