"""The embedded object storage on a database and a folder: what is stored, what remains, and what never shows."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import itertools
import os
import random
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest

from braketeer.domain.clock import SystemClock
from braketeer.domain.encryption import AES256
from braketeer.domain.errors import ConflictException, ServiceError
from braketeer.objects import embedded
from braketeer.objects.checksums import Digests
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.objects.intake import SMALL
from braketeer.objects.uploads import NamedPart
from braketeer.store import buckets, objects
from braketeer.store.database import Database, Transaction
from braketeer.store.objects import Condition
from braketeer.store.secrets import Secrets

OWNER = "000000000000"
MIB = 1 << 20
LARGE = bytes(range(256)) * 8192  # 2 MiB


class House:
    """The storage with its folder, and a way to look at what lies there."""

    def __init__(self, folder: Path, database_url: str, *, shared: bool = False) -> None:
        self.folder = folder
        self.database = Database(database_url)
        for name, account in (("bucket", OWNER), ("other", OWNER), ("foreign", "111111111111")):
            bucket = buckets.Bucket(name, account, "us-east-1", {}, 0)
            self.database.write_now(lambda tx, bucket=bucket: buckets.create(tx.connection, bucket))
        secrets = Secrets(b"0" * 43 + b"=")
        self.objects = EmbeddedObjects(self.database, folder / "objects", SystemClock(), secrets, shared=shared)

    def files(self) -> list[Path]:
        return [path for path in (self.folder / "objects").rglob("*") if path.is_file()]

    def age(self) -> None:
        """Make everything count as written more than an hour ago."""
        old = time.time() - 3700
        for path in self.files():
            os.utime(path, (old, old))

    def settled(self, count: int) -> bool:
        """Whether there are that many files; deleting happens in the background, so it waits a while."""
        for _ in range(200):
            if len(self.files()) == count:
                return True
            time.sleep(0.01)
        return False

    def close(self) -> None:
        self.objects.close()
        self.database.close()


@pytest.fixture
def shared_house(tmp_path: Path, database_url: str) -> Iterator[House]:
    house = House(tmp_path, database_url, shared=True)
    yield house
    house.close()


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    house = House(tmp_path, database_url)
    yield house
    house.close()


def run(work: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await work

    return asyncio.run(main())


async def chunks(data: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def refusal(work: Awaitable[Any]) -> tuple[str, int]:
    with pytest.raises(ServiceError) as caught:
        await work
    return caught.value.code, caught.value.status


@pytest.mark.parametrize("size", [0, 1, SMALL - 1, SMALL, SMALL + 1, MIB, MIB + 1, 3 * MIB + 17])
def test_what_was_put_is_read(house: House, size: int) -> None:
    data = random.Random(size).randbytes(size)

    async def story() -> None:
        content = await house.objects.put("bucket", "k", chunks(data, 50_000), owner=OWNER)
        assert (content.size, content.etag) == (size, hashlib.md5(data).hexdigest())
        assert await house.objects.read("bucket", "k", owner=OWNER) == data
        opened = await house.objects.get("bucket", "k")
        for start, length in ((0, size), (size // 3, size // 2), (size - 1, 1), (size // 2, 0)):
            if start >= 0:
                body = await opened.read(start, length)
                found = body if isinstance(body, bytes) else b"".join([block async for block in body])
                assert found == data[start : start + length]

    run(story())
    assert len(house.files()) == (1 if size > SMALL else 0)


def test_absent_things(house: House) -> None:
    async def story() -> None:
        assert await house.objects.read("bucket", "none") is None
        assert await house.objects.read("none", "none") is None
        assert not await house.objects.exists("bucket", "none")
        assert await refusal(house.objects.get("bucket", "none")) == ("NoSuchKey", 404)
        assert await refusal(house.objects.get("none", "none")) == ("NoSuchBucket", 404)
        assert await refusal(house.objects.get("foreign", "none", owner=OWNER)) == ("AccessDenied", 403)
        for body in (b"small", LARGE):
            assert await refusal(house.objects.put("none", "k", body)) == ("NoSuchBucket", 404)
            assert await refusal(house.objects.put("foreign", "k", body, owner=OWNER)) == ("AccessDenied", 403)
        await house.objects.delete("bucket", "none")

    run(story())
    assert house.settled(0)


def test_replacing_and_deleting_frees_the_file(house: House) -> None:
    async def story() -> None:
        await house.objects.put("bucket", "k", LARGE)
        await house.objects.put("bucket", "k", LARGE[::-1])
        assert await house.objects.read("bucket", "k") == LARGE[::-1]
        assert house.settled(1)
        await house.objects.put("bucket", "k", b"small")
        assert house.settled(0)
        await house.objects.put("bucket", "k", LARGE)
        assert await house.objects.read("bucket", "k") == LARGE
        await house.objects.delete("bucket", "k")
        assert house.settled(0)

    run(story())


def test_a_reader_ends_what_it_began(house: House) -> None:
    """The object is replaced and deleted while it is read; the reader gets the old bytes, then the file goes."""
    data = os.urandom(5 * MIB)

    async def story() -> None:
        await house.objects.put("bucket", "k", data)
        body = await (await house.objects.get("bucket", "k")).read(0, len(data))
        assert not isinstance(body, bytes)
        found = await anext(body)
        await house.objects.put("bucket", "k", b"new")
        await house.objects.delete("bucket", "k")
        await asyncio.sleep(0.1)
        assert len(house.files()) == 1
        async for block in body:
            found += block
        assert found == data

    run(story())
    assert house.settled(0)


def test_a_reader_that_goes_away_holds_nothing(house: House) -> None:
    async def story() -> None:
        await house.objects.put("bucket", "k", LARGE)
        body: Any = await (await house.objects.get("bucket", "k")).read(0, len(LARGE))
        await anext(body)
        await house.objects.delete("bucket", "k")
        assert len(house.files()) == 1
        del body
        assert house.settled(0)

    run(story())


def test_a_copy_shares_the_file_until_both_are_gone(house: House) -> None:
    async def story() -> None:
        await house.objects.put("bucket", "a", LARGE)
        await house.objects.copy(("bucket", "a"), ("other", "b"), owner=OWNER)
        await house.objects.copy(("bucket", "a"), ("bucket", "a"), owner=OWNER)
        assert len(house.files()) == 1
        await house.objects.delete("bucket", "a")
        await asyncio.sleep(0.05)
        assert await house.objects.read("other", "b") == LARGE
        await house.objects.delete("other", "b")
        assert house.settled(0)
        assert await refusal(house.objects.copy(("bucket", "a"), ("bucket", "b"))) == ("NoSuchKey", 404)

    run(story())


def test_a_copy_can_have_another_checksum(house: House) -> None:
    async def story() -> None:
        await house.objects.put("bucket", "a", LARGE)
        made = await house.objects.copy(("bucket", "a"), ("bucket", "b"), algorithm="SHA256")
        digests = Digests(["SHA256"])
        digests.update(LARGE)
        assert made.content.checksums == {**digests.values(), "ChecksumType": "FULL_OBJECT"}

    run(story())


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["in the row", "in a file"])
def test_of_many_conditional_puts_one_wins(house: House, body: bytes) -> None:
    async def story() -> None:
        bodies = [body + bytes([number]) for number in range(20)]
        outcomes = await asyncio.gather(
            *(house.objects.put("bucket", "k", one, condition=Condition(absent=True)) for one in bodies),
            return_exceptions=True,
        )
        won = [index for index, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]
        codes = {outcome.code for outcome in outcomes if isinstance(outcome, ServiceError)}
        assert (len(won), codes) == (1, {"PreconditionFailed"})
        assert await house.objects.read("bucket", "k") == bodies[won[0]]

    run(story())
    assert house.settled(1 if len(body) > SMALL else 0)


def test_puts_on_an_etag(house: House) -> None:
    async def story() -> None:
        absent = house.objects.put("bucket", "k", b"1", condition=Condition(etags=("*",)))
        assert await refusal(absent) == ("NoSuchKey", 404)
        first = await house.objects.put("bucket", "k", b"1")
        await house.objects.put("bucket", "k", b"2", condition=Condition(etags=(first.etag,)))
        late = house.objects.put("bucket", "k", b"3", condition=Condition(etags=(first.etag,)))
        assert await refusal(late) == ("PreconditionFailed", 412)
        assert await refusal(house.objects.delete("bucket", "k", condition=Condition(etags=("x",)))) == (
            "PreconditionFailed",
            412,
        )
        assert await house.objects.read("bucket", "k") == b"2"

    run(story())


@pytest.mark.parametrize("data", [b"small result", LARGE], ids=["in the row", "in a file"])
def test_a_result_and_what_goes_with_it_are_one_transaction(house: House, data: bytes) -> None:
    """What the dispatcher does: taken in before, inserted with the rest; undone with the rest."""

    def insert(tx: Transaction, content: objects.Content, bucket: str = "bucket") -> bool:
        return objects.insert_if_absent(tx.connection, bucket, "t/results.json", content, owner=OWNER, now_ms=5)

    def insert_and_fail(tx: Transaction, content: objects.Content) -> bool:
        assert insert(tx, content)
        raise ConflictException("the rest of the transaction")

    async def story() -> None:
        with pytest.raises(ConflictException):
            await house.objects.store_with("bucket", data, insert_and_fail)
        assert not await house.objects.exists("bucket", "t/results.json")
        await house.objects.store_with("bucket", data, insert)
        await house.objects.store_with("bucket", data + b"!", insert)  # the key is taken
        assert await house.objects.read("bucket", "t/results.json") == data
        found = await house.objects.find("bucket", "t/results.json")
        assert (found.details.headers, found.modified_at) == ({"ContentType": "application/json"}, 5)
        for bucket, code in (("none", "NoSuchBucket"), ("foreign", "AccessDenied")):
            work = house.objects.store_with(bucket, data, lambda tx, content, b=bucket: insert(tx, content, b))
            assert (await refusal(work))[0] == code

    run(story())
    assert house.settled(1 if len(data) > SMALL else 0)


def failing(data: bytes, problem: Exception) -> AsyncIterator[bytes]:
    async def body() -> AsyncIterator[bytes]:
        async for chunk in chunks(data):
            yield chunk
        raise problem

    return body()


@pytest.mark.parametrize("data", [b"old" * 10, LARGE], ids=["in the row", "in a file"])
def test_a_body_that_breaks_off_leaves_what_was_there(house: House, data: bytes) -> None:
    async def story() -> None:
        await house.objects.put("bucket", "k", b"before")
        with pytest.raises(ConnectionError):
            await house.objects.put("bucket", "k", failing(data, ConnectionError()))
        assert await house.objects.read("bucket", "k") == b"before"

    run(story())
    assert house.settled(0)


def test_a_refused_body_leaves_what_was_there(house: House) -> None:
    def refuse(_: Digests) -> None:
        raise ServiceError("no", code="BadDigest")

    async def story() -> None:
        for data in (b"small", LARGE):
            assert (await refusal(house.objects.put("bucket", "k", data, verify=refuse)))[0] == "BadDigest"
        assert not await house.objects.exists("bucket", "k")

    run(story())
    assert house.settled(0)


def test_a_cancelled_put_leaves_nothing(house: House) -> None:
    async def story() -> None:
        well_on_its_way = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            for count in itertools.count():
                yield b"x" * 65536
                if count == 100:
                    well_on_its_way.set()
                await asyncio.sleep(0)

        task = asyncio.create_task(house.objects.put("bucket", "k", endless()))
        await well_on_its_way.wait()
        assert len(house.files()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(story())
    assert house.settled(0)


def test_a_full_disk_is_said_and_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = os.write, 0

    def full_after_a_while(descriptor: int, data: Any) -> int:
        nonlocal written
        if written > MIB:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = real(descriptor, data)
        written += count
        return count

    async def story() -> None:
        await house.objects.put("bucket", "k", b"before")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full_after_a_while)
            assert await refusal(house.objects.put("bucket", "k", chunks(LARGE * 2))) == ("InsufficientStorage", 507)
        assert await house.objects.read("bucket", "k") == b"before"
        assert house.settled(0)
        await house.objects.put("bucket", "k", LARGE)

    run(story())


def test_a_disk_that_cannot_flush_is_said_and_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async def story() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", broken)
            assert await refusal(house.objects.put("bucket", "k", LARGE)) == ("ServiceUnavailable", 503)
        assert not await house.objects.exists("bucket", "k")

    run(story())
    assert house.settled(0)


def test_a_lost_file_is_an_error_not_a_wrong_body(house: House) -> None:
    async def story() -> None:
        await house.objects.put("bucket", "k", LARGE)
        house.files()[0].unlink()
        assert await refusal(house.objects.get("bucket", "k")) == ("ServiceUnavailable", 503)

    run(story())


def test_garbage_is_what_no_row_names(house: House) -> None:
    def fail(_: Transaction, __: objects.Content) -> bool:
        raise RuntimeError("nothing names the file")

    async def story() -> None:
        await house.objects.put("bucket", "k", LARGE)
        upload = await house.objects.uploads.create("bucket", "m")
        await house.objects.uploads.put_part(upload, 1, b"part")
        with pytest.raises(RuntimeError):
            await house.objects.store_with("bucket", LARGE, fail)
        begun = house.folder / "objects" / "incoming" / "crashed"
        begun.write_bytes(b"half")
        assert await house.objects.collect_garbage() == 0, "all of it is younger than an hour"
        house.age()
        assert await house.objects.collect_garbage() == 2
        assert house.settled(2)
        assert await house.objects.read("bucket", "k") == LARGE
        assert await house.objects.collect_garbage() == 0

    run(story())


def test_garbage_of_a_shared_folder_goes_when_it_was_found_twice(shared_house: House) -> None:
    house = shared_house

    async def story() -> None:
        for key in ("kept", "k"):
            await house.objects.put("bucket", key, LARGE)
        await house.objects.delete("bucket", "k")
        house.objects._threads.submit(lambda: None).result()  # behind what dates the file anew
        assert await house.objects.collect_garbage() == 0
        house.age()
        assert await house.objects.collect_garbage() == 0
        assert len(house.files()) == 2
        assert await house.objects.collect_garbage() == 1
        assert len(house.files()) == 1, "as many as were counted, and at once"
        assert await house.objects.read("bucket", "kept") == LARGE

    run(story())


async def of_two_parts(house: House) -> bytes:
    """The bytes of a new object ``bucket/k`` in two files."""
    first = LARGE * 3
    upload = await house.objects.uploads.create("bucket", "k")
    parts = [await house.objects.uploads.put_part(upload, n, data) for n, data in ((1, first), (2, b"end"))]
    named = [NamedPart(part.number, part.etag, {}) for part in parts]
    await house.objects.uploads.complete("bucket", "k", upload.id, named)
    return first + b"end"


def test_files_of_a_copy_on_its_way_are_no_garbage(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of a long copy get old before a row names them, and collections of garbage come by."""

    async def story() -> None:
        whole = await of_two_parts(house)
        key = await house.objects.keys.named(OWNER, AES256)
        receive, change = house.objects._intake.receive, house.objects._change

        async def receive_late(*arguments: Any, **options: Any) -> Any:
            house.age()
            await house.objects.collect_garbage()
            return await receive(*arguments, **options)

        async def change_late(work: Any) -> Any:
            house.age()
            await house.objects.collect_garbage()
            return await change(work)

        monkeypatch.setattr(house.objects._intake, "receive", receive_late)
        monkeypatch.setattr(house.objects, "_change", change_late)
        await house.objects.copy(("bucket", "k"), ("bucket", "copy"), encryption=key)
        assert await house.objects.read("bucket", "copy") == whole
        assert house.objects._prepared == set()
        assert len(house.files()) == 4

    run(story())


