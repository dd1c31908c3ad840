"""Token buckets: what they let through, when, and what they remember."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from braketeer.config import SettingError, throttle_limits
from braketeer.domain.throttling import BRAKET, Rate, Throttle, limits_of


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admitted(throttle: Throttle, times: int, operation: str = "CreateJob", account: str = "a") -> int:
    return sum(throttle.admits(account, "braket", operation) for _ in range(times))


def test_a_burst_then_the_rate() -> None:
    clock = HandClock()
    throttle = Throttle(BRAKET, clock)
    assert admitted(throttle, 10) == 5  # CreateJob: 1 a second, 5 at once
    clock.now += 0.5
    assert admitted(throttle, 3) == 0
    clock.now += 2.5
    assert admitted(throttle, 9) == 3
    clock.now += 3600
    assert admitted(throttle, 9) == 5


def test_accounts_and_operations_have_their_own() -> None:
    throttle = Throttle(BRAKET, HandClock())
    assert admitted(throttle, 9, "CancelJob") == 2
    assert admitted(throttle, 9, "CancelJob", "b") == 2
    assert admitted(throttle, 9, "CreateJob") == 5
    assert admitted(throttle, 9, "TagResource") == 9  # no limit of its own
    assert all(throttle.admits("a", "s3", "PutObject") for _ in range(2000))


def test_all_operations_together_have_a_limit_too() -> None:
    clock = HandClock()
    throttle = Throttle({"braket:all": Rate(1, 3), "braket:CreateJob": Rate(1, 2)}, clock)
    assert admitted(throttle, 5, "CreateJob") == 2
    assert admitted(throttle, 5, "GetJob") == 1
    clock.now += 1
    assert admitted(throttle, 5, "GetJob") == 1
    assert admitted(throttle, 5, "CreateJob") == 0  # refused by the one, nothing is taken from the other
    clock.now += 1
    assert admitted(throttle, 5, "CreateJob") == 1


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.1, 50), st.floats(1, 20))
def test_never_more_than_the_burst_and_the_rate_allow(pauses: list[float], rate: float, burst: float) -> None:
    clock = HandClock()
    throttle = Throttle({"braket:GetJob": Rate(rate, burst)}, clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += admitted(throttle, 3, "GetJob")
    assert passed <= burst + rate * (clock.now - 1000) + 1e-6


def test_idle_accounts_are_forgotten_and_busy_ones_are_not() -> None:
    clock = HandClock()
    throttle = Throttle(BRAKET, clock)
    passed = admitted(throttle, 5, account="busy")
    for number in range(40_000):  # for four seconds
        clock.now += 0.0001
        throttle.admits(str(number), "braket", "GetDevice")
        passed += number % 100 == 0 and throttle.admits("busy", "braket", "CreateJob")
    assert passed in (8, 9)  # as if nobody else had called
    assert len(throttle._buckets) < 10_000


def test_a_file_says_the_limits(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(
        '[operations]\nCreateQuantumTask = {rate = 0.5}\nall = {rate = 20, burst = 40}\n"s3:PutObject" = {rate=3}'
    )
    assert throttle_limits(str(path)) == {
        "braket:CreateQuantumTask": Rate(0.5, 1),
        "braket:all": Rate(20, 40),
        "s3:PutObject": Rate(3, 3),
    }
    assert throttle_limits("off") is None
    assert throttle_limits("braket") is BRAKET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "operations = 3",
        "[other]\n",
        "[operations]\n[more]\n",
        "[operations]\nGetJob = 3",
        "[operations]\nGetJob = {}",
        "[operations]\nGetJob = {rate = 1, bust = 2}",
        "[operations]\nGetJob = {rate = 0}",
        "[operations]\nGetJob = {rate = -1}",
        "[operations]\nGetJob = {rate = nan}",
        "[operations]\nGetJob = {rate = inf}",
        "[operations]\nGetJob = {rate = true}",
        "[operations]\nGetJob = {rate = '1'}",
        "[operations]\nGetJob = {rate = 1, burst = 0.5}",
        f"[operations]\nGetJob = {{rate = 1{'0' * 400}}}",
    ],
)
def test_a_document_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"operations|GetJob"):
        limits_of(tomllib.loads(text))


@pytest.mark.parametrize(
    "text", ["[operations]\nGetJobs = {rate = 1}", '[operations]\n"x:y" = {rate = 1}', "[oper", "\xff"]
)
def test_a_file_that_cannot_be_names_the_setting(tmp_path: Path, text: str) -> None:
    path = tmp_path / "limits.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingError, match="BRAKETEER_THROTTLE"):
        throttle_limits(str(path))
    with pytest.raises(SettingError, match="BRAKETEER_THROTTLE"):
        throttle_limits(str(tmp_path / "missing.toml"))


def test_the_preset_names_operations_that_there_are() -> None:
    operations = {"all", *Loader().load_service_model("braket", "service-2")["operations"]}
    assert {name.partition(":")[2] for name in BRAKET} <= operations
