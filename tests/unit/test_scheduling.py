"""Whose work may start, by the clock; which job is next; what a waiting thing waits for."""

from dataclasses import replace
from datetime import UTC, datetime, time

import pytest

from braketeer.domain import scheduling
from braketeer.domain.consistency import Inconsistent, Work, validate
from braketeer.domain.errors import ConflictException, ValidationException
from braketeer.domain.lifecycles import DeviceStatus, ReservationStatus
from braketeer.domain.queue import Head, Kept, Room, next_turn
from braketeer.domain.reservations import (
    Reservation,
    ReservationKind,
    check_window,
    reason_of_cancelling,
    require_free,
)
from braketeer.domain.scheduling import DeviceRow, Gate, JobHead, JobsRunning, Rule, View, gates, next_due, next_job
from braketeer.domain.waiting import Place, Use, reasons
from braketeer.domain.windows import DAYS, Window

QPU, SIMULATOR = "arn:aws:braket:x::device/qpu/a/b", "arn:aws:braket:::device/quantum-simulator/a/s"
NINE_TO_FIVE = (Window(DAYS["Everyday"], time(9), time(16, 59, 59)),)
ONLINE = DeviceRow(QPU, DeviceStatus.ONLINE, None, 1)
MINE = Reservation("r/mine", "1", QPU, 1000, 2000)
NEXT = Reservation("r/next", "2", QPU, 2000, 3000)


def at(hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 11, 22, hour, minute, tzinfo=UTC).timestamp()) * 1000


def lanes(now: int, *reservations: Reservation, device: DeviceRow = ONLINE) -> list[str | None]:
    return gates(View({device.arn: device}, reservations), now)[device.arn].lanes


def test_a_window_holds_from_its_first_millisecond_to_its_last() -> None:
    found = [lanes(now, MINE, NEXT) for now in (999, 1000, 1999, 2000, 2999, 3000)]
    assert found == [[None], ["r/mine"], ["r/mine"], ["r/next"], ["r/next"], [None]]


def test_in_a_window_of_kind_priority_others_come_second() -> None:
    assert lanes(1500, replace(MINE, kind=ReservationKind.PRIORITY)) == ["r/mine", None]


def test_a_cancelled_reservation_holds_nothing_and_its_work_is_cancelled() -> None:
    gone = replace(MINE, cancelled_at=1400)
    view = View({QPU: ONLINE}, [gone, NEXT])
    assert lanes(1500, gone) == [None]
    assert scheduling.to_settle(view, 1500) == [gone]
    assert scheduling.to_settle(view, 3000) == [gone, NEXT]
    assert scheduling.to_settle(View({}, [replace(gone, settled=True)]), 1500) == []
    assert reason_of_cancelling(gone, 1500) == "The reservation r/mine was cancelled at 1970-01-01T00:00:01.400Z"
    assert reason_of_cancelling(MINE, 2000) == "The reservation r/mine ended at 1970-01-01T00:00:02.000Z"


@pytest.mark.parametrize("status", [DeviceStatus.OFFLINE, DeviceStatus.RETIRED])
def test_nothing_starts_on_a_device_that_is_not_online(status: DeviceStatus) -> None:
    device = replace(ONLINE, status=status)
    assert lanes(500, device=device) == lanes(1500, MINE, device=device) == []


def test_outside_of_execution_windows_only_a_reservation_opens_the_device() -> None:
    device = replace(ONLINE, windows=NINE_TO_FIVE)
    booked = replace(MINE, starts_at=at(7), ends_at=at(10), kind=ReservationKind.PRIORITY)
    assert [lanes(at(hour), device=device) for hour in (8, 9, 16, 17)] == [[], [None], [None], []]
    assert [lanes(at(hour), booked, device=device) for hour in (8, 9)] == [["r/mine"], ["r/mine", None]]
    view = View({QPU: device}, [booked])
    due = [next_due(view, at(hour)) for hour in (6, 7, 9)]
    assert due == [at(7), at(9), at(10)]
    assert next_due(View({QPU: device}, []), at(17)) == at(9) + 86_400_000
    assert next_due(View({QPU: device}, []), at(9)) is None, "a window that closes opens nothing"


def test_a_reservations_status_follows_the_clock() -> None:
    found = [MINE.status(now) for now in (0, 1000, 2000)]
    assert found == [ReservationStatus.SCHEDULED, ReservationStatus.ACTIVE, ReservationStatus.ENDED]
    assert replace(MINE, cancelled_at=1).status(5000) is ReservationStatus.CANCELLED


def test_windows_that_cannot_be() -> None:
    check_window(0, 5000, now_ms=1000)  # begun in the past
    for starts_at, ends_at in ((2000, 2000), (3000, 2000), (0, 1000), (-5, 2000), (0, 10**15)):
        with pytest.raises(ValidationException):
            check_window(starts_at, ends_at, now_ms=1000)


def test_windows_of_a_device_never_overlap() -> None:
    require_free(QPU, 2000, 3000, [MINE])
    require_free(QPU, 1500, 1700, [replace(MINE, cancelled_at=1)])
    for starts_at, ends_at in ((1999, 3000), (0, 1001), (1200, 1300), (0, 9000)):
        with pytest.raises(ConflictException, match="is reserved from"):
            require_free(QPU, starts_at, ends_at, [MINE])


