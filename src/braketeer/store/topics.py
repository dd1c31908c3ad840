"""Who waits for what: threads that commit wake coroutines that wait, so that nothing polls the database."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterable

TASKS = "tasks"
JOBS = "jobs"
DEVICES = "devices"
CANCELLATIONS = "cancellations"
KEYS = "keys"
CLOCK = "clock"
ANYTHING = "anything"  # whatever is published
FAULTS = "faults"
SCHEDULE = "schedule"  # what may start has changed: a reservation, a device's state, or a jump of service time


def task(task_id: str) -> str:
    """The topic of one quantum task: its row has changed."""
    return f"task/{task_id}"


def job(job_id: str) -> str:
    """The topic of one hybrid job: its row has changed."""
    return f"job/{job_id}"


class Topics:
    """``publish`` from any thread, ``subscribe`` from a coroutine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: dict[str, set[Subscription]] = defaultdict(set)

    def publish(self, topics: Iterable[str]) -> None:
        """Wake every subscriber of these topics."""
        with self._lock:
            heard = (*topics, ANYTHING)
            awakened = {subscriber for topic in heard for subscriber in self._subscribers.get(topic, ())}
        for subscriber in awakened:
            subscriber.wake()

    def publish_all(self) -> None:
        """Wake every subscriber: something was missed, and nobody knows what."""
        with self._lock:
            topics = list(self._subscribers)
        self.publish(topics)

    def subscribe(self, topic: str) -> Subscription:
        """A subscription to use as a context manager; it hears everything published after it was entered."""
        return Subscription(self, topic)

    def _add(self, topic: str, subscriber: Subscription) -> None:
        with self._lock:
            self._subscribers[topic].add(subscriber)

    def _remove(self, topic: str, subscriber: Subscription) -> None:
        with self._lock:
            self._subscribers[topic].discard(subscriber)
            if not self._subscribers[topic]:
                del self._subscribers[topic]


class Subscription:
    """An event that a commit sets. Enter it before looking at the rows, so that no change falls in between."""

    def __init__(self, topics: Topics, topic: str) -> None:
        self._topics = topics
        self._topic = topic
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def __enter__(self) -> Subscription:
        self._topics._add(self._topic, self)
        return self

    def __exit__(self, *_: object) -> None:
        self._topics._remove(self._topic, self)

    def wake(self) -> None:
        """Called from the committing thread."""
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:
            return  # the loop has closed: nobody waits any more

    async def wait(self, timeout_seconds: float | None = None) -> bool:
        """True when woken (the event is cleared again), False when the time ran out."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
