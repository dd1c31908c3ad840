"""``deviceParameters`` of a task on a QPU: what of them matters here, looked over when the task is created.

The SDK sends a document of the maker's parameters class for circuits, and none for OpenQASM texts and program sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from braketeer.domain.errors import ValidationException


def disables_rewiring(text: str | None) -> bool:
    """Whether each qubit of the program is to be the physical qubit of its number (``disableQubitRewiring``).

    ValidationException where that is neither true nor false.
    """
    paradigm = _read(text).get("paradigmParameters")
    disabled = paradigm.get("disableQubitRewiring") if isinstance(paradigm, dict) else None
    if not isinstance(disabled, bool | None):
        raise ValidationException("deviceParameters: disableQubitRewiring must be true or false")
    return disabled is True


def check(text: str | None, document: Mapping[str, Any], shots: int) -> None:
    """ValidationException for error mitigation that the device does not offer, or not with so few shots.

    IonQ's Debias averages over the ways to lay a circuit on the ions. In the emulation all ions err alike, so that the
    average is what is drawn anyway.
    """
    asked = _read(text).get("errorMitigation") or []
    offered = (document.get("provider") or {}).get("errorMitigation") or {}
    for scheme in asked if isinstance(asked, list) else [asked]:
        name = scheme.get("type") if isinstance(scheme, dict) else None
        if not isinstance(name, str) or name not in offered:
            raise ValidationException(f"Error mitigation {str(name)[:100]!r} is not supported by this device")
        fewest = offered[name].get("minimumShots", 0)
        if shots < fewest:
            raise ValidationException(f"Error mitigation {name} needs at least {fewest} shots, but found {shots}")


def _read(text: str | None) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as problem:
        raise ValidationException(f"deviceParameters is not valid JSON: {problem}") from None
    if not isinstance(found, dict):
        raise ValidationException("deviceParameters must be a JSON object")
    return found
