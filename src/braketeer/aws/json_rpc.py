"""The json protocol (1.0 and 1.1), which CloudWatch Logs and ECR speak: one POST target, the operation in a header."""

from __future__ import annotations

from typing import Any

import orjson
from botocore.model import OperationModel

from braketeer.aws import json_values
from braketeer.aws.errors import UnknownOperation
from braketeer.aws.messages import Answer, Request
from braketeer.aws.model import Api
from braketeer.aws.routes import Match
from braketeer.domain.errors import ServiceError

_TOO_LARGE = 413


def find(api: Api, request: Request) -> Match:
    """The operation that ``X-Amz-Target`` names, as ``prefix.Operation``; UnknownOperation if there is none."""
    target = request.headers.get("x-amz-target", "")
    prefix, _, name = target.rpartition(".")
    operation = api.operation(name)
    if request.method != "POST" or operation is None or prefix != api.model.metadata.get("targetPrefix"):
        raise UnknownOperation(f"{api.name} has no operation {target or request.path!r}")
    return Match(operation, {})


def parse(match: Match, request: Request) -> dict[str, Any]:
    """The members of a request whose body has been read."""
    shape = match.operation.input_shape
    document = json_values.load_object(request.body)
    members: dict[str, Any] = json_values.read(shape, document, "") if shape is not None else {}
    return members


def serialise(api: Api, operation: OperationModel, members: dict[str, Any], request_id: str) -> Answer:
    """The answer with an operation's members."""
    shape = operation.output_shape
    document = json_values.write(shape, members) if shape is not None else {}
    return Answer(200, {"content-type": _content_type(api)}, orjson.dumps(document))


def error_answer(api: Api, error: ServiceError, request: Request, request_id: str) -> Answer:
    """The answer with an error, its name in the header and as ``__type``.

    Errors of the client are 400s in this protocol, whatever the REST services answer for the same.
    """
    status = 400 if 400 <= error.status < 500 and error.status != _TOO_LARGE else error.status
    code = api.error_name(error)
    members, shape = error.members, api.error_shape(code)
    if shape is not None:
        members = json_values.write(shape, {name: item for name, item in members.items() if name in shape.members})
    headers = {"content-type": _content_type(api), "x-amzn-errortype": code}
    return Answer(status, headers, orjson.dumps({"__type": code, "message": error.message, **members}))


def _content_type(api: Api) -> str:
    return f"application/x-amz-json-{api.model.metadata.get('jsonVersion', '1.1')}"
