"""Ids that nobody has had before."""

from __future__ import annotations

import os
import threading
import time

_BYTES_AT_ONCE = 1000
_BYTES_OF_ONE = 10


def fresh_uuid() -> str:
    """A UUID of version 7 (RFC 9562): milliseconds of real time, then 74 random bits.

    Rows that are made together have ids that are near each other, so an index is written in few places. Randomness is
    fetched for many at once: each fetch leaves the interpreter, and getting back in may take a while.
    """
    global _pool  # noqa: PLW0603
    with _lock:
        if len(_pool) < _BYTES_OF_ONE:
            _pool = os.urandom(_BYTES_AT_ONCE)
        taken, _pool = _pool[:_BYTES_OF_ONE], _pool[_BYTES_OF_ONE:]
    when, text = f"{time.time_ns() // 1_000_000:012x}", taken.hex()
    return f"{when[:8]}-{when[8:12]}-7{text[1:4]}-{'89ab'[taken[2] >> 6]}{text[5:8]}-{text[8:]}"


def _forget() -> None:
    global _pool  # noqa: PLW0603
    _pool = b""


_lock = threading.Lock()
_pool = b""
os.register_at_fork(after_in_child=_forget)  # a child must not hand out what its parent does
