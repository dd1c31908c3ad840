"""Webhooks: adding, listing and removing them."""

from __future__ import annotations

import secrets as randomness
import time
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from braketeer.admin.accounts import found
from braketeer.admin.routes import Asked, Route
from braketeer.domain.errors import ResourceNotFoundException, ValidationException
from braketeer.domain.events import KINDS, MOST_WEBHOOKS
from braketeer.domain.ids import fresh_uuid
from braketeer.store import topics, webhooks
from braketeer.store.database import Database, Transaction
from braketeer.store.secrets import Secrets

LONGEST_URL = 2048
SECRET_BYTES = 32


class WebhookList:
    """The operator's view of webhooks."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets

    def routes(self) -> list[Route]:
        return [
            Route("POST", "webhooks", "AddWebhook", self.add),
            Route("GET", "webhooks", "ListWebhooks", self.list_all),
            Route("DELETE", "webhooks/{id}", "RemoveWebhook", self.remove),
        ]

    async def add(self, asked: Asked) -> dict[str, Any]:
        """Send every event from now on to ``url``; only those of ``kinds`` and of ``account`` where these are given.

        The answer has the secret that signs them, once: ``whsec_`` and base64, as Standard Webhooks writes it.
        """
        asked.body.allow("url", "kinds", "account")
        url, account = _checked(asked.body.text("url")), asked.body.text("account", None)
        kinds = _kinds(asked.body.get("kinds"))
        secret = randomness.token_bytes(SECRET_BYTES)
        row = {
            "id": fresh_uuid(),
            "url": url,
            "secret": self._secrets.seal(secret.hex()),
            "kinds": kinds,
            "created_at": int(time.time()),
        }

        def add(transaction: Transaction) -> None:
            connection = transaction.connection
            if len(webhooks.listed(connection)) >= MOST_WEBHOOKS:
                raise ValidationException(f"There are {MOST_WEBHOOKS} webhooks already")
            webhooks.add(connection, row | {"account": _account(connection, account)})
            transaction.notify(topics.TASKS)

        await self._database.write(add)
        shown = {name: value for name, value in row.items() if name in ("id", "url", "kinds")}
        return shown | {"secret": f"whsec_{b64encode(secret).decode()}"}

    async def list_all(self, asked: Asked) -> dict[str, Any]:
        rows = await self._database.read(webhooks.listed)
        return {
            "webhooks": [
                {
                    **{name: row[name] for name in ("id", "url", "kinds", "account", "failures", "last_failure")},
                    "created_at": _time(row["created_at"]),
                    "next_try_at": _time(row["next_try_at"]) if row["failures"] else None,
                }
                for row in rows
            ]
        }

    async def remove(self, asked: Asked) -> dict[str, Any]:
        webhook_id = asked.at["id"]
        if not await self._database.write(lambda transaction: webhooks.remove(transaction.connection, webhook_id)):
            raise ResourceNotFoundException(f"There is no webhook '{webhook_id[:60]}'")
        return {"removed": webhook_id}


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket too many
        is_one = False
    if not is_one or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise ValidationException("'url' must be an http or https address")
    return url


def _kinds(kinds: Any) -> list[str]:
    if kinds is None:
        return list(KINDS)
    if not isinstance(kinds, list) or not kinds or not all(kind in KINDS for kind in kinds):
        raise ValidationException(f"'kinds' must be a list of {', '.join(KINDS)}")
    return sorted(set(kinds))


def _account(connection: Connection, name: str | None) -> str | None:
    return None if name is None else str(found(connection, name)["id"])


def _time(epoch_seconds: int) -> str:
    return f"{datetime.fromtimestamp(epoch_seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
