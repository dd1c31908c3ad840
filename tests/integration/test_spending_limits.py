"""Spending limits on rows, on both databases: the operations, and that their sums are always those of the tasks."""

import asyncio
import contextlib
import csv
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from braketeer.admin.costs import Costs
from braketeer.admin.routes import Asked
from braketeer.devices.catalogue import Catalogue
from braketeer.devices.listed import LISTED
from braketeer.devices.prices import Prices, price_name
from braketeer.domain import arns, spending
from braketeer.domain.accounts import Caller, Role
from braketeer.domain.errors import ServiceError, ValidationException
from braketeer.domain.lifecycles import TASK_FINISHED, TaskStatus
from braketeer.domain.spending import Price
from braketeer.services.braket.spending_limits import SpendingLimits
from braketeer.services.braket.tags import Tags
from braketeer.services.price_list import PriceList
from braketeer.store import quantum_tasks as tasks
from braketeer.store import spending_limits, tables
from braketeer.store.database import Database, opened

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
DM1 = "arn:aws:braket:::device/quantum-simulator/amazon/dm1"
GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
ARIA = "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1"
USD = spending.UNITS_OF_A_USD
PRICE = Price(per_task=3 * USD // 10, per_shot=USD // 1000, per_minute=4 * USD)
NOW = 1_800_000_000_000


@dataclass
class Hands:
    """Service time by hand."""

    now: int = NOW

    def now_ms(self) -> int:
        return self.now


@dataclass
class Bench:
    """A service's spending limits, an account of its own, and tasks that are created and end without being run."""

    database: Database
    clock: Hands = field(default_factory=Hands)
    account: str = field(default_factory=lambda: f"{uuid.uuid4().int % 10**12:012d}")
    region: str = "us-east-1"

    def __post_init__(self) -> None:
        self.limits = SpendingLimits(self.database, Catalogue(1 << 30, Prices()), self.clock, bytes(32))

    @property
    def caller(self) -> Caller:
        return Caller(self.account, self.region, "AKIATEST", Role.USER, "request")

    def create(self, amount: str = "10", device: str = SV1, **more: Any) -> str:
        request = {"clientToken": str(uuid.uuid4()), "deviceArn": device, "spendingLimit": amount, **more}
        return asyncio.run(self.limits.create_spending_limit(self.caller, request))["spendingLimitArn"]

    def update(self, arn: str, **more: Any) -> None:
        request = {"clientToken": str(uuid.uuid4()), "spendingLimitArn": arn, **more}
        assert asyncio.run(self.limits.update_spending_limit(self.caller, request)) == {}

    def delete(self, arn: str) -> None:
        assert asyncio.run(self.limits.delete_spending_limit(self.caller, {"spendingLimitArn": arn})) == {}

    def search(self, **request: Any) -> dict[str, Any]:
        return asyncio.run(self.limits.search_spending_limits(self.caller, request))

    def the_limit(self, device: str = SV1) -> dict[str, Any]:
        filters = [{"name": "deviceArn", "operator": "EQUAL", "values": [device]}]
        (found,) = self.search(filters=filters)["spendingLimits"]
        return found

    def task(self, price: Price = PRICE, shots: int = 100, device: str = SV1, **more: Any) -> str:
        """A new task; raises what refuses it."""
        task_id = str(uuid.uuid4())
        row = {
            "id": task_id,
            "account": self.account,
            "region": self.region,
            "device_arn": device,
            "priority": 1,
            "shots": shots,
            "output_bucket": "b",
            "output_prefix": f"p/{task_id}",
            "device_parameters": "{}",
            "job_id": None,
            "associations": None,
            "experimental_capabilities": None,
            "action_type": "braket.ir.openqasm.program",
            "program_count": None,
            "executable_count": None,
            "memory_bytes": 0,
            "created_at": self.clock.now,
            **more,
        }

        def add(transaction: Any) -> None:
            money = spending_limits.charge(transaction.connection, row, price, limited=True)
            tasks.add(transaction.connection, "{}", row | money)

        self.database.write_now(add)
        return task_id

    def claim(self, task_id: str, lease_until: int = 2**40) -> tasks.Claim | None:
        return self.write(tasks.claim, task_id, "me", lease_until, self.clock.now)

    def finish(self, task_id: str, status: TaskStatus = TaskStatus.COMPLETED, execution_ms: int = 1) -> None:
        self.write(tasks.finish, task_id, status, self.clock.now, execution_ms=execution_ms)

    def cancel(self, task_id: str) -> TaskStatus | None:
        return self.write(tasks.request_cancel, task_id, self.clock.now)

    def row(self, task_id: str) -> Any:
        return self.database.read_now(lambda connection: tasks.get(connection, task_id))

    def write(self, change: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        return self.database.write_now(lambda tx: change(tx.connection, *arguments, **more))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as database:
        yield database


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


def moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def refused(code: str, work: Callable[[], Any]) -> str:
    with pytest.raises(ServiceError) as caught:
        work()
    assert caught.value.code == code
    return caught.value.message


# --- the operations


def test_a_limit_without_a_period_holds_from_now_on(bench: Bench) -> None:
    arn = bench.create("10.50", tags={"team": "a"})
    assert arn.startswith(f"arn:aws:braket:us-east-1:{bench.account}:spending-limit/")
    assert bench.the_limit() == {
        "spendingLimitArn": arn,
        "deviceArn": SV1,
        "timePeriod": {"startAt": moment(NOW), "endAt": datetime(2125, 12, 30, tzinfo=UTC)},
        "spendingLimit": "10.50",
        "queuedSpend": "0",
        "totalSpend": "0",
        "createdAt": "2027-01-15T08:00:00.000Z",
        "updatedAt": "2027-01-15T08:00:00.000Z",
        "tags": {"team": "a"},
    }


def test_a_device_has_one_limit_of_an_account_in_any_region(bench: Bench) -> None:
    first = bench.create()
    bench.create(device=GARNET)
    bench.region = "eu-west-2"
    message = refused("ValidationException", bench.create)
    assert message == f"The account has a spending limit for {SV1} already: {first}"
    Bench(bench.database).create()  # another account's


def test_of_limits_created_at_once_one_stands(bench: Bench) -> None:
    gate = threading.Barrier(8)

    def create(_: int) -> str:
        gate.wait()
        try:
            return bench.create()
        except ServiceError as refusal:
            return refusal.code

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(create, range(8)))
    assert outcomes.count("ValidationException") == 7
    assert bench.the_limit()["spendingLimitArn"] in outcomes


def test_a_create_with_the_same_token_gives_the_same_limit(bench: Bench) -> None:
    first = bench.create(clientToken="t", timePeriod={"startAt": moment(NOW), "endAt": moment(NOW + 5000)})
    bench.clock.now += 10_000  # the period is over, but the request is not a new one
    again = partial(bench.create, clientToken="t", timePeriod={"startAt": moment(NOW), "endAt": moment(NOW + 5000)})
    assert again() == first
    assert "client token" in refused("ValidationException", partial(bench.create, "11", clientToken="t"))
    bench.delete(first)
    assert again() == first  # still answered, and nothing comes back
    assert bench.search() == {"spendingLimits": []}


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("ValidationException", {"device": SV1.replace("sv1", "sv9")}),
        ("DeviceRetiredException", {"device": ARIA}),
        ("ValidationException", {"timePeriod": {"startAt": moment(NOW), "endAt": moment(NOW)}}),
        ("ValidationException", {"timePeriod": {"startAt": moment(NOW - 9), "endAt": moment(NOW - 1)}}),
        ("ValidationException", {"amount": "100000001"}),
        ("ValidationException", {"tags": {"aws:x": "1"}}),
        ("ValidationException", {"tags": {str(number): "" for number in range(51)}}),
    ],
)
def test_what_cannot_be_created(bench: Bench, code: str, request_: dict[str, Any]) -> None:
    refused(code, lambda: bench.create(**request_))
    assert bench.search() == {"spendingLimits": []}


