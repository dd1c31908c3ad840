"""Spending limits: their rows, and what tasks that are created and end do to them.

A limit's row is what holds when tasks are created at once: ``_RESERVE`` takes an estimate only where it still fits, and
its row lock (SQLite: the one writer) puts whoever comes later behind it. A task's estimate moves from ``queued_spend``
as its cost to ``total_spend`` in the transaction that changes its status, which happens once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain import spending
from braketeer.domain.lifecycles import TASK_FINISHED, TaskStatus
from braketeer.domain.spending import Limit, Price
from braketeer.store.statements import Statement
from braketeer.store.tables import quantum_tasks, spending_limits

_l = spending_limits.c
_t = quantum_tasks.c

_INSERT = {
    "sqlite": sqlite.insert(spending_limits).on_conflict_do_nothing(index_elements=["account", "device_arn"]),
    "postgresql": postgresql.insert(spending_limits).on_conflict_do_nothing(index_elements=["account", "device_arn"]),
}
_OF_DEVICE = Statement(
    select(spending_limits).where(_l.account == bindparam("of_account"), _l.device_arn == bindparam("of_device_arn"))
)
_RESERVE = Statement(
    update(spending_limits)
    .where(
        _l.id == bindparam("of_id"),
        _l.starts_at <= bindparam("now"),
        _l.ends_at > bindparam("now"),
        _l.queued_spend + _l.total_spend + bindparam("estimated") <= _l.amount,
    )
    .values(queued_spend=_l.queued_spend + bindparam("estimated"))
)
_COST = Statement(update(quantum_tasks).where(_t.id == bindparam("of_id")).values(cost=bindparam("task_cost")))
_SETTLE = Statement(
    update(spending_limits)
    .where(
        _l.id == bindparam("of_id"),
        _l.starts_at <= bindparam("task_created_at"),
        _l.ends_at > bindparam("task_created_at"),
    )
    .values(
        queued_spend=_l.queued_spend - bindparam("estimated"),
        total_spend=_l.total_spend + bindparam("task_cost"),
    )
)

# What ``settle`` reads of a task that has ended.
SETTLED = (
    _t.id,
    _t.shots,
    _t.created_at,
    _t.started_at,
    _t.ended_at,
    _t.execution_ms,
    _t.price_per_task,
    _t.price_per_shot,
    _t.price_per_minute,
    _t.estimate,
    _t.spending_limit_id,
)


def add(connection: Connection, row: Mapping[str, Any]) -> bool:
    """A new limit; False where the account has one for the device already (the unique constraint says so)."""
    return connection.execute(_INSERT[connection.dialect.name], row).rowcount == 1


def get(connection: Connection, limit_id: str) -> RowMapping | None:
    """A limit, whoever owns it: for the service's own use."""
    return connection.execute(select(spending_limits).where(_l.id == limit_id)).mappings().one_or_none()


def owned(connection: Connection, limit_id: str, account: str, region: str) -> RowMapping | None:
    """A limit of this account in this region; None for any other, existing or not."""
    query = select(spending_limits).where(_l.id == limit_id, _l.account == account, _l.region == region)
    return connection.execute(query).mappings().one_or_none()


def of_device(connection: Connection, account: str, device_arn: str) -> Mapping[str, Any] | None:
    """The limit of an account for a device, in whatever region it was made."""
    return _OF_DEVICE.mapping_or_none(connection, {"of_account": account, "of_device_arn": device_arn})


def change(connection: Connection, limit_id: str, values: Mapping[str, Any]) -> None:
    """Give the limit other values; with another period it counts the tasks that were created in that one.

    The update locks the row: a task that is created or ends meanwhile waits (PostgreSQL), and is judged by the new
    period. What it had changed before the lock was ours, the count sees.
    """
    connection.execute(update(spending_limits).where(_l.id == limit_id).values(**values))
    if "starts_at" not in values:
        return
    created_in_time = (_t.created_at >= values["starts_at"], _t.created_at < values["ends_at"])
    spent = _spent(connection, _t.spending_limit_id == limit_id, *created_in_time)
    connection.execute(
        update(spending_limits).where(_l.id == limit_id).values(queued_spend=spent.estimate, total_spend=spent.cost)
    )


