"""Associations: the tie between a task or a job and a reserved window on a device (Braket Direct)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from braketeer.domain.errors import ValidationException

INVALID = "Reservation arn is invalid"


@dataclass(frozen=True, slots=True)
class Reservation:
    """A window [starts_at, ends_at) (epoch ms, service time) on one device for one account."""

    arn: str
    account: str
    device_arn: str
    starts_at: int
    ends_at: int
    status: str


def reservation_arn(associations: Sequence[Mapping[str, Any]] | None) -> str | None:
    """The reservation that a request names, if any. The model allows one association and one type."""
    return associations[0]["arn"] if associations else None


def check(
    arn: str, reservation: Reservation | None, account: str, device_arn: str, *, reservable: bool, now_ms: int
) -> None:
    """Refuse an association that cannot stand, with the messages that the SDK's live tests expect."""
    if not reservable:
        raise ValidationException(f"Braket Direct is not supported for {device_arn}")
    if (
        reservation is None
        or reservation.arn != arn
        or reservation.account != account
        or reservation.device_arn != device_arn
        or reservation.ends_at <= now_ms
        or reservation.status != "ACTIVE"
    ):
        raise ValidationException(INVALID)
