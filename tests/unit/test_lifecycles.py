"""Life cycles: every status can be reached and ended, and nothing leaves an end."""

from pathlib import Path

import pytest

from braketeer.domain.lifecycles import (
    DEVICE_TRANSITIONS,
    JOB_FINISHED,
    JOB_TRANSITIONS,
    RESERVATION_TRANSITIONS,
    TASK_FINISHED,
    TASK_TRANSITIONS,
    DeviceStatus,
    JobStatus,
    ReservationStatus,
    TaskStatus,
    before,
)


@pytest.mark.parametrize(
    ("transitions", "start", "finished"),
    [(TASK_TRANSITIONS, TaskStatus.QUEUED, TASK_FINISHED), (JOB_TRANSITIONS, JobStatus.QUEUED, JOB_FINISHED)],
)
def test_every_status_is_reachable_and_leads_to_an_end(transitions, start, finished) -> None:
    reached, frontier = {start}, [start]
    while frontier:
        for following in transitions[frontier.pop()]:
            if following not in reached:
                reached.add(following)
                frontier.append(following)
    assert reached == set(transitions)
    assert {status.name for status in finished} == {"COMPLETED", "FAILED", "CANCELLED"}


def test_a_cancelled_task_never_completes_or_waits_again() -> None:
    assert TaskStatus.CANCELLING not in before(TaskStatus.COMPLETED) | before(TaskStatus.QUEUED)
    assert before(TaskStatus.QUEUED) == {TaskStatus.RUNNING}
    assert before(TaskStatus.CANCELLED) == {TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.CANCELLING}


def test_a_reservation_that_is_over_stays_so_and_a_device_can_always_come_back() -> None:
    over = {status for status, after in RESERVATION_TRANSITIONS.items() if not after}
    assert over == {ReservationStatus.ENDED, ReservationStatus.CANCELLED}
    assert set(RESERVATION_TRANSITIONS) == set(ReservationStatus)
    others = set(DeviceStatus) - {DeviceStatus.ONLINE}
    assert all(DeviceStatus.ONLINE in DEVICE_TRANSITIONS[status] for status in others)


def test_the_documentation_has_every_status() -> None:
    page = Path(__file__).parents[2] / "docs" / "lifecycles.md"
    words = page.read_text()
    for enum in (TaskStatus, JobStatus, ReservationStatus, DeviceStatus):
        assert [status for status in enum if f"`{status}`" not in words] == []
