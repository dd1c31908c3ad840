"""Identity and Access Management: one role an account, the one that hybrid jobs run under, and the caller as a user.

There are no policies to evaluate: what a key may do is its role's (operator, user, viewer). What is said of the jobs
role's policies is what a job's code may do here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from braketeer.domain.accounts import JOBS_ROLE_NAME, Caller, is_temporary
from braketeer.domain.errors import NotImplementedHere, ServiceError
from braketeer.domain.roles import SERVICE_PATH, RoleName
from braketeer.store import accounts
from braketeer.store.database import Database

MOST_SESSION_SECONDS = 43_200
# The managed policy that Braket's documentation attaches to the role: what it allows of what is served is allowed here.
_MANAGED_POLICY = "AmazonBraketJobsExecutionPolicy"
_MANAGED_POLICY_ARN = f"arn:aws:iam::aws:policy/{_MANAGED_POLICY}"
_OWN_POLICY = "BraketeerHybridJobs"
_SERVED = ("braket", "ecr", "iam", "logs", "pricing", "s3", "sts")
_CREATED = datetime(2020, 8, 13, tzinfo=UTC)


def _document(statement: dict[str, Any]) -> str:
    """IAM answers policies as percent-encoded JSON; boto3 decodes them."""
    return quote(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


_TRUST_POLICY = _document(
    {"Effect": "Allow", "Principal": {"Service": "braket.amazonaws.com"}, "Action": "sts:AssumeRole"}
)
_OWN_POLICY_DOCUMENT = _document(
    {"Effect": "Allow", "Action": [f"{service}:*" for service in _SERVED], "Resource": "*"}
)


class Iam:
    """The SDK lists roles under /service-role/ whenever it makes a job (AwsSession.get_default_jobs_role).

    Scripts that set an account up look whether the role is there and make it if not: making it is EntityAlreadyExists,
    and attaching the policy that it has changes nothing. Everything else that would change IAM is refused.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_roles(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The jobs role, if it lies under PathPrefix."""
        _refuse_marker(request)
        inside = SERVICE_PATH.startswith(request.get("PathPrefix") or "/")
        return {"Roles": [_role(caller)] if inside else [], "IsTruncated": False}

    async def get_role(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        _require_role(request["RoleName"])
        description = "The role of Braketeer's hybrid jobs: their code acts for this account, and ends with the job"
        return {"Role": {**_role(caller), "Description": description}}

    async def create_role(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The jobs role is there already; another one would mean what every role's name means here."""
        if request["RoleName"] == JOBS_ROLE_NAME:
            raise ServiceError(
                f"Role with name {JOBS_ROLE_NAME} already exists.", code="EntityAlreadyExists", status=409
            )
        raise NotImplementedHere(
            f"Braketeer makes no roles: hybrid jobs and AssumeRole take any well-formed role name of their account; "
            f"{JOBS_ROLE_NAME} is listed"
        )

    async def list_attached_role_policies(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        _require_role(request["RoleName"])
        _refuse_marker(request)
        inside = (request.get("PathPrefix") or "/") == "/"
        attached = {"PolicyName": _MANAGED_POLICY, "PolicyArn": _MANAGED_POLICY_ARN}
        return {"AttachedPolicies": [attached] if inside else [], "IsTruncated": False}

    async def attach_role_policy(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """As at AWS, attaching what is attached is no error; anything else would not change what the role may do."""
        _require_role(request["RoleName"])
        if request["PolicyArn"] != _MANAGED_POLICY_ARN:
            raise NotImplementedHere("Braketeer evaluates no policies, so it attaches none")
        return {}

    async def list_role_policies(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        _require_role(request["RoleName"])
        _refuse_marker(request)
        return {"PolicyNames": [_OWN_POLICY], "IsTruncated": False}

    async def get_role_policy(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        _require_role(request["RoleName"])
        if request["PolicyName"] != _OWN_POLICY:
            raise _no_such(f"The role policy with name {request['PolicyName']} cannot be found.")
        return {"RoleName": JOBS_ROLE_NAME, "PolicyName": _OWN_POLICY, "PolicyDocument": _OWN_POLICY_DOCUMENT}

    async def list_role_tags(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        _require_role(request["RoleName"])
        _refuse_marker(request)
        return {"Tags": [], "IsTruncated": False}

    async def get_user(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The caller's own user, which is named as its key; with a name, that of a lasting key of the account."""
        name = request.get("UserName")
        if name is None:
            name = await self._own_name(caller)
        key = await self._database.read(lambda connection: accounts.key_of(connection, caller.account, name))
        if key is None or key["revoked_at"] is not None or is_temporary(name):
            raise _no_such(f"The user with name {name} cannot be found.")
        return {
            "User": {
                "Path": "/",
                "UserName": name,
                "UserId": name,
                "Arn": f"arn:aws:iam::{caller.account}:user/{name}",
                "CreateDate": datetime.fromtimestamp(key["created_at"] // 1000, UTC),
            }
        }

    async def _own_name(self, caller: Caller) -> str:
        """The key of a user who calls; a session's user, but not an assumed role, which AWS does not take for one."""
        if not is_temporary(caller.key_id):
            return caller.key_id
        key = await self._database.read(lambda connection: accounts.key_of(connection, caller.account, caller.key_id))
        if key is None or key["role_arn"] is not None or key["issued_by"] is None:
            raise ServiceError("Must specify userName when calling with non-User credentials", code="ValidationError")
        return str(key["issued_by"])


def _role(caller: Caller) -> dict[str, Any]:
    role = RoleName.of_jobs(caller.account)
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": _CREATED,
        "AssumeRolePolicyDocument": _TRUST_POLICY,
        "MaxSessionDuration": MOST_SESSION_SECONDS,
    }


def _require_role(name: str) -> None:
    if name != JOBS_ROLE_NAME:
        raise _no_such(f"The role with name {name} cannot be found.")


def _refuse_marker(request: Mapping[str, Any]) -> None:
    """There is never a second page, so no Marker is valid; MaxItems is at least 1, which is as many as there are."""
    if request.get("Marker") is not None:
        raise ServiceError("The Marker is not valid", code="InvalidInput")


def _no_such(message: str) -> ServiceError:
    return ServiceError(message, code="NoSuchEntity", status=404)
