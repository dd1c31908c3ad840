"""Reservations: windows on devices. A row is ACTIVE until all work of its reservation has ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, insert, literal_column, select, update

from braketeer.domain.lifecycles import ReservationStatus
from braketeer.domain.reservations import Reservation, ReservationKind
from braketeer.store.statements import Statement
from braketeer.store.tables import reservations

_r = reservations.c
_UNSETTLED = _r.status == literal_column("'ACTIVE'")  # a literal, so that the partial index serves

_CANCELLED = Statement(select(reservations).where(_UNSETTLED, _r.cancelled_at.is_not(None)))
_BEGUN = Statement(select(reservations).where(_UNSETTLED, _r.cancelled_at.is_(None), _r.starts_at <= bindparam("now")))
_NEXT = Statement(
    select(reservations)
    .where(_UNSETTLED, _r.cancelled_at.is_(None), _r.starts_at > bindparam("now"))
    .order_by(_r.starts_at)
    .limit(1)
)


def get(connection: Connection, arn: str) -> Reservation | None:
    row = connection.execute(select(reservations).where(_r.arn == arn)).one_or_none()
    return None if row is None else _read(row)


def lock_shared(connection: Connection, arn: str) -> Reservation | None:
    """The reservation, which is neither cancelled nor settled before the transaction ends (PostgreSQL: its row is
    locked; SQLite has one writer).
    """
    row = connection.execute(select(reservations).where(_r.arn == arn).with_for_update(read=True)).one_or_none()
    return None if row is None else _read(row)


def lock(connection: Connection, arn: str) -> None:
    """Until the transaction ends nobody ties work to the reservation; what was tied to it, a later statement sees."""
    connection.execute(select(_r.arn).where(_r.arn == arn).with_for_update())


def begun_and_next(connection: Connection, now_ms: int) -> list[Reservation]:
    """Those that have begun or were cancelled and whose work has not all ended, and the next to begin, of all."""
    terms = {"now": now_ms}
    return [_read(row) for statement in (_CANCELLED, _BEGUN, _NEXT) for row in statement.all(connection, terms)]


def of_device(connection: Connection, device_arn: str, starts_at: int, ends_at: int) -> list[Reservation]:
    """The reservations of a device that have time in common with [starts_at, ends_at), cancelled ones too."""
    query = select(reservations).where(_r.device_arn == device_arn, _r.starts_at < ends_at, _r.ends_at > starts_at)
    return [_read(row) for row in connection.execute(query.order_by(_r.starts_at))]


def next_of_devices(connection: Connection, device_arns: Iterable[str], now_ms: int) -> dict[str, Reservation]:
    """Of each of these devices, the reservation that is active or begins next, if any."""
    found = {}
    for device_arn in device_arns:
        query = select(reservations).where(
            _r.device_arn == device_arn, _r.ends_at > now_ms, _r.cancelled_at.is_(None), _UNSETTLED
        )
        row = connection.execute(query.order_by(_r.starts_at).limit(1)).one_or_none()
        if row is not None:
            found[device_arn] = _read(row)
    return found


def list_all(connection: Connection, device_arn: str | None, after_ms: int | None, most: int) -> list[Reservation]:
    """Reservations by their beginning: of one device if it is named, only those that end after a time if one is."""
    query = select(reservations).order_by(_r.starts_at, _r.arn).limit(most)
    if device_arn is not None:
        query = query.where(_r.device_arn == device_arn)
    if after_ms is not None:
        query = query.where(_r.ends_at > after_ms, _r.cancelled_at.is_(None))
    return [_read(row) for row in connection.execute(query)]


def add(connection: Connection, reservation: Reservation) -> None:
    """Call it in the transaction that has looked for overlaps, under ``lock_scheduling``."""
    connection.execute(
        insert(reservations).values(
            arn=reservation.arn,
            account=reservation.account,
            device_arn=reservation.device_arn,
            starts_at=reservation.starts_at,
            ends_at=reservation.ends_at,
            status=ReservationStatus.ACTIVE,
            created_at=reservation.made_at,
            kind=reservation.kind,
            cancelled_at=reservation.cancelled_at,
        )
    )


def cancel(connection: Connection, arn: str, now_ms: int) -> bool:
    """Take a reservation back that is not over; whether this call did it."""
    standing = (_r.arn == arn, _r.ends_at > now_ms, _r.cancelled_at.is_(None), _UNSETTLED)
    return connection.execute(update(reservations).where(*standing).values(cancelled_at=now_ms)).rowcount == 1


def settle(connection: Connection, reservation: Reservation, now_ms: int) -> None:
    """All work of a reservation that is over has been ended."""
    change = update(reservations).where(_r.arn == reservation.arn, _UNSETTLED)
    connection.execute(change.values(status=reservation.status(now_ms)))


def _read(row: Any) -> Reservation:
    return Reservation(
        arn=row.arn,
        account=row.account,
        device_arn=row.device_arn,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        kind=ReservationKind(row.kind),
        made_at=row.created_at,
        cancelled_at=row.cancelled_at,
        settled=row.status != ReservationStatus.ACTIVE,
    )