def test_another_process_takes_no_file_of_a_copy_on_its_way(
    shared_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows nothing of the copy but how old the files are."""
    house = shared_house
    secrets = Secrets(b"0" * 43 + b"=")
    other = EmbeddedObjects(house.database, house.folder / "objects", SystemClock(), secrets, shared=True)
    monkeypatch.setattr(embedded, "_DATED_ANEW_AFTER_SECONDS", 0)

    async def story() -> None:
        whole = await of_two_parts(house)
        key = await house.objects.keys.named(OWNER, AES256)
        receive, change = house.objects._intake.receive, house.objects._change

        async def receive_slowly(*arguments: Any, **options: Any) -> Any:
            received = await receive(*arguments, **options)
            house.age()
            return received

        async def change_late(work: Any) -> Any:
            await other.collect_garbage()
            await other.collect_garbage()
            return await change(work)

        monkeypatch.setattr(house.objects._intake, "receive", receive_slowly)
        monkeypatch.setattr(house.objects, "_change", change_late)
        await house.objects.copy(("bucket", "k"), ("bucket", "copy"), encryption=key)
        assert await house.objects.read("bucket", "copy") == whole

    run(story())
    other.close()


def test_a_copy_that_fails_on_its_way_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        await of_two_parts(house)
        key = await house.objects.keys.named(OWNER, AES256)
        read = house.objects._files.read

        def read_badly(name: str, offset: int, length: int) -> bytes:
            if length == 3:
                raise OSError(errno.EIO, "the second file cannot be read")
            return read(name, offset, length)

        monkeypatch.setattr(house.objects._files, "read", read_badly)
        failed = await refusal(house.objects.copy(("bucket", "k"), ("bucket", "copy"), encryption=key))
        assert failed == ("ServiceUnavailable", 503)
        assert house.settled(2)
        assert house.objects._prepared == set()

    run(story())


def test_a_source_that_comes_and_goes_while_it_is_copied(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put when the copy has found nothing to lock, and deleted between the look at its row and at its files."""
    if house.database.is_sqlite:
        pytest.skip("SQLite has one writer: nothing comes between")
    lock, look = objects.lock, objects._files
    others: list[Any] = [
        lambda: run(house.objects.put("bucket", "k", LARGE)),
        lambda: run(house.objects.delete("bucket", "k")),
    ]

    def other() -> None:
        if others:
            work = others.pop(0)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    copying = threading.local()

    def lock_before(connection: Any, bucket: str, key: str) -> bool:
        held = lock(connection, bucket, key)
        if getattr(copying, "here", False) and len(others) == 2:
            other()
        return held

    def look_after(connection: Any, bucket: str, key: str) -> Any:
        if getattr(copying, "here", False) and len(others) == 1:
            other()
        return look(connection, bucket, key)

    monkeypatch.setattr(objects, "lock", lock_before)
    monkeypatch.setattr(objects, "_files", look_after)
    write = house.database.write

    async def write_copy(work: Any) -> Any:
        def marked(tx: Transaction) -> Any:
            copying.here = True
            try:
                return work(tx)
            finally:
                copying.here = False

        return await write(marked)

    async def story() -> None:
        monkeypatch.setattr(house.database, "write", write_copy)
        assert await refusal(house.objects.copy(("bucket", "k"), ("bucket", "copy"))) == ("NoSuchKey", 404)
        monkeypatch.undo()
        assert others == []
        assert not await house.objects.exists("bucket", "copy")

    run(story())


def test_memory_stays_bounded(house: House) -> None:
    """64 MiB go in and out within a few blocks of memory."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(1024):
            yield b"\0" * 65536
            await asyncio.sleep(0)

    async def story() -> int:
        await house.objects.put("bucket", "warm", LARGE)
        tracemalloc.start()
        await house.objects.put("bucket", "k", body())
        opened = await house.objects.get("bucket", "k")
        count = 0
        stream = await opened.read(0, 64 * MIB)
        assert not isinstance(stream, bytes)
        async for block in stream:
            count += len(block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 64 * MIB
        return peak

    assert run(story()) < 16 * MIB


def expected_listing(keys: list[str], prefix: str, delimiter: str, from_key: str) -> list[str]:
    """What a listing must give, computed plainly: keys and common prefixes in order."""
    entries: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or key.encode() < from_key.encode():
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if at < 0 else key[: at + len(delimiter)]
        if not entries or entries[-1] != entry:
            entries.append(entry)
    return entries


def test_listings_agree_with_a_plain_one(house: House) -> None:
    random_ = random.Random(7)
    alphabet = ["a", "b", "/", "//", "é", "😀", "%", "_", "-", "\U0010ffff", "A"]
    keys = sorted({"".join(random_.choices(alphabet, k=random_.randint(1, 6))) for _ in range(400)})
    keys += [f"many/{number:04d}" for number in range(300)] + [f"dirs/{number}/x" for number in range(150)]

    async def listed(prefix: str, delimiter: str, from_key: str, limit: int) -> list[str]:
        entries: list[str] = []
        start: str | None = from_key
        while start is not None:
            page = await house.objects.page("bucket", prefix=prefix, delimiter=delimiter, from_key=start, limit=limit)
            assert len(page.entries) <= limit
            assert page.next_key is None or len(page.entries) == limit
            entries += [entry.key for entry in page.entries]
            start = page.next_key
        return entries

    async def story() -> None:
        await asyncio.gather(*(house.objects.put("bucket", key, b"") for key in keys))
        cases: list[tuple[str, str, str]] = [("", "", ""), ("", "/", ""), ("dirs/", "/", ""), ("many", "/", "")]
        for _ in range(60):
            prefix = random_.choice(["", "a", "a/", "/", "é", "\U0010ffff", "b/a", "nothing", "%", "many/00", "dirs/"])
            cases.append(
                (prefix, random_.choice(["", "/", "//", "a", "é"]), random_.choice(["", random_.choice(keys)]))
            )
        for prefix, delimiter, from_key in cases:
            wanted = expected_listing(keys, prefix, delimiter, from_key)
            for limit in (1, 3, 1000) if len(wanted) < 60 else (37, 1000):
                assert await listed(prefix, delimiter, from_key, limit) == wanted, (prefix, delimiter, from_key, limit)

    run(story())


def test_a_common_prefix_is_jumped_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing the folders of a bucket reads a few rows a folder, not all of them."""

    def fill(tx: Transaction) -> None:
        content = objects.Content(0, "e", {}, b"")
        for folder in range(10):
            for number in range(400):
                key = f"{folder}/{number:04d}"
                objects.put(tx.connection, objects.StoredObject("bucket", key, content, objects.Details(), 0), OWNER)

    house.database.write_now(fill)
    read = 0
    from braketeer.store import object_keys

    real = object_keys._read

    def counting(*arguments: Any) -> Any:
        nonlocal read
        rows = real(*arguments)
        read += len(rows)
        return rows

    monkeypatch.setattr(object_keys, "_read", counting)
    page = run(house.objects.page("bucket", delimiter="/"))
    assert [entry.key for entry in page.entries] == [f"{folder}/" for folder in range(10)]
    assert read < 400


def test_buckets_go_when_they_are_empty(house: House) -> None:
    async def story() -> None:
        await house.objects.put("bucket", "k", b"")
        assert await refusal(house.objects.remove_bucket("bucket", owner=OWNER)) == ("BucketNotEmpty", 409)
        assert await refusal(house.objects.remove_bucket("foreign", owner=OWNER)) == ("AccessDenied", 403)
        await house.objects.delete("bucket", "k")
        upload = await house.objects.uploads.create("bucket", "k")
        await house.objects.uploads.put_part(upload, 1, b"part")
        await house.objects.remove_bucket("bucket", owner=OWNER)
        assert await refusal(house.objects.page("bucket")) == ("NoSuchBucket", 404)

    run(story())
    assert house.settled(0)


def test_deleting_many(house: House) -> None:
    async def story() -> None:
        for key in ("a", "b"):
            await house.objects.put("bucket", key, LARGE)
        wanted: list[tuple[str, Condition]] = [
            ("a", Condition()),
            ("b", Condition(etags=("x",))),
            ("none", Condition()),
        ]
        outcomes = await house.objects.delete_many("bucket", wanted, owner=OWNER)
        assert [getattr(outcome, "code", None) for outcome in outcomes] == [None, "PreconditionFailed", None]
        assert await refusal(house.objects.delete_many("foreign", wanted, owner=OWNER)) == ("AccessDenied", 403)

    run(story())
    assert house.settled(1)
