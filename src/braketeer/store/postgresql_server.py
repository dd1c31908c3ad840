"""PostgreSQL behind ``Database``: reads are snapshots, each write is a transaction of its own, on a pool each.

A transaction that the server ends for another's sake is run again: a deadlock, a lost connection before the commit, or
a constraint that a commit in between has made true. So a check that was passed by before another's commit is looked at
again after it, and answers with its own words. After the commit was sent nothing is run again: whether it happened is
not known.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from braketeer.domain.errors import ServiceUnavailableException, ValidationException
from braketeer.store.group_commit import Transaction, reason
from braketeer.store.postgresql_listener import CHANNEL, Listener, payloads
from braketeer.store.topics import Topics

T = TypeVar("T")
log = logging.getLogger(__name__)

READERS = 8  # with as many writers and the listener, a service has 17 connections
WRITERS = 8
MOST_TRIES = 6
FIRST_PAUSE_SECONDS = 0.02  # doubled with each try: 0.6 s together, then the caller hears of it
_CONNECT = {
    "connect_timeout": "5",
    "application_name": "braketeer",
    "client_encoding": "utf8",
    # A server that has vanished from the network is noticed within half a minute.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
# What the server does for us in every session but those that change the schema: nobody waits for ever for a row that
# another holds (55P03, which callers hear as 503), nobody holds one who has stopped in the middle, and what a machine
# held that has vanished is free after half a minute.
_SESSION = {
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_DEADLOCK, _NOT_SERIALISABLE = "40P01", "40001"
_NOTIFY = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS payload")


class PostgresqlServer:
    """``read`` in the calling thread; ``write`` and ``write_now`` in threads of their own, so that neither waits for
    the other's connections. ``topics`` hears of the commits of every process."""

    def __init__(self, url: str, topics: Topics) -> None:
        self._topics = topics
        self._sender = secrets.token_hex(8)
        self._reading = _engine(url, READERS, "REPEATABLE READ", _only_read, _SESSION)
        self._writing = _engine(url, WRITERS, "READ COMMITTED", _commit_durably, _SESSION)
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="db-write")
        self._closed = False
        self._listener = Listener(_engine(url, 1, "AUTOCOMMIT", lambda _: None, _SESSION), self._sender, topics)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns from one consistent snapshot."""

        def once() -> T:
            with self._reading.connect() as connection:
                return work(connection)

        return _tried(once, "read")

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """What ``work`` returns, after the commit. A caller that is cancelled before its turn is not served."""
        return await asyncio.wrap_future(self._submit(work))

    def write_now(self, work: Callable[[Transaction], T]) -> T:
        """``write`` for code in a thread."""
        return self._submit(work).result()

    def close(self) -> None:
        """Finish what was accepted, then let go of every connection."""
        self._closed = True
        self._writers.shutdown(wait=True)
        self._listener.close()
        self._reading.dispose()
        self._writing.dispose()

    def _submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        if self._closed:
            raise ServiceUnavailableException("The service is stopping")
        return self._writers.submit(_tried, lambda: self._write(work), "write")

    def _write(self, work: Callable[[Transaction], T]) -> T:
        with self._writing.connect() as connection, connection.begin() as begun:
            transaction = Transaction(connection)
            result = work(transaction)
            if transaction.topics:
                told = payloads(self._sender, transaction.topics)
                connection.execute(_NOTIFY, {"channel": CHANNEL, "payloads": told})
            try:
                begun.commit()
            except (OperationalError, InterfaceError) as problem:
                if problem.connection_invalidated:
                    raise _CommitUnknown(problem) from problem
                raise
        self._topics.publish(transaction.topics)
        return result


class _CommitUnknown(Exception):
    """The connection was lost while it committed."""

    def __init__(self, problem: DBAPIError) -> None:
        super().__init__(reason(problem))


def engine_for(url: str) -> Engine:
    """An engine for changes of the schema: one connection, which waits as long as it takes for others to finish theirs.

    RuntimeError where the driver is not installed.
    """
    return _engine(url, 1, "READ COMMITTED", _commit_durably, {})


def check(connection: Connection) -> None:
    """Refuse (RuntimeError) a database that cannot hold what is stored; warn of a server that may lose it."""
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise RuntimeError(f"The database has the encoding {encoding}; create it with ENCODING 'UTF8'")
    off = [name for name in ("fsync", "full_page_writes") if connection.execute(text(f"SHOW {name}")).scalar() == "off"]
    if off:
        log.warning(
            "PostgreSQL runs with %s off: if its machine fails, answered requests may be lost", " and ".join(off)
        )


def _url(url: str, session: Mapping[str, str]) -> str:
    """The address for this driver, with defaults for what it leaves open, the session's settings among them."""
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    query = {**_CONNECT, **parsed.query}
    if session:
        ours = " ".join(f"-c {name}={value}" for name, value in session.items())
        query["options"] = f"{ours} {query.get('options', '')}"  # of a setting that is named twice the last one counts
    return parsed.set(query=query).render_as_string(hide_password=False)


