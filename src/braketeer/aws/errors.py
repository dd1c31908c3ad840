"""Errors of the front door: what AWS answers before, or around, an operation.

The names and texts follow what AWS services send; the wording of an error about a signature differs between the JSON
services, the query services (STS, IAM) and S3, hence the three columns of ``_REFUSALS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from braketeer.domain.errors import ServiceError, ThrottlingException

Refusal = Literal["missing", "incomplete", "unknown key", "wrong token", "expired token", "skew", "expired", "mismatch"]


class MalformedRequest(ServiceError):
    """The bytes cannot be read as a request of the protocol at all (400); each service has its own name for it."""

    code = "BadRequestException"


class InvalidMembers(ServiceError):
    """Members break the model's constraints (400); each service has its own name for it.

    ``problems`` are sentences such as ``Value 'a_b' at 'jobName' failed to satisfy constraint: ...``.
    """

    code = "ValidationException"

    def __init__(self, problems: Sequence[str]) -> None:
        count = len(problems)
        super().__init__(f"{count} validation error{'s' if count > 1 else ''} detected: {'; '.join(problems)}")
        self.problems = tuple(problems)


class UnknownOperation(ServiceError):
    """No operation answers to this request (404)."""

    code = "UnknownOperationException"
    status = 404


class IncompleteBody(ServiceError):
    """Fewer bytes came than were announced (400)."""


class XAmzContentSHA256Mismatch(ServiceError):
    """The body is not the one that was signed (400)."""


_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_NO_SUCH_KEY = "The security token included in the request is invalid."

# What AWS calls it: (JSON services, query services, S3), each (code, status, message).
_REFUSALS: dict[Refusal, tuple[tuple[str, int, str], tuple[str, int, str], tuple[str, int, str]]] = {
    "missing": (
        ("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
        ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        ("AccessDenied", 403, "Access Denied"),
    ),
    "incomplete": (
        ("IncompleteSignatureException", 403, "The request signature is incomplete."),
        ("IncompleteSignature", 400, "The request signature is incomplete."),
        ("AuthorizationHeaderMalformed", 400, "The authorization header you provided is invalid."),
    ),
    "unknown key": (
        ("UnrecognizedClientException", 403, _NO_SUCH_KEY),
        ("InvalidClientTokenId", 403, _NO_SUCH_KEY),
        ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    ),
    "wrong token": (
        ("UnrecognizedClientException", 403, _NO_SUCH_KEY),
        ("InvalidClientTokenId", 403, _NO_SUCH_KEY),
        ("InvalidToken", 403, "The provided token is malformed or otherwise invalid."),
    ),
    "expired token": (
        ("ExpiredTokenException", 403, "The security token included in the request is expired"),
        ("ExpiredToken", 403, "The security token included in the request is expired"),
        ("ExpiredToken", 403, "The provided token has expired."),
    ),
    "skew": (
        ("InvalidSignatureException", 403, "Signature expired or not yet current."),
        ("SignatureDoesNotMatch", 403, "Signature expired or not yet current."),
        (
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        ),
    ),
    "expired": (
        ("InvalidSignatureException", 403, "Signature expired."),
        ("SignatureDoesNotMatch", 403, "Signature expired."),
        ("AccessDenied", 403, "Request has expired"),
    ),
    "mismatch": (
        ("InvalidSignatureException", 403, _MISMATCH),
        ("SignatureDoesNotMatch", 403, _MISMATCH),
        (
            "SignatureDoesNotMatch",
            403,
            "The request signature we calculated does not match the signature you provided. Check your key and "
            "signing method.",
        ),
    ),
}
_QUERY_SERVICES = frozenset({"sts", "iam"})


def refused(reason: Refusal, service: str, message: str | None = None) -> ServiceError:
    """The error with which ``service`` turns away a request whose sender is not proven.

    ``message`` replaces the usual text where more can be said (never for S3's fixed texts of a wrong time).
    """
    column = 2 if service == "s3" else 1 if service in _QUERY_SERVICES else 0
    code, status, text = _REFUSALS[reason][column]
    return ServiceError(message or text, code=code, status=status)


def throttled(service: str) -> ServiceError:
    """The error with which ``service`` turns away a call that comes too soon; every AWS client tries it again later."""
    if service == "s3":
        return ServiceError("Please reduce your request rate.", code="SlowDown", status=503)
    if service == "braket":
        return ThrottlingException("Rate exceeded")
    return ThrottlingException("Rate exceeded", status=400)
