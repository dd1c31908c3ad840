"""Rows of devices: what the operator has set, what was added, and what drivers know of tasks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from braketeer.store import added_devices, devices, reset
from braketeer.store import quantum_tasks as tasks
from braketeer.store.database import Database, Transaction
from braketeer.store.devices import DeviceState, effective_status
from braketeer.store.tables import quantum_tasks

ARN = "arn:aws:braket:eu-north-1::device/qpu/lab/Mirror"
DEFINITION = {"arn": ARN, "name": "Mirror", "document": None}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def _add(database: Database, definition: Any = DEFINITION) -> bool:
    return database.write_now(lambda tx: added_devices.add(tx.connection, definition, b"sealed", None, 1))


def _add_task(connection: Connection, task_id: str, status: str = "QUEUED", arn: str = ARN) -> None:
    connection.execute(
        insert(quantum_tasks).values(
            id=task_id,
            account="111111111111",
            region="eu-north-1",
            device_arn=arn,
            status=status,
            shots=5,
            output_bucket="b",
            output_prefix="p",
            device_parameters="{}",
            action_type="braket.ir.openqasm.program",
            created_at=0,
        )
    )


def test_each_change_of_a_state_leaves_the_others_as_they_are(database: Database) -> None:
    changes = (
        lambda connection: devices.set_reported(connection, ARN, "OFFLINE", 1),
        lambda connection: devices.set_windows(connection, ARN, recorded=True, now_ms=2),
        lambda connection: devices.set_status(connection, ARN, "ONLINE", 3),
    )
    seen = []
    for change in changes:
        database.write_now(lambda tx, change=change: change(tx.connection))
        seen.append(database.read_now(lambda connection: devices.state(connection, ARN)))
    assert seen == [
        DeviceState(reported="OFFLINE"),
        DeviceState(recorded_windows=True, reported="OFFLINE"),
        DeviceState("ONLINE", recorded_windows=True, reported="OFFLINE"),
    ]
    assert database.read_now(devices.states) == {ARN: seen[-1]}
    database.write_now(lambda tx: devices.forget(tx.connection, ARN))
    assert database.read_now(devices.states) == {}


@pytest.mark.parametrize(
    ("state", "default", "status"),
    [
        (None, "RETIRED", "RETIRED"),
        (DeviceState(recorded_windows=True), "ONLINE", "ONLINE"),
        (DeviceState("ONLINE"), "RETIRED", "ONLINE"),
        (DeviceState(reported="OFFLINE"), "ONLINE", "OFFLINE"),
        (DeviceState("ONLINE", reported="RETIRED"), "ONLINE", "RETIRED"),
        (DeviceState("OFFLINE", reported="ONLINE"), "ONLINE", "OFFLINE"),
        (DeviceState(reported="ONLINE"), "OFFLINE", "OFFLINE"),
        (DeviceState(offline_until=1001), "ONLINE", "OFFLINE"),
        (DeviceState(offline_until=1000), "ONLINE", "ONLINE"),
        (DeviceState("RETIRED", offline_until=1001), "ONLINE", "RETIRED"),
        (DeviceState(maintenance=(1000, 1001)), "ONLINE", "OFFLINE"),
        (DeviceState(maintenance=(1001, 1002)), "ONLINE", "ONLINE"),
        (DeviceState(maintenance=(999, 1000)), "ONLINE", "ONLINE"),
        (DeviceState(maintenance=(999, 1001)), "RETIRED", "RETIRED"),
    ],
)
def test_the_status_that_holds(state: DeviceState | None, default: str, status: str) -> None:
    assert effective_status(state, default, 1000) == status


@pytest.mark.parametrize(
    ("state", "default", "back"),
    [
        (DeviceState(maintenance=(900, 1100)), "ONLINE", 1100),
        (DeviceState(offline_until=1100, maintenance=(1100, 1200)), "ONLINE", 1200),
        (DeviceState(offline_until=1100, maintenance=(900, 1050)), "ONLINE", 1100),
        (DeviceState(maintenance=(1001, 1100)), "ONLINE", None),
        (DeviceState("OFFLINE", maintenance=(900, 1100)), "ONLINE", None),
        (DeviceState(reported="OFFLINE", maintenance=(900, 1100)), "ONLINE", None),
    ],
)
def test_when_time_has_a_device_online_again(state: DeviceState, default: str, back: int | None) -> None:
    assert devices.back_at(state, default, 1000) == back


def test_what_a_driver_has_told_outlives_a_reset(database: Database) -> None:
    def change(connection: Connection) -> None:
        for device in ("another", ARN):
            devices.set_status(connection, device, "OFFLINE", 1)
            devices.set_reservable(connection, device, True, 1)
            devices.set_windows(connection, device, True, 1)
        devices.set_maintenance(connection, ARN, (0, 2000), 1)
        devices.note_outages(connection, 1000)
        devices.set_reported(connection, ARN, "OFFLINE", 1)
        reset.forget_everything(connection)

    database.write_now(lambda tx: change(tx.connection))
    assert database.read_now(devices.states) == {ARN: DeviceState(reported="OFFLINE")}


def test_a_device_is_added_once_by_however_many(database: Database) -> None:
    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(lambda _: _add(database), range(6)))
    assert sorted(added) == [False] * 5 + [True]
    (row,) = database.read_now(added_devices.all_rows)
    assert (row.definition, bytes(row.options), row.document) == (DEFINITION, b"sealed", None)


def test_what_a_driver_tells_is_news_once(database: Database) -> None:
    def tell(document: dict[str, int], options: bytes = b"sealed") -> bool:
        return database.write_now(lambda tx: added_devices.tell_document(tx.connection, ARN, options, document))

    assert not tell({"a": 1})
    _add(database)
    assert [tell({"a": 1}), tell({"a": 1}), tell({"a": 2})] == [True, False, True]
    assert not tell({"a": 3}, b"of the driver before")
    assert database.read_now(added_devices.all_rows)[0].document == {"a": 2}


def test_a_removal_waits_for_a_create_and_then_sees_it(database: Database) -> None:
    """On SQLite the two are in a row anyway."""
    _add(database)
    held, found = threading.Event(), threading.Event()

    def create(transaction: Transaction) -> bool:
        is_there = added_devices.hold(transaction.connection, ARN)
        held.set()
        found.wait(0.3)  # time for the removal to overtake, if it could
        _add_task(transaction.connection, "one")
        return is_there

    def remove(transaction: Transaction) -> tuple[bool, int]:
        removed = added_devices.remove(transaction.connection, ARN)
        found.set()
        return removed, added_devices.unfinished(transaction.connection, ARN)

    with ThreadPoolExecutor(2) as pool:
        creating = pool.submit(database.write_now, create)
        held.wait(30)
        removing = pool.submit(database.write_now, remove)
        assert creating.result(60)
        assert removing.result(60) == (True, 1)
    assert not database.write_now(lambda tx: added_devices.hold(tx.connection, ARN))


def test_room_is_counted_over_everything_that_runs(database: Database) -> None:
    _add(database)
    for task_id, status in (("a", "RUNNING"), ("b", "CANCELLING"), ("c", "QUEUED"), ("d", "COMPLETED")):
        database.write_now(lambda tx, i=task_id, s=status: _add_task(tx.connection, i, s))
    database.write_now(lambda tx: _add_task(tx.connection, "e", "RUNNING", "another"))
    assert database.read_now(tasks.running) == {ARN: 2, "another": 1}


def test_handles_are_kept_until_nothing_is_left_to_do(database: Database) -> None:
    def fill(transaction: Transaction) -> None:
        for number, status in enumerate(("RUNNING", "CANCELLED", "COMPLETED", "FAILED")):
            _add_task(transaction.connection, f"t{number}", status)
            added_devices.keep_handle(transaction.connection, f"t{number}", ARN, f"first {number}")
            added_devices.keep_handle(transaction.connection, f"t{number}", ARN, f"handle {number}")

    database.write_now(fill)
    assert database.read_now(lambda connection: added_devices.handle(connection, "t0")) == "handle 0"
    assert database.read_now(lambda connection: added_devices.handle(connection, "t9")) is None
    left = database.read_now(lambda connection: added_devices.left_over(connection, ARN))
    assert {(one.task_id, one.handle, one.shots) for one in left} == {("t1", "handle 1", 5), ("t3", "handle 3", 5)}
    assert database.read_now(lambda connection: added_devices.has_completed(connection, ARN))
    assert not database.read_now(lambda connection: added_devices.has_completed(connection, "another"))
    database.write_now(lambda tx: added_devices.forget_completed(tx.connection, ARN))
    assert not database.read_now(lambda connection: added_devices.has_completed(connection, ARN))
    handles = [database.read_now(lambda connection, n=n: added_devices.handle(connection, f"t{n}")) for n in range(4)]
    assert handles == ["handle 0", "handle 1", None, "handle 3"]
    assert database.read_now(lambda connection: added_devices.left_over(connection, "another")) == []
    database.write_now(lambda tx: added_devices.forget_handle(tx.connection, "t1"))
    ended = update(quantum_tasks).where(quantum_tasks.c.id == "t0").values(status="CANCELLED")
    database.write_now(lambda tx: tx.connection.execute(ended) and None)
    left = database.read_now(lambda connection: added_devices.left_over(connection, ARN))
    assert {one.task_id for one in left} == {"t0", "t3"}


def test_a_task_that_nobody_knows_the_handle_of_is_left_over_too(database: Database) -> None:
    def fill(transaction: Transaction) -> None:
        for task_id, handle in (("t0", None), ("t1", "known")):
            _add_task(transaction.connection, task_id, "CANCELLED")
            added_devices.keep_handle(transaction.connection, task_id, ARN, handle)

    database.write_now(fill)
    assert database.read_now(lambda connection: added_devices.handle(connection, "t0")) is None
    left = database.read_now(lambda connection: added_devices.left_over(connection, ARN))
    assert [(one.task_id, one.handle) for one in left] == [("t1", "known"), ("t0", None)]
