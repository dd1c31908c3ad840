"""Wake-ups between the processes of one PostgreSQL database: what one commits, all others hear."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import threading
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine

from braketeer.store.group_commit import reason
from braketeer.store.topics import Topics

log = logging.getLogger(__name__)

CHANNEL = "braketeer"
LONGEST_PAYLOAD = 7900  # bytes; PostgreSQL takes fewer than 8000
PAUSE_SECONDS = 0.5  # between attempts to connect again
LOOK_EVERY_SECONDS = 30.0  # at a connection that says nothing: whether it still stands


def payloads(sender: str, topics: Iterable[str]) -> list[str]:
    """Notifications that carry the topics: the sender and some topics each, a line each, none of them too long."""
    found: list[str] = []
    for topic in sorted(topics):
        if found and len(found[-1].encode()) + len(topic.encode()) + 1 <= LONGEST_PAYLOAD:
            found[-1] += f"\n{topic}"
        else:
            found.append(f"{sender}\n{topic}")
    return found


class Listener:
    """One connection of ``engine`` and one thread that publish what other processes commit, until ``close``.

    It listens when it has been made, unless the server does not answer. After a connection was lost, everything may
    have changed: then every subscriber is woken.
    """

    def __init__(self, engine: Engine, sender: str, topics: Topics) -> None:
        self._engine = engine
        self._sender = sender
        self._topics = topics
        self._stopped, self._stop = os.pipe()
        self._closing = False
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="db-listen", daemon=True)
        self._thread.start()
        self._tried.wait()

    def close(self) -> None:
        self._closing = True
        os.write(self._stop, b"x")
        self._thread.join()
        os.close(self._stop)
        os.close(self._stopped)
        self._engine.dispose()

    def _run(self) -> None:
        with selectors.DefaultSelector() as stop:
            stop.register(self._stopped, selectors.EVENT_READ)
            while not self._closing:
                try:
                    with contextlib.closing(self._engine.raw_connection()) as connection:
                        self._listen(connection.driver_connection)
                except Exception as problem:  # noqa: BLE001 - whatever it was, somebody has to listen
                    self._tried.set()
                    log.warning("wake-ups of other processes are not heard: %s", reason(problem))
                    stop.select(PAUSE_SECONDS)

    def _listen(self, connection: Any) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self._topics.publish_all()
        self._tried.set()
        with selectors.DefaultSelector() as either:
            either.register(self._stopped, selectors.EVENT_READ)
            either.register(connection.fileno(), selectors.EVENT_READ)
            while not self._closing:
                if not either.select(LOOK_EVERY_SECONDS):
                    connection.execute("SELECT 1")
                for notification in connection.notifies(timeout=0):
                    sender, *topics = notification.payload.split("\n")
                    if sender != self._sender:  # our own were published with their commit
                        self._topics.publish(topics)
