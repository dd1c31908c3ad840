"""The parts of the harness that decide; that it runs scripts is shown in integration/test_job_runs.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from braketeer.work import harness


@pytest.mark.parametrize(
    ("entry", "module"),
    [("a", "a"), ("a.b", "a.b"), ("a.py", "a"), ("a/b.py", "a.b"), ("./a/b", "a.b"), (" a ", "a")],
)
def test_how_an_entry_point_names_its_module(entry: str, module: str) -> None:
    assert harness.module_name(entry) == module


def typed(n: int, rate: float, fast: bool, text: str, free, several: list[int] | None = None): ...  # type: ignore


def anything(**parameters): ...  # type: ignore


def nothing() -> None: ...


def fewer(n: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "given", "passed"),
    [
        (
            typed,
            {"n": "3", "rate": "1e-3", "fast": "False", "text": "5", "free": "6", "several": "7"},
            {"n": 3, "rate": 0.001, "fast": False, "text": "5", "free": "6", "several": "7"},
        ),
        (anything, {"a": "1"}, {"a": "1"}),
        (nothing, {"a": "1"}, {}),
        (fewer, {"n": "1", "more": "2"}, {}),
        (fewer, {}, {}),
        (nothing, {}, {}),
    ],
)
def test_hyperparameters_are_passed_if_they_bind(
    function: Callable[..., object], given: dict[str, str], passed: dict[str, object]
) -> None:
    assert harness.arguments(function, given) == passed


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_a_hyperparameter_that_is_a_truth_value(text: str, value: bool) -> None:
    assert harness.cast(text, bool) is value
