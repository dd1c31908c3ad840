"""CreateQuantumTask, GetQuantumTask, CancelQuantumTask, SearchQuantumTasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection, RowMapping

from braketeer.devices.catalogue import Catalogue, Device
from braketeer.domain import arns, associations
from braketeer.domain.accounts import Caller
from braketeer.domain.clock import Clock, iso
from braketeer.domain.errors import (
    ConflictException,
    DeviceOfflineException,
    ServiceError,
    ValidationException,
)
from braketeer.domain.ids import fresh_uuid
from braketeer.domain.lifecycles import TASK_FINISHED, TaskStatus
from braketeer.domain.queue import TASK_POSITION_CAP, Priority, capped
from braketeer.domain.reservations import Reservation, reserved_message
from braketeer.domain.search import FieldKind, parse_filters
from braketeer.quantum import Prepared
from braketeer.quantum.circuit import PROGRAM_SET, Limits
from braketeer.services.braket import requests
from braketeer.services.braket.pages import Page
from braketeer.store import (
    added_devices,
    client_tokens,
    jobs,
    quotas,
    reservations,
    search,
    spending_limits,
    standing,
    tags,
    topics,
)
from braketeer.store import quantum_tasks as tasks
from braketeer.store.database import Database, Transaction
from braketeer.store.tables import quantum_tasks


class Programs(Protocol):
    """The look at a program before its task is created; both raise ValidationException for one that cannot run."""

    def check_at_once(self, action: str, limits: Limits, shots: int) -> Prepared | None:
        """What the program needs, or None where reading it takes longer than a moment."""

    async def check(self, account: str, action: str, limits: Limits, shots: int) -> Prepared:
        """What a program of the account needs, however long it takes to read."""


class Driven(Protocol):
    """The look at a task for a device that has a driver."""

    async def check(self, device: Device, action: str, shots: int, device_parameters: str) -> Prepared:
        """What the task holds; ValidationException where the driver refuses it."""


# GetQuantumTask waits a little for a task that is about to end, so that the first poll of a client finds it done.
HOLD_SECONDS = 0.2
HOLD_YOUNGER_THAN_MS = 2000
MOST_HELD = 200

_CREATE_MEMBERS = frozenset(
    {
        "clientToken",
        "deviceArn",
        "deviceParameters",
        "shots",
        "outputS3Bucket",
        "outputS3KeyPrefix",
        "action",
        "tags",
        "jobToken",
        "associations",
        "experimentalCapabilities",
    }
)
_FIELDS = {
    "quantumTaskArn": FieldKind.ARN,
    "deviceArn": FieldKind.TEXT,
    "jobArn": FieldKind.ARN,
    "status": FieldKind.TEXT,
    "createdAt": FieldKind.TIME,
}
_COLUMNS = {
    "quantumTaskArn": quantum_tasks.c.id,
    "deviceArn": quantum_tasks.c.device_arn,
    "jobArn": quantum_tasks.c.job_id,
    "status": quantum_tasks.c.status,
    "createdAt": quantum_tasks.c.created_at,
}


class QuantumTasks:
    """The five things a client does with a quantum task, on rows; the work itself is done elsewhere."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        clock: Clock,
        programs: Programs,
        driven: Driven,
        page_key: bytes,
        *,
        fair_share: bool = False,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._programs = programs
        self._driven = driven
        self._page_key = page_key
        self._fair_share = fair_share  # accounts take turns on simulators
        self._held = 0

    async def create_quantum_task(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A QUEUED task that is on disk when this returns.

        Refused with ValidationException: unknown device or bucket, shots out of range, associations that cannot stand,
        a program that the device cannot run, a job token that is not a living job's. DeviceOfflineException and
        DeviceRetiredException come after the associations have been looked at.
        """
        requests.refuse_unknown(request, _CREATE_MEMBERS)
        request_hash = requests.hash_of(request)
        requests.check_tags(request.get("tags"))
        device = requests.device_of(self._catalogue, request["deviceArn"])
        judged = self._judge_at_once(device, request)
        if not isinstance(judged, Prepared):
            # Refused, or long to read: what the rows say comes first, as it would for any other program.
            known = await self._database.read(lambda connection: self._look(connection, caller, request, request_hash))
            if known is not None:
                return {"quantumTaskArn": known}
            if judged is not None:
                raise judged
            judged = await self._judge_at_length(caller, device, request)
        prepared = judged
        task_id = fresh_uuid()
        arn = arns.quantum_task(caller.region, caller.account, task_id)

        def create(transaction: Transaction) -> str:
            connection, token, now = transaction.connection, request["clientToken"], self._clock.now_ms()
            made = client_tokens.claim(connection, caller, "CreateQuantumTask", token, request_hash, arn, now)
            if made != arn:
                return made
            stands = standing.of(connection, caller.account, device.arn, request["outputS3Bucket"])
            tied = self._require(connection, caller, device, request, stands)
            if device.added is not None and not added_devices.hold(connection, device.arn):
                raise ValidationException(f"The device {device.arn} does not exist")  # any more
            quotas.require_task(connection, caller.account, stands.quotas)
            row = {
                "id": task_id,
                "account": caller.account,
                "region": caller.region,
                "device_arn": device.arn,
                "priority": Priority.PRIORITY if tied.job_id and not device.is_simulator else Priority.NORMAL,
                "shots": request["shots"],
                "output_bucket": request["outputS3Bucket"],
                "output_prefix": f"{request['outputS3KeyPrefix']}/{task_id}",
                "device_parameters": request.get("deviceParameters", "{}"),
                "job_id": tied.job_id,
                "associations": tied.associations,
                "reservation_arn": associations.reservation_arn(tied.associations),
                "experimental_capabilities": request.get("experimentalCapabilities"),
                "action_type": prepared.action_type,
                "program_count": prepared.program_count,
                "executable_count": prepared.executable_count,
                "memory_bytes": prepared.memory_bytes,
                "created_at": now,
            }
            if self._fair_share and device.is_simulator:
                row["turn"] = tasks.next_turn(connection, caller.account, device.arn)
            money = spending_limits.charge(connection, row, device.price, limited=stands.has_limit)
            tasks.add(connection, request["action"], row | money)
            tags.put(connection, arn, request.get("tags") or {})
            transaction.notify(topics.TASKS)
            return arn

        return {"quantumTaskArn": await self._database.write(create)}

    async def get_quantum_task(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Every member of the task; ``queueInfo`` when QueueInfo is asked for."""
        task_id = requests.id_in(request["quantumTaskArn"], "quantum-task", caller)
        with_queue = "QueueInfo" in (request.get("additionalAttributeNames") or ())
        read = partial(self._read, caller=caller, task_id=task_id, with_queue=with_queue)
        found = await self._read_when_ended(task_id, read)
        row = found.row
        answer = _summary(row) | {
            "deviceParameters": row["device_parameters"],
            "tags": found.tags,
            "actionMetadata": requests.present(
                actionType=row["action_type"],
                programCount=row["program_count"],
                executableCount=row["executable_count"],
            ),
        }
        answer |= requests.present(
            failureReason=row["failure_reason"],
            jobArn=found.job_arn,
            associations=row["associations"],
            numSuccessfulShots=row["successful_shots"],
            experimentalCapabilities=row["experimental_capabilities"],
            queueInfo=_queue_info(found) if with_queue else None,
        )
        return answer

    async def cancel_quantum_task(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """CANCELLED at once from QUEUED, CANCELLING from RUNNING; ConflictException for a task that has ended."""
        arn = request["quantumTaskArn"]
        task_id = requests.id_in(arn, "quantum-task", caller)
        now = self._clock.now_ms()
        request_hash, call = requests.hash_of(request), fresh_uuid()

        def cancel(transaction: Transaction) -> TaskStatus | None:
            connection, token = transaction.connection, request["clientToken"]
            # What the token is tied to is this very call: of several equal ones, the token's key lets one through.
            made = client_tokens.claim(
                connection, caller, "CancelQuantumTask", token, request_hash, call, now, ConflictException
            )
            if made != call:
                return None
            if tasks.owned(connection, task_id, caller.account, caller.region) is None:
                raise requests.not_found(arn)
            status = tasks.request_cancel(connection, task_id, now)
            if status is None:
                raise requests.not_found(arn)
            if status in TASK_FINISHED:
                raise ConflictException(f"Amazon Braket cannot cancel a quantum task in the {status} status.")
            for topic in (topics.task(task_id), topics.TASKS, topics.CANCELLATIONS):
                transaction.notify(topic)
            return status

        status = await self._database.write(cancel)
        if status is None:  # the same cancel again: tell how far it is
            row = await self._database.read(lambda connection: tasks.get(connection, task_id))
            ended = row is not None and row["status"] == TaskStatus.CANCELLED
        else:
            ended = status is TaskStatus.QUEUED
        return {"quantumTaskArn": arn, "cancellationStatus": "CANCELLED" if ended else "CANCELLING"}

    async def search_quantum_tasks(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Newest first; the page token is opaque, bound to the filters, and stable while tasks are added."""
        filters = parse_filters(request["filters"], _FIELDS)
        page = Page.of(self._page_key, "SearchQuantumTasks", caller, request)

        def find(connection: Connection) -> tuple[list[RowMapping], dict[str, dict[str, str]]]:
            rows = search.newest_first(
                connection, quantum_tasks, _COLUMNS, caller.account, caller.region, filters, page.before, page.size + 1
            )
            return rows, tags.of_many(connection, (_arn(row) for row in rows))

        rows, found_tags = await self._database.read(find)
        return {
            "quantumTasks": [_summary(row) | {"tags": found_tags.get(_arn(row), {})} for row in rows[: page.size]],
            **page.next_token([row["sequence"] for row in rows]),
        }

    def _judge_at_once(self, device: Device, request: dict[str, Any]) -> Prepared | ServiceError | None:
        """What the program needs, or why it is refused; None where reading it takes longer than a moment."""
        low, high = device.shots_range
        if not low <= request["shots"] <= high and not _is_program_set(request["action"]):
            return ValidationException(
                f"Shot count should be between {low} and {high} on {device.arn}, but found {request['shots']}."
            )
        if device.added is not None:
            return None
        if device.limits is None or not device.computes:
            return DeviceOfflineException(f"The device {device.arn} is not computed by this version")
        try:
            device.check_parameters(request.get("deviceParameters"), request["shots"])
            prepared = self._programs.check_at_once(request["action"], _limits(device, request), request["shots"])
            return None if prepared is None else _fitting(device, prepared)
        except ValidationException as refusal:
            return refusal

    async def _judge_at_length(self, caller: Caller, device: Device, request: dict[str, Any]) -> Prepared:
        """What the program needs, as its device's driver says, or a worker that reads it."""
        action, shots = request["action"], request["shots"]
        if device.added is not None:
            if (request.get("experimentalCapabilities") or {}).get("enabled") == "ALL":
                raise ValidationException(f"{device.arn} has a driver, and drivers take no experimentalCapabilities")
            return await self._driven.check(device, action, shots, request.get("deviceParameters", "{}"))
        return _fitting(device, await self._programs.check(caller.account, action, _limits(device, request), shots))

    def _look(self, connection: Connection, caller: Caller, request: dict[str, Any], request_hash: str) -> str | None:
        """The task that the client token has made already, if any; raises what the rows refuse."""
        token = request["clientToken"]
        made = client_tokens.resource_of(connection, caller, "CreateQuantumTask", token, request_hash)
        if made is None:
            device = requests.device_of(self._catalogue, request["deviceArn"])
            stands = standing.of(connection, caller.account, device.arn, request["outputS3Bucket"])
            self._require(connection, caller, device, request, stands, to_write=False)
        return made

    def _require(
        self,
        connection: Connection,
        caller: Caller,
        device: Device,
        request: dict[str, Any],
        stands: standing.Standing,
        *,
        to_write: bool = True,
    ) -> _Tied:
        """Raise what the rows refuse of a create; else what the task belongs to."""
        token = request.get("jobToken")
        job = requests.living_job(connection, caller, token) if token else None
        tie = request.get("associations")
        # The key of a reserved job stands for the job where its token was left out.
        inside = job if job is not None or caller.job_id is None else jobs.get(connection, caller.job_id)
        if inside is not None:
            tie = associations.inherited(tie, device.arn, inside["device_arn"], inside["reservation_arn"])
        reservation_arn, now = associations.reservation_arn(tie), self._clock.now_ms()
        requests.check_device(connection, device, stands.device, caller, reservation_arn, now, to_write=to_write)
        requests.check_owner(caller, request["outputS3Bucket"], stands.bucket_owner)
        return _Tied(None if job is None else job["id"], tie)

    def _read(self, connection: Connection, *, caller: Caller, task_id: str, with_queue: bool) -> _Found:
        """A task of the caller's and what belongs to it."""
        row = tasks.owned(connection, task_id, caller.account, caller.region)
        if row is None:
            raise requests.not_found(arns.quantum_task(caller.region, caller.account, task_id))
        queued = row["status"] == TaskStatus.QUEUED
        ahead = tasks.tasks_ahead(connection, row, TASK_POSITION_CAP if with_queue else 1) if queued else 0
        reserved = queued and row["reservation_arn"] is not None
        reservation = reservations.get(connection, row["reservation_arn"]) if reserved else None
        # A job in one region may create tasks in another.
        job = jobs.get(connection, row["job_id"]) if row["job_id"] else None
        job_arn = arns.job(job["region"], job["account"], job["id"]) if job is not None else None
        return _Found(row, tags.of(connection, _arn(row)), ahead, job_arn, reservation)

    async def _read_when_ended(self, task_id: str, read: Callable[[Connection], _Found]) -> _Found:
        """What ``read`` finds once the task has ended, or after HOLD_SECONDS, or at once where it is not worth a wait.

        No database connection is held meanwhile.
        """
        deadline = time.monotonic() + HOLD_SECONDS
        with self._database.topics.subscribe(topics.task(task_id)) as news:
            found = await self._database.read(read)
            self._held += 1
            try:
                while self._is_worth_a_wait(found) and (left := deadline - time.monotonic()) > 0:
                    if await news.wait(left):
                        found = await self._database.read(read)
            finally:
                self._held -= 1
        return found

    def _is_worth_a_wait(self, found: _Found) -> bool:
        row, now = found.row, self._clock.now_ms()
        young = now - row["created_at"] < HOLD_YOUNGER_THAN_MS
        begun = found.reservation is None or found.reservation.is_active(now)
        next_up = row["status"] == TaskStatus.QUEUED and found.ahead == 0 and begun
        return young and (next_up or row["status"] == TaskStatus.RUNNING) and self._held <= MOST_HELD


@dataclass(frozen=True, slots=True)
class _Found:
    """A task's row, its tags, how many tasks are ahead of it, the ARN of its job, and the reservation that it waits
    in.
    """

    row: Mapping[str, Any]
    tags: dict[str, str]
    ahead: int
    job_arn: str | None
    reservation: Reservation | None


@dataclass(frozen=True, slots=True)
class _Tied:
    """What a new task belongs to: the job whose token it carries, and its associations."""

    job_id: str | None
    associations: Sequence[Mapping[str, Any]] | None


def _limits(device: Device, request: Mapping[str, Any]) -> Limits:
    limits = device.limits_with(request.get("deviceParameters"))
    if limits is None:
        raise LookupError(f"{device.arn} takes no programs")
    return limits


def _fitting(device: Device, prepared: Prepared) -> Prepared:
    """``prepared``, which must fit the memory that a task has."""
    if prepared.memory_bytes > device.task_memory_bytes:
        raise ValidationException(
            f"The task needs {prepared.memory_bytes >> 20} MiB of memory, which is more than the "
            f"{device.task_memory_bytes >> 20} MiB that a task has on this device"
        )
    return prepared


def _is_program_set(action: str) -> bool:
    """Whether the shots are shared by many programs: how many there may be is then for the look at them to say."""
    try:
        return bool(orjson.loads(action)["braketSchemaHeader"]["name"] == PROGRAM_SET)
    except (ValueError, TypeError, KeyError):
        return False


def _arn(row: RowMapping | Mapping[str, Any]) -> str:
    return arns.quantum_task(row["region"], row["account"], row["id"])


def _summary(row: RowMapping | Mapping[str, Any]) -> dict[str, Any]:
    return {
        "quantumTaskArn": _arn(row),
        "status": row["status"],
        "deviceArn": row["device_arn"],
        "shots": row["shots"],
        "outputS3Bucket": row["output_bucket"],
        "outputS3Directory": row["output_prefix"],
        "createdAt": iso(row["created_at"]),
        **requests.present(endedAt=iso(row["ended_at"]) if row["ended_at"] else None),
    }


def _queue_info(found: _Found) -> dict[str, Any]:
    """Position counts from 1; ``message`` is there only when there is no position (the SDK's tests demand it)."""
    row = found.row
    place = {"queue": "QUANTUM_TASKS_QUEUE", "queuePriority": Priority(row["priority"]).label}
    if row["status"] != TaskStatus.QUEUED:
        message = f"Task is in {row['status']} status. AmazonBraket does not show queue position for this status."
        return place | {"position": "None", "message": message}
    if found.reservation is not None:
        return place | {"position": "None", "message": reserved_message("Task", found.reservation)}
    return place | {"position": capped(found.ahead + 1, TASK_POSITION_CAP)}
