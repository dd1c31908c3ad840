"""What a batch of log events may be, and how events of many streams come into one order."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braketeer.domain.clock import DAY_MS, HOUR_MS
from braketeer.domain.log_batches import BatchRefused, look_over, sort_out
from braketeer.domain.log_merge import FIRST_ID, LAST_ID, Merge, Place
from braketeer.domain.log_search import of_stream, parse_query, stream_prefix

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([(2, "b"), (1, "a")], "must be in chronological order"),
        ([(0, "a"), (DAY_MS + 1, "b")], "cannot span more than 24 hours"),
        ([(0, "x" * (2**18 - 25))], "Log event too large: 262145 bytes exceeds limit of 262144"),
        ([(0, "é" * 2**17)], "Log event too large: 262170 bytes"),
        ([(0, "x" * 200_000)] * 6, "Upload too large: 1200156 bytes exceeds limit of 1048576"),
    ],
)
def test_a_batch_that_is_refused(events: list[tuple[int, str]], said: str) -> None:
    with pytest.raises(BatchRefused, match=said):
        look_over(events)


def test_a_batch_up_to_every_limit_is_taken() -> None:
    look_over([(0, "x" * (2**18 - 26))] * 4)
    look_over([(0, "a"), (DAY_MS, "b")])
    look_over([(5, "a"), (5, "b")])


def test_what_is_too_old_or_too_new_is_sorted_out() -> None:
    times = [NOW - 15 * DAY_MS, NOW - 14 * DAY_MS, NOW - DAY_MS, NOW, NOW + 2 * HOUR_MS, NOW + 2 * HOUR_MS + 1]
    events = [(time, str(number)) for number, time in enumerate(times)]
    all_kept = sort_out(events[1:5], NOW, None)
    assert ([text for _, text in all_kept.kept], all_kept.rejected()) == (["1", "2", "3", "4"], {})
    batch = sort_out(events, NOW, None)
    assert [text for _, text in batch.kept] == ["1", "2", "3", "4"]
    assert batch.rejected() == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 5}
    short = sort_out(events, NOW, 1)
    assert [text for _, text in short.kept] == ["2", "3", "4"]
    assert short.rejected()["expiredLogEventEndIndex"] == 2
    assert sort_out(events[:1], NOW, 365).kept == []
    assert sort_out(events[5:], NOW, None).kept == []


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=6),
    st.integers(1, 5),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_any_streams_merge_into_the_order_of_time(
    streams: list[list[int]], at_once: int, descending: bool, chance: random.Random
) -> None:
    """Each stream is read ``at_once`` events at a time; every second event matches; pages are cut anywhere."""
    ids = iter(chance.sample(range(1, 1000), sum(map(len, streams))))
    places = [sorted((Place(time, next(ids)) for time in stream), reverse=descending) for stream in streams]
    wanted = sorted((p for stream in places for p in stream if p.id % 2 == 0), reverse=descending)
    begin = Place(31, LAST_ID) if descending else Place(0, FIRST_ID)
    merge = Merge(((number, begin) for number in range(len(places))), descending)
    found: list[Place] = []
    while behind := merge.lagging():
        number, front = behind
        rest = [p for p in places[number] if (p < front if descending else p > front)]
        looked = rest[:at_once]
        matches = [p for p in looked if p.id % 2 == 0]
        merge.advance(matches, looked[-1] if len(looked) == at_once else None)
        found += islice(merge.settled(), chance.randint(0, 4))
    found += merge.settled()
    assert found == wanted


def test_a_condition_of_one_stream_is_about_its_messages() -> None:
    condition = parse_query(
        "filter @logStream like /^job\\/a\\// or @message = 'x' "
        "| filter @logStream not like /9$/ | filter @message like /m/"
    ).condition
    assert of_stream(condition, "job/a/algo-1") == (condition[2],)
    assert of_stream(condition, "job/b/algo-1") == ((condition[0][1],), condition[2])
    assert of_stream(condition, "job/a/algo-9") is None
    assert of_stream((), "any") == ()


def test_the_prefix_that_every_stream_must_have() -> None:
    def prefix(text: str) -> str:
        return stream_prefix(parse_query(text).condition)

    assert prefix("filter @logStream like /^a/ and @logStream like /^ab/ | filter @message like /^abc/") == "ab"
    assert prefix("filter @logStream = 'abc'") == "abc"
    assert prefix("filter @logStream like /^a/ or @message like /b/") == ""
    assert prefix("filter @logStream not like /^a/") == ""
    assert prefix("filter @logStream like /a/") == ""
