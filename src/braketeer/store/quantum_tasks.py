"""Quantum tasks: rows of the queue and of the record, and every statement that changes them.

Whoever changes a status names the status it must have had (``WHERE status = ...``): that row condition, under the
database's write lock or row lock, is what makes each check-then-write hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, literal_column, select, true, update

from braketeer.domain.lifecycles import MOST_WORKER_DEATHS, TaskStatus
from braketeer.domain.queue import Head
from braketeer.store.tables import quantum_task_actions, quantum_tasks

_t = quantum_tasks.c


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that this service holds: everything its run needs. ``attempt`` fences off whoever held it before."""

    id: str
    account: str
    region: str
    device_arn: str
    shots: int
    action: str
    device_parameters: str
    output_bucket: str
    output_prefix: str
    created_at: int
    started_at: int
    attempt: int
    memory_bytes: int


def add(connection: Connection, action: str, row: Mapping[str, Any]) -> None:
    """A new QUEUED task at the end of its queue."""
    connection.execute(insert(quantum_tasks).values(status=TaskStatus.QUEUED, **row))
    connection.execute(insert(quantum_task_actions).values(task_id=row["id"], action=action))


def get(connection: Connection, task_id: str) -> RowMapping | None:
    return connection.execute(select(quantum_tasks).where(_t.id == task_id)).mappings().one_or_none()


def tasks_ahead(connection: Connection, row: RowMapping, cap: int) -> int:
    """How many queued tasks of the device start before this one; counting stops at ``cap``."""
    before = (
        select(literal_column("1"))
        .where(
            _t.device_arn == row["device_arn"],
            _t.status == TaskStatus.QUEUED,
            (_t.priority < row["priority"]) | ((_t.priority == row["priority"]) & (_t.sequence < row["sequence"])),
        )
        .limit(cap)
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(before)).scalar_one()


def queued(connection: Connection, device_arn: str, priority: int, cap: int) -> int:
    """The depth of one queue of a device; counting stops at ``cap``."""
    rows = (
        select(literal_column("1"))
        .where(_t.device_arn == device_arn, _t.status == TaskStatus.QUEUED, _t.priority == priority)
        .limit(cap)
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(rows)).scalar_one()


def heads(connection: Connection, device_arns: Iterable[str]) -> list[Head]:
    """The task that each of these devices starts next, for the devices that have one waiting."""
    found = []
    for device_arn in device_arns:
        row = connection.execute(
            select(_t.id, _t.memory_bytes)
            .where(_t.device_arn == device_arn, _t.status == TaskStatus.QUEUED)
            .order_by(_t.priority, _t.sequence)
            .limit(1)
        ).one_or_none()
        if row is not None:
            found.append(Head(row.id, device_arn, row.memory_bytes))
    return found


def claim(connection: Connection, task_id: str, owner: str, lease_until: int, now_ms: int) -> Claim | None:
    """QUEUED -> RUNNING under a lease (real time, epoch seconds); None where somebody else was first."""
    row = connection.execute(
        update(quantum_tasks)
        .where(_t.id == task_id, _t.status == TaskStatus.QUEUED)
        .values(
            status=TaskStatus.RUNNING,
            started_at=now_ms,
            attempt=_t.attempt + 1,
            lease_owner=owner,
            lease_until=lease_until,
        )
        .returning(quantum_tasks)
    ).one_or_none()
    if row is None:
        return None
    action = connection.execute(
        select(quantum_task_actions.c.action).where(quantum_task_actions.c.task_id == task_id)
    ).scalar_one()
    return Claim(
        id=row.id,
        account=row.account,
        region=row.region,
        device_arn=row.device_arn,
        shots=row.shots,
        action=action,
        device_parameters=row.device_parameters,
        output_bucket=row.output_bucket,
        output_prefix=row.output_prefix,
        created_at=row.created_at,
        started_at=now_ms,
        attempt=row.attempt,
        memory_bytes=row.memory_bytes,
    )


def holds(connection: Connection, claim: Claim, owner: str) -> TaskStatus | None:
    """RUNNING or CANCELLING while ``owner`` holds the task by this very attempt, else None: a stale report."""
    status = connection.execute(
        select(_t.status).where(
            _t.id == claim.id,
            _t.attempt == claim.attempt,
            _t.lease_owner == owner,
            _t.status.in_([TaskStatus.RUNNING, TaskStatus.CANCELLING]),
        )
    ).scalar_one_or_none()
    return None if status is None else TaskStatus(status)


