"""What rest-json and rest-xml share: members that travel in the path, the query string, the headers and the status."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.model import Shape

from braketeer.aws.messages import Answer, Request
from braketeer.aws.text_values import from_text, to_text


@dataclass(frozen=True)
class Places:
    """The members of a structure by where they travel: (member name, wire name, shape)."""

    labels: tuple[tuple[str, str, Any], ...]
    query: tuple[tuple[str, str, Any], ...]
    headers: tuple[tuple[str, str, Any], ...]
    prefixes: tuple[tuple[str, str, Any], ...]
    status: str | None
    payload: str | None
    body: tuple[tuple[str, str, Any], ...]
    in_body: frozenset[str]


@cache
def places(shape: Shape) -> Places:
    """Where each member of an input or output structure travels."""
    found: dict[str, list[tuple[str, str, Any]]] = {}
    members = getattr(shape, "members", {})
    for name, member in members.items():
        location = member.serialization.get("location", "body")
        found.setdefault(location, []).append((name, member.serialization.get("name", name), member))
    return Places(
        labels=tuple(found.get("uri", ())),
        query=tuple(found.get("querystring", ())),
        headers=tuple((name, wire.lower(), member) for name, wire, member in found.get("header", ())),
        prefixes=tuple(found.get("headers", ())),
        status=next((name for name, _, _ in found.get("statusCode", ())), None),
        payload=shape.serialization.get("payload"),
        body=tuple(found.get("body", ())),
        in_body=frozenset(name for name, _, _ in found.get("body", ())),
    )


def read_places(shape: Shape, request: Request, labels: dict[str, str]) -> dict[str, Any]:
    """The members outside the body; InvalidMembers if one is not of its type."""
    where = places(shape)
    members: dict[str, Any] = {}
    for name, wire, member in where.labels:
        if wire in labels:
            members[name] = from_text(member, labels[wire], name, "iso8601")
    if where.query and request.query:
        _read_query(where, request, members)
    for name, wire, member in where.headers:
        text = request.headers.get(wire)
        if text is None:
            continue
        if member.type_name == "list":
            members[name] = _read_header_list(member, text, name)
        else:
            members[name] = from_text(member, text, name, "rfc822")
    for name, prefix, _member in where.prefixes:
        start = prefix.lower()
        found = {key[len(start) :]: value for key, value in request.headers.items() if key.startswith(start)}
        if found:
            members[name] = found
    return members


def _read_query(where: Places, request: Request, members: dict[str, Any]) -> None:
    given: dict[str, list[str]] = {}
    for key, value in request.parameters:
        given.setdefault(key, []).append(value)
    for name, wire, member in where.query:
        if member.type_name == "map":
            several = member.value.type_name == "list"
            members[name] = {key: values if several else values[0] for key, values in given.items()}
        elif wire in given:
            if member.type_name == "list":
                members[name] = [from_text(member.member, text, name, "iso8601") for text in given[wire]]
            else:
                members[name] = from_text(member, given[wire][0], name, "iso8601")


def _read_header_list(shape: Any, text: str, where: str) -> list[Any]:
    """A comma-separated header; HTTP dates hold a comma themselves, strings with one are quoted."""
    item = shape.member
    if item.type_name == "timestamp" and item.serialization.get("timestampFormat", "rfc822") == "rfc822":
        parts = re.findall(r"[^,]+,[^,]+", text)
    else:
        parts = [
            part.strip()[1:-1].replace('\\"', '"').replace("\\\\", "\\") if part.strip().startswith('"') else part
            for part in re.findall(r'\s*"(?:[^"\\]|\\.)*"\s*|[^,]+', text)
        ]
    return [from_text(item, part.strip(), where, "rfc822") for part in parts]


def write_places(shape: Any, members: dict[str, Any], answer: Answer) -> None:
    """Put the members outside the body into the answer's headers and status.

    A member the model does not know is a fault of the service: TypeError.
    """
    if unknown := members.keys() - shape.members.keys():
        raise TypeError(f"{shape.name} has no members {sorted(unknown)}")
    where = places(shape)
    for name, wire, member in where.headers:
        value = members.get(name)
        if value is None:
            continue
        if member.type_name == "list":
            answer.headers[wire] = ", ".join(_quoted(to_text(member.member, item, "rfc822")) for item in value)
        else:
            answer.headers[wire] = to_text(member, value, "rfc822")
    for name, prefix, _member in where.prefixes:
        for key, value in (members.get(name) or {}).items():
            answer.headers[f"{prefix}{key}".lower()] = value
    if where.status and members.get(where.status) is not None:
        answer.status = members[where.status]


def _quoted(text: str) -> str:
    if ("," in text and not text.endswith(" GMT")) or '"' in text:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
