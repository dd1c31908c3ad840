"""Lifecycle rules: when they are due, what they are about, and which of them are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from braketeer.domain.clock import DAY_MS
from braketeer.domain.errors import ServiceError
from braketeer.domain.object_lifecycles import Rule, checked, enabled

ALL = {"Filter": {"Prefix": ""}, "Status": "Enabled"}
DAYS = {"Expiration": {"Days": 3}}


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def rule(**members: Any) -> Rule:
    return enabled({"rules": checked([ALL | DAYS | members])})[0]


def test_an_object_expires_at_the_midnight_after_its_days() -> None:
    """The user guide's own example: created on 15 January at 10:30, three days, gone on the 19th at 00:00."""
    created = ms("2014-01-15T10:30")
    for now, expired in (("2014-01-18T10:30", False), ("2014-01-18T23:59", False), ("2014-01-19T00:00", True)):
        before = rule().objects_before(ms(now))
        assert before is not None
        assert (created < before) is expired


def test_a_date_is_for_all_objects() -> None:
    dated = rule(Expiration={"Date": datetime(2026, 3, 1, tzinfo=UTC)})
    assert dated.objects_before(ms("2026-02-28T23:59")) is None
    now = ms("2026-03-01T00:00")
    assert dated.objects_before(now) == now + 1


def test_uploads_have_days_of_their_own() -> None:
    abort = rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}, Filter={"Prefix": "u/"})
    now = ms("2026-03-03T12:00")
    assert (abort.prefix, abort.uploads_before(now)) == ("u/", ms("2026-03-03T00:00") - DAY_MS)
    assert rule().uploads_before(now) is None


def test_filters() -> None:
    both = rule(Filter={"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeLessThan": 10}})
    assert both.prefix == "a/"
    assert both.matches(9, {"k": "v", "more": "1"})
    assert not both.matches(10, {"k": "v"})
    assert not both.matches(9, {"k": "w"})
    assert not both.matches(9, {})
    assert not rule(Filter={"ObjectSizeGreaterThan": 5}).matches(5, {})
    assert rule(Filter={"ObjectSizeGreaterThan": 5}).matches(6, {})
    assert rule(Filter={"Tag": {"Key": "k", "Value": ""}}).matches(6, {"k": ""})
    older = {"Prefix": "old/", "Status": "Enabled", **DAYS}
    assert enabled({"rules": checked([older])})[0].prefix == "old/"


def test_only_enabled_rules_count_and_each_has_a_name() -> None:
    kept = checked([ALL | DAYS | {"Status": "Disabled"}, ALL | DAYS | {"ID": "mine"}, ALL | DAYS])
    assert [one["ID"] for one in kept] == ["rule-1", "mine", "rule-3"]
    assert len(enabled({"rules": kept})) == 2


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}, "NotImplemented"),
        ({"NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "GLACIER"}]}, "NotImplemented"),
        ({"Expiration": {}}, "InvalidRequest"),
        ({"Expiration": {"Days": 0}}, "InvalidArgument"),
        ({"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}, "MalformedXML"),
        ({"Expiration": {"Date": datetime(2026, 3, 1, 5, tzinfo=UTC)}}, "InvalidArgument"),
        ({"AbortIncompleteMultipartUpload": {}}, "InvalidRequest"),
        ({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}}, "InvalidArgument"),
        (
            {
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                "Filter": {"Tag": {"Key": "k", "Value": "v"}},
            },
            "InvalidRequest",
        ),
        ({"Prefix": "both"}, "MalformedXML"),
        ({"Filter": {"Prefix": "a", "ObjectSizeLessThan": 1}}, "MalformedXML"),
        ({"Filter": {"And": {"Prefix": "a"}}}, "MalformedXML"),
        ({"Filter": {"ObjectSizeLessThan": -1}}, "InvalidArgument"),
        ({"Filter": {"Tag": {"Key": "k"}}}, "MalformedXML"),
        ({"ID": "x" * 256}, "InvalidArgument"),
        ({"Status": "Perhaps"}, "MalformedXML"),
    ],
)
def test_what_is_refused(members: dict[str, Any], code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        checked([ALL | (DAYS if members != {"AbortIncompleteMultipartUpload": {}} else {}) | members])
    assert caught.value.code == code


def test_a_name_is_used_once_and_rules_are_counted() -> None:
    for rules, code in (([ALL | DAYS | {"ID": "a"}] * 2, "InvalidArgument"), ([], "MalformedXML")):
        with pytest.raises(ServiceError) as caught:
            checked(rules)
        assert caught.value.code == code
