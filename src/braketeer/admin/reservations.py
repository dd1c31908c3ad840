"""Reservations of devices: making, listing and cancelling them, and saying which simulators can be reserved."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from braketeer.admin.accounts import found
from braketeer.admin.routes import Asked, Route
from braketeer.devices.catalogue import Catalogue, Device
from braketeer.domain import arns, associations
from braketeer.domain.clock import Clock, iso
from braketeer.domain.errors import ConflictException, ResourceNotFoundException, ValidationException
from braketeer.domain.ids import fresh_uuid
from braketeer.domain.reservations import Reservation, ReservationKind, check_window, require_free
from braketeer.store import devices, quantum_tasks, reservations, topics
from braketeer.store.database import Database, Transaction
from braketeer.store.schedule import lock_scheduling

MOST_LISTED = 10_000
MOST_COUNTED = 4000


class Reservations:
    """The operator's view of reservations. Times are ISO 8601; one that names no time zone is UTC."""

    def __init__(self, database: Database, catalogue: Catalogue, clock: Clock) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route("POST", "reservations", "CreateReservation", self.create),
            Route("GET", "reservations", "ListReservations", self.list_all),
            Route("GET", "reservations/{arn}", "GetReservation", self.show),
            Route("DELETE", "reservations/{arn}", "CancelReservation", self.cancel),
            Route("PUT", "devices/{device}/reservable", "PutDeviceReservable", self.set_reservable),
        ]

    async def create(self, asked: Asked) -> dict[str, Any]:
        """Reserve ``device`` from ``start`` to ``end`` for ``account`` (name or number; the caller's own).

        ValidationException for a device that cannot be reserved and for a window that is empty or over,
        ConflictException for one that overlaps another of the device.
        """
        asked.body.allow("device", "start", "end", "kind", "account")
        device, kind = self._device(asked.body.text("device")), _kind(asked.body.text("kind", "exclusive"))
        starts_at, ends_at = asked.body.moment("start"), asked.body.moment("end")
        name = asked.body.text("account", asked.caller.account)

        def create(transaction: Transaction) -> Reservation:
            connection = transaction.connection
            # Overlaps are looked for by one at a time, and nothing starts on the device meanwhile.
            lock_scheduling(connection)
            now = self._clock.now_ms()
            check_window(starts_at, ends_at, now)
            account = found(connection, name)["id"]
            if not _is_reservable(connection, device):
                raise associations.not_supported(device.arn)
            require_free(
                device.arn, starts_at, ends_at, reservations.of_device(connection, device.arn, starts_at, ends_at)
            )
            arn = arns.reservation(device.region or asked.caller.region, account, fresh_uuid())
            made = Reservation(arn, account, device.arn, starts_at, ends_at, kind, made_at=now)
            reservations.add(connection, made)
            transaction.notify(topics.SCHEDULE)
            return made

        return self._shown(await self._database.write(create))

    async def list_all(self, asked: Asked) -> dict[str, Any]:
        """Reservations by their beginning, of one ``device`` if the query names it; with ``all`` also those that are
        over or cancelled.
        """
        name, everything = asked.query.get("device"), asked.query.get("all") in ("1", "true")
        device_arn = self._device(name).arn if name else None
        after = None if everything else self._clock.now_ms()
        rows = await self._database.read(lambda c: reservations.list_all(c, device_arn, after, MOST_LISTED))
        return {"reservations": [self._shown(each) for each in rows]}

    async def show(self, asked: Asked) -> dict[str, Any]:
        """One reservation, with the number of its tasks that are queued."""
        arn = asked.at["arn"]

        def find(connection: Connection) -> tuple[Reservation, int]:
            return _found(connection, arn), quantum_tasks.queued_in(connection, arn, MOST_COUNTED)

        reservation, queued = await self._database.read(find)
        return {**self._shown(reservation), "tasks_queued": queued}

    async def cancel(self, asked: Asked) -> dict[str, Any]:
        """Take a reservation back: its work, queued or running, is cancelled, and others may use the time.

        ConflictException for one that is over.
        """
        arn = asked.at["arn"]

        def cancel(transaction: Transaction) -> Reservation:
            connection, now = transaction.connection, self._clock.now_ms()
            if not reservations.cancel(connection, arn, now):
                status = _found(connection, arn).status(now)
                raise ConflictException(f"A reservation that is {status} cannot be cancelled")
            transaction.notify(topics.SCHEDULE)
            return _found(connection, arn)

        return self._shown(await self._database.write(cancel))

    async def set_reservable(self, asked: Asked) -> dict[str, Any]:
        """{"reservable": true}: the simulator takes part in reservations; a QPU always does."""
        asked.body.allow("reservable")
        device, reservable = self._device(asked.at["device"]), asked.body.get("reservable")
        if not isinstance(reservable, bool):
            raise ValidationException("'reservable' must be true or false")
        if not device.is_simulator and not reservable:
            raise ValidationException(f"{device.arn} is a QPU, which can always be reserved")

        def change(transaction: Transaction) -> None:
            connection, now = transaction.connection, self._clock.now_ms()
            devices.set_reservable(connection, device.arn, reservable, now)

        await self._database.write(change)
        return {"arn": device.arn, "reservable": reservable}

    def _device(self, name: str) -> Device:
        device = self._catalogue.get(name)
        if device is None:
            raise ResourceNotFoundException(f"There is no device '{name[:256]}'")
        return device

    def _shown(self, reservation: Reservation) -> dict[str, Any]:
        cancelled_at = reservation.cancelled_at
        return {
            "arn": reservation.arn,
            "device": reservation.device_arn,
            "account": reservation.account,
            "kind": reservation.kind.value,
            "start": iso(reservation.starts_at),
            "end": iso(reservation.ends_at),
            "status": reservation.status(self._clock.now_ms()).value,
            "created_at": iso(reservation.made_at),
            "cancelled_at": None if cancelled_at is None else iso(cancelled_at),
        }


def _is_reservable(connection: Connection, device: Device) -> bool:
    state = devices.state(connection, device.arn)
    return not device.is_simulator or (state is not None and state.reservable)


def _found(connection: Connection, arn: str) -> Reservation:
    reservation = reservations.get(connection, arn)
    if reservation is None:
        raise ResourceNotFoundException(f"There is no reservation '{arn[:256]}'")
    return reservation


def _kind(text: str) -> ReservationKind:
    try:
        return ReservationKind(text)
    except ValueError:
        raise ValidationException(f"'{text[:64]}' is no kind of reservation: {', '.join(ReservationKind)}") from None
