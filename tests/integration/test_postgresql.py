"""What PostgreSQL adds to the database's promises: several processes, a server that goes away, transactions at once."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, text
from sqlalchemy.exc import IntegrityError

from braketeer.data_directory import DIRECTORY, INSTALLATION, StartError, bind, open_database
from braketeer.domain.errors import ServiceUnavailableException, ValidationException
from braketeer.store import migrations, service_values, tags
from braketeer.store.database import Database, Transaction, engine_for, opened
from braketeer.store.postgresql_listener import LONGEST_PAYLOAD, payloads
from tests.postgresql import Cluster


@pytest.fixture
def database_url(postgresql: Cluster) -> Iterator[str]:
    with postgresql.database() as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as one:
        yield one


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """As another process would have it."""
    with opened(database_url) as another:
        yield another


def put(database: Database, arn: str, **values: str) -> None:
    database.write_now(lambda tx: tags.put(tx.connection, arn, values))


def of(database: Database, arn: str) -> dict[str, str]:
    return database.read_now(lambda connection: tags.of(connection, arn))


def test_news_reach_other_processes_after_the_commit_and_only_then(database: Database, other: Database) -> None:
    async def run() -> list[bool]:
        with other.topics.subscribe("news") as news, other.topics.subscribe("others") as others:

            def fail(tx: Transaction) -> None:
                tx.notify("news")
                raise ValidationException("no")

            with pytest.raises(ValidationException):
                await database.write(fail)
            silent = await news.wait(0.2)
            await database.write(lambda tx: tx.notify("news"))
            return [silent, await news.wait(5), await others.wait(0.05)]

    assert asyncio.run(run()) == [False, True, False]


def test_many_topics_of_one_transaction_all_arrive(database: Database, other: Database) -> None:
    topics = [f"task/{number:036}" for number in range(1000)]

    async def run() -> None:
        with other.topics.subscribe(topics[0]) as first, other.topics.subscribe(topics[-1]) as last:
            await database.write(lambda tx: [tx.notify(topic) for topic in topics])
            assert await first.wait(5)
            assert await last.wait(5)

    asyncio.run(run())
    parts = payloads("sender", topics)
    assert max(len(part) for part in parts) <= LONGEST_PAYLOAD
    assert [topic for part in parts for topic in part.split("\n")[1:]] == topics


def test_a_restart_of_the_server_is_not_noticed(
    database: Database, other: Database, postgresql: Cluster, database_url: str
) -> None:
    put(database, "a", k="before")
    assert of(database, "a") == {"k": "before"}

    async def run() -> bool:
        with other.topics.subscribe("news") as news:
            await asyncio.to_thread(postgresql.interrupt, database_url)
            # Whatever was missed meanwhile, everybody looks again.
            return await news.wait(10)

    for number in range(3):
        assert asyncio.run(run())
        assert of(database, "a") == {"k": "before" if number == 0 else str(number - 1)}
        put(database, "a", k=str(number))
    assert of(other, "a") == {"k": "2"}


def test_a_connection_lost_in_the_middle_begins_the_transaction_anew(
    database: Database, postgresql: Cluster, database_url: str
) -> None:
    tries = []

    def write(tx: Transaction) -> int:
        tags.put(tx.connection, "a", {"k": str(len(tries))})
        tries.append(1)
        if len(tries) == 1:
            postgresql.interrupt(database_url)
        tags.put(tx.connection, "b", {"k": "v"})
        return len(tries)

    assert database.write_now(write) == 2
    assert (of(database, "a"), of(database, "b")) == ({"k": "1"}, {"k": "v"})


def test_a_connection_lost_while_it_commits_is_told_and_nothing_is_done_twice(
    database: Database, postgresql: Cluster, database_url: str
) -> None:
    runs = []

    def write(tx: Transaction) -> None:
        runs.append(1)
        tags.put(tx.connection, "a", {"k": "v"})
        event.listen(tx.connection, "commit", lambda _: postgresql.interrupt(database_url))

    with pytest.raises(ServiceUnavailableException):
        database.write_now(write)
    assert len(runs) == 1
    put(database, "b", k="v")


def test_a_server_that_is_gone_is_nobodys_mistake(postgresql: Cluster) -> None:
    with postgresql.new_database() as url:
        migrations.upgrade(url)
        database = Database(url)
    try:  # its database is dropped
        with pytest.raises(ServiceUnavailableException, match="does not exist"):
            of(database, "a")
        with pytest.raises(ServiceUnavailableException, match="does not exist"):
            put(database, "a", k="v")
    finally:
        database.close()


def test_a_read_is_of_one_moment(database: Database, other: Database) -> None:
    put(database, "a", k="before")

    def look(connection: Any) -> list[dict[str, str]]:
        first = tags.of(connection, "a")
        put(other, "a", k="after")
        return [first, tags.of(connection, "a")]

    assert database.read_now(look) == [{"k": "before"}, {"k": "before"}]
    assert of(database, "a") == {"k": "after"}


def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match="read-only"):
        database.read_now(lambda connection: tags.put(connection, "a", {"k": "v"}))
    assert of(database, "a") == {}


def test_reads_go_on_while_every_writer_waits(database: Database) -> None:
    go_on = threading.Event()

    def wait(_: Transaction) -> None:
        assert go_on.wait(30)

    async def run() -> dict[str, str]:
        waiting = [asyncio.create_task(database.write(wait)) for _ in range(40)]
        await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(database.read(lambda connection: tags.of(connection, "a")), 10)
        finally:
            go_on.set()
            await asyncio.gather(*waiting)

    assert asyncio.run(run()) == {}


def test_a_deadlock_is_solved_by_doing_one_again(database: Database) -> None:
    put(database, "a", k="0")
    put(database, "b", k="0")
    both_have_begun = threading.Barrier(2, timeout=10)
    runs: list[str] = []

    def swap(first: str, second: str) -> None:
        def write(tx: Transaction) -> None:
            runs.append(first)
            change = text("UPDATE tags SET value = value || :by WHERE resource_arn = :arn")
            tx.connection.execute(change, {"arn": first, "by": first})
            if len(runs) <= 2:
                both_have_begun.wait()
            tx.connection.execute(change, {"arn": second, "by": first})

        database.write_now(write)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(swap, "ab", "ba"))
    assert len(runs) == 3
    assert {len(of(database, arn)["k"]) for arn in "ab"} == {3}


def test_what_another_has_just_added_is_found_by_the_check_of_the_second_try(database: Database) -> None:
    """A check that was passed before another's commit is looked at again, and refuses with its own words."""
    both_have_looked = threading.Barrier(2, timeout=10)
    looks: list[bool] = []

    def add(number: int) -> str:
        def write(tx: Transaction) -> None:
            there = bool(tags.of(tx.connection, "a"))
            looks.append(there)
            if there:
                raise ValidationException("taken")
            if len(looks) <= 2:
                both_have_looked.wait()
            insert = text("INSERT INTO tags VALUES ('a', 'k', :value)")
            tx.connection.execute(insert, {"value": str(number)})

        try:
            database.write_now(write)
        except ValidationException as refused:
            return refused.message
        return "added"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(add, range(2))) == ["added", "taken"]


