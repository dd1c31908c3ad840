"""Single values as text: in headers, query strings, paths and XML."""

from __future__ import annotations

import base64
import binascii
import math
import re
import reprlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import orjson
from botocore.model import Shape

from braketeer.aws.errors import InvalidMembers

# Numbers of the model: type -> (lowest, highest).
WHOLE_NUMBERS = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


def problem(where: str, value: Any, constraint: str) -> str:
    """One sentence of a validation error, in AWS's wording; long values are cut."""
    shown = value if isinstance(value, str) else reprlib.repr(value)
    shown = shown if len(shown) <= 100 else shown[:100] + "..."
    return f"Value '{shown}' at '{where}' failed to satisfy constraint: {constraint}"


def not_of_type(where: str, value: Any, kind: str) -> InvalidMembers:
    return InvalidMembers([problem(where, value, f"Member must be {kind}")])


def from_text(shape: Shape, text: str, where: str, timestamps: str) -> Any:
    """The value that ``text`` writes; InvalidMembers if it is not of the shape's type.

    ``timestamps`` is the format of times where the shape names none: iso8601, rfc822 or unixTimestamp.
    """
    kind = shape.type_name
    if kind in ("string", "character"):
        if shape.serialization.get("jsonvalue") and shape.serialization.get("location") == "header":
            return _json_header(text, where)
        return text
    if kind in WHOLE_NUMBERS:
        low, high = WHOLE_NUMBERS[kind]
        if _WHOLE.fullmatch(text) and low <= int(text) <= high:
            return int(text)
        raise not_of_type(where, text, f"a whole number from {low} to {high}")
    if kind == "boolean":
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise not_of_type(where, text, "true or false")
    if kind in ("float", "double"):
        if text in SPECIAL_FLOATS:
            return SPECIAL_FLOATS[text]
        if _DECIMAL.fullmatch(text):
            return float(text)
        raise not_of_type(where, text, "a number")
    if kind == "timestamp":
        return timestamp_from(text, shape.serialization.get("timestampFormat", timestamps), where)
    if kind == "blob":
        return blob_from(text, where)
    raise not_of_type(where, text, f"a {kind}")


def to_text(shape: Shape, value: Any, timestamps: str) -> str:
    """``value`` written as the shape's type; texts go through as they are, times already formatted too."""
    kind = shape.type_name
    if kind == "string" and shape.serialization.get("jsonvalue") and shape.serialization.get("location") == "header":
        return base64.b64encode(orjson.dumps(value)).decode()
    if isinstance(value, str):
        return value
    if kind == "boolean":
        return "true" if value else "false"
    if kind in ("float", "double"):
        return special_float(value) or str(value)
    if kind == "timestamp":
        return str(timestamp_to(value, shape.serialization.get("timestampFormat", timestamps)))
    if kind == "blob":
        return base64.b64encode(value).decode()
    return str(value)


def special_float(value: float) -> str | None:
    """The name of a float that no number literal writes."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return None


def timestamp_from(value: Any, form: str, where: str) -> datetime:
    """A time in one of the model's formats, as UTC; InvalidMembers if it is none or lies outside years 1 to 9999."""
    try:
        if form == "unixTimestamp":
            if isinstance(value, str):
                value = float(value)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError
            return datetime.fromtimestamp(value, UTC)
        if not isinstance(value, str):
            raise ValueError
        moment = datetime.fromisoformat(value) if form == "iso8601" else parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError, IndexError):
        names = {"unixTimestamp": "a time in epoch seconds", "iso8601": "an ISO 8601 time", "rfc822": "an HTTP date"}
        raise not_of_type(where, value, names.get(form, "a time")) from None


def timestamp_to(moment: datetime, form: str) -> str | float | int:
    """A time in one of the model's formats; ISO times have milliseconds and end in ``Z``."""
    if form == "unixTimestamp":
        seconds = round(moment.timestamp(), 3)
        return int(seconds) if seconds.is_integer() else seconds
    if form == "iso8601":
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def blob_from(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise not_of_type(where, text, "base64") from None


def _json_header(text: str, where: str) -> Any:
    try:
        return orjson.loads(blob_from(text, where))
    except orjson.JSONDecodeError:
        raise not_of_type(where, text, "JSON in base64") from None