def test_an_update_changes_what_it_names(bench: Bench) -> None:
    arn = bench.create()
    before = bench.the_limit()
    bench.clock.now += 1000
    bench.update(arn)
    assert bench.the_limit() == before | {"updatedAt": "2027-01-15T08:00:01.000Z"}
    bench.update(arn, spendingLimit="0.01", clientToken="a")
    period = {"startAt": moment(NOW + 7), "endAt": moment(NOW + 9000)}
    bench.update(arn, timePeriod=period, clientToken="b")
    assert (bench.the_limit()["spendingLimit"], bench.the_limit()["timePeriod"]) == ("0.01", period)
    bench.update(arn, spendingLimit="3")
    bench.update(arn, spendingLimit="0.01", clientToken="a")  # the call of before: ignored
    assert bench.the_limit()["spendingLimit"] == "3"
    reused = partial(bench.update, arn, spendingLimit="4", clientToken="a")
    assert "client token" in refused("ValidationException", reused)
    over = {"startAt": moment(NOW), "endAt": moment(NOW + 1)}
    refused("ValidationException", lambda: bench.update(arn, timePeriod=over))


def test_others_limits_do_not_exist(bench: Bench) -> None:
    arn = bench.create(tags={"a": "b"})
    stranger, elsewhere = Bench(bench.database), Bench(bench.database, account=bench.account, region="eu-west-2")
    unknown = arns.spending_limit("us-east-1", bench.account, str(uuid.uuid4()))
    for who, name in ((stranger, arn), (elsewhere, arn), (bench, unknown), (bench, arn + "x")):
        refused("ResourceNotFoundException", lambda who=who, name=name: who.update(name, spendingLimit="1"))
        refused("ResourceNotFoundException", lambda who=who, name=name: who.delete(name))
        tags = Tags(bench.database).list_tags_for_resource(who.caller, {"resourceArn": name})
        refused("ResourceNotFoundException", lambda tags=tags: asyncio.run(tags))
    assert stranger.search() == elsewhere.search() == {"spendingLimits": []}
    assert bench.the_limit()["tags"] == {"a": "b"}


