"""Who has sent a request that is signed for a service which no AWS model describes: the operator's API."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any

from braketeer.aws.errors import refused
from braketeer.aws.messages import Request
from braketeer.aws.signatures import MalformedClaim, read_claim, verify
from braketeer.domain.accounts import AccessKey, Caller


class Verifier:
    """``await verifier(scope, body, request_id)`` is the Caller whose key has signed an ASGI request for ``service``.

    Otherwise the error that AWS's JSON services answer with. Only the Authorization header counts: a link that anybody
    can pass on is no way to operate a service. ``clock`` is real time in epoch seconds.
    """

    def __init__(
        self,
        service: str,
        find_key: Callable[[str], Awaitable[AccessKey | None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._find_key = find_key
        self._clock = clock

    async def __call__(self, scope: Mapping[str, Any], body: bytes, request_id: str) -> Caller:
        request = Request.from_scope(scope)
        try:
            claim = read_claim(request)
        except MalformedClaim as error:
            raise refused("incomplete", self._service, str(error)) from None
        if claim is None:
            raise refused("missing", self._service)
        if claim.form != "header":
            raise refused("incomplete", self._service, "The signature must be in the Authorization header.")
        if claim.service != self._service:
            text = f"Credential should be scoped to correct service: '{self._service}'."
            raise refused("mismatch", self._service, text)
        found = await self._find_key(claim.key_id)
        key = verify(claim, request, sha256(body).hexdigest(), found, self._clock())
        return Caller(
            account=key.account,
            region=claim.region,
            key_id=key.id,
            role=key.role,
            request_id=request_id,
            endpoint=f"{request.scheme}://{request.headers.get('host', '')}",
            user_agent=request.headers.get("user-agent", ""),
            job_id=key.job_id,
        )
