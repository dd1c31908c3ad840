"""STS, IAM, ECR and the price list: what the SDK asks of them, and that botocore's models hold."""

from __future__ import annotations

import asyncio
import io
import json
import re
import urllib.parse
import warnings
from datetime import timedelta
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from braketeer.devices.catalogue import Catalogue
from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, Caller, Role
from braketeer.domain.errors import ServiceError
from braketeer.services.ecr import Ecr
from braketeer.services.iam import Iam
from braketeer.services.pricing import price_list_csv
from braketeer.services.sts import Sts

SESSION = botocore.session.Session()
CALLER = Caller(DEFAULT_ACCOUNT_ID, "eu-west-2", "AKIATEST", Role.USER, "request-1")
JOB_CALLER = Caller(DEFAULT_ACCOUNT_ID, "eu-west-2", "ASIATEST", Role.USER, "request-2", job_id="job-1")
CATALOGUE = Catalogue(2**30)


def _call(service: object, model: str, operation: str, request: dict[str, Any], caller: Caller = CALLER) -> Any:
    shape = SESSION.get_service_model(model).operation_model(operation).output_shape
    answer = asyncio.run(getattr(service, botocore.xform_name(operation))(caller, request))
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), report.generate_report()
    return answer


# --- STS and IAM


def test_a_caller_learns_its_account_and_a_job_its_role() -> None:
    mine = _call(Sts(), "sts", "GetCallerIdentity", {})
    assert (mine["Account"], mine["Arn"]) == (DEFAULT_ACCOUNT_ID, "arn:aws:iam::000000000000:user/AKIATEST")
    job = _call(Sts(), "sts", "GetCallerIdentity", {}, JOB_CALLER)
    assert job["Arn"].endswith(":assumed-role/AmazonBraketJobsExecutionRole/job-1")


def test_the_jobs_role_is_found_where_the_sdk_looks() -> None:
    (role,) = _call(Iam(), "iam", "ListRoles", {"PathPrefix": "/service-role/"})["Roles"]
    assert role["Arn"] == "arn:aws:iam::000000000000:role/service-role/AmazonBraketJobsExecutionRole"
    pattern = SESSION.get_service_model("braket").shape_for("RoleArn").metadata["pattern"]
    assert re.fullmatch(pattern, role["Arn"])
    policy = json.loads(urllib.parse.unquote(role["AssumeRolePolicyDocument"]))
    assert policy["Statement"][0]["Principal"] == {"Service": "braket.amazonaws.com"}
    assert _call(Iam(), "iam", "ListRoles", {})["Roles"] == [role]
    assert _call(Iam(), "iam", "ListRoles", {"PathPrefix": "/mine/"})["Roles"] == []
    one = _call(Iam(), "iam", "GetRole", {"RoleName": "AmazonBraketJobsExecutionRole"})["Role"]
    assert one["RoleId"] == role["RoleId"]


def test_another_role_does_not_exist() -> None:
    with pytest.raises(ServiceError) as caught:
        asyncio.run(Iam().get_role(CALLER, {"RoleName": "Admin"}))
    assert (caught.value.code, caught.value.status) == ("NoSuchEntity", 404)


# --- ECR


class EcrClient:
    def __init__(self, python_minor: int) -> None:
        self._service = Ecr(python_minor)

    def batch_get_image(self, **request: Any) -> Any:
        return _call(self._service, "ecr", "BatchGetImage", request)


@pytest.mark.parametrize("repository", ["base-jobs", "pytorch-jobs", "tensorflow-jobs", "cudaq-jobs"])
def test_the_sdk_learns_the_python_version_of_a_job_image(repository: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braket.aws.aws_session import AwsSession

    session = AwsSession.__new__(AwsSession)
    session._ecr = EcrClient(13)
    image = f"292282985366.dkr.ecr.eu-west-2.amazonaws.com/amazon-braket-{repository}:latest"
    assert re.search(r"-py(\d)(\d+)-", session.get_full_image_tag(image)).groups() == ("3", "13")


def test_images_that_are_not_there_are_failures() -> None:
    wanted = [{"imageTag": "nightly"}, {"imageDigest": "sha256:" + "0" * 64}, {}]
    request = {"repositoryName": "amazon-braket-base-jobs", "imageIds": wanted}
    answer = _call(Ecr(11), "ecr", "BatchGetImage", request)
    assert answer["images"] == []
    assert [failure["imageId"] for failure in answer["failures"]] == wanted
    with pytest.raises(ServiceError) as caught:
        asyncio.run(Ecr(11).batch_get_image(CALLER, {"repositoryName": "mine", "imageIds": wanted}))
    assert caught.value.code == "RepositoryNotFoundException"


def test_an_authorization_token_for_each_registry() -> None:
    answer = _call(Ecr(11), "ecr", "GetAuthorizationToken", {"registryIds": ["292282985366", "111111111111"]})
    assert [data["proxyEndpoint"][:20] for data in answer["authorizationData"]] == [
        "https://292282985366",
        "https://111111111111",
    ]


# --- prices


class PriceListServer:
    """Stands for the HTTP client that the SDK fetches the price list with."""

    def request(self, *_: Any, **__: Any) -> io.BytesIO:
        class Body(io.BytesIO):
            auto_close = True

        return Body(price_list_csv(CATALOGUE).encode())


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK's tracker, reading our price list."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braket.tracking import pricing, tracker

    monkeypatch.setattr(pricing, "_http_client", lambda _: PriceListServer())
    monkeypatch.setattr(tracker, "price_search", pricing.Pricing().price_search)
    return tracker


@pytest.mark.parametrize("arn", [device.arn for device in CATALOGUE])
@pytest.mark.parametrize("of_a_job", [False, True])
def test_the_tracker_finds_one_price_of_zero(tracker: Any, arn: str, of_a_job: bool) -> None:
    device = CATALOGUE.get(arn)
    assert device is not None
    details = {
        "device": arn,
        "shots": 100,
        "status": "COMPLETED",
        "job_task": of_a_job,
        "billed_duration": timedelta(seconds=3),
    }
    regions = ["us-east-1", "eu-central-1", "us-gov-west-1"] if device.is_simulator else [device.region]
    cost = tracker._get_simulator_task_cost if device.is_simulator else tracker._get_qpu_task_cost
    for region in regions:
        assert cost(f"arn:aws:braket:{region}:000000000000:quantum-task/1", details) == 0
