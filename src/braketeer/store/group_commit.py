"""SQLite's one writing connection: whatever waits is one transaction, and one commit makes all of it durable."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from braketeer.domain.errors import ServiceUnavailableException
from braketeer.store.topics import Topics

T = TypeVar("T")
log = logging.getLogger(__name__)

MOST_IN_A_GROUP = 256
PAGES_BETWEEN_CHECKPOINTS = 2000


@dataclass(slots=True)
class Transaction:
    """One caller's part of a write: its connection, and what to tell whom once it is on disk."""

    connection: Connection
    topics: set[str] = field(default_factory=set)

    def notify(self, topic: str) -> None:
        """Wake who waits for ``topic`` (see topics.py), after the commit and only then."""
        self.topics.add(topic)


class GroupingWriter:
    """A thread with the writing connection. An error undoes its caller's own part only; all hear after the commit."""

    def __init__(self, engine: Engine, topics: Topics) -> None:
        self._connection = engine.connect()
        self._connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint={PAGES_BETWEEN_CHECKPOINTS}")
        self._topics = topics
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """What ``work`` returns, after the commit. A caller that is cancelled before its turn is not served."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(_Write(work, future, loop))
        return await future

    def write_now(self, work: Callable[[Transaction], T]) -> T:
        """``write`` for code in a thread."""
        future: Future[T] = Future()
        self._put(_Write(work, future, None))
        return future.result()

    def close(self) -> None:
        """Finish what was accepted, then end the thread."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _put(self, write: _Write) -> None:
        if self._closed:
            raise ServiceUnavailableException("The service is stopping")
        self._waiting.put(write)

    def _run(self) -> None:
        with self._connection as connection:
            while (group := self._next_group()) is not None:
                self._commit(connection, group)
            with contextlib.suppress(DBAPIError):
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.suppress(queue.Empty):  # who came while the thread was ending
            while (write := self._waiting.get_nowait()) is not None:
                write.error = ServiceUnavailableException("The service is stopping")
                _tell([write])

    def _next_group(self) -> list[_Write] | None:
        first = self._waiting.get()
        if first is None:
            return None
        group = [first]
        while len(group) < MOST_IN_A_GROUP:
            try:
                write = self._waiting.get_nowait()
            except queue.Empty:
                break
            if write is None:
                self._waiting.put(None)
                break
            group.append(write)
        return [write for write in group if not write.future.cancelled()]

    def _commit(self, connection: Connection, group: list[_Write]) -> None:
        """Run the group in one transaction; only after the commit does any caller hear of success."""
        told: set[str] = set()
        # The driver itself begins and ends: at this pace SQLAlchemy's own bookkeeping would be most of the work.
        driver: Any = connection.connection.driver_connection
        try:
            driver.execute("BEGIN IMMEDIATE")
            try:
                told = _run_together(connection, group)
            except Exception:
                if not driver.in_transaction:
                    raise
                driver.execute("ROLLBACK")
                driver.execute("BEGIN IMMEDIATE")
                told = _run_apart(connection, driver, group)
            driver.execute("COMMIT")
        except Exception as problem:  # noqa: BLE001 - whatever it was, every caller must hear of it
            # The outer transaction is gone (SQLITE_FULL ends it, an I/O error may): nobody of the group has succeeded.
            log.warning("a group of %d writes was rolled back: %s", len(group), reason(problem))
            if driver.in_transaction:
                with contextlib.suppress(Exception):
                    driver.execute("ROLLBACK")
            for write in group:
                write.error = ServiceUnavailableException(f"The database cannot write: {reason(problem)}")
            told = set()
        _tell(group)
        self._topics.publish(told)


class _Outcome(Protocol):
    """What asyncio's futures and those of threads have in common."""

    def cancelled(self) -> bool: ...
    def done(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...
    def set_exception(self, exception: BaseException, /) -> None: ...


@dataclass(slots=True, eq=False)
class _Write:
    """A caller's work and where its outcome goes: a future of ``loop``, or of a thread where that is None."""

    work: Callable[[Transaction], Any]
    future: _Outcome
    loop: asyncio.AbstractEventLoop | None
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return  # the caller has gone away
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _run_together(connection: Connection, group: list[_Write]) -> set[str]:
    """Run all of a group's work, which goes well nearly always; what is to be told. Raises what any of it raises."""
    topics: set[str] = set()
    for write in group:
        transaction = Transaction(connection)
        write.result = write.work(transaction)
        topics |= transaction.topics
    return topics


def _run_apart(connection: Connection, driver: Any, group: list[_Write]) -> set[str]:
    """Run each caller's work in a savepoint of its own: an error undoes its own part, and reaches its own caller.

    Raises only where the transaction itself is lost.
    """
    topics: set[str] = set()
    for write in group:
        transaction = Transaction(connection)
        driver.execute("SAVEPOINT one")
        try:
            write.result = write.work(transaction)
            topics |= transaction.topics
        except Exception as error:
            if not driver.in_transaction:
                raise
            driver.execute("ROLLBACK TO one")
            write.error = as_unavailable(error)
        driver.execute("RELEASE one")
    return topics


def _tell(group: list[_Write]) -> None:
    """Give each caller its outcome: one wake-up for each event loop, however many wait there."""
    loops: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
    for write in group:
        if write.loop is None:
            write.settle()
        else:
            loops.setdefault(write.loop, []).append(write)
    for loop, writes in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, writes)


def _settle(writes: list[_Write]) -> None:
    for write in writes:
        write.settle()


def as_unavailable(error: Exception) -> Exception:
    """A full disk and the like are nobody's mistake: the caller may try again."""
    if isinstance(error, OperationalError):
        return ServiceUnavailableException(f"The database cannot write: {reason(error)}")
    return error


def reason(problem: Exception) -> str:
    """The driver's words, without the statement and its parameters."""
    if isinstance(problem, DBAPIError):
        return str(problem.orig)
    return str(problem) if isinstance(problem, sqlite3.Error) else type(problem).__name__
