"""Requests against the model's constraints, the ones boto3 leaves to the server included.

Types are the parsers' matter; here are required members, lengths, ranges, patterns, enums and unions. Patterns must
match the whole value: the model lost its anchors, the service did not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
from botocore.model import Shape, StructureShape

from braketeer.aws.errors import InvalidMembers
from braketeer.aws.text_values import problem

_MOST_PROBLEMS = 10
# Any region may be used, not only those the model knows; S3's own model lacks us-east-1.
_OPEN_ENUMS = frozenset({"BucketLocationConstraint"})
# Percent-encoded, slashes too where a client likes it so: S3's own method decodes and checks them.
_ENCODED = frozenset({"CopySource"})


def validate(shape: Shape | None, value: dict[str, Any]) -> None:
    """Refuse what the input shape's constraints forbid: InvalidMembers, naming each member and its constraint."""
    problems: list[str] = []
    if shape is not None:
        _check_structure(shape, value, "", problems)
    if problems:
        raise InvalidMembers(problems[:_MOST_PROBLEMS])


def _check(shape: Shape, value: Any, where: str, problems: list[str]) -> None:
    if value is None:
        problems.append(problem(where, "null", "Member must not be null"))
    elif check := _CHECKS.get(shape.type_name):
        check(shape, value, where, problems)


def _check_structure(shape: Any, value: dict[str, Any], where: str, problems: list[str]) -> None:
    if getattr(shape, "is_document_type", False):
        return
    prefix = f"{where}." if where else ""
    missing = (name for name in shape.required_members if value.get(name) is None)
    problems.extend(problem(prefix + name, "null", "Member must not be null") for name in missing)
    if isinstance(shape, StructureShape) and shape.is_tagged_union and len(value) != 1:
        names = ", ".join(shape.members)
        problems.append(problem(where, sorted(value), f"Member must hold exactly one of: {names}"))
    members = shape.members
    for name, item in value.items():
        if item is not None:
            _check(members[name], item, prefix + name, problems)


def _check_list(shape: Any, value: list[Any], where: str, problems: list[str]) -> None:
    _check_length(shape, len(value), value, where, problems)
    for position, item in enumerate(value, 1):
        _check(shape.member, item, f"{where}.{position}.member", problems)
        if len(problems) > _MOST_PROBLEMS:
            return


def _check_map(shape: Any, value: dict[str, Any], where: str, problems: list[str]) -> None:
    _check_length(shape, len(value), list(value), where, problems)
    for key, item in value.items():
        _check(shape.key, key, f"{where}.key", problems)
        _check(shape.value, item, f"{where}.{key}.member", problems)
        if len(problems) > _MOST_PROBLEMS:
            return


def _check_string(shape: Any, value: str, where: str, problems: list[str]) -> None:
    traits = shape.metadata
    shown = "***" if traits.get("sensitive") else value
    if "\0" in value:
        problems.append(problem(where, shown.replace("\0", "\\0"), "Member must not hold the character U+0000"))
        return
    if not _check_length(shape, len(value), shown, where, problems):
        return
    if "enum" in traits and value not in traits["enum"] and shape.name not in _OPEN_ENUMS:
        allowed = f"Member must satisfy enum value set: [{', '.join(traits['enum'])}]"
        problems.append(problem(where, shown, allowed))
    pattern = traits.get("pattern") if shape.name not in _ENCODED else None
    if pattern and (compiled := _pattern(pattern)) and not compiled.fullmatch(value):
        problems.append(problem(where, shown, f"Member must satisfy regular expression pattern: {pattern}"))
    if shape.serialization.get("jsonvalue") and not _is_json_object(value):
        problems.append(problem(where, shown, "Member must be a string that holds a JSON object"))


def _check_number(shape: Any, value: float, where: str, problems: list[str]) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and value < low:
        problems.append(problem(where, value, f"Member must have value greater than or equal to {low}"))
    if high is not None and value > high:
        problems.append(problem(where, value, f"Member must have value less than or equal to {high}"))


def _check_blob(shape: Any, value: Any, where: str, problems: list[str]) -> None:
    if isinstance(value, bytes):
        _check_length(shape, len(value), "***", where, problems)


def _check_length(shape: Any, length: int, shown: Any, where: str, problems: list[str]) -> bool:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and length < low:
        problems.append(problem(where, shown, f"Member must have length greater than or equal to {low}"))
        return False
    if high is not None and length > high:
        problems.append(problem(where, shown, f"Member must have length less than or equal to {high}"))
        return False
    return True


_CHECKS: dict[str, Callable[[Any, Any, str, list[str]], object]] = {
    "structure": _check_structure,
    "list": _check_list,
    "map": _check_map,
    "string": _check_string,
    "integer": _check_number,
    "long": _check_number,
    "float": _check_number,
    "double": _check_number,
    "blob": _check_blob,
}


@cache
def _pattern(pattern: str) -> re.Pattern[str] | None:
    """A model's pattern; None for the few that only Java's dialect reads, which are not checked."""
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        return None


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