def test_a_search_goes_page_by_page_from_the_newest(bench: Bench) -> None:
    devices = [device.arn for device in Catalogue(1 << 30) if device.default_status != "RETIRED"][:7]
    for device in devices:
        bench.create(device=device)
    assert [limit["deviceArn"] for limit in bench.search()["spendingLimits"]] == devices[::-1]
    page = bench.search(maxResults=3)
    seen = [limit["deviceArn"] for limit in page["spendingLimits"]]
    bench.create(device=[d.arn for d in Catalogue(1 << 30) if d.default_status != "RETIRED"][7])
    while "nextToken" in page:
        page = bench.search(maxResults=3, nextToken=page["nextToken"])
        seen += [limit["deviceArn"] for limit in page["spendingLimits"]]
    assert seen == devices[::-1]
    several = [{"name": "deviceArn", "operator": "EQUAL", "values": devices[:2]}]
    assert [limit["deviceArn"] for limit in bench.search(filters=several)["spendingLimits"]] == devices[1::-1]
    token = bench.search(maxResults=3)["nextToken"]
    refused("ValidationException", lambda: bench.search(filters=several, nextToken=token))
    other = [{"name": "device", "operator": "EQUAL", "values": ["x"]}]
    refused("ValidationException", lambda: bench.search(filters=other))


def test_a_page_has_twenty_unless_asked_otherwise(bench: Bench) -> None:
    shared = {"amount": 1, "amount_text": "1", "starts_at": 0, "ends_at": 1, "created_at": 0, "updated_at": 0}
    rows = [
        {"id": str(uuid.uuid4()), "account": bench.account, "region": "us-east-1", "device_arn": str(n), **shared}
        for n in range(21)
    ]
    bench.write(lambda connection: connection.execute(insert(tables.spending_limits), rows))
    assert len(bench.search()["spendingLimits"]) == 20


# --- what tasks do to a limit

COST = spending.estimate(PRICE, 100)  # 0.3 + 0.1 + 0.2 USD


def spends(bench: Bench, device: str = SV1) -> tuple[str, str]:
    limit = bench.the_limit(device)
    return limit["queuedSpend"], limit["totalSpend"]


