"""Throttling: how many calls of an operation an account may make, by token buckets. Off unless the operator asks.

A bucket holds up to ``burst`` tokens and is refilled at ``rate`` tokens a second of real time; a call takes one. Each
service process has buckets of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

ALL = "all"
_FEWEST_SWEPT = 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """``rate`` calls a second in the long run, ``burst`` at once after a pause."""

    rate: float
    burst: float

    def __post_init__(self) -> None:
        if not (0 < self.rate < math.inf and 1 <= self.burst < math.inf):
            raise ValueError(f"a rate must be above 0 and a burst at least 1, not {self.rate} and {self.burst}")


# The limits of an operation, by ``service:Operation``; ``service:all`` counts all operations of that service together.
Limits = Mapping[str, Rate]

# Amazon Braket's quotas page, "API rate limits": a second, and at once. Where the page has no burst, it is the rate's.
BRAKET: Limits = {
    f"braket:{operation}": Rate(rate, burst)
    for operation, rate, burst in (
        (ALL, 140, 600),
        ("CreateQuantumTask", 20, 40),
        ("SearchQuantumTasks", 5, 50),
        ("GetQuantumTask", 100, 500),
        ("CancelQuantumTask", 2, 20),
        ("GetDevice", 5, 50),
        ("SearchDevices", 5, 50),
        ("CreateJob", 1, 5),
        ("SearchJobs", 5, 50),
        ("GetJob", 5, 25),
        ("CancelJob", 2, 2),
    )
}


def limits_of(document: Mapping[str, Any]) -> Limits:
    """The limits that a TOML document names; ValueError, saying what is wrong, for any other document.

    ``[operations]`` has a line such as ``CreateQuantumTask = {rate = 20, burst = 40}`` for each; without a ``burst`` it
    is the rate, at least 1. ``all`` is all of Braket's operations together, ``"s3:PutObject"`` one of another service.
    """
    operations = document.get("operations")
    if not isinstance(operations, dict) or set(document) != {"operations"}:
        raise ValueError("it must have one table, [operations]")
    return {_full(name): _rate(name, value) for name, value in operations.items()}


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class Throttle:
    """``admits`` for the gateway. ``clock`` is real time in seconds that never goes back (``time.monotonic``)."""

    limits: Limits
    clock: Callable[[], float]
    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)
    _sweep_at: int = _FEWEST_SWEPT

    def admits(self, account: str, service: str, operation: str) -> bool:
        """Whether the account may make this call now; if so, it is counted."""
        now = self.clock()
        if len(self._buckets) >= self._sweep_at:
            self._forget_idle(now)
        wanted = [
            (self._bucket((account, name), limit, now))
            for name in (f"{service}:{operation}", f"{service}:{ALL}")
            if (limit := self.limits.get(name)) is not None
        ]
        if any(bucket.tokens < 1 for bucket in wanted):
            return False
        for bucket in wanted:
            bucket.tokens -= 1
        return True

    def _bucket(self, key: tuple[str, str], limit: Rate, now: float) -> _Bucket:
        """The bucket as it is now."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(limit.burst, now)
        bucket.tokens = min(limit.burst, bucket.tokens + (now - bucket.at) * limit.rate)
        bucket.at = now
        return bucket

    def _forget_idle(self, now: float) -> None:
        """Drop the buckets that are full again: new ones are like them. The next sweep waits for twice as many."""
        for key, bucket in list(self._buckets.items()):
            limit = self.limits[key[1]]
            if bucket.tokens + (now - bucket.at) * limit.rate >= limit.burst:
                del self._buckets[key]
        self._sweep_at = max(_FEWEST_SWEPT, 2 * len(self._buckets))


def _full(name: str) -> str:
    return name if ":" in name else f"braket:{name}"


def _rate(name: str, value: Any) -> Rate:
    if not isinstance(value, dict) or not {"rate"} <= set(value) <= {"rate", "burst"}:
        raise ValueError(f"{name} must be a table of rate and burst, such as {{rate = 20, burst = 40}}")
    rate, burst = value["rate"], value.get("burst")
    numbers = [rate] if burst is None else [rate, burst]
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        raise ValueError(f"{name}: rate and burst must be numbers")
    try:
        return Rate(float(rate), float(max(1, rate) if burst is None else burst))
    except (ValueError, OverflowError) as problem:
        raise ValueError(f"{name}: {problem}") from problem
