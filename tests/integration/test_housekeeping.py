"""What a service does every hour: a step that fails keeps no other from being done."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from braketeer import server
from braketeer.config import Settings
from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID
from braketeer.store import client_tokens, log_cleaning, log_queries, logs


def test_each_step_is_done_whatever_became_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> bool:
        raise LookupError("always")

    async def keep_house(service: server.Service) -> int:
        """Until the log's rows are gone; how many are left."""
        service.database.write_now(lambda tx: logs.append(tx.connection, DEFAULT_ACCOUNT_ID, "g", "s", [(1, "x")], 1))
        service.database.write_now(lambda tx: log_queries.add(tx.connection, "q", DEFAULT_ACCOUNT_ID, {}, 1))
        service.database.write_now(lambda tx: logs.delete_stream(tx.connection, DEFAULT_ACCOUNT_ID, "g", "s"))
        left = 2
        work = asyncio.create_task(service._keep_house())
        async with asyncio.timeout(30):
            while left:
                await asyncio.sleep(0.01)
                queries = service.database.read_now(
                    lambda connection: log_queries.newest_first(connection, DEFAULT_ACCOUNT_ID, None, None, 9)
                )
                left = len(queries) + len(service.database.read_now(log_cleaning.deleted_streams))
        work.cancel()
        return left

    monkeypatch.setattr(client_tokens, "forget_old", fail)
    service = server.Service(Settings(data_dir=tmp_path), "http://127.0.0.1:1")
    service.lifecycles.carry_out = fail  # type: ignore[assignment,method-assign]
    try:
        with caplog.at_level(logging.ERROR, "braketeer.server"):
            assert asyncio.run(keep_house(service)) == 0
    finally:
        asyncio.run(service.close())
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "housekeeping has failed at client tokens",
        "housekeeping has failed at lifecycles",
    ]
