"""Devices that the operator has added, and by what their drivers know tasks that they have handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain.lifecycles import TASK_FINISHED, JobStatus, TaskStatus
from braketeer.store.tables import added_devices, driver_handles, jobs, quantum_tasks

_d, _h, _t = added_devices.c, driver_handles.c, quantum_tasks.c
_IS_COMPLETED = exists().where(_t.id == _h.task_id, _t.status == TaskStatus.COMPLETED)


@dataclass(frozen=True, slots=True)
class Row:
    """``options`` are sealed by store/secrets.py; ``document`` is what the driver has told last, if anything."""

    definition: Mapping[str, Any]
    options: bytes
    document: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class LeftOver:
    """A task that has ended here without the driver. ``handle`` is None where the driver was asked to hand it on, and
    nobody knows what came of that.
    """

    task_id: str
    account: str
    region: str
    shots: int
    handle: str | None


def add(
    connection: Connection,
    definition: Mapping[str, Any],
    options: bytes,
    document: Mapping[str, Any] | None,
    now_ms: int,
) -> bool:
    """Whether there was no device of that ARN: the primary key lets one of several callers through."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {
        "device_arn": definition["arn"],
        "definition": dict(definition),
        "options": options,
        "document": document,
        "created_at": now_ms,
    }
    added = connection.execute(dialect.insert(added_devices).values(values).on_conflict_do_nothing())
    return bool(added.rowcount)


def replace(
    connection: Connection, definition: Mapping[str, Any], options: bytes, document: Mapping[str, Any] | None
) -> bool:
    """Whether there was a device of that ARN, which has all of this now."""
    change = update(added_devices).where(_d.device_arn == definition["arn"])
    values = {"definition": dict(definition), "options": options, "document": document}
    return bool(connection.execute(change.values(values)).rowcount)


def all_rows(connection: Connection) -> list[Row]:
    """Every device that was added, in the order of their ARNs."""
    rows = connection.execute(select(added_devices).order_by(_d.device_arn))
    return [Row(row.definition, row.options, row.document) for row in rows]


def tell_document(connection: Connection, device_arn: str, options: bytes, document: Mapping[str, Any]) -> bool:
    """What the driver has told of the device; whether it is new, and the device still has these options: those of a
    driver that was replaced a moment ago are not its own, each sealing is another. The row is locked meanwhile.
    """
    query = select(_d.document, _d.options).where(_d.device_arn == device_arn).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None or bytes(row.options) != options or row.document == document:
        return False
    connection.execute(update(added_devices).where(_d.device_arn == device_arn).values(document=document))
    return True


def hold(connection: Connection, device_arn: str) -> bool:
    """Whether the device is there, and stays until the transaction ends: a removal waits for the lock on its row."""
    query = select(_d.device_arn).where(_d.device_arn == device_arn).with_for_update(read=True, key_share=True)
    return connection.execute(query).first() is not None


def remove(connection: Connection, device_arn: str) -> bool:
    """Take a device away, whether or not work waits for it (ask ``unfinished`` afterwards); whether it was there."""
    connection.execute(delete(driver_handles).where(_h.device_arn == device_arn))
    return bool(connection.execute(delete(added_devices).where(_d.device_arn == device_arn)).rowcount)


def unfinished(connection: Connection, device_arn: str) -> int:
    """Tasks that have not ended, and jobs that wait. After ``remove`` in one transaction no other task can come."""
    tasks = select(func.count()).where(_t.device_arn == device_arn, _t.status.not_in(list(TASK_FINISHED)))
    waiting = select(func.count()).where(jobs.c.device_arn == device_arn, jobs.c.status == JobStatus.QUEUED)
    return int(connection.execute(tasks).scalar_one() + connection.execute(waiting).scalar_one())


def handle(connection: Connection, task_id: str) -> str | None:
    """By what the driver knows a task, if it has said so."""
    return connection.execute(select(_h.handle).where(_h.task_id == task_id)).scalar_one_or_none() or None


def keep_handle(connection: Connection, task_id: str, device_arn: str, kept: str | None) -> None:
    """Keep by what the driver knows a task, or that it is about to be asked (None). Call it in the transaction of
    ``quantum_tasks.holds``, which has locked the task: nobody else keeps one meanwhile.
    """
    connection.execute(delete(driver_handles).where(_h.task_id == task_id))
    connection.execute(insert(driver_handles).values(task_id=task_id, device_arn=device_arn, handle=kept or ""))


def forget_handle(connection: Connection, task_id: str) -> None:
    connection.execute(delete(driver_handles).where(_h.task_id == task_id))


def left_over(connection: Connection, device_arn: str, most: int = 100) -> list[LeftOver]:
    """Tasks of the device that were cancelled or have failed here while their driver may still be busy with them."""
    ended = [status for status in TASK_FINISHED if status is not TaskStatus.COMPLETED]
    query = (
        select(_t.id, _t.account, _t.region, _t.shots, _h.handle)
        .join_from(driver_handles, quantum_tasks, _h.task_id == _t.id)
        .where(_h.device_arn == device_arn, _t.status.in_(ended))
        .order_by(_h.handle.desc())  # those that are known by name first
        .limit(most)
    )
    rows = connection.execute(query)
    return [LeftOver(row.id, row.account, row.region, row.shots, row.handle or None) for row in rows]


def has_completed(connection: Connection, device_arn: str) -> bool:
    """Whether ``forget_completed`` would find anything."""
    query = select(_h.task_id).where(_h.device_arn == device_arn, _IS_COMPLETED).limit(1)
    return connection.execute(query).first() is not None


def forget_completed(connection: Connection, device_arn: str) -> None:
    """Forget the handles of tasks that have their result: nothing is left to do for them."""
    connection.execute(delete(driver_handles).where(_h.device_arn == device_arn, _IS_COMPLETED))
