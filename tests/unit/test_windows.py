"""Execution windows: the same answers as the SDK's is_available, at every hour of the week, and the next opening."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from braketeer.domain.windows import ALL_HOURS, is_open, next_opening, windows_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.aws import AwsDevice, aws_device
    from braket.device_schema import DeviceServiceProperties

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def _window(day: str, start: str, end: str) -> dict[str, str]:
    return {"executionDay": day, "windowStartHour": start, "windowEndHour": end}


SETS = {
    "all hours": list(ALL_HOURS),
    "weekdays": [_window("Weekdays", "09:00:00", "17:30:00")],
    "weekend": [_window("Weekend", "00:00:00", "23:59:59")],
    "over midnight": [_window("Everyday", "22:00:00", "03:00:00")],
    "friday night": [_window("Friday", "20:00:00", "06:00:00")],
    "sunday night": [_window("Sunday", "23:00:00", "01:00:00")],
    "two": [_window("Monday", "00:00:00", "06:59:59"), _window("Thursday", "09:00:00", "19:00:00")],
}


def _device(windows: list[dict[str, str]]) -> Any:
    """What the SDK looks at."""
    service = DeviceServiceProperties.parse_obj(
        {
            "braketSchemaHeader": {"name": "braket.device_schema.device_service_properties", "version": "1"},
            "executionWindows": windows,
            "shotsRange": [1, 10],
        }
    )
    return SimpleNamespace(status="ONLINE", properties=SimpleNamespace(service=service))


def _as_the_sdk_says(device: Any, instant: datetime) -> bool:
    with mock.patch.object(aws_device, "datetime", mock.Mock(now=lambda tz: instant)):
        getter: Any = AwsDevice.__dict__["is_available"]
        return bool(getter.fget(device))


@pytest.mark.parametrize("name", SETS)
def test_open_exactly_when_the_sdk_says_so(name: str) -> None:
    windows, device = windows_of(SETS[name]), _device(SETS[name])
    for half_hour in range(7 * 48):
        # Half past, full, and the seconds beside them. At the very second of an end after midnight the SDK looks at
        # the day that has begun instead of the one before: that one second is left out.
        for seconds in (-1, 1):
            instant = MONDAY + timedelta(minutes=30 * half_hour, seconds=seconds)
            assert is_open(windows, instant) == _as_the_sdk_says(device, instant), instant


def test_a_window_over_midnight_belongs_to_the_day_it_began_on() -> None:
    windows = windows_of(SETS["friday night"])
    friday = MONDAY + timedelta(days=4)
    assert not is_open(windows, friday + timedelta(hours=1))  # Thursday's night has none
    assert is_open(windows, friday + timedelta(hours=23))
    assert is_open(windows, friday + timedelta(hours=30))  # Saturday 06:00:00, the last second
    assert not is_open(windows, friday + timedelta(hours=30, seconds=1))


@pytest.mark.parametrize(
    ("name", "at", "opens"),
    [
        ("all hours", timedelta(hours=5), timedelta(hours=5)),
        ("weekdays", timedelta(hours=5), timedelta(hours=9)),
        ("weekdays", timedelta(days=4, hours=18), timedelta(days=7, hours=9)),
        ("weekend", timedelta(), timedelta(days=5)),
        ("over midnight", timedelta(hours=4), timedelta(hours=22)),
        ("friday night", timedelta(days=5, hours=7), timedelta(days=11, hours=20)),
        ("two", timedelta(hours=7), timedelta(days=3, hours=9)),
    ],
)
def test_the_next_opening(name: str, at: timedelta, opens: timedelta) -> None:
    windows = windows_of(SETS[name])
    found = next_opening(windows, MONDAY + at)
    assert found == MONDAY + opens
    assert is_open(windows, found)


def test_another_time_zone_is_another_way_to_say_the_same() -> None:
    windows = windows_of(SETS["weekdays"])
    instant = datetime.fromisoformat("2026-11-24T04:30:00-05:00")  # 09:30 UTC
    assert is_open(windows, instant)


def test_without_windows_it_never_opens() -> None:
    assert not is_open((), MONDAY)
    assert next_opening((), MONDAY) is None


@pytest.mark.parametrize(
    "member", [{}, _window("Someday", "00:00:00", "01:00:00"), _window("Monday", "25:00", "26:00"), "Monday", None]
)
def test_what_is_no_window_is_refused_in_words(member: Any) -> None:
    with pytest.raises(ValueError, match="windowStartHour"):
        windows_of([member])
