"""Money in whole units: what tasks cost, and what a spending limit says."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braketeer.domain import spending
from braketeer.domain.clock import iso
from braketeer.domain.errors import ValidationException
from braketeer.domain.lifecycles import TaskStatus
from braketeer.domain.spending import Limit, Price

UNITS = st.integers(0, 10**14)
USD = spending.UNITS_OF_A_USD


def limit(amount: str = "3", starts_at: int = 0, ends_at: int = 1000, queued: int = 0, total: int = 0) -> Limit:
    return Limit("id", *spending.read_limit(amount), starts_at, ends_at, queued, total)


@given(UNITS)
def test_units_and_usd_are_the_same_money(amount: int) -> None:
    assert spending.units(spending.usd(amount)) == amount
    assert Decimal(spending.amount_text(amount)) * USD == amount


@pytest.mark.parametrize("text", ["1e-11", "-1", "nan", "inf", "0.12345678901", "1e60", "-inf"])
def test_what_no_number_of_units_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        spending.units(Decimal(text))


@given(UNITS, UNITS, UNITS, st.integers(0, 10**6), st.integers(0, 10**8))
def test_a_completed_task_costs_what_the_tracker_would_say(
    per_task: int, per_shot: int, per_minute: int, shots: int, execution_ms: int
) -> None:
    """The sums of braket.tracking.tracker, in decimals, to the nearest unit."""
    billed = max(timedelta(milliseconds=execution_ms), timedelta(milliseconds=3000)) / timedelta(milliseconds=1)
    of_time = spending.usd(per_minute) * Decimal(billed) / Decimal(60_000)
    wanted = spending.usd(per_task) + spending.usd(per_shot) * shots + of_time
    found = spending.cost(Price(per_task, per_shot, per_minute), shots, TaskStatus.COMPLETED, execution_ms)
    assert spending.usd(found) == wanted.quantize(Decimal("1e-10"), ROUND_HALF_UP)


@given(UNITS, UNITS, UNITS, st.integers(0, 10**6), st.integers(0, 3000))
def test_the_estimate_is_the_cost_of_the_shortest_time(task: int, shot: int, minute: int, shots: int, ms: int) -> None:
    price = Price(task, shot, minute)
    assert spending.estimate(price, shots) == spending.cost(price, shots, TaskStatus.COMPLETED, ms)


@pytest.mark.parametrize("status", [TaskStatus.FAILED, TaskStatus.CANCELLED])
def test_what_did_not_complete_costs_nothing(status: TaskStatus) -> None:
    assert spending.cost(Price(1, 1, 1), 100, status, 10**6) == 0


def test_a_task_that_has_not_ended_has_no_cost() -> None:
    with pytest.raises(ValueError):
        spending.cost(Price(1), 1, TaskStatus.RUNNING, 0)


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ({"execution_ms": 12, "started_at": 0, "ended_at": 9000}, 12),
        ({"execution_ms": None, "started_at": 1000, "ended_at": 9000}, 8000),
        ({"execution_ms": None, "started_at": None, "ended_at": 9000}, 0),
        ({"execution_ms": None, "started_at": 9001, "ended_at": 9000}, 0),
    ],
)
def test_how_long_a_task_was_computed(task: dict[str, int | None], wanted: int) -> None:
    assert spending.computed_ms(task) == wanted


@given(UNITS, UNITS, UNITS, st.integers(-10, 20))
def test_a_limit_admits_what_is_left_within_its_period(queued: int, total: int, estimated: int, now: int) -> None:
    of = limit("5000", 0, 10, queued, total)
    assert of.admits(estimated, now) == (0 <= now < 10 and estimated <= 5000 * USD - queued - total)


def test_the_words_of_the_real_service() -> None:
    """As it was recorded."""
    of = limit("3", 1763500386609, spending.END_OF_PERIOD_MS)
    assert spending.refusal(of, 93 * USD // 10).message == (
        "Attempted to spend over the spending limit or outside the spending limit time window. Spending limit: 3, "
        "current spend: 0, estimated cost: 9.3000000000, start time: 2025-11-18T21:13:06.609Z, "
        "end time: 2125-12-30T00:00:00.000Z"
    )


def test_what_is_queued_counts_as_spent() -> None:
    message = spending.refusal(limit("10.50", queued=USD, total=USD // 2), 0).message
    assert "Spending limit: 10.50, current spend: 1.5000000000, estimated cost: 0.0000000000," in message


@pytest.mark.parametrize(
    ("text", "amount", "shown"),
    [("3", 3 * USD, "3"), ("0", 0, "0"), ("000.5", USD // 2, "0.5"), ("007.10", 71 * USD // 10, "7.10")],
)
def test_amounts_are_shown_as_they_were_written(text: str, amount: int, shown: str) -> None:
    assert spending.read_limit(text) == (amount, shown)


@pytest.mark.parametrize("text", ["100000000.01", "1" + "0" * 400, "9" * 4000])
def test_an_amount_beyond_every_budget_is_refused(text: str) -> None:
    with pytest.raises(ValidationException, match="at most 100000000 USD"):
        spending.read_limit(text)


def test_a_time_is_never_later_than_it_was_written() -> None:
    end_of_time = datetime(9999, 12, 31, 23, 59, 59, 999_900, tzinfo=UTC)
    assert spending.read_moment(end_of_time) == 253402300799_999
    assert spending.moment(253402300799_999) == end_of_time.replace(microsecond=999_000)
    assert iso(spending.read_moment(end_of_time)) == "9999-12-31T23:59:59.999Z"
    assert spending.read_moment(datetime(1969, 12, 31, 23, 59, 59, 999_900, tzinfo=UTC)) == -1
    assert spending.read_moment(datetime.fromtimestamp(4102444800.123, UTC)) == 4102444800_123


def test_a_period_must_have_time_left() -> None:
    spending.check_period(-5, 11, 10)
    for starts_at, ends_at in ((11, 11), (12, 11), (0, 10)):
        with pytest.raises(ValidationException, match="endAt"):
            spending.check_period(starts_at, ends_at, 10)
