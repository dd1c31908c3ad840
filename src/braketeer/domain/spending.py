"""Money: what quantum tasks and hybrid jobs cost, and what a spending limit lets through.

Amounts are whole units of 1e-10 USD, so that sums are exact; ten places are what Amazon Braket shows. Who pays for
what is as the SDK's ``Tracker`` counts it (braket.tracking.tracker): work that COMPLETED, a minute's price by the
millisecond and for at least three seconds, and nothing inside a reservation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from typing import Any, Self

from braketeer.domain.clock import iso
from braketeer.domain.errors import ValidationException
from braketeer.domain.lifecycles import TASK_FINISHED, TaskStatus

UNITS_OF_A_USD = 10**10
MINIMUM_BILLED_MS = 3000  # braket.tracking.tracker.MIN_SIMULATOR_DURATION
MOST_USD = 100_000_000  # of a limit, so that every sum of rows is a database integer
# The end that Amazon Braket gives a limit without a time period, as a recorded refusal shows it.
END_OF_PERIOD_MS = int(datetime(2125, 12, 30, tzinfo=UTC).timestamp()) * 1000

_MINUTE_MS = 60_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def units(amount: Decimal) -> int:
    """An amount of USD in units; ValueError for one that is finer than they are, negative or no number."""
    with localcontext(Context(prec=60, traps=[Inexact, InvalidOperation])):
        try:
            found = (amount * UNITS_OF_A_USD).quantize(Decimal(1))
        except ArithmeticError:
            raise ValueError(amount) from None
    if not found.is_finite() or found < 0:
        raise ValueError(amount)
    return int(found)


def usd(amount: int) -> Decimal:
    """Units as USD, exactly and with ten places."""
    return Decimal(amount).scaleb(-10)


def amount_text(amount: int) -> str:
    """As Amazon Braket writes what was spent or is estimated: ``0``, else ten places (``9.3000000000``)."""
    return f"{usd(amount):.10f}" if amount else "0"


@dataclass(frozen=True, slots=True)
class Price:
    """What a device asks for: units a task, a shot, and a minute of computing. Shots count as the task asked for."""

    per_task: int = 0
    per_shot: int = 0
    per_minute: int = 0

    @property
    def is_free(self) -> bool:
        return not (self.per_task or self.per_shot or self.per_minute)

    def of(self, shots: int, billed_ms: int) -> int:
        """For one task; half a unit is rounded up."""
        return self.per_task + shots * self.per_shot + for_minutes(self.per_minute, billed_ms)


def for_minutes(per_minute: int, milliseconds: int) -> int:
    """The price of a time, rounded to the nearest unit, halves upwards."""
    return (per_minute * milliseconds + _MINUTE_MS // 2) // _MINUTE_MS


def estimate(price: Price, shots: int) -> int:
    """What a task is reckoned with until it has ended: for computing, the least that is billed."""
    return price.of(shots, MINIMUM_BILLED_MS)


def computed_ms(task: Mapping[str, Any]) -> int:
    """How long a task that has ended was computed: as its result document says, else from its start to its end."""
    if task["execution_ms"] is not None:
        return int(task["execution_ms"])
    if task["started_at"] is None or task["ended_at"] is None:
        return 0
    return max(int(task["ended_at"] - task["started_at"]), 0)


def billed_ms(execution_ms: int) -> int:
    """The computing time that is paid for."""
    return max(execution_ms, MINIMUM_BILLED_MS)


def cost(price: Price, shots: int, status: TaskStatus, execution_ms: int) -> int:
    """What a task that has ended costs: nothing unless it COMPLETED, whenever it was cancelled and why it failed."""
    if status not in TASK_FINISHED:
        raise ValueError(f"A task in {status} has no cost yet")
    return price.of(shots, billed_ms(execution_ms)) if status is TaskStatus.COMPLETED else 0


@dataclass(frozen=True, slots=True)
class Limit:
    """A spending limit: at most ``amount`` for tasks created in [starts_at, ends_at) (epoch ms, service time).

    ``total_spend`` is the cost of its tasks that have ended, ``queued_spend`` the estimate of those that have not.
    ``amount_text`` is the amount as the client wrote it.
    """

    id: str
    amount: int
    amount_text: str
    starts_at: int
    ends_at: int
    queued_spend: int
    total_spend: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{name: row[name] for name in cls.__slots__})

    @property
    def spend(self) -> int:
        """What counts against the amount: spent and queued."""
        return self.total_spend + self.queued_spend

    def admits(self, estimated: int, now_ms: int) -> bool:
        """Whether a task of this estimate may be created now; store/spending_limits.py says the same in SQL."""
        return self.starts_at <= now_ms < self.ends_at and self.spend + estimated <= self.amount


def refusal(limit: Limit, estimated: int) -> ValidationException:
    """To the letter what the real service answers (recorded in amazon-braket-examples)."""
    return ValidationException(
        "Attempted to spend over the spending limit or outside the spending limit time window. "
        f"Spending limit: {limit.amount_text}, current spend: {amount_text(limit.spend)}, "
        f"estimated cost: {usd(estimated):.10f}, "
        f"start time: {iso(limit.starts_at)}, end time: {iso(limit.ends_at)}"
    )


def read_limit(text: str) -> tuple[int, str]:
    """``spendingLimit`` of a request as units, and as it is shown again: as given, but for leading zeros.

    The model lets through digits with at most two places; an amount above 100 million USD is refused.
    """
    whole, point, places = text.partition(".")
    whole = whole.lstrip("0") or "0"
    if len(whole) > len(str(MOST_USD)) or (amount := Decimal(f"{whole}.{places or 0}")) > MOST_USD:
        raise ValidationException(f"A spending limit is at most {MOST_USD} USD")
    return units(amount), whole + point + places


def read_moment(moment: datetime) -> int:
    """A time of a request as epoch ms. What is finer is cut off: rounded up, the last moment of 9999 is in no year."""
    return (moment - _EPOCH) // _MILLISECOND


def moment(epoch_ms: int) -> datetime:
    """The time that ``read_moment`` gives as this, exactly: no float is in between."""
    return _EPOCH + epoch_ms * _MILLISECOND


def check_period(starts_at: int, ends_at: int, now_ms: int) -> None:
    """Refuse a time period that is empty or over. It may have begun in the past."""
    if ends_at <= starts_at:
        raise ValidationException("The endAt of a timePeriod must be after its startAt")
    if ends_at <= now_ms:
        raise ValidationException("The endAt of a timePeriod must be in the future")
