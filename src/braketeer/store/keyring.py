"""Access keys at the speed of requests: looked up once, remembered until any key changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sqlalchemy import Connection

from braketeer.domain.accounts import AccessKey, Role
from braketeer.domain.clock import Clock
from braketeer.store import accounts, topics
from braketeer.store.database import Database
from braketeer.store.secrets import Secrets

_FEWEST_SWEPT = 1024


class Keyring:
    """``find`` for the gateway; ``issue`` and ``revoke_of_job`` inside the transactions of whoever runs jobs.

    ``real_time`` is in epoch seconds.
    """

    def __init__(
        self, database: Database, secrets: Secrets, clock: Clock, real_time: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._clock = clock
        self._real_time = real_time
        self._sweep_at = _FEWEST_SWEPT
        self._known: dict[str, AccessKey] = {}
        self._generation = 0
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        ready = asyncio.Event()
        self._watch = asyncio.create_task(self._forget_when_told(ready), name="keyring")
        await ready.wait()

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    async def find(self, key_id: str) -> AccessKey | None:
        """The key, unless it does not exist or is revoked."""
        if (key := self._known.get(key_id)) is not None:
            return key
        generation = self._generation
        key = await self._database.read(lambda connection: accounts.find_key(connection, self._secrets, key_id))
        # Another process may revoke keys of a shared database unheard, so only a database of our own is remembered;
        # and what was read before a revocation must not be remembered after it.
        if key is not None and self._database.is_sqlite and generation == self._generation:
            self._remember(key)
        return key

    def forget(self) -> None:
        """Look every key up again: what was revoked before this call is refused after it."""
        self._generation += 1
        self._known.clear()

    def issue(self, connection: Connection, account: str, job_id: str, expires_at: int) -> AccessKey:
        """A temporary key of role user for a job; ``expires_at`` is real time in epoch seconds."""
        return accounts.create_key(
            connection,
            self._secrets,
            account,
            Role.USER,
            self._clock.now_ms(),
            expires_at=expires_at,
            job_id=job_id,
        )

    def revoke_of_job(self, connection: Connection, job_id: str) -> None:
        """End the keys of a job. The transaction must notify topics.KEYS."""
        accounts.revoke_job_keys(connection, job_id, self._clock.now_ms())

    def _remember(self, key: AccessKey) -> None:
        """Until it ends by itself: then it is dropped by a sweep, each of which waits for twice as many keys."""
        if len(self._known) >= self._sweep_at:
            self._known = {each.id: each for each in self._known.values() if self._is_valid(each)}
            self._sweep_at = max(_FEWEST_SWEPT, 2 * len(self._known))
        if self._is_valid(key):
            self._known[key.id] = key

    def _is_valid(self, key: AccessKey) -> bool:
        return key.expires_at is None or key.expires_at > self._real_time()

    async def _forget_when_told(self, ready: asyncio.Event) -> None:
        with self._database.topics.subscribe(topics.KEYS) as news:
            ready.set()
            while True:
                await news.wait()
                self.forget()
