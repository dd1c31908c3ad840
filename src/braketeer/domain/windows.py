"""Execution windows: the hours of the week in which a device works, as its capability document states them.

The rules are those of the SDK's ``AwsDevice.is_available``, which users go by: times are UTC, a window that ends before
it begins goes on after midnight and belongs to the day it began on, and the second of its end belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: ExecutionDay of the Braket schemas, and the days of the week (Monday is 0) that each stands for.
DAYS: Mapping[str, frozenset[int]] = {
    **{name: frozenset({day}) for day, name in enumerate(_DAYS)},
    "Weekdays": frozenset(range(5)),
    "Weekend": frozenset({5, 6}),
    "Everyday": frozenset(range(7)),
}
_SECOND = timedelta(seconds=1)

#: ``executionWindows`` of a device that is open at all hours.
ALL_HOURS: tuple[Mapping[str, str], ...] = (
    {"executionDay": "Everyday", "windowStartHour": "00:00:00", "windowEndHour": "23:59:59"},
)


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` to ``end`` (UTC, whole seconds, both in it) on each of ``days``: those that it begins on."""

    days: frozenset[int]
    start: time
    end: time

    def on(self, midnight: datetime) -> tuple[datetime, datetime] | None:
        """The window that begins on this day: its first instant, and the first after it. None on other days."""
        if midnight.weekday() not in self.days:
            return None
        day = midnight.date()
        opens, closes = datetime.combine(day, self.start, UTC), datetime.combine(day, self.end, UTC) + _SECOND
        return opens, closes if self.start <= self.end else closes + timedelta(days=1)


def windows_of(members: Iterable[Mapping[str, Any]]) -> tuple[Window, ...]:
    """The ``executionWindows`` of a capability document; ValueError, in words, for what they cannot be."""
    return tuple(_window(member) for member in members)


def is_open(windows: Sequence[Window], instant: datetime) -> bool:
    """Whether a device works at an instant (aware). Without any window it never does."""
    return any(opens <= instant < closes for opens, closes in _around(windows, instant, days=1))


def next_opening(windows: Sequence[Window], instant: datetime) -> datetime | None:
    """The instant itself while it is open, else when it opens next; None for a device without windows."""
    if is_open(windows, instant):
        return instant
    return min((opens for opens, _ in _around(windows, instant, days=8) if opens > instant), default=None)


def _around(windows: Sequence[Window], instant: datetime, days: int) -> Iterable[tuple[datetime, datetime]]:
    """What begins on the day before the instant (its end may lie after midnight), and on ``days`` days from its own."""
    midnight = instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(-1, days):
        for window in windows:
            if (span := window.on(midnight + timedelta(days=number))) is not None:
                yield span


def _window(member: Mapping[str, Any]) -> Window:
    try:
        days, start, end = member["executionDay"], member["windowStartHour"], member["windowEndHour"]
        return Window(DAYS[days], _time(start), _time(end))
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise ValueError(
            f"An execution window has executionDay ({', '.join(DAYS)}), windowStartHour and windowEndHour (HH:MM:SS); "
            f"{str(member)[:200]} has not"
        ) from problem


def _time(text: str) -> time:
    found = time.fromisoformat(text)
    if found.tzinfo is not None:
        raise ValueError("UTC goes without saying")
    return found.replace(microsecond=0)
