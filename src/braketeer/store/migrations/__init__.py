"""The schema's history. ``upgrade`` brings a database to the newest revision; a newer one than ours is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from braketeer.store import postgresql_server
from braketeer.store.database import engine_for
from braketeer.store.group_commit import reason

HEAD = "0003"
_MIGRATING = 0x6D696772  # the advisory lock that lets one process at a time change a PostgreSQL database's schema


def upgrade(url: str, to: str = HEAD, before: Callable[[Connection], None] | None = None) -> None:
    """Run the revisions that the database lacks up to ``to``, all in one transaction. ``before`` may refuse by raising.

    Raises RuntimeError, saying why in one line, where the database cannot be reached or used, and where a newer version
    of this package has written it.
    """
    try:
        engine = engine_for(url)
        try:
            if before is not None:
                with engine.connect() as connection:
                    before(connection)
            if _revision(engine) != to:
                _run_alembic(engine, to)
        finally:
            engine.dispose()
    except SQLAlchemyError as problem:
        words = reason(problem) if isinstance(problem, DBAPIError) else str(problem)
        raise RuntimeError(f"The database cannot be used: {' '.join(words.split())}") from problem


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            postgresql_server.check(connection)
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _run_alembic(engine: Engine, to: str) -> None:
    # Loaded only when there is something to do: it doubles the time of an ordinary start.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.connect() as connection:
        _begin(connection)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, to)
        except CommandError as problem:
            raise RuntimeError(f"The database was written by a newer version: {problem}") from problem
        connection.commit()


def _begin(connection: Connection) -> None:
    """Begin the one transaction of an upgrade; who comes second waits, and then finds nothing left to do."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATING})
    else:
        # Begun here, because SQLite's driver would run each statement of a schema change for itself.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