def test_a_task_is_queued_spend_until_it_ends(bench: Bench) -> None:
    bench.create("2")
    done, cancelled, failed = (bench.task() for _ in range(3))
    assert spends(bench) == ("1.8000000000", "0")
    bench.claim(done)
    bench.finish(done, execution_ms=6000)
    assert spends(bench) == ("1.2000000000", "0.8000000000")  # six seconds instead of three
    bench.cancel(cancelled)
    bench.claim(failed)
    bench.finish(failed, TaskStatus.FAILED)
    assert spends(bench) == ("0", "0.8000000000")
    assert [bench.row(task)["cost"] for task in (done, cancelled, failed)] == [COST + USD // 5, 0, 0]
    assert bench.cancel(done) is TaskStatus.COMPLETED
    bench.finish(done)  # a report that comes twice changes nothing
    assert spends(bench) == ("0", "0.8000000000")


def test_what_does_not_fit_is_refused_in_the_words_of_the_service(bench: Bench) -> None:
    bench.create("1")
    bench.task()
    assert refused("ValidationException", bench.task) == (
        "Attempted to spend over the spending limit or outside the spending limit time window. Spending limit: 1, "
        "current spend: 0.6000000000, estimated cost: 0.6000000000, "
        "start time: 2027-01-15T08:00:00.000Z, end time: 2125-12-30T00:00:00.000Z"
    )
    bench.task(Price())  # what costs nothing always fits
    bench.task(device=DM1)  # and another device has no limit
    assert spends(bench) == ("0.6000000000", "0")


def test_a_limit_of_exactly_the_cost_admits_it(bench: Bench) -> None:
    bench.create("0.60")
    bench.task()
    refused("ValidationException", lambda: bench.task(Price(per_task=1), 0))


def test_outside_its_period_a_limit_admits_nothing(bench: Bench) -> None:
    bench.create("10", timePeriod={"startAt": moment(NOW + 10), "endAt": moment(NOW + 20)})
    for offset, admitted in ((9, False), (10, True), (19, True), (20, False)):
        bench.clock.now = NOW + offset
        if admitted:
            bench.task(Price())
        else:
            assert "time window" in refused("ValidationException", lambda: bench.task(Price()))


def test_tasks_from_before_the_limit_do_not_count(bench: Bench) -> None:
    early = bench.task()
    bench.clock.now += 1
    bench.create("0")
    bench.claim(early)
    bench.finish(early)
    assert bench.row(early)["cost"] == COST
    assert spends(bench) == ("0", "0")


def test_a_limit_holds_for_a_service_whose_clock_is_behind(bench: Bench) -> None:
    """And what it counts is what an update of its period counts, and what is settled when the task ends."""
    bench.clock.now = NOW + 60_000
    arn = bench.create("1.20")
    bench.clock.now = NOW
    task, other = bench.task(), bench.task()
    assert bench.row(task)["created_at"] == NOW + 60_000
    refused("ValidationException", bench.task)
    assert spends(bench) == ("1.2000000000", "0")
    bench.update(arn, timePeriod={"startAt": moment(NOW + 60_000), "endAt": moment(NOW + 90_000)})
    assert spends(bench) == ("1.2000000000", "0")
    bench.claim(task)
    bench.finish(task)
    bench.cancel(other)
    assert spends(bench) == ("0", "0.6000000000")


def test_a_limit_may_end_at_the_last_moment_there_is(bench: Bench) -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999_900, tzinfo=UTC)
    arn = bench.create("0", timePeriod={"startAt": moment(NOW), "endAt": last})
    shown = last.replace(microsecond=999_000)
    assert bench.the_limit()["timePeriod"]["endAt"] == shown
    assert "end time: 9999-12-31T23:59:59.999Z" in refused("ValidationException", bench.task)
    bench.update(arn, timePeriod={"startAt": moment(NOW), "endAt": last})
    assert bench.the_limit()["timePeriod"]["endAt"] == shown


def test_a_limit_that_is_gone_is_missed_by_nobody(bench: Bench) -> None:
    first = bench.create()
    queued = bench.task()
    bench.delete(first)
    bench.create("0")
    bench.claim(queued)
    bench.finish(queued)
    assert spends(bench) == ("0", "0")
    assert bench.row(queued)["cost"] == COST


