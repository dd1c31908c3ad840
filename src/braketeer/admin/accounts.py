"""Accounts: opening them one by one or by the class, their quotas, and what they have used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.admin.routes import Asked, Members, Route
from braketeer.domain import quotas as quota_rules
from braketeer.domain.accounts import AccessKey, Role, checked_name, checked_number, checked_role
from braketeer.domain.clock import Clock, iso
from braketeer.domain.errors import ConflictException, ResourceNotFoundException, ServiceError, ValidationException
from braketeer.store import accounts as rows
from braketeer.store import quotas, usage
from braketeer.store.credentials import Credentials
from braketeer.store.database import Database, Transaction
from braketeer.store.secrets import Secrets

MOST_AT_ONCE = 1000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An account to open: a checked line of the request."""

    name: str
    account: str | None
    role: Role
    quotas: dict[str, int | None]


class Accounts:
    """The operator's view of accounts."""

    def __init__(self, database: Database, secrets: Secrets, credentials: Credentials, clock: Clock) -> None:
        self._database = database
        self._secrets = secrets
        self._credentials = credentials
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route("POST", "accounts", "CreateAccounts", self.create),
            Route("GET", "accounts", "ListAccounts", self.list_all),
            Route("PUT", "accounts/{name}/quotas", "PutAccountQuotas", self.set_quotas),
            Route("GET", "usage", "ListUsage", self.list_usage),
            Route("GET", "usage/{name}", "GetUsage", self.show_usage),
        ]

    async def create(self, asked: Asked) -> dict[str, Any]:
        """Open ``accounts``: [{name, id?, role?, quotas?}], each with a key of ``role`` (user). All of them or none.

        The answer is the only time that the secrets are shown; the keys are also what ``braketeer env`` prints.
        """
        asked.body.allow("accounts")
        wanted = _wanted(asked.body.get("accounts"))
        keys = await self._database.write(partial(self._open, wanted=wanted))
        await asyncio.to_thread(self._keep, {one.name: key for one, key in zip(wanted, keys, strict=True)})
        return {"accounts": [_opened(one, key) for one, key in zip(wanted, keys, strict=True)]}

    async def list_all(self, asked: Asked) -> dict[str, Any]:
        """All accounts by name, with the quotas that hold for them."""

        def find(connection: Connection) -> list[dict[str, Any]]:
            defaults = quotas.defaults(connection)
            return [_shown(row, defaults) for row in rows.list_accounts(connection)]

        return {"accounts": await self._database.read(find)}

    async def set_quotas(self, asked: Asked) -> dict[str, Any]:
        """Change quotas of an account: {"quotas": {name: number | "none" | "default"}}."""
        asked.body.allow("quotas")
        changes = asked.body.object("quotas")

        def change(transaction: Transaction) -> dict[str, Any]:
            connection = transaction.connection
            # The row is locked, so of two changes at the same time none is lost.
            row = rows.lock_account(connection, found(connection, asked.at["name"])["id"])
            rows.set_quotas(connection, row["id"], quota_rules.changed(row["quotas"], changes))
            return {"account": row["id"], "name": row["name"], "quotas": asdict(quotas.of(connection, row["id"]))}

        return await self._database.write(change)

    async def list_usage(self, asked: Asked) -> dict[str, Any]:
        """What each account has used."""
        return {"usage": [_used(one) for one in await self._database.read(usage.of_accounts)]}

    async def show_usage(self, asked: Asked) -> dict[str, Any]:
        """What one account has used."""

        def find(connection: Connection) -> usage.Usage:
            return usage.of_accounts(connection, found(connection, asked.at["name"])["id"])[0]

        return _used(await self._database.read(find))

    def _open(self, transaction: Transaction, wanted: list[_Wanted]) -> list[AccessKey]:
        connection, now, keys = transaction.connection, self._clock.now_ms(), []
        for number, one in enumerate(wanted, 1):
            try:
                account = rows.open_account(connection, one.name, now, account=one.account, quotas=one.quotas or None)
            except ConflictException as taken:
                raise _at(number, len(wanted), taken) from None
            keys.append(rows.create_key(connection, self._secrets, account, one.role, now))
        return keys

    def _keep(self, keys: dict[str, AccessKey]) -> None:
        """Keep keys for ``braketeer env``. The caller has them too: a full disk does not undo the accounts."""
        try:
            self._credentials.add(keys)
        except OSError as problem:
            _log.error("keys of new accounts could not be added to credentials.json: %s", problem)


def found(connection: Connection, name: str) -> RowMapping:
    """The account of that name or number; ResourceNotFoundException."""
    row = rows.find_account(connection, name)
    if row is None:
        raise ResourceNotFoundException(f"There is no account '{name[:64]}'")
    return row


def _wanted(lines: Any) -> list[_Wanted]:
    if not isinstance(lines, list) or not 1 <= len(lines) <= MOST_AT_ONCE:
        raise ValidationException(f"'accounts' must be a list of 1 to {MOST_AT_ONCE} accounts")
    wanted = []
    for number, line in enumerate(lines, 1):
        try:
            wanted.append(_read(line))
        except ServiceError as problem:
            raise _at(number, len(lines), problem) from None
    for name, of in (("name", lambda one: one.name), ("number", lambda one: one.account)):
        _refuse_twice(wanted, name, of)
    return wanted


def _refuse_twice(wanted: list[_Wanted], what: str, of: Callable[[_Wanted], str | None]) -> None:
    seen: set[str] = set()
    for one in wanted:
        value = of(one)
        if value is not None and value in seen:
            raise ConflictException(f"Two of the accounts have the {what} {value}")
        seen.add(value or "")


def _read(line: Any) -> _Wanted:
    if not isinstance(line, dict):
        raise ValidationException("each account must be an object")
    members = Members(line)
    members.allow("name", "id", "role", "quotas")
    number = members.text("id", None)
    return _Wanted(
        checked_name(members.text("name")),
        None if number is None else checked_number(number),
        checked_role(members.text("role", Role.USER.value)),
        quota_rules.changed(None, members.object("quotas", {})),
    )


def _at(number: int, count: int, problem: ServiceError) -> ServiceError:
    """The problem, saying with which of several accounts it is."""
    where = f"Account {number} of {count}: " if count > 1 else ""
    return ServiceError(where + problem.message, code=problem.code, status=problem.status)


def _opened(one: _Wanted, key: AccessKey) -> dict[str, Any]:
    return {
        "account": key.account,
        "name": one.name,
        "role": key.role.value,
        "access_key_id": key.id,
        "secret_access_key": key.secret,
    }


def _shown(row: RowMapping, defaults: quota_rules.Quotas) -> dict[str, Any]:
    return {
        "account": row["id"],
        "name": row["name"],
        "created_at": iso(row["created_at"]),
        "keys": row["keys"],
        "quotas": asdict(defaults.overridden(row["quotas"])),
        "storage_bytes": row["storage_bytes"],
    }


def _used(one: usage.Usage) -> dict[str, Any]:
    return {**asdict(one), "tasks_queued": one.tasks.get("QUEUED", 0)}
