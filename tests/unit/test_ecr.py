"""ECR: what the SDK asks of it, and that botocore's model holds."""

from __future__ import annotations

import asyncio
import re
import warnings
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, Caller, Role
from braketeer.domain.errors import ServiceError
from braketeer.services.ecr import Ecr

SESSION = botocore.session.Session()
CALLER = Caller(DEFAULT_ACCOUNT_ID, "eu-west-2", "AKIATEST", Role.USER, "request-1")


def _call(service: object, model: str, operation: str, request: dict[str, Any], caller: Caller = CALLER) -> Any:
    shape = SESSION.get_service_model(model).operation_model(operation).output_shape
    answer = asyncio.run(getattr(service, botocore.xform_name(operation))(caller, request))
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), report.generate_report()
    return answer


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


def test_a_client_on_a_mapped_python_is_told_its_own() -> None:
    service, request = (
        Ecr(11, [12]),
        {"repositoryName": "amazon-braket-base-jobs", "imageIds": [{"imageTag": "latest"}]},
    )
    for client, told in ((12, 12), (13, 11)):
        caller = replace(CALLER, user_agent=f"Boto3/1.44.5 lang/python#3.{client}.1")
        (image,) = _call(service, "ecr", "BatchGetImage", request, caller)["images"]
        assert f"-py3{told}-" in image["imageManifest"]


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


def test_a_job_image_is_described_as_it_is_got() -> None:
    asked = {"repositoryName": "amazon-braket-base-jobs", "registryId": "292282985366"}
    (image,) = _call(Ecr(11), "ecr", "DescribeImages", asked)["imageDetails"]
    got = _call(Ecr(11), "ecr", "BatchGetImage", {**asked, "imageIds": [{"imageDigest": image["imageDigest"]}]})
    assert [entry["imageId"]["imageTag"] for entry in got["images"]] == image["imageTags"]
    names = {"repositoryNames": ["amazon-braket-base-jobs"], "registryId": "292282985366"}
    (repository,) = _call(Ecr(11), "ecr", "DescribeRepositories", names)["repositories"]
    assert repository["repositoryUri"] == "292282985366.dkr.ecr.eu-west-2.amazonaws.com/amazon-braket-base-jobs"
    assert _call(Ecr(11), "ecr", "DescribeRepositories", {})["repositories"] == []


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("describe_images", {"repositoryName": "mine"}, "RepositoryNotFoundException"),
        ("describe_repositories", {"repositoryNames": ["mine"]}, "RepositoryNotFoundException"),
        (
            "describe_images",
            {"repositoryName": "amazon-braket-base-jobs", "imageIds": [{"imageTag": "nightly"}]},
            "ImageNotFoundException",
        ),
        ("describe_repositories", {"nextToken": "x"}, "InvalidParameterException"),
        (
            "get_download_url_for_layer",
            {"repositoryName": "amazon-braket-base-jobs", "layerDigest": "sha256:" + "0" * 64},
            "LayersNotFoundException",
        ),
    ],
)
def test_what_no_registry_has_here_is_refused(operation: str, request_: dict[str, Any], code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        asyncio.run(getattr(Ecr(11), operation)(CALLER, request_))
    assert caught.value.code == code
