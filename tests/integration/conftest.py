"""A database for each test, empty and with the newest schema: every test that asks for one runs on both kinds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from braketeer.store import migrations

KINDS = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database to copy: that is faster than to migrate one."""
    path = tmp_path_factory.mktemp("empty") / "braketeer.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of the test's own database; SQLite's is ``tmp_path / "braketeer.db"``."""
    yield from _database(request, tmp_path)


@pytest.fixture(scope="module", params=KINDS)
def shared_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one database for all tests of a module that share a service."""
    yield from _database(request, tmp_path_factory.mktemp("database"))


def _database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_file"), folder)
        yield f"sqlite:///{folder / 'braketeer.db'}"
        return
    with request.getfixturevalue("postgresql").database() as url:
        yield url
