"""Which service's words an error takes when the request does not say properly which service it is for."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.model import OperationModel

from braketeer.aws.errors import MalformedRequest
from braketeer.aws.messages import Request
from braketeer.aws.model import Api

_FORM = "application/x-www-form-urlencoded"
# Services beside S3 whose clients read rest-xml; nothing in their requests tells them from those that read rest-json.
_READ_XML = frozenset({"cloudfront", "route53", "s3", "s3express", "s3-object-lambda", "s3-outposts"})


def likely_api(apis: Mapping[str, Api], request: Request, service: str = "") -> Api:
    """The service whose protocol the sender of a request probably reads.

    ``service`` is the one that its credential scope names, which is not served; empty where no scope can be read.
    """
    headers = request.headers
    if "x-amz-target" in headers:
        protocol = "json"
    elif headers.get("content-type", "").startswith(_FORM):
        protocol = "query"
    elif service:
        protocol = "rest-xml" if service in _READ_XML else "rest-json"
    elif "x-amz-content-sha256" in headers:
        protocol = "rest-xml"
    elif "authorization" in headers or _is_of_braket(apis.get("braket"), request):
        protocol = "rest-json"
    else:
        protocol = "rest-xml"
    of_protocol = (api for api in apis.values() if api.protocol == protocol)
    return next(of_protocol, next(iter(apis.values())))


def is_form(request: Request) -> bool:
    """Whether the body, once it is read, is the form of a query service."""
    return request.method == "POST" and request.headers.get("content-type", "").startswith(_FORM)


def unsigned_operation(apis: Mapping[str, Api], request: Request) -> OperationModel | None:
    """The operation of a form that AWS takes without a signature, if it names one (AssumeRoleWithWebIdentity)."""
    try:
        name = dict(request.form).get("Action", "")
    except MalformedRequest:
        return None
    for api in apis.values():
        operation = api.operation(name) if api.protocol == "query" else None
        if operation is not None and operation.auth_type == "none":
            return operation
    return None


def _is_of_braket(api: Api | None, request: Request) -> bool:
    try:
        return api is not None and (request.path == "/" or api.routes.find(request, request.path) is not None)
    except MalformedRequest:
        return False
