"""Whose work may start on which device now, what is to be cancelled, and when to look again: decided from rows and a
time. The order within a queue, and slots and memory, are queue.py's.

A device has lanes: the work of its active reservation, then all other work. Each lane starts in its own order; nothing
overtakes within it. Who asks needs only the heads of the lanes that ``Gate.lanes`` names, however many tasks there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from braketeer.domain import windows
from braketeer.domain.lifecycles import DeviceStatus
from braketeer.domain.queue import Head, Room
from braketeer.domain.reservations import Reservation, ReservationKind
from braketeer.domain.windows import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device as it is now. ``windows`` are those in which its tasks start, None for at all hours.

    ``concurrency`` is how many tasks are on it at once, None where only slots and memory say so. ``back_at`` is when
    it is online again, where it is OFFLINE and that is known; ``changes_at`` when its status may change by itself.
    """

    arn: str
    status: DeviceStatus
    windows: tuple[Window, ...] | None = None
    concurrency: int | None = None
    back_at: int | None = None
    changes_at: tuple[int, ...] = ()

    def is_open(self, now_ms: int) -> bool:
        return self.windows is None or windows.is_open(self.windows, _moment(now_ms))

    def next_opening(self, now_ms: int) -> int | None:
        """``now_ms`` while it is open; None for a device that never is."""
        if self.windows is None:
            return now_ms
        opening = windows.next_opening(self.windows, _moment(now_ms))
        return None if opening is None else (opening - _EPOCH) // _MILLISECOND

    def has_room(self, running: int) -> bool:
        """Whether one more task may be on it beside ``running``."""
        return self.concurrency is None or running < self.concurrency


class Rule(StrEnum):
    """Why work does not start, by the rule that holds it."""

    RETIRED = "device-retired"
    OFFLINE = "device-offline"
    CLOSED = "outside-execution-windows"
    RESERVED = "device-reserved"
    NOT_BEGUN = "reservation-not-begun"
    HOLDER_FIRST = "holder-first"
    BEHIND = "behind-others"
    DEVICE_BUSY = "device-busy"
    JOB_RUNNING = "one-job-at-a-time"
    NO_SLOT = "no-free-slot"
    NEXT = "next-to-start"


@dataclass(frozen=True, slots=True)
class Gate:
    """Whose work may start on a device: that of ``reservation``, which is active, and ``others``'.

    Where others' may not, ``rule`` says why, and ``until`` when that ends by itself.
    """

    reservation: Reservation | None
    others: bool
    rule: Rule | None = None
    until: int | None = None

    @property
    def lanes(self) -> list[str | None]:
        """The lanes that may start, in their order: ARN of a reservation, None for all other work."""
        lanes: list[str | None] = [] if self.reservation is None else [self.reservation.arn]
        return [*lanes, None] if self.others else lanes

    def admits(self, reservation_arn: str | None) -> bool:
        """Whether work of a reservation (None: of none) may start."""
        return reservation_arn in self.lanes


FREE = Gate(None, others=True)


@dataclass(frozen=True, slots=True)
class View:
    """The rows that decide what may start. ``reservations`` are those begun or cancelled whose work was not all ended
    yet, and at least the next to begin.
    """

    devices: Mapping[str, DeviceRow]
    reservations: Sequence[Reservation]


def gates(view: View, now_ms: int) -> dict[str, Gate]:
    """The gate of every device, by its ARN."""
    active = {each.device_arn: each for each in view.reservations if each.is_active(now_ms)}
    return {arn: gate(device, active.get(arn), now_ms) for arn, device in view.devices.items()}


def gate(device: DeviceRow, active: Reservation | None, now_ms: int) -> Gate:
    """An active reservation opens the device to its holder outside of execution windows too: the time was given."""
    if device.status is not DeviceStatus.ONLINE:
        retired = device.status is DeviceStatus.RETIRED
        return Gate(None, others=False, rule=Rule.RETIRED if retired else Rule.OFFLINE, until=device.back_at)
    if active is not None and active.kind is ReservationKind.EXCLUSIVE:
        return Gate(active, others=False, rule=Rule.RESERVED, until=active.ends_at)
    if not device.is_open(now_ms):
        return Gate(active, others=False, rule=Rule.CLOSED, until=device.next_opening(now_ms))
    return Gate(active, others=True)


def to_settle(view: View, now_ms: int) -> list[Reservation]:
    """Reservations that are over and whose work, queued or running, is still to be cancelled."""
    return [each for each in view.reservations if each.is_over(now_ms) and not each.settled]


