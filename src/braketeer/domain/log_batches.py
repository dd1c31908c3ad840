"""What CloudWatch Logs takes in one PutLogEvents, and which events of it are too old or too new to be kept.

Source: the API reference of PutLogEvents, and the words in which clients report its refusals.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from braketeer.domain.clock import DAY_MS, HOUR_MS

MOST_BYTES = 2**20
MOST_EVENT_BYTES = 2**18
BYTES_BESIDE_A_MESSAGE = 26  # CloudWatch counts them to each event
OLDEST_MS = 14 * DAY_MS
NEWEST_MS = 2 * HOUR_MS


class BatchRefused(ValueError):
    """The batch cannot be taken at all; the text says why in CloudWatch's words."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The events to keep, and the indexes that ``rejectedLogEventsInfo`` tells: each end is exclusive."""

    kept: Sequence[tuple[int, str]]
    too_old_end: int | None
    expired_end: int | None
    too_new_start: int | None

    def rejected(self) -> dict[str, int]:
        """``rejectedLogEventsInfo``; empty where every event is kept."""
        found = {
            "tooOldLogEventEndIndex": self.too_old_end,
            "expiredLogEventEndIndex": self.expired_end,
            "tooNewLogEventStartIndex": self.too_new_start,
        }
        return {name: index for name, index in found.items() if index is not None}


def look_over(events: Sequence[tuple[int, str]]) -> None:
    """Raise BatchRefused unless the events (timestamp in ms, text) are in order, within a day and not too large."""
    if any(earlier > later for (earlier, _), (later, _) in pairwise(events)):
        raise BatchRefused("Log events in a single PutLogEvents request must be in chronological order.")
    if events[-1][0] - events[0][0] > DAY_MS:
        raise BatchRefused("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    sizes = [len(text.encode("utf-8", "replace")) + BYTES_BESIDE_A_MESSAGE for _, text in events]
    if max(sizes) > MOST_EVENT_BYTES:
        raise BatchRefused(f"Log event too large: {max(sizes)} bytes exceeds limit of {MOST_EVENT_BYTES}")
    if sum(sizes) > MOST_BYTES:
        raise BatchRefused(f"Upload too large: {sum(sizes)} bytes exceeds limit of {MOST_BYTES}")


def sort_out(events: Sequence[tuple[int, str]], now_ms: int, retention_days: int | None) -> Batch:
    """Which of the events are kept: none older than 14 days or than the group keeps, none over 2 hours ahead."""
    times = [timestamp for timestamp, _ in events]
    too_old = bisect_left(times, now_ms - OLDEST_MS)
    expired = bisect_left(times, now_ms - retention_days * DAY_MS) if retention_days is not None else 0
    too_new = bisect_right(times, now_ms + NEWEST_MS)
    return Batch(
        events[max(too_old, expired) : too_new],
        too_old or None,
        expired or None,
        too_new if too_new < len(times) else None,
    )
