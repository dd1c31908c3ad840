"""The lives of quantum tasks, hybrid jobs, reservations and devices, as transition tables (docs/lifecycles.md tells
them in prose). What is not in a table does not happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class TaskStatus(StrEnum):
    """Status of a quantum task (model enum QuantumTaskStatus; CREATED is never shown)."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"


class JobStatus(StrEnum):
    """Status of a hybrid job (model enum JobPrimaryStatus)."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"


class ReservationStatus(StrEnum):
    """Status of a reservation. Time makes the first three, so they are never stored: Reservation.status tells them."""

    SCHEDULED = "SCHEDULED"
    ACTIVE = "ACTIVE"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"


class DeviceStatus(StrEnum):
    """Status of a device (model enum DeviceStatus)."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    RETIRED = "RETIRED"


# A running task goes back to QUEUED when its worker or the service dies; a cancelled one never does.
TASK_TRANSITIONS: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.QUEUED: frozenset({TaskStatus.RUNNING, TaskStatus.CANCELLED, TaskStatus.FAILED}),
    TaskStatus.RUNNING: frozenset(
        {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLING, TaskStatus.CANCELLED, TaskStatus.QUEUED}
    ),
    TaskStatus.CANCELLING: frozenset({TaskStatus.CANCELLED}),
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
}

JOB_TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.RUNNING: frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLING, JobStatus.CANCELLED}),
    # A job that had finished before the cancel reached it is what it became.
    JobStatus.CANCELLING: frozenset({JobStatus.CANCELLED, JobStatus.COMPLETED, JobStatus.FAILED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}

# Service time may pass over a whole window in one jump.
RESERVATION_TRANSITIONS: Mapping[ReservationStatus, frozenset[ReservationStatus]] = {
    ReservationStatus.SCHEDULED: frozenset(
        {ReservationStatus.ACTIVE, ReservationStatus.ENDED, ReservationStatus.CANCELLED}
    ),
    ReservationStatus.ACTIVE: frozenset({ReservationStatus.ENDED, ReservationStatus.CANCELLED}),
    ReservationStatus.ENDED: frozenset(),
    ReservationStatus.CANCELLED: frozenset(),
}

# An operator may bring a retired device back: TN1 is retired at AWS and need not be here.
DEVICE_TRANSITIONS: Mapping[DeviceStatus, frozenset[DeviceStatus]] = {
    DeviceStatus.ONLINE: frozenset({DeviceStatus.OFFLINE, DeviceStatus.RETIRED}),
    DeviceStatus.OFFLINE: frozenset({DeviceStatus.ONLINE, DeviceStatus.RETIRED}),
    DeviceStatus.RETIRED: frozenset({DeviceStatus.ONLINE}),
}

TASK_FINISHED = frozenset(status for status, after in TASK_TRANSITIONS.items() if not after)
JOB_FINISHED = frozenset(status for status, after in JOB_TRANSITIONS.items() if not after)

# A worker that dies under a task costs the task an attempt: it is queued again once, then it has failed.
MOST_WORKER_DEATHS = 2


def before(status: TaskStatus) -> frozenset[TaskStatus]:
    """The statuses from which a task may become ``status``."""
    return frozenset(earlier for earlier, after in TASK_TRANSITIONS.items() if status in after)
