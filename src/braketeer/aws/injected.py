"""Errors that an operator has ordered (domain/faults.py), as the service they are ordered for would answer them."""

from __future__ import annotations

from http import HTTPStatus

from braketeer.aws.errors import refused, throttled
from braketeer.aws.model import Api
from braketeer.domain.errors import ServiceError, ThrottlingException, ValidationException
from braketeer.domain.faults import EXPIRED, Fault

# What the front door of every service may answer, modelled or not.
_ANYWHERE = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "InternalServiceException": 500,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
} | dict.fromkeys(EXPIRED, 403)
# S3's model names few of its errors; these are more of its own, as its error table has them.
_OF_S3 = {
    "SlowDown": 503,
    "ServiceUnavailable": 503,
    "InternalError": 500,
    "RequestTimeout": 400,
    "TooManyBuckets": 400,
}


def injected(api: Api, fault: Fault) -> ServiceError:
    """The error that a call of this service meets."""
    code = fault.error or ThrottlingException.__name__
    if code in EXPIRED:
        return refused("expired token", api.name)
    if code == ThrottlingException.__name__ and fault.message is None:
        return throttled(api.name)
    status = _status(api, code) or 400
    return ServiceError(fault.message or HTTPStatus(status).phrase, code=code, status=status)


def check(served: frozenset[str], service: str | None, operation: str | None, code: str) -> None:
    """ValidationException, saying why, where a rule names calls or an error that there are not."""
    if service is None:
        if code not in _ANYWHERE:
            raise ValidationException(f"Of all operations, only {', '.join(_ANYWHERE)} can be ordered, not {code}")
        return
    if service not in served:
        raise ValidationException(f"Braketeer does not serve {service[:60]!r}; it serves {', '.join(sorted(served))}")
    api = Api.load(service)
    if operation is not None and api.operation(operation) is None:
        raise ValidationException(f"There is no operation {operation[:60]!r} of {service}")
    if _status(api, code) is None:
        known = {shape.name for shape in api.model.error_shapes} | set(_front_door(api))
        raise ValidationException(f"{code[:60]!r} is no error of {service}; these are: {', '.join(sorted(known))}")


def _status(api: Api, code: str) -> int | None:
    """The HTTP status of an error: the model's, or the front door's; None for an unknown one."""
    shape = api.error_shape(code)
    if shape is None:
        return _front_door(api).get(code)
    modelled = shape.metadata.get("error", {}).get("httpStatusCode")
    return int(modelled) if modelled else _front_door(api).get(code, 400)


def _front_door(api: Api) -> dict[str, int]:
    return _ANYWHERE | (_OF_S3 if api.name == "s3" else {})
