"""Quantum tasks: rows of the queue and of the record, and every statement that changes them.

Whoever changes a status names the status it must have had (``WHERE status = ...``): that row condition, under the
database's write lock or row lock, is what makes each check-then-write hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Update,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    union_all,
    update,
)

from braketeer.domain import queue
from braketeer.domain.lifecycles import MOST_WORKER_DEATHS, TASK_FINISHED, TaskStatus, before
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
# Literals, not parameters: only so do the databases see that the partial indexes of the lanes serve.
_QUEUED = _t.status == literal_column("'QUEUED'")
_IN_LANE = {  # by whether the lane is a reservation's; ``of_lane`` is the ARN of the device or of the reservation
    False: (_t.device_arn == bindparam("of_lane"), _QUEUED, _t.reservation_arn.is_(None)),
    True: (_t.reservation_arn == bindparam("of_lane"), _QUEUED),
}
_ORDER = (_t.priority, _t.turn, _t.sequence)


def _counted(*which: tuple[ColumnElement[bool], ...]) -> Statement:
    """How many there are of any of these; counting stops at ``cap``."""
    rows: CompoundSelect[Any] = union_all(
        *(select(literal_column("1")).select_from(quantum_tasks).where(*each) for each in which)
    )
    return Statement(select(func.count().label("tasks")).select_from(rows.limit(bindparam("cap")).subquery()))


def _by_account(*which: ColumnElement[bool]) -> Statement:
    """The same for each account, of the first ``cap`` in their order."""
    rows = select(_t.account).where(*which).order_by(*_ORDER).limit(bindparam("cap")).subquery()
    return Statement(select(rows.c.account, func.count().label("tasks")).group_by(rows.c.account))


_ANY_QUEUED = Statement(
    union_all(
        select(_t.id).where(*_IN_LANE[False]),
        select(_t.id).where(_t.device_arn == bindparam("of_lane"), _QUEUED, _t.reservation_arn.is_not(None)),
    ).limit(1)
)
_BEFORE = tuple_(*_ORDER) < tuple_(bindparam("of_priority"), bindparam("of_turn"), bindparam("of_sequence"))
_SAME_PRIORITY = _t.priority == bindparam("of_priority")
_AHEAD = {
    reserved: _counted(  # three ranges of the index are read in half the time that comparing each entry takes
        (*lane, _t.priority < bindparam("of_priority")),
        (*lane, _SAME_PRIORITY, _t.turn < bindparam("of_turn")),
        (*lane, _SAME_PRIORITY, _t.turn == bindparam("of_turn"), _t.sequence < bindparam("of_sequence")),
    )
    for reserved, lane in _IN_LANE.items()
}
_WHO_IS_AHEAD = {reserved: _by_account(*lane, _BEFORE) for reserved, lane in _IN_LANE.items()}
_DEPTH = _counted((*_IN_LANE[False], _SAME_PRIORITY))
_RESERVED_DEPTH = _counted(_IN_LANE[True])
_HEAD = {
    reserved: Statement(select(_t.id, _t.device_arn, _t.memory_bytes).where(*lane).order_by(*_ORDER).limit(1))
    for reserved, lane in _IN_LANE.items()
}
_TURN_THAT_IS_UP = Statement(select(_t.turn).where(*_IN_LANE[False]).order_by(*_ORDER).limit(1))
_LAST_TURN = Statement(
    select(_t.turn)
    .where(_t.account == bindparam("of_account"), _t.device_arn == bindparam("of_device"), _QUEUED)
    .order_by(_t.turn.desc())
    .limit(1)
)
_RUNNING = Statement(
    select(_t.device_arn, func.count().label("tasks"))
    .where(_t.status.in_([literal_column(f"'{status}'") for status in _HELD]))
    .group_by(_t.device_arn)
)
# In one statement, that is in one snapshot: a task that is given back meanwhile is in one of the two.
_UNFINISHED_IN = Statement(
    union_all(
        select(_t.id).where(*_IN_LANE[True]),
        select(_t.id).where(_IS_HELD, _t.status == TaskStatus.RUNNING, _t.reservation_arn == bindparam("of_lane")),
    ).limit(bindparam("most"))
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
            failure_reason=func.coalesce(bindparam("reason"), _t.failure_reason),  # why it was to be cancelled stays
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
    reservation_arn: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A task that was cancelled for a reason of the service's: CANCELLED from QUEUED, CANCELLING from RUNNING."""

    id: str
    status: TaskStatus


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