def test_a_constraint_that_stays_broken_is_a_defect(database: Database) -> None:
    put(database, "a", k="v")
    with pytest.raises(IntegrityError):
        database.write_now(lambda tx: tx.connection.execute(text("INSERT INTO tags VALUES ('a', 'k', 'v')")))


def test_who_waits_for_a_row_too_long_is_told(database: Database, database_url: str) -> None:
    put(database, "a", k="0")
    holds, let_go = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        tx.connection.execute(text("SELECT FROM tags WHERE resource_arn = 'a' FOR UPDATE"))
        holds.set()
        assert let_go.wait(60)

    change = text("UPDATE tags SET value = '1' WHERE resource_arn = 'a'")
    with ThreadPoolExecutor(1) as pool, opened(f"{database_url}&options=-c%20lock_timeout%3D50ms") as impatient:
        holder = pool.submit(database.write_now, hold)
        assert holds.wait(60)
        try:
            with pytest.raises(ServiceUnavailableException, match="lock timeout"):
                impatient.write_now(lambda tx: tx.connection.execute(change))
        finally:
            let_go.set()
            holder.result()
        impatient.write_now(lambda tx: tx.connection.execute(change))
    assert of(database, "a") == {"k": "1"}


def test_the_server_watches_over_every_session_but_the_one_that_migrates(database: Database, database_url: str) -> None:
    names = ("lock_timeout", "idle_in_transaction_session_timeout")

    def show(connection: Any) -> list[str]:
        return [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]

    assert database.read_now(show) == database.write_now(lambda tx: show(tx.connection)) == ["10s", "30s"]
    migrating = engine_for(database_url)
    with migrating.connect() as connection:
        assert show(connection) == ["0", "0"]
    migrating.dispose()


def test_what_text_cannot_hold_is_refused(database: Database) -> None:
    with pytest.raises(ValidationException, match="NUL"):
        put(database, "a", k="a\0b")


