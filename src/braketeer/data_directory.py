"""What the service processes of one data directory agree on: who may use it, with which database, and who is there."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import secrets
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect

from braketeer.store import migrations, service_values
from braketeer.store.credentials import write_private
from braketeer.store.database import Database, Transaction
from braketeer.store.service_values import INSTALLATION

FILE = "database.json"
DIRECTORY = (
    "data directory"  # the name among service_values of the id of the one directory that its object files are in
)
ROWS_BELONGINGS = ("objects", "credentials.json")

log = logging.getLogger(__name__)


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


def open_database(data_dir: Path, url: str) -> Database:
    """The database with the newest schema, tied to the directory. StartError where one of them has another.

    Files of objects that no row names are deleted in time: with a wrong database that would be all of them. So whatever
    can be refused is refused before anything is changed.
    """
    known, kind = _known(data_dir), "sqlite" if url.startswith("sqlite") else "postgresql"
    _check_kind(data_dir, known, kind)
    if kind == "sqlite":
        for file in data_dir.glob("braketeer.db*"):
            with contextlib.suppress(PermissionError):  # another's, who lets us use it
                file.chmod(0o600)  # from before the service cared, in a directory that others may read
    migrations.upgrade(url, before=partial(_check, data_dir, known, kind))
    database = Database(url)
    bind(data_dir, database)
    return database


def bind(data_dir: Path, database: Database) -> None:
    """Tie the directory and the database to each other, at their first start. StartError where either has another.

    Whoever takes SQLite's file away wants to begin anew: the new one is taken in, and what belongs to the rows of the
    one before is set aside, until that one is back.
    """
    kind = "sqlite" if database.is_sqlite else "postgresql"
    known = _known(data_dir)
    _check_kind(data_dir, known, kind)
    database.read_now(lambda connection: _check(data_dir, known, kind, connection))
    # Written before the database hears of it: it must never know a directory that does not know itself.
    known = {"kind": kind, "directory": secrets.token_hex(16), **known}
    if known != _known(data_dir):
        write_private(data_dir / FILE, known)
    mine = database.write_now(partial(_introduce, data_dir, known, kind))
    if known.get("id") != mine:
        if "id" in known:
            _set_aside(data_dir, known["id"])
        write_private(data_dir / FILE, known | {"id": mine})
    if kind == "sqlite":
        _bring_back(data_dir, mine)


def _known(data_dir: Path) -> dict[str, str]:
    """What the directory knows: its own ``directory`` id, and ``kind`` and ``id`` of its database; not all at first."""
    path = data_dir / FILE
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


def _check_kind(data_dir: Path, known: Mapping[str, str], kind: str) -> None:
    if ("id" in known and known["kind"] != kind) or (
        "id" not in known and kind == "postgresql" and (data_dir / "braketeer.db").exists()
    ):
        other = "PostgreSQL: name its database" if kind == "sqlite" else "SQLite: use another directory for PostgreSQL"
        raise StartError(f"The data directory {data_dir} belongs to a service on {other}")


def _check(data_dir: Path, known: Mapping[str, str], kind: str, connection: Connection) -> None:
    """StartError where a PostgreSQL database, which may have no tables yet, and the directory are not each other's.

    SQLite's file may come from a backup: it is of the directory that it is in.
    """
    if kind == "sqlite":
        return
    has_table = inspect(connection).has_table("service_values")
    values = service_values.of(connection, [INSTALLATION, DIRECTORY]) if has_table else {}
    if "id" in known and known["id"] != values.get(INSTALLATION):
        raise StartError(f"The data directory {data_dir} belongs to another database ({FILE} has its id)")
    if values.get(DIRECTORY, known.get("directory")) != known.get("directory"):
        raise _of_another_directory(data_dir)


def _introduce(data_dir: Path, known: Mapping[str, str], kind: str, transaction: Transaction) -> str:
    """The database's own id; PostgreSQL's learns the directory's. StartError where it was told of another meanwhile.

    The first value stays: it is the primary key's row, whoever inserts it.
    """
    connection = transaction.connection
    if kind == "postgresql":
        directory = service_values.get_or_add(connection, DIRECTORY, known["directory"])
        if directory != known["directory"]:
            raise _of_another_directory(data_dir)
    return str(service_values.get_or_add(connection, INSTALLATION, secrets.token_hex(16)))


def _of_another_directory(data_dir: Path) -> StartError:
    return StartError(
        f"The database belongs to another data directory than {data_dir}; if it is a copy, {FILE} must be copied too"
    )


def _set_aside(data_dir: Path, database_id: str) -> None:
    """Keep what means something to the rows of that database only: it would be collected, or be of no use."""
    for name in ROWS_BELONGINGS:
        path, kept = data_dir / name, data_dir / f"{name}.{database_id}"
        if path.exists():
            try:
                path.rename(kept)
            except OSError as problem:
                raise StartError(f"{path} is of another database and cannot be renamed to {kept.name}") from problem
            log.warning("%s is of another database; it is kept as %s", path, kept.name)


def _bring_back(data_dir: Path, database_id: str) -> None:
    """The end of ``_set_aside``, also of one that was cut short."""
    for name in ROWS_BELONGINGS:
        path, kept = data_dir / name, data_dir / f"{name}.{database_id}"
        if kept.exists() and not path.exists():
            kept.rename(path)
            log.warning("the database that %s is of is back; it is used again", kept)


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
