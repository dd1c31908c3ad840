"""Who calls: accounts, access keys, roles, and what a role may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from braketeer.domain.errors import AccessDeniedException

DEFAULT_ACCOUNT_ID = "000000000000"
JOBS_ROLE_NAME = "AmazonBraketJobsExecutionRole"


class Role(StrEnum):
    """What a key may do: an operator everything, a user all of the AWS surface, a viewer only what reads."""

    OPERATOR = "operator"
    USER = "user"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key as the signature check needs it. ``expires_at`` is epoch seconds of real time."""

    id: str
    secret: str
    account: str
    role: Role
    session_token: str | None = None
    expires_at: float | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and from where: the verified key and the region of its credential scope.

    ``endpoint`` is the base URL the client used (scheme://host:port), for links in answers. ``job_id`` is set when the
    key is a hybrid job's temporary one.
    """

    account: str
    region: str
    key_id: str
    role: Role
    request_id: str
    endpoint: str = ""
    user_agent: str = ""
    job_id: str | None = None


_READING_VERBS = ("Get", "Head", "List", "Search", "Describe", "BatchGet", "StartQuery", "Filter")


def authorise(caller: Caller, service: str, operation: str) -> None:
    """Refuse what the caller's role may not do (AccessDeniedException).

    Viewers read; users and operators use the whole AWS surface; only operators reach the service ``braketeer``.
    """
    if service == "braketeer" and caller.role is not Role.OPERATOR:
        raise AccessDeniedException("The operator's API needs a key of role operator")
    if caller.role is Role.VIEWER and not operation.startswith(_READING_VERBS):
        raise AccessDeniedException(
            f"User: arn:aws:iam::{caller.account}:user/{caller.key_id} is not authorized to perform: "
            f"{service}:{operation} because its role is viewer"
        )
