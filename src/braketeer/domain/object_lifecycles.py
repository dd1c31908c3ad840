"""Lifecycle rules of buckets: which objects are over their time, and which uploads. Pure.

What a rule means follows the S3 user guide, "Lifecycle configuration elements" and "Expiring objects"; a rule that
cannot be carried out here is refused when it is put.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from braketeer.domain.clock import DAY_MS
from braketeer.domain.errors import NotImplementedHere
from braketeer.domain.s3_errors import InvalidArgument, InvalidRequest, MalformedXML

_MOST_RULES = 1000
_LONGEST_ID = 255


@dataclass(frozen=True, slots=True)
class Rule:
    """An enabled rule. Sizes in bytes, exclusive; ``date`` in epoch milliseconds; what is None is not said."""

    prefix: str
    tags: Mapping[str, str]
    larger_than: int | None
    smaller_than: int | None
    days: int | None
    date: int | None
    abort_days: int | None

    @classmethod
    def of_row(cls, rule: Mapping[str, Any]) -> Self:
        """From the members that ``checked`` let pass."""
        given = rule.get("Filter") or {}
        terms = given.get("And") or given
        tags = terms.get("Tags") or ([terms["Tag"]] if "Tag" in terms else [])
        expiration = rule.get("Expiration") or {}
        date = expiration.get("Date")
        return cls(
            terms.get("Prefix") or rule.get("Prefix") or "",
            {tag["Key"]: tag["Value"] for tag in tags},
            terms.get("ObjectSizeGreaterThan"),
            terms.get("ObjectSizeLessThan"),
            expiration.get("Days"),
            None if date is None else int(datetime.fromisoformat(date).timestamp() * 1000),
            (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation"),
        )

    def objects_before(self, now_ms: int) -> int | None:
        """Objects modified before this moment have expired; None while there are none.

        An object expires at the first midnight (UTC) after its days are over.
        """
        if self.days is not None:
            return _since_midnight(self.days, now_ms)
        return now_ms + 1 if self.date is not None and now_ms >= self.date else None

    def uploads_before(self, now_ms: int) -> int | None:
        """Uploads begun before this moment are to be given up; None where the rule says nothing of them."""
        return None if self.abort_days is None else _since_midnight(self.abort_days, now_ms)

    def matches(self, size: int, tags: Mapping[str, str]) -> bool:
        """Whether the rule is about an object with the prefix, that size and those tags."""
        if self.larger_than is not None and size <= self.larger_than:
            return False
        if self.smaller_than is not None and size >= self.smaller_than:
            return False
        return all(tags.get(key) == value for key, value in self.tags.items())


def enabled(lifecycle: Mapping[str, Any]) -> list[Rule]:
    """The rules of a bucket that are to be carried out."""
    return [Rule.of_row(rule) for rule in lifecycle["rules"] if rule["Status"] == "Enabled"]


def checked(rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rules as they are kept: S3's members, times as ISO texts, each with an ID.

    Raises NotImplemented for what would not be done, InvalidArgument, InvalidRequest or MalformedXML as S3 does.
    """
    if not 1 <= len(rules) <= _MOST_RULES:
        raise MalformedXML()
    kept = [_checked(rule, f"rule-{number}") for number, rule in enumerate(rules, 1)]
    names = [rule["ID"] for rule in kept]
    if len(set(names)) != len(names):
        raise InvalidArgument("Rule ID must be unique. Found same ID for more than one rule", "ID", names)
    return kept


def _checked(rule: Mapping[str, Any], name: str) -> dict[str, Any]:
    for member in ("Transitions", "NoncurrentVersionTransitions"):
        if rule.get(member):
            raise NotImplementedHere("There is one storage class, STANDARD: rules cannot move objects to another")
    actions = ("Expiration", "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")
    if not any(rule.get(member) for member in actions):
        raise InvalidRequest("At least one action needs to be specified in a rule")
    if rule.get("Status") not in ("Enabled", "Disabled") or ("Filter" in rule and "Prefix" in rule):
        raise MalformedXML()
    if len(rule.get("ID", "")) > _LONGEST_ID:
        raise InvalidArgument(f"ID length should not exceed allowed limit of {_LONGEST_ID}", "ID", rule["ID"])
    kept: dict[str, Any] = {**rule, "ID": rule.get("ID") or name, "Filter": _filter(rule)}
    kept.pop("Prefix", None)
    if "Expiration" in rule:
        kept["Expiration"] = _expiration(rule["Expiration"])
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort is not None:
        _positive(abort.get("DaysAfterInitiation"), "DaysAfterInitiation", "AbortIncompleteMultipartUpload")
        if set(kept["Filter"]) - {"Prefix"}:
            raise InvalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags or ObjectSize.")
    return kept


def _filter(rule: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = dict(rule.get("Filter") or {"Prefix": rule.get("Prefix") or ""})
    terms = given.get("And")
    if len(given) != 1 or (terms is not None and len(terms) + len(terms.get("Tags") or ()) < 2):
        raise MalformedXML()
    for member in ("ObjectSizeGreaterThan", "ObjectSizeLessThan"):
        if (terms or given).get(member, 0) < 0:
            raise InvalidArgument(f"'{member}' must be a positive integer", member, (terms or given)[member])
    tags = (terms or {}).get("Tags") or ([given["Tag"]] if "Tag" in given else [])
    if any("Key" not in tag or "Value" not in tag for tag in tags):
        raise MalformedXML()
    return given


def _expiration(given: Mapping[str, Any]) -> dict[str, Any]:
    if len(given) != 1:
        raise MalformedXML()
    if "Days" in given:
        _positive(given["Days"], "Days", "Expiration")
    elif isinstance(date := given.get("Date"), datetime):
        utc = date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC)
        if int(utc.timestamp() * 1000) % DAY_MS:
            raise InvalidArgument("'Date' must be at midnight GMT", "Date", utc.isoformat())
        return {"Date": utc.isoformat()}
    return dict(given)  # ExpiredObjectDeleteMarker: without versions there are none, so nothing is to be done


def _positive(value: Any, member: str, action: str) -> None:
    if not isinstance(value, int) or not 1 <= value <= 2**31 - 1:
        raise InvalidArgument(f"'{member}' for {action} action must be a positive integer", member, value)


def _since_midnight(days: int, now_ms: int) -> int:
    return now_ms - now_ms % DAY_MS - days * DAY_MS
