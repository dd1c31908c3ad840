"""Reservations on rows: who may start, what ends, and callers at the same time, on both databases. The clock is a
number; after each step the rows must be consistent.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.event
from sqlalchemy import select

from braketeer.admin.reservations import Reservations
from braketeer.admin.routes import Asked, Members
from braketeer.devices.catalogue import Catalogue
from braketeer.domain import arns, associations
from braketeer.domain.accounts import Caller, Role
from braketeer.domain.consistency import Work, validate
from braketeer.domain.errors import ConflictException, ResourceNotFoundException, ServiceError, ValidationException
from braketeer.domain.events import Cursor
from braketeer.domain.lifecycles import DeviceStatus
from braketeer.domain.queue import Room
from braketeer.domain.reservations import Reservation
from braketeer.domain.scheduling import DeviceRow
from braketeer.domain.windows import DAYS, Window
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.quantum import Prepared
from braketeer.services.braket.quantum_tasks import QuantumTasks
from braketeer.store import accounts, buckets, devices, events, jobs, quantum_tasks, reservations, schedule, tables
from braketeer.store.database import Database, opened
from braketeer.store.secrets import Secrets
from braketeer.work.dispatcher import Dispatcher
from braketeer.work.job_settings import JobSettings
from braketeer.work.jobs import JobSupervisor
from braketeer.work.sandbox import SandboxChoice
from braketeer.work.timekeeper import Timekeeper
from tests.services import ACCOUNT, BELL, GARNET, SV1, openqasm

OTHER = "111111111111"
CALLER = Caller(ACCOUNT, "us-east-1", "AKIATEST", Role.OPERATOR, "request")
START = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 1000
MINUTE = 60_000
BUCKET = buckets.Bucket("bucket", ACCOUNT, "us-east-1", {}, START)


class Devices:
    """A catalogue of two: a QPU and a simulator, as the scheduler sees them."""

    def __init__(self) -> None:
        self.rows = {
            GARNET: DeviceRow(GARNET, DeviceStatus.ONLINE, None, 1),
            SV1: DeviceRow(SV1, DeviceStatus.ONLINE),
        }

    def computing(self) -> Iterator[Any]:
        return iter(_Device(self, arn) for arn in self.rows)

    __iter__ = computing


class _Device:
    def __init__(self, devices: Devices, arn: str) -> None:
        self._devices = devices
        self.arn = arn

    default_status = DeviceStatus.ONLINE

    def row(
        self, status: str, recorded_windows: bool | None, back_at: int | None, changes_at: tuple[int, ...]
    ) -> DeviceRow:
        row = self._devices.rows[self.arn]
        return replace(row, status=DeviceStatus(status), back_at=back_at, changes_at=changes_at)


class Lab:
    """A service without its processes: each of two on PostgreSQL, one on SQLite."""

    def __init__(self, databases: list[Database], folder: Path) -> None:
        self.databases = databases
        self.folder = folder
        self.now = START
        self.devices = Devices()
        self.numbers = count(1)
        objects = EmbeddedObjects(databases[0], folder, self, Secrets(b"0" * 43 + b"="))
        self.objects = objects
        self.dispatchers = [
            Dispatcher(each, objects, self.devices, self, slots=0, memory_bytes=0, worker_memory_bytes=0)  # type: ignore[arg-type]
            for each in databases
        ]

    def now_ms(self) -> int:
        return self.now

    def write(self, work: Any) -> Any:
        return self.databases[0].write_now(lambda tx: work(tx.connection))

    def read(self, work: Any) -> Any:
        return self.databases[0].read_now(work)

    def book(self, device: str = GARNET, start: int = 0, minutes: int = 60, account: str = ACCOUNT) -> str:
        """The ARN of a reservation from ``start`` minutes on."""
        starts_at = self.now + start * MINUTE
        arn = arns.reservation("eu-north-1", account, f"r{next(self.numbers)}")
        row = Reservation(arn, account, device, starts_at, starts_at + minutes * MINUTE, made_at=self.now)
        self.write(lambda c: reservations.add(c, row))
        return arn

    def task(self, device: str = GARNET, reservation: str | None = None, **more: Any) -> str:
        task_id = f"t{next(self.numbers)}"
        row = {
            "id": task_id,
            "account": ACCOUNT,
            "region": "us-east-1",
            "device_arn": device,
            "shots": 1,
            "output_bucket": "bucket",
            "output_prefix": f"tasks/{task_id}",
            "device_parameters": "{}",
            "action_type": "braket.ir.openqasm.program",
            "created_at": self.now,
            "reservation_arn": reservation,
            "associations": associations.to(reservation) if reservation else None,
        }
        self.write(lambda c: quantum_tasks.add(c, "a program", row | more))
        return task_id

    def job(self, device: str = GARNET, reservation: str | None = None) -> str:
        job_id = f"j{next(self.numbers)}"
        row = {
            "id": job_id,
            "account": ACCOUNT,
            "region": "us-east-1",
            "name": "job",
            "device_arn": device,
            "status": "QUEUED",
            "request": {},
            "job_token": job_id,
            "events": [],
            "created_at": self.now,
            "ingested": {},
            "reservation_arn": reservation,
        }
        self.write(lambda c: jobs.insert(c, row))
        return job_id

    def claim(self, slots: int = 9, number: int = 0) -> list[str]:
        room = Room(slots, 2**30, 0, 0)
        claim = partial(self.dispatchers[number]._claim_next, last_device=None, room=room)
        return [each.id for each in self.databases[number].write_now(claim).claims]

    def claim_job(self) -> str | None:
        settings = JobSettings(folder=self.folder, endpoint="", slots=5, sandbox=SandboxChoice("none", ""))
        supervisor = JobSupervisor(self.databases[0], self, None, None, settings, self.devices)  # type: ignore[arg-type]
        found = asyncio.run(supervisor._claim_next())
        return None if found is None else found["id"]

    def keep_time(self, number: int = 0) -> int | None:
        """Catch up as the timekeeper does; when it looks again."""
        keeper = Timekeeper(self.databases[number], self.devices, self)
        asyncio.run(keeper._catch_up())
        return keeper._due

    def status(self, which: str) -> str:
        find = quantum_tasks.get if which.startswith("t") else jobs.get
        return str(self.read(lambda c: find(c, which))["status"])

    def status_of(self, arn: str) -> str:
        return str(self.read(lambda c: quantum_tasks.get(c, arn.rpartition("/")[2]))["status"])

    def validate(self) -> None:
        def find(c: Any) -> None:
            def work(table: Any) -> list[Work]:
                columns = (table.c[name] for name in Work.__dataclass_fields__)
                return [Work(*row) for row in c.execute(select(*columns))]

            booked = reservations.list_all(c, None, None, 1000)
            validate(work(tables.quantum_tasks), work(tables.jobs), booked, self.devices.rows)

        self.read(find)


@pytest.fixture
def lab(database_url: str, tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        doors = 1 if database_url.startswith("sqlite") else 2
        lab = Lab([stack.enter_context(opened(database_url)) for _ in range(doors)], tmp_path / "objects")
        for account in (ACCOUNT, OTHER):
            lab.write(lambda c, account=account: accounts.create_account(c, account, account, 0))
        yield lab
        lab.validate()
        lab.objects.close()


def test_in_a_window_the_holder_starts_and_nobody_else(lab: Lab) -> None:
    foreign, mine = lab.task(), lab.task(reservation=lab.book(start=1, minutes=1))
    simulated = lab.task(SV1)
    assert lab.keep_time() == START + MINUTE
    assert lab.claim() == [simulated, foreign]
    assert lab.claim() == []
    lab.now += MINUTE
    assert lab.claim() == [], "the task that runs already finishes"
    lab.write(lambda c: quantum_tasks.finish(c, foreign, "COMPLETED", lab.now))  # type: ignore[arg-type]
    waits = lab.task()
    assert lab.claim() == [mine]
    lab.validate()
    assert lab.keep_time() == START + 2 * MINUTE
    lab.now += MINUTE
    assert lab.keep_time() is None
    assert (lab.status(mine), lab.claim()) == ("CANCELLING", []), "it is on the device until it has stopped"
    lab.write(lambda c: quantum_tasks.finish(c, mine, "CANCELLED", lab.now))  # type: ignore[arg-type]
    assert lab.claim() == [waits]
    row = lab.read(lambda c: quantum_tasks.get(c, mine))
    assert row["failure_reason"] == f"The reservation {row['reservation_arn']} ended at 2026-11-22T12:02:00.000Z"


def test_at_the_end_all_work_of_the_reservation_is_cancelled(lab: Lab) -> None:
    arn = lab.book(SV1)
    queued = [lab.task(SV1, arn) for _ in range(1203)]
    running, running_job = lab.claim(1), lab.job(SV1, arn)
    assert lab.claim_job() == running_job
    waiting_job, others, others_job = lab.job(GARNET, None), lab.task(SV1), lab.job(SV1)
    late_job = lab.job(SV1, arn)
    lab.now += 60 * MINUTE
    lab.keep_time()
    assert {lab.status(task) for task in queued if task not in running} == {"CANCELLED"}
    assert [lab.status(one) for one in (*running, running_job, late_job)] == ["CANCELLING", "CANCELLING", "CANCELLED"]
    assert [lab.status(one) for one in (waiting_job, others, others_job)] == ["QUEUED"] * 3
    job = lab.read(lambda c: jobs.get(c, late_job))
    assert job["failure_reason"] == f"The reservation {arn} ended at 2026-11-22T13:00:00.000Z"
    assert [(event["eventType"], event["message"]) for event in job["events"]] == [
        ("CANCELLED", f"{job['failure_reason']}.")
    ]
    assert lab.read(lambda c: reservations.get(c, arn)).settled


def test_a_result_that_comes_after_the_end_is_not_stored(lab: Lab) -> None:
    """Before the timekeeper has had its turn, that is."""
    lab.write(lambda c: buckets.create(c, BUCKET))
    task = lab.task(SV1, lab.book(SV1))
    room = Room(1, 2**30, 0, 0)
    claim = lab.databases[0].write_now(partial(lab.dispatchers[0]._claim_next, last_device=None, room=room)).claims[0]
    lab.now += 60 * MINUTE
    figures = {"failure_reason": None, "successful_shots": None, "execution_ms": 1}
    asyncio.run(lab.dispatchers[0]._complete(claim, (b"{}", figures)))
    assert lab.status(task) == "CANCELLED"
    assert lab.read(lambda c: c.execute(select(tables.objects.c.key)).all()) == []


def test_a_task_that_is_given_back_while_its_reservation_ends(lab: Lab) -> None:
    """It goes from RUNNING to QUEUED just as what is unfinished has been looked up, and is cancelled all the same."""
    if len(lab.databases) == 1:
        pytest.skip("one writer at a time")
    task = lab.task(SV1, lab.book(SV1))
    room, (dispatcher, _) = Room(1, 2**30, 0, 0), lab.dispatchers
    claim = lab.databases[0].write_now(partial(dispatcher._claim_next, last_device=None, room=room)).claims[0]
    lab.now += 60 * MINUTE
    given_back = []

    def end(tx: Any) -> None:
        @sqlalchemy.event.listens_for(tx.connection, "after_cursor_execute")
        def give_back(_: Any, __: Any, statement: str, *___: Any) -> None:
            if "FROM quantum_tasks" in statement and not given_back:
                given_back.append(claim)
                lab.databases[1].write_now(
                    lambda other: quantum_tasks.give_back(
                        other.connection, claim, dispatcher._owner, lab.now, worker_died=False
                    )
                )

        quantum_tasks.end_of_reservation(tx.connection, claim.reservation_arn or "", "It is over", lab.now, 500)

    lab.databases[0].write_now(end)
    assert given_back
    assert lab.status(task) == "CANCELLED"


def test_a_window_that_was_jumped_over_is_as_one_that_has_passed(lab: Lab) -> None:
    arn = lab.book(start=5, minutes=1)
    task, job = lab.task(reservation=arn), lab.job(reservation=arn)
    lab.now += 30 * MINUTE
    assert (lab.claim(), lab.claim_job()) == ([], None)
    lab.keep_time()
    assert (lab.status(task), lab.status(job)) == ("CANCELLED", "CANCELLED")


def test_back_to_back_windows_do_not_share_work(lab: Lab) -> None:
    first, second = lab.book(), lab.book(start=60)
    late, early = lab.task(reservation=first), lab.task(reservation=second)
    lab.now += 60 * MINUTE
    assert lab.claim() == [early]
    lab.keep_time()
    assert lab.status(late) == "CANCELLED"


def test_a_reservation_that_is_cancelled_while_its_work_runs(lab: Lab) -> None:
    arn, api = lab.book(), Reservations(lab.databases[0], Catalogue(2**30), lab)
    task, waits = lab.task(reservation=arn), lab.task()
    assert lab.claim() == [task]
    lab.now += MINUTE
    answer = asyncio.run(api.cancel(Asked(CALLER, {"arn": arn})))
    assert (answer["status"], answer["cancelled_at"]) == ("CANCELLED", "2026-11-22T12:01:00.000Z")
    lab.keep_time()
    row = lab.read(lambda c: quantum_tasks.get(c, task))
    assert (row["status"], row["failure_reason"]) == (
        "CANCELLING",
        f"The reservation {arn} was cancelled at 2026-11-22T12:01:00.000Z",
    )
    lab.write(lambda c: quantum_tasks.finish(c, task, "CANCELLED", lab.now))  # type: ignore[arg-type]
    assert lab.claim() == [waits], "the time is everybody's again"
    with pytest.raises(ConflictException, match="A reservation that is CANCELLED cannot be cancelled"):
        asyncio.run(api.cancel(Asked(CALLER, {"arn": arn})))
    with pytest.raises(ResourceNotFoundException):
        asyncio.run(api.cancel(Asked(CALLER, {"arn": arn + "?"})))


def test_a_device_that_goes_offline_inside_its_window(lab: Lab) -> None:
    task = lab.task(reservation=lab.book())
    lab.write(lambda c: devices.set_status(c, GARNET, "OFFLINE", lab.now))
    assert lab.claim() == []
    lab.write(lambda c: devices.set_status(c, GARNET, "ONLINE", lab.now))
    assert lab.claim() == [task]


def test_announced_maintenance_holds_the_queue_from_its_beginning_to_its_end(lab: Lab) -> None:
    window = (START + MINUTE, START + 3 * MINUTE)
    lab.write(lambda c: devices.set_maintenance(c, GARNET, window, lab.now))
    runs, waits, waiting_job = lab.task(), lab.task(), lab.job()
    assert lab.keep_time() == window[0]
    assert lab.claim() == [runs]
    lab.now += MINUTE
    assert lab.keep_time() == window[1]
    assert lab.status(runs) == "RUNNING", "what runs goes on"
    lab.write(lambda c: quantum_tasks.finish(c, runs, "COMPLETED", lab.now))  # type: ignore[arg-type]
    assert (lab.claim(), lab.claim_job()) == ([], None)
    lab.now = window[1]
    assert lab.keep_time() is None
    assert (lab.claim(), lab.claim_job()) == ([waits], waiting_job)
    told = lab.read(lambda c: [(e.resource, e.status) for e in events.after(c, Cursor(), 100) if e.kind == "device"])
    assert told == [(GARNET, "OFFLINE"), (GARNET, "DEFAULT")], "each edge is told once, whoever looks how often"


def test_a_job_that_is_claimed_while_its_device_is_being_reserved(lab: Lab) -> None:
    """The reservation is on disk first, so the job waits, however early the claim has begun."""
    others = lab.job()
    reserving, may_commit = threading.Event(), threading.Event()

    def reserve(tx: Any) -> None:
        schedule.lock_scheduling(tx.connection)
        arn = arns.reservation("eu-north-1", OTHER, "meanwhile")
        reservations.add(tx.connection, Reservation(arn, OTHER, GARNET, START - MINUTE, START + MINUTE, made_at=START))
        reserving.set()
        may_commit.wait(20)

    with ThreadPoolExecutor(2) as pool:
        reserved = pool.submit(lab.databases[-1].write_now, reserve)
        assert reserving.wait(20)
        claimed = pool.submit(lab.claim_job)
        with contextlib.suppress(TimeoutError):
            claimed.result(0.5)
        may_commit.set()
        reserved.result(20)
        assert claimed.result(20) is None
    assert lab.status(others) == "QUEUED"


def test_tasks_wait_outside_of_execution_windows(lab: Lab) -> None:
    afternoon = (Window(DAYS["Everyday"], time(14), time(15, 59, 59)),)
    lab.devices.rows[GARNET] = replace(lab.devices.rows[GARNET], windows=afternoon)
    task, job = lab.task(), lab.job()
    assert (lab.claim(), lab.claim_job()) == ([], None)
    due = lab.keep_time()
    assert due == START + 120 * MINUTE
    lab.now = due
    assert (lab.claim(), lab.claim_job()) == ([task], job)


def test_a_qpu_runs_one_task_whichever_service_claims(lab: Lab) -> None:
    queued = [lab.task() for _ in range(6)]
    numbers = [number % len(lab.databases) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda number: lab.claim(number=number), numbers))
    assert [task for each in claimed for task in each] == queued[:1]


def test_windows_asked_for_at_once_never_overlap(lab: Lab) -> None:
    services = [Reservations(each, Catalogue(2**30), lab) for each in lab.databases]

    def book(number: int) -> str:
        minute = number % 3  # [0, 2), [1, 3) and [2, 4): at most two of them, the first and the last
        body = {"device": GARNET, "start": at(minute), "end": at(minute + 2), "account": (ACCOUNT, OTHER)[number % 2]}
        try:
            asyncio.run(services[number % len(services)].create(Asked(CALLER, body=Members(body))))
        except ServiceError as refusal:
            return refusal.code
        return "made"

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(book, range(12)))
    assert outcomes.count("made") in (1, 2)
    assert set(outcomes) == {"made", "ConflictException"}
    lab.validate()


def test_what_a_reservation_can_be(lab: Lab) -> None:
    api = Reservations(lab.databases[0], Catalogue(2**30), lab)
    good = {"device": SV1, "start": at(0), "end": "2026-11-22T12:30:00", "kind": "priority", "account": OTHER}

    def create(**changes: Any) -> Any:
        return asyncio.run(api.create(Asked(CALLER, body=Members(good | changes))))

    with pytest.raises(ValidationException, match=f"^Braket Direct is not supported for {SV1}$"):
        create()
    asyncio.run(api.set_reservable(Asked(CALLER, {"device": SV1}, body=Members(reservable=True))))
    for changes in (
        {"start": "yesterday"},
        {"end": "2026-11-22T12:00:00"},
        {"end": "0001-01-01T00:00:00+14:00"},
        {"kind": "loud"},
        {"more": 1},
        {"start": 5},
    ):
        with pytest.raises(ValidationException):
            create(**changes)
    for changes in ({"device": "x"}, {"account": "nobody"}):
        with pytest.raises(ResourceNotFoundException):
            create(**changes)
    made = create()
    assert made.pop("arn").startswith(f"arn:aws:braket:us-east-1:{OTHER}:reservation/")
    assert made == {
        "device": SV1,
        "account": OTHER,
        "kind": "priority",
        "start": "2026-11-22T12:00:00.000Z",
        "end": "2026-11-22T12:30:00.000Z",
        "status": "ACTIVE",
        "created_at": "2026-11-22T12:00:00.000Z",
        "cancelled_at": None,
    }
    listed = asyncio.run(api.list_all(Asked(CALLER)))["reservations"]
    assert [one["status"] for one in listed] == ["ACTIVE"]
    lab.now += 31 * MINUTE
    assert asyncio.run(api.list_all(Asked(CALLER, query={"device": SV1}))) == {"reservations": []}
    gone = asyncio.run(api.list_all(Asked(CALLER, query={"all": "1"})))["reservations"]
    assert [one["status"] for one in gone] == ["ENDED"]
    assert asyncio.run(api.show(Asked(CALLER, {"arn": gone[0]["arn"]}))) == gone[0] | {"tasks_queued": 0}


def test_a_task_that_is_tied_as_the_window_ends_is_ended_too_or_refused(lab: Lab) -> None:
    """The clock of the other service is ahead: it ends the reservation while this one still lets tasks in."""
    lab.write(lambda c: buckets.create(c, BUCKET))
    lab.write(lambda c: devices.set_reservable(c, SV1, True, lab.now))
    services = [QuantumTasks(each, Catalogue(2**30), lab, _Programs(), None, b"") for each in lab.databases]  # type: ignore[arg-type]
    for number in range(6):
        arn = lab.book(SV1, minutes=1)
        late = Stopped(lab.now + MINUTE)
        keeper = Timekeeper(lab.databases[-1], lab.devices, late)

        def create(n: int, arn: str = arn, number: int = number) -> Any:
            request = {
                "clientToken": f"{number} {n}",
                "deviceArn": SV1,
                "shots": 1,
                "outputS3Bucket": "bucket",
                "outputS3KeyPrefix": "tasks",
                "action": openqasm(BELL),
                "associations": associations.to(arn),
            }
            try:
                return asyncio.run(services[0].create_quantum_task(CALLER, request))["quantumTaskArn"]
            except ValidationException as refusal:
                return refusal.message

        with ThreadPoolExecutor(6) as pool:
            made = [pool.submit(create, n) for n in range(5)]
            pool.submit(lambda keeper=keeper: asyncio.run(keeper._catch_up())).result()
        for outcome in (each.result() for each in made):
            if outcome != "Reservation arn is invalid":
                assert lab.status_of(outcome) == "CANCELLED"
        lab.now += MINUTE
        lab.validate()


def test_accounts_take_turns_where_the_operator_wants_it(lab: Lab) -> None:
    def add(account: str) -> str:
        turn = lab.write(lambda c: quantum_tasks.next_turn(c, account, SV1))
        return lab.task(SV1, account=account, turn=turn)

    first = [add(ACCOUNT) for _ in range(5)]
    assert lab.claim(1) == [first[0]]
    second = [add(OTHER) for _ in range(3)]
    order = [first[1], second[0], first[2], second[1], first[3], second[2], first[4]]
    rows = [lab.read(lambda c, task=task: quantum_tasks.get(c, task)) for task in order]
    assert [lab.read(lambda c, row=row: quantum_tasks.tasks_ahead(c, row, 2000)) for row in rows] == list(range(7))
    who = lab.read(lambda c: quantum_tasks.ahead_by_account(c, rows[4], 2000))
    assert who == {ACCOUNT: 2, OTHER: 2}
    assert lab.claim(7) == order


def test_depths_and_positions_leave_reserved_work_out(lab: Lab) -> None:
    arn = lab.book(SV1, start=1)
    reserved, ordinary = [lab.task(SV1, arn) for _ in range(3)], [lab.task(SV1) for _ in range(2)]
    assert lab.read(lambda c: quantum_tasks.queued(c, SV1, 1, 10)) == 2
    assert lab.read(lambda c: quantum_tasks.queued_in(c, arn, 10)) == 3
    rows = [lab.read(lambda c, task=task: quantum_tasks.get(c, task)) for task in (reserved[2], ordinary[1])]
    assert [lab.read(lambda c, row=row: quantum_tasks.tasks_ahead(c, row, 2000)) for row in rows] == [2, 1]
    lab.job(SV1, arn)
    assert lab.read(lambda c: jobs.count(c, SV1, "QUEUED", 10)) == 0  # type: ignore[arg-type]
    second = lab.job(SV1)
    assert lab.read(lambda c: jobs.queue_position(c, jobs.get(c, second))) == 1  # type: ignore[arg-type]
    assert lab.read(lambda c: jobs.ahead_by_account(c, jobs.get(c, second), 16)) == {}  # type: ignore[arg-type]


@dataclass
class Stopped:
    """A clock that shows one time."""

    time_ms: int

    def now_ms(self) -> int:
        return self.time_ms


PREPARED = Prepared("braket.ir.openqasm.program", 2, 0)


class _Programs:
    """Every program is as good as any other here."""

    def check_at_once(self, action: str, limits: Any, shots: int) -> Any:
        return PREPARED

    async def check(self, account: str, action: str, limits: Any, shots: int) -> Any:
        return self.check_at_once(action, limits, shots)


def at(minutes: int) -> str:
    return datetime.fromtimestamp((START + minutes * MINUTE) / 1000, UTC).isoformat()
