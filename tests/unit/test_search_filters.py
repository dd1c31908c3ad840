"""Filters of searches: what is understood, and what is refused by name."""

import pytest

from braketeer.domain.errors import ValidationException
from braketeer.domain.search import FieldKind, Filter, parse_filters

FIELDS = {"jobArn": FieldKind.ARN, "jobName": FieldKind.TEXT, "createdAt": FieldKind.TIME}


def parse(name: str, operator: str, *values: str) -> Filter:
    return parse_filters([{"name": name, "operator": operator, "values": list(values)}], FIELDS)[0]


def test_times_with_and_without_a_zone_mean_utc() -> None:
    for text in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T01:00:00+01:00", "1767225600"):
        assert parse("createdAt", "GT", text).values == (1767225600000,)


def test_arns_are_compared_by_their_ids() -> None:
    assert parse("jobArn", "EQUAL", "arn:aws:braket:us-east-1:000000000000:job/abc").values == ("abc",)


@pytest.mark.parametrize(
    ("name", "operator", "values", "said"),
    [
        ("colour", "EQUAL", ["x"], "colour"),
        ("createdAt", "CONTAINS", ["2026"], "CONTAINS"),
        ("jobName", "LT", ["x"], "LT"),
        ("createdAt", "BETWEEN", ["2026-01-01"], "two values"),
        ("createdAt", "GT", ["2026-01-01", "2026-01-02"], "one value"),
        ("createdAt", "GT", ["yesterday"], "ISO 8601"),
        ("createdAt", "GT", ["1e400"], "ISO 8601"),
        ("createdAt", "GT", ["nan"], "ISO 8601"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(name: str, operator: str, values: list[str], said: str) -> None:
    with pytest.raises(ValidationException, match=said):
        parse(name, operator, *values)
