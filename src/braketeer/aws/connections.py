"""HTTP/1.1 connections: uvicorn's, with bounds on what comes before a body, which anybody may send.

uvicorn and its parser have none: headers without end would be kept in memory, and joining them would hold everybody up.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, TimerHandle, Transport
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# S3 allows 8 KiB of headers and API Gateway 10 KiB; a session token of AWS's is some KiB long.
MOST_HEADERS = 200
MOST_HEADER_BYTES = 64 * 1024
# A key of S3 has 3 KiB at most when every byte of it is percent-encoded, a presigned request a few KiB more.
MOST_TARGET_BYTES = 16 * 1024
MOST_HELD_BYTES = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """One connection: a request whose target is too long is answered 414, one with too many headers, or trailing
    headers, 431, and one whose headers take more than ``header_seconds`` 408. Then the connection is closed.
    """

    header_seconds = 30.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_head = False
        self._header_bytes = 0
        self._unheard = 0  # bytes taken since the parser told of a request's beginning, its headers' end or its body
        self._deadline: TimerHandle | None = None
        self._refusal: tuple[int, str, str] | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(_InOnePiece(transport, self.loop))  # type: ignore[arg-type]
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_over()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The parser keeps a header until it is complete, so what comes meanwhile is counted here."""
        self._unheard += len(data)
        super().data_received(data)
        if self._unheard > MOST_HEADER_BYTES:
            self._refuse(*_too_many())
        elif self._in_head and self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.header_seconds, self._give_up)

    def on_message_begin(self) -> None:
        self._in_head = True
        self._unheard = self._header_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MOST_TARGET_BYTES:
            text = f"The request target is longer than {MOST_TARGET_BYTES} bytes"
            self._refusal = (414, "RequestUriTooLong", text)
            raise ValueError(text)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MOST_HEADER_BYTES or len(self.headers) > MOST_HEADERS:
            self._refusal = _too_many()
            raise ValueError(self._refusal[2])

    def on_headers_complete(self) -> None:
        self._head_is_over()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unheard = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """The parser has met what is not HTTP, or what this class has refused."""
        self._refuse(*(self._refusal or (400, "BadRequestException", msg)))

    def _head_is_over(self) -> None:
        self._in_head, self._unheard = False, 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._refuse(408, "RequestTimeout", f"The request's headers took more than {self.header_seconds:g} seconds")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer, unless the answer to a request has begun or may begin, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            body = orjson.dumps({"__type": code, "message": message})
            headers = {
                "content-type": "application/json",
                "content-length": len(body),
                "x-amzn-errortype": code,
                "connection": "close",
            }
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self.transport.write(STATUS_LINE[status] + lines.encode() + b"\r\n" + body)
        self.transport.close()


class _InOnePiece:
    """A transport that hands on in one piece what is written within one turn of the event loop.

    uvicorn writes an answer's head and body one after the other. A service that is killed between the two would leave
    a head alone, and botocore takes that for an answer without members.
    """

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MOST_HELD_BYTES:  # the transport says when it is too much
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))


def _too_many() -> tuple[int, str, str]:
    text = f"A request may have {MOST_HEADERS} headers and {MOST_HEADER_BYTES} bytes of them at most"
    return 431, "RequestHeaderSectionTooLarge", text