def test_reserved_work_is_free_and_not_counted(bench: Bench) -> None:
    bench.create("0")
    task = bench.task(associations=[{"arn": "arn:aws:braket:us-east-1:1:reservation/1", "type": "R"}])
    bench.claim(task)
    bench.finish(task)
    assert (bench.row(task)["cost"], spends(bench)) == (None, ("0", "0"))


def test_a_task_that_waits_again_stays_queued_spend(bench: Bench) -> None:
    bench.create()
    task = bench.task()
    claim = bench.claim(task)
    bench.write(tasks.give_back, claim, "me", NOW, worker_died=True)
    assert spends(bench) == ("0.6000000000", "0")
    claim = bench.claim(task)
    bench.write(tasks.give_back, claim, "me", NOW, worker_died=True)
    assert (bench.row(task)["status"], spends(bench)) == ("FAILED", ("0", "0"))


def test_what_a_dead_service_left_is_settled(bench: Bench) -> None:
    bench.create()
    cancelled, running = bench.task(), bench.task()
    for task in (cancelled, running):
        bench.claim(task, lease_until=1)
    bench.cancel(cancelled)
    assert spends(bench) == ("1.2000000000", "0")
    bench.write(tasks.recover, NOW, 2)
    assert [bench.row(task)["status"] for task in (cancelled, running)] == ["CANCELLED", "QUEUED"]
    assert spends(bench) == ("0.6000000000", "0")


def test_another_price_is_for_later_tasks(bench: Bench) -> None:
    bench.create()
    old = bench.task(Price(per_task=USD))
    bench.task(Price(per_task=2 * USD))
    bench.claim(old)
    bench.finish(old)
    assert spends(bench) == ("2.0000000000", "1.0000000000")


def test_another_period_counts_the_tasks_of_that_period(bench: Bench) -> None:
    """The model: totalSpend is what was spent "during the current time period"."""
    arn = bench.create()
    done, queued = bench.task(), bench.task()
    bench.claim(done)
    bench.finish(done)
    bench.clock.now += 1000
    late = bench.task(Price(per_task=USD))
    bench.update(arn, timePeriod={"startAt": moment(NOW + 1000), "endAt": moment(NOW + 9000)})
    assert spends(bench) == ("1.0000000000", "0")
    bench.cancel(queued)  # of the old period: not counted any more
    assert spends(bench) == ("1.0000000000", "0")
    bench.update(arn, timePeriod={"startAt": moment(NOW), "endAt": moment(NOW + 9000)})
    assert spends(bench) == ("1.0000000000", "0.6000000000")
    bench.cancel(late)
    assert spends(bench) == ("0", "0.6000000000")


def test_of_tasks_created_at_once_exactly_those_that_fit_are_accepted(bench: Bench) -> None:
    bench.create("7.80")  # thirteen at 0.60
    gate = threading.Barrier(40)
    words = []

    def create(_: int) -> str | None:
        gate.wait()
        try:
            return bench.task()
        except ServiceError as refusal:
            words.append(refusal.message)
            return None

    with ThreadPoolExecutor(40) as pool:
        made = [task for task in pool.map(create, range(40)) if task is not None]
    assert len(made) == 13
    assert spends(bench) == ("7.8000000000", "0")
    assert all("Spending limit: 7.80, current spend: 7.8000000000, estimated cost: 0.6000000000" in w for w in words)
    with ThreadPoolExecutor(8) as pool:  # ended at once, some by a cancel and a finish together
        for task in made:
            bench.claim(task)
        list(pool.map(bench.finish, made + made))
    assert spends(bench) == ("0", "7.8000000000")


# --- one price, wherever it is read


