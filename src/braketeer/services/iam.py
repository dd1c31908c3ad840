"""Identity and Access Management: one role an account, the one that hybrid jobs run under."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from braketeer.domain.accounts import JOBS_ROLE_NAME, Caller
from braketeer.domain.errors import ServiceError

PATH = "/service-role/"
# IAM answers policies as percent-encoded JSON; boto3 decodes them.
_TRUST_POLICY = quote(
    json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "braket.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    )
)
_CREATED = datetime(2020, 8, 13, tzinfo=UTC)


class Iam:
    """The SDK lists roles under /service-role/ whenever it makes a job (AwsSession.get_default_jobs_role)."""

    async def list_roles(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The jobs role, if it lies under PathPrefix. There is never a second page, so no Marker is valid."""
        if request.get("Marker") is not None:
            raise ServiceError("The Marker is not valid", code="InvalidInput")
        inside = PATH.startswith(request.get("PathPrefix") or "/")
        return {"Roles": [_role(caller)] if inside else [], "IsTruncated": False}

    async def get_role(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        name = request["RoleName"]
        if name != JOBS_ROLE_NAME:
            raise ServiceError(f"The role with name {name} cannot be found.", code="NoSuchEntity", status=404)
        description = "The role of Braketeer's hybrid jobs: their code acts for this account, and ends with the job"
        return {"Role": {**_role(caller), "Description": description}}


def _role(caller: Caller) -> dict[str, Any]:
    digest = hashlib.sha256(f"{caller.account}/{JOBS_ROLE_NAME}".encode()).digest()
    return {
        "Path": PATH,
        "RoleName": JOBS_ROLE_NAME,
        "RoleId": "AROA" + base64.b32encode(digest)[:17].decode(),
        "Arn": f"arn:aws:iam::{caller.account}:role{PATH}{JOBS_ROLE_NAME}",
        "CreateDate": _CREATED,
        "AssumeRolePolicyDocument": _TRUST_POLICY,
        "MaxSessionDuration": 3600,
    }
