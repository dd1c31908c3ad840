"""Errors as answers: what a service raises is what a client reads.

The class name is the error code on the wire (header ``x-amzn-ErrorType``); ``status`` is the HTTP status that
botocore's Braket model gives the shape, or what the AWS front door uses where the model has none.
"""

from __future__ import annotations

from typing import Any


class ServiceError(Exception):
    """An error answer.

    ``code`` is the error name on the wire, ``status`` the HTTP status, ``message`` the text; ``members`` are further
    members of the modelled error shape (such as ``reason`` of ValidationException).
    """

    status = 400
    code = ""

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None, **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code or type(self).__name__
        self.status = status or self.status
        self.members = members


class ValidationException(ServiceError):
    """The request's meaning is wrong (400)."""


class BadRequestException(ServiceError):
    """The request breaks the schema: the real front door answers this with "Invalid request body" (400)."""


class AccessDeniedException(ServiceError):
    status = 403


class ResourceNotFoundException(ServiceError):
    status = 404


class ConflictException(ServiceError):
    status = 409


class DeviceRetiredException(ServiceError):
    status = 410


class DeviceOfflineException(ServiceError):
    status = 424


class ServiceQuotaExceededException(ServiceError):
    status = 402


class RequestEntityTooLarge(ServiceError):
    status = 413


class ThrottlingException(ServiceError):
    status = 429


class InternalServiceException(ServiceError):
    status = 500


class ServiceUnavailableException(ServiceError):
    """Nothing is wrong with the request; it may be sent again (503)."""

    status = 503


class NotImplementedHere(ServiceError):
    """AWS has it, Braketeer has not: the message says what is missing (501, which no client retries)."""

    code = "NotImplemented"
    status = 501
