"""What waits, runs and comes next on each device, and why a task or job waits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from braketeer.admin.devices import maintenance
from braketeer.admin.routes import Asked, Route
from braketeer.devices.catalogue import Catalogue, Device
from braketeer.domain import scheduling
from braketeer.domain.arns import Arn
from braketeer.domain.clock import Clock, iso
from braketeer.domain.errors import ResourceNotFoundException
from braketeer.domain.lifecycles import JobStatus, TaskStatus
from braketeer.domain.queue import (
    JOB_DEPTH_CAP,
    JOB_POSITION_CAP,
    TASK_DEPTH_CAP,
    TASK_POSITION_CAP,
    Priority,
    capped,
)
from braketeer.domain.reservations import Reservation
from braketeer.domain.scheduling import FREE, DeviceRow, Gate, JobsRunning
from braketeer.domain.waiting import Place, Reason, Use, reasons
from braketeer.store import devices as device_states
from braketeer.store import jobs, quantum_tasks, reservations, schedule
from braketeer.store.database import Database


class Queues:
    """The operator's view of the queues. ``task_slots`` and ``job_slots`` are the places of this service."""

    def __init__(
        self, database: Database, catalogue: Catalogue, clock: Clock, *, task_slots: int, job_slots: int
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._task_slots = task_slots
        self._job_slots = job_slots

    def routes(self) -> list[Route]:
        return [
            Route("GET", "queue", "ListQueues", self.list_all),
            Route("GET", "queue/{device}", "GetQueue", self.show),
            Route("GET", "why/{arn}", "GetReasons", self.why),
        ]

    async def list_all(self, asked: Asked) -> dict[str, Any]:
        """Every device that is not retired, or that work waits for."""
        found = await self._database.read(lambda connection: self._look(connection, self._catalogue))
        return {"now": iso(self._clock.now_ms()), "devices": [one for one in found if not _is_idle(one)]}

    async def show(self, asked: Asked) -> dict[str, Any]:
        """One device."""
        device = self._catalogue.get(asked.at["device"])
        if device is None:
            raise ResourceNotFoundException(f"There is no device '{asked.at['device'][:256]}'")
        found = await self._database.read(lambda connection: self._look(connection, [device]))
        return {"now": iso(self._clock.now_ms()), **found[0]}

    async def why(self, asked: Asked) -> dict[str, Any]:
        """What a task or job waits for: the rules that hold it, each in words and, if time ends it, until when."""
        arn = asked.at["arn"]
        parsed = Arn.parse(arn)
        view = {"quantum-task": self._task, "job": self._job}.get(parsed.kind) if parsed is not None else None
        found = None
        if parsed is not None and view is not None and str(parsed) == arn:
            found = await self._database.read(lambda connection: view(connection, parsed))
        if found is None:
            raise ResourceNotFoundException(f"There is no quantum task or hybrid job '{arn[:300]}'")
        return {"arn": arn, "now": iso(self._clock.now_ms()), **found}

    def _look(self, connection: Connection, devices: Iterable[Device]) -> list[dict[str, Any]]:
        now = self._clock.now_ms()
        wanted = list(devices)
        view = schedule.view(connection, wanted, now)
        gates = scheduling.gates(view, now)
        running, running_jobs = quantum_tasks.running(connection), jobs.running(connection)
        states = device_states.states(connection)
        coming = reservations.next_of_devices(connection, view.devices, now)
        return [
            {
                "arn": device.arn,
                "name": device.name,
                "status": view.devices[device.arn].status.value,
                "tasks": _depths(connection, device.arn, coming.get(device.arn)),
                "running": running.get(device.arn, 0),
                "concurrency": view.devices[device.arn].concurrency,
                "jobs": {
                    "queued": capped(
                        jobs.count(connection, device.arn, JobStatus.QUEUED, JOB_DEPTH_CAP + 1), JOB_DEPTH_CAP
                    ),
                    "running": _on_machine(running_jobs, device.arn, coming.get(device.arn)),
                },
                "waits": _rule(gates[device.arn]),
                "reservation": _reservation(coming.get(device.arn), now),
                "maintenance": maintenance(states.get(device.arn, device_states.UNSET), now),
            }
            for device in wanted
        ]

    def _task(self, connection: Connection, arn: Arn) -> dict[str, Any] | None:
        row = quantum_tasks.owned(connection, arn.name, arn.account, arn.region)
        if row is None:
            return None
        answer = {"status": row["status"], "device": row["device_arn"]}
        if row["status"] != TaskStatus.QUEUED:
            return answer | _not_waiting("task", row["status"])
        now = self._clock.now_ms()
        gate, device = self._gate(connection, row["device_arn"], now)
        running = quantum_tasks.running(connection)
        ahead = quantum_tasks.ahead_by_account(connection, row, TASK_POSITION_CAP + 1)
        place = Place(ahead, more=sum(ahead.values()) > TASK_POSITION_CAP)
        return answer | _waiting(
            reasons(
                "task",
                gate,
                place,
                device,
                _own(connection, row["reservation_arn"]),
                Use(running.get(row["device_arn"], 0), None if device is None else device.concurrency),
                Use(sum(running.values()), self._task_slots),
                now,
            ),
            None if row["reservation_arn"] else capped(place.number + 1, TASK_POSITION_CAP),
            row["reservation_arn"],
        )

    def _job(self, connection: Connection, arn: Arn) -> dict[str, Any] | None:
        row = jobs.owned(connection, arn.name, arn.account, arn.region)
        if row is None:
            return None
        answer = {"status": row["status"], "device": row["device_arn"]}
        if row["status"] != JobStatus.QUEUED:
            return answer | _not_waiting("job", row["status"])
        now = self._clock.now_ms()
        gate, device = self._gate(connection, row["device_arn"], now)
        running = jobs.running(connection)
        ahead = jobs.ahead_by_account(connection, row, JOB_POSITION_CAP + 1)
        place = Place(ahead, more=sum(ahead.values()) > JOB_POSITION_CAP)
        reserved = row["reservation_arn"]
        alone = scheduling.takes_one_job(row["device_arn"]) or reserved is not None
        taken = running.ordinary.get(row["device_arn"], 0) if reserved is None else running.reserved.get(reserved, 0)
        return answer | _waiting(
            reasons(
                "job",
                gate,
                place,
                device,
                _own(connection, reserved),
                Use(taken, 1 if alone else None),
                Use(running.sharing, None if alone else self._job_slots),
                now,
            ),
            None if reserved else capped(place.number + 1, JOB_POSITION_CAP),
            reserved,
        )

    def _gate(self, connection: Connection, device_arn: str, now_ms: int) -> tuple[Gate, DeviceRow | None]:
        device = self._catalogue.get(device_arn)
        view = schedule.view(connection, [] if device is None else [device], now_ms)
        return scheduling.gates(view, now_ms).get(device_arn, FREE), view.devices.get(device_arn)


def _depths(connection: Connection, device_arn: str, reservation: Reservation | None) -> dict[str, str]:
    """How many tasks are queued, in the order in which the lanes and queues start."""
    most = TASK_DEPTH_CAP + 1
    reserved = 0 if reservation is None else quantum_tasks.queued_in(connection, reservation.arn, most)
    depths = {priority: quantum_tasks.queued(connection, device_arn, priority, most) for priority in Priority}
    return {
        "reserved": capped(reserved, TASK_DEPTH_CAP),
        **{priority.name.lower(): capped(depth, TASK_DEPTH_CAP) for priority, depth in depths.items()},
    }


def _on_machine(running: JobsRunning, device_arn: str, reservation: Reservation | None) -> int:
    """The jobs of a device, those of its open reservation among them."""
    reserved = 0 if reservation is None else running.reserved.get(reservation.arn, 0)
    return running.ordinary.get(device_arn, 0) + reserved


def _rule(gate: Gate) -> dict[str, Any] | None:
    """What keeps a device's queue from moving, if anything."""
    if gate.rule is None:
        return None
    return {"rule": gate.rule.value, "until": None if gate.until is None else iso(gate.until)}


def _reservation(reservation: Reservation | None, now_ms: int) -> dict[str, Any] | None:
    """The window that is open or opens next."""
    if reservation is None:
        return None
    return {
        "arn": reservation.arn,
        "account": reservation.account,
        "kind": reservation.kind.value,
        "start": iso(reservation.starts_at),
        "end": iso(reservation.ends_at),
        "status": reservation.status(now_ms).value,
    }


def _is_idle(one: dict[str, Any]) -> bool:
    """A retired device that nobody waits for."""
    queued = [*one["tasks"].values(), one["jobs"]["queued"]]
    return one["status"] == "RETIRED" and not one["running"] and set(queued) == {"0"}


def _own(connection: Connection, reservation_arn: str | None) -> Reservation | None:
    return None if reservation_arn is None else reservations.get(connection, reservation_arn)


def _not_waiting(what: str, status: str) -> dict[str, Any]:
    return {"waits": False, "position": None, "reservation": None, "reasons": [], "text": f"The {what} is {status}."}


def _waiting(found: list[Reason], position: str | None, reservation_arn: str | None) -> dict[str, Any]:
    shown = [
        {"rule": each.rule.value, "text": each.text, "until": None if each.until is None else iso(each.until)}
        for each in found
    ]
    return {
        "waits": True,
        "position": position,
        "reservation": reservation_arn,
        "reasons": shown,
        "text": " ".join(f"{each.text}." for each in found),
    }
