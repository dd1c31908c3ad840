"""The query protocol, which STS and IAM speak: form parameters in, XML out."""

from __future__ import annotations

from typing import Any

from botocore.model import OperationModel

from braketeer.aws.errors import MalformedRequest, UnknownOperation
from braketeer.aws.messages import Answer, Request
from braketeer.aws.model import Api
from braketeer.aws.routes import Match
from braketeer.aws.text_values import from_text, not_of_type
from braketeer.aws.xml_values import DECLARATION, element, escaped, readable, write
from braketeer.domain.errors import ServiceError

_DEEPEST = 32


def find(api: Api, request: Request) -> Match:
    """The operation that the parameter ``Action`` names; UnknownOperation if there is none."""
    name = dict(request.form).get("Action", "")
    operation = api.operation(name)
    if operation is None:
        raise UnknownOperation(f"{api.name} has no operation {name!r}", code="InvalidAction", status=400)
    return Match(operation, {})


def parse(match: Match, request: Request) -> dict[str, Any]:
    """The members of a request whose body has been read."""
    shape = match.operation.input_shape
    members: dict[str, Any] = _read_structure(shape, _tree(request.form), "") if shape is not None else {}
    return members


def serialise(api: Api, operation: OperationModel, members: dict[str, Any], request_id: str) -> Answer:
    """The answer with an operation's members, inside ``<{Operation}Response><{Operation}Result>``."""
    shape, content = operation.output_shape, ""
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
        content = write(shape, members, wrapper)
    content += f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    return _xml(200, element(f"{operation.name}Response", content, api.namespace))


def error_answer(api: Api, error: ServiceError, request: Request, request_id: str) -> Answer:
    """The answer with an error as an ``ErrorResponse`` document."""
    kind = "Sender" if error.status < 500 else "Receiver"
    content = (
        f"<Type>{kind}</Type><Code>{escaped(api.error_name(error))}</Code><Message>{readable(error.message)}</Message>"
    )
    document = f"<Error>{content}</Error><RequestId>{request_id}</RequestId>"
    return _xml(error.status, element("ErrorResponse", document, api.namespace))


def _xml(status: int, document: str) -> Answer:
    return Answer(status, {"content-type": "text/xml"}, (DECLARATION + document).encode())


def _tree(parameters: list[tuple[str, str]]) -> dict[str, Any]:
    """``Tags.member.1.Key=a`` as nested dicts."""
    tree: dict[str, Any] = {}
    for key, value in parameters:
        *path, last = key.split(".")
        if len(path) > _DEEPEST:
            raise MalformedRequest("A parameter name is nested too deeply")
        node = tree
        for step in path:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise MalformedRequest(f"Parameter {key} contradicts another")
        node[last] = value
    return tree


def _read(shape: Any, node: Any, where: str) -> Any:
    if shape.type_name == "structure":
        return _read_structure(shape, node, where)
    if shape.type_name == "list":
        return _read_list(shape, node, where)
    if shape.type_name == "map":
        return _read_map(shape, node, where)
    if not isinstance(node, str):
        raise not_of_type(where, "", "a single value")
    return from_text(shape, node, where, "iso8601")


def _read_structure(shape: Any, node: Any, where: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise not_of_type(where, node, "a structure")
    members = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        if member.type_name == "list" and member.serialization.get("flattened"):
            wire = member.member.serialization.get("name", wire)
        if wire in node:
            members[name] = _read(member, node[wire], f"{where}.{name}" if where else name)
    return members


def _read_list(shape: Any, node: Any, where: str) -> list[Any]:
    if node == "":
        return []
    if isinstance(node, dict) and not shape.serialization.get("flattened"):
        node = node.get(shape.member.serialization.get("name", "member"))
    return [_read(shape.member, item, f"{where}.{place}.member") for place, item in _numbered(node, where)]


def _read_map(shape: Any, node: Any, where: str) -> dict[str, Any]:
    if isinstance(node, dict) and not shape.serialization.get("flattened"):
        node = node.get("entry")
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    result = {}
    for _, entry in _numbered(node, where):
        if not isinstance(entry, dict) or not isinstance(entry.get(key_name), str) or value_name not in entry:
            raise not_of_type(where, "", "a map of numbered entries")
        result[entry[key_name]] = _read(shape.value, entry[value_name], f"{where}.{entry[key_name]}.member")
    return result


def _numbered(node: Any, where: str) -> list[tuple[int, Any]]:
    """The entries ``1``, ``2``, ... of a list in their order."""
    if not isinstance(node, dict) or not all(key.isascii() and key.isdigit() and len(key) < 7 for key in node):
        raise not_of_type(where, "", "a list of numbered members")
    return sorted((int(key), item) for key, item in node.items())
