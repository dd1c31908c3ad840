"""Associations: the tie between a task or a job and a reserved window on a device (Braket Direct)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from braketeer.domain.errors import ValidationException
from braketeer.domain.reservations import Reservation

TYPE = "RESERVATION_TIME_WINDOW_ARN"
INVALID = "Reservation arn is invalid"


def reservation_arn(associations: Sequence[Mapping[str, Any]] | None) -> str | None:
    """The reservation that a request names, if any. The model allows one association and one type."""
    return associations[0]["arn"] if associations else None


def to(reservation_arn: str) -> list[dict[str, str]]:
    """The ``associations`` of what belongs to a reservation."""
    return [{"arn": reservation_arn, "type": TYPE}]


def not_supported(device_arn: str) -> ValidationException:
    """The refusal of a reservation on a device that has none."""
    return ValidationException(f"Braket Direct is not supported for {device_arn}")


def check(
    arn: str, reservation: Reservation | None, account: str, device_arn: str, *, reservable: bool, now_ms: int
) -> None:
    """Refuse an association that cannot stand, with the messages that the SDK's live tests expect."""
    if not reservable:
        raise not_supported(device_arn)
    if (
        reservation is None
        or reservation.arn != arn
        or reservation.account != account
        or reservation.device_arn != device_arn
        or reservation.is_over(now_ms)
        or reservation.settled
    ):
        raise ValidationException(INVALID)


def inherited(
    associations: Sequence[Mapping[str, Any]] | None, device_arn: str, job_device: str, job_reservation: str | None
) -> Sequence[Mapping[str, Any]] | None:
    """The associations of a task that a hybrid job creates on ``device_arn``: its own, else those of the job.

    Inside a reserved job a task without an association of its own runs on the reserved device only; ValidationException
    for any other (Braket's developer guide, hybrid jobs with a reservation).
    """
    if associations or job_reservation is None:
        return associations
    if device_arn != job_device:
        raise ValidationException(
            f"The hybrid job runs in a reservation of {job_device}: its tasks cannot run on {device_arn} on demand"
        )
    return to(job_reservation)
