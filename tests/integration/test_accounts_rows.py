"""Accounts, keys and quotas as rows, and what holds between callers at the same time, on both databases."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Table, func, insert, select, text, update

from braketeer.domain.accounts import AccessKey, Caller, Role
from braketeer.domain.clock import SystemClock
from braketeer.domain.errors import AccessDeniedException, ConflictException, ServiceQuotaExceededException
from braketeer.domain.lifecycles import JobStatus, TaskStatus
from braketeer.domain.quotas import Quotas
from braketeer.store import (
    accounts,
    client_tokens,
    deletions,
    jobs,
    keyring,
    quantum_tasks,
    quotas,
    storage,
    tables,
    usage,
)
from braketeer.store.credentials import Credentials
from braketeer.store.database import Database, Transaction, opened
from braketeer.store.secrets import Secrets

SECRETS = Secrets(Fernet.generate_key())
CALLERS = 20


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(database_url) as database:
        yield database


def open_account(database: Database, name: str, **own_quotas: int | None) -> str:
    return database.write_now(lambda tx: accounts.open_account(tx.connection, name, 0, quotas=own_quotas or None))


def make_key(database: Database, account: str, role: Role = Role.USER, **more: Any) -> AccessKey:
    return database.write_now(lambda tx: accounts.create_key(tx.connection, SECRETS, account, role, 0, **more))


def find_key(database: Database, key_id: str) -> AccessKey | None:
    return database.read_now(lambda connection: accounts.find_key(connection, SECRETS, key_id))


def revoke(database: Database, key_id: str) -> int | None:
    return database.write_now(lambda tx: accounts.revoke_key(tx.connection, key_id, 5))


def add_task(tx: Transaction, account: str, **more: Any) -> str:
    task_id = str(uuid.uuid4())
    row = {
        "id": task_id,
        "account": account,
        "region": "us-east-1",
        "device_arn": "sv1",
        "shots": 10,
        "output_bucket": "b",
        "output_prefix": "p",
        "device_parameters": "{}",
        "action_type": "a",
        "created_at": 0,
    }
    quantum_tasks.add(tx.connection, "{}", row)
    if more:
        tx.connection.execute(update(tables.quantum_tasks).where(tables.quantum_tasks.c.id == task_id).values(more))
    return task_id


def add_job(tx: Transaction, account: str, status: JobStatus = JobStatus.QUEUED, **more: Any) -> None:
    job_id = str(uuid.uuid4())
    row = {
        "id": job_id,
        "account": account,
        "region": "us-east-1",
        "name": "n",
        "device_arn": "sv1",
        "status": status,
        "request": {},
        "job_token": job_id,
        "events": [],
        "created_at": 0,
        "ingested": {},
    }
    jobs.insert(tx.connection, row | more)


def all_at_once(work: Callable[[int], Any]) -> Counter[str]:
    """How twenty callers fared: ``done`` or the name of the error."""

    def attempt(number: int) -> str:
        try:
            work(number)
        except (ConflictException, ServiceQuotaExceededException, AccessDeniedException) as refused:
            return type(refused).__name__
        return "done"

    with ThreadPoolExecutor(CALLERS) as threads:
        return Counter(threads.map(attempt, range(CALLERS)))


# --- Accounts and keys


def test_of_many_that_want_one_name_or_number_one_gets_it(database: Database) -> None:
    assert all_at_once(lambda _: open_account(database, "wanted")) == {"done": 1, "ConflictException": CALLERS - 1}

    def same_number(number: int) -> None:
        database.write_now(
            lambda tx: accounts.open_account(tx.connection, f"account-{number}", 0, account="123456789012")
        )

    assert all_at_once(same_number) == {"done": 1, "ConflictException": CALLERS - 1}
    rows = database.read_now(accounts.list_accounts)
    assert len(rows) == 2
    assert all(len(row["id"]) == 12 and row["id"].isdecimal() for row in rows)


def test_an_account_is_found_by_name_and_by_number(database: Database) -> None:
    number = open_account(database, "ann")
    for name in ("ann", number):
        row = database.read_now(lambda connection, name=name: accounts.find_account(connection, name))
        assert row is not None
        assert row["id"] == number
    assert database.read_now(lambda connection: accounts.find_account(connection, "Ann")) is None


def test_a_key_takes_those_it_has_issued_with_it(database: Database) -> None:
    account = open_account(database, "ann")
    mine = make_key(database, account)
    session = make_key(database, account, expires_at=2**40, issued_by=mine.id, session_name="s", role_arn="r")
    chained = make_key(database, account, expires_at=2**40, issued_by=session.id)
    other = make_key(database, account)
    assert find_key(database, session.id) == session
    assert session.id.startswith("ASIA")
    assert session.session_token
    assert revoke(database, mine.id) == 3
    assert [find_key(database, key.id) for key in (mine, session, chained)] == [None] * 3
    assert find_key(database, other.id) == other
    assert revoke(database, mine.id) == 0
    assert revoke(database, "AKIANOBODY") is None
    with pytest.raises(AccessDeniedException):
        make_key(database, account, expires_at=2**40, issued_by=mine.id)


def test_a_key_that_ends_by_itself_needs_no_session_token(database: Database) -> None:
    key = make_key(database, open_account(database, "ann"), expires_at=1000, session=False)
    assert (key.session_token, key.expires_at, key.id[:4]) == (None, 1000, "AKIA")
    assert find_key(database, key.id) == key


def test_the_service_keeps_an_operator(database: Database) -> None:
    account = open_account(database, "ann")
    keys = [make_key(database, account, Role.OPERATOR).id for _ in range(CALLERS)]
    make_key(database, account, Role.OPERATOR, expires_at=2**40, session=False)  # ends some day: it does not count
    make_key(database, account)
    assert all_at_once(lambda number: revoke(database, keys[number])) == {"done": CALLERS - 1, "ConflictException": 1}
    still = [key for key in keys if find_key(database, key) is not None]
    assert len(still) == 1
    with pytest.raises(ConflictException, match="last key that can operate"):
        revoke(database, still[0])
    new = make_key(database, account, Role.OPERATOR).id
    assert revoke(database, still[0]) == 1
    assert find_key(database, new) is not None


def test_nothing_is_issued_by_a_key_that_is_being_revoked(database: Database) -> None:
    account = open_account(database, "ann")
    mine = make_key(database, account)
    issued: list[str] = []

    def issue_or_revoke(number: int) -> None:
        if number == CALLERS // 2:
            revoke(database, mine.id)
        else:
            issued.append(make_key(database, account, expires_at=2**40, issued_by=mine.id).id)

    outcome = all_at_once(issue_or_revoke)
    assert outcome["done"] == len(issued) + 1
    assert [key for key in issued if find_key(database, key) is not None] == []


def test_keys_are_listed_without_their_secrets(database: Database) -> None:
    ann, ben = open_account(database, "ann"), open_account(database, "ben")
    lasting = make_key(database, ann)
    session = make_key(database, ann, expires_at=2**40, issued_by=lasting.id)
    revoked = make_key(database, ann)
    revoke(database, revoked.id)
    make_key(database, ben)

    def listed(**terms: Any) -> list[str]:
        rows = database.read_now(lambda connection: accounts.list_keys(connection, ann, **terms))
        for row in rows:
            assert not {"secret", "session_token"} & set(row)
            assert row["name"] == "ann"
        return sorted(row["id"] for row in rows)

    assert listed(lasting_only=True) == [lasting.id]
    assert listed(lasting_only=False) == sorted([lasting.id, session.id, revoked.id])
    assert len(database.read_now(lambda connection: accounts.list_keys(connection, lasting_only=True))) == 2
    rows = database.read_now(accounts.list_accounts)
    assert [(row["name"], row["keys"]) for row in rows] == [("ann", 1), ("ben", 1)]


def test_temporary_keys_are_forgotten_a_week_after_their_end(database: Database) -> None:
    account = open_account(database, "ann")
    week = accounts.TEMPORARY_KEPT_SECONDS
    long_over, over = make_key(database, account, expires_at=1), make_key(database, account, expires_at=1000)
    lasting = make_key(database, account, expires_at=1, session=False)
    database.write_now(lambda tx: accounts.forget_temporary_keys(tx.connection, week + 500))
    found = [find_key(database, key.id) is not None for key in (long_over, over, lasting)]
    assert found == [False, True, True]


def add_sessions(database: Database, issuer: AccessKey, number: int, **more: Any) -> None:
    """As create_key adds them, but by the thousand."""
    row = {"account": issuer.account, "role": "user", "secret": b"", "session_token": b"", "created_at": 0}
    more = {"expires_at": 2**40, "issued_by": issuer.id, **more}
    rows = [{"id": f"ASIA{uuid.uuid4().hex[:20]}", **row, **more} for _ in range(number)]
    database.write_now(lambda tx: tx.connection.execute(insert(tables.access_keys), rows))


def test_a_key_is_revoked_however_many_it_has_issued(database: Database) -> None:
    """More than a statement can have parameters, on either database, with statistics from before."""
    mine = make_key(database, open_account(database, "ann"))
    session = make_key(database, mine.account, expires_at=2**40, issued_by=mine.id)
    database.write_now(lambda tx: tx.connection.execute(text("ANALYZE access_keys")))
    add_sessions(database, mine, 66_000)
    chained = make_key(database, mine.account, expires_at=2**40, issued_by=session.id)
    assert revoke(database, mine.id) == 66_003
    assert find_key(database, chained.id) is None
    assert revoke(database, mine.id) == 0


def test_what_a_key_has_issued_is_counted_while_it_is_valid(database: Database) -> None:
    mine = make_key(database, open_account(database, "ann"))
    add_sessions(database, mine, 3, expires_at=1000)
    add_sessions(database, mine, 4, expires_at=2000)
    add_sessions(database, mine, 2, expires_at=2000, revoked_at=5)

    def count(now: float, most: int) -> int:
        return database.read_now(lambda connection: accounts.count_issued(connection, mine.id, now, most))

    assert [count(999, 100), count(1000, 100), count(999, 5), count(2000, 5)] == [7, 4, 5, 0]


def test_what_is_old_is_forgotten_in_short_writes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "AT_ONCE", 10)
    mine = make_key(database, open_account(database, "ann"))
    add_sessions(database, mine, 25, expires_at=1000)
    add_sessions(database, mine, 5)
    kept = client_tokens.KEPT_MS
    caller = Caller(mine.account, "us-east-1", mine.id, Role.USER, "request")
    for made in [0] * 12 + [kept] * 3:
        token = str(uuid.uuid4())
        database.write_now(
            lambda tx, token=token, made=made: client_tokens.claim(  # type: ignore[misc]
                tx.connection, caller, "Create", token, "hash", "resource", made
            )
        )

    def rows(table: Table) -> int:
        return database.read_now(
            lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one()
        )

    now = accounts.TEMPORARY_KEPT_SECONDS + 1001.0
    more = [database.write_now(lambda tx: accounts.forget_temporary_keys(tx.connection, now)) for _ in range(3)]
    assert (more, rows(tables.access_keys)) == ([True, True, False], 6)
    more = [database.write_now(lambda tx: client_tokens.forget_old(tx.connection, kept + 1)) for _ in range(2)]
    assert (more, rows(tables.client_tokens)) == ([True, False], 3)


def test_a_keyring_lets_go_of_keys_that_have_ended(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "_FEWEST_SWEPT", 4)
    account = open_account(database, "ann")
    lasting = make_key(database, account)
    now = 1000.0
    ring = keyring.Keyring(database, SECRETS, SystemClock(), lambda: now)

    async def use() -> None:
        nonlocal now
        ring._sweep_at = 4
        for _ in range(50):
            now += 10
            for key in (lasting, make_key(database, account, expires_at=int(now) + 15)):
                assert await ring.find(key.id) == key
            over = make_key(database, account, expires_at=int(now) - 1)
            assert await ring.find(over.id) == over  # that it has expired is for the signature check to say

    asyncio.run(use())
    assert len(ring._known) <= 8
    assert lasting.id in ring._known or not database.is_sqlite


# --- Quotas


def test_tasks_queued_are_counted_to_the_last(database: Database) -> None:
    ann, ben = open_account(database, "ann", tasks_queued=7), open_account(database, "ben")
    database.write_now(lambda tx: quotas.set_defaults(tx.connection, Quotas(tasks_queued=3)))

    def add(account: str) -> None:
        def add_within_quota(tx: Transaction) -> None:
            quotas.require_task(tx.connection, account, quotas.of(tx.connection, account))
            add_task(tx, account)

        database.write_now(add_within_quota)

    database.write_now(lambda tx: add_task(tx, ann, status=TaskStatus.RUNNING))
    assert all_at_once(lambda _: add(ann)) == {"done": 7, "ServiceQuotaExceededException": CALLERS - 7}
    assert all_at_once(lambda _: add(ben)) == {"done": 3, "ServiceQuotaExceededException": CALLERS - 3}
    database.write_now(lambda tx: accounts.set_quotas(tx.connection, ann, {"tasks_queued": None}))
    assert all_at_once(lambda _: add(ann)) == {"done": CALLERS}


def test_jobs_count_until_they_have_ended(database: Database) -> None:
    ann = open_account(database, "ann", jobs_running=5)
    for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.RUNNING, JobStatus.CANCELLING):
        database.write_now(lambda tx, status=status: add_job(tx, ann, status))  # type: ignore[misc]

    def add(_: int) -> None:
        def add_within_quota(tx: Transaction) -> None:
            quotas.require_job(tx.connection, ann)
            add_job(tx, ann)

        database.write_now(add_within_quota)

    assert all_at_once(add) == {"done": 3, "ServiceQuotaExceededException": CALLERS - 3}


def test_bytes_are_counted_to_the_last(database: Database) -> None:
    ann = open_account(database, "ann", storage_bytes=100)

    def store(size: int) -> None:
        database.write_now(lambda tx: storage.add(tx.connection, ann, size))

    assert all_at_once(lambda _: store(15)) == {"done": 6, "ServiceQuotaExceededException": CALLERS - 6}
    store(10)
    with pytest.raises(ServiceQuotaExceededException):
        store(1)
    database.write_now(lambda tx: accounts.set_quotas(tx.connection, ann, {"storage_bytes": 50}))
    store(-5)
    [used] = database.read_now(lambda connection: usage.of_accounts(connection, ann))
    assert used.storage_bytes == 95


def test_the_services_quotas_are_those_of_its_last_start(database: Database) -> None:
    ann = open_account(database, "ann", jobs_running=None, tasks_queued=9)
    assert database.read_now(lambda connection: quotas.of(connection, ann)) == Quotas(tasks_queued=9)
    for defaults in (Quotas(1, 2, 3), Quotas(None, 4, 5)):
        database.write_now(lambda tx, defaults=defaults: quotas.set_defaults(tx.connection, defaults))
    assert database.read_now(quotas.defaults) == Quotas(None, 4, 5)
    assert database.read_now(lambda connection: quotas.of(connection, ann)) == Quotas(9, None, 5)
    assert database.read_now(lambda connection: quotas.of(connection, "999999999999")) == Quotas()


def test_usage_is_what_the_rows_say(database: Database) -> None:
    ann, ben = open_account(database, "ann"), open_account(database, "ben")

    def fill(tx: Transaction) -> None:
        add_task(tx, ann)
        add_task(tx, ann, status=TaskStatus.COMPLETED, shots=2**40, started_at=1000, ended_at=2500)
        add_task(tx, ann, status=TaskStatus.CANCELLED, ended_at=9999)
        add_task(tx, ben, status=TaskStatus.RUNNING, started_at=1)
        add_job(tx, ann, JobStatus.COMPLETED, started_at=0, ended_at=60_000)
        add_job(tx, ann, JobStatus.COMPLETED, started_at=0, ended_at=500)

    database.write_now(fill)
    both = database.read_now(usage.of_accounts)
    assert [one.name for one in both] == ["ann", "ben"]
    [used] = database.read_now(lambda connection: usage.of_accounts(connection, ann))
    assert both[0] == used
    assert used.tasks == {"QUEUED": 1, "COMPLETED": 1, "CANCELLED": 1}
    assert (used.shots, used.task_seconds) == (2**40 + 20, 1.5)
    assert (used.jobs, used.job_seconds) == ({"COMPLETED": 2}, 60.5)


# --- The file for `braketeer env`


def test_credentials_are_kept_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    keys = {f"account-{n}": AccessKey(f"AKIA{n}", f"secret-{n}", f"{n:012}", Role.USER) for n in range(CALLERS)}
    with ThreadPoolExecutor(CALLERS) as threads:
        list(threads.map(lambda name: Credentials(path).add({name: keys[name]}), keys))
    kept = json.loads(path.read_bytes())
    assert {name: key["access_key_id"] for name, key in kept.items()} == {name: key.id for name, key in keys.items()}
    assert path.stat().st_mode & 0o777 == 0o600
    other = AccessKey("AKIAOTHER", "s", "0" * 12, Role.USER)
    Credentials(path).add({"account-1": other}, replace=False)
    assert json.loads(path.read_bytes())["account-1"]["access_key_id"] == "AKIA1"
    Credentials(path).add({"account-1": other})
    Credentials(path).forget(["AKIAOTHER", "AKIA2"])
    assert set(keys) - set(json.loads(path.read_bytes())) == {"account-1", "account-2"}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["credentials.json", "credentials.json.lock"]


def test_a_file_that_is_no_credentials_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{ my notes")
    Credentials(path).add({"ann": AccessKey("AKIA", "s", "0" * 12, Role.USER)})
    assert list(json.loads(path.read_bytes())) == ["ann"]
    assert (tmp_path / "credentials.json.unreadable").read_text() == "{ my notes"
