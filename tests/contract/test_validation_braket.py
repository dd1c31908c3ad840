"""Every rule of the Braket model, kept and broken: the cases of braket-requests.json against parser and validator.

What only the service can know (whether a resource exists) is outside; those cases must parse and validate.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from braketeer.aws import rest_json
from braketeer.aws.errors import UnknownOperation
from braketeer.aws.messages import Request
from braketeer.aws.model import Api
from braketeer.aws.validation import validate
from braketeer.domain.errors import ServiceError

DATA = Path(__file__).parents[1] / "data" / "braket-requests" / "braket-requests.json"
ARNS = {
    "{task}": "arn:aws:braket:us-west-2:123456789012:quantum-task/3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "{job}": "arn:aws:braket:us-west-2:123456789012:job/3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "{limit}": "arn:aws:braket:us-west-2:123456789012:spending-limit/3fa85f64-5717-4562-b3fc-2c963f66afa6",
}
# The form is right; the meaning is the service's to judge.
FOR_THE_SERVICE = {"resource does not exist", "not an ARN", "member refers to nothing"}

CASES = json.loads(DATA.read_text())["cases"]


@cache
def braket() -> Api:
    return Api.load("braket")


def outcome(case: dict[str, Any]) -> tuple[int, str | None]:
    """Status and error name with which the front door lets a case through or refuses it."""
    target = case["target"]
    for name, arn in ARNS.items():
        target = target.replace(name, quote(arn, safe=""))
    path, _, query = target.partition("?")
    body = json.dumps(case["body"]).encode() if "body" in case else case.get("raw_body", "").encode()
    if case.get("raw_body_encoding") == "escaped bytes":
        body = case["raw_body"].encode().decode("unicode_escape").encode("latin-1")
    request = Request(case["method"], path, query, {"content-type": "application/json"}, body)
    try:
        match = rest_json.find(braket(), request)
        assert match.operation.name == case["operation"]
        validate(match.operation.input_shape, rest_json.parse(match, request))
    except ServiceError as error:
        return error.status, braket().error_name(error)
    return int(match.operation.http["responseCode"]), None


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES if case["expect"]["certain"]])
def test_a_rule_of_the_model(case: dict[str, Any]) -> None:
    status, error = outcome(case)
    if case["rule"] in FOR_THE_SERVICE:
        assert error is None
    else:
        assert status in case["expect"]["status"]
        assert error in case["expect"]["errors"] or (error is None and not case["expect"]["errors"])


# How Braketeer decides what the model leaves open, rule by rule; a rule that is not here is accepted.
DECIDED_AGAINST = {
    "pattern broken": "patterns match the whole value",
    "wrong JSON type": "a fraction is no whole number",
    "union without a known variant": "a union has exactly one member",
    "enum broken": "a query parameter has a known value",
    "body: trailing text": "one document, and nothing after it",
    "no such route": "there is no such operation",
}
UNCERTAIN = [case for case in CASES if not case["expect"]["certain"]]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in UNCERTAIN])
def test_a_decision_where_the_model_is_silent(case: dict[str, Any]) -> None:
    if case["operation"] is None:
        with pytest.raises(UnknownOperation):
            rest_json.find(braket(), Request(case["method"], case["target"]))
        return
    status, error = outcome(case)
    if case["rule"] == "not an ARN":  # refused here where the model has a pattern, else by the service
        pattern = braket().model.operation_model(case["operation"]).input_shape.members[case["member"]].metadata
        assert error == ("ValidationException" if "pattern" in pattern else None)
    elif case["rule"] in DECIDED_AGAINST:
        assert (status, error in ("ValidationException", "BadRequestException")) == (400, True)
    else:
        assert error is None
