"""SQLite behind ``Database``: a file in WAL mode with ``synchronous=FULL``, connections that read and one that writes.

Only the writer checkpoints: SQLite before 3.51.3 has a race between several checkpointing connections.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from braketeer.domain.errors import ServiceUnavailableException
from braketeer.store.group_commit import GroupingWriter, reason
from braketeer.store.topics import Topics

T = TypeVar("T")

READERS = 4


class SqliteFile(GroupingWriter):
    """``read`` in the calling thread, on a connection that is that thread's own; writes as GroupingWriter does them."""

    def __init__(self, url: str, topics: Topics) -> None:
        self._engine = engine_for(url)
        self._of_thread = threading.local()
        self._reader_connections: list[Connection] = []
        super().__init__(self._engine, topics)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns from one consistent snapshot."""
        try:
            connection = self._reader()
            connection.exec_driver_sql("BEGIN")
            try:
                return work(connection)
            finally:
                connection.rollback()
        except OperationalError as problem:
            raise ServiceUnavailableException(f"The database cannot be read: {reason(problem)}") from problem

    def close(self) -> None:
        super().close()
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


def engine_for(url: str) -> Engine:
    """An engine with the settings that this package relies on."""
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=READERS + 1,
        max_overflow=4,
        hide_parameters=True,  # what rows hold is nothing for the service's log
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
