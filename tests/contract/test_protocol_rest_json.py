"""botocore's own rest-json suites, the other way round: what its client writes is read, what it reads is written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import ServiceModel
from botocore.parsers import RestJSONParser

from braketeer.aws import rest_json
from braketeer.aws.messages import Answer, Request
from braketeer.aws.model import Api
from braketeer.domain.errors import ServiceError

DATA = Path(__file__).parents[1] / "data" / "protocols"

# Cases that do not apply to a service, or not to one that botocore reads, and why. They are run all the same and must
# fail: a reason that no longer holds is found out.
NOT_FOR_A_SERVICE = {
    ("input", "MediaTypeHeaderInputBase64"): "the case holds the text of a JSON header, our members what it says",
    ("input", "RestJsonHostWithPath"): "the endpoint of the case has a path of its own; a service is at the root",
    ("input", "RestJsonHttpPrefixHeadersAreNotPresent"): "an empty map leaves no trace in the headers",
    ("input", "RestJsonHttpWithEmptyStructurePayload"): "an empty payload and none are written alike",
    ("input", "RestJsonHttpWithHeadersButNoPayload"): "an empty payload and none are written alike",
    ("input", "RestJsonOmitsEmptyListQueryValues"): "an empty list leaves no trace in the query",
    ("input", "RestJsonQueryIdempotencyTokenAutoFill"): "the client fills in the token, the case does not show it",
    ("input", "RestJsonQueryParamsStringListMap"): "a service's map of the query holds the named keys too",
    ("input", "RestJsonQueryPrecedence"): "a service's map of the query holds the named keys too",
    ("input", "SDKAppendedGzipAfterProvidedEncoding_restJson1"): "no operation that is served is sent compressed",
    ("input", "SDKAppliedContentEncoding_restJson1"): "no operation that is served is sent compressed",
    ("output", "HttpPrefixHeadersResponse"): "with an empty prefix botocore takes every header for a member",
    ("output", "RestJsonHttpPayloadTraitsWithNoBlobBody"): "botocore reads no body as an empty one",
    ("output", "RestJsonHttpPayloadWithUnsetUnion"): "botocore wants a member in every union",
    ("output", "RestJsonInputAndOutputWithQuotedStringHeaders"): "botocore splits quoted texts at their commas",
    ("output", "RestJsonInputAndOutputWithTimestampHeaders"): "botocore splits HTTP dates at their commas",
}


def cases_of(direction: str) -> Iterator[Any]:
    for suite in json.loads((DATA / f"rest-json-{direction}.json").read_text()):
        for case in suite["cases"]:
            reason = NOT_FOR_A_SERVICE.get((direction, case["id"]))
            marks = pytest.mark.xfail(reason=reason, strict=True) if reason else ()
            yield pytest.param(suite, case, id=case["id"], marks=marks)


def api_of(suite: dict[str, Any], case: dict[str, Any]) -> Api:
    given = case["given"]
    document = {
        "metadata": suite["metadata"] | {"endpointPrefix": "suite"},
        "operations": {given["name"]: given},
        "shapes": suite["shapes"],
    }
    return Api(ServiceModel(document, "suite"))


@pytest.mark.parametrize(("suite", "case"), list(cases_of("input")))
def test_what_a_client_writes_is_read(suite: dict[str, Any], case: dict[str, Any]) -> None:
    wire, api = case["serialized"], api_of(suite, case)
    path, _, query = wire["uri"].partition("?")
    headers = {name.lower(): value for name, value in wire.get("headers", {}).items()}
    request = Request(wire["method"], path, query, headers, wire.get("body", "").encode())

    match = rest_json.find(api, request)
    members = rest_json.parse(match, request)

    shape = match.operation.input_shape
    assert comparable(members) == comparable(typed(shape, case.get("params", {})))


@pytest.mark.parametrize(("suite", "case"), list(cases_of("output")))
def test_what_is_written_is_what_a_client_reads(suite: dict[str, Any], case: dict[str, Any]) -> None:
    api = api_of(suite, case)
    operation = api.model.operation_model(case["given"]["name"])
    shape: Any = operation.output_shape
    if "errorCode" in case:
        (shape,) = api.model.error_shapes
        members = typed(shape, case.get("error", {}))
        message, status = case.get("errorMessage", ""), case["response"]["status_code"]
        error = ServiceError(message, code=shape.name, status=status, **members)
        answer = rest_json.error_answer(api, error, Request("GET", "/"), "id")
        assert read_by_client(answer, None)["Error"] == {"Code": shape.name, "Message": message}
    else:
        members = typed(shape, case["result"])
        answer = rest_json.serialise(api, operation, members, "id")
        assert answer.status == case["response"]["status_code"]
    if shape:
        found = {name: value for name, value in read_by_client(answer, shape).items() if name in shape.members}
        assert comparable(found) == comparable(members)


def read_by_client(answer: Answer, shape: Any) -> dict[str, Any]:
    wire = {"status_code": answer.status, "headers": HeadersDict(answer.headers), "body": answer.body}
    return RestJSONParser().parse(wire, shape)


def typed(shape: Any, value: Any) -> Any:
    """The suite writes times as epoch seconds and bytes as text."""
    if shape is None or value is None or getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure":
        return {name: typed(shape.members[name], item) for name, item in value.items()}
    if shape.type_name == "list":
        return [typed(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: typed(shape.value, item) for key, item in value.items()}
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC)
    if shape.type_name == "blob":
        return value.encode()
    if shape.type_name in ("float", "double"):
        return float(value)
    return value


def comparable(value: Any) -> Any:
    """None and absence are one thing on the wire, NaN must equal itself, botocore reads a blob payload as text."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    return "NaN" if isinstance(value, float) and math.isnan(value) else value
