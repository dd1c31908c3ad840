"""Quantum tasks: rows of the queue and of the record, and every statement that changes them.

Whoever changes a status names the status it must have had (``WHERE status = ...``): that row condition, under the
database's write lock or row lock, is what makes each check-then-write hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Update, bindparam, func, insert, literal_column, select, update

from braketeer.domain.lifecycles import MOST_WORKER_DEATHS, TASK_FINISHED, TaskStatus, before
from braketeer.domain.queue import Head
from braketeer.store import spending_limits
from braketeer.store.statements import Statement
from braketeer.store.tables import quantum_task_actions, quantum_tasks

_t = quantum_tasks.c
_HELD = (TaskStatus.RUNNING, TaskStatus.CANCELLING)
# In literals, as ix_quantum_tasks_running has it: with parameters it would not be known to serve.
_IS_HELD = _t.status.in_([literal_column(f"'{status}'") for status in _HELD])

_ADD = Statement(insert(quantum_tasks).inline())
_ADD_ACTION = Statement(insert(quantum_task_actions).inline())
_BY_ID = select(quantum_tasks).where(_t.id == bindparam("of_id"))
_GET = Statement(_BY_ID)
_OWNED = Statement(_BY_ID.where(_t.account == bindparam("of_account"), _t.region == bindparam("of_region")))
_ACTION = Statement(select(quantum_task_actions.c.action).where(quantum_task_actions.c.task_id == bindparam("of_id")))
_AHEAD = Statement(
    select(func.count().label("tasks")).select_from(
        select(literal_column("1"))
        .where(
            _t.device_arn == bindparam("of_device_arn"),
            _t.status == literal_column("'QUEUED'"),
            (_t.priority < bindparam("of_priority"))
            | ((_t.priority == bindparam("of_priority")) & (_t.sequence < bindparam("of_sequence"))),
        )
        .limit(bindparam("cap"))
        .subquery()
    )
)
# A literal, not a parameter: only so do the databases see that the partial index of the queue serves.
_HEAD = Statement(
    select(_t.id, _t.memory_bytes)
    .where(_t.device_arn == bindparam("of_device"), _t.status == literal_column("'QUEUED'"))
    .order_by(_t.priority, _t.sequence)
    .limit(1)
)
_CLAIM = Statement(
    update(quantum_tasks)
    .where(_t.id == bindparam("of_id"), _t.status == TaskStatus.QUEUED)
    .values(
        status=TaskStatus.RUNNING,
        started_at=bindparam("now"),
        attempt=_t.attempt + 1,
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
    )
    .returning(quantum_tasks)
)
_HOLDS = Statement(
    select(_t.status)
    .where(
        _t.id == bindparam("of_id"),
        _t.attempt == bindparam("of_attempt"),
        _t.lease_owner == bindparam("of_owner"),
        _IS_HELD,
    )
    .with_for_update()  # nobody takes the task back, or cancels it, between this look and the change that follows
)
_ANY_EXPIRED = Statement(select(_t.id).where(_IS_HELD, _t.lease_until < bindparam("lease_before")).limit(1))
_FINISH = {
    end: Statement(
        update(quantum_tasks)
        .where(_t.id == bindparam("of_id"), _t.status.in_([literal_column(f"'{status}'") for status in before(end)]))
        .values(
            status=end,
            ended_at=bindparam("now"),
            failure_reason=bindparam("reason"),
            successful_shots=bindparam("successful"),
            execution_ms=bindparam("execution"),
            lease_owner=None,
            lease_until=None,
        )
        .returning(*spending_limits.SETTLED)
    )
    for end in TASK_FINISHED
}


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
    _ADD.run(connection, {**row, "status": TaskStatus.QUEUED})
    _ADD_ACTION.run(connection, {"task_id": row["id"], "action": action})


def get(connection: Connection, task_id: str) -> Mapping[str, Any] | None:
    """A task, whoever owns it: for the service's own use."""
    return _GET.mapping_or_none(connection, {"of_id": task_id})


def owned(connection: Connection, task_id: str, account: str, region: str) -> Mapping[str, Any] | None:
    """A task of this account in this region; None for any other, existing or not."""
    terms = {"of_id": task_id, "of_account": account, "of_region": region}
    return _OWNED.mapping_or_none(connection, terms)


