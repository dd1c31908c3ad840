"""Values of a shape in JSON documents, both ways."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from botocore.model import Shape

from braketeer.aws.errors import MalformedRequest
from braketeer.aws.text_values import (
    SPECIAL_FLOATS,
    WHOLE_NUMBERS,
    blob_from,
    not_of_type,
    special_float,
    timestamp_from,
    timestamp_to,
)

Json = Any


def load(body: bytes) -> Json:
    """The document in ``body``, an empty one for no body; MalformedRequest if it is not JSON in UTF-8.

    NaN, lone surrogates and nesting beyond 1,024 levels are not JSON; of repeated keys the last one holds.
    """
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"Invalid request body: {error}") from None


def load_object(body: bytes) -> dict[str, Json]:
    """The object in ``body``; MalformedRequest if it is any other JSON."""
    document = load(body)
    if not isinstance(document, dict):
        raise MalformedRequest("Invalid request body: a JSON object is expected")
    return document


def text_of(body: bytes) -> str:
    """A body that is one text; MalformedRequest if it is not UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise MalformedRequest("Invalid request body: not UTF-8") from None


def read(shape: Any, value: Json, where: str) -> Any:
    """The value that JSON's ``value`` writes; InvalidMembers names the first member of a wrong type.

    Nulls of structures are left out, members the model does not know are ignored.
    """
    return _READERS[shape.type_name](shape, value, where)


def write(shape: Any, value: Any) -> Json:
    """``value`` as JSON; members that are None are left out. A member the model does not know raises TypeError."""
    writer = _WRITERS.get(shape.type_name)
    return writer(shape, value) if writer else value


def wire_name(shape: Shape, name: str) -> str:
    return str(shape.serialization.get("name", name))


def _read_structure(shape: Any, value: Json, where: str) -> Any:
    if getattr(shape, "is_document_type", False):
        return value
    if not isinstance(value, dict):
        raise not_of_type(where, value, "an object")
    result = {}
    for name, member in shape.members.items():
        given = value.get(wire_name(member, name))
        if given is not None:
            result[name] = read(member, given, f"{where}.{name}" if where else name)
    return result


def _read_list(shape: Any, value: Json, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise not_of_type(where, value, "a list")
    return [
        None if item is None else read(shape.member, item, f"{where}.{position}.member")
        for position, item in enumerate(value, 1)
    ]


def _read_map(shape: Any, value: Json, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise not_of_type(where, value, "a map")
    return {
        key: None if item is None else read(shape.value, item, f"{where}.{key}.member") for key, item in value.items()
    }


def _read_string(shape: Shape, value: Json, where: str) -> str:
    if isinstance(value, str):
        return value
    raise not_of_type(where, value, "a string")


def _read_whole(shape: Shape, value: Json, where: str) -> int:
    low, high = WHOLE_NUMBERS[shape.type_name]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise not_of_type(where, value, f"a whole number from {low} to {high}")


def _read_float(shape: Shape, value: Json, where: str) -> float:
    if isinstance(value, str) and value in SPECIAL_FLOATS:
        return SPECIAL_FLOATS[value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise not_of_type(where, value, "a number")


def _read_boolean(shape: Shape, value: Json, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise not_of_type(where, value, "true or false")


def _read_timestamp(shape: Shape, value: Json, where: str) -> datetime:
    form = shape.serialization.get("timestampFormat", "unixTimestamp")
    if form == "unixTimestamp" and isinstance(value, str):
        raise not_of_type(where, value, "a time in epoch seconds")
    return timestamp_from(value, form, where)


def _read_blob(shape: Shape, value: Json, where: str) -> bytes:
    return blob_from(_read_string(shape, value, where), where)


_READERS: dict[str, Callable[[Any, Json, str], Any]] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "string": _read_string,
    "character": _read_string,
    "integer": _read_whole,
    "long": _read_whole,
    "float": _read_float,
    "double": _read_float,
    "boolean": _read_boolean,
    "timestamp": _read_timestamp,
    "blob": _read_blob,
}


def _write_structure(shape: Any, value: Any) -> Json:
    if getattr(shape, "is_document_type", False):
        return value
    members = shape.members
    if unknown := value.keys() - members.keys():
        raise TypeError(f"{shape.name} has no members {sorted(unknown)}")
    return {
        wire_name(members[name], name): write(members[name], item) for name, item in value.items() if item is not None
    }


def _write_list(shape: Any, value: Any) -> Json:
    return [None if item is None else write(shape.member, item) for item in value]


def _write_map(shape: Any, value: Any) -> Json:
    return {key: None if item is None else write(shape.value, item) for key, item in value.items()}


def _write_string(shape: Shape, value: Any) -> Json:
    if isinstance(value, str):
        return value
    if shape.serialization.get("jsonvalue"):
        return orjson.dumps(value).decode()
    raise TypeError(f"{shape.name} must be a str, not {type(value).__name__}")


def _write_float(shape: Shape, value: Any) -> Json:
    return special_float(value) or value


def _write_timestamp(shape: Shape, value: Any) -> Json:
    if isinstance(value, datetime):
        return timestamp_to(value, shape.serialization.get("timestampFormat", "unixTimestamp"))
    return value


def _write_blob(shape: Shape, value: Any) -> Json:
    return base64.b64encode(value).decode()


_WRITERS: dict[str, Callable[[Any, Any], Json]] = {
    "structure": _write_structure,
    "list": _write_list,
    "map": _write_map,
    "string": _write_string,
    "float": _write_float,
    "double": _write_float,
    "timestamp": _write_timestamp,
    "blob": _write_blob,
}
