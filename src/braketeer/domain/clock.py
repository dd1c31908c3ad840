"""Service time: the clock that windows, life cycles and time stamps go by.

Real time (signatures, leases, heartbeats) never comes from here; see design notes in docs/architecture.md.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS


class Clock(Protocol):
    """Service time in milliseconds since the epoch."""

    def now_ms(self) -> int: ...


class SystemClock:
    """Service time is the machine's time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


def iso(epoch_ms: int) -> str:
    """``YYYY-MM-DDTHH:mm:ss.sssZ``: 24 characters, the longest that the SDK's result schema takes."""
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"
