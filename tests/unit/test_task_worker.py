"""The process that computes gives way to the service, which answers requests meanwhile."""

import asyncio
import os

from braketeer.work.task_worker import NICENESS
from braketeer.work.workers import Worker


def test_a_worker_lets_the_service_go_first() -> None:
    async def niceness() -> int:
        worker = Worker()
        try:
            await worker.start()
            assert worker._process is not None
            return os.getpriority(os.PRIO_PROCESS, worker._process.pid)
        finally:
            await worker.close()

    assert asyncio.run(niceness()) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
    assert NICENESS > 0
