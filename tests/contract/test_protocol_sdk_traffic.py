"""What boto3, the AWS CLI and the Braket SDK really sent: each request is read as the operation it was."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from braketeer.aws import json_rpc, query, rest_json, rest_xml
from braketeer.aws.messages import Request, joined_headers
from braketeer.aws.model import Api
from braketeer.aws.signatures import read_claim
from braketeer.aws.validation import validate

DATA = Path(__file__).parents[1] / "data" / "sdk-traffic" / "sdk-traffic.json"
PROTOCOLS: dict[str, Any] = {"rest-json": rest_json, "json": json_rpc, "query": query, "rest-xml": rest_xml}
ENTRIES = json.loads(DATA.read_text())


@cache
def api(name: str) -> Api:
    return Api.load(name)


def request_of(entry: dict[str, Any]) -> Request:
    path, _, parameters = entry["target"].partition("?")
    body = base64.b64decode(entry["body_base64"]) if "body_base64" in entry else (entry["body"] or "").encode()
    headers = joined_headers((name.encode(), value.encode()) for name, value in entry["headers"])
    return Request(entry["method"], path, parameters.replace("{removed}", "0"), headers, body)


@pytest.mark.parametrize("entry", [pytest.param(e, id=f"{e['seq']}-{e['service']}-{e['operation']}") for e in ENTRIES])
def test_a_recorded_request(entry: dict[str, Any]) -> None:
    request, service = request_of(entry), api(entry["service"])
    claim = read_claim(request)
    assert claim is not None
    assert claim.service == entry["service"]
    assert claim.form == "older query" or claim.region == entry["region"]

    protocol = PROTOCOLS[service.protocol]
    match = protocol.find(service, request)
    assert match.operation.name == entry["operation"]

    members = protocol.parse(match, request)
    validate(match.operation.input_shape, members)
    if entry["service"] == "braket" and request.body:
        assert json.loads(request.body).keys() == members.keys() - match.labels.keys()