def next_turn(connection: Connection, account: str, device_arn: str) -> int:
    """The turn of a new task of ``account``, where accounts share the device. Of two creates at once both may get the
    same one: then the order of their commits says which is first.
    """
    up = _TURN_THAT_IS_UP.one_or_none(connection, {"of_lane": device_arn})
    last = _LAST_TURN.one_or_none(connection, {"of_account": account, "of_device": device_arn})
    return queue.next_turn(up and up.turn, last and last.turn)


def tasks_ahead(connection: Connection, row: Mapping[str, Any], cap: int) -> int:
    """How many queued tasks of its lane start before this one; counting stops at ``cap``."""
    reservation = row["reservation_arn"]
    place = {f"of_{name}": row[name] for name in ("priority", "turn", "sequence")}
    terms = place | {"of_lane": reservation or row["device_arn"], "cap": cap}
    return int(_AHEAD[reservation is not None].one_or_none(connection, terms).tasks)


def ahead_by_account(connection: Connection, row: Mapping[str, Any], cap: int) -> dict[str, int]:
    """The same, for each account that has any; at most ``cap`` tasks are looked at, those that start first."""
    reservation = row["reservation_arn"]
    place = {f"of_{name}": row[name] for name in ("priority", "turn", "sequence")}
    terms = place | {"of_lane": reservation or row["device_arn"], "cap": cap}
    return {each.account: each.tasks for each in _WHO_IS_AHEAD[reservation is not None].all(connection, terms)}


def queued(connection: Connection, device_arn: str, priority: int, cap: int) -> int:
    """The depth of one queue of a device, which work in reservations is not in; counting stops at ``cap``."""
    terms = {"of_lane": device_arn, "of_priority": priority, "cap": cap}
    return int(_DEPTH.one_or_none(connection, terms).tasks)


def queued_in(connection: Connection, reservation_arn: str, cap: int) -> int:
    """How many tasks of a reservation are queued; counting stops at ``cap``."""
    return int(_RESERVED_DEPTH.one_or_none(connection, {"of_lane": reservation_arn, "cap": cap}).tasks)


def any_queued(connection: Connection, device_arn: str) -> bool:
    """Whether anything waits for the device."""
    return _ANY_QUEUED.one_or_none(connection, {"of_lane": device_arn}) is not None


def running(connection: Connection) -> dict[str, int]:
    """How many tasks are on each device that has any."""
    return {row.device_arn: row.tasks for row in _RUNNING.all(connection, {})}


def head(connection: Connection, device_arn: str, lanes: Iterable[str | None]) -> queue.Head | None:
    """The task that a device starts next: the first of the first of these lanes (scheduling.Gate) that has one."""
    for lane in lanes:
        row = _HEAD[lane is not None].one_or_none(connection, {"of_lane": lane or device_arn})
        if row is not None:
            return queue.Head(row.id, row.device_arn, row.memory_bytes)
    return None


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
        reservation_arn=row.reservation_arn,
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


def end_of_reservation(
    connection: Connection, reservation_arn: str, reason: str, now_ms: int, most: int
) -> list[Ended]:
    """End up to ``most`` unfinished tasks of a reservation that is over.

    One statement for queued and running ones: where a task goes from one to the other meanwhile (PostgreSQL), the
    update waits for its row, and then sees what it has become.
    """
    task_ids = [row.id for row in _UNFINISHED_IN.all(connection, {"of_lane": reservation_arn, "most": most})]
    if not task_ids:
        return []
    was_queued = _t.status == TaskStatus.QUEUED
    change = update(quantum_tasks).where(_t.id.in_(task_ids), _t.status.in_([TaskStatus.QUEUED, TaskStatus.RUNNING]))
    change = change.values(
        status=case((was_queued, TaskStatus.CANCELLED.value), else_=TaskStatus.CANCELLING.value),
        ended_at=case((was_queued, now_ms), else_=None),
        failure_reason=reason,
    )
    ended = connection.execute(change.returning(_t.id, _t.status)).all()  # reserved work costs nothing to settle
    return [Ended(task_id, TaskStatus(status)) for task_id, status in ended]


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
