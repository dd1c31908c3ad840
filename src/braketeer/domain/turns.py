"""Turns at something of which there is little: accounts that wait for it get it round robin."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """``async with turns.of(account, rank)``: at most ``at_once`` at a time.

    When one ends, the next account has it, however many wait in another; within an account the lowest rank.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[str, list[tuple[int, int, asyncio.Future[None]]]] = {}  # the next account comes first
        self._arrivals = 0

    def waiting(self, account: str) -> int:
        """How many of the account wait."""
        return sum(not turn.done() for _, _, turn in self._waiting.get(account, ()))

    @asynccontextmanager
    async def of(self, account: str, rank: int = 0) -> AsyncIterator[None]:
        await self._take(account, rank)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, account: str, rank: int) -> None:
        if self._free > 0:  # then nobody waits
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        heapq.heappush(self._waiting.setdefault(account, []), (rank, self._arrivals, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given in vain
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            account = next(iter(self._waiting))
            line = self._waiting.pop(account)
            turn = heapq.heappop(line)[2]
            if line:
                self._waiting[account] = line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