def _engine(
    url: str, size: int, isolation: str, configure: Callable[[Any], None], session: Mapping[str, str]
) -> Engine:
    try:
        engine = create_engine(
            _url(url, session),
            pool_size=size,
            max_overflow=0,
            hide_parameters=True,  # what rows hold is nothing for the service's log
            isolation_level=isolation,
            execution_options={"preserve_rowcount": True},  # else nobody knows whether an insert did anything
        )
    except ImportError as missing:
        how = "`make setup` installs it, or pip install 'psycopg[binary]'"
        raise RuntimeError(f"PostgreSQL needs psycopg: {how}") from missing
    event.listen(engine, "connect", lambda connection, _record: configure(connection))
    event.listen(engine, "handle_error", _without_values)
    return engine


def _without_values(context: ExceptionContext) -> None:
    """Leave of a server's refusal its first line: what follows are the statement and the values of the row's keys."""
    problem = context.original_exception
    if getattr(problem, "sqlstate", None) is not None:  # else it is the driver's, of a connection that it cannot make
        problem.args = (str(problem).partition("\n")[0],)
        if context.sqlalchemy_exception is not None:
            context.sqlalchemy_exception.args = (f"({type(problem).__name__}) {problem}",)


def _only_read(driver: Any) -> None:
    driver.read_only = True


def _commit_durably(driver: Any) -> None:
    """A commit is on the server's disk when it returns, even where the server's default is not to wait."""
    driver.autocommit = True
    if driver.execute("SHOW synchronous_commit").fetchone() == ("off",):
        driver.execute("SET synchronous_commit TO on")
    driver.autocommit = False


def _tried(attempt: Callable[[], T], what: str) -> T:
    """What ``attempt`` returns, tried again while the server's trouble is of the kind that passes."""
    for tries in range(1, MOST_TRIES + 1):
        try:
            return attempt()
        except DataError as problem:
            raise ValidationException(f"A value cannot be stored: {reason(problem)}") from problem
        except (OperationalError, InterfaceError, IntegrityError) as problem:
            if tries == MOST_TRIES or not _passes(problem):
                if isinstance(problem, IntegrityError):
                    raise
                raise _unavailable(what, problem) from problem
            log.info("a transaction is run again: %s", reason(problem))
        except _CommitUnknown as problem:
            raise _unavailable(what, problem) from problem
        time.sleep(FIRST_PAUSE_SECONDS * 2 ** (tries - 1) * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
    raise AssertionError


def _passes(problem: DBAPIError) -> bool:
    """Whether the same transaction may succeed, or be refused for a better reason, when it is run again."""
    if isinstance(problem, IntegrityError):
        return True
    state = getattr(problem.orig, "sqlstate", None)
    # A connection that could not be made has no state, and one that broke is invalid.
    return problem.connection_invalidated or state in (None, _DEADLOCK, _NOT_SERIALISABLE)


def _unavailable(what: str, problem: Exception) -> ServiceUnavailableException:
    words = reason(problem) if isinstance(problem, DBAPIError) else str(problem)
    return ServiceUnavailableException(f"The database cannot {what}: {' '.join(words.split())}")
