"""Callers at the same time, on both databases: of every check and the write that follows it, one outcome in some order.

On PostgreSQL every second caller comes through a service of another process.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from braketeer.devices.catalogue import Catalogue
from braketeer.domain import arns, queue
from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, Caller, Role
from braketeer.domain.clock import SystemClock
from braketeer.domain.errors import ConflictException, ServiceUnavailableException, ValidationException
from braketeer.domain.lifecycles import JobStatus, TaskStatus
from braketeer.domain.s3_errors import BucketNotEmpty, NoSuchBucket, NoSuchUpload, PreconditionFailed
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.objects.uploads import NamedPart
from braketeer.services.braket.quantum_tasks import QuantumTasks
from braketeer.services.braket.tags import Tags
from braketeer.store import accounts, buckets, client_tokens, jobs, quantum_tasks, service_values, tables, tags, topics
from braketeer.store.database import Database, opened
from braketeer.store.objects import Condition
from braketeer.store.secrets import Secrets
from braketeer.work import dispatcher as dispatcher_module
from braketeer.work.dispatcher import Dispatcher
from braketeer.work.workers import WorkerNotStarted

CALLERS = 12
ROUNDS = 6
OTHER_ACCOUNT = "111111111111"
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
QPU = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
CALLER = Caller(DEFAULT_ACCOUNT_ID, "us-east-1", "AKIATEST", Role.USER, "request")


class House:
    """The parts that two services on one database have, ``one`` and ``other``; on SQLite there is only one."""

    def __init__(self, databases: list[Database], folder: Path) -> None:
        self.databases = databases
        self.clock = SystemClock()
        secrets = Secrets(b"0" * 43 + b"=")
        self.objects = [EmbeddedObjects(each, folder, self.clock, secrets, shared=True) for each in databases]

    def write(self, work: Callable[[Any], Any]) -> Any:
        return self.databases[0].write_now(lambda tx: work(tx.connection))

    def read(self, work: Callable[[Any], Any]) -> Any:
        return self.databases[0].read_now(work)

    def task(self, device: str = SV1) -> str:
        """The id of a new QUEUED task."""
        task_id = str(uuid.uuid4())
        row = {
            "id": task_id,
            "account": CALLER.account,
            "region": CALLER.region,
            "device_arn": device,
            "shots": 1,
            "output_bucket": "bucket",
            "output_prefix": f"tasks/{task_id}",
            "device_parameters": "{}",
            "action_type": "braket.ir.openqasm.program",
            "created_at": self.clock.now_ms(),
        }
        self.write(lambda c: quantum_tasks.add(c, "a program", row))
        return task_id

    def job(self, device: str = SV1) -> str:
        """The id of a new QUEUED job."""
        job_id = str(uuid.uuid4())
        row = {
            "id": job_id,
            "account": CALLER.account,
            "region": CALLER.region,
            "name": "job",
            "device_arn": device,
            "status": JobStatus.QUEUED,
            "request": {},
            "job_token": job_id,
            "events": [{"eventType": "QUEUED_FOR_EXECUTION", "timeOfEvent": 0, "message": ""}],
            "created_at": 0,
            "ingested": {},
        }
        self.write(lambda c: jobs.insert(c, row))
        return job_id


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    with ExitStack() as stack:
        doors = 1 if database_url.startswith("sqlite") else 2
        house = House([stack.enter_context(opened(database_url)) for _ in range(doors)], tmp_path / "objects")
        for account in (CALLER.account, OTHER_ACCOUNT):
            house.write(lambda c, account=account: accounts.create_account(c, account, account, 0))
        event.listen(Engine, "after_cursor_execute", _dawdle)
        yield house
        event.remove(Engine, "after_cursor_execute", _dawdle)
        for objects in house.objects:
            objects.close()


def _dawdle(*_: object) -> None:
    """Between two statements others have time for theirs (SQLite's hot statements do not come this way)."""
    time.sleep(random.random() * 0.004)


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """What each call returns or raises; all begin together, each in a thread."""
    together = threading.Barrier(len(calls), timeout=30)

    def call(one: Callable[[], Any]) -> Any:
        together.wait()
        try:
            return one()
        except Exception as problem:
            return problem

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def in_turn(parts: list[Any], call: Callable[[Any, int], Any], callers: int = CALLERS) -> list[Callable[[], Any]]:
    """Calls number 0, 1, ... through the parts in turn."""
    return [lambda part=part, n=n: call(part, n) for part, n in zip(cycle(parts), range(callers), strict=False)]


def run(work: Awaitable[Any]) -> Any:
    async def wait() -> Any:
        return await work

    return asyncio.run(wait())


def kinds(outcomes: list[Any]) -> Counter[str]:
    return Counter(type(outcome).__name__ for outcome in outcomes)


def test_a_resource_never_has_more_than_fifty_tags(house: House) -> None:
    services = [Tags(database) for database in house.databases]
    arn = arns.quantum_task(CALLER.region, CALLER.account, house.task())
    house.write(lambda c: tags.put(c, arn, {f"old {n}": "" for n in range(45)}))
    outcomes = at_once(
        in_turn(
            services,
            lambda service, n: run(service.tag_resource(CALLER, {"resourceArn": arn, "tags": {f"new {n}": ""}})),
        )
    )
    assert kinds(outcomes) == {"dict": 5, ValidationException.__name__: CALLERS - 5}
    assert len(house.read(lambda c: tags.of(c, arn))) == 50


def test_one_tag_set_by_many_has_the_value_of_one(house: House) -> None:
    services = [Tags(database) for database in house.databases]
    arn = arns.quantum_task(CALLER.region, CALLER.account, house.task())
    for _ in range(ROUNDS):
        outcomes = at_once(
            in_turn(
                services,
                lambda service, n: run(service.tag_resource(CALLER, {"resourceArn": arn, "tags": {"k": str(n)}})),
            )
        )
        assert kinds(outcomes) == {"dict": CALLERS}
        assert house.read(lambda c: tags.of(c, arn))["k"] in map(str, range(CALLERS))


def test_a_client_token_gives_one_resource(house: House) -> None:
    for number in range(ROUNDS):

        def claim(database: Database, n: int, token: str = f"token {number}") -> str:
            return database.write_now(
                lambda tx: client_tokens.claim(tx.connection, CALLER, "Create", token, "hash", f"resource {n}", 0)
            )

        assert len(set(at_once(in_turn(house.databases, claim)))) == 1


def test_a_cancel_sent_many_times_is_one_cancel(house: House) -> None:
    services = [QuantumTasks(each, Catalogue(2**30), house.clock, None, None, b"") for each in house.databases]  # type: ignore[arg-type]
    for number in range(ROUNDS):
        arn = arns.quantum_task(CALLER.region, CALLER.account, house.task())
        request = {"quantumTaskArn": arn, "clientToken": f"token {number}"}
        outcomes = at_once(
            in_turn(services, lambda service, _, request=request: run(service.cancel_quantum_task(CALLER, request)))
        )
        assert outcomes == [{"quantumTaskArn": arn, "cancellationStatus": "CANCELLED"}] * CALLERS


def test_of_different_cancels_one_is_answered(house: House) -> None:
    services = [QuantumTasks(each, Catalogue(2**30), house.clock, None, None, b"") for each in house.databases]  # type: ignore[arg-type]
    for number in range(ROUNDS):
        arn = arns.quantum_task(CALLER.region, CALLER.account, house.task())
        outcomes = at_once(
            in_turn(
                services,
                lambda service, n, arn=arn, number=number: run(
                    service.cancel_quantum_task(CALLER, {"quantumTaskArn": arn, "clientToken": f"{number} {n}"})
                ),
            )
        )
        assert kinds(outcomes) == {"dict": 1, ConflictException.__name__: CALLERS - 1}


def test_a_task_is_claimed_once_and_the_oldest_first(house: House) -> None:
    queued = [house.task() for _ in range(40)]

    def claim_all(database: Database, n: int) -> list[str]:
        dispatcher = Dispatcher(
            database,
            house.objects[0],
            Catalogue(2**30),
            house.clock,
            slots=0,
            memory_bytes=2**30,
            worker_memory_bytes=2**30,
        )
        claimed = []
        room = queue.Room(slots=2, memory=2**30, used=0, running=0)
        while claims := database.write_now(partial(dispatcher._claim_next, last_device=None, room=room)).claims:
            claimed += [claim.id for claim in claims]
        return claimed

    claimed = at_once(in_turn(house.databases, claim_all, 6))
    assert sorted(task_id for mine in claimed for task_id in mine) == sorted(queued)
    for mine in claimed:
        assert mine == sorted(mine, key=queued.index)


@pytest.mark.parametrize("trouble", ["no worker", "no room for the result"])
def test_a_cancel_is_heard_while_a_run_ends_in_trouble(
    house: House, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Each of these troubles is waited for before the task is given back; no lease (60 s) has to end for the cancel."""
    monkeypatch.setattr(dispatcher_module, "PAUSE_AFTER_TROUBLE_SECONDS", 100)
    waits = asyncio.Event()

    async def fail(*_: Any) -> None:
        asyncio.get_running_loop().call_later(0.05, waits.set)
        raise WorkerNotStarted("no memory") if trouble == "no worker" else ServiceUnavailableException("full")

    async def cancel() -> None:
        dispatcher = a_dispatcher(house)
        monkeypatch.setattr(dispatcher, "_compute", fail)
        await dispatcher.start(alone=True)
        try:
            await asyncio.wait_for(waits.wait(), 20)
            with house.databases[0].topics.subscribe(topics.task(task_id)) as news:
                await house.databases[0].write(ask_to_cancel)
                async with asyncio.timeout(20):
                    while row()["status"] != "CANCELLED":
                        await news.wait(1)
        finally:
            await dispatcher.close()

    def ask_to_cancel(tx: Any) -> None:
        assert quantum_tasks.request_cancel(tx.connection, task_id, 0) is TaskStatus.RUNNING
        tx.notify(topics.CANCELLATIONS)

    def row() -> Any:
        return house.read(lambda c: quantum_tasks.get(c, task_id))

    task_id = house.task()
    asyncio.run(cancel())


def test_a_claim_is_given_back_though_it_was_being_written_when_the_service_stopped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed, go_on = threading.Event(), threading.Event()
    claim = quantum_tasks.claim

    def claim_slowly(*arguments: Any) -> Any:
        found = claim(*arguments)
        claimed.set()
        assert go_on.wait(20)
        return found

    async def stop() -> None:
        dispatcher = a_dispatcher(house)
        await dispatcher.start(alone=True)
        await asyncio.to_thread(claimed.wait, 20)
        asyncio.get_running_loop().call_later(0.1, go_on.set)
        with house.databases[-1].topics.subscribe(topics.TASKS) as others:
            await dispatcher.close()
            assert await others.wait(5)  # another service finds it at once

    task_id = house.task()
    monkeypatch.setattr(quantum_tasks, "claim", claim_slowly)
    asyncio.run(stop())
    row = house.read(lambda c: quantum_tasks.get(c, task_id))
    assert (row["status"], row["lease_owner"]) == ("QUEUED", None)


def a_dispatcher(house: House) -> Dispatcher:
    """With one worker, which is not started before there is a task."""
    return Dispatcher(
        house.databases[0],
        house.objects[0],
        Catalogue(2**30),
        house.clock,
        slots=1,
        memory_bytes=2**30,
        worker_memory_bytes=2**30,
    )


def test_a_cancel_that_was_accepted_holds(house: House) -> None:
    """CANCELLING was told, so CANCELLED it becomes, though it is just then that the run reports its result."""
    for number in range(ROUNDS * 4):
        task_id = house.task()
        claim = house.write(lambda c, task_id=task_id: quantum_tasks.claim(c, task_id, "owner", 2**40, 0))

        def finish(database: Database, claim: Any = claim) -> None:
            def work(tx: Any) -> None:
                status = quantum_tasks.holds(tx.connection, claim, "owner")
                end = TaskStatus.CANCELLED if status is TaskStatus.CANCELLING else TaskStatus.COMPLETED
                quantum_tasks.finish(tx.connection, claim.id, end, 0)

            database.write_now(work)

        def cancel(database: Database, task_id: str = task_id) -> TaskStatus:
            return database.write_now(lambda tx: quantum_tasks.request_cancel(tx.connection, task_id, 0))

        first, second = house.databases[0], house.databases[-1]
        both = [lambda: cancel(first), lambda: finish(second)]  # noqa: B023 - called within this round
        before = next(outcome for outcome in at_once(both[:: 1 if number % 2 else -1]) if outcome is not None)
        row = house.read(lambda c, task_id=task_id: quantum_tasks.get(c, task_id))
        assert (before, row["status"]) in [("RUNNING", "CANCELLED"), ("COMPLETED", "COMPLETED")]


def test_a_stale_report_changes_nothing(house: House) -> None:
    """The lease has ended: one takes the task back and runs it again, while the other at last reports its result."""
    for _ in range(ROUNDS * 2):
        task_id = house.task()
        claim = house.write(lambda c, task_id=task_id: quantum_tasks.claim(c, task_id, "slow", 1, 0))

        def report(database: Database, claim: Any = claim) -> bool:
            def work(tx: Any) -> bool:
                if quantum_tasks.holds(tx.connection, claim, "slow") is None:
                    return False
                quantum_tasks.finish(tx.connection, claim.id, TaskStatus.COMPLETED, 0)
                return True

            return database.write_now(work)

        def take(database: Database, task_id: str = task_id) -> bool:
            def work(tx: Any) -> bool:
                quantum_tasks.recover(tx.connection, 0, 100)
                return quantum_tasks.claim(tx.connection, task_id, "quick", 2**40, 0) is not None

            return database.write_now(work)

        first, second = house.databases[0], house.databases[-1]
        reported, taken = at_once([lambda: report(first), lambda: take(second)])  # noqa: B023 - called within this round
        row = house.read(lambda c, task_id=task_id: quantum_tasks.get(c, task_id))
        assert (reported, taken, row["status"]) in [(True, False, "COMPLETED"), (False, True, "RUNNING")]


@pytest.mark.parametrize(("device", "places"), [(SV1, 3), (QPU, 1)])
def test_jobs_never_take_more_places_than_there_are(house: House, device: str, places: int) -> None:
    for _ in range(20):
        house.job(device)

    def claim(database: Database, n: int) -> list[Any]:
        def work(tx: Any) -> Any:
            return jobs.claim_next(tx.connection, 0, 3, str(n), 2**40)

        return [job["id"] for _ in range(10) if (job := database.write_now(work)) is not None]

    claimed = [job_id for mine in at_once(in_turn(house.databases, claim)) for job_id in mine]
    assert len(set(claimed)) == len(claimed) == places


def test_a_job_whose_lease_has_ended_is_taken_over_once(house: House) -> None:
    ids = [house.job() for _ in range(5)]
    for _ in ids:
        house.write(lambda c: jobs.claim_next(c, 0, 20, "gone", 10))
    outcomes = at_once(
        in_turn(
            house.databases,
            lambda database, n: database.write_now(lambda tx: jobs.take_over(tx.connection, str(n), 2**40, 100)),
        )
    )
    assert sorted(job["id"] for taken in outcomes for job in taken) == sorted(ids)


def test_every_event_of_a_job_is_kept_and_every_line_read_once(house: House) -> None:
    job_id = house.job()

    def follow(database: Database, n: int) -> bool:
        def work(tx: Any) -> bool:
            jobs.add_event(tx.connection, job_id, f"EVENT_{n}", "", n)
            return jobs.advance_ingested(tx.connection, job_id, "log", 0, 10)

        return database.write_now(work)

    assert sum(at_once(in_turn(house.databases, follow))) == 1
    job = house.read(lambda c: jobs.get(c, job_id))
    assert {event["eventType"] for event in job["events"][1:]} == {f"EVENT_{n}" for n in range(CALLERS)}


def test_a_bucket_name_belongs_to_the_first(house: House) -> None:
    for number in range(ROUNDS):

        def create(database: Database, n: int, name: str = f"bucket-{number}") -> str:
            account = (CALLER.account, OTHER_ACCOUNT)[n % 2]
            wanted = buckets.Bucket(name, account, "us-east-1", {"n": str(n)}, 0)
            return database.write_now(lambda tx: buckets.create(tx.connection, wanted)).tags["n"]

        assert len(set(at_once(in_turn(house.databases, create)))) == 1


def test_what_was_put_into_a_bucket_keeps_it(house: House) -> None:
    for number in range(ROUNDS * 2):
        name = f"bucket-{number}"
        bucket = buckets.Bucket(name, CALLER.account, "us-east-1", {}, 0)
        house.write(lambda c, bucket=bucket: buckets.create(c, bucket))
        one, other = house.objects[0], house.objects[-1]

        async def upload(objects: EmbeddedObjects, name: str = name) -> Any:
            return await objects.uploads.put_part(await objects.uploads.create(name, "k"), 1, b"part")

        put, part, removed = at_once(
            [
                lambda one=one, name=name: run(one.put(name, "k", b"x")),
                lambda one=one: run(upload(one)),
                lambda other=other, name=name: run(other.remove_bucket(name)),
            ]
        )
        there = house.read(lambda c, name=name: buckets.find(c, name))
        if removed is None:
            assert there is None
            assert isinstance(put, NoSuchBucket)
            assert isinstance(part, (NoSuchBucket, NoSuchUpload)) or part.number == 1
        else:
            assert isinstance(removed, BucketNotEmpty)
            assert (run(one.read(name, "k")), part.number) == (b"x", 1)
    homeless = select(func.count()).select_from(tables.uploads.outerjoin(tables.buckets))
    homeless = homeless.where(tables.buckets.c.name.is_(None))
    assert house.read(lambda c: c.execute(homeless).scalar_one()) == 0
    check_storage(house)


def test_of_conditional_puts_one_succeeds(house: House) -> None:
    house.write(lambda c: buckets.create(c, buckets.Bucket("bucket", CALLER.account, "us-east-1", {}, 0)))
    for number in range(ROUNDS):
        key = f"k{number}"
        for absent in (True, False):
            there = () if absent else (run(house.objects[0].find("bucket", key)).content.etag,)
            condition = Condition(absent=True) if absent else Condition(etags=there)
            outcomes = at_once(
                in_turn(
                    house.objects,
                    lambda objects, n, key=key, condition=condition: run(
                        objects.put("bucket", key, f"{condition.absent} {n}".encode(), condition=condition)
                    ),
                )
            )
            assert kinds(outcomes) == {"Content": 1, PreconditionFailed.__name__: CALLERS - 1}
            stored = [outcome.etag for outcome in outcomes if not isinstance(outcome, Exception)]
            assert [run(house.objects[-1].find("bucket", key)).content.etag] == stored
    check_storage(house)


def test_an_upload_is_completed_or_given_up(house: House) -> None:
    house.write(lambda c: buckets.create(c, buckets.Bucket("bucket", CALLER.account, "us-east-1", {}, 0)))
    one, other = house.objects[0], house.objects[-1]
    for number in range(ROUNDS * 2):
        key = f"k{number}"

        async def begin(key: str = key) -> Any:
            upload = await one.uploads.create("bucket", key)
            return upload, await one.uploads.put_part(upload, 1, b"part")

        upload, part = run(begin())
        named = [NamedPart(1, part.etag, {})]
        completions = [
            lambda objects=objects, key=key, upload=upload, named=named: run(
                objects.uploads.complete("bucket", key, upload.id, named)
            )
            for objects in (one, other)
        ]
        abort = [lambda key=key, upload=upload: run(other.uploads.abort("bucket", key, upload.id))]
        *completed, aborted = at_once([*completions, *abort])
        if aborted is None:
            assert all(isinstance(outcome, NoSuchUpload) for outcome in completed)
            assert not run(one.exists("bucket", key))
        else:
            assert isinstance(aborted, NoSuchUpload)
            assert {outcome.etag for outcome in completed} == {run(one.find("bucket", key)).content.etag}
            assert run(other.read("bucket", key)) == b"part"
    check_storage(house)


def test_objects_put_copied_and_deleted_at_once_leave_no_file_unaccounted(house: House) -> None:
    house.write(lambda c: buckets.create(c, buckets.Bucket("bucket", CALLER.account, "us-east-1", {}, 0)))
    large = b"x" * 100_000

    def work(objects: EmbeddedObjects, n: int) -> None:
        async def some() -> None:
            for step in range(8):
                key, copy = f"k{(n + step) % 3}", f"k{(n + step + 1) % 3}"
                await objects.put("bucket", key, large[: 70_000 + n])
                if step % 2:
                    await objects.delete("bucket", copy)
                else:
                    await objects.copy(("bucket", key), ("bucket", copy))

        asyncio.run(some())

    outcomes = at_once(in_turn(house.objects, work, 8))
    assert [problem for problem in outcomes if problem is not None and type(problem).__name__ != "NoSuchKey"] == []
    for key in (f"k{n}" for n in range(3)):
        body = run(house.objects[0].read("bucket", key))
        assert body is None or (set(body) == {ord("x")} and 70_000 <= len(body) < 70_008)
    check_storage(house)


def check_storage(house: House) -> None:
    """What the accounts are said to store is what is there."""
    objects = select(func.coalesce(func.sum(tables.objects.c.size), 0))
    parts = select(func.coalesce(func.sum(tables.upload_parts.c.size), 0))
    counted = select(func.sum(tables.accounts.c.storage_bytes))
    stored = house.read(lambda c: sum(int(c.execute(query).scalar_one()) for query in (objects, parts)))
    assert house.read(lambda c: int(c.execute(counted).scalar_one())) == stored


def test_the_first_value_stays(house: House) -> None:
    def add(database: Database, n: int) -> int:
        return database.write_now(lambda tx: service_values.get_or_add(tx.connection, "a name", n))

    assert len(set(at_once(in_turn(house.databases, add)))) == 1
