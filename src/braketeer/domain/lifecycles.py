"""The lives of quantum tasks and hybrid jobs, as transition tables. What is not in a table does not happen."""

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

TASK_FINISHED = frozenset(status for status, after in TASK_TRANSITIONS.items() if not after)
JOB_FINISHED = frozenset(status for status, after in JOB_TRANSITIONS.items() if not after)

# A worker that dies under a task costs the task an attempt: it is queued again once, then it has failed.
MOST_WORKER_DEATHS = 2


def before(status: TaskStatus) -> frozenset[TaskStatus]:
    """The statuses from which a task may become ``status``."""
    return frozenset(earlier for earlier, after in TASK_TRANSITIONS.items() if status in after)
