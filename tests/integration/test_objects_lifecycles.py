"""Lifecycle rules carried out on real objects, by a clock of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from braketeer.domain.clock import DAY_MS
from braketeer.objects import lifecycles
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.objects.lifecycles import Lifecycles
from braketeer.store import buckets, object_lifecycles, objects, tables
from braketeer.store.database import Database
from braketeer.store.objects import Details
from braketeer.store.secrets import Secrets

START = 20_000 * DAY_MS + DAY_MS // 2
LARGE = b"x" * 200_000


class Clock:
    def __init__(self) -> None:
        self.now = START

    def now_ms(self) -> int:
        return self.now


class House:
    def __init__(self, folder: Path, database_url: str) -> None:
        self.clock = Clock()
        self.database = Database(database_url)
        self.objects = EmbeddedObjects(self.database, folder / "objects", self.clock, Secrets(b"0" * 43 + b"="))
        self.lifecycles = Lifecycles(self.database, self.objects, self.clock)
        bucket = buckets.Bucket("bucket", "000000000000", "us-east-1", {}, 0)
        self.database.write_now(lambda tx: buckets.create(tx.connection, bucket))

    def rules(self, *rules: dict[str, object]) -> None:
        kept = {"rules": [{"Status": "Enabled", **rule} for rule in rules]}
        self.database.write_now(lambda tx: buckets.set_lifecycle(tx.connection, "bucket", kept))

    def no_rules(self) -> None:
        self.database.write_now(lambda tx: buckets.set_lifecycle(tx.connection, "bucket", None))

    def give_away(self) -> None:
        """The bucket, with all it holds and its rules, is another account's now."""
        self.database.write_now(lambda tx: tx.connection.execute(tables.buckets.update().values(account="1" * 12)))

    async def keys(self) -> list[str]:
        return [entry.key for entry in (await self.objects.page("bucket")).entries]


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    house = House(tmp_path, database_url)
    yield house
    house.objects.close()
    house.database.close()


def test_objects_expire_by_prefix_size_and_tag(house: House) -> None:
    house.rules(
        {"Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 2}},
        {"Filter": {"Tag": {"Key": "keep", "Value": "no"}}, "Expiration": {"Days": 1}},
        {"Filter": {"ObjectSizeGreaterThan": 100_000}, "Expiration": {"Days": 5}},
        {"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}, "Status": "Disabled"},
    )

    async def story() -> None:
        for key in ("tmp/a", "tmp/b", "tmp0", "kept"):
            await house.objects.put("bucket", key, b"x")
        await house.objects.put("bucket", "tagged", b"x", details=Details(tags={"keep": "no"}))
        await house.objects.put("bucket", "large", LARGE)
        await house.objects.copy(("bucket", "large"), ("bucket", "tmp/large"))
        assert await house.lifecycles.carry_out() == 0
        house.clock.now = START + DAY_MS + DAY_MS // 2
        assert await house.lifecycles.carry_out() == 1
        assert "tagged" not in await house.keys()
        await house.objects.put("bucket", "tmp/b", b"anew")
        house.clock.now = START + 2 * DAY_MS + DAY_MS // 2
        assert await house.lifecycles.carry_out() == 2
        assert await house.keys() == ["kept", "large", "tmp/b", "tmp0"]
        assert await house.objects.read("bucket", "large") == LARGE, "the copy has taken no bytes with it"
        house.clock.now = START + 6 * DAY_MS
        assert await house.lifecycles.carry_out() == 2
        assert await house.keys() == ["kept", "tmp0"]

    asyncio.run(story())


def test_many_objects_go_on_a_date(house: House) -> None:
    house.rules({"Filter": {"Prefix": "many/"}, "Expiration": {"Date": "2026-01-01T00:00:00+00:00"}})

    async def story() -> None:
        await asyncio.gather(*(house.objects.put("bucket", f"many/{number}", b"x") for number in range(450)))
        await house.objects.put("bucket", "other", b"x")
        assert await house.lifecycles.carry_out() == 0
        house.clock.now = 1_767_225_600_000  # that midnight
        assert await house.lifecycles.carry_out() == 450
        assert await house.keys() == ["other"]

    asyncio.run(story())


def test_uploads_are_given_up(house: House) -> None:
    house.rules({"Filter": {"Prefix": "u/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})

    async def story() -> None:
        old = await house.objects.uploads.create("bucket", "u/1")
        await house.objects.uploads.put_part(old, 1, LARGE)
        await house.objects.uploads.create("bucket", "v/1")
        house.clock.now = START + DAY_MS + DAY_MS // 2
        await house.objects.uploads.create("bucket", "u/2")
        assert await house.lifecycles.carry_out() == 1
        left = await house.objects.uploads.unfinished("bucket", limit=10)
        assert [upload.key for upload in left] == ["u/2", "v/1"]

    asyncio.run(story())


TAGGED: dict[str, object] = {"Filter": {"Tag": {"Key": "keep", "Value": "no"}}, "Expiration": {"Days": 1}}
ABORTING: dict[str, object] = {"Filter": {"Prefix": "u/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}


def tag_anew(house: House) -> None:
    house.database.write_now(lambda tx: objects.set_tags(tx.connection, "bucket", "k", None, {"keep": "yes"}))


@pytest.mark.parametrize(
    "change",
    [
        House.no_rules,
        lambda house: house.rules(TAGGED | {"Status": "Disabled"}),
        lambda house: house.rules(TAGGED | {"Filter": {"Prefix": "other"}}),
        House.give_away,
        tag_anew,
    ],
    ids=["no rules", "disabled", "another rule", "another owner", "other tags"],
)
def test_what_no_rule_covers_any_more_is_kept(
    house: House, monkeypatch: pytest.MonkeyPatch, change: Callable[[House], None]
) -> None:
    """The change comes when the object has just been found."""
    find = object_lifecycles.old_objects

    def find_and_change(*arguments: Any, **options: Any) -> Any:
        found = find(*arguments, **options)
        change(house)
        return found

    async def story() -> None:
        house.rules(TAGGED)
        await house.objects.put("bucket", "k", b"x", details=Details(tags={"keep": "no"}))
        house.clock.now = START + 2 * DAY_MS
        monkeypatch.setattr(object_lifecycles, "old_objects", find_and_change)
        assert await house.lifecycles.carry_out() == 0
        assert await house.keys() == ["k"]

    asyncio.run(story())


@pytest.mark.parametrize("change", [House.no_rules, House.give_away], ids=["no rules", "another owner"])
def test_an_upload_that_no_rule_covers_any_more_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch, change: Callable[[House], None]
) -> None:
    find = object_lifecycles.old_uploads

    def find_and_change(*arguments: Any, **options: Any) -> Any:
        found = find(*arguments, **options)
        change(house)
        return found

    async def story() -> None:
        house.rules(ABORTING)
        upload = await house.objects.uploads.create("bucket", "u/1")
        house.clock.now = START + 2 * DAY_MS
        monkeypatch.setattr(object_lifecycles, "old_uploads", find_and_change)
        monkeypatch.setattr(lifecycles, "_AT_A_TIME", 1)  # so that the round would look for more
        assert await house.lifecycles.carry_out() == 0
        assert await house.objects.uploads.find("bucket", "u/1", upload.id) == upload

    asyncio.run(story())
