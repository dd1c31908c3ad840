"""The database's promises: durable when it returns, each caller for itself, nobody told of what did not happen."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from braketeer.domain.errors import ServiceUnavailableException, ValidationException
from braketeer.store import migrations, tables, tags
from braketeer.store.database import Database, Transaction, opened
from braketeer.store.group_commit import reason
from braketeer.store.statements import Statement
from braketeer.store.tables import metadata

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as opened_database:
        yield opened_database


def test_what_was_written_is_there_after_opening_again(database_url: str) -> None:
    with opened(database_url) as database:
        database.write_now(lambda tx: tags.put(tx.connection, "a", {"k": "v"}))
    with opened(database_url) as database:
        assert database.read_now(lambda connection: tags.of(connection, "a")) == {"k": "v"}


@SQLITE
def test_a_write_is_on_disk_when_it_returns(database_url: str, tmp_path: Path) -> None:
    with opened(database_url) as database:
        database.write_now(lambda tx: tags.put(tx.connection, "a", {"k": "v"}))
        with sqlite3.connect(tmp_path / "braketeer.db") as other:
            assert other.execute("SELECT value FROM tags").fetchall() == [("v",)]
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.close()


def test_of_many_writers_each_gets_its_own_outcome(database: Database) -> None:
    def work(number: int):
        def write(tx):
            tags.put(tx.connection, f"resource {number}", {"k": str(number)})
            if number % 3 == 0:
                raise ValidationException(f"no {number}")
            return number

        return write

    async def run() -> list:
        return await asyncio.gather(*(database.write(work(number)) for number in range(60)), return_exceptions=True)

    outcomes = asyncio.run(run())
    for number, outcome in enumerate(outcomes):
        stored = database.read_now(lambda connection, number=number: tags.of(connection, f"resource {number}"))
        if number % 3 == 0:
            assert isinstance(outcome, ValidationException)
            assert outcome.message == f"no {number}"
            assert stored == {}
        else:
            assert outcome == number
            assert stored == {"k": str(number)}


@SQLITE
def test_a_full_disk_refuses_and_the_next_write_succeeds(database: Database) -> None:
    def limit(pages: int) -> None:
        database.write_now(lambda tx: tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}"))

    pages = database.read_now(lambda connection: connection.execute(text("PRAGMA page_count")).scalar_one())
    limit(pages + 4)

    async def fill() -> list:
        large = {f"k{i}": "x" * 200 for i in range(20)}
        writes = [database.write(lambda tx, i=i: tags.put(tx.connection, f"r{i}", large)) for i in range(40)]
        return await asyncio.gather(*writes, return_exceptions=True)

    outcomes = asyncio.run(fill())
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert refused
    assert all(isinstance(outcome, ServiceUnavailableException) for outcome in refused)
    for number, outcome in enumerate(outcomes):
        stored = database.read_now(lambda connection, number=number: tags.of(connection, f"r{number}"))
        assert len(stored) == (0 if outcome is not None else 20)
    limit(10_000)
    database.write_now(lambda tx: tags.put(tx.connection, "after", {"k": "v"}))
    assert database.read_now(lambda connection: tags.of(connection, "after")) == {"k": "v"}


def test_news_leave_after_the_commit_and_only_then(database: Database) -> None:
    async def run() -> tuple[bool, bool]:
        with database.topics.subscribe("news") as news:

            def fail(tx):
                tx.notify("news")
                raise ValidationException("no")

            with pytest.raises(ValidationException):
                await database.write(fail)
            silent = await news.wait(0.05)
            await database.write(lambda tx: tx.notify("news"))
            return silent, await news.wait(5)

    assert asyncio.run(run()) == (False, True)


def test_a_closed_database_refuses_writes(database_url: str) -> None:
    database = Database(database_url)
    database.close()
    with pytest.raises(ServiceUnavailableException):
        database.write_now(lambda tx: None)


def test_the_migrations_make_the_schema_that_the_tables_describe(database_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with opened(database_url) as database:
        differences = database.read_now(
            lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
        )
    assert differences == []


@SQLITE
def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    with opened(database_url) as database:
        database.write_now(lambda tx: tx.connection.exec_driver_sql("UPDATE alembic_version SET version_num='9999'"))
    with pytest.raises(RuntimeError, match="newer version"):
        migrations.upgrade(database_url)


@SQLITE
def test_trouble_of_the_database_is_nobodys_mistake(database: Database) -> None:
    """A statement that fails for want of room, or a read that cannot be done, may be tried again: never a 500."""
    with pytest.raises(ServiceUnavailableException):
        database.read_now(lambda connection: connection.execute(text("SELECT * FROM no_such_table")))
    with pytest.raises(ServiceUnavailableException):
        database.write_now(lambda tx: tx.connection.execute(text("INSERT INTO no_such_table VALUES (1)")))


@pytest.mark.parametrize("statement", [insert(tables.tags), Statement(insert(tables.tags))])
def test_neither_errors_nor_the_log_hold_what_rows_hold(
    database_url: str, statement: Any, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"resource_arn": "the-arn", "key": "k", "value": "the-value"}

    def put(transaction: Transaction) -> None:
        for _ in range(2):
            if isinstance(statement, Statement):
                statement.run(transaction.connection, row)
            else:
                transaction.connection.execute(statement, row)

    caplog.set_level("DEBUG")
    with opened(database_url) as database, pytest.raises(IntegrityError) as refused:
        database.write_now(put)
    traceback = "".join(format_exception(refused.value))
    for said in (traceback, reason(refused.value), caplog.text):
        assert "the-value" not in said
        assert "the-arn" not in said
