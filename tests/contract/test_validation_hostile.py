"""Whatever arrives, reading it ends in members or in a modelled error, never in another exception."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from braketeer.aws import json_rpc, query, rest_json, rest_xml, xml_values
from braketeer.aws.messages import Request
from braketeer.aws.model import Api
from braketeer.aws.validation import validate
from braketeer.domain.errors import ServiceError

PROTOCOLS: dict[str, Any] = {"rest-json": rest_json, "json": json_rpc, "query": query, "rest-xml": rest_xml}
CREATE = {
    "clientToken": "t",
    "deviceArn": "d",
    "shots": 1,
    "outputS3Bucket": "abc",
    "outputS3KeyPrefix": "p",
    "action": "{}",
}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["GZIP", "{}", "a=b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@cache
def api(name: str) -> Api:
    return Api.load(name)


def read(service: str, request: Request) -> dict[str, Any] | ServiceError:
    """The members of a request, or the error that it gets."""
    protocol = PROTOCOLS[api(service).protocol]
    try:
        match = protocol.find(api(service), request)
        members: dict[str, Any] = protocol.parse(match, request)
        validate(match.operation.input_shape, members)
        return members
    except ServiceError as error:
        assert 400 <= error.status < 500
        status = protocol.error_answer(api(service), error, request, "id").status
        assert status == (400 if protocol is json_rpc else error.status)
        return error


def create_job_members() -> list[str]:
    shape: Any = api("braket").model.operation_model("CreateJob").input_shape
    return list(shape.members)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a machine under load draws slowly
@given(st.dictionaries(st.sampled_from(create_job_members()), JSON_VALUES))
def test_any_json(members: dict[str, Any]) -> None:
    read("braket", Request("POST", "/job", "", {}, json.dumps(members).encode()))


@given(
    st.sampled_from(["braket", "s3", "iam", "logs"]),
    st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    st.text(),
    st.text(),
    st.binary(),
)
def test_any_target_and_body(service: str, method: str, path: str, parameters: str, body: bytes) -> None:
    read(service, Request(method, "/" + path, parameters, {}, body))
    read(service, Request(method, "/bucket", parameters + "&delete", {"x-amz-target": path}, body))


@given(st.dictionaries(st.sampled_from(["Delete", "Object", "Key", "Quiet", "Size"]), st.text(), max_size=3))
def test_any_xml_text_survives(texts: dict[str, str]) -> None:
    document = (
        "<a>" + "".join(xml_values.element(name, xml_values.escaped(text)) for name, text in texts.items()) + "</a>"
    )
    try:
        root = xml_values.parse_document(document.encode(errors="replace"))
    except ServiceError:
        return
    kept = {name: text.encode(errors="replace").decode() for name, text in texts.items()}
    assert {child.tag: child.text or "" for child in root} == kept


@pytest.mark.parametrize(
    ("member", "value", "constraint"),
    [
        ("shots", 2**63, "whole number"),
        ("shots", 10**30, "whole number"),
        ("shots", True, "whole number"),
        ("shots", "1", "whole number"),
        ("shots", -1, "greater than or equal to 0"),
        ("tags", {"k": None}, "must not be null"),
        ("tags", {"k": "a\0b"}, "U+0000"),
        ("experimentalCapabilities", {"enabled": "ALL", "other": 1}, None),
        ("experimentalCapabilities", {}, "exactly one of"),
        ("outputS3KeyPrefix", "x" * 1025, "less than or equal to 1024"),
        ("outputS3KeyPrefix", "x" * 1024, None),
        ("action", "[]", "JSON object"),
        ("action", {"source": ""}, "a string"),
        ("action", '{"a": NaN}', "JSON object"),
        ("action", '{"a": ' + "[" * 5000 + "]" * 5000 + "}", "JSON object"),
        ("associations", [None], "must not be null"),
    ],
)
def test_values_at_the_edge(member: str, value: Any, constraint: str | None) -> None:
    outcome = read("braket", Request("POST", "/quantum-task", "", {}, json.dumps(CREATE | {member: value}).encode()))
    if constraint is None:
        assert not isinstance(outcome, ServiceError)
    else:
        assert isinstance(outcome, ServiceError)
        assert constraint in outcome.message
        assert f"'{member}" in outcome.message


@pytest.mark.parametrize(
    "body",
    [
        '{"shots": NaN}',
        '{"shots": 1e999}',
        '"\\ud800"',
        '{"a": "\\ud800"}',
        "[" * 100_000,
        "null",
        "1",
        "\ufeff{}",
        "{} {}",
    ],
)
def test_json_that_is_none(body: str) -> None:
    outcome = read("braket", Request("POST", "/quantum-task", "", {}, body.encode()))
    assert isinstance(outcome, ServiceError)
    assert api("braket").error_name(outcome) == "BadRequestException"
    assert outcome.message.startswith("Invalid request body")


def test_of_repeated_members_the_last_holds() -> None:
    body = json.dumps(CREATE)[:-1] + ', "shots": 7}'
    members = read("braket", Request("POST", "/quantum-task", "", {}, body.encode()))
    assert isinstance(members, dict)
    assert members["shots"] == 7


def test_no_more_than_ten_problems_are_told() -> None:
    tags = {f"{position}\0": "v" for position in range(10_000)}
    outcome = read("braket", Request("POST", "/quantum-task", "", {}, json.dumps(CREATE | {"tags": tags}).encode()))
    assert isinstance(outcome, ServiceError)
    assert outcome.message.startswith("10 validation errors detected: ")
