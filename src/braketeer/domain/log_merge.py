"""Events of many streams in one order of time, while each stream is read a stretch at a time.

Each stream has a front: up to there (included) its matches are known. What lies at or before the front of every stream
is settled, and the stream that lags behind is the one to read next; one that begins late is not read before its turn.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

FIRST_ID, LAST_ID = 0, 2**62  # below and above the number of any event


class Place(NamedTuple):
    """Where an event stands in the order of events."""

    timestamp: int
    id: int


class Merge:
    """``lagging`` says which stream to read on from where, ``advance`` takes what was found, ``settled`` gives it out.

    ``streams`` are (number, front); with ``descending`` the order is turned round, fronts come down.
    """

    def __init__(self, streams: Iterable[tuple[int, Place]], descending: bool) -> None:
        self._sign = -1 if descending else 1
        self._fronts = [(self._key(front), stream) for stream, front in streams]
        self._found: list[Place] = []
        heapq.heapify(self._fronts)

    def lagging(self) -> tuple[int, Place] | None:
        """The stream to read next and its front; None when all are read to their ends."""
        if not self._fronts:
            return None
        front, stream = self._fronts[0]
        return stream, self._key(front)

    def add(self, stream: int, front: Place) -> None:
        """One more stream; its front is not before the front of the stream that lags behind."""
        heapq.heappush(self._fronts, (self._key(front), stream))

    def advance(self, found: Iterable[Place], front: Place | None) -> None:
        """The lagging stream was read on: ``found`` are its further matches, ``front`` is None at its end."""
        for place in found:
            heapq.heappush(self._found, self._key(place))
        if front is None:
            heapq.heappop(self._fronts)
        else:
            heapq.heapreplace(self._fronts, (self._key(front), self._fronts[0][1]))

    def settled(self) -> Iterable[Place]:
        """Take the matches that nothing can come before any more, in their order."""
        while self._found and (not self._fronts or self._found[0] <= self._fronts[0][0]):
            yield self._key(heapq.heappop(self._found))

    def _key(self, place: Place) -> Place:
        """The place as it is compared; the key of a key is the place."""
        return Place(self._sign * place.timestamp, self._sign * place.id)
