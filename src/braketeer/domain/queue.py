"""Queue order. Within a device: Priority before Normal, then arrival; nobody overtakes. Devices share slots in turn.

Positions and depths are strings, capped as Braket caps them (QueuePosition and QueueDepthInfo of the SDK).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

TASK_POSITION_CAP = 2000
JOB_POSITION_CAP = 15
TASK_DEPTH_CAP = 4000
JOB_DEPTH_CAP = 1000


class Priority(IntEnum):
    """A queue of a device; the smaller goes first. The name is what clients read as ``queuePriority``."""

    PRIORITY = 0
    NORMAL = 1

    @property
    def label(self) -> str:
        return self.name.capitalize()


@dataclass(frozen=True, slots=True)
class Head:
    """The task that is first in its device's queue, and the memory (bytes) its run is estimated to take."""

    task_id: str
    device_arn: str
    memory_bytes: int


def next_to_start(heads: Sequence[Head], last_device: str | None, free_slots: int, free_memory: int) -> Head | None:
    """Which head starts now: the first, in turn after ``last_device``, whose own resources are free.

    A head that must wait for memory holds back nobody but its own device's queue.
    """
    if free_slots <= 0:
        return None
    in_turn = sorted(heads, key=lambda head: head.device_arn)
    start = next((i for i, head in enumerate(in_turn) if last_device is not None and head.device_arn > last_device), 0)
    for head in in_turn[start:] + in_turn[:start]:
        if head.memory_bytes <= free_memory:
            return head
    return None


def capped(count: int, cap: int) -> str:
    """``"7"``, or ``">2000"`` beyond the cap."""
    return str(count) if count <= cap else f">{cap}"
