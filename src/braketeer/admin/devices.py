"""Devices: their states, their windows, and those that the operator adds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection

from braketeer.admin.routes import Asked, Route
from braketeer.devices.added import DefinitionError, added, checked
from braketeer.devices.catalogue import Catalogue, Device
from braketeer.devices.prices import price_name
from braketeer.domain import windows
from braketeer.domain.clock import Clock, iso
from braketeer.domain.errors import ConflictException, ResourceNotFoundException, ValidationException
from braketeer.domain.lifecycles import DeviceStatus
from braketeer.domain.queue import TASK_DEPTH_CAP, Priority, capped
from braketeer.domain.reservations import LAST_MS
from braketeer.store import added_devices, devices, quantum_tasks, topics
from braketeer.store.database import Database, Transaction
from braketeer.store.secrets import Secrets


class Seen(Protocol):
    """What a driver told: see work/drivers.py."""

    @property
    def status(self) -> str | None: ...
    @property
    def document(self) -> dict[str, Any] | None: ...
    @property
    def trouble(self) -> str | None: ...


class Devices:
    """The operator's view of devices. ``look`` asks the driver of a device that is about to be added; ``reload`` brings
    this process's catalogue to what the rows say.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        secrets: Secrets,
        clock: Clock,
        look: Callable[[str, dict[str, Any]], Awaitable[Seen]],
        reload: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._secrets = secrets
        self._clock = clock
        self._look = look
        self._reload = reload

    def routes(self) -> list[Route]:
        return [
            Route("GET", "devices", "ListDevices", self.list_all),
            Route("POST", "devices", "AddDevice", self.add),
            Route("GET", "devices/{device}", "GetDevice", self.show),
            Route("PUT", "devices/{device}", "ReplaceDevice", self.replace),
            Route("DELETE", "devices/{device}", "RemoveDevice", self.remove),
            Route("PUT", "devices/{device}/status", "PutDeviceStatus", self.set_status),
            Route("PUT", "devices/{device}/windows", "PutDeviceWindows", self.set_windows),
            Route("PUT", "devices/{device}/maintenance", "PutDeviceMaintenance", self.announce),
            Route("DELETE", "devices/{device}/maintenance", "CancelDeviceMaintenance", self.cancel_maintenance),
        ]

    async def list_all(self, asked: Asked) -> dict[str, Any]:
        """Every device in the catalogue's order, as it is now."""
        states = await self._database.read(devices.states)
        return {"devices": [self._shown(device, states.get(device.arn)) for device in self._catalogue]}

    async def show(self, asked: Asked) -> dict[str, Any]:
        """One device, with the tasks that wait for it and its capability document."""
        device = self._named(asked.at["device"])

        def find(connection: Connection) -> tuple[devices.DeviceState | None, str]:
            return devices.state(connection, device.arn), _waiting(connection, device.arn)

        state, waiting = await self._database.read(find)
        document = orjson.loads(device.capabilities_with(None if state is None else state.recorded_windows))
        return {**self._shown(device, state), "queued": waiting, "document": document}

    async def set_status(self, asked: Asked) -> dict[str, Any]:
        """{"status": "ONLINE" | "OFFLINE" | "RETIRED"}: creates are answered by it from now on, and what waits for the
        device goes on waiting until it is online.
        """
        asked.body.allow("status")
        device, status = self._named(asked.at["device"]), asked.body.text("status")
        if status not in list(DeviceStatus):
            raise ValidationException(f"'status' must be one of {', '.join(DeviceStatus)}")
        if status == DeviceStatus.ONLINE and not device.computes and device.added is None:
            raise ValidationException(f"{device.arn} is not computed by this version, so it cannot be online")
        return await self._changed(
            device, lambda connection, now: devices.set_status(connection, device.arn, status, now)
        )

    async def set_windows(self, asked: Asked) -> dict[str, Any]:
        """{"recorded": true}: the execution windows of the device's document hold; false: it is open at all hours."""
        asked.body.allow("recorded")
        device, recorded = self._named(asked.at["device"]), asked.body.get("recorded")
        if not isinstance(recorded, bool):
            raise ValidationException("'recorded' must be true or false")
        return await self._changed(
            device, lambda connection, now: devices.set_windows(connection, device.arn, recorded, now)
        )

    async def announce(self, asked: Asked) -> dict[str, Any]:
        """{"start": ..., "end": ...}: the device is OFFLINE from one time to the other, in place of what was announced
        before. What runs then goes on to its end.
        """
        asked.body.allow("start", "end")
        device = self._named(asked.at["device"])
        start, end = asked.body.moment("start"), asked.body.moment("end")
        if not max(start, self._clock.now_ms()) < end <= LAST_MS:
            raise ValidationException("Maintenance ends after it starts, and not in the past")
        return await self._changed(
            device, lambda connection, now: devices.set_maintenance(connection, device.arn, (start, end), now)
        )

    async def cancel_maintenance(self, asked: Asked) -> dict[str, Any]:
        """Take back what was announced; a device that is under maintenance is online at once."""
        device = self._named(asked.at["device"])
        return await self._changed(
            device, lambda connection, now: devices.set_maintenance(connection, device.arn, None, now)
        )

    async def add(self, asked: Asked) -> dict[str, Any]:
        """A device of the operator's with the driver that runs its tasks, as its file says (docs/drivers.md)."""
        definition, sealed, seen = await self._asked_for(asked)
        self._refuse_twice(definition)
        arn = definition["arn"]

        def add(connection: Connection, now: int) -> None:
            if not added_devices.add(connection, definition, sealed, seen.document, now):
                raise _there(arn)
            devices.forget(connection, arn)  # of an earlier device of that ARN

        return await self._put(arn, seen, add)

    async def replace(self, asked: Asked) -> dict[str, Any]:
        """The same for a device that was added before: other options, another driver. What runs on it goes on with
        them; what the operator has set stays.
        """
        device = self._named(asked.at["device"])
        definition, sealed, seen = await self._asked_for(asked)
        if definition["arn"] != device.arn:
            raise ValidationException(f"The file is of {definition['arn']}, and not of {device.arn}")

        def replace(connection: Connection, now: int) -> None:
            if not added_devices.replace(connection, definition, sealed, seen.document):
                raise ValidationException(f"{device.arn} was not added by `braketeer device add`")

        return await self._put(device.arn, seen, replace)

    async def remove(self, asked: Asked) -> dict[str, Any]:
        """Take an added device away; ConflictException while work that has not ended is there."""
        device = self._named(asked.at["device"])
        if device.added is None:
            raise ValidationException(f"{device.arn} was not added by `braketeer device add`; it can be retired")

        def remove(transaction: Transaction) -> None:
            connection = transaction.connection
            if not added_devices.remove(connection, device.arn):
                raise _unknown(device.arn)
            if left := added_devices.unfinished(connection, device.arn):
                raise ConflictException(f"{device.arn} has {left} tasks or jobs that have not ended; cancel them first")
            devices.forget(connection, device.arn)
            transaction.notify(topics.DEVICES)

        await self._database.write(remove)
        await self._reload()
        return {"arn": device.arn, "removed": True}

    async def _asked_for(self, asked: Asked) -> tuple[dict[str, Any], bytes, Seen]:
        """The definition in a request, its options sealed, and what its driver tells."""
        try:
            definition = await asyncio.to_thread(checked, asked.body)  # a long document takes a while
        except DefinitionError as problem:
            raise ValidationException(str(problem)) from None
        options = asked.body.get("options") or {}
        seen = await self._look(definition["driver"], options)
        if seen.document is None and definition["document"] is None:
            reason = "tells none" if seen.trouble is None else f"cannot reach the device: {seen.trouble}"
            raise ValidationException(f"There is no 'document', and the driver {definition['driver']} {reason}")
        return definition, self._secrets.seal(orjson.dumps(options).decode()), seen

    async def _put(self, arn: str, seen: Seen, change: Callable[[Connection, int], None]) -> dict[str, Any]:
        """Write an added device; how it is when this process has its driver at work."""

        def put(transaction: Transaction) -> None:
            connection, now = transaction.connection, self._clock.now_ms()
            change(connection, now)
            devices.set_reported(connection, arn, seen.status or DeviceStatus.OFFLINE.value, now)
            for topic in (topics.DEVICES, topics.SCHEDULE, topics.TASKS, topics.JOBS):
                transaction.notify(topic)

        await self._database.write(put)
        await self._reload()
        state = await self._database.read(lambda connection: devices.state(connection, arn))
        return self._shown(self._named(arn), state)

    async def _changed(self, device: Device, change: Callable[[Connection, int], None]) -> dict[str, Any]:
        """Write a change and wake whoever waits for the device, in every process; how the device is then."""

        def write(transaction: Transaction) -> devices.DeviceState | None:
            change(transaction.connection, self._clock.now_ms())
            for topic in (topics.DEVICES, topics.SCHEDULE, topics.TASKS, topics.JOBS):
                transaction.notify(topic)
            return devices.state(transaction.connection, device.arn)

        return self._shown(device, await self._database.write(write))

    def _named(self, name: str) -> Device:
        device = self._catalogue.named(name)
        if device is None:
            raise _unknown(name)
        return device

    def _refuse_twice(self, definition: dict[str, Any]) -> None:
        """The ARN is the device's name everywhere, the end of it its name in the price list."""
        if self._catalogue.get(definition["arn"]) is not None:
            raise _there(definition["arn"])
        listed = added(definition).listed
        for other in self._catalogue:
            if (other.region, price_name(other.listed)) == (listed.region, price_name(listed)):
                raise ConflictException(f"In the price list {listed.arn} would have the name of {other.arn}")

    def _shown(self, device: Device, state: devices.DeviceState | None) -> dict[str, Any]:
        set_by_operator = devices.DeviceState() if state is None else state
        hours = device.windows(set_by_operator.recorded_windows)
        now_ms = self._clock.now_ms()
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        opens = windows.next_opening(hours, now)
        back_at = devices.back_at(set_by_operator, device.default_status, now_ms)
        return {
            "arn": device.arn,
            "name": device.name,
            "provider": device.provider,
            "type": device.type.value,
            "region": device.region,
            "status": devices.effective_status(state, device.default_status, now_ms),
            "status_set": set_by_operator.status,
            "status_of_driver": set_by_operator.reported,
            "offline_until": None if back_at is None else iso(back_at),
            "maintenance": maintenance(set_by_operator, now_ms),
            "windows": "recorded" if device.keeps_windows(set_by_operator.recorded_windows) else "open",
            "open": opens == now,
            "opens_at": None if opens is None or opens == now else iso(int(opens.timestamp() * 1000)),
            "runs": "driver" if device.added is not None else "here" if device.computes else "not",
            "driver": None if device.added is None else device.added.driver,
            "concurrency": None if device.added is None else device.added.concurrency,
        }


def maintenance(state: devices.DeviceState, now_ms: int) -> dict[str, str] | None:
    """What was announced and is not over."""
    if state.maintenance is None or state.maintenance[1] <= now_ms:
        return None
    start, end = state.maintenance
    return {"start": iso(start), "end": iso(end)}


def _waiting(connection: Connection, device_arn: str) -> str:
    """The tasks that are queued; counting stops where Braket's does."""
    each = (quantum_tasks.queued(connection, device_arn, priority, TASK_DEPTH_CAP + 1) for priority in Priority)
    return capped(sum(each), TASK_DEPTH_CAP)


def _unknown(name: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"There is no device '{name[:256]}'")


def _there(arn: str) -> ConflictException:
    return ConflictException(f"There is a device {arn} already")
