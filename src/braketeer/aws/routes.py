"""From method and raw path to an operation, by the http traits of the service model.

Paths are matched as they came, percent-encoded: an ARN in a path is one segment whose slashes are ``%2F``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import OperationModel, ServiceModel

from braketeer.aws.messages import Request, decoded

_LABEL = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True)
class Match:
    """An operation found, and the decoded labels of its path."""

    operation: OperationModel
    labels: dict[str, str]


@dataclass(frozen=True)
class _Candidate:
    """An operation of a path: the query it is named by, and the query keys and headers it requires."""

    operation: OperationModel
    literals: frozenset[tuple[str, str]]
    keys: frozenset[str]
    headers: frozenset[str]

    @property
    def demands(self) -> int:
        return len(self.keys) + len(self.headers)


class Routes:
    """The route table of a REST service."""

    def __init__(self, model: ServiceModel) -> None:
        found: dict[str, dict[str, list[_Candidate]]] = {}
        for name in model.operation_names:
            operation = model.operation_model(name)
            if operation.deprecated:
                continue
            path, _, query = operation.http["requestUri"].partition("?")
            candidate = _candidate(operation, query)
            found.setdefault(operation.http["method"], {}).setdefault(_pattern(path), []).append(candidate)
        self._routes = {
            method: [(re.compile(pattern, re.DOTALL), candidates) for pattern, candidates in patterns.items()]
            for method, patterns in found.items()
        }

    def find(self, request: Request, path: str) -> Match | None:
        """The operation of a request whose raw path is ``path`` (S3 puts the bucket of the host in front)."""
        for pattern, candidates in self._routes.get(request.method, ()):
            if hit := pattern.fullmatch(path):
                candidate = candidates[0] if len(candidates) == 1 else _best(candidates, request)
                if candidate and candidate.literals <= frozenset(request.parameters):
                    labels = {name: decoded(text) for name, text in hit.groupdict().items()}
                    return Match(candidate.operation, labels)
        return None


def _best(candidates: list[_Candidate], request: Request) -> _Candidate | None:
    """The operation meant: most of the query that names it, then most of what it requires; without that, the least."""
    parameters = frozenset(request.parameters)
    keys = frozenset(key for key, _ in parameters)
    named = [candidate for candidate in candidates if candidate.literals <= parameters]
    if not named:
        return None
    most = max(len(candidate.literals) for candidate in named)
    ranked = sorted((c for c in named if len(c.literals) == most), key=lambda c: -c.demands)
    fitting = (c for c in ranked if c.keys <= keys and all(header in request.headers for header in c.headers))
    return next(fitting, ranked[-1])


def _pattern(path: str) -> str:
    """``/{Bucket}/{Key+}`` as a regular expression; a path that ends in a plain label may end in a slash."""
    pattern, end = "", 0
    for label in _LABEL.finditer(path):
        pattern += re.escape(path[end : label.start()])
        pattern += f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})"
        end = label.end()
    tail = path[end:]
    return pattern + (re.escape(tail) if tail or not pattern else "/?")


def _candidate(operation: OperationModel, query: str) -> _Candidate:
    keys, headers = set(), set()
    shape: Any = operation.input_shape
    for name in shape.required_members if shape else ():
        traits = shape.members[name].serialization
        if traits.get("location") == "querystring":
            keys.add(traits["name"])
        elif traits.get("location") == "header":
            headers.add(traits["name"].lower())
    literals = frozenset(parse_qsl(query, keep_blank_values=True))
    return _Candidate(operation, literals, frozenset(keys), frozenset(headers))
