"""Search filters of SearchQuantumTasks and SearchJobs, checked and in a form the store can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from braketeer.domain.errors import ValidationException

MOST_EPOCH_MS = 253_402_300_800_000  # the end of the year 9999


class FieldKind(StrEnum):
    TEXT = "text"
    TIME = "time"
    ARN = "arn"


@dataclass(frozen=True, slots=True)
class Filter:
    """``values`` are texts, epoch milliseconds for times, last segments (ids) for ARNs of tasks and jobs.

    Several values of EQUAL mean any of them.
    """

    field: str
    operator: str
    values: tuple[str | int, ...]


_OPERATORS = {
    FieldKind.TEXT: ("EQUAL", "CONTAINS"),
    FieldKind.ARN: ("EQUAL",),
    FieldKind.TIME: ("LT", "LTE", "EQUAL", "GT", "GTE", "BETWEEN"),
}


def parse_filters(raw: Sequence[Mapping[str, Any]], fields: Mapping[str, FieldKind]) -> list[Filter]:
    """The filters of a request; ValidationException names what cannot be searched, and how."""
    return [_parse(item, fields) for item in raw]


def _parse(item: Mapping[str, Any], fields: Mapping[str, FieldKind]) -> Filter:
    name, operator = item["name"], item["operator"]
    kind = fields.get(name)
    if kind is None:
        raise ValidationException(f"Filter name '{name}' is not supported; use one of {', '.join(sorted(fields))}")
    if operator not in _OPERATORS[kind]:
        raise ValidationException(f"Filter operator {operator} is not supported for {name}")
    values = item["values"]
    if (operator == "BETWEEN" and len(values) != 2) or (operator not in ("EQUAL", "BETWEEN") and len(values) != 1):
        wanted = "two values" if operator == "BETWEEN" else "one value"
        raise ValidationException(f"Filter operator {operator} takes {wanted}")
    if kind is FieldKind.TIME:
        return Filter(name, operator, tuple(_epoch_ms(name, value) for value in values))
    if kind is FieldKind.ARN:
        return Filter(name, operator, tuple(value.rpartition("/")[2] for value in values))
    return Filter(name, operator, tuple(values))


def _epoch_ms(name: str, text: str) -> int:
    """ISO 8601, with or without a zone (UTC is meant then), or epoch seconds."""
    found = _read_time(name, text)
    if abs(found) > MOST_EPOCH_MS:
        raise ValidationException(f"Filter {name} takes times of the years 1 to 9999, not '{text[:64]}'")
    return found


def _read_time(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    try:
        return round(float(text) * 1000)
    except (ValueError, OverflowError) as problem:
        raise ValidationException(f"Filter {name} takes ISO 8601 times, not '{text[:64]}'") from problem
