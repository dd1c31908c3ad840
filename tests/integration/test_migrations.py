"""A database of an earlier version becomes one of this version, and keeps what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from braketeer.store import migrations, quantum_tasks
from braketeer.store.database import engine_for, opened
from tests.integration.conftest import KINDS

FILL = """
INSERT INTO accounts (id, name, created_at) VALUES ('111111111111', 'one', 1), ('222222222222', 'two', 1);
INSERT INTO access_keys (id, account, role, secret, created_at) VALUES ('AKIA1', '111111111111', 'user', :secret, 1);
INSERT INTO buckets (name, account, region, tags, created_at) VALUES ('a', '111111111111', 'us-east-1', '{}', 1),
    ('b', '111111111111', 'us-east-1', '{}', 1), ('c', '222222222222', 'us-east-1', '{}', 1);
INSERT INTO objects (bucket, key, size, etag, modified_at, files, checksums, headers, user_metadata, tags) VALUES
    ('a', 'k', 100, 'e', 1, 0, '{}', '{}', '{}', '{}'), ('b', 'k', 20, 'e', 1, 0, '{}', '{}', '{}', '{}');
INSERT INTO uploads (id, bucket, key, headers, user_metadata, tags, created_at)
    VALUES ('u', 'b', 'l', '{}', '{}', '{}', 1);
INSERT INTO upload_parts (upload_id, number, size, etag, checksums, file, modified_at)
    VALUES ('u', 1, 3, 'e', '{}', 'f', 1);
INSERT INTO quantum_tasks (id, account, region, device_arn, status, shots, output_bucket, output_prefix,
    device_parameters, action_type, created_at) VALUES
    ('t', '111111111111', 'us-east-1', 'd', 'QUEUED', 10, 'a', 'p', '{}', 'x', 1)
"""


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'braketeer.db'}"
        return
    with request.getfixturevalue("postgresql").new_database() as address:
        yield address


def test_what_the_first_version_has_written_is_kept_and_counted(url: str) -> None:
    migrations.upgrade(url, "0001")
    engine = engine_for(url)
    with engine.connect() as connection:
        for statement in FILL.split(";"):
            values = {"secret": b"sealed"} if ":secret" in statement else {}
            connection.execute(text(statement), values)
        connection.commit()
    engine.dispose()
    migrations.upgrade(url)
    with opened(url) as database:

        def stored(connection) -> dict[str, int]:
            return {row.id: row.storage_bytes for row in connection.execute(text("SELECT * FROM accounts"))}

        assert database.read_now(stored) == {"111111111111": 123, "222222222222": 0}
        task = database.read_now(lambda connection: quantum_tasks.owned(connection, "t", "111111111111", "us-east-1"))
        assert task is not None
        assert (task["status"], task["shots"], task["cost"], task["estimate"]) == ("QUEUED", 10, None, None)


def test_an_upgrade_that_is_not_needed_changes_nothing(url: str) -> None:
    migrations.upgrade(url)
    migrations.upgrade(url)
    with opened(url) as database:
        found = database.read_now(lambda connection: connection.execute(text("SELECT * FROM alembic_version")).all())
    assert [tuple(row) for row in found] == [(migrations.HEAD,)]
