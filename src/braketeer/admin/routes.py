"""The table of routes: which path is answered by which method of which noun, and what that method is asked."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import ServiceError, ValidationException
from braketeer.domain.spending import read_moment

_MISSING: Any = object()


class Members(dict[str, Any]):
    """The members of a JSON object. ValidationException, naming the member, where one is not what it must be."""

    def allow(self, *names: str) -> None:
        """Refuse members that nobody reads: most likely they are misspelt."""
        if unknown := sorted(set(self) - set(names)):
            raise ValidationException(f"Unknown members: {', '.join(name[:40] for name in unknown[:10])}")

    def text(self, name: str, default: Any = _MISSING) -> Any:
        """A member that is a string; without ``default`` it must be there. null counts as not there."""
        kind = "a string without NUL characters"  # which PostgreSQL cannot even look for
        return self._get(name, default, kind, lambda value: isinstance(value, str) and "\0" not in value)

    def whole(self, name: str, least: int, most: int, default: Any = _MISSING) -> Any:
        """A member that is a whole number from ``least`` to ``most``."""

        def fits(value: Any) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

        return self._get(name, default, f"a whole number from {least} to {most}", fits)

    def moment(self, name: str) -> int:
        """A member that is a time in ISO 8601, UTC where it names no zone; as epoch ms."""
        text = self.text(name)
        try:
            moment = datetime.fromisoformat(text)
            return read_moment(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            raise ValidationException(
                f"'{name}' is '{text[:64]}'; it must be a time such as 2026-01-31T14:00:00Z"
            ) from None

    def object(self, name: str, default: Any = _MISSING) -> Any:
        """A member that is a JSON object."""
        return self._get(name, default, "an object", lambda value: isinstance(value, dict))

    def _get(self, name: str, default: Any, kind: str, fits: Callable[[Any], bool]) -> Any:
        value = self.get(name)
        if value is None and default is not _MISSING:
            return default
        if not fits(value):
            raise ValidationException(f"'{name}' must be {kind}")
        return value


@dataclass(frozen=True, slots=True)
class Asked:
    """One authorised request. ``at`` are the path's parameters, decoded (``costs/{arn}``: the whole ARN), ``query``
    those behind the question mark, ``body`` the JSON object that was sent ({} for none).
    """

    caller: Caller
    at: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Members = field(default_factory=Members)


Answering = Callable[[Asked], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """``GET accounts/{name}/usage``, relative to ``/_braketeer/``: answered by ``answer``, called ``operation`` in the
    audit (GetAccountUsage). What ``answer`` returns is sent as JSON; a ServiceError that it raises is the refusal.
    """

    method: str
    path: str
    operation: str
    answer: Answering


class UnknownPath(ServiceError):
    """Nothing is served there."""

    code = "UnknownOperationException"
    status = 404


class MethodNotAllowed(ServiceError):
    """The path is served, but not with this method."""

    status = 405


class Table:
    """All routes, found by method and raw path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(_pattern(route.path), route) for route in routes]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route of a raw, still percent-encoded path below the prefix, and its parameters, decoded."""
        found = [(match, route) for pattern, route in self._routes if (match := pattern.fullmatch(path))]
        if not found:
            raise UnknownPath(f"Nothing is served at /_braketeer/{path[:200]}")
        for match, route in found:
            if route.method == method:
                return route, {name: _decoded(text) for name, text in match.groupdict().items()}
        methods = ", ".join(sorted(route.method for _, route in found))
        raise MethodNotAllowed(f"/_braketeer/{path[:200]} answers {methods}")


def _pattern(path: str) -> re.Pattern[str]:
    parts = [f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in path.split("/")]
    return re.compile("/".join(parts))


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValidationException("The path holds percent-encoded bytes that are not UTF-8") from None
    if "\0" in decoded:
        raise ValidationException("The path holds a NUL character")  # which PostgreSQL cannot even look for
    return decoded
