"""Statements at the driver's speed: the same rows, counts and errors as SQLAlchemy's own way, on both databases."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from braketeer.store import quantum_tasks as tasks
from braketeer.store.database import Database, opened
from braketeer.store.statements import Statement
from braketeer.store.tables import quantum_tasks

_t = quantum_tasks.c
ADD = Statement(insert(quantum_tasks).inline())
BY_ID = select(quantum_tasks).where(_t.id == bindparam("of_id"))
START = (
    update(quantum_tasks)
    .where(_t.id == bindparam("of_id"), _t.status == "QUEUED")
    .values(status="RUNNING", started_at=bindparam("now"), lease_owner=None, attempt=_t.attempt + 1)
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as found:
        yield found


def row(task_id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": task_id,
        "account": "000000000000",
        "region": "us-east-1",
        "device_arn": "device",
        "status": "QUEUED",
        "shots": 2**40,
        "output_bucket": "bucket",
        "output_prefix": "prefix",
        "device_parameters": "{}",
        "action_type": "x",
        "created_at": 1,
        **more,
    }


def test_what_is_added_is_read_as_sqlalchemy_reads_it(database: Database) -> None:
    rich = row("rich", associations=[{"arn": "a", "type": "ü"}], job_id="job", program_count=3)
    plain = row("plain", associations=None, experimental_capabilities={"enabled": "ALL"})

    def add(tx) -> None:
        assert ADD.run(tx.connection, rich) == 1
        assert ADD.run(tx.connection, plain) == 1  # other columns: another text of the same statement

    database.write_now(add)

    def check(connection) -> None:
        for given in (rich, plain):
            terms = {"of_id": given["id"]}
            found = Statement(BY_ID).mapping_or_none(connection, terms)
            assert found is not None
            assert dict(found) == dict(connection.execute(BY_ID, terms).mappings().one())
            assert {name: found[name] for name in given} == given
            assert tuple(Statement(BY_ID).one_or_none(connection, terms)) == tuple(found.values())

    database.read_now(check)


def test_counts_and_returned_rows(database: Database) -> None:
    start, started = Statement(START), Statement(START.returning(_t.id, _t.attempt, _t.lease_owner))

    def work(tx) -> None:
        for task_id in ("a", "b"):
            ADD.run(tx.connection, row(task_id, lease_owner="someone"))
        assert start.run(tx.connection, {"of_id": "a", "now": 5}) == 1
        assert start.run(tx.connection, {"of_id": "a", "now": 5}) == 0
        assert start.run(tx.connection, {"of_id": "nobody", "now": 5}) == 0
        assert started.one_or_none(tx.connection, {"of_id": "a", "now": 6}) is None
        assert tuple(started.one_or_none(tx.connection, {"of_id": "b", "now": 6})) == ("b", 1, None)
        every = Statement(select(_t.id, _t.started_at).where(_t.account == bindparam("of_account")).order_by(_t.id))
        assert [tuple(each) for each in every.all(tx.connection, {"of_account": "000000000000"})] == [
            ("a", 5),
            ("b", 6),
        ]

    database.write_now(work)


def test_errors_are_sqlalchemys(database: Database) -> None:
    database.write_now(lambda tx: ADD.run(tx.connection, row("twice")))
    with pytest.raises(IntegrityError):
        database.write_now(lambda tx: ADD.run(tx.connection, row("twice")))


def test_a_second_row_is_not_passed_over(database: Database) -> None:
    several = Statement(select(_t.id).where(_t.account == bindparam("of_account")))

    def add(tx) -> None:
        ADD.run(tx.connection, row("a"))
        ADD.run(tx.connection, row("b"))

    database.write_now(add)
    with pytest.raises(Exception, match=r"several|[Mm]ultiple rows"):
        database.read_now(lambda connection: several.one_or_none(connection, {"of_account": "000000000000"}))


def test_what_a_dead_service_held_is_found_among_any_number_of_tasks(tmp_path: Path, empty_file: Path) -> None:
    """By the index of held tasks: SQLite's steps do not grow with the tasks that have ended."""
    shutil.copy(empty_file, tmp_path / "braketeer.db")
    with opened(f"sqlite:///{tmp_path / 'braketeer.db'}") as database:
        ended = [row(f"ended-{number}", status="COMPLETED") for number in range(3_000)]
        held = [row(f"held-{status}", status=status, lease_until=5) for status in ("RUNNING", "CANCELLING")]
        database.write_now(lambda tx: tx.connection.execute(insert(quantum_tasks), [*ended]))
        database.write_now(lambda tx: tx.connection.execute(insert(quantum_tasks), held))
        for ask in (
            lambda connection: tasks.any_expired(connection, 5) is False,
            lambda connection: tasks.any_expired(connection, 6) is True,
            lambda connection: tasks.recover(connection, 0, 5) == 0,
            lambda connection: tasks.recover(connection, 0, None) == 2,
        ):
            answer, steps = database.write_now(lambda tx, ask=ask: steps_of(tx.connection, ask))
            assert answer
            assert steps < 1_000


def steps_of(connection: Connection, work: Callable[[Connection], bool]) -> tuple[bool, int]:
    """What some work returns, and how many steps of SQLite's virtual machine it took, to the last hundred."""
    driver: Any = connection.connection.driver_connection
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    driver.set_progress_handler(count, 100)
    try:
        return work(connection), steps
    finally:
        driver.set_progress_handler(None, 0)
