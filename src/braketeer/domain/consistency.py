"""What is true of the rows at every moment, whatever happens in whatever order. Tests ask it after each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from braketeer.domain.lifecycles import JOB_FINISHED, TASK_FINISHED
from braketeer.domain.reservations import Reservation, ReservationKind
from braketeer.domain.scheduling import DeviceRow, takes_one_job


class Inconsistent(AssertionError):
    """Rows that must not be. The text says which, and why."""


@dataclass(frozen=True, slots=True)
class Work:
    """A quantum task or hybrid job as its row is. Times are service time, epoch ms."""

    id: str
    account: str
    device_arn: str
    status: str
    reservation_arn: str | None
    started_at: int | None
    ended_at: int | None


def validate(
    tasks: Sequence[Work],
    jobs: Sequence[Work],
    reservations: Iterable[Reservation],
    devices: Mapping[str, DeviceRow],
) -> None:
    """Raise Inconsistent where the rows break a promise of docs/lifecycles.md or docs/reservations.md."""
    reserved = {each.arn: each for each in reservations}
    _require_apart(reserved.values())
    for work in (*tasks, *jobs):
        _require_life(work)
        _require_window(work, reserved)
    _require_room(tasks, jobs, devices)


def _require_apart(reservations: Iterable[Reservation]) -> None:
    standing = sorted(
        (each for each in reservations if each.cancelled_at is None), key=lambda each: (each.device_arn, each.starts_at)
    )
    for one, other in pairwise(standing):
        if one.device_arn == other.device_arn and one.overlaps(other.starts_at, other.ends_at):
            raise Inconsistent(f"{one} and {other} overlap")


def _require_life(work: Work) -> None:
    finished = work.status in (TASK_FINISHED | JOB_FINISHED)
    if finished != (work.ended_at is not None):
        raise Inconsistent(f"{work}: an end without its time, or a time without an end")
    if (work.status == "QUEUED" and work.started_at is not None) or (
        work.status in ("RUNNING", "CANCELLING", "COMPLETED") and work.started_at is None
    ):
        raise Inconsistent(f"{work}: a start without its time, or a time without a start")


def _require_window(work: Work, reserved: Mapping[str, Reservation]) -> None:
    if work.reservation_arn is not None:
        own = reserved[work.reservation_arn]
        if (own.account, own.device_arn) != (work.account, work.device_arn):
            raise Inconsistent(f"{work} is not of {own}")
        if own.settled and work.status in ("QUEUED", "RUNNING"):
            raise Inconsistent(f"{work} outlives {own}")
        # What starts in the millisecond of a cancel may be before it, or after it.
        if work.started_at is not None and not _is_inside(work.started_at, own, until=_end(own) + 1):
            raise Inconsistent(f"{work} was not started inside {own}")
        return
    for other in reserved.values():
        if (
            other.kind is ReservationKind.EXCLUSIVE
            and other.device_arn == work.device_arn
            and work.started_at is not None
            and work.started_at > other.made_at
            and _is_inside(work.started_at, other, until=_end(other))
        ):
            raise Inconsistent(f"{work} was started inside {other}, which is exclusive")


def _end(reservation: Reservation) -> int:
    cancelled_at = reservation.cancelled_at
    return reservation.ends_at if cancelled_at is None else min(reservation.ends_at, cancelled_at)


def _is_inside(moment: int, reservation: Reservation, until: int) -> bool:
    return reservation.starts_at <= moment < min(until, reservation.ends_at)


def _require_room(tasks: Sequence[Work], jobs: Sequence[Work], devices: Mapping[str, DeviceRow]) -> None:
    running = Counter(task.device_arn for task in tasks if task.status in ("RUNNING", "CANCELLING"))
    for device_arn, number in running.items():
        concurrency = devices[device_arn].concurrency if device_arn in devices else None
        if concurrency is not None and number > concurrency:
            raise Inconsistent(f"{number} tasks are on {device_arn}, which takes {concurrency} at once")
    on_machine = [job for job in jobs if job.status in ("RUNNING", "CANCELLING") and takes_one_job(job.device_arn)]
    for place, number in Counter(job.reservation_arn or job.device_arn for job in on_machine).items():
        if number > 1:
            raise Inconsistent(f"{number} jobs are on {place}, which takes one at a time")