def remove(connection: Connection, limit_id: str) -> None:
    """Tasks that the limit counts stay as they are; when they end, there is nothing left to change."""
    connection.execute(delete(spending_limits).where(_l.id == limit_id))


def charge(connection: Connection, task: Mapping[str, Any], price: Price, *, limited: bool) -> dict[str, Any]:
    """The columns of money for a task that is about to be added (``task`` is its row), in the same transaction.

    Where it is ``limited``, its estimate is reserved with the limit of its account for its device; raises the refusal
    where it does not fit. A task in a reservation costs nothing, and no limit counts it. A task that a limit counts was
    created after it, whatever the clock of this process says: ``created_at`` is among the columns then.
    """
    if task["associations"]:
        return {}
    estimated = spending.estimate(price, task["shots"])
    counted = _reserve(connection, task, estimated) if limited else {}
    if not counted and price.is_free:
        return {}
    return {
        "price_per_task": price.per_task,
        "price_per_shot": price.per_shot,
        "price_per_minute": price.per_minute,
        "estimate": estimated,
        "spending_limit_id": None,
        **counted,
    }


def _reserve(connection: Connection, task: Mapping[str, Any], estimated: int) -> dict[str, Any]:
    """The columns that say which limit counts the task, and from when; none where it was deleted a moment ago."""
    while (row := of_device(connection, task["account"], task["device_arn"])) is not None:
        limit = Limit.of(row)
        # The limit is there before the task is. Where the clocks of two processes differ, its time is the later one.
        created_at = max(task["created_at"], row["created_at"])
        if not limit.admits(estimated, created_at):
            raise spending.refusal(limit, estimated)
        if _RESERVE.run(connection, {"of_id": limit.id, "now": created_at, "estimated": estimated}):
            return {"spending_limit_id": limit.id, "created_at": created_at}
        # PostgreSQL: between the look and the update another transaction was faster. Look again.
    return {}


def settle(connection: Connection, task: Mapping[str, Any], status: TaskStatus) -> None:
    """A task has just ended in this transaction: it gets its cost, which joins the total of its limit.

    ``task`` is its row as it is now, with the columns SETTLED. A limit that is gone, or whose period no longer holds
    the task, stays as it is.
    """
    if task["estimate"] is None:
        return
    price = Price(task["price_per_task"], task["price_per_shot"], task["price_per_minute"])
    cost = spending.cost(price, task["shots"], status, spending.computed_ms(task))
    _COST.run(connection, {"of_id": task["id"], "task_cost": cost})
    if task["spending_limit_id"] is not None:
        terms = {"of_id": task["spending_limit_id"], "task_created_at": task["created_at"]}
        _SETTLE.run(connection, terms | {"estimated": task["estimate"], "task_cost": cost})


@dataclass(frozen=True, slots=True)
class Spent:
    """Tasks that have ended and their cost, tasks that have not and their estimate."""

    ended: int
    cost: int
    unfinished: int
    estimate: int


def spent_by_job(connection: Connection, job_id: str) -> Spent:
    """What the tasks of a hybrid job cost."""
    return _spent(connection, _t.job_id == job_id)


def _spent(connection: Connection, *which: ColumnElement[bool]) -> Spent:
    """Added up here: a database's sum of integers may not hold what it adds."""
    groups = select(_t.status, _t.cost, _t.estimate, func.count()).where(*which)
    ended = unfinished = cost = estimate = 0
    for status, of_one, estimated, number in connection.execute(groups.group_by(_t.status, _t.cost, _t.estimate)):
        if status in TASK_FINISHED:
            ended, cost = ended + number, cost + (of_one or 0) * number
        else:
            unfinished, estimate = unfinished + number, estimate + (estimated or 0) * number
    return Spent(ended, cost, unfinished, estimate)