def next_due(view: View, now_ms: int) -> int | None:
    """The next instant at which time itself changes a gate for the wider or a device's status, or ends a reservation;
    None for never."""
    instants = [
        instant
        for each in view.reservations
        if each.cancelled_at is None
        for instant in (each.starts_at, each.ends_at)
        if instant > now_ms
    ]
    for device in view.devices.values():
        instants += [instant for instant in device.changes_at if instant > now_ms]
        if device.windows is not None and not device.is_open(now_ms):
            opening = device.next_opening(now_ms)
            instants += [] if opening is None else [opening]
    return min(instants, default=None)


def start_tasks(
    view: View,
    now_ms: int,
    running: Mapping[str, int],
    room: Room,
    last_device: str | None,
    head: Callable[[str, Sequence[str | None]], Head | None],
    claim: Callable[[Head], bool],
) -> tuple[list[Head], Room]:
    """Start all that may start now and for which there is room, in order; the heads left waiting, and the room left.

    ``running`` tasks are counted by device. ``head`` finds the task that a device starts next, the first of these
    lanes; ``claim`` starts it, or says that somebody has cancelled it meanwhile.
    """
    on_device, at_gate = dict(running), gates(view, now_ms)

    def next_of(device_arn: str) -> Head | None:
        lanes = at_gate[device_arn].lanes
        if not lanes or not view.devices[device_arn].has_room(on_device.get(device_arn, 0)):
            return None
        return head(device_arn, lanes)

    heads = {device_arn: found for device_arn in at_gate if (found := next_of(device_arn)) is not None}
    while (chosen := room.next(list(heads.values()), last_device)) is not None:
        device_arn = chosen.device_arn
        if claim(chosen):
            room, last_device = room.after(chosen), device_arn
            on_device[device_arn] = on_device.get(device_arn, 0) + 1
        del heads[device_arn]
        if (following := next_of(device_arn)) is not None:
            heads[device_arn] = following
    return list(heads.values()), room


@dataclass(frozen=True, slots=True)
class JobHead:
    """The job that is first in a lane of its device."""

    sequence: int
    device_arn: str
    reservation_arn: str | None = None


@dataclass(frozen=True, slots=True)
class JobsRunning:
    """How many jobs are on the machine: of no reservation, by device, and of reservations, by theirs."""

    ordinary: Mapping[str, int]
    reserved: Mapping[str, int]

    @property
    def sharing(self) -> int:
        """Those that take a shared place: not a QPU's, nor the first of each reservation."""
        ordinary = sum(count for device, count in self.ordinary.items() if not takes_one_job(device))
        return ordinary + sum(max(count - 1, 0) for count in self.reserved.values())


def takes_one_job(device_arn: str) -> bool:
    """Whether jobs of this device run one at a time: a QPU's do."""
    return ":device/qpu/" in device_arn


def next_job(heads: Iterable[JobHead], gates: Mapping[str, Gate], running: JobsRunning, slots: int) -> JobHead | None:
    """Which job starts now: a reservation's before others, then the oldest whose device has room.

    A QPU takes one job at a time; all other devices share ``slots`` places. Each active reservation has a place of its
    own, which nobody else's job takes. A device without a gate (``local:``) is always open.
    """
    able = [head for head in heads if _job_may_start(head, gates.get(head.device_arn, FREE), running, slots)]
    return min(able, key=lambda head: (head.reservation_arn is None, head.sequence), default=None)


def waiting_for_priority(heads: Iterable[JobHead], gates: Mapping[str, Gate], running: JobsRunning) -> list[JobHead]:
    """Those that nothing keeps but the job that has their QPU (Braket's job event WAITING_FOR_PRIORITY)."""
    return [
        head
        for head in heads
        if takes_one_job(head.device_arn)
        and head.reservation_arn is None
        and gates.get(head.device_arn, FREE).admits(None)
        and running.ordinary.get(head.device_arn)
    ]


def _job_may_start(head: JobHead, gate: Gate, running: JobsRunning, slots: int) -> bool:
    if not gate.admits(head.reservation_arn):
        return False
    if head.reservation_arn is not None and not running.reserved.get(head.reservation_arn):
        return True
    if takes_one_job(head.device_arn):
        return head.reservation_arn is None and not running.ordinary.get(head.device_arn)
    return running.sharing < slots


def _moment(epoch_ms: int) -> datetime:
    return _EPOCH + epoch_ms * _MILLISECOND
