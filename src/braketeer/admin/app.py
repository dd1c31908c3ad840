"""The request path of what is served beside the AWS surface. Open to everybody: health and the price list. All else is
the operator's: signed (SigV4, service name ``braketeer``) with a key of role operator, JSON in and out.

Errors have AWS's rest-json form: the header ``x-amzn-ErrorType`` and ``{"__type": ..., "message": ...}``.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from braketeer.admin.routes import Asked, Members, MethodNotAllowed, Route, Table
from braketeer.domain import audit
from braketeer.domain.accounts import Caller, authorise
from braketeer.domain.errors import InternalServiceException, RequestEntityTooLarge, ServiceError, ValidationException
from braketeer.domain.ids import fresh_uuid

PREFIX = "/_braketeer/"
MOST_BYTES = 4 * 1024 * 1024
MOST_BYTES_UNREAD = 16 * 1024 * 1024

# (ASGI scope, body, request id) -> who has signed it; raises ServiceError.
Verify = Callable[[Mapping[str, Any], bytes, str], Awaitable[Caller]]
# What is served without a signature, by its path: the body and its content type.
Open = Mapping[str, Callable[[], tuple[bytes, str]]]

_log = logging.getLogger(__name__)


class Admin:
    """The ASGI application below ``/_braketeer/``."""

    def __init__(self, open_to_all: Open, routes: Iterable[Route], verify: Verify, record: audit.Record) -> None:
        self._open = open_to_all
        self._table = Table(routes)
        self._verify = verify
        self._record = record

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = _Exchange(Request(scope, receive), fresh_uuid())
        try:
            response = await self._answer(exchange)
        except ClientDisconnect:
            return
        await self._note(exchange, response.status_code)
        response.headers["x-amzn-requestid"] = exchange.id
        await response(scope, receive, send)

    async def _answer(self, exchange: _Exchange) -> Response:
        """How errors become answers."""
        try:
            return await self._respond(exchange)
        except ServiceError as error:
            exchange.error = error.code
            return _refusal(error)
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001  whatever goes wrong inside, the client gets an answer
            _log.exception("request %s failed: %s", exchange.id, exchange.request.scope["raw_path"])
            exchange.error = InternalServiceException.__name__
            text = f"The service failed to answer. Its log says more about request {exchange.id}."
            return _refusal(InternalServiceException(text))

    async def _respond(self, exchange: _Exchange) -> Response:
        """The path of a request; each step raises a ServiceError if it goes no further."""
        request = exchange.request
        path = request.scope["raw_path"].decode("latin-1").removeprefix(PREFIX)
        if (open_to_all := self._open.get(path)) is not None:
            if request.method not in ("GET", "HEAD"):
                raise MethodNotAllowed(f"{PREFIX}{path} answers GET, HEAD")
            content, media_type = open_to_all()
            return Response(content, media_type=media_type)
        body = await _body(request)
        caller = exchange.caller = await self._verify(request.scope, body, exchange.id)
        authorise(caller, "braketeer", path)  # before anything is said about what there is
        route, at = self._table.find(request.method, path)
        exchange.route, exchange.at = route, at
        members = exchange.members = _members(body)
        query = dict(request.query_params)
        if "\0" in "".join(query.values()):
            raise ValidationException("The query holds a NUL character")
        exchange.outcome = await route.answer(Asked(caller, at, query, members))
        return _json(exchange.outcome)

    async def _note(self, exchange: _Exchange, status: int) -> None:
        """A line for the audit about each call that is to change something, answered or refused."""
        caller, route, request = exchange.caller, exchange.route, exchange.request
        if caller is None or request.method == "GET":
            return
        outcome = exchange.outcome if isinstance(exchange.outcome, dict) else {}
        about = "/".join(exchange.at.values()) or audit.resource(exchange.members, outcome)
        operation = request.scope["raw_path"].decode("latin-1")[:120] if route is None else route.operation
        source = request.client.host if request.client is not None else ""
        await self._record(caller, "braketeer", operation, about, status, exchange.error, source)


@dataclass(slots=True)
class _Exchange:
    """One request on its way, and what the audit says of it once it is known."""

    request: Request
    id: str
    caller: Caller | None = None
    route: Route | None = None
    at: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)
    outcome: Any = None
    error: str | None = None


async def _body(request: Request) -> bytes:
    """The body; of one that is too long a little more is read and thrown away, as a client that is still sending when
    the connection is closed may lose the answer."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= MOST_BYTES:
            pieces.append(piece)
        elif size > MOST_BYTES + MOST_BYTES_UNREAD:
            break
    if size > MOST_BYTES:
        raise RequestEntityTooLarge(f"A request may have at most {MOST_BYTES} bytes")
    return b"".join(pieces)


def _members(body: bytes) -> Members:
    if not body:
        return Members()
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValidationException(f"The body is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise ValidationException("The body must be a JSON object")
    return Members(members)


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")


def _refusal(error: ServiceError) -> Response:
    headers = {"x-amzn-errortype": error.code}
    if error.status == RequestEntityTooLarge.status:
        headers["connection"] = "close"  # the rest of the body is not read
    return _json({"__type": error.code, "message": error.message, **error.members}, error.status, headers)
