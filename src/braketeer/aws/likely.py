"""Which service's words an error takes when the request does not say properly which service it is for."""

from __future__ import annotations

from collections.abc import Mapping

from braketeer.aws.errors import MalformedRequest
from braketeer.aws.messages import Request
from braketeer.aws.model import Api


def likely_api(apis: Mapping[str, Api], request: Request) -> Api:
    """The service whose protocol the sender of an unsigned request, or one for a service not served, probably reads."""
    headers = request.headers
    if "x-amz-target" in headers:
        protocol = "json"
    elif headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        protocol = "query"
    elif "x-amz-content-sha256" in headers:
        protocol = "rest-xml"
    elif "authorization" in headers or _is_of_braket(apis.get("braket"), request):
        protocol = "rest-json"
    else:
        protocol = "rest-xml"
    of_protocol = (api for api in apis.values() if api.protocol == protocol)
    return next(of_protocol, next(iter(apis.values())))


def _is_of_braket(api: Api | None, request: Request) -> bool:
    try:
        return api is not None and (request.path == "/" or api.routes.find(request, request.path) is not None)
    except MalformedRequest:
        return False
