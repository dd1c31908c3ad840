"""Queue order. Within a device: Priority before Normal, then turn, then arrival; nobody overtakes. Devices share slots
in turn.

Turns make accounts share a simulator where the operator wants that: a task's turn is fixed when it is created, one
after its account's last one that waits, and not before the turn that is up. Without, every turn is 0.

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
    """The task that its device starts next, and the memory (bytes) its run is estimated to take."""

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


@dataclass(frozen=True, slots=True)
class Room:
    """What is free: ``slots``, and of ``memory`` bytes what ``running`` tasks leave, which have ``used`` the rest."""

    slots: int
    memory: int
    used: int
    running: int
    kept: Kept | None = None

    @property
    def free_memory(self) -> int:
        """What does not fit even alone was refused at create; a machine that has shrunk since must not starve it."""
        return self.memory - self.used if self.running else 2**62

    def next(self, heads: Sequence[Head], last_device: str | None) -> Head | None:
        """Which head starts now, if any."""
        return next_to_start(heads, last_device, self.slots, self.free_memory, self.kept)

    def after(self, head: Head) -> Room:
        """What is left once a head has started."""
        taken = head.memory_bytes
        kept = self.kept
        if kept is not None:
            kept = None if kept.task_id == head.task_id else Kept(kept.task_id, kept.for_others - taken)
        return Room(self.slots - 1, self.memory, self.used + taken, self.running + 1, kept)


def next_turn(turn_that_is_up: int | None, last_of_account: int | None) -> int:
    """The turn of a new task, given that of its device's head and the last of its account; None where none waits."""
    up = 0 if turn_that_is_up is None else turn_that_is_up
    return up if last_of_account is None else max(up, last_of_account + 1)


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
