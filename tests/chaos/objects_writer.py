"""Programs that the chaos tests of the object storage start as processes of their own, and kill.

``python -m tests.chaos.objects_writer FOLDER overwrite SEED`` puts, copies, completes and deletes until it is killed,
and says on stdout what it begins and what is done. ``... FOLDER fill BYTES`` works with files limited to that size.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from braketeer.domain.clock import SystemClock
from braketeer.domain.encryption import AES256
from braketeer.domain.errors import ServiceError
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.objects.uploads import SMALLEST_PART, NamedPart
from braketeer.store import buckets
from braketeer.store.database import Database
from braketeer.store.secrets import Secrets
from braketeer.store.tables import metadata

KEYS = ("a", "b", "c", "d")
SIZES = (0, 100, 60_000, 70_000, 700_000, 3_000_000, 6_000_000)


def body_of(key: str, generation: int, size: int) -> bytes:
    """Bytes that say which they are: any mixture of two generations is seen by ``is_whole``."""
    head = f"{key} {generation} {size}\n".encode()
    block = hashlib.sha256(head).digest()
    return head + (block * (size // len(block) + 1))[:size]


def is_whole(key: str, data: bytes) -> int:
    """The generation of a body, which must be all there."""
    head, _, _ = data.partition(b"\n")
    name, generation, size = head.decode().split(" ")
    assert name == key
    assert data == body_of(key, int(generation), int(size))
    return int(generation)


async def opened(folder: Path) -> tuple[Database, EmbeddedObjects]:
    database = Database(f"sqlite:///{folder / 'braketeer.db'}")
    await database.write(lambda tx: metadata.create_all(tx.connection))
    bucket = buckets.Bucket("bucket", "000000000000", "us-east-1", {}, 0)
    await database.write(lambda tx: buckets.create(tx.connection, bucket))
    return database, EmbeddedObjects(database, folder / "objects", SystemClock(), Secrets(b"0" * 43 + b"="))


async def overwrite(folder: Path, seed: int) -> None:
    _, objects = await opened(folder)
    chance = random.Random(seed)
    await asyncio.gather(*(_overwrite(objects, key, random.Random(chance.random()), seed * 1_000_000) for key in KEYS))


async def _overwrite(objects: EmbeddedObjects, key: str, chance: random.Random, generation: int) -> None:
    while True:
        generation += 1
        data = body_of(key, generation, chance.choice(SIZES))
        print("begin", key, generation, flush=True)
        match chance.randrange(5):
            case 0:
                upload = await objects.uploads.create("bucket", key)
                halves = [data[:SMALLEST_PART], data[SMALLEST_PART:]]
                parts = halves if halves[1] else halves[:1]
                stored = [await objects.uploads.put_part(upload, n, part) for n, part in enumerate(parts, 1)]
                named = [NamedPart(part.number, part.etag, {}) for part in stored]
                await objects.uploads.complete("bucket", key, upload.id, named)
            case 1:
                await objects.put("bucket", f"source-{key}", _pieces(data, chance))
                await objects.copy(("bucket", f"source-{key}"), ("bucket", key))
                await objects.delete("bucket", f"source-{key}")
            case 2:
                sealed = await objects.keys.named("000000000000", AES256)
                await objects.put("bucket", key, _pieces(data, chance), encryption=sealed)
            case _:
                await objects.put("bucket", key, _pieces(data, chance))
        print("done", key, generation, flush=True)


async def _pieces(data: bytes, chance: random.Random) -> AsyncIterator[bytes]:
    size = chance.choice((10_000, 65_536, 300_000))
    for start in range(0, len(data), size):
        yield data[start : start + size]
        await asyncio.sleep(0)


async def fill(folder: Path, limit: int) -> None:
    """Put ever more until something is refused; then print what was stored and how the refusal reads."""
    database, objects = await opened(folder)
    await objects.put("bucket", "before", body_of("before", 1, 10))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for size in (limit * 2, 50_000):
        for generation in range(2000):
            try:
                await objects.put("bucket", f"{size}-{generation}", body_of(f"{size}-{generation}", generation, size))
            except ServiceError as error:
                print("refused", size, error.code, error.status, flush=True)
                break
            print("stored", f"{size}-{generation}", flush=True)
    objects.close()
    database.close()


if __name__ == "__main__":
    program = {"overwrite": overwrite, "fill": fill}[sys.argv[2]]
    asyncio.run(program(Path(sys.argv[1]), int(sys.argv[3])))
