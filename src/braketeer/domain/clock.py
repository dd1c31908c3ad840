"""Service time: the clock that windows, life cycles and time stamps go by.

Real time (signatures, leases, heartbeats) never comes from here; see design notes in docs/architecture.md.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
FARTHEST_MS = 4_102_444_800_000  # 2100-01-01: no service time lies beyond it


class Clock(Protocol):
    """Service time in milliseconds since the epoch."""

    def now_ms(self) -> int: ...


class SystemClock:
    """Service time is the machine's time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class VirtualClock:
    """Service time is the machine's time plus an offset that only grows, so that a night can pass in a second."""

    def __init__(self, offset_ms: int = 0) -> None:
        self.offset_ms = offset_ms

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self.offset_ms

    def move_to(self, offset_ms: int) -> bool:
        """Take over an offset that is further ahead; whether it was."""
        if offset_ms <= self.offset_ms:
            return False
        self.offset_ms = offset_ms
        return True


def iso(epoch_ms: int) -> str:
    """``YYYY-MM-DDTHH:mm:ss.sssZ``: 24 characters, the longest that the SDK's result schema takes."""
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"
