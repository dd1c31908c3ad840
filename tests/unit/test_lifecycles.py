"""Life cycles: every status can be reached and ended, and nothing leaves an end."""

import pytest

from braketeer.domain.lifecycles import (
    JOB_FINISHED,
    JOB_TRANSITIONS,
    TASK_FINISHED,
    TASK_TRANSITIONS,
    JobStatus,
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
