"""Request bodies: read whole up to a bound, or streamed and verified against what was signed.

S3 clients announce how the body is signed in ``x-amz-content-sha256``: by its SHA-256, not at all
(``UNSIGNED-PAYLOAD``), or as ``aws-chunked`` pieces with or without signatures of their own and with trailing headers
(AWS: "Signature calculations for the Authorization header: transferring a payload in multiple chunks").
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from hashlib import sha256
from typing import Any, Protocol

from braketeer.aws.errors import IncompleteBody, XAmzContentSHA256Mismatch, refused
from braketeer.domain.errors import RequestEntityTooLarge, ServiceError

UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-"
_STREAMS = {  # announced form -> (chunks are signed, trailers follow)
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": (False, True),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": (True, False),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": (True, True),
}
_LONGEST_LINE = 16 * 1024
_MISMATCH = "The provided 'x-amz-content-sha256' header does not match what was computed."


class ChunkSigner(Protocol):
    """Signs the pieces of a chunked body, in order, beginning from the request's own signature."""

    def chunk(self, digest: str) -> str:
        """The signature due for the next chunk, whose SHA-256 is ``digest`` (hex)."""

    def trailer(self, digest: str) -> str:
        """The signature due for the trailing headers."""


class RawBody:
    """The body as it comes off the wire; bytes are handed out once."""

    def __init__(self, receive: Callable[[], Awaitable[Any]], headers: dict[str, str]) -> None:
        self._receive = receive
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self.length = None if chunked else _size(headers.get("content-length", "")) or 0
        self.finished = self.length == 0
        self._came = 0
        self._awaits_continue = headers.get("expect", "").lower() == "100-continue"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes in the pieces they came in; IncompleteBody if the client leaves early."""
        while not self.finished:
            self._awaits_continue = False
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.finished = True
                raise IncompleteBody("You did not provide the number of bytes specified by the Content-Length header")
            piece = message.get("body", b"")
            self._came += len(piece)
            self.finished = not message.get("more_body", False)
            if piece:
                yield piece

    async def read(self, limit: int) -> bytes:
        """All of it; RequestEntityTooLarge if that is more than ``limit`` bytes."""
        return await _whole(self, self.length, limit)

    async def discard(self, limit: int) -> bool:
        """Read what is left, so that the connection can carry the next request.

        False if more than ``limit`` bytes remain, or if the client still waits to be told to send: then the connection
        must be closed.
        """
        if self.finished:
            return True
        if self._awaits_continue or self.length is None or self.length - self._came > limit:
            return False
        try:
            async for _ in self:
                pass
        except IncompleteBody:
            return False
        return True


class Payload:
    """A streamed body: iterate once for the decoded bytes.

    The iterator raises at the end, before it stops, when the body is not what was signed
    (XAmzContentSHA256Mismatch, SignatureDoesNotMatch) or not as long as announced (IncompleteBody): what was read so
    far must then be thrown away. So too when ``confirm`` raises, which is awaited at the end of a body that was still
    to come: its sender's key may be gone by then. ``length`` is the decoded size if it was announced. ``trailers``
    holds the trailing headers, lower-case names, once the iterator is exhausted.
    """

    def __init__(
        self,
        raw: RawBody,
        headers: dict[str, str],
        announced: str,
        signer: ChunkSigner,
        confirm: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._raw = raw
        self._announced = announced
        self._signer = signer
        self._confirm = confirm
        self.trailers: dict[str, str] = {}
        self.length = raw.length
        if announced.startswith(STREAMING):
            self.length = _size(headers.get("x-amz-decoded-content-length", ""))
            if self.length is None:
                message = "You must provide the x-amz-decoded-content-length HTTP header."
                raise ServiceError(message, code="MissingContentLength", status=411)
            if announced not in _STREAMS:
                raise ServiceError(
                    f"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, one of {', '.join(_STREAMS)}, or a SHA-256",
                    code="InvalidArgument",
                )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._chunked() if self._announced in _STREAMS else self._plain()
        size, awaited = 0, not self._raw.finished
        async for piece in pieces:
            size += len(piece)
            if self.length is not None and size > self.length:
                raise IncompleteBody("The request body is longer than its announced length")
            yield piece
        if self.length is not None and size != self.length:
            raise IncompleteBody("You did not provide the number of bytes specified by the Content-Length header")
        if awaited and self._confirm is not None:
            await self._confirm()

    async def read(self, limit: int) -> bytes:
        """All of it; RequestEntityTooLarge if that is more than ``limit`` bytes."""
        return await _whole(self, self.length, limit)

    async def _plain(self) -> AsyncIterator[bytes]:
        if self._announced == UNSIGNED:
            async for piece in self._raw:
                yield piece
            return
        digest = sha256()
        async for piece in self._raw:
            digest.update(piece)
            yield piece
        if digest.hexdigest() != self._announced:
            raise XAmzContentSHA256Mismatch(_MISMATCH)

    async def _chunked(self) -> AsyncIterator[bytes]:
        signed, trailing = _STREAMS[self._announced]
        reader = _LineReader(self._raw)
        while True:
            size, signature = _chunk_header(await reader.line())
            digest = sha256()
            left = size
            while left:
                piece = await reader.some(left)
                if signed:
                    digest.update(piece)
                left -= len(piece)
                yield piece
            if signed:
                _check(self._signer.chunk(digest.hexdigest()), signature)
            if size == 0:
                break
            if await reader.line():
                raise IncompleteBody("A chunk of the request body is longer than its announced size")
        if trailing:
            await self._read_trailers(reader, signed)
        async for _ in self._raw:  # what may follow the last chunk is an empty line
            pass

    async def _read_trailers(self, reader: _LineReader, signed: bool) -> None:
        text, signature, line = "", "", await reader.line()
        while line:
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            if name == "x-amz-trailer-signature":
                signature = value
            else:
                self.trailers[name] = value
                text += f"{name}:{value}\n"
            if len(text) > _LONGEST_LINE:
                raise IncompleteBody("The trailing headers are too large")
            line = await reader.line(optional=True)
        if signed:
            _check(self._signer.trailer(sha256(text.encode("latin-1")).hexdigest()), signature)


class _LineReader:
    """Lines and runs of bytes out of a body."""

    def __init__(self, raw: RawBody) -> None:
        self._pieces = raw.__aiter__()
        self._buffer = b""
        self._at = 0

    async def line(self, *, optional: bool = False) -> bytes:
        """The next line without its end; with ``optional`` the end of the body counts as an empty line."""
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            if len(self._buffer) - self._at > _LONGEST_LINE:
                raise IncompleteBody("The chunked request body has a line that is too long")
            if not await self._more():
                if optional and self._at == len(self._buffer):
                    return b""
                raise IncompleteBody("The chunked request body ends early")
        line = self._buffer[self._at : end]
        self._at = end + 1
        return line.removesuffix(b"\r")

    async def some(self, most: int) -> bytes:
        """One to ``most`` bytes."""
        if self._at == len(self._buffer) and not await self._more():
            raise IncompleteBody("The chunked request body ends early")
        piece = self._buffer[self._at : self._at + most]
        self._at += len(piece)
        return piece

    async def _more(self) -> bool:
        piece = await anext(self._pieces, b"")
        self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return bool(piece)


def _size(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


async def _whole(pieces: AsyncIterable[bytes], length: int | None, limit: int) -> bytes:
    size, kept = length or 0, []
    if size <= limit:
        size = 0
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                break
            kept.append(piece)
    if size > limit:
        raise RequestEntityTooLarge(f"The request body is larger than {limit} bytes")
    return b"".join(kept)


def _check(due: str, given: str) -> None:
    if not hmac.compare_digest(due.encode(), given.encode()):
        raise refused("mismatch", "s3")


def _chunk_header(line: bytes) -> tuple[int, str]:
    """``400;chunk-signature=ab...`` as size and signature."""
    size, _, extension = line.decode("latin-1").partition(";")
    try:
        number = int(size.strip(), 16)
    except ValueError:
        number = -1
    if number < 0 or len(size) > 16:
        raise IncompleteBody("The chunked request body has a chunk without a size")
    return number, extension.strip().removeprefix("chunk-signature=")
