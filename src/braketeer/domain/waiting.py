"""Why work waits: the rules that hold a queued task or hybrid job, in words, with the time at which each may let go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from braketeer.domain.clock import iso
from braketeer.domain.reservations import Reservation
from braketeer.domain.scheduling import DeviceRow, Gate, Rule


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that holds; ``until`` is when it ends by itself (epoch ms, service time), where that is known."""

    rule: Rule
    text: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where work stands in its lane: how much of each account is ahead of it, by account; ``more`` than was counted."""

    ahead: Mapping[str, int]
    more: bool = False

    @property
    def number(self) -> int:
        return sum(self.ahead.values())


@dataclass(frozen=True, slots=True)
class Use:
    """How many of ``places`` are taken; ``places`` is None where there is no such bound."""

    taken: int
    places: int | None

    @property
    def is_full(self) -> bool:
        return self.places is not None and self.taken >= self.places


def reasons(
    what: str,
    gate: Gate,
    place: Place,
    device: DeviceRow | None,
    reservation: Reservation | None,
    on_device: Use,
    slots: Use,
    now_ms: int,
) -> list[Reason]:
    """Everything that keeps a queued ``task`` or ``job`` from starting now; that it starts next, where nothing does.

    ``reservation`` is its own, ``device`` None for a job on no device of the catalogue. A reserved job has a place of
    its own beside ``slots``.
    """
    found = [
        *_of_gate(gate, device, reservation, now_ms),
        *_of_place(what, place),
        *_of_room(what, device, on_device, slots),
    ]
    return found or [Reason(Rule.NEXT, f"The {what} starts next")]


def _of_gate(gate: Gate, device: DeviceRow | None, reservation: Reservation | None, now_ms: int) -> Iterator[Reason]:
    name = "" if device is None else device.arn
    if reservation is not None and now_ms < reservation.starts_at:
        start = reservation.starts_at
        yield Reason(Rule.NOT_BEGUN, f"Its reservation begins at {iso(start)}", start)
    if gate.rule is Rule.RETIRED:
        yield Reason(Rule.RETIRED, f"{name} is retired: nothing starts until it is online again")
    elif gate.rule is Rule.OFFLINE:
        back = "it is online again" if gate.until is None else iso(gate.until)
        yield Reason(Rule.OFFLINE, f"{name} is offline: nothing starts until {back}", gate.until)
    active = gate.reservation
    if active is None or (reservation is not None and reservation.arn == active.arn):
        if reservation is None and gate.rule is Rule.CLOSED:
            opens = "" if gate.until is None else f" until {iso(gate.until)}"
            yield Reason(Rule.CLOSED, f"{name} is outside its execution windows{opens}", gate.until)
        return
    whose = f"reservation {active.arn} of account {active.account}, until {iso(active.ends_at)}"
    if gate.rule is Rule.RESERVED:
        yield Reason(Rule.RESERVED, f"{name} is held by {whose}: nobody else's work starts", active.ends_at)
    elif gate.rule is Rule.CLOSED:
        yield Reason(Rule.CLOSED, f"{name} is outside its execution windows, and open to {whose}", gate.until)
    elif gate.others:
        yield Reason(Rule.HOLDER_FIRST, f"Work of {whose}, goes first", active.ends_at)


def _of_place(what: str, place: Place) -> Iterator[Reason]:
    if not place.number:
        return
    count = f"more than {place.number}" if place.more else str(place.number)
    order = sorted(place.ahead.items(), key=lambda item: (-item[1], item[0]))
    accounts = ", ".join(f"{ahead} of account {account}" for account, ahead in order[:5])
    others = f" and others of {len(order) - 5} more accounts" if len(order) > 5 else ""
    are = "are" if place.number > 1 else "is"
    things = f"{what}s" if place.number > 1 else what
    yield Reason(Rule.BEHIND, f"{count} {things} {are} ahead of it: {accounts}{others}")


def _of_room(what: str, device: DeviceRow | None, on_device: Use, slots: Use) -> Iterator[Reason]:
    if on_device.is_full:
        name = "" if device is None else device.arn
        busy = f"{name} runs {on_device.taken} of at most {on_device.places} {what}s"
        yield Reason(Rule.DEVICE_BUSY if what == "task" else Rule.JOB_RUNNING, busy)
    if slots.is_full:
        yield Reason(Rule.NO_SLOT, f"All {slots.places} places of the service for {what}s are taken")
