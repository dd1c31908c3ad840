"""What the service processes of one data directory agree on: who may use it, with which database, and who is there."""

from __future__ import annotations

import contextlib
import fcntl
import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from braketeer.store import service_values
from braketeer.store.credentials import write_private
from braketeer.store.database import Database

INSTALLATION = "installation"  # the name of a database's own id among service_values


class StartError(Exception):
    """The service cannot start; the text says why and what to do."""


@contextlib.contextmanager
def locked(data_dir: Path, *, shared: bool) -> Iterator[None]:
    """Keep others away for as long as the process lives: with ``shared`` only those that do not share.

    A service on SQLite is alone in its directory; those on one PostgreSQL database share theirs.
    """
    with (data_dir / "lock").open("w") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise StartError(f"Another service already uses {data_dir}") from problem
        yield


@contextlib.contextmanager
def first_steps(data_dir: Path) -> Iterator[None]:
    """One process after the other makes what is made once: the key of the secrets, the first account and its key."""
    with (data_dir / "start.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def bind(data_dir: Path, database: Database) -> None:
    """Tie the directory and the database to each other, at their first start. StartError where either has another.

    Files of objects that no row names are deleted in time: with a wrong database that would be all of them.
    """
    kind = "sqlite" if database.is_sqlite else "postgresql"
    path = data_dir / "database.json"
    known = json.loads(path.read_bytes()) if path.exists() else None
    if (known is not None and known["kind"] != kind) or (
        known is None and kind == "postgresql" and (data_dir / "braketeer.db").exists()
    ):
        other = "PostgreSQL: name its database" if kind == "sqlite" else "SQLite: use another directory for PostgreSQL"
        raise StartError(f"The data directory {data_dir} belongs to a service on {other}")
    # The first value stays: it is the primary key's row, whoever inserts it.
    mine = database.write_now(lambda tx: service_values.get_or_add(tx.connection, INSTALLATION, secrets.token_hex(16)))
    if known is not None and known["id"] == mine:
        return
    if known is not None and kind == "postgresql":
        raise StartError(f"The data directory {data_dir} belongs to another database ({path.name} has its id)")
    write_private(path, {"kind": kind, "id": mine})


@contextlib.contextmanager
def announced(data_dir: Path, document: Mapping[str, Any]) -> Iterator[None]:
    """``service.json`` says where the service is. Of several the last that started is in it, until that one ends."""
    path = data_dir / "service.json"
    write_private(path, document)
    try:
        yield
    finally:
        with first_steps(data_dir), contextlib.suppress(OSError, ValueError):
            if json.loads(path.read_bytes()) == dict(document):
                path.unlink()
