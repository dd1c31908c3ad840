"""Devices that the operator adds: what their file says, checked member by member."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from braketeer.devices.listed import Listed
from braketeer.devices.prices import price_of
from braketeer.domain.lifecycles import DeviceStatus
from braketeer.domain.spending import Price
from braketeer.domain.windows import ALL_HOURS, windows_of

_ARN = re.compile(
    r"arn:aws:braket:(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)::device/qpu|::device/quantum-simulator)"
    r"/[A-Za-z0-9._-]{1,64}/[A-Za-z0-9._-]{1,64}"
)
_MEMBERS = frozenset(
    {"arn", "name", "provider", "status", "document", "driver", "options", "concurrency", "refresh_seconds", "prices"}
)
_LINKS = frozenset({"imageUrl", "externalDocumentationUrl", "nativeGateCalibrationsRef"})
MOST_AT_ONCE = 32  # each is a process
MOST_SHOTS = 1_000_000  # of a task: what it costs is a database integer then
_DEEPEST = 100  # levels of a table: what writes JSON has its own limit
_MOST_WINDOWS = 100
_LONGEST_ACTION = 64  # characters of its name


class DefinitionError(ValueError):
    """What is wrong with the file of a device, in words that name the member."""


@dataclass(frozen=True, slots=True)
class Added:
    """A device of the operator's. ``driver`` runs its tasks, at most ``concurrency`` at a time, whichever service of
    several starts them; it is asked for the device's status every ``refresh_seconds``.
    """

    listed: Listed
    document: Mapping[str, Any]
    price: Price
    driver: str
    concurrency: int
    refresh_seconds: int


def checked(content: Mapping[str, Any]) -> dict[str, Any]:
    """The definition in a device's file, with its defaults and without the driver's options. DefinitionError.

    ``document`` may be missing: the driver is asked then.
    """
    if unknown := sorted(str(name)[:40] for name in set(content) - _MEMBERS):
        raise DefinitionError(f"Unknown members: {', '.join(unknown)}; there are {', '.join(sorted(_MEMBERS))}")
    found = {
        "arn": _text(content, "arn", 256),
        "name": _text(content, "name", 64),
        "provider": _text(content, "provider", 64),
        "driver": _text(content, "driver", 256),
        "status": content.get("status", DeviceStatus.ONLINE.value),
        "concurrency": _whole(content, "concurrency", 1, 1, MOST_AT_ONCE),
        "refresh_seconds": _whole(content, "refresh_seconds", 60, 1, 86_400),
        "prices": content.get("prices") or {},
        "document": content.get("document"),
    }
    if not _ARN.fullmatch(found["arn"]):
        raise DefinitionError(
            "'arn' must be arn:aws:braket:REGION::device/qpu/MAKER/NAME or "
            f"arn:aws:braket:::device/quantum-simulator/MAKER/NAME, and not '{found['arn']}'"
        )
    if found["status"] not in list(DeviceStatus):
        raise DefinitionError(f"'status' must be one of {', '.join(DeviceStatus)}")
    if not isinstance(content.get("options", {}), dict):
        raise DefinitionError("'options' must be a table")
    _refuse_deep("options", content.get("options", {}))
    try:
        price_of(found["prices"])
    except ValueError as problem:
        raise DefinitionError(f"'prices': {problem}") from None
    if found["document"] is not None:
        found["document"] = checked_document(found["document"])
    return found


def checked_document(document: Any) -> dict[str, Any]:
    """A capability document that clients can use, without links that lead elsewhere. DefinitionError.

    Its provider's own figures are nobody's to check here: they are passed on as they are.
    """
    if not isinstance(document, dict):
        raise DefinitionError("'document' must be a capability document: a table, or the path of a JSON file")
    _refuse_deep("document", document)
    header = document.get("braketSchemaHeader")
    if not isinstance(header, dict) or not str(header.get("name", "")).startswith("braket.device_schema."):
        raise DefinitionError("'document' has no braketSchemaHeader with a name such as braket.device_schema.iqm.*")
    actions = document.get("action")
    if not isinstance(actions, dict) or not actions or not all(isinstance(one, dict) for one in actions.values()):
        raise DefinitionError("'document' has no 'action': the kinds of programs that the device takes")
    if not all(isinstance(name, str) and len(name) <= _LONGEST_ACTION and name.isprintable() for name in actions):
        raise DefinitionError(f"'document': the names in 'action' have at most {_LONGEST_ACTION} characters")
    service = document.get("service")
    if not isinstance(service, dict):
        raise DefinitionError("'document' has no 'service'")
    shots = service.get("shotsRange")
    if not _is_range(shots):
        raise DefinitionError(
            "'document': service.shotsRange must be the fewest and the most shots of a task, "
            f"from 0 to {MOST_SHOTS} at the most"
        )
    windows = service.get("executionWindows") or ALL_HOURS
    if not isinstance(windows, list | tuple) or len(windows) > _MOST_WINDOWS:
        raise DefinitionError(f"'document': service.executionWindows must be a list of at most {_MOST_WINDOWS}")
    try:
        windows_of(windows)
    except ValueError as problem:
        raise DefinitionError(f"'document': {problem}") from None
    found: dict[str, Any] = _without_links(document)
    found["service"]["executionWindows"] = [dict(window) for window in windows]  # without any, clients find it closed
    found.setdefault("deviceParameters", {})
    return found


def added(definition: Mapping[str, Any], told: Mapping[str, Any] | None = None) -> Added:
    """The device of a checked definition; ``told`` is the document that its driver has told last."""
    arn = definition["arn"]
    match = _ARN.fullmatch(arn)
    region = None if match is None else match["region"]
    listed = Listed(arn, definition["name"], definition["provider"], DeviceStatus(definition["status"]), region)
    document = told or definition["document"] or {}
    prices = price_of(definition["prices"])
    return Added(
        listed, document, prices, definition["driver"], definition["concurrency"], definition["refresh_seconds"]
    )


def _text(content: Mapping[str, Any], name: str, most: int) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= most or not value.isprintable():
        raise DefinitionError(f"'{name}' must be a text of 1 to {most} characters")
    return value


def _whole(content: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = content.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise DefinitionError(f"'{name}' must be a whole number from {least} to {most}")
    return value


def _is_range(shots: Any) -> bool:
    if not isinstance(shots, list | tuple) or not all(isinstance(each, int) for each in shots):
        return False
    return len(shots) == 2 and 0 <= shots[0] <= shots[1] <= MOST_SHOTS


def _refuse_deep(name: str, value: Any) -> None:
    """DefinitionError for a table that nests so deeply that nobody could write it as JSON again."""
    level = [value]
    for _ in range(_DEEPEST):
        tables = [each for each in level if isinstance(each, dict | list)]
        level = [inner for table in tables for inner in (table.values() if isinstance(table, dict) else table)]
        if not level:
            return
    raise DefinitionError(f"'{name}' is nested more than {_DEEPEST} levels deep")


def _without_links(value: Any) -> Any:
    """A copy."""
    if isinstance(value, dict):
        return {name: _without_links(member) for name, member in value.items() if name not in _LINKS}
    return [_without_links(member) for member in value] if isinstance(value, list) else value
