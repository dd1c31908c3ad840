"""The schema's history. ``upgrade`` brings a database to the newest revision; a newer one than ours is refused."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from braketeer.store.database import engine_for

HEAD = "0001"


def upgrade(url: str) -> None:
    """Run the revisions that the database lacks, all in one transaction.

    Raises RuntimeError where a newer version of this package has written the database.
    """
    engine = engine_for(url)
    try:
        if _revision(engine) != HEAD:
            _run_alembic(engine)
    finally:
        engine.dispose()


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _run_alembic(engine: Engine) -> None:
    # Loaded only when there is something to do: it doubles the time of an ordinary start.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.connect() as connection:
        # Begun here, because SQLite's driver would run each statement of a schema change for itself.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else "SELECT 1")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as problem:
            raise RuntimeError(f"The database was written by a newer version: {problem}") from problem
        connection.commit()
