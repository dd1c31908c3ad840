"""Rows of hybrid jobs: their queue, their life cycle, their events, and how far the runners' files were read.

Every change of a status names the status it comes from, so that of two callers only one succeeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Update,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)

from braketeer.domain import scheduling
from braketeer.domain.lifecycles import JOB_TRANSITIONS, JobStatus
from braketeer.domain.scheduling import Gate
from braketeer.store.schedule import lock_scheduling
from braketeer.store.tables import jobs

MOST_EVENTS = 20  # GetJob's events: at most 20 in the model
LONGEST_EVENT_MESSAGE = 2500
LONGEST_FAILURE_REASON = 1024
POSITIONS_COUNTED = 16  # ">15" is the largest position that is told

_ON_A_MACHINE = (JobStatus.RUNNING, JobStatus.CANCELLING)
_LANE = (jobs.c.device_arn, jobs.c.reservation_arn)


def insert(connection: Connection, row: Mapping[str, Any]) -> None:
    """A new job: every column but ``sequence`` and those that start out empty."""
    connection.execute(sqlalchemy.insert(jobs).values(row))


def get(connection: Connection, job_id: str) -> RowMapping | None:
    return connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one_or_none()


def owned(connection: Connection, job_id: str, account: str, region: str) -> RowMapping | None:
    """A job of this account in this region; None for any other, existing or not."""
    query = select(jobs).where(jobs.c.id == job_id, jobs.c.account == account, jobs.c.region == region)
    return connection.execute(query).mappings().one_or_none()


def by_token(connection: Connection, token: str) -> RowMapping | None:
    """The job that a ``jobToken`` belongs to, whatever its status."""
    return connection.execute(select(jobs).where(jobs.c.job_token == token)).mappings().one_or_none()


def unfinished(connection: Connection) -> list[str]:
    """The ids of jobs that have a runner, or should have: RUNNING and CANCELLING."""
    return list(connection.execute(select(jobs.c.id).where(jobs.c.status.in_(_ON_A_MACHINE))).scalars())


def claim_next(
    connection: Connection,
    now_ms: int,
    slots: int,
    owner: str,
    lease_until: int,
    gates: Mapping[str, Gate] = MappingProxyType({}),
) -> RowMapping | None:
    """Make the job that starts next (scheduling.next_job) RUNNING and return its new row; None where nothing can start:
    then those that wait for a QPU's running job have the event WAITING_FOR_PRIORITY.

    ``gates`` are those of devices that have one. ``owner`` follows the job until ``lease_until`` (real time, epoch
    seconds) or longer.
    """
    lock_scheduling(connection)  # places are counted and taken by one at a time: two claims never share the last one
    heads = connection.execute(
        select(*_LANE, func.min(jobs.c.sequence).label("sequence"))
        .where(jobs.c.status == text("'QUEUED'"))
        .group_by(*_LANE)
    )
    able = [scheduling.JobHead(head.sequence, head.device_arn, head.reservation_arn) for head in heads]
    on_the_machine = running(connection)
    chosen = scheduling.next_job(able, gates, on_the_machine, slots)
    if chosen is None:
        for head in scheduling.waiting_for_priority(able, gates, on_the_machine):
            _note_waiting(connection, head.sequence, now_ms)
        return None
    row = connection.execute(
        _change(jobs.c.sequence == chosen.sequence, [JobStatus.QUEUED], JobStatus.RUNNING)
        .values(started_at=now_ms, attempt=jobs.c.attempt + 1, lease_owner=owner, lease_until=lease_until)
        .returning(jobs)
    )
    return row.mappings().one_or_none()


def running(connection: Connection) -> scheduling.JobsRunning:
    """How many jobs are on the machine."""
    counted = connection.execute(
        select(*_LANE, func.count().label("jobs")).where(jobs.c.status.in_(_ON_A_MACHINE)).group_by(*_LANE)
    ).all()
    return scheduling.JobsRunning(
        ordinary={row.device_arn: row.jobs for row in counted if row.reservation_arn is None},
        reserved={row.reservation_arn: row.jobs for row in counted if row.reservation_arn is not None},
    )


def take_over(connection: Connection, owner: str, lease_until: int, lease_before: int | None) -> list[RowMapping]:
    """Jobs on the machine that nobody follows any more, now under a lease of ``owner``; oldest first.

    ``lease_before``: those whose lease ended before it; None: every one, which is right where the data directory's
    lock says that no other service lives. The condition on the lease gives each job to one of several takers: the
    second waits for the row, and then finds the lease of the first.
    """
    lost = true() if lease_before is None else or_(jobs.c.lease_until < lease_before, jobs.c.lease_until.is_(None))
    taken = connection.execute(
        update(jobs)
        .where(jobs.c.status.in_(_ON_A_MACHINE), lost)
        .values(lease_owner=owner, lease_until=lease_until)
        .returning(jobs)
    )
    return sorted(taken.mappings(), key=lambda job: job["sequence"])


def extend_leases(connection: Connection, followed: Iterable[str], owner: str, lease_until: int) -> list[str]:
    """The heartbeat of a service that follows these jobs; the ids of those that are still its own.

    A job that is its own and that it does not know of, as the answer to its claim was lost, is left to ``take_over``.
    """
    extended = (
        update(jobs)
        .where(jobs.c.id.in_(list(followed)), jobs.c.status.in_(_ON_A_MACHINE), jobs.c.lease_owner == owner)
        .values(lease_until=lease_until)
        .returning(jobs.c.id)
    )
    return list(connection.execute(extended).scalars())


def end_leases(connection: Connection, owner: str) -> None:
    """Leave every job of a service, followed or not, to whoever takes it over."""
    held = update(jobs).where(jobs.c.status.in_(_ON_A_MACHINE), jobs.c.lease_owner == owner)
    connection.execute(held.values(lease_until=0))


def lock_followed(connection: Connection, job_id: str, owner: str) -> bool:
    """Whether ``owner`` follows the job; if it does, nobody takes it over before the transaction ends."""
    query = select(jobs.c.lease_owner).where(jobs.c.id == job_id).with_for_update()
    return connection.execute(query).scalar_one_or_none() == owner


def transition(
    connection: Connection,
    job_id: str,
    from_statuses: Iterable[JobStatus],
    to_status: JobStatus,
    **values: Any,
) -> bool:
    """Give the job a status if it has one of ``from_statuses``; whether it did. ``values`` are further columns."""
    changed = connection.execute(_change(jobs.c.id == job_id, from_statuses, to_status).values(**values))
    return changed.rowcount == 1


def finish(
    connection: Connection, job_id: str, status: JobStatus, ended_at: int, failure_reason: str | None = None
) -> bool:
    """End a job that was on a machine; whether this call did it. One that was to be cancelled keeps the reason if it is
    CANCELLED.
    """
    reason = failure_reason[:LONGEST_FAILURE_REASON] if failure_reason else None
    kept = func.coalesce(reason, jobs.c.failure_reason) if status is JobStatus.CANCELLED else reason
    return transition(connection, job_id, _ON_A_MACHINE, status, ended_at=ended_at, failure_reason=kept)


def end_queued_or_running(
    connection: Connection, which: ColumnElement[bool], reason: str, now_ms: int
) -> list[tuple[str, JobStatus]]:
    """Cancel jobs for a reason of the service's, which becomes their ``failureReason``. Their ids and what they are
    now: CANCELLED from QUEUED, CANCELLING from RUNNING.

    One statement for both statuses: a job that goes from one to the other meanwhile (PostgreSQL) is waited for.
    """
    was_queued = jobs.c.status == JobStatus.QUEUED
    ended = connection.execute(
        update(jobs)
        .where(which, jobs.c.status.in_([JobStatus.QUEUED, JobStatus.RUNNING]))
        .values(
            status=case((was_queued, JobStatus.CANCELLED.value), else_=JobStatus.CANCELLING.value),
            ended_at=case((was_queued, now_ms), else_=None),
            failure_reason=reason[:LONGEST_FAILURE_REASON],
        )
        .returning(jobs.c.id, jobs.c.status)
    ).all()
    for job_id, status in ended:
        if status == JobStatus.CANCELLED:
            add_event(connection, job_id, "CANCELLED", f"{reason}.", now_ms)
    return [(job_id, JobStatus(status)) for job_id, status in ended]


def request_cancel(connection: Connection, job_id: str, now_ms: int) -> JobStatus | None:
    """Cancel what can be cancelled and return the status before: a QUEUED job is CANCELLED, a RUNNING one CANCELLING.

    None for an unknown job. A job that is CANCELLING or has ended stays what it is.
    """
    if transition(connection, job_id, [JobStatus.QUEUED], JobStatus.CANCELLED, ended_at=now_ms):
        add_event(connection, job_id, "CANCELLED", "The job was cancelled before it started.", now_ms)
        return JobStatus.QUEUED
    if transition(connection, job_id, [JobStatus.RUNNING], JobStatus.CANCELLING):
        return JobStatus.RUNNING
    status = connection.execute(select(jobs.c.status).where(jobs.c.id == job_id)).scalar_one_or_none()
    return None if status is None else JobStatus(status)


def reason_of_cancelling(connection: Connection, job_id: str) -> str | None:
    """Why the service has cancelled a job, as a sentence; None where a client has."""
    reason = connection.execute(select(jobs.c.failure_reason).where(jobs.c.id == job_id)).scalar_one()
    return None if reason is None else f"{reason}."


def add_event(connection: Connection, job_id: str, event_type: str, message: str, at_ms: int) -> None:
    """Append an event. Beyond 20 the first stays and the oldest of the others goes."""
    events = connection.execute(select(jobs.c.events).where(jobs.c.id == job_id).with_for_update()).scalar_one()
    event = {"eventType": event_type, "timeOfEvent": at_ms, "message": message[:LONGEST_EVENT_MESSAGE]}
    kept = [*events, event]
    if len(kept) > MOST_EVENTS:
        kept = [kept[0], *kept[1 - MOST_EVENTS :]]
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(events=kept))


def advance_ingested(connection: Connection, job_id: str, file: str, offset: int, new_offset: int) -> bool:
    """Note that ``file`` was read up to ``new_offset``, if it had been read up to ``offset``; whether it had.

    In the transaction that stores what was read, this makes every line arrive once, however often it is tried.
    """
    query = select(jobs.c.ingested).where(jobs.c.id == job_id).with_for_update()
    ingested = connection.execute(query).scalar_one_or_none()
    if ingested is None or ingested.get(file, 0) != offset:
        return False
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(ingested={**ingested, file: new_offset}))
    return True


def queue_position(connection: Connection, job: RowMapping) -> int:
    """Place of a QUEUED job among those of its lane (domain/scheduling.py): 1 starts next. Counting stops at 16, which
    stands for ``>15``.
    """
    ahead = (
        select(jobs.c.sequence)
        .where(
            jobs.c.status == text("'QUEUED'"),
            jobs.c.device_arn == job["device_arn"],
            jobs.c.reservation_arn.is_not_distinct_from(job["reservation_arn"]),
            jobs.c.sequence <= job["sequence"],
        )
        .limit(POSITIONS_COUNTED)
    )
    return connection.execute(select(func.count()).select_from(ahead.subquery())).scalar_one()


def ahead_by_account(connection: Connection, job: RowMapping, cap: int) -> dict[str, int]:
    """How many jobs of its lane start before this one, by account; at most ``cap`` are looked at."""
    ahead = (
        select(jobs.c.account)
        .where(
            jobs.c.status == text("'QUEUED'"),
            jobs.c.device_arn == job["device_arn"],
            jobs.c.reservation_arn.is_not_distinct_from(job["reservation_arn"]),
            jobs.c.sequence < job["sequence"],
        )
        .order_by(jobs.c.sequence)
        .limit(cap)
        .subquery()
    )
    found = connection.execute(select(ahead.c.account, func.count()).group_by(ahead.c.account))
    return {row[0]: row[1] for row in found}


def count(connection: Connection, device_arn: str, status: JobStatus, most: int) -> int:
    """How many jobs of a device, in no reservation, have this status; counting stops at ``most``."""
    found = (
        select(literal_column("1"))
        .where(
            jobs.c.device_arn == device_arn,
            jobs.c.status == literal_column(f"'{status}'"),
            jobs.c.reservation_arn.is_(None),
        )
        .limit(most)
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(found)).scalar_one()


def _note_waiting(connection: Connection, sequence: int, now_ms: int) -> None:
    """Give a QUEUED job the event WAITING_FOR_PRIORITY, once. Its row is locked: a cancel comes before or after."""
    query = select(jobs.c.id, jobs.c.events).where(jobs.c.sequence == sequence, jobs.c.status == JobStatus.QUEUED)
    job = connection.execute(query.with_for_update()).one_or_none()
    if job is not None and all(event["eventType"] != "WAITING_FOR_PRIORITY" for event in job.events):
        message = "Another hybrid job runs on the device."
        add_event(connection, job.id, "WAITING_FOR_PRIORITY", message, now_ms)


def _change(which: ColumnElement[bool], from_statuses: Iterable[JobStatus], to_status: JobStatus) -> Update:
    """The one statement that changes a status: from these alone, and of them from those that the table allows."""
    allowed = [status.value for status in from_statuses if to_status in JOB_TRANSITIONS[status]]
    return update(jobs).where(which, jobs.c.status.in_(allowed)).values(status=to_status.value)
