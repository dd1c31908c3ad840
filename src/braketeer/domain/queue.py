"""Queue order. Within a device: Priority before Normal, then arrival; nobody overtakes. Devices share slots in turn.

A head that does not fit in free memory lets those of other devices pass for some seconds. Then its memory is kept: what
starts from there on leaves room for it, so it starts at the latest when what was running has ended.

Positions and depths are strings, capped as Braket caps them (QueuePosition and QueueDepthInfo of the SDK).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

TASK_POSITION_CAP = 2000
JOB_POSITION_CAP = 15
TASK_DEPTH_CAP = 4000
JOB_DEPTH_CAP = 1000
PATIENCE_SECONDS = 5.0  # of a head that waits for memory


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


@dataclass(frozen=True, slots=True)
class Kept:
    """A head that has waited for memory long enough, and the memory (bytes) that others may take before it starts."""

    task_id: str
    for_others: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A head that did not fit, and since when it waits (seconds of a clock that only goes forward)."""

    head: Head
    since: float

    def kept(self, now: float, memory: int, running: Iterable[tuple[float, int]]) -> Kept | None:
        """None while it is patient. ``memory`` is all there is; what runs has (when it started, memory bytes)."""
        impatient_from = self.since + PATIENCE_SECONDS
        if now < impatient_from:
            return None
        passed = sum(taken for started, taken in running if started >= impatient_from)
        return Kept(self.head.task_id, memory - self.head.memory_bytes - passed)


def waiting(heads: Sequence[Head], free_memory: int, now: float, before: Waiting | None) -> Waiting | None:
    """The head that waits for memory: the one of ``before`` until it is a head no more, then another."""
    if before is not None and before.head in heads:
        return before
    too_large = [head for head in heads if head.memory_bytes > free_memory]
    return Waiting(min(too_large, key=lambda head: head.device_arn), now) if too_large else None


def next_to_start(
    heads: Sequence[Head], last_device: str | None, free_slots: int, free_memory: int, kept: Kept | None = None
) -> Head | None:
    """Which head starts now: the first, in turn after ``last_device``, whose own resources are free.

    A head that waits for memory holds back nobody but its own device's queue, until memory is ``kept`` for it: then it
    is the first to start, and others start within what is left to them.
    """
    if free_slots <= 0:
        return None
    first = next((head for head in heads if kept is not None and head.task_id == kept.task_id), None)
    if first is not None and kept is not None:
        if first.memory_bytes <= free_memory:
            return first
        free_memory = min(free_memory, kept.for_others)
    in_turn = sorted(heads, key=lambda head: head.device_arn)
    start = next((i for i, head in enumerate(in_turn) if last_device is not None and head.device_arn > last_device), 0)
    for head in in_turn[start:] + in_turn[:start]:
        if head.memory_bytes <= free_memory:
            return head
    return None


def capped(count: int, cap: int) -> str:
    """``"7"``, or ``">2000"`` beyond the cap."""
    return str(count) if count <= cap else f">{cap}"
