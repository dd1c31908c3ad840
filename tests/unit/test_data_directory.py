"""Who may use a data directory, and what its processes say of themselves."""

import contextlib
import json
import sys
from pathlib import Path

import pytest

from braketeer.data_directory import StartError, announced, bind, locked, open_database
from braketeer.store import migrations
from braketeer.store.database import opened


def test_those_who_share_keep_out_those_who_do_not(tmp_path: Path) -> None:
    with locked(tmp_path, shared=True), locked(tmp_path, shared=True), pytest.raises(StartError, match="Another"):
        locked(tmp_path, shared=False).__enter__()
    with locked(tmp_path, shared=False):
        for shared in (True, False):
            with pytest.raises(StartError, match="Another"):
                locked(tmp_path, shared=shared).__enter__()


def test_the_last_to_start_is_announced_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    first, second, third = ({"endpoint": "http://here", "port": port, "pid": 1} for port in (1, 2, 3))
    with announced(tmp_path, first):
        with announced(tmp_path, second):
            assert json.loads(path.read_text()) == second
        assert not path.exists()
        theirs = announced(tmp_path, third)
        theirs.__enter__()
    assert json.loads(path.read_text()) == third, "an earlier one takes away what a later one says"
    theirs.__exit__(None, None, None)
    assert not path.exists()


def test_a_directory_belongs_to_the_kind_of_its_first_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'braketeer.db'}"
    migrations.upgrade(url)
    with opened(url) as database:
        bind(tmp_path, database)
        known = json.loads((tmp_path / "database.json").read_text())
        bind(tmp_path, database)
        assert json.loads((tmp_path / "database.json").read_text()) == known
        (tmp_path / "database.json").write_text(json.dumps(known | {"kind": "postgresql"}))
        with pytest.raises(StartError, match="on PostgreSQL"):
            bind(tmp_path, database)


def test_a_fresh_sqlite_file_is_taken_in(tmp_path: Path) -> None:
    """Whoever throws the file away wants to begin anew."""
    known = []
    for name in ("one.db", "other.db"):
        url = f"sqlite:///{tmp_path / name}"
        migrations.upgrade(url)
        with opened(url) as database:
            bind(tmp_path, database)
        known.append((tmp_path / "database.json").read_text())
    assert known[0] != known[1]


def test_what_belongs_to_the_database_before_is_set_aside_and_comes_back_with_it(tmp_path: Path) -> None:
    data_dir, away = tmp_path / "data", tmp_path / "away"
    data_dir.mkdir()
    url = f"sqlite:///{data_dir / 'braketeer.db'}"
    open_database(data_dir, url).close()
    (data_dir / "objects").mkdir()
    (data_dir / "objects" / "one").write_text("of the first")
    (data_dir / "credentials.json").write_text("of the first")
    (data_dir / "braketeer.db").rename(away)
    open_database(data_dir, url).close()
    assert not (data_dir / "objects").exists()
    assert not (data_dir / "credentials.json").exists()
    (data_dir / "objects").mkdir()
    (data_dir / "objects" / "two").write_text("of the second")
    away.rename(data_dir / "braketeer.db")
    for _ in range(2):
        open_database(data_dir, url).close()
        assert [path.name for path in (data_dir / "objects").iterdir()] == ["one"]
        assert (data_dir / "credentials.json").read_text() == "of the first"
    [kept] = data_dir.glob("objects.*")
    assert [path.name for path in kept.iterdir()] == ["two"]


def test_a_database_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'braketeer.db'}"
    open_database(tmp_path, url).close()
    (tmp_path / "braketeer.db").chmod(0o644)
    with contextlib.closing(open_database(tmp_path, url)):
        assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("braketeer.db*")} == {0o600}


def test_without_the_driver_its_absence_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(RuntimeError, match="make setup"):
        migrations.upgrade("postgresql://somebody@127.0.0.1:1/x")
