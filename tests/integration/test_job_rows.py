"""The rows of hybrid jobs: queue, claims, cancels, events, and the offsets that make every log line arrive once."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from braketeer.devices.catalogue import Catalogue
from braketeer.domain.accounts import Caller, Role
from braketeer.domain.clock import SystemClock
from braketeer.domain.errors import ValidationException
from braketeer.domain.lifecycles import JOB_TRANSITIONS, JobStatus
from braketeer.services.braket.jobs import Jobs
from braketeer.store import accounts, buckets, jobs, tables
from braketeer.store.database import Database, opened

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
QPU = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
OTHER_QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as database:
        yield database


def add(database: Database, device: str = SV1) -> str:
    job_id = str(uuid.uuid4())
    row = {
        "id": job_id,
        "account": "000000000000",
        "region": "us-east-1",
        "name": "n",
        "device_arn": device,
        "status": JobStatus.QUEUED,
        "request": {},
        "job_token": f"token of {job_id}",
        "events": [{"eventType": "QUEUED_FOR_EXECUTION", "timeOfEvent": 0, "message": ""}],
        "created_at": 0,
        "ingested": {},
    }
    database.write_now(lambda tx: jobs.insert(tx.connection, row))
    return job_id


def claim(database: Database, slots: int = 2) -> str | None:
    row = database.write_now(lambda tx: jobs.claim_next(tx.connection, 5, slots, "a service", 60))
    return None if row is None else row["id"]


def get(database: Database, job_id: str) -> Any:
    return database.read_now(lambda connection: jobs.get(connection, job_id))


def test_jobs_start_in_order_as_far_as_there_are_slots(database: Database) -> None:
    first, second, third = (add(database, device) for device in (SV1, "local:none/none", SV1))
    assert [claim(database), claim(database), claim(database)] == [first, second, None]
    row = get(database, first)
    assert (row["status"], row["started_at"], row["attempt"]) == ("RUNNING", 5, 1)
    database.write_now(lambda tx: jobs.finish(tx.connection, second, JobStatus.COMPLETED, 9))
    assert claim(database) == third


def test_a_qpu_takes_one_job_and_holds_up_nobody_else(database: Database) -> None:
    first, second, other, simulator = (add(database, device) for device in (QPU, QPU, OTHER_QPU, SV1))
    assert [claim(database, 1), claim(database, 1), claim(database, 1), claim(database, 1)] == [
        first,
        other,
        simulator,
        None,
    ]
    database.write_now(lambda tx: jobs.request_cancel(tx.connection, first, 6))
    assert claim(database, 1) is None, "a job that is being cancelled still has its device"
    database.write_now(lambda tx: jobs.finish(tx.connection, first, JobStatus.CANCELLED, 7))
    assert claim(database, 1) == second


def test_who_waits_for_the_job_that_has_a_qpu_is_told_once(database: Database) -> None:
    first, second, third, simulator = (add(database, device) for device in (QPU, QPU, QPU, SV1))
    assert [claim(database, 1) for _ in range(4)] == [first, simulator, None, None]

    def events(job_id: str) -> list[str]:
        return [event["eventType"] for event in get(database, job_id)["events"]]

    queued, waiting = "QUEUED_FOR_EXECUTION", "WAITING_FOR_PRIORITY"
    assert [events(job_id) for job_id in (first, second, third)] == [[queued], [queued, waiting], [queued]]
    database.write_now(lambda tx: jobs.finish(tx.connection, first, JobStatus.COMPLETED, 7))
    late = add(database, SV1)
    assert [claim(database, 1), claim(database, 1)] == [second, None]
    assert [events(third), events(late)] == [[queued, waiting], [queued]], "a simulator's job waits for a place only"


def test_many_claimers_never_get_the_same_job(database: Database) -> None:
    for _ in range(20):
        add(database)
    claimed: list[str | None] = []
    threads = [threading.Thread(target=lambda: claimed.append(claim(database, 15))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [job_id for job_id in claimed if job_id is not None]
    assert len(got) == len(set(got)) == 15


def test_cancelling(database: Database) -> None:
    job_id = add(database)

    def cancel() -> JobStatus | None:
        return database.write_now(lambda tx: jobs.request_cancel(tx.connection, job_id, 8))

    assert cancel() is JobStatus.QUEUED
    row = get(database, job_id)
    assert (row["status"], row["ended_at"], row["events"][-1]["eventType"]) == ("CANCELLED", 8, "CANCELLED")
    assert cancel() is JobStatus.CANCELLED
    job_id = add(database)
    claim(database)
    assert [cancel(), cancel()] == [JobStatus.RUNNING, JobStatus.CANCELLING]
    assert database.write_now(lambda tx: jobs.request_cancel(tx.connection, "unknown", 8)) is None


def test_an_ended_job_stays_what_it_became(database: Database) -> None:
    job_id = add(database)
    claim(database)

    def finish(status: JobStatus, reason: str | None) -> bool:
        return database.write_now(lambda tx: jobs.finish(tx.connection, job_id, status, 9, reason))

    assert finish(JobStatus.FAILED, "x" * 2000)
    assert not finish(JobStatus.COMPLETED, None)
    row = get(database, job_id)
    assert (row["status"], row["failure_reason"], row["ended_at"]) == ("FAILED", "x" * 1024, 9)


@pytest.mark.parametrize("before", list(JobStatus))
def test_a_status_changes_only_as_the_table_of_transitions_allows(database: Database, before: JobStatus) -> None:
    for after in JobStatus:
        job_id = add(database)
        query = update(tables.jobs).where(tables.jobs.c.id == job_id).values(status=before.value)
        database.write_now(lambda tx, query=query: tx.connection.execute(query))  # type: ignore[misc]
        changed = database.write_now(
            lambda tx, i=job_id, after=after: jobs.transition(tx.connection, i, list(JobStatus), after)  # type: ignore[misc]
        )
        assert changed == (after in JOB_TRANSITIONS[before])
        assert get(database, job_id)["status"] == (after if changed else before)


def test_jobs_of_a_device_are_counted_by_status_and_up_to_a_bound(database: Database) -> None:
    for device in (SV1, SV1, SV1, QPU):
        add(database, device)
    claim(database)

    def count(device: str, status: JobStatus, most: int = 9) -> int:
        return database.read_now(lambda connection: jobs.count(connection, device, status, most))

    assert [count(SV1, JobStatus.QUEUED), count(SV1, JobStatus.RUNNING), count(QPU, JobStatus.QUEUED)] == [2, 1, 1]
    assert count(SV1, JobStatus.QUEUED, 1) == 1


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("s3://mine/x", None),
        ("https://mine.s3.us-east-1.amazonaws.com/x", None),
        ("https://s3.us-east-1.amazonaws.com/mine/x", None),
        ("https://other.s3.us-east-1.amazonaws.com/mine", "The output bucket other does not exist"),
        ("https://mine", "'https://mine' is not an S3 location"),
    ],
)
def test_a_job_names_its_bucket_in_any_form_of_an_address(
    database: Database, address: str, problem: str | None
) -> None:
    caller = Caller("000000000000", "us-east-1", "key", Role.USER, "request")
    mine = buckets.Bucket("mine", caller.account, caller.region, {}, 0)
    database.write_now(lambda tx: buckets.create(tx.connection, mine))
    given = {
        "clientToken": "t",
        "jobName": "n",
        "roleArn": "arn:aws:iam::000000000000:role/r",
        "algorithmSpecification": {"scriptModeConfig": {"entryPoint": "a", "s3Uri": "s3://any/a"}},
        "deviceConfig": {"device": "local:none/none"},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        "outputDataConfig": {"s3Path": address},
    }
    create = Jobs(database, Catalogue(1 << 30), SystemClock(), bytes(32)).create_job(caller, given)
    if problem is None:
        assert asyncio.run(create)["jobArn"].startswith("arn:aws:braket:us-east-1:000000000000:job/")
    else:
        with pytest.raises(ValidationException) as refusal:
            asyncio.run(create)
        assert refusal.value.message == problem


def test_where_jobs_cannot_be_kept_apart_those_of_several_accounts_are_refused(database: Database) -> None:
    caller = Caller("000000000000", "us-east-1", "key", Role.USER, "request")
    mine = buckets.Bucket("mine", caller.account, caller.region, {}, 0)
    database.write_now(lambda tx: buckets.create(tx.connection, mine))
    database.write_now(lambda tx: accounts.create_account(tx.connection, "000000000000", "default", 0))

    def create(number: int, *, isolated: bool = False, instances: int = 1) -> str:
        given = {
            "clientToken": f"t{number}",
            "jobName": "n",
            "roleArn": "arn:aws:iam::000000000000:role/r",
            "algorithmSpecification": {"scriptModeConfig": {"entryPoint": "a", "s3Uri": "s3://any/a"}},
            "deviceConfig": {"device": "local:none/none"},
            "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": instances},
            "outputDataConfig": {"s3Path": "s3://mine/x"},
        }
        service = Jobs(database, Catalogue(1 << 30), SystemClock(), bytes(32), isolated=isolated)
        return str(asyncio.run(service.create_job(caller, given))["jobArn"])

    assert create(1)
    database.write_now(lambda tx: accounts.create_account(tx.connection, "111111111111", "another", 0))
    with pytest.raises(ValidationException, match="BRAKETEER_ALLOW_UNSANDBOXED"):
        create(2)
    assert create(3, isolated=True)
    assert create(4, isolated=True, instances=16)
    with pytest.raises(ValidationException, match="instanceCount may be up to 16"):
        create(5, isolated=True, instances=17)


def test_twenty_events_are_kept_with_the_first_and_the_newest(database: Database) -> None:
    job_id = add(database)
    for n in range(1, 41):
        database.write_now(lambda tx, n=n: jobs.add_event(tx.connection, job_id, f"E{n}", "m" * 3000, n))  # type: ignore[misc]
    events = get(database, job_id)["events"]
    assert [event["timeOfEvent"] for event in events] == [0, *range(22, 41)]
    assert len(events[-1]["message"]) == 2500


def test_an_offset_moves_only_from_where_it_is(database: Database) -> None:
    job_id = add(database)

    def advance(offset: int, new: int, file: str = "log") -> bool:
        return database.write_now(lambda tx: jobs.advance_ingested(tx.connection, job_id, file, offset, new))

    assert [advance(0, 10), advance(0, 10), advance(10, 15), advance(0, 3, "other")] == [True, False, True, True]
    assert get(database, job_id)["ingested"] == {"log": 15, "other": 3}


def test_positions_are_counted_within_the_device_and_up_to_sixteen(database: Database) -> None:
    add(database, QPU)
    queued = [add(database) for _ in range(20)]
    positions = [database.read_now(lambda c, i=i: jobs.queue_position(c, jobs.get(c, i))) for i in queued]  # type: ignore
    assert positions == [*range(1, 17), 16, 16, 16, 16]


def test_a_job_is_found_by_its_token(database: Database) -> None:
    job_id = add(database)
    found = database.read_now(lambda connection: jobs.by_token(connection, f"token of {job_id}"))
    assert found is not None
    assert found["id"] == job_id
    assert database.read_now(lambda connection: jobs.by_token(connection, "another")) is None


def test_a_service_extends_the_leases_of_what_it_follows_and_ends_all_that_it_has(database: Database) -> None:
    followed, unheard, others = (add(database) for _ in range(3))
    for owner in ("ours", "ours", "theirs"):
        database.write_now(lambda tx, owner=owner: jobs.claim_next(tx.connection, 5, 9, owner, 60))  # type: ignore[misc]

    def leases() -> list[int]:
        return [get(database, job_id)["lease_until"] for job_id in (followed, unheard, others)]

    extended = database.write_now(lambda tx: jobs.extend_leases(tx.connection, [followed, others], "ours", 90))
    assert (extended, leases()) == ([followed], [90, 60, 60])
    taken = database.write_now(lambda tx: jobs.take_over(tx.connection, "ours", 99, 61))
    assert [job["id"] for job in taken] == [unheard, others]
    database.write_now(lambda tx: jobs.end_leases(tx.connection, "theirs"))
    assert leases() == [90, 99, 99]
    database.write_now(lambda tx: jobs.end_leases(tx.connection, "ours"))
    assert leases() == [0, 0, 0]
