"""Reservations: windows of service time on one device for one account (Braket Direct)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from braketeer.domain.clock import iso
from braketeer.domain.errors import ConflictException, ValidationException
from braketeer.domain.lifecycles import RESERVATION_TRANSITIONS, ReservationStatus

LAST_MS = 253_402_300_799_999  # the end of the year 9999, the last that a date can say


class ReservationKind(StrEnum):
    """``exclusive``: the device is the holder's alone, even while it idles (Braket's). ``priority``: the holder's work
    goes first, and others have what time is left.
    """

    EXCLUSIVE = "exclusive"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Reservation:
    """A window [starts_at, ends_at) (epoch ms, service time) on one device for one account.

    ``made_at`` is when it was made, which may be after its beginning, ``cancelled_at`` when it was taken back,
    ``settled`` whether all work of one that is over was ended.
    """

    arn: str
    account: str
    device_arn: str
    starts_at: int
    ends_at: int
    kind: ReservationKind = ReservationKind.EXCLUSIVE
    made_at: int = 0
    cancelled_at: int | None = None
    settled: bool = False

    def status(self, now_ms: int) -> ReservationStatus:
        """What it is at a time; time alone makes it ACTIVE and ENDED."""
        if self.cancelled_at is not None:
            return ReservationStatus.CANCELLED
        if now_ms < self.starts_at:
            return ReservationStatus.SCHEDULED
        return ReservationStatus.ACTIVE if now_ms < self.ends_at else ReservationStatus.ENDED

    def is_active(self, now_ms: int) -> bool:
        return self.status(now_ms) is ReservationStatus.ACTIVE

    def is_over(self, now_ms: int) -> bool:
        """Whether nothing of it may run any more."""
        return not RESERVATION_TRANSITIONS[self.status(now_ms)]

    def overlaps(self, starts_at: int, ends_at: int) -> bool:
        """Whether it has time in common with [starts_at, ends_at); one that begins as the other ends has none."""
        return self.cancelled_at is None and self.starts_at < ends_at and starts_at < self.ends_at


def check_window(starts_at: int, ends_at: int, now_ms: int) -> None:
    """Refuse a window that is empty or over. It may have begun in the past, and be of any length."""
    if ends_at <= starts_at:
        raise ValidationException("A reservation must end after it starts")
    if ends_at <= now_ms:
        raise ValidationException(f"The reservation would have ended already: it is {iso(now_ms)}")
    if starts_at < 0 or ends_at > LAST_MS:
        raise ValidationException("A reservation lies between the years 1970 and 9999")


def require_free(device_arn: str, starts_at: int, ends_at: int, others: Iterable[Reservation]) -> None:
    """Refuse a window that overlaps another reservation of the device, of whatever kind and account."""
    for other in others:
        if other.overlaps(starts_at, ends_at):
            raise ConflictException(
                f"{device_arn} is reserved from {iso(other.starts_at)} to {iso(other.ends_at)} already ({other.arn})"
            )


def reason_of_cancelling(reservation: Reservation, now_ms: int) -> str:
    """Why work that was tied to a reservation which is over was cancelled: its ``failureReason``."""
    if reservation.cancelled_at is not None:
        return f"The reservation {reservation.arn} was cancelled at {iso(reservation.cancelled_at)}"
    return f"The reservation {reservation.arn} ended at {iso(reservation.ends_at)}"


def reserved_message(what: str, reservation: Reservation) -> str:
    """What is told of a queued ``Task`` or ``Job`` in place of a position: reserved work has none (queueInfo)."""
    window = f"from {iso(reservation.starts_at)} to {iso(reservation.ends_at)}"
    return f"{what} waits in reservation {reservation.arn}, {window}. Queue position is not shown for reserved work."