def tasks_ahead(connection: Connection, row: Mapping[str, Any], cap: int) -> int:
    """How many queued tasks of the device start before this one; counting stops at ``cap``."""
    place = {name: row[name] for name in ("device_arn", "priority", "sequence")}
    found = _AHEAD.one_or_none(connection, {f"of_{name}": value for name, value in place.items()} | {"cap": cap})
    return int(found.tasks)


def queued(connection: Connection, device_arn: str, priority: int, cap: int) -> int:
    """The depth of one queue of a device; counting stops at ``cap``."""
    rows = (
        select(literal_column("1"))
        .where(_t.device_arn == device_arn, _t.status == literal_column("'QUEUED'"), _t.priority == priority)
        .limit(cap)
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(rows)).scalar_one()


def heads(connection: Connection, device_arns: Iterable[str]) -> list[Head]:
    """The task that each of these devices starts next, for the devices that have one waiting."""
    found = []
    for device_arn in device_arns:
        row = _HEAD.one_or_none(connection, {"of_device": device_arn})
        if row is not None:
            found.append(Head(row.id, device_arn, row.memory_bytes))
    return found


def claim(connection: Connection, task_id: str, owner: str, lease_until: int, now_ms: int) -> Claim | None:
    """QUEUED -> RUNNING under a lease (real time, epoch seconds); None where somebody else was first."""
    terms = {"of_id": task_id, "now": now_ms, "owner": owner, "until": lease_until}
    row = _CLAIM.one_or_none(connection, terms)
    if row is None:
        return None
    action = _ACTION.one_or_none(connection, {"of_id": task_id}).action
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
    terms = {"of_id": claim.id, "of_attempt": claim.attempt, "of_owner": owner}
    row = _HOLDS.one_or_none(connection, terms)
    return None if row is None else TaskStatus(row.status)


def finish(
    connection: Connection,
    task_id: str,
    status: TaskStatus,
    now_ms: int,
    *,
    failure_reason: str | None = None,
    successful_shots: int | None = None,
    execution_ms: int | None = None,
) -> None:
    """A held task -> a final status that domain/lifecycles.py allows. Call it in the transaction of ``holds``.

    ``execution_ms`` is how long it was computed, as its result document says; what it costs follows from that.
    """
    terms = {"of_id": task_id, "now": now_ms, "reason": failure_reason, "successful": successful_shots}
    ended = _FINISH[status].mapping_or_none(connection, terms | {"execution": execution_ms})
    if ended is not None:
        spending_limits.settle(connection, ended, status)


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
    change = update(quantum_tasks).where(_t.id == task_id, _t.status == status)
    if status is TaskStatus.QUEUED:
        _cancel(connection, change, now_ms)
    elif status is TaskStatus.RUNNING:
        connection.execute(change.values(status=TaskStatus.CANCELLING))
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
    return _ANY_EXPIRED.one_or_none(connection, {"lease_before": lease_before}) is not None


def recover(connection: Connection, now_ms: int, lease_before: int | None) -> int:
    """Take back what a dead service held; how many tasks that were.

    ``lease_before`` is real time in epoch seconds: only leases that ended before it. None means every lease, which is
    right where the data directory's lock says that no other service lives. The loss of a service costs no attempt.
    """
    lost = _IS_HELD if lease_before is None else _IS_HELD & (_t.lease_until < lease_before)
    cancelled = _cancel(connection, update(quantum_tasks).where(lost, _t.status == TaskStatus.CANCELLING), now_ms)
    requeued = connection.execute(
        update(quantum_tasks)
        .where(lost, _t.status == TaskStatus.RUNNING)
        .values(status=TaskStatus.QUEUED, started_at=None, lease_owner=None, lease_until=None)
    )
    return cancelled + requeued.rowcount


def _cancel(connection: Connection, which: Update, now_ms: int) -> int:
    """Make every task of an update CANCELLED; how many that were."""
    values = {"status": TaskStatus.CANCELLED, "ended_at": now_ms, "lease_owner": None, "lease_until": None}
    ended = connection.execute(which.values(**values).returning(*spending_limits.SETTLED)).mappings().all()
    # Limits are locked in one order, whoever settles several.
    for task in sorted(ended, key=lambda task: task["spending_limit_id"] or ""):
        spending_limits.settle(connection, dict(task), TaskStatus.CANCELLED)
    return len(ended)