def test_a_commit_waits_for_the_disk_though_the_server_would_not(database_url: str, database: Database) -> None:
    name = database.read_now(lambda connection: connection.execute(text("SELECT current_database()")).scalar_one())
    with opened(database_url) as one:
        set_off = text(f"ALTER DATABASE {name} SET synchronous_commit TO off")
        one.write_now(lambda tx: tx.connection.execute(set_off))
    try:
        with opened(database_url) as again:
            ask = text("SHOW synchronous_commit")
            assert again.read_now(lambda connection: connection.execute(ask).scalar_one()) == "off"
            assert again.write_now(lambda tx: tx.connection.execute(ask).scalar_one()) == "on"
    finally:
        reset = text(f"ALTER DATABASE {name} RESET synchronous_commit")
        database.write_now(lambda tx: tx.connection.execute(reset))


def test_of_several_that_start_at_once_one_migrates(postgresql: Cluster) -> None:
    with postgresql.new_database() as url:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(migrations.upgrade, [url] * 4))
        with opened(url) as database:
            put(database, "a", k="v")
            revisions = text("SELECT version_num FROM alembic_version")
            found = database.read_now(lambda connection: connection.execute(revisions).scalars().all())
            assert found == [migrations.HEAD]
            newer = text("UPDATE alembic_version SET version_num = '9999'")
            database.write_now(lambda tx: tx.connection.execute(newer))
        with pytest.raises(RuntimeError, match="newer version"):
            migrations.upgrade(url)


def test_a_database_that_cannot_hold_every_text_is_refused(postgresql: Cluster) -> None:
    ascii_only = "ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
    with postgresql.new_database(ascii_only) as url, pytest.raises(RuntimeError, match="SQL_ASCII"):
        migrations.upgrade(url)


def test_a_directory_belongs_to_one_database(database: Database, postgresql: Cluster, tmp_path: Path) -> None:
    bind(tmp_path, database)
    bind(tmp_path, database)
    with postgresql.new_database() as url:
        migrations.upgrade(url)
        with opened(url) as another:
            with pytest.raises(StartError, match="another database"):
                bind(tmp_path, another)
            assert another.read_now(lambda connection: service_values.of(connection, [INSTALLATION, DIRECTORY])) == {}
            (tmp_path / "sqlite").mkdir()
            (tmp_path / "sqlite" / "braketeer.db").touch()
            with pytest.raises(StartError, match="on SQLite"):
                bind(tmp_path / "sqlite", another)


def test_a_database_belongs_to_one_directory(database: Database, tmp_path: Path) -> None:
    """Services in two would each delete the files of the other's objects."""
    first, second, older = (tmp_path / name for name in ("first", "second", "older"))
    for folder in (first, second, older):
        folder.mkdir()
    bind(first, database)
    known = json.loads((first / "database.json").read_text())
    (older / "database.json").write_text(json.dumps({"kind": known["kind"], "id": known["id"]}))
    for folder in (second, older):
        before = sorted(path.read_text() for path in folder.iterdir())
        with pytest.raises(StartError, match="another data directory"):
            bind(folder, database)
        assert sorted(path.read_text() for path in folder.iterdir()) == before
    shutil.copy(first / "database.json", second)  # a whole copy, of which one may be used
    bind(second, database)


def test_a_directory_from_before_it_had_an_id_is_the_first_that_gets_one(database: Database, tmp_path: Path) -> None:
    bind(tmp_path, database)
    path = tmp_path / "database.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({"kind": known["kind"], "id": known["id"]}))
    database.write_now(lambda tx: tx.connection.execute(text("DELETE FROM service_values WHERE name LIKE 'data%'")))
    for _ in range(2):
        bind(tmp_path, database)
    assert json.loads(path.read_text())["id"] == known["id"]
    assert json.loads(path.read_text())["directory"] != known["directory"]


def test_nothing_is_changed_in_a_database_that_is_not_the_directorys(
    database: Database, postgresql: Cluster, tmp_path: Path
) -> None:
    bind(tmp_path, database)
    with postgresql.new_database() as url:
        with pytest.raises(StartError, match="another database"):
            open_database(tmp_path, url)
        engine = engine_for(url)
        with engine.connect() as connection:
            assert inspect(connection).get_table_names() == []
        engine.dispose()
    with pytest.raises(StartError, match="on PostgreSQL"):
        open_database(tmp_path, f"sqlite:///{tmp_path / 'braketeer.db'}")
    assert [path.name for path in tmp_path.iterdir()] == ["database.json"]


@pytest.mark.parametrize("address", ["127.0.0.1:1/x", "nowhere.invalid/x", "127.0.0.1:1/x?no_such_option=1"])
def test_a_server_that_cannot_be_reached_is_told_without_the_password(address: str) -> None:
    began = time.monotonic()
    with pytest.raises(RuntimeError) as refused:
        migrations.upgrade(f"postgresql://somebody:the-password@{address}")
    assert "the-password" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert time.monotonic() - began < 60