def finish(
    connection: Connection,
    task_id: str,
    status: TaskStatus,
    now_ms: int,
    *,
    failure_reason: str | None = None,
    successful_shots: int | None = None,
) -> None:
    """RUNNING or CANCELLING -> a final status. Call it in the transaction in which ``holds`` said so."""
    connection.execute(
        update(quantum_tasks)
        .where(_t.id == task_id, _t.status.in_([TaskStatus.RUNNING, TaskStatus.CANCELLING]))
        .values(
            status=status,
            ended_at=now_ms,
            failure_reason=failure_reason,
            successful_shots=successful_shots,
            lease_owner=None,
            lease_until=None,
        )
    )


def give_back(connection: Connection, claim: Claim, owner: str, now_ms: int, *, worker_died: bool) -> None:
    """A claim that came to nothing: the task waits again in its old place, or ends.

    A worker that died costs an attempt: the second time the task is FAILED. A cancelled task is CANCELLED.
    """
    status = holds(connection, claim, owner)
    if status is None:
        return
    if status is TaskStatus.CANCELLING:
        finish(connection, claim.id, TaskStatus.CANCELLED, now_ms)
        return
    deaths = connection.execute(select(_t.worker_deaths).where(_t.id == claim.id)).scalar_one() + int(worker_died)
    if deaths >= MOST_WORKER_DEATHS:
        reason = "The process that computed the task died twice, most likely for want of memory"
        finish(connection, claim.id, TaskStatus.FAILED, now_ms, failure_reason=reason)
        return
    connection.execute(
        update(quantum_tasks)
        .where(_t.id == claim.id)
        .values(status=TaskStatus.QUEUED, worker_deaths=deaths, lease_owner=None, lease_until=None, started_at=None)
    )


def request_cancel(connection: Connection, task_id: str, now_ms: int) -> TaskStatus | None:
    """QUEUED -> CANCELLED, RUNNING -> CANCELLING; the status before, or None where there is no such task."""
    row = connection.execute(select(_t.status).where(_t.id == task_id).with_for_update()).one_or_none()
    if row is None:
        return None
    status = TaskStatus(row.status)
    if status is TaskStatus.QUEUED:
        values: dict[str, Any] = {"status": TaskStatus.CANCELLED, "ended_at": now_ms}
    elif status is TaskStatus.RUNNING:
        values = {"status": TaskStatus.CANCELLING}
    else:
        return status
    connection.execute(update(quantum_tasks).where(_t.id == task_id, _t.status == status).values(**values))
    return status


def cancelling(connection: Connection, task_ids: Sequence[str]) -> list[str]:
    """Those of these tasks that somebody has asked to cancel."""
    rows = select(_t.id).where(_t.id.in_(task_ids), _t.status == TaskStatus.CANCELLING)
    return list(connection.execute(rows).scalars())


def extend_leases(connection: Connection, task_ids: Sequence[str], owner: str, lease_until: int) -> None:
    """The heartbeat of a service that still works on these tasks."""
    connection.execute(
        update(quantum_tasks).where(_t.id.in_(task_ids), _t.lease_owner == owner).values(lease_until=lease_until)
    )


def any_expired(connection: Connection, lease_before: int) -> bool:
    """Whether ``recover`` with the same argument would find anything."""
    query = select(_t.id).where(
        _t.status.in_([TaskStatus.RUNNING, TaskStatus.CANCELLING]), _t.lease_until < lease_before
    )
    return connection.execute(query.limit(1)).first() is not None


def recover(connection: Connection, now_ms: int, lease_before: int | None) -> int:
    """Take back what a dead service held; how many tasks that were.

    ``lease_before`` is real time in epoch seconds: only leases that ended before it. None means every lease, which is
    right where the data directory's lock says that no other service lives. The loss of a service costs no attempt.
    """
    lost = true() if lease_before is None else _t.lease_until < lease_before
    ended = {"lease_owner": None, "lease_until": None}
    cancelled = connection.execute(
        update(quantum_tasks)
        .where(lost, _t.status == TaskStatus.CANCELLING)
        .values(status=TaskStatus.CANCELLED, ended_at=now_ms, **ended)
    )
    requeued = connection.execute(
        update(quantum_tasks)
        .where(lost, _t.status == TaskStatus.RUNNING)
        .values(status=TaskStatus.QUEUED, started_at=None, **ended)
    )
    return cancelled.rowcount + requeued.rowcount
