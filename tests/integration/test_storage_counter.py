"""What an account stores is counted exactly, whatever happens to its objects, parts and buckets; and quotas hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from braketeer.domain.clock import SystemClock
from braketeer.domain.encryption import AES256
from braketeer.domain.errors import ServiceError, ServiceQuotaExceededException
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.objects.uploads import NamedPart
from braketeer.store import accounts, buckets, objects
from braketeer.store.database import Database, Transaction
from braketeer.store.objects import Condition, Content
from braketeer.store.secrets import Secrets
from braketeer.store.tables import accounts as accounts_table

OWNER = "000000000000"
SUM = "SELECT (SELECT coalesce(sum(size), 0) FROM objects) + (SELECT coalesce(sum(size), 0) FROM upload_parts)"

KEYS = st.sampled_from(["a", "b", "c"])
SIZES = st.sampled_from([0, 1, 70_000, 150_000])
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, SIZES),
    st.tuples(st.just("encrypted"), KEYS, SIZES),
    st.tuples(st.just("result"), KEYS, SIZES),
    st.tuples(st.just("conditional"), KEYS, SIZES),
    st.tuples(st.just("delete"), KEYS, st.just(0)),
    st.tuples(st.just("copy"), KEYS, st.just(0)),
    st.tuples(st.just("begin"), KEYS, st.just(0)),
    st.tuples(st.just("part"), KEYS, SIZES),
    st.tuples(st.just("complete"), KEYS, st.just(0)),
    st.tuples(st.just("abort"), KEYS, st.just(0)),
    st.tuples(st.just("bucket"), KEYS, st.just(0)),
)


class House:
    def __init__(self, folder: Path, database_url: str) -> None:
        self.database = Database(database_url)
        self.objects = EmbeddedObjects(self.database, folder / "objects", SystemClock(), Secrets(b"0" * 43 + b"="))
        self.database.write_now(lambda tx: accounts.create_account(tx.connection, OWNER, "default", 0))
        self.make_buckets()

    def make_buckets(self) -> None:
        for name in ("one", "two"):
            bucket = buckets.Bucket(name, OWNER, "us-east-1", {}, 0)
            self.database.write_now(lambda tx, bucket=bucket: buckets.create(tx.connection, bucket))

    def counted(self) -> tuple[int, int]:
        """(what the counter says, what the rows say)."""
        counter = accounts_table.c.storage_bytes
        return self.database.read_now(
            lambda c: (
                int(c.execute(accounts_table.select().with_only_columns(counter)).scalar_one()),
                int(c.exec_driver_sql(SUM).scalar_one()),
            )
        )

    def allow(self, most: int) -> None:
        self.database.write_now(
            lambda tx: tx.connection.execute(accounts_table.update().values(quotas={"storage_bytes": most}))
        )

    def close(self) -> None:
        self.objects.close()
        self.database.close()


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    house = House(tmp_path, database_url)
    yield house
    house.close()


async def take(house: House, step: tuple[str, str, int], uploads: dict[str, Any]) -> None:
    """One step; what S3 refuses is as good a step as any."""
    what, key, size = step
    store, data = house.objects, b"x" * size
    upload = uploads.get(key)
    match what:
        case "put":
            await store.put("one", key, data)
        case "encrypted":
            await store.put("one", key, data, encryption=await store.keys.named(OWNER, AES256))
        case "conditional":
            await store.put("one", key, data, condition=Condition(absent=True))
        case "result":

            def finish(tx: Transaction, content: Content) -> bool:
                return objects.insert_if_absent(tx.connection, "two", key, content, owner=OWNER, now_ms=1)

            await store.store_with("two", data, finish)
        case "delete":
            await store.delete("one", key)
        case "copy":
            await store.copy(("one", key), ("two", "copy"))
        case "begin":
            uploads[key] = await store.uploads.create("two", key)
        case "part" if upload is not None:
            await store.uploads.put_part(upload, 1 + size % 2, data)
        case "complete" if upload is not None:
            _, parts = await store.uploads.parts("two", key, upload.id, limit=10)
            named = [NamedPart(part.number, part.etag, {}) for part in parts[-1:]]
            await store.uploads.complete("two", key, upload.id, named)
        case "abort" if upload is not None:
            await store.uploads.abort("two", key, upload.id)
        case "bucket":
            for entry in (await store.page("two")).entries:
                await store.delete("two", entry.key)
            await store.remove_bucket("two")
            house.make_buckets()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=25))
def test_the_counter_is_the_sum(house: House, steps: list[tuple[str, str, int]]) -> None:
    async def story() -> None:
        uploads: dict[str, Any] = {}
        for step in steps:
            try:
                await take(house, step, uploads)
            except ServiceError as refused:
                assert refused.status < 500
            counter, rows = house.counted()
            assert counter == rows, step

    asyncio.run(story())


def test_the_counter_holds_when_many_write_at_once(house: House) -> None:
    async def story() -> None:
        chance = [("put", key, size) for key in "abc" for size in (1, 70_000, 150_000)]
        await asyncio.gather(*(take(house, step, {}) for step in chance * 5))
        work: list[Callable[[], Awaitable[Any]]] = []
        for key in "abc" * 8:
            work.append(lambda key=key: house.objects.copy(("one", key), ("two", "copy")))
            work.append(lambda key=key: house.objects.put("one", key, key.encode() * 70_001))
            work.append(lambda key=key: house.objects.delete("two", "copy"))
        outcomes = await asyncio.gather(*(one() for one in work), return_exceptions=True)
        assert not [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, ServiceError)]
        counter, rows = house.counted()
        assert counter == rows

    asyncio.run(story())


def test_a_bucket_goes_while_others_write_into_it(house: House) -> None:
    """Whoever comes first: what is refused says so, no object and no part is left in a bucket that is gone."""

    async def story() -> None:
        for turn in range(12):
            upload = await house.objects.uploads.create("two", "u")
            work: list[Awaitable[Any]] = [
                house.objects.put("two", "k", b"x" * 70_000),
                house.objects.remove_bucket("two"),
                house.objects.uploads.put_part(upload, 1, b"x" * 10),
                house.objects.uploads.create("two", "v"),
                house.objects.copy(("one", "k"), ("two", "copied")),
            ]
            await house.objects.put("one", "k", b"source")
            outcomes = await asyncio.gather(*work[turn % 5 :], *work[: turn % 5], return_exceptions=True)
            refused = [one for one in outcomes if isinstance(one, BaseException)]
            codes = {one.code for one in refused if isinstance(one, ServiceError)}
            assert codes <= {"NoSuchBucket", "BucketNotEmpty", "NoSuchUpload"}, codes
            assert all(isinstance(one, ServiceError) for one in refused), refused
            counter, rows = house.counted()
            assert counter == rows
            house.make_buckets()

    asyncio.run(story())


def test_no_more_than_the_quota(house: House) -> None:
    house.allow(100_000)

    async def refused(work: Awaitable[Any]) -> None:
        with pytest.raises(ServiceQuotaExceededException):
            await work

    async def story() -> None:
        store = house.objects
        await store.put("one", "a", b"x" * 60_000)
        await refused(store.put("one", "b", b"x" * 40_001))
        await refused(store.put("one", "b", b"x" * 80_000))
        await refused(store.copy(("one", "a"), ("one", "b")))
        await store.put("one", "a", b"x" * 100_000)  # in place of the smaller one
        await store.put("one", "a", b"x" * 10)
        upload = await store.uploads.create("one", "m")
        part = await store.uploads.put_part(upload, 1, b"x" * 99_000)
        await refused(store.uploads.put_part(upload, 2, b"x" * 5_000))
        await store.uploads.complete("one", "m", upload.id, [NamedPart(1, part.etag, {})])
        await refused(take(house, ("result", "task", 150_000), {}))  # such a task has FAILED, with the reason
        counter, rows = house.counted()
        assert counter == rows == 10 + 99_000

    asyncio.run(story())


def test_an_upload_is_completed_under_a_quota_that_was_lowered(house: House) -> None:
    """It adds nothing: the parts were counted when they came."""

    async def story() -> None:
        store = house.objects
        upload = await store.uploads.create("one", "m")
        parts = [await store.uploads.put_part(upload, number, b"x" * 50_000) for number in (1, 2)]
        house.allow(10)
        await store.uploads.complete("one", "m", upload.id, [NamedPart(2, parts[1].etag, {})])
        assert house.counted() == (50_000, 50_000)
        with pytest.raises(ServiceQuotaExceededException):
            await store.put("one", "a", b"x")

    asyncio.run(story())


def test_what_is_announced_too_large_is_not_read(house: House) -> None:
    house.allow(1_000_000)
    read = 0

    async def pieces() -> Any:
        nonlocal read
        while True:
            read += 65_536
            yield b"x" * 65_536

    async def story() -> None:
        with pytest.raises(ServiceQuotaExceededException):
            await house.objects.put("one", "a", pieces(), announced=5 << 30)
        upload = await house.objects.uploads.create("one", "m")
        with pytest.raises(ServiceQuotaExceededException):
            await house.objects.uploads.put_part(upload, 1, pieces(), announced=5 << 30)

    asyncio.run(story())
    assert read <= 4 * 65_536
