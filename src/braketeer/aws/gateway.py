"""The request path: from an HTTP request to an operation of a service, and from its outcome to an answer.

``Gateway._serve`` is the path, step by step; ``Gateway._answer`` is how errors become answers. No service is known
here: the operations are handed in.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

from botocore import xform_name
from botocore.model import OperationModel

from braketeer.aws import foreign, json_rpc, query, rest_json, rest_xml
from braketeer.aws.errors import UnknownOperation, refused, throttled
from braketeer.aws.injected import injected
from braketeer.aws.likely import is_form, likely_api, unsigned_operation
from braketeer.aws.messages import Answer, Request, send_answer
from braketeer.aws.model import Api
from braketeer.aws.payload import Payload, RawBody
from braketeer.aws.rest import places
from braketeer.aws.routes import Match
from braketeer.aws.signatures import (
    ChunkSignatures,
    Claim,
    MalformedClaim,
    announced_payload,
    older_query_headers,
    read_claim,
    verify,
)
from braketeer.aws.validation import validate
from braketeer.domain import audit
from braketeer.domain.accounts import AccessKey, Caller, authorise
from braketeer.domain.errors import InternalServiceException, NotImplementedHere, ServiceError
from braketeer.domain.faults import Fault
from braketeer.domain.ids import fresh_uuid

FindKey = Callable[[str], Awaitable[AccessKey | None]]
# (account, service, operation) -> whether the call may be made now.
Admits = Callable[[str, str, str], bool]
# (account, service, operation) -> the fault on purpose that the call meets, if any.
FaultOf = Callable[[str, str, str], Awaitable[Fault | None]]
Operation = Callable[[Caller, dict[str, Any]], Awaitable[dict[str, Any] | None]]

_PROTOCOLS: dict[str, Any] = {"rest-json": rest_json, "json": json_rpc, "query": query, "rest-xml": rest_xml}
_LARGE = 64 * 1024
_MANY = 100  # items of a list; an answer with more is written in a thread
_MOST_UNSIGNED_FORM = 64 * 1024
_MOST_FORM = 256 * 1024
_log = logging.getLogger(__name__)


@dataclass
class _Exchange:
    """One request on its way; ``payload`` is S3's body, ``service`` and ``api`` its service once that is known.

    What comes after ``source``, the address it came from, is for the audit: filled in as it becomes known.
    """

    id: str
    request: Request
    raw: RawBody
    service: str = ""
    api: Api | None = None
    payload: Payload | None = None
    source: str = ""
    caller: Caller | None = None
    operation: str = ""
    members: Mapping[str, Any] = field(default_factory=dict)
    outcome: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


class Gateway:
    """The ASGI application that speaks AWS.

    ``operations`` maps a service's signing name to the object whose methods are its operations in snake case, each
    ``async (caller, members) -> members``. ``find_key`` looks up an access key. ``clock`` is real time in epoch
    seconds. Bodies other than streamed uploads may have ``max_body`` bytes. A host name that ends in one of ``hosts``
    carries an S3 bucket in front (``bucket.localhost``). ``admits`` says whether an account may make a call now;
    without it nothing is throttled. ``fault_of`` gives the fault that a call is to meet on purpose. ``record`` keeps a
    line about each call that changes something, refused or not, before its answer leaves.
    """

    def __init__(
        self,
        operations: Mapping[str, object],
        find_key: FindKey,
        clock: Callable[[], float] = time.time,
        max_body: int = 16 * 1024 * 1024,
        hosts: Collection[str] = ("localhost",),
        admits: Admits | None = None,
        record: audit.Record | None = None,
        fault_of: FaultOf | None = None,
    ) -> None:
        self._operations = dict(operations)
        self._apis = {name: Api.load(name) for name in operations}
        self._find_key = find_key
        self._clock = clock
        self._max_body = max_body
        self._hosts = tuple(hosts)
        self._admits = admits
        self._record = record
        self._fault_of = fault_of

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"The gateway answers HTTP, not {scope['type']}")
        request = Request.from_scope(scope, self._hosts)
        exchange = _Exchange(fresh_uuid(), request, RawBody(receive, request.headers))
        exchange.source = (scope.get("client") or ("",))[0]
        answer = await self._answer(exchange)
        await self._note(exchange, answer.status)
        answer.headers["x-amzn-requestid"] = exchange.id
        if not await exchange.raw.discard(self._max_body):
            answer.headers["connection"] = "close"
        await send_answer(answer, request.method, send)

    async def _answer(self, exchange: _Exchange) -> Answer:
        """How errors become answers: a ServiceError in its service's words, anything else without details."""
        try:
            try:
                return await self._serve(exchange)
            except ServiceError as error:
                exchange.error = error.code
                return self._refusal(exchange, error)
        except Exception:  # noqa: BLE001  whatever goes wrong inside, the client gets an answer
            _log.exception("Request %s failed: %s %s", exchange.id, exchange.request.method, exchange.request.path)
            text = f"The service failed to answer. Its log says more about request {exchange.id}."
            exchange.error = InternalServiceException.__name__
            return self._refusal(exchange, InternalServiceException(text))

    async def _serve(self, exchange: _Exchange) -> Answer:
        """The path of a request; each step raises a ServiceError if it goes no further."""
        request = exchange.request
        claim = await self._claim(exchange)
        exchange.service = claim.service
        api = exchange.api = self._service(claim)
        key = await self._authenticate(claim, api, exchange)
        caller = exchange.caller = _caller(claim, key, exchange)
        protocol = _PROTOCOLS[api.protocol]
        match: Match = await _run(len(request.body), partial(protocol.find, api, request))  # a form names it inside
        exchange.operation = match.operation.name
        exchange.members = match.labels  # what a refusal is about, for the audit
        authorise(caller, api.name, match.operation.name)
        if self._admits is not None and not self._admits(caller.account, api.name, match.operation.name):
            raise throttled(api.name)
        if self._fault_of is not None and (fault := await self._fault_of(caller.account, api.name, exchange.operation)):
            raise injected(api, fault)
        operation = self._operation(api, match.operation)
        members = exchange.members = await self._members(protocol, match, exchange)
        outcome = exchange.outcome = await operation(caller, members) or {}
        if _is_long(outcome):
            return await asyncio.to_thread(_serialise, protocol, api, match.operation, outcome, exchange.id)
        return _serialise(protocol, api, match.operation, outcome, exchange.id)

    async def _note(self, exchange: _Exchange, status: int) -> None:
        """A line for the audit, where somebody has proven who they are and asked for a change."""
        caller, operation = exchange.caller, exchange.operation
        if self._record is not None and caller is not None and operation and audit.is_kept(operation):
            about = audit.resource(exchange.members, exchange.outcome)
            await self._record(caller, exchange.service, operation, about, status, exchange.error, exchange.source)

    async def _claim(self, exchange: _Exchange) -> Claim:
        """Who the request says has sent it, for which service and region."""
        request = exchange.request
        try:
            claim = read_claim(request)
        except MalformedClaim as error:
            raise refused("incomplete", likely_api(self._apis, request).name, str(error)) from None
        if claim is None:
            if request.method == "POST" and request.headers.get("content-type", "").startswith("multipart/form-data"):
                raise NotImplementedHere("Uploads by a form (POST policy) are not available: use a presigned PutObject")
            if is_form(request):
                request.body = await exchange.raw.read(_MOST_UNSIGNED_FORM)
                if operation := unsigned_operation(self._apis, request):
                    raise NotImplementedHere(f"Braketeer does not have the operation {operation.name}")
            raise refused("missing", likely_api(self._apis, request).name)
        return claim

    def _service(self, claim: Claim) -> Api:
        """The service that the credential scope names."""
        if api := self._apis.get(claim.service):
            return api
        served = ", ".join(sorted(self._apis))
        raise UnknownOperation(f"Braketeer does not serve {claim.service!r}; it serves {served}")

    async def _authenticate(self, claim: Claim, api: Api, exchange: _Exchange) -> AccessKey:
        """The key whose signature the request carries. What signs its body is read first; S3 announces its hash.

        A client may take its time over a body, so the key is looked up before it and again after it.
        """
        request = exchange.request
        key = await self._known_key(claim)
        announced = announced_payload(claim, request)
        if announced is None:
            if not exchange.raw.finished:
                request.body = await exchange.raw.read(_MOST_FORM if api.protocol == "query" else self._max_body)
                key = await self._known_key(claim)
            announced = await _run(len(request.body), lambda: sha256(request.body).hexdigest())
        else:
            signer = ChunkSignatures(claim, key)
            confirm = partial(self._known_key, claim)
            exchange.payload = Payload(exchange.raw, request.headers, announced, signer, confirm)
        verify(claim, request, announced, key, self._clock())
        if claim.form == "older query":
            request.headers = older_query_headers(request) | request.headers
        return key

    async def _known_key(self, claim: Claim) -> AccessKey:
        """The key that a claim names, if it is there now."""
        key = await self._find_key(claim.key_id)
        if key is None:
            raise refused("unknown key", claim.service)
        return key

    def _operation(self, api: Api, operation: OperationModel) -> Operation:
        """The service's method for an operation."""
        service = self._operations[api.name]
        method: Operation | None = getattr(service, xform_name(operation.name), None)
        if method is None:
            names = sorted(name for name in api.operation_names if hasattr(service, xform_name(name)))
            raise NotImplementedHere(
                f"Braketeer does not have the operation {operation.name} of {api.name}; it has {', '.join(names)}"
            )
        return method

    async def _members(self, protocol: Any, match: Match, exchange: _Exchange) -> dict[str, Any]:
        """The request's members, parsed and valid; a streaming body is handed on unread."""
        request, payload, shape = exchange.request, exchange.payload, match.operation.input_shape
        streamed = match.operation.has_streaming_input
        if payload is not None and not streamed:
            request.body = await payload.read(self._max_body)

        def parse_and_validate() -> dict[str, Any]:
            found: dict[str, Any] = protocol.parse(match, request)
            if payload is not None and shape is not None and streamed:
                found[places(shape).payload or "Body"] = b""  # there, but still on its way
            validate(shape, found)
            return found

        members: dict[str, Any] = await _run(len(request.body), parse_and_validate)
        if payload is not None and shape is not None and streamed:
            members[places(shape).payload or "Body"] = payload
            if payload.length is not None:
                members["ContentLength"] = payload.length
        return members

    def _refusal(self, exchange: _Exchange, error: ServiceError) -> Answer:
        request, api = exchange.request, exchange.api
        if api is None:
            foreign_answer = foreign.error_answer(error, exchange.service, request, exchange.id)
            if foreign_answer is not None:
                return foreign_answer
            api = likely_api(self._apis, request, exchange.service)
        answer: Answer = _PROTOCOLS[api.protocol].error_answer(api, error, request, exchange.id)
        return answer


