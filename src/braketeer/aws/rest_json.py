"""The rest-json protocol, which Braket speaks."""

from __future__ import annotations

from typing import Any

import orjson
from botocore.model import OperationModel

from braketeer.aws import json_values
from braketeer.aws.errors import UnknownOperation
from braketeer.aws.messages import Answer, Request
from braketeer.aws.model import Api
from braketeer.aws.rest import places, read_places, write_places
from braketeer.aws.routes import Match
from braketeer.domain.errors import ServiceError


def find(api: Api, request: Request) -> Match:
    """The operation of method and path; UnknownOperation if there is none."""
    if match := api.routes.find(request, request.path):
        return match
    raise UnknownOperation(f"{api.name} has no operation {request.method} {request.path}")


def parse(match: Match, request: Request) -> dict[str, Any]:
    """The members of a request whose body has been read."""
    shape = match.operation.input_shape
    if shape is None:
        return {}
    members = read_places(shape, request, match.labels)
    where = places(shape)
    if where.payload is not None:
        payload = shape.members[where.payload]
        value = _read_payload(payload, request.body, where.payload)
        if value is not None:
            members[where.payload] = value
    elif where.in_body:
        document = json_values.load_object(request.body)
        for name, wire, member in where.body:
            value = document.get(wire)
            if value is not None:
                members[name] = json_values.read(member, value, name)
    return members


def serialise(api: Api, operation: OperationModel, members: dict[str, Any], request_id: str) -> Answer:
    """The answer with an operation's members."""
    answer = Answer(operation.http.get("responseCode", 200))
    shape = operation.output_shape
    if shape is None:
        return _with_json(answer, {})
    write_places(shape, members, answer)
    where = places(shape)
    if where.payload is None:
        return _with_json(answer, _body(shape, members))
    payload, value = shape.members[where.payload], members.get(where.payload)
    if payload.type_name in ("blob", "string"):
        answer.headers.setdefault(
            "content-type", "application/octet-stream" if payload.type_name == "blob" else "text/plain"
        )
        answer.body = value.encode() if isinstance(value, str) else value or b""
        return answer
    return _with_json(answer, {} if value is None else json_values.write(payload, value))


def error_answer(api: Api, error: ServiceError, request: Request, request_id: str) -> Answer:
    """The answer with an error: its name in the header and the body, ``message`` in lower case."""
    code = api.error_name(error)
    answer = Answer(error.status, {"x-amzn-errortype": code})
    members, shape = error.members, api.error_shape(code)
    if shape is not None:
        members = {name: value for name, value in members.items() if name in shape.members}
        write_places(shape, members, answer)
        members = _body(shape, members)
    return _with_json(answer, {"message": error.message, "__type": code, **members})


def _read_payload(shape: Any, body: bytes, name: str) -> Any:
    if shape.type_name == "blob":
        return body or None
    if shape.type_name == "string":
        return json_values.text_of(body) if body else None
    if not body:
        return None
    return json_values.read(shape, json_values.load(body), name)


def _body(shape: Any, members: dict[str, Any]) -> dict[str, Any]:
    in_body = places(shape).in_body
    document: dict[str, Any] = json_values.write(shape, {n: v for n, v in members.items() if n in in_body})
    return document


def _with_json(answer: Answer, document: Any) -> Answer:
    answer.headers["content-type"] = "application/json"
    answer.body = orjson.dumps(document)
    return answer
