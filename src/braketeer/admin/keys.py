"""Access keys: making them, listing them without their secrets, ending them at once."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.admin.accounts import found
from braketeer.admin.routes import Asked, Route
from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, AccessKey, Role, checked_role
from braketeer.domain.clock import Clock, iso
from braketeer.domain.errors import ResourceNotFoundException
from braketeer.store import accounts as rows
from braketeer.store import topics
from braketeer.store.credentials import Credentials
from braketeer.store.database import Database, Transaction
from braketeer.store.secrets import Secrets

LONGEST_SECONDS = 100 * 366 * 24 * 3600

_KEY_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_log = logging.getLogger(__name__)


class Keys:
    """The operator's view of access keys. ``forget`` makes this process look every key up again."""

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        credentials: Credentials,
        clock: Clock,
        forget: Callable[[], None],
        real_time: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._credentials = credentials
        self._clock = clock
        self._forget = forget
        self._real_time = real_time

    def routes(self) -> list[Route]:
        return [
            Route("POST", "keys", "CreateKey", self.create),
            Route("GET", "keys", "ListKeys", self.list_all),
            Route("DELETE", "keys/{id}", "RevokeKey", self.revoke),
        ]

    async def create(self, asked: Asked) -> dict[str, Any]:
        """A key of ``account`` (name or number) with ``role`` (user); it ends after ``expires_in`` seconds if given.

        The answer is the only time that the secret is shown.
        """
        asked.body.allow("account", "role", "expires_in")
        name, role = asked.body.text("account"), checked_role(asked.body.text("role", Role.USER.value))
        seconds = asked.body.whole("expires_in", 1, LONGEST_SECONDS, None)
        expires_at = None if seconds is None else int(self._real_time()) + seconds

        def create(transaction: Transaction) -> tuple[str, AccessKey]:
            account = found(transaction.connection, name)
            key = rows.create_key(
                transaction.connection,
                self._secrets,
                account["id"],
                role,
                self._clock.now_ms(),
                expires_at=expires_at,
                session=False,
            )
            return account["name"], key

        name, key = await self._database.write(create)
        if expires_at is None and role is _kept_role(key.account):
            await asyncio.to_thread(self._keep, name, key)
        return {
            "id": key.id,
            "account": key.account,
            "name": name,
            "role": key.role.value,
            "expires_at": _moment(expires_at),
            "access_key_id": key.id,
            "secret_access_key": key.secret,
        }

    async def list_all(self, asked: Asked) -> dict[str, Any]:
        """Keys, of one ``account`` if the query names it; with ``all`` also those of sessions and jobs, and revoked
        ones. Never a secret.
        """
        name, everything = asked.query.get("account"), asked.query.get("all") in ("1", "true")

        def find(connection: Connection) -> list[dict[str, Any]]:
            account = found(connection, name)["id"] if name else None
            now = self._real_time()
            return [_shown(row, now) for row in rows.list_keys(connection, account, lasting_only=not everything)]

        return {"keys": await self._database.read(find)}

    async def revoke(self, asked: Asked) -> dict[str, Any]:
        """End a key and all that it has issued, before this is answered. ConflictException for the last operator's.

        Where credentials.json had it, the account's newest key of the same use takes its place there.
        """
        key_id = asked.at["id"]

        def revoke(transaction: Transaction) -> tuple[int, AccessKey | None]:
            connection, key, ended = transaction.connection, None, None
            if _KEY_ID.fullmatch(key_id):
                key = rows.find_key(connection, self._secrets, key_id)
                ended = rows.revoke_key(connection, key_id, self._clock.now_ms())
            if ended is None:
                raise ResourceNotFoundException(f"There is no key '{key_id[:64]}'")
            transaction.notify(topics.KEYS)
            if key is None:  # it was revoked before
                return ended, None
            return ended, rows.newest_lasting_key(connection, self._secrets, key.account, _kept_role(key.account))

        ended, instead = await self._database.write(revoke)
        self._forget()  # the topic would be heard too, but perhaps only after the next request
        try:
            await asyncio.to_thread(self._credentials.forget, [key_id], instead)
        except OSError as problem:
            _log.error("a revoked key could not be taken out of credentials.json: %s", problem)
        return {"revoked": ended}

    def _keep(self, name: str, key: AccessKey) -> None:
        try:
            self._credentials.add({name: key}, replace=False)
        except OSError as problem:
            _log.error("a key could not be added to credentials.json: %s", problem)


def _kept_role(account: str) -> Role:
    """`env` prints an operator's key for the first account and a user's for all others."""
    return Role.OPERATOR if account == DEFAULT_ACCOUNT_ID else Role.USER


def _shown(row: RowMapping, now: float) -> dict[str, Any]:
    expired = row["expires_at"] is not None and row["expires_at"] <= now
    return {
        "id": row["id"],
        "account": row["account"],
        "name": row["name"],
        "role": row["role"],
        "status": "revoked" if row["revoked_at"] is not None else "expired" if expired else "active",
        "created_at": iso(row["created_at"]),
        "expires_at": _moment(row["expires_at"]),
        "issued_by": row["issued_by"],
        "job_id": row["job_id"],
    }


def _moment(epoch_seconds: int | None) -> str | None:
    if epoch_seconds is None:
        return None
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat().replace("+00:00", "Z")