def _caller(claim: Claim, key: AccessKey, exchange: _Exchange) -> Caller:
    headers = exchange.request.headers
    return Caller(
        account=key.account,
        region=claim.region,
        key_id=key.id,
        role=key.role,
        request_id=exchange.id,
        endpoint=f"{exchange.request.scheme}://{headers.get('host', '')}",
        user_agent=headers.get("user-agent", ""),
        job_id=key.job_id,
    )


def _is_long(value: Any) -> bool:
    """Whether writing an outcome would hold other requests up: it has a list of many items."""
    if isinstance(value, dict):
        return any(_is_long(item) for item in value.values())
    return isinstance(value, list | tuple) and len(value) > _MANY


def _serialise(protocol: Any, api: Api, operation: OperationModel, outcome: dict[str, Any], request_id: str) -> Answer:
    """The outcome as an answer; ``__status__`` and ``__headers__`` in it override what the model says."""
    members = {name: value for name, value in outcome.items() if not name.startswith("__")}
    answer: Answer = protocol.serialise(api, operation, members, request_id)
    answer.status = outcome.get("__status__", answer.status)
    answer.headers.update({name.lower(): value for name, value in outcome.get("__headers__", {}).items()})
    return answer


async def _run(size: int, work: Callable[[], Any]) -> Any:
    """Do the work on ``size`` bytes; on many of them in a thread, so that other requests go on."""
    return await asyncio.to_thread(work) if size > _LARGE else work()