def test_every_device_costs_the_same_everywhere(database: Database) -> None:
    """The document, the price list, the limit and the operator's view, each with every part of every price."""
    each = {
        listed.arn: {"per_task": 10**7, "per_shot": 3, "per_minute": 7 * 10**9}
        if "Advantage" in listed.arn
        else {"per_task": (n + 1) * 10**7, "per_shot": n + 1, "per_minute": (n + 1) * 10**9}
        for n, listed in enumerate(LISTED)
    }
    catalogue, shots, execution_ms = Catalogue(1 << 30, Prices(each)), 1234, 7001
    lines = list(csv.DictReader(PriceList(catalogue).csv.splitlines()[5:]))
    units = {"tasks": Decimal(1), "shots": Decimal(shots), "minutes": Decimal(execution_ms) / 60_000}
    for device in catalogue:
        bench = Bench(database, region=device.region or "us-east-1")
        if device.default_status != "RETIRED":
            bench.create("100", device=device.arn)
        task = bench.task(device.price, shots, device.arn)
        bench.claim(task)
        bench.finish(task, execution_ms=execution_ms)
        arn = arns.quantum_task(bench.region, bench.account, task)
        shown = asyncio.run(Costs(database, bench.clock).show(Asked(bench.caller, {"arn": arn})))
        listed = [
            Decimal(line["PricePerUnit"]) * units[line["Unit"]]
            for line in lines
            if line["Region Code"] == bench.region
            and price_name(device.listed) in (line["DeviceName"], line["Version"])
            and "Jobs" not in line["Product Family"]
        ]
        assert len(listed) == 3, device.arn
        assert abs(sum(listed) - Decimal(shown["cost"])) <= Decimal("1e-10")
        told = device.document["service"]["deviceCost"]
        assert Decimal(str(told["price"])) == Decimal(shown["price"][f"per_{told['unit']}"])
        if device.default_status != "RETIRED":
            assert spends(bench, device.arn) == ("0", shown["cost"])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.integers(0, 2), st.integers(0, 500)),
        st.tuples(st.just("cancel"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("claim"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("finish"), st.integers(0, 30), st.integers(0, 20_000)),
        st.tuples(st.just("fail"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("recover"), st.just(0), st.just(0)),
        st.tuples(st.just("period"), st.integers(-20, 20), st.integers(1, 40)),
        st.tuples(st.just("amount"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("replace"), st.just(0), st.just(0)),
    ),
    min_size=1,
    max_size=30,
)
PRICES = (Price(), PRICE, Price(per_minute=7, per_shot=3))


@given(steps=STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sums_are_always_those_of_the_tasks(database: Database, steps: list[tuple[str, int, int]]) -> None:
    bench = Bench(database)
    arn, made = bench.create("4"), []
    for number, (step, one, two) in enumerate(steps):
        bench.clock.now = NOW + number
        task = made[one % len(made)] if made else None
        if step == "create":
            with contextlib.suppress(ValidationException):
                made.append(bench.task(PRICES[one], two))
        elif step == "period":
            start = bench.clock.now + one
            if start + two > bench.clock.now:
                bench.update(arn, timePeriod={"startAt": moment(start), "endAt": moment(start + two)})
        elif step == "amount":
            bench.update(arn, spendingLimit=str(one))
        elif step == "replace":
            bench.delete(arn)
            arn = bench.create("4")
        elif step == "recover":
            bench.write(tasks.recover, bench.clock.now, None)
        elif task is not None and step == "cancel":
            bench.cancel(task)
        elif task is not None and step == "claim":
            bench.claim(task)
        elif task is not None:
            status = TaskStatus(bench.row(task)["status"])
            ends = {"finish": TaskStatus.COMPLETED, "fail": TaskStatus.FAILED}
            end = TaskStatus.CANCELLED if status is TaskStatus.CANCELLING else ends[step]
            if status in (TaskStatus.RUNNING, TaskStatus.CANCELLING):
                bench.finish(task, end, two)
        check_sums(bench, arn, made)


def check_sums(bench: Bench, arn: str, made: list[str]) -> None:
    limit = bench.database.read_now(lambda connection: spending_limits.get(connection, arn.rpartition("/")[2]))
    rows = [bench.row(task) for task in made]
    counted = [
        row
        for row in rows
        if row["spending_limit_id"] == limit["id"] and limit["starts_at"] <= row["created_at"] < limit["ends_at"]
    ]
    ended = [row for row in counted if row["status"] in TASK_FINISHED]
    assert limit["total_spend"] == sum(row["cost"] for row in ended)
    assert limit["queued_spend"] == sum(row["estimate"] for row in counted if row not in ended)
