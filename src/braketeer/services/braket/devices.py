"""GetDevice and SearchDevices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from braketeer.devices.catalogue import Catalogue, Device
from braketeer.domain import pagination
from braketeer.domain.accounts import Caller
from braketeer.domain.clock import Clock
from braketeer.domain.errors import ResourceNotFoundException, ValidationException
from braketeer.domain.lifecycles import DeviceStatus, JobStatus
from braketeer.domain.queue import JOB_DEPTH_CAP, TASK_DEPTH_CAP, Priority, capped
from braketeer.store import devices, jobs, quantum_tasks
from braketeer.store.database import Database

DEFAULT_PAGE = 100


class Devices:
    """The catalogue, with the states that the operator has set and the queues as they are now.

    A QPU is seen in its own region only, a simulator in every region, as at AWS: the SDK sweeps the regions and would
    show duplicates otherwise (AwsDevice.get_devices). ``page_key`` signs page tokens.
    """

    def __init__(self, database: Database, catalogue: Catalogue, clock: Clock, page_key: bytes) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._page_key = page_key

    async def get_device(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The device with its capability document and queue depths; ResourceNotFoundException outside its region."""
        arn = request["deviceArn"]
        device = self._catalogue.get(arn)
        if device is None or not device.is_in(caller.region):
            raise ResourceNotFoundException(f"Device {arn} not found in {caller.region}")

        def look(connection: Connection) -> tuple[devices.DeviceState | None, list[dict[str, str]]]:
            return devices.state(connection, arn), _queues(connection, device)

        state, queues = await self._database.read(look)
        return {
            **self._summary(device, state),
            "deviceCapabilities": device.capabilities_with(None if state is None else state.recorded_windows),
            "deviceQueueInfo": queues,
        }

    async def search_devices(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The devices of the region, retired ones too: the SDK leaves those out itself.

        The only filter is deviceArn (the model's word for SearchDevicesFilter.name): any of its values.
        """
        wanted = _wanted_arns(request["filters"])
        states = await self._database.read(devices.states)
        found = [
            device
            for device in self._catalogue
            if device.is_in(caller.region)
            and (wanted is None or device.arn in wanted)
            and (not device.unlisted or _is_switched_on(states.get(device.arn)))
        ]
        start = self._start(request.get("nextToken"), found)
        end = start + (request.get("maxResults") or DEFAULT_PAGE)
        answer: dict[str, Any] = {
            "devices": [self._summary(device, states.get(device.arn)) for device in found[start:end]]
        }
        if end < len(found):
            answer["nextToken"] = pagination.sign(self._page_key, {"search": "SearchDevices", "from": found[end].arn})
        return answer

    def _start(self, token: str | None, found: list[Device]) -> int:
        """The index of the device that the token names as the next one."""
        if token is None:
            return 0
        place = pagination.open(self._page_key, token)
        for index, device in enumerate(found):
            if place.get("search") == "SearchDevices" and device.arn == place["from"]:
                return index
        raise ValidationException("The nextToken belongs to another search")

    def _summary(self, device: Device, state: devices.DeviceState | None) -> dict[str, Any]:
        return {
            "deviceArn": device.arn,
            "deviceName": device.name,
            "providerName": device.provider,
            "deviceType": device.type.value,
            "deviceStatus": devices.effective_status(state, device.default_status, self._clock.now_ms()),
        }


def _is_switched_on(state: devices.DeviceState | None) -> bool:
    return state is not None and state.status == DeviceStatus.ONLINE


def _wanted_arns(filters: list[Mapping[str, Any]]) -> set[str] | None:
    """The ARNs that every filter allows; None where nothing is asked."""
    wanted: set[str] | None = None
    for item in filters:
        if item["name"] != "deviceArn":
            raise ValidationException(f"Filter name '{item['name']}' is not supported; use deviceArn")
        wanted = set(item["values"]) if wanted is None else wanted & set(item["values"])
    return wanted


def _queues(connection: Connection, device: Device) -> list[dict[str, str]]:
    """Depths over all accounts and regions. The SDK's queue_depth() needs both task queues and the jobs queue."""
    task_queues = [
        {
            "queue": "QUANTUM_TASKS_QUEUE",
            "queuePriority": priority.label,
            "queueSize": capped(
                quantum_tasks.queued(connection, device.arn, priority, TASK_DEPTH_CAP + 1), TASK_DEPTH_CAP
            ),
        }
        for priority in (Priority.NORMAL, Priority.PRIORITY)
    ]
    return [*task_queues, {"queue": "JOBS_QUEUE", "queueSize": _jobs_queue_size(connection, device)}]


def _jobs_queue_size(connection: Connection, device: Device) -> str:
    """A QPU with nothing waiting tells of the running job (SDK: docstring of AwsDevice.queue_depth)."""
    waiting = jobs.count(connection, device.arn, JobStatus.QUEUED, JOB_DEPTH_CAP + 1)
    if waiting or device.is_simulator:
        return capped(waiting, JOB_DEPTH_CAP)
    running = jobs.count(connection, device.arn, JobStatus.RUNNING, JOB_DEPTH_CAP + 1)
    return f"0 ({running} prioritized job(s) running)" if running else "0"
