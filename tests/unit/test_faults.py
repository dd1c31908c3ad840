"""Fault rules: what they match, and whose turn it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braketeer.aws.injected import check, injected
from braketeer.aws.model import Api
from braketeer.domain.errors import ValidationException
from braketeer.domain.faults import Fault, Kind, offline_until

SERVED = frozenset({"braket", "s3", "sts"})


@given(every=st.integers(1, 7), times=st.none() | st.integers(1, 5))
def test_every_nth_meets_a_rule_and_no_more_than_it_was_given(every: int, times: int | None) -> None:
    fault = Fault("1", Kind.FAILURE, every=every, times=times)
    met = [hit for hit in range(1, 60) if fault.fires(hit)]
    assert met == list(range(every, 60, every))[:times]
    if times is not None:
        used_up = next(hits for hits in range(60) if fault.is_used_up(hits))
        assert used_up == met[-1]
    else:
        assert not fault.is_used_up(10**9)


def test_what_a_rule_matches() -> None:
    fault = Fault("1", Kind.ERROR, service="braket", operation="GetJob", error="ThrottlingException", account="1")
    assert fault.matches_call("1", "braket", "GetJob")
    assert not fault.matches_call("2", "braket", "GetJob")
    assert not fault.matches_call("1", "s3", "GetJob")
    assert not fault.matches_call("1", "braket", "CreateJob")
    assert not fault.matches_task(Kind.FAILURE, "1", "device")
    assert Fault("2", Kind.ERROR, error="X").matches_call("any", "any", "any")
    slow = Fault("3", Kind.DELAY, device_arn="device")
    assert slow.matches_task(Kind.DELAY, "1", "device")
    assert not slow.matches_task(Kind.DELAY, "1", "another")
    assert not slow.matches_task(Kind.FAILURE, "1", "device")


def test_a_rule_comes_back_from_its_row_as_it_was() -> None:
    fault = Fault("1", Kind.OFFLINE, device_arn="device", ends_at=5, every=2, times=3)
    assert Fault.of(fault.as_rule()) == fault


def test_a_device_is_offline_until_the_last_of_its_rules_ends() -> None:
    rules = [Fault(str(ends), Kind.OFFLINE, device_arn="device", ends_at=ends) for ends in (30, 10, 20)]
    assert offline_until(rules, "device", 29) == 30
    assert offline_until(rules, "device", 30) is None
    assert offline_until(rules, "another", 5) is None


@pytest.mark.parametrize(
    ("service", "error", "code", "status"),
    [
        ("braket", "ThrottlingException", "ThrottlingException", 429),
        ("s3", "ThrottlingException", "SlowDown", 503),
        ("braket", "DeviceOfflineException", "DeviceOfflineException", 424),
        ("braket", "ServiceQuotaExceededException", "ServiceQuotaExceededException", 402),
        ("braket", "ExpiredTokenException", "ExpiredTokenException", 403),
        ("s3", "ExpiredTokenException", "ExpiredToken", 403),
        ("s3", "NoSuchBucket", "NoSuchBucket", 404),
        ("braket", "InternalServiceException", "InternalServiceException", 500),
    ],
)
def test_an_ordered_error_is_worded_as_its_service_does(service: str, error: str, code: str, status: int) -> None:
    check(SERVED, service, None, error)
    met = injected(Api.load(service), Fault("1", Kind.ERROR, error=error))
    assert (met.code, met.status) == (code, status)


def test_an_ordered_error_says_what_the_operator_wants() -> None:
    met = injected(Api.load("braket"), Fault("1", Kind.ERROR, error="ThrottlingException", message="Slow down"))
    assert (met.code, met.status, met.message) == ("ThrottlingException", 429, "Slow down")


@pytest.mark.parametrize(
    ("service", "operation", "error", "says"),
    [
        ("braket", "CreateQuantumTusk", "ThrottlingException", "There is no operation 'CreateQuantumTusk' of braket"),
        ("braket", "GetJob", "NoSuchBucket", "'NoSuchBucket' is no error of braket"),
        ("ec2", None, "ThrottlingException", "does not serve 'ec2'"),
        (None, None, "NoSuchBucket", "can be ordered, not NoSuchBucket"),
    ],
)
def test_what_there_is_not_cannot_be_ordered(service: str | None, operation: str | None, error: str, says: str) -> None:
    with pytest.raises(ValidationException, match=says):
        check(SERVED, service, operation, error)
