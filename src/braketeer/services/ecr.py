"""Elastic Container Registry: what the SDK asks about Amazon's job images. No image is kept here."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from braketeer.domain import clients
from braketeer.domain.accounts import Caller
from braketeer.domain.errors import ServiceError

_REPOSITORY_PREFIX = "amazon-braket-"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Ecr:
    """Each repository of Amazon's job images has one image under two tags: ``latest``, and one with the Python version.

    That is the version of the interpreter that will run the caller's jobs: ``@hybrid_job`` refuses to decorate on
    another one (AwsSession.get_full_image_tag, hybrid_job._validate_python_version). ``python_minor`` is the usual
    one; a client that runs on one of ``mapped`` gets its own.
    """

    def __init__(self, python_minor: int, mapped: Collection[int] = ()) -> None:
        self._python_minor = python_minor
        self._mapped = frozenset(mapped)

    def _verbose_tag(self, caller: Caller) -> str:
        client = clients.python_minor(caller.user_agent)
        return f"1.0-cpu-py3{client if client in self._mapped else self._python_minor}-braketeer"

    async def batch_get_image(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """By tag: that tag's image. By digest: an entry for each tag that the image has."""
        repository, registry = self._repository(caller, request)
        verbose_tag = self._verbose_tag(caller)
        manifest = _manifest(repository, verbose_tag)
        digest = _digest(manifest)
        images: list[dict[str, Any]] = []
        failures: list[dict[str, Any]] = []
        for wanted in request["imageIds"]:
            tags = _tags(verbose_tag, wanted, digest)
            images += [
                {
                    "registryId": registry,
                    "repositoryName": repository,
                    "imageId": {"imageDigest": digest, "imageTag": tag},
                    "imageManifest": manifest,
                    "imageManifestMediaType": _MANIFEST_TYPE,
                }
                for tag in tags
            ]
            if not tags:
                reason = "Requested image not found"
                failures.append({"imageId": wanted, "failureCode": "ImageNotFound", "failureReason": reason})
        return {"images": images, "failures": failures}

    async def describe_images(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The image of a repository, if one of the imageIds means it or none are given; its layers have no bytes."""
        self._refuse_page(request)
        repository, registry = self._repository(caller, request)
        verbose_tag = self._verbose_tag(caller)
        manifest = _manifest(repository, verbose_tag)
        digest = _digest(manifest)
        wanted = request.get("imageIds") or [{"imageDigest": digest}]
        missing = [item for item in wanted if not _tags(verbose_tag, item, digest)]
        if missing:
            name = missing[0].get("imageTag") or missing[0].get("imageDigest")
            text = f"The image with imageId {name} does not exist within the repository with name '{repository}'"
            raise ServiceError(text, code="ImageNotFoundException")
        image = {
            "registryId": registry,
            "repositoryName": repository,
            "imageDigest": digest,
            "imageTags": ["latest", verbose_tag],
            "imageSizeInBytes": 0,
            "imageManifestMediaType": _MANIFEST_TYPE,
        }
        return {"imageDetails": [image]}

    async def describe_repositories(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """An account has no repositories of its own here; Amazon's of the job images are found by name."""
        self._refuse_page(request)
        found = []
        for name in request.get("repositoryNames") or []:
            repository, registry = self._repository(caller, {**request, "repositoryName": name})
            place = f"{registry}.dkr.ecr.{caller.region}.amazonaws.com/{repository}"
            arn = f"arn:aws:ecr:{caller.region}:{registry}:repository/{repository}"
            found.append(
                {"repositoryArn": arn, "registryId": registry, "repositoryName": repository, "repositoryUri": place}
            )
        return {"repositories": found}

    async def get_download_url_for_layer(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Refused: an image stands for an environment on this machine, and has no layer."""
        repository, _ = self._repository(caller, request)
        text = f"The image of '{repository}' stands for an environment of Braketeer's machine and has no layers"
        raise ServiceError(text, code="LayersNotFoundException")

    async def get_authorization_token(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A token in ECR's form, as local jobs ask for before they pull. No registry here would take it."""
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=12)
        data = [
            {
                "authorizationToken": base64.b64encode(f"AWS:{secrets.token_urlsafe(32)}".encode()).decode(),
                "expiresAt": expires,
                "proxyEndpoint": f"https://{registry}.dkr.ecr.{caller.region}.amazonaws.com",
            }
            for registry in request.get("registryIds") or [caller.account]
        ]
        return {"authorizationData": data}

    def _repository(self, caller: Caller, request: Mapping[str, Any]) -> tuple[str, str]:
        """The repository and the registry that a request names: one of Amazon's job images."""
        repository, registry = request["repositoryName"], request.get("registryId") or caller.account
        if not repository.startswith(_REPOSITORY_PREFIX):
            raise ServiceError(
                f"The repository with name '{repository}' does not exist in the registry with id '{registry}'",
                code="RepositoryNotFoundException",
            )
        return repository, registry

    def _refuse_page(self, request: Mapping[str, Any]) -> None:
        """There is never a second page."""
        if request.get("nextToken") is not None:
            raise ServiceError("The nextToken is not valid", code="InvalidParameterException")


def _tags(verbose_tag: str, wanted: Mapping[str, str], digest: str) -> list[str]:
    """The tags of the image that an imageId means: none if it means no image of ours."""
    tags = ["latest", verbose_tag]
    if wanted.get("imageDigest", digest) != digest:
        return []
    if (tag := wanted.get("imageTag")) is not None:
        return [tag] if tag in tags else []
    return tags if "imageDigest" in wanted else []


def _digest(manifest: str) -> str:
    return f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"


def _manifest(repository: str, tag: str) -> str:
    """Stands for the image: an environment on this machine, so it has no layers."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST_TYPE,
            "layers": [],
            "annotations": {"org.opencontainers.image.ref.name": f"{repository}:{tag}"},
        }
    )
