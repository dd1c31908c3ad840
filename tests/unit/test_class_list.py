"""Class lists and spans of time, as people write them."""

import pytest

from braketeer.cli import class_list, span
from braketeer.cli.problems import Problem


def test_one_name_a_line() -> None:
    text = "\ufeffann\n\n# the new ones\n  ben  \ncarol@school.example\r\n"
    assert class_list.read(text.encode(), "f") == [{"name": "ann"}, {"name": "ben"}, {"name": "carol@school.example"}]


def test_columns_in_their_usual_order() -> None:
    text = 'ann, 123456789012, viewer, tasks_queued=10 jobs_running=none\nben,,,"storage_bytes=5;tasks_queued=1"\n'
    assert class_list.read(text.encode(), "f") == [
        {
            "name": "ann",
            "id": "123456789012",
            "role": "viewer",
            "quotas": {"tasks_queued": "10", "jobs_running": "none"},
        },
        {"name": "ben", "quotas": {"storage_bytes": "5", "tasks_queued": "1"}},
    ]


def test_a_first_line_says_which_columns_there_are() -> None:
    assert class_list.read(b"Name,quotas\nann,tasks_queued=1\nname\n", "f") == [
        {"name": "ann", "quotas": {"tasks_queued": "1"}},
        {"name": "name"},
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "names no account"),
        (b"name\n", "names no account"),
        (b"\xff\xfe", "UTF-8"),
        (b"name,mail\nann,a@b\n", "column 'mail'"),
        (b"ann,1,user,,x\n", "more than 4 columns"),
        (b"ann,,user,tasks_queued\n", "name=value"),
    ],
)
def test_a_file_that_is_none_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(Problem, match=said):
        class_list.read(content, "class.csv")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("61m", 3660), ("2h", 7200), ("1h30m", 5400), ("30d", 2592000)]
)
def test_spans(text: str, seconds: int) -> None:
    assert span.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "h", "1y", "-1s", "1.5h", "1h 30m", "9" * 20 + "s"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(Problem):
        span.seconds(text)