def test_room_shrinks_with_each_start() -> None:
    large, small = Head("l", QPU, 8), Head("s", SIMULATOR, 2)
    room = Room(2, memory=8, used=0, running=0)
    assert room.free_memory > 2**60, "what runs alone may be larger than the machine has become"
    after = room.after(large)
    assert (after.slots, after.free_memory, after.next([small], None)) == (1, 0, None)
    kept = Room(2, 10, 2, 1, kept=Kept("l", 2))
    assert kept.after(small).kept == Kept("l", 0)
    assert kept.after(large).kept is None


def test_accounts_take_turns_by_the_place_they_get() -> None:
    """One has queued a hundred; another's first goes behind the one that is up, its second behind the next."""
    assert next_turn(None, None) == 0
    assert next_turn(0, 99) == 100
    assert next_turn(7, None) == 7
    assert next_turn(7, 7) == 8


def job(sequence: int, device: str = SIMULATOR, reservation: str | None = None) -> JobHead:
    return JobHead(sequence, device, reservation)


def test_a_reserved_job_has_a_place_that_nobody_takes() -> None:
    gate = {QPU: Gate(MINE, others=False, rule=Rule.RESERVED)}
    busy = JobsRunning({QPU: 1}, {})
    mine, theirs = job(9, QPU, "r/mine"), job(1, QPU)
    assert next_job([theirs, mine], gate, busy, 1) == mine
    assert next_job([theirs, mine], gate, JobsRunning({}, {"r/mine": 1}), 1) is None
    assert next_job([theirs, mine], {}, busy, 1) is None, "a window that is not open"
    shared = {QPU: Gate(replace(MINE, kind=ReservationKind.PRIORITY), others=True)}
    assert next_job([theirs, mine], shared, JobsRunning({}, {}), 1) == mine
    assert next_job([theirs, mine], shared, JobsRunning({}, {"r/mine": 1}), 1) == theirs


def test_simulators_share_the_places_for_jobs() -> None:
    booked = replace(MINE, device_arn=SIMULATOR)
    gate = {SIMULATOR: Gate(booked, others=True)}
    full = JobsRunning({"local:x/y": 2}, {})
    assert next_job([job(1), job(2, SIMULATOR, "r/mine")], gate, full, 2) == job(2, SIMULATOR, "r/mine")
    assert next_job([job(3, SIMULATOR, "r/mine")], gate, JobsRunning({SIMULATOR: 2}, {"r/mine": 1}), 2) is None
    assert next_job([job(3, SIMULATOR, "r/mine")], gate, JobsRunning({SIMULATOR: 1}, {"r/mine": 1}), 2) is not None
    assert next_job([job(5), job(4, "local:x/y")], {}, JobsRunning({QPU: 1}, {}), 1) == job(4, "local:x/y")


def test_what_a_task_waits_for_in_words() -> None:
    def why(now: int, gate: Gate, *, own: Reservation | None = None, ahead: dict[str, int] | None = None) -> str:
        use = Use(1, 1) if ahead else Use(0, 1)
        found = reasons("task", gate, Place(ahead or {}), ONLINE, own, use, use, now)
        return "; ".join(f"{each.rule} {each.until}: {each.text}" for each in found)

    assert why(0, Gate(None, others=True)) == "next-to-start None: The task starts next"
    held = why(1500, Gate(MINE, others=False, rule=Rule.RESERVED, until=2000))
    assert held.startswith(f"device-reserved 2000: {QPU} is held by reservation r/mine of account 1, until 1970")
    assert why(0, Gate(None, others=True), own=MINE).startswith("reservation-not-begun 1000: Its reservation begins")
    assert why(1500, Gate(MINE, others=False, rule=Rule.RESERVED, until=2000), own=MINE).startswith("next-to-start")
    assert why(0, Gate(None, others=False, rule=Rule.OFFLINE)).startswith("device-offline None:")
    assert why(0, Gate(None, others=False, rule=Rule.CLOSED, until=9000)).startswith("outside-execution-windows 9000:")
    assert why(1500, Gate(replace(MINE, kind=ReservationKind.PRIORITY), others=True)).startswith("holder-first 2000:")
    crowded = why(0, Gate(None, others=True), ahead={"7": 1, "8": 3})
    assert "4 tasks are ahead of it: 3 of account 8, 1 of account 7" in crowded
    assert f"{QPU} runs 1 of at most 1 tasks" in crowded
    assert "All 1 places of the service for tasks are taken" in crowded


TASK = Work("t", "1", QPU, "RUNNING", None, 500, None)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (replace(TASK, started_at=1500), "exclusive"),
        (replace(TASK, reservation_arn="r/mine", started_at=999), "not started inside"),
        (replace(TASK, reservation_arn="r/mine", started_at=2000), "not started inside"),
        (replace(TASK, reservation_arn="r/next", started_at=2500), "is not of"),
        (replace(TASK, started_at=None), "without its time"),
        (replace(TASK, status="COMPLETED"), "without its time"),
    ],
)
def test_rows_that_must_not_be_are_seen(task: Work, words: str) -> None:
    with pytest.raises(Inconsistent, match=words):
        validate([task], [], [MINE, NEXT], {QPU: ONLINE})


def test_more_inconsistencies_are_seen() -> None:
    validate([TASK], [TASK], [MINE, NEXT], {QPU: ONLINE})
    reserved = replace(TASK, reservation_arn="r/mine", started_at=1500)
    for rows in (
        ([TASK, TASK], [], [MINE], {QPU: ONLINE}),
        ([], [TASK, TASK], [MINE], {QPU: ONLINE}),
        ([], [], [MINE, replace(NEXT, starts_at=1999)], {}),
        ([reserved], [], [replace(MINE, settled=True)], {QPU: ONLINE}),
    ):
        with pytest.raises(Inconsistent):
            validate(*rows)
