"""Service time: asking for it, and advancing it where the service was started with a virtual clock."""

from __future__ import annotations

from typing import Any

from braketeer.admin.routes import Asked, Route
from braketeer.domain.clock import FARTHEST_MS, Clock, iso
from braketeer.domain.errors import ConflictException
from braketeer.store.service_time import ServiceTime


class ServiceClock:
    """``time`` is None where service time is the machine's."""

    def __init__(self, clock: Clock, time: ServiceTime | None) -> None:
        self._clock = clock
        self._time = time

    def routes(self) -> list[Route]:
        return [
            Route("GET", "clock", "GetClock", self.show),
            Route("POST", "clock/advance", "AdvanceClock", self.advance),
        ]

    async def show(self, asked: Asked) -> dict[str, Any]:
        now = self._clock.now_ms()
        offset = self._time.clock.offset_ms if self._time is not None else 0
        return {
            "clock": "real" if self._time is None else "virtual",
            "now": iso(now),
            "now_ms": now,
            "ahead_ms": offset,
        }

    async def advance(self, asked: Asked) -> dict[str, Any]:
        """One jump by ``milliseconds``, never backwards. ConflictException where the clock is real."""
        asked.body.allow("milliseconds")
        span = asked.body.whole("milliseconds", 0, 10 * FARTHEST_MS)
        if self._time is None:
            raise ConflictException(
                "Service time is this machine's time here; start the service with --clock virtual to advance it"
            )
        await self._time.advance(span)
        return await self.show(asked)
