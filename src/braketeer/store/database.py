"""The door to the database: short reads on a few connections, writes that are durable when they return.

SQLite: WAL with ``synchronous=FULL``; one writer thread groups whatever waits into one transaction, each caller in a
savepoint of its own, and one commit makes all of them durable. Only the writer checkpoints: SQLite before 3.51.3 has a
race between several checkpointing connections. PostgreSQL: each write is a transaction of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from braketeer.domain.errors import ServiceUnavailableException
from braketeer.store.topics import Topics

T = TypeVar("T")
log = logging.getLogger(__name__)

READERS = 4
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


class Database:
    """``await read(f)`` and ``await write(f)``; ``f`` is a short function of a connection or a transaction.

    ``f`` does queries and nothing else: no I/O, no parsing. It may be run again after a failed commit, so it must not
    change anything outside. Errors it raises undo its own part only and reach its caller.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.topics = Topics()
        self._engine = engine_for(url)
        self._of_thread = threading.local()
        self._reader_connections: list[Connection] = []
        self._readers = ThreadPoolExecutor(READERS if self.is_sqlite else 16, thread_name_prefix="db-read")
        self._writer = _GroupingWriter(self._engine, self.topics) if self.is_sqlite else None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns from one consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """What ``work`` returns, once its changes are on disk."""
        return await asyncio.wrap_future(self._submit(work))

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """``read`` for code in a thread."""
        try:
            if not self.is_sqlite:
                with self._engine.connect() as connection:
                    return work(connection)
            connection = self._reader()
            connection.exec_driver_sql("BEGIN")
            try:
                return work(connection)
            finally:
                connection.rollback()
        except OperationalError as problem:
            raise ServiceUnavailableException(f"The database cannot be read: {_reason(problem)}") from problem

    def write_now(self, work: Callable[[Transaction], T]) -> T:
        """``write`` for code in a thread."""
        return self._submit(work).result()

    def close(self) -> None:
        """Finish what was accepted, then let go of every connection."""
        if self._writer is not None:
            self._writer.close()
        self._readers.shutdown(wait=True)
        for connection in self._reader_connections:
            connection.close()
        self._engine.dispose()

    def _reader(self) -> Connection:
        """The connection of this thread: taking one out of a pool costs more than most reads."""
        connection: Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = self._engine.connect()
            self._reader_connections.append(connection)
        return connection

    def _submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        if self._writer is not None:
            return self._writer.submit(work)
        return self._readers.submit(self._write_alone, work)

    def _write_alone(self, work: Callable[[Transaction], T]) -> T:
        with self._engine.begin() as connection:
            transaction = Transaction(connection)
            result = work(transaction)
        self.topics.publish(transaction.topics)
        return result


class _GroupingWriter:
    """The one writing connection of a SQLite database, in a thread of its own."""

    def __init__(self, engine: Engine, topics: Topics) -> None:
        self._connection = engine.connect()
        self._connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint={PAGES_BETWEEN_CHECKPOINTS}")
        self._topics = topics
        self._waiting: queue.SimpleQueue[tuple[Callable[[Transaction], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        future: Future[T] = Future()
        if self._closed:
            future.set_exception(ServiceUnavailableException("The service is stopping"))
        else:
            self._waiting.put((work, future))
        return future

    def close(self) -> None:
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self._connection as connection:
            while (group := self._next_group()) is not None:
                self._commit_group(connection, group)
            with contextlib.suppress(DBAPIError):
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _next_group(self) -> list[tuple[Callable[[Transaction], Any], Future[Any]]] | None:
        first = self._waiting.get()
        if first is None:
            return None
        group = [first]
        while len(group) < MOST_IN_A_GROUP:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                break
            if item is None:
                self._waiting.put(None)
                break
            group.append(item)
        # A caller that has gone away before its turn is not served.
        return [entry for entry in group if entry[1].set_running_or_notify_cancel()]

    def _commit_group(
        self, connection: Connection, group: list[tuple[Callable[[Transaction], Any], Future[Any]]]
    ) -> None:
        """Run the group in one transaction; only after the commit does any caller hear of success."""
        outcomes: list[tuple[Future[Any], Any, BaseException | None, set[str]]] = []
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            for work, future in group:
                result, error, topics = self._run_one(connection, work)
                outcomes.append((future, result, error, topics))
            connection.exec_driver_sql("COMMIT")
        except Exception as problem:  # noqa: BLE001 - whatever it was, every caller must hear of it
            # The outer transaction is gone (SQLITE_FULL ends it, an I/O error may): nobody of the group has succeeded.
            log.warning("a group of %d writes was rolled back: %s", len(group), problem)
            _end_transaction(connection)
            for _, future in group:
                future.set_exception(ServiceUnavailableException(f"The database cannot write: {_reason(problem)}"))
            return
        told: set[str] = set()
        for future, result, error, topics in outcomes:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
                told |= topics
        self._topics.publish(told)

    def _run_one(
        self, connection: Connection, work: Callable[[Transaction], Any]
    ) -> tuple[Any, BaseException | None, set[str]]:
        transaction = Transaction(connection)
        connection.exec_driver_sql("SAVEPOINT one")
        try:
            result = work(transaction)
        except Exception as error:
            if not _in_transaction(connection):
                raise
            connection.exec_driver_sql("ROLLBACK TO one")
            connection.exec_driver_sql("RELEASE one")
            return None, _as_unavailable(error), set()
        connection.exec_driver_sql("RELEASE one")
        return result, None, transaction.topics


def engine_for(url: str) -> Engine:
    """An engine with the settings that this package relies on."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=16)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=READERS + 1,
        max_overflow=4,
        # Transactions are begun and ended here, in plain sight, never by the driver.
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": 30},
    )

    @event.listens_for(engine, "connect")
    def _configure(dbapi_connection: Any, _record: Any) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "wal_autocheckpoint=0",
            "cache_size=-16384",
            "temp_store=MEMORY",
        ):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    return engine


def _in_transaction(connection: Connection) -> bool:
    driver = connection.connection.driver_connection
    return driver is not None and bool(driver.in_transaction)


def _end_transaction(connection: Connection) -> None:
    with contextlib.suppress(DBAPIError):
        if _in_transaction(connection):
            connection.exec_driver_sql("ROLLBACK")


def _as_unavailable(error: Exception) -> Exception:
    """A full disk and the like are nobody's mistake: the caller may try again."""
    if isinstance(error, OperationalError):
        return ServiceUnavailableException(f"The database cannot write: {_reason(error)}")
    return error


def _reason(problem: Exception) -> str:
    return str(problem.orig) if isinstance(problem, DBAPIError) else type(problem).__name__


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database that is closed again; for tools and tests."""
    database = Database(url)
    try:
        yield database
    finally:
        database.close()
