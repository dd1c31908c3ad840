"""The audit's files: whole lines, whatever befalls the disk, and read back in pages."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from braketeer.cli import audit as command
from braketeer.cli import output, service
from braketeer.domain.accounts import Caller, Role
from braketeer.store import audit
from braketeer.store.audit import Audit, Page

ANN = Caller("111111111111", "us-east-1", "AKIAANN", Role.USER, "request-1", user_agent="Boto3/1.44")
BEN = Caller("222222222222", "us-east-1", "AKIABEN", Role.VIEWER, "request-2")
BEGINNING = "1970-01-01T00:00:00.000Z"


async def record(log: Audit, about: str, caller: Caller = ANN, error: str | None = None) -> None:
    await log.record(caller, "s3", "PutObject", about, 403 if error else 200, error, "127.0.0.1")


def note(log: Audit, about: str, caller: Caller = ANN, error: str | None = None) -> None:
    asyncio.run(record(log, about, caller, error))


def read(folder: Path, *, since: str = BEGINNING, cursor: str | None = None, limit: int = 1000) -> Page:
    return audit.read(folder, since=since, cursor=cursor, account=None, limit=limit)


def abouts(page: Page) -> list[str]:
    return [line["resource"] for line in page.lines]


def test_a_line_says_who_what_and_how_it_went(tmp_path: Path) -> None:
    log = Audit(tmp_path / "audit", 30)
    note(log, "b/k", error="AccessDenied")
    [line] = read(log.folder).lines
    assert datetime.fromisoformat(line.pop("at")) <= datetime.now(UTC)
    assert line == {
        "request_id": "request-1",
        "account": "111111111111",
        "key": "AKIAANN",
        "role": "user",
        "job_id": None,
        "region": "us-east-1",
        "service": "s3",
        "operation": "PutObject",
        "resource": "b/k",
        "status": 403,
        "error": "AccessDenied",
        "source": "127.0.0.1",
        "agent": "Boto3/1.44",
    }
    log.close()


def test_pages_follow_one_another_without_gaps(tmp_path: Path) -> None:
    log = Audit(tmp_path / "audit", 30)
    for number in range(7):
        note(log, str(number), (ANN, BEN)[number % 2])
    first = read(log.folder, limit=3)
    second = read(log.folder, cursor=first.cursor, limit=3)
    third = read(log.folder, cursor=second.cursor, limit=3)
    assert [abouts(page) for page in (first, second, third)] == [list("012"), list("345"), ["6"]]
    assert [page.complete for page in (first, second, third)] == [False, False, True]
    note(log, "later")
    assert abouts(read(log.folder, cursor=third.cursor)) == ["later"]
    bens = audit.read(log.folder, since=BEGINNING, cursor=None, account=BEN.account, limit=10)
    assert abouts(bens) == list("135")
    log.close()


def test_several_days_are_read_in_their_order_and_the_oldest_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    days = [datetime.now(UTC) - timedelta(days=ago) for ago in (3, 2, 1)]
    for day in days:
        line = {"at": f"{day:%Y-%m-%dT12:00:00.000Z}", "account": "1", "resource": f"{day:%d}"}
        (folder / f"{day:%Y-%m-%d}.jsonl").write_text(json.dumps(line) + "\n")
    (folder / "notes.txt").write_text("not ours")
    log = Audit(folder, 2)
    note(log, "today")
    names = [f"{day:%d}" for day in days]
    assert abouts(read(folder)) == [*names, "today"]
    assert abouts(read(folder, since=f"{days[1]:%Y-%m-%dT13:00:00.000Z}")) == [names[2], "today"]
    one_by_one, cursor = [], None
    for _ in range(4):
        page = read(folder, cursor=cursor, limit=1)
        one_by_one += abouts(page)
        cursor = page.cursor
    assert one_by_one == [*names, "today"]
    log.forget_old()
    assert abouts(read(folder)) == [*names[1:], "today"]
    Audit(folder, 0).forget_old()
    assert abouts(read(folder)) == [*names[1:], "today"]
    assert (folder / "notes.txt").exists()
    log.close()


def test_a_torn_line_costs_itself_only(tmp_path: Path) -> None:
    log = Audit(tmp_path / "audit", 30)
    note(log, "before")
    log.close()
    [file] = log.folder.iterdir()
    file.write_bytes(file.read_bytes() + b'{"at": "2030-')
    log = Audit(tmp_path / "audit", 30)
    note(log, "after")
    file.write_bytes(file.read_bytes() + b'{"half": ')
    assert abouts(read(log.folder)) == ["before", "after"]
    assert read(log.folder).complete
    log.close()


def test_a_full_disk_costs_lines_not_requests_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    today = folder / f"{datetime.now(UTC):%Y-%m-%d}.jsonl"
    today.symlink_to("/dev/full")
    log = Audit(folder, 30)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            note(log, "lost")
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text
    log.close()
    today.unlink()
    note(log, "there is room again")
    assert abouts(read(folder)) == ["there is room again"]
    log.close()


def test_a_folder_that_cannot_be_made_costs_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "audit").write_text("a file")
    log = Audit(tmp_path / "audit", 30)
    note(log, "lost")
    assert len(caplog.records) == 1


def test_lines_of_many_writers_do_not_mix(tmp_path: Path) -> None:
    """Several processes share a folder: each appends by itself."""
    logs = [Audit(tmp_path / "audit", 30) for _ in range(4)]

    async def write(log: Audit) -> None:
        for _ in range(20):
            await asyncio.gather(*(record(log, "x" * 500) for _ in range(10)))

    threads = [threading.Thread(target=lambda log=log: asyncio.run(write(log))) for log in logs]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert abouts(read(tmp_path / "audit")) == ["x" * 500] * 800
    for log in logs:
        log.close()


def test_no_text_keeps_a_call_out(tmp_path: Path) -> None:
    log = Audit(tmp_path / "audit", 30)
    for about in ("\ud800", "a\nb\r\n", '"quoted"', "\0"):
        note(log, about)
    assert abouts(read(log.folder)) == ["?", "a\nb\r\n", '"quoted"', "\0"]
    log.close()


def test_there_may_be_nothing_yet(tmp_path: Path) -> None:
    page = read(tmp_path / "audit")
    assert (page.lines, page.complete) == ([], True)
    assert read(tmp_path / "audit", cursor=page.cursor).complete


@pytest.mark.parametrize(
    "cursor", ["", "x", "../etc/passwd:0", "2030-01-01.jsonl", "2030-01-01.jsonl:-1", "2030-01-01.jsonl:" + "9" * 30]
)
def test_a_cursor_of_ones_own_making_is_refused(tmp_path: Path, cursor: str) -> None:
    if cursor == "":
        assert read(tmp_path, cursor=cursor).lines == []  # none at all: from the beginning
        return
    with pytest.raises(ValueError, match="cursor"):
        read(tmp_path, cursor=cursor)


def test_a_resources_name_cannot_forge_a_line_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def line(resource: str) -> dict[str, object]:
        texts = dict.fromkeys(("at", "account", "key", "source", "service", "operation"), "x")
        return {**texts, "resource": resource, "status": 200, "error": None}

    named = "b/one\n\x1b[2K\rtwo\x9b\u202e\u2028é"
    page = {"lines": [line(named)], "cursor": "", "complete": True}
    monkeypatch.setattr(service, "access_here", lambda *_: SimpleNamespace(call=lambda *_: page))
    command.audit()
    shown = r"b/one\n\x1b[2K\rtwo\x9b\u202e\u2028é"
    assert capsys.readouterr().out == f"x  x  x  x  x:x  {shown}  200\n"
    output.as_table(["name"], [[named]])
    assert shown in capsys.readouterr().out
