"""The object storage is killed while it writes, or out of disk: every object is an old one or a new one, whole."""

from __future__ import annotations

import asyncio
import random
import resource
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from braketeer.objects.embedded import EmbeddedObjects
from braketeer.store.database import Database
from tests.chaos.objects_writer import KEYS, is_whole, opened
from tests.integration.s3_server import body, client_of, refusal


def started(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.chaos.objects_writer", str(folder), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def checked(folder: Path, check: Any) -> None:
    database, objects = await opened(folder)
    try:
        await check(database, objects)
    finally:
        objects.close()
        database.close()


def test_a_full_disk_is_told_in_the_words_of_s3(tmp_path: Path) -> None:
    """Over HTTP: a body that does not fit on the disk, and a row that does not fit into the database."""
    command = [sys.executable, "-m", "tests.integration.s3_server", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        with closing(client_of(server.stdout.readline().strip())) as s3:
            s3.create_bucket(Bucket="bucket")
            s3.put_object(Bucket="bucket", Key="before", Body=b"before")
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
            assert refusal(lambda: s3.put_object(Bucket="bucket", Key="k", Body=b"x" * (4 << 20))) == (
                "InsufficientStorage",
                507,
            )

            def fill() -> None:
                for number in range(500):
                    s3.put_object(Bucket="bucket", Key=str(number), Body=b"x" * 50_000)

            assert refusal(fill) == ("ServiceUnavailable", 503)
            wanted = {"Objects": [{"Key": "before"}]}
            errors = s3.delete_objects(Bucket="bucket", Delete=wanted).get("Errors", [])
            assert [error["Code"] for error in errors] in ([], ["ServiceUnavailable"])
            assert body(s3, "bucket", "0") == b"x" * 50_000
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def names_in_rows(database: Database) -> set[str]:
    query = "SELECT file FROM object_files UNION SELECT file FROM upload_parts"
    return database.read_now(lambda c: set(c.exec_driver_sql(query).scalars()))


def files_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "objects").rglob("*") if path.is_file()}


def test_killed_at_any_point_each_object_is_whole(tmp_path: Path) -> None:
    chance = random.Random(4)
    finished = dict.fromkeys(KEYS, 0)
    for life in range(1, 9):
        begun = dict(finished)
        writer = started(tmp_path, "overwrite", life)
        lines: list[str] = []
        assert writer.stdout is not None
        reader = threading.Thread(target=lambda out=writer.stdout, lines=lines: lines.extend(out))
        reader.start()
        while len(lines) < 12 and writer.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.4))
        writer.kill()
        writer.wait()
        reader.join()
        writer.stdout.close()
        for line in lines:
            if line.endswith("\n"):
                word, key, generation = line.split()
                (begun if word == "begin" else finished)[key] = int(generation)
        assert all(finished.values()), "the writer got somewhere in this life"

        async def check(database: Database, objects: EmbeddedObjects, begun: dict[str, int] = begun) -> None:
            for key in KEYS:
                data = await objects.read("bucket", key)
                assert data is not None
                assert finished[key] <= is_whole(key, data) <= begun[key]
            assert names_in_rows(database) <= files_in(tmp_path)
            await objects.collect_garbage(0)

        asyncio.run(checked(tmp_path, check))
        asyncio.run(checked(tmp_path, _nothing_unnamed(tmp_path)))


def _nothing_unnamed(folder: Path) -> Any:
    async def check(database: Database, _: EmbeddedObjects) -> None:
        assert names_in_rows(database) == files_in(folder)

    return check


def test_a_full_disk_refuses_and_keeps_what_is_there(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: files cannot grow beyond it, nor can the database."""
    writer = started(tmp_path, "fill", 4 << 20)
    output, _ = writer.communicate(timeout=120)
    lines = [line.split() for line in output.splitlines()]
    assert [line[1:] for line in lines if line[0] == "refused"] == [
        [str(8 << 20), "InsufficientStorage", "507"],
        ["50000", "ServiceUnavailableException", "503"],
    ]

    async def check(database: Database, objects: EmbeddedObjects) -> None:
        stored = [line[1] for line in lines if line[0] == "stored"]
        assert stored
        for key in ("before", *stored):
            data = await objects.read("bucket", key)
            assert data is not None
            is_whole(key, data)
        page = await objects.page("bucket")
        assert [entry.key for entry in page.entries] == sorted(["before", *stored])[:1000]
        assert names_in_rows(database) == files_in(tmp_path) == set()

    asyncio.run(checked(tmp_path, check))
