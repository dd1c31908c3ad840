"""What a quantum task, a hybrid job or a spending limit has cost so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.admin.routes import Asked, Route
from braketeer.domain import arns, spending
from braketeer.domain.arns import Arn
from braketeer.domain.associations import reservation_arn
from braketeer.domain.clock import Clock, iso
from braketeer.domain.errors import ResourceNotFoundException
from braketeer.domain.lifecycles import TASK_FINISHED, TaskStatus
from braketeer.domain.spending import Price, amount_text
from braketeer.store import jobs, quantum_tasks, spending_limits
from braketeer.store.database import Database


class Costs:
    """The operator's view of money, of any account. Amounts are texts of USD: ``0``, or with ten places."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def routes(self) -> list[Route]:
        return [Route("GET", "costs/{arn}", "GetCost", self.show)]

    async def show(self, asked: Asked) -> dict[str, Any]:
        """The cost of what an ARN names; ``kind`` in the answer says what that is."""
        arn = asked.at["arn"]
        parsed = Arn.parse(arn)
        view = _VIEWS.get(parsed.kind) if parsed is not None and str(parsed) == arn else None
        if parsed is None or view is None:
            raise _unknown(arn)
        now = self._clock.now_ms()
        found = await self._database.read(lambda connection: view(connection, parsed, now))
        if found is None:
            raise _unknown(arn)
        return {"arn": arn, "kind": parsed.kind, "currency": "USD", **found}


def _unknown(arn: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"There is no quantum task, hybrid job or spending limit '{arn[:300]}'")


def _task(connection: Connection, arn: Arn, now_ms: int) -> dict[str, Any] | None:
    row = quantum_tasks.owned(connection, arn.name, arn.account, arn.region)
    if row is None:
        return None
    ended = row["status"] in TASK_FINISHED
    completed = row["status"] == TaskStatus.COMPLETED
    price = Price(row["price_per_task"] or 0, row["price_per_shot"] or 0, row["price_per_minute"] or 0)
    return {
        "status": row["status"],
        "device_arn": row["device_arn"],
        "shots": row["shots"],
        "price": {
            "per_task": amount_text(price.per_task),
            "per_shot": amount_text(price.per_shot),
            "per_minute": amount_text(price.per_minute),
        },
        "reservation_arn": reservation_arn(row["associations"]),
        "spending_limit_arn": _limit_arn(connection, row["spending_limit_id"]),
        "estimate": amount_text(row["estimate"] or 0),
        "billed_ms": spending.billed_ms(spending.computed_ms(row)) if completed else None,
        "cost": amount_text(row["cost"] or 0) if ended else None,
    }


def _limit_arn(connection: Connection, limit_id: str | None) -> str | None:
    """The limit that counts a task, while it is there."""
    limit = spending_limits.get(connection, limit_id) if limit_id is not None else None
    return None if limit is None else arns.spending_limit(limit["region"], limit["account"], limit["id"])


def _job(connection: Connection, arn: Arn, now_ms: int) -> dict[str, Any] | None:
    row = jobs.owned(connection, arn.name, arn.account, arn.region)
    if row is None:
        return None
    tasks = spending_limits.spent_by_job(connection, row["id"])
    instances, instances_cost = _instances(row, now_ms)
    return {
        "status": row["status"],
        "device_arn": row["device_arn"],
        "tasks": {
            "count": tasks.ended + tasks.unfinished,
            "unfinished": tasks.unfinished,
            "cost": amount_text(tasks.cost),
            "estimate_of_unfinished": amount_text(tasks.estimate),
        },
        "instances": instances,
        "cost": amount_text(tasks.cost + instances_cost),
    }


def _instances(job: RowMapping, now_ms: int) -> tuple[dict[str, Any], int]:
    """The machines of a job, and what they cost: each from its start to its end, or to now."""
    wanted = job["request"]["instanceConfig"]
    count, per_minute = wanted.get("instanceCount") or 1, job["instance_price"] or 0
    ran_ms = max((job["ended_at"] or now_ms) - job["started_at"], 0) if job["started_at"] is not None else 0
    cost = count * spending.for_minutes(per_minute, ran_ms)
    shown = {
        "type": wanted["instanceType"],
        "count": count,
        "per_minute": amount_text(per_minute),
        "billed_ms": ran_ms,
        "cost": amount_text(cost),
    }
    return shown, cost


def _limit(connection: Connection, arn: Arn, now_ms: int) -> dict[str, Any] | None:
    row = spending_limits.owned(connection, arn.name, arn.account, arn.region)
    if row is None:
        return None
    limit = spending.Limit.of(dict(row))
    return {
        "status": _phase(row, now_ms),
        "device_arn": row["device_arn"],
        "starts_at": iso(limit.starts_at),
        "ends_at": iso(limit.ends_at),
        "amount": limit.amount_text,
        "total_spend": amount_text(limit.total_spend),
        "queued_spend": amount_text(limit.queued_spend),
        "remaining": amount_text(max(limit.amount - limit.spend, 0)),
    }


def _phase(row: RowMapping | Mapping[str, Any], now_ms: int) -> str:
    """Whether tasks are admitted at all by a limit's period."""
    if now_ms < row["starts_at"]:
        return "not begun"
    return "active" if now_ms < row["ends_at"] else "over"


_VIEWS: dict[str, Callable[[Connection, Arn, int], dict[str, Any] | None]] = {
    "quantum-task": _task,
    "job": _job,
    "spending-limit": _limit,
}
