"""Who calls: accounts, access keys, roles, and what a role may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from braketeer.domain.errors import AccessDeniedException, ValidationException

DEFAULT_ACCOUNT_ID = "000000000000"
JOBS_ROLE_NAME = "AmazonBraketJobsExecutionRole"
LASTING, TEMPORARY = "AKIA", "ASIA"  # what the names of keys begin with, as AWS's do
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_NUMBER = re.compile(r"[0-9]{12}")


class Role(StrEnum):
    """What a key may do: an operator everything, a user all of the AWS surface, a viewer only what reads."""

    OPERATOR = "operator"
    USER = "user"
    VIEWER = "viewer"


def is_temporary(key_id: str) -> bool:
    """Whether a key is a session's or a job's."""
    return key_id.startswith(TEMPORARY)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key as the signature check needs it. ``expires_at`` is epoch seconds of real time.

    ``job_id`` is the hybrid job that a temporary key belongs to.
    """

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


# AssumeRole and GetSessionToken are among them: what a viewer gets by them is a viewer's key.
_READING_VERBS = (
    *("Get", "Head", "List", "Search", "Describe", "BatchGet", "StartQuery", "StopQuery", "Filter"),
    *("AssumeRole", "DecodeAuthorizationMessage"),
)


_KEY_MAKERS = frozenset({"AssumeRole", "GetFederationToken", "GetSessionToken"})
_LIMIT_CHANGERS = frozenset({"CreateSpendingLimit", "UpdateSpendingLimit", "DeleteSpendingLimit"})


def checked_name(text: str) -> str:
    """The name of an account, if it can be one (ValidationException): a word or an e-mail address, not a number."""
    if not _NAME.fullmatch(text) or _NUMBER.fullmatch(text):
        raise ValidationException(
            f"'{text[:64]}' cannot be an account's name: 1 to 64 letters, digits and . _ @ + -, "
            "the first a letter or digit, and not 12 digits"
        )
    return text


def checked_number(text: str) -> str:
    """The number of an account, if it can be one: 12 digits."""
    if not _NUMBER.fullmatch(text):
        raise ValidationException(f"'{text[:64]}' cannot be an account's number: 12 digits")
    return text


def checked_role(text: str) -> Role:
    """A role by its name."""
    try:
        return Role(text)
    except ValueError:
        raise ValidationException(f"'{text[:64]}' is no role: {', '.join(Role)}") from None


def makes_keys(operation: str) -> bool:
    """Whether an operation hands out access keys."""
    return operation in _KEY_MAKERS


def only_reads(operation: str) -> bool:
    """Whether a viewer may use an operation of the AWS surface."""
    return operation.startswith(_READING_VERBS)


def authorise(caller: Caller, service: str, operation: str) -> None:
    """Refuse what the caller's role may not do (AccessDeniedException).

    Viewers read; users and operators use the whole AWS surface; only operators reach the service ``braketeer``. The key
    of a hybrid job makes no further keys: it ends with the job, and they would not. Nor does it change spending limits:
    they are to stop whatever code runs in it.
    """
    if service == "braketeer" and caller.role is not Role.OPERATOR:
        raise AccessDeniedException("The operator's API needs a key of role operator")
    if caller.job_id is not None and (makes_keys(operation) or operation in _LIMIT_CHANGERS):
        raise AccessDeniedException(f"The key of a hybrid job may not perform {service}:{operation}")
    if caller.role is Role.VIEWER and not only_reads(operation):
        raise AccessDeniedException(
            f"User: arn:aws:iam::{caller.account}:user/{caller.key_id} is not authorized to perform: "
            f"{service}:{operation} because its role is viewer"
        )
