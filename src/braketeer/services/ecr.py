"""Elastic Container Registry: what the SDK asks about Amazon's job images. No image is kept here."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import ServiceError

_REPOSITORY_PREFIX = "amazon-braket-"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Ecr:
    """Each repository of Amazon's job images has one image under two tags: ``latest``, and one with the Python version.

    ``python_minor`` is that of the interpreter that will run jobs: ``@hybrid_job`` refuses to decorate on another one
    (AwsSession.get_full_image_tag, hybrid_job._validate_python_version).
    """

    def __init__(self, python_minor: int) -> None:
        self._verbose_tag = f"1.0-cpu-py3{python_minor}-braketeer"

    async def batch_get_image(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """By tag: that tag's image. By digest: an entry for each tag that the image has."""
        repository, registry = request["repositoryName"], request.get("registryId") or caller.account
        if not repository.startswith(_REPOSITORY_PREFIX):
            raise ServiceError(
                f"The repository with name '{repository}' does not exist in the registry with id '{registry}'",
                code="RepositoryNotFoundException",
            )
        manifest = _manifest(repository, self._verbose_tag)
        digest = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
        images: list[dict[str, Any]] = []
        failures: list[dict[str, Any]] = []
        for wanted in request["imageIds"]:
            tags = self._tags(wanted, digest)
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

    def _tags(self, wanted: Mapping[str, str], digest: str) -> list[str]:
        """The tags of the image that an imageId means: none if it means no image of ours."""
        tags = ["latest", self._verbose_tag]
        if wanted.get("imageDigest", digest) != digest:
            return []
        if (tag := wanted.get("imageTag")) is not None:
            return [tag] if tag in tags else []
        return tags if "imageDigest" in wanted else []


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
