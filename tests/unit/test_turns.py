"""Turns of accounts at what there is little of."""

from __future__ import annotations

import asyncio

from braketeer.domain.turns import Turns


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_accounts_take_turns_and_the_oldest_of_each_comes_first() -> None:
    async def run() -> list[str]:
        turns, had, begin = Turns(1), [], asyncio.Event()

        async def use(account: str, rank: int) -> None:
            async with turns.of(account, rank):
                await begin.wait()
                had.append(f"{account}{rank}")

        names = [("a", 0), ("a", 3), ("a", 2), ("a", 1), ("b", 5), ("b", 4), ("c", 6)]
        tasks = []
        for name in names:
            tasks.append(asyncio.create_task(use(*name)))
            await _settle()
        begin.set()
        await asyncio.gather(*tasks)
        return had

    assert asyncio.run(run()) == ["a0", "a1", "b4", "c6", "a2", "b5", "a3"]


def test_a_turn_is_not_lost_with_whoever_waited_for_it() -> None:
    async def run() -> int:
        turns, most, now = Turns(2), 0, 0

        async def use(number: int) -> None:
            nonlocal most, now
            async with turns.of(str(number % 3), number):
                now += 1
                most = max(most, now)
                try:
                    await asyncio.sleep(0)
                finally:
                    now -= 1

        tasks = [asyncio.create_task(use(number)) for number in range(60)]
        for number, task in enumerate(tasks):
            await asyncio.sleep(0)
            if number % 2:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(10), turns.of("d"), turns.of("d"):
            return most

    assert asyncio.run(run()) == 2
