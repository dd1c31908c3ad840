"""The outbox on both databases: every change of a state is an event of the same transaction, none is passed over."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import Connection, text

from braketeer.domain.events import Cursor, Event, document
from braketeer.store import events
from braketeer.store.database import Database, Transaction, opened

TASK = """
INSERT INTO quantum_tasks (id, account, region, device_arn, status, shots, output_bucket, output_prefix,
    device_parameters, action_type, created_at)
VALUES (:id, '000000000000', 'us-east-1', 'device', 'QUEUED', 10, 'bucket', 'prefix', '{}', 'x', 1000)
"""
USUAL = {"arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet": "ONLINE"}.__getitem__
DEVICE = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"


@pytest.fixture
def database(database_url: str) -> Any:
    with opened(database_url) as database:
        yield database


def run(database: Database, statement: str, **values: Any) -> None:
    database.write_now(lambda transaction: transaction.connection.execute(text(statement), values))


def read(database: Database, cursor: Cursor, most: int = 100) -> list[Event]:
    return database.read_now(lambda connection: events.after(connection, cursor, most))


def told(database: Database, cursor: Cursor | None = None) -> list[tuple[str, str, str]]:
    return [(event.resource, event.status, event.name) for event in read(database, cursor or Cursor())]


def test_whatever_statement_changes_a_state_it_is_an_event(database: Database) -> None:
    for task in "ab":
        run(database, TASK, id=task)
    run(database, "UPDATE quantum_tasks SET status = 'RUNNING', started_at = 2000")
    run(database, "UPDATE quantum_tasks SET status = 'RUNNING', attempt = 2")  # no change
    run(database, "UPDATE quantum_tasks SET shots = 11 WHERE id = 'a'")
    run(database, "UPDATE quantum_tasks SET status = 'FAILED', ended_at = 3000, failure_reason = 'why' WHERE id = 'b'")
    assert sorted(told(database)[:4]) == sorted(
        [("a", "QUEUED", "INSERT"), ("b", "QUEUED", "INSERT"), ("a", "RUNNING", "MODIFY"), ("b", "RUNNING", "MODIFY")]
    )
    assert told(database)[4:] == [("b", "FAILED", "MODIFY")]
    event = read(database, Cursor())[-1]
    shown = document(event, "here", USUAL)
    assert shown["detail-type"] == "Braket Task State Change"
    assert shown["resources"] == ["arn:aws:braket:us-east-1:000000000000:quantum-task/b"]
    assert shown["detail"] == {
        "quantumTaskArn": "arn:aws:braket:us-east-1:000000000000:quantum-task/b",
        "status": "FAILED",
        "deviceArn": "device",
        "shots": "10",
        "outputS3Bucket": "bucket",
        "outputS3Directory": "prefix",
        "createdAt": "1970-01-01T00:00:01.000Z",
        "eventName": "MODIFY",
        "endedAt": "1970-01-01T00:00:03.000Z",
        "failureReason": "why",
    }
    assert document(event, "here", USUAL)["id"] != document(event, "elsewhere", USUAL)["id"]


def test_devices_tell_of_their_states_too(database: Database) -> None:
    run(database, "INSERT INTO device_states (device_arn, status, updated_at) VALUES (:arn, 'OFFLINE', 1)", arn=DEVICE)
    run(database, "UPDATE device_states SET reported_status = 'ONLINE'")  # the operator's word goes before
    run(database, "UPDATE device_states SET status = 'DEFAULT', reported_status = NULL")
    run(database, "UPDATE device_states SET reported_status = 'OFFLINE'")
    run(database, "INSERT INTO device_states (device_arn, status, updated_at) VALUES ('other', 'DEFAULT', 1)")
    first, second, third = read(database, Cursor())
    assert document(first, "here", USUAL)["detail"] == {
        "deviceArn": DEVICE,
        "deviceStatus": "OFFLINE",
        "eventName": "INSERT",
    }
    assert document(second, "here", USUAL)["region"] == "eu-north-1"
    assert document(second, "here", USUAL)["detail"]["deviceStatus"] == "ONLINE"
    assert document(third, "here", USUAL)["detail"]["deviceStatus"] == "OFFLINE"


def test_what_is_undone_has_not_happened(database: Database) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.connection.execute(text(TASK), {"id": "a"})
        raise LookupError

    with pytest.raises(LookupError):
        database.write_now(fail)
    assert told(database) == []


def test_an_event_has_service_time(database: Database) -> None:
    run(database, TASK, id="a")
    run(database, "INSERT INTO service_values (name, value) VALUES ('clock offset', '86400000')")
    run(database, TASK, id="b")
    first, second = read(database, Cursor())
    assert 86_400_000 <= second.at_ms - first.at_ms < 86_400_000 + 60_000


def test_reading_goes_on_where_it_stopped(database: Database) -> None:
    for number in range(7):
        run(database, TASK, id=str(number))
    cursor, seen = Cursor(), []
    while found := read(database, cursor, 3):
        seen += [event.resource for event in found]
        cursor = Cursor.of(found[-1].cursor.text)
    assert seen == [str(number) for number in range(7)]
    assert database.read_now(events.last) == cursor
    run(database, "DELETE FROM quantum_tasks WHERE id = '3'")
    assert [event.row is None for event in read(database, Cursor())].count(True) == 1


def test_a_transaction_that_ends_later_than_it_began_is_not_passed_over(database: Database) -> None:
    """PostgreSQL gives places in the order before anybody can see the row; SQLite's writers come one by one."""
    if database.is_sqlite:
        pytest.skip("one writer at a time")
    inserted, seen = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        transaction.connection.execute(text(TASK), {"id": "slow"})
        inserted.set()
        assert seen.wait(30)

    thread = threading.Thread(target=database.write_now, args=(slow,))
    thread.start()
    assert inserted.wait(30)
    run(database, TASK, id="fast")
    before = read(database, Cursor())
    cursor = before[-1].cursor if before else Cursor()
    seen.set()
    thread.join()
    assert sorted([event.resource for event in before] + [one for one, _, _ in told(database, cursor)]) == [
        "fast",
        "slow",
    ]


def test_old_events_are_forgotten(database: Database) -> None:
    run(database, TASK, id="a")

    def forget(connection: Connection, before_ms: int) -> bool:
        return events.forget_old(connection, before_ms)

    at = read(database, Cursor(), 1)[0].at_ms
    database.write_now(lambda transaction: forget(transaction.connection, at))
    assert len(told(database)) == 1
    database.write_now(lambda transaction: forget(transaction.connection, at + 1))
    assert told(database) == []


@pytest.mark.parametrize("cursor", ["", "1", "a.b", "1.2.3", "-1.2", "\u0661.\u0662"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="no place among events"):
        Cursor.of(cursor)
