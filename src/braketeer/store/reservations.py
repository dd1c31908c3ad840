"""Reservations: windows on devices."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from braketeer.domain.associations import Reservation
from braketeer.store.tables import reservations


def get(connection: Connection, arn: str) -> Reservation | None:
    row = connection.execute(select(reservations).where(reservations.c.arn == arn)).one_or_none()
    if row is None:
        return None
    return Reservation(row.arn, row.account, row.device_arn, row.starts_at, row.ends_at, row.status)


def add(connection: Connection, reservation: Reservation, now_ms: int) -> None:
    connection.execute(
        insert(reservations).values(
            arn=reservation.arn,
            account=reservation.account,
            device_arn=reservation.device_arn,
            starts_at=reservation.starts_at,
            ends_at=reservation.ends_at,
            status=reservation.status,
            created_at=now_ms,
        )
    )
