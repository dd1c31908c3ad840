"""What leaves a connection, and when one that nobody uses ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from braketeer.aws.connections import MOST_HELD_BYTES, BoundedHttp

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it, write by write."""

    def __init__(self, end: bytes = b"\r\n\r\n") -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed, self.complete = asyncio.Event(), asyncio.Event()
        self._end = end

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))
        if b"".join(self.writes).endswith(self._end):
            self.complete.set()

    def close(self) -> None:
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def answering(*pieces: bytes) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        length = str(sum(map(len, pieces))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})

    return app


def connection(app: Any, wire: Wire, **options: Any) -> BoundedHttp:
    config = Config(app, lifespan="off", log_config=None, access_log=False, **options)
    config.load()
    protocol = BoundedHttp(config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(wire)
    return protocol


@pytest.mark.parametrize("pieces", [(b"a body",), (b"two ", b"pieces"), (b"",)])
def test_an_answer_leaves_in_one_piece(pieces: tuple[bytes, ...]) -> None:
    """A client that gets a head without a body could take it for an answer without members."""

    async def exchange() -> list[bytes]:
        wire = Wire(b"\r\n\r\n" + b"".join(pieces))
        protocol = connection(answering(*pieces), wire)
        protocol.data_received(REQUEST)
        await asyncio.wait_for(wire.complete.wait(), 30)
        protocol.connection_lost(None)
        return wire.writes

    (sent,) = asyncio.run(exchange())
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent.endswith(b"\r\n\r\n" + b"".join(pieces))


def test_a_long_answer_does_not_wait_until_it_is_whole() -> None:
    async def exchange() -> list[bytes]:
        wire = Wire(b"end")
        protocol = connection(answering(b"x" * MOST_HELD_BYTES, b"end"), wire)
        protocol.data_received(REQUEST)
        await asyncio.wait_for(wire.complete.wait(), 30)
        protocol.connection_lost(None)
        return wire.writes

    assert len(asyncio.run(exchange())) == 2


@pytest.mark.parametrize("sent", [b"", REQUEST])
def test_an_idle_connection_is_closed(sent: bytes) -> None:
    """One that never asks anything, too."""

    async def idle() -> None:
        wire = Wire()
        protocol = connection(answering(b"body"), wire, timeout_keep_alive=0.02)
        if sent:
            protocol.data_received(sent)
        await asyncio.wait_for(wire.closed.wait(), 30)
        protocol.connection_lost(None)

    asyncio.run(idle())
