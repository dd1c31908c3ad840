"""Events on their way to webhooks: each in order, signed, at least once, tried again with longer and longer pauses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import orjson
import urllib3

from braketeer.devices.catalogue import Catalogue
from braketeer.domain import events as rules
from braketeer.domain.events import Cursor, Event
from braketeer.store import events, service_values, topics, webhooks
from braketeer.store.database import Database, Transaction
from braketeer.store.secrets import Secrets
from braketeer.store.webhooks import Webhook

log = logging.getLogger(__name__)

AT_ONCE = 50  # events between two notes of how far a webhook has come
ANSWER_SECONDS = 10.0
LEASE_SECONDS = 60
LOOK_AT_LEAST_EVERY_SECONDS = 30.0
PAUSE_SECONDS = 0.1  # between two looks, however much happens


class _NotTaken(Exception):
    """A receiver did not answer with 2xx; the text says what it did."""


class Webhooks:
    """Sends what the outbox holds. One that does not answer keeps no other waiting."""

    def __init__(self, database: Database, catalogue: Catalogue, secrets: Secrets) -> None:
        self._database = database
        self._catalogue = catalogue
        self._secrets = secrets
        self._owner = str(uuid.uuid4())
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._news: topics.Subscription | None = None
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=ANSWER_SECONDS))
        self._threads = ThreadPoolExecutor(rules.MOST_WEBHOOKS, "webhook")  # started as they are needed

    async def run(self, *, alone: bool) -> None:
        """Send, until cancelled; ``alone`` on the database, nobody else is waited for."""
        if alone:
            await self._database.write(lambda transaction: webhooks.end_leases(transaction.connection))
        try:
            with self._database.topics.subscribe(topics.ANYTHING) as self._news:
                while True:
                    wait = LOOK_AT_LEAST_EVERY_SECONDS
                    try:
                        wait = await self._look()
                    except Exception:
                        log.exception("webhooks cannot be looked up; it is tried again")
                    await asyncio.sleep(PAUSE_SECONDS)
                    await self._news.wait(wait)
        finally:
            for sending in self._sending.values():
                sending.cancel()
            await asyncio.gather(*self._sending.values(), return_exceptions=True)
            self._http.clear()
            self._threads.shutdown(wait=False)

    async def _look(self) -> float:
        """Begin to send where there is something to send; the seconds until one that failed is to be tried again."""
        now = int(time.time())
        due, again = await self._database.read(
            lambda connection: (webhooks.due(connection, self._owner, now), webhooks.next_try_at(connection))
        )
        for webhook_id in due:
            if webhook_id not in self._sending:
                task = asyncio.create_task(self._send_all(webhook_id), name=f"webhook {webhook_id}")
                self._sending[webhook_id] = task
                task.add_done_callback(self._ended)
        if again is None:
            return LOOK_AT_LEAST_EVERY_SECONDS
        return min(max(again - time.time(), PAUSE_SECONDS), LOOK_AT_LEAST_EVERY_SECONDS)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending = {webhook_id: other for webhook_id, other in self._sending.items() if other is not task}
        if self._news is not None:
            self._news.wake()  # an event may have come between its last look and its end

    async def _send_all(self, webhook_id: str) -> None:
        """Everything that the webhook has not had yet, in order."""
        try:
            while True:
                webhook = await self._database.write(partial(self._take, webhook_id=webhook_id))
                if webhook is None or not await self._send_some(webhook):
                    return
        except Exception:
            log.exception("nothing can be sent to webhook %s; it is tried again", webhook_id)

    def _take(self, transaction: Transaction, webhook_id: str) -> Webhook | None:
        now = int(time.time())
        return webhooks.take(transaction.connection, webhook_id, self._owner, now, now + LEASE_SECONDS)

    async def _send_some(self, webhook: Webhook) -> bool:
        """The next events; whether there may be more to send at once."""
        found, installation = await self._database.read(
            lambda connection: (
                events.after(connection, webhook.sent, AT_ONCE),
                service_values.installation(connection),
            )
        )
        if not found:
            return False
        sent, begun = webhook.sent, time.monotonic()
        try:
            for event in found:
                if _is_for(event, webhook):
                    loop = asyncio.get_running_loop()
                    await loop.run_in_executor(self._threads, self._post, webhook, event, installation)
                sent = event.cursor
                if time.monotonic() - begun > LEASE_SECONDS / 3:  # long before another may take it over
                    break
        except _NotTaken as problem:
            await self._failed(webhook, sent, str(problem))
            return False

        def note(transaction: Transaction) -> bool:
            return webhooks.note_sent(transaction.connection, webhook.id, self._owner, sent)

        return await self._database.write(note)

    async def _failed(self, webhook: Webhook, sent: Cursor, why: str) -> None:
        again = int(time.time()) + rules.retry_seconds(webhook.failures + 1)
        log.warning("webhook %s has not taken an event: %s", webhook.id, why)

        def note(transaction: Transaction) -> None:
            if sent != webhook.sent:
                webhooks.note_sent(transaction.connection, webhook.id, self._owner, sent)
            webhooks.note_failure(transaction.connection, webhook, self._owner, why, again)

        with contextlib.suppress(Exception):
            await self._database.write(note)

    def _post(self, webhook: Webhook, event: Event, installation: str) -> None:
        """Blocks until the receiver has answered; _NotTaken unless with 2xx."""
        found = rules.document(event, installation, self._catalogue.usual_status)
        body, now = orjson.dumps(found), int(time.time())
        secret = bytes.fromhex(self._secrets.open(webhook.secret))
        headers = {
            "content-type": "application/json",
            "user-agent": "braketeer",
            "webhook-id": found["id"],
            "webhook-timestamp": str(now),
            "webhook-signature": rules.signature(secret, found["id"], now, body),
        }
        try:
            answer = self._http.request(
                "POST", webhook.url, body=body, headers=headers, redirect=False, preload_content=False
            )
            answer.close()  # what it says beside its status is not read: that may have no end
        except urllib3.exceptions.HTTPError as problem:
            raise _NotTaken(f"{type(problem).__name__}: {problem}") from problem
        if not 200 <= answer.status < 300:
            raise _NotTaken(f"It answered {answer.status}")


def _is_for(event: Event, webhook: Webhook) -> bool:
    return event.can_be_told and event.kind in webhook.kinds and webhook.account in (None, event.account)
