"""Requests and answers as HTTP has them, before any protocol has read them and after it has written them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote, unquote_plus

from braketeer.aws.errors import MalformedRequest

_MOST_PAIRS = 2000
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")


@dataclass
class Request:
    """One HTTP request.

    ``path`` and ``query`` are the raw target, still percent-encoded: signatures and routes depend on it. ``headers``
    have lower-case names; repeated headers are joined with commas, as the signature sees them. ``body`` is empty until
    it has been read, and stays so for a streaming upload.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    scheme: str = "http"
    bucket: str = ""

    @classmethod
    def from_scope(cls, scope: Any, hosts: Collection[str] = ()) -> Request:
        """The request of an ASGI ``http`` scope. ``bucket`` is what the host name has in front of one of ``hosts``.

        Bytes that are not UTF-8 become replacement characters, which no signature covers.
        """
        headers = joined_headers(scope["headers"])
        return cls(
            scope["method"],
            scope["raw_path"].decode(errors="replace"),
            scope["query_string"].decode(errors="replace"),
            headers,
            scheme=scope["scheme"],
            bucket=_bucket(headers.get("host", ""), hosts),
        )

    @cached_property
    def form(self) -> list[tuple[str, str]]:
        """The pairs of the query string and of the form in the body, which has been read; MalformedRequest if it is
        none."""
        try:
            return self.parameters + decoded_pairs(self.body.decode("ascii"))
        except UnicodeDecodeError:
            raise MalformedRequest("The form body is not percent-encoded") from None

    @cached_property
    def parameters(self) -> list[tuple[str, str]]:
        """The query string's pairs, decoded, in order; a key without ``=`` has the value ``""``."""
        return decoded_pairs(self.query)

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.parameters if key == name), None)


@dataclass
class Answer:
    """One HTTP answer. A streamed ``body`` needs a ``content-length`` among the headers, else it goes out chunked."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] = b""


async def send_answer(answer: Answer, method: str, send: Callable[[Any], Awaitable[None]]) -> None:
    """Send an answer over ASGI; the length of a body in one piece is added, a streamed one goes out piece by piece.

    Control characters in headers, which would end them, become spaces.
    """
    headers, body = answer.headers, answer.body
    bodiless = method == "HEAD" or answer.status in (204, 304)
    if isinstance(body, bytes) and not bodiless:
        headers.setdefault("content-length", str(len(body)))
    raw = [(name.encode("latin-1"), _CONTROLS.sub(" ", value).encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if isinstance(body, bytes):
        await send({"type": "http.response.body", "body": b"" if bodiless else body})
        return
    if not bodiless:
        async for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _bucket(host: str, hosts: Collection[str]) -> str:
    """What stands before the longest of ``hosts``; nothing where the name is one of them."""
    name = (host.rpartition(":")[0] if ":" in host else host).lower()
    if name in hosts:
        return ""
    found = (name[: -len(base) - 1] for base in hosts if name.endswith(f".{base}"))
    return min(found, key=len, default="")


def joined_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as one text a name: values trimmed, repeated ones joined by a comma in their order."""
    headers: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode().strip()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1").strip()
        if name in headers:
            repeated.setdefault(name, [headers[name]]).append(value)
        else:
            headers[name] = value
    headers.update((name, ",".join(values)) for name, values in repeated.items())
    return headers


def decoded(text: str) -> str:
    """A percent-encoded path part as text; MalformedRequest if its bytes are not UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise MalformedRequest("The request target holds percent-encoded bytes that are not UTF-8") from None


def decoded_pairs(text: str) -> list[tuple[str, str]]:
    """The pairs of a query string or form body, decoded; ``+`` is a space. MalformedRequest if they are not UTF-8, or
    more than any operation's."""
    if text.count("&") >= _MOST_PAIRS:
        raise MalformedRequest(f"A request may have {_MOST_PAIRS} parameters at most")
    pairs = []
    try:
        for part in text.split("&"):
            if part:
                key, _, value = part.partition("=")
                pairs.append((unquote_plus(key, errors="strict"), unquote_plus(value, errors="strict")))
    except UnicodeDecodeError:
        raise MalformedRequest("The parameters hold percent-encoded bytes that are not UTF-8") from None
    return pairs
