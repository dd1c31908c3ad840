"""The door to the database: reads of one moment, and writes that are durable when they return.

What differs between the two databases is behind it: sqlite_file.py and postgresql_server.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

from braketeer.store import postgresql_server, sqlite_file
from braketeer.store.group_commit import Transaction
from braketeer.store.postgresql_server import PostgresqlServer
from braketeer.store.sqlite_file import SqliteFile
from braketeer.store.topics import Topics

__all__ = ["Database", "Transaction", "engine_for", "opened"]

T = TypeVar("T")


class Database:
    """``await read(f)`` and ``await write(f)``; ``f`` is a short function of a connection or a transaction.

    ``f`` does queries and nothing else: no I/O, no parsing. It may be run again after a failed commit, so it must not
    change anything outside. Errors it raises undo its own part only and reach its caller; trouble of the database is
    ServiceUnavailableException.

    Writers run one after the other on SQLite, and at the same time on PostgreSQL (READ COMMITTED: each statement sees
    what was committed before it). So whoever checks and then writes names what makes the check hold until the commit:
    a unique or foreign key, a condition in the changing statement, or a row that it has locked.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.topics = Topics()
        self._rows = SqliteFile(url, self.topics) if self.is_sqlite else PostgresqlServer(url, self.topics)
        readers = sqlite_file.READERS if self.is_sqlite else postgresql_server.READERS
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="db-read")

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns from one consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._rows.read, work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """What ``work`` returns, once its changes are on disk."""
        return await self._rows.write(work)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """``read`` for code in a thread."""
        return self._rows.read(work)

    def write_now(self, work: Callable[[Transaction], T]) -> T:
        """``write`` for code in a thread."""
        return self._rows.write_now(work)

    def close(self) -> None:
        """Finish what was accepted, then let go of every connection."""
        self._readers.shutdown(wait=True)
        self._rows.close()


def engine_for(url: str) -> Engine:
    """An engine for changes of the schema, with the settings that this package relies on."""
    return sqlite_file.engine_for(url) if url.startswith("sqlite") else postgresql_server.engine_for(url)


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database that is closed again; for tools and tests."""
    database = Database(url)
    try:
        yield database
    finally:
        database.close()
