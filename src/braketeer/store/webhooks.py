"""Where events are sent: the addresses, and how far each has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, or_, select, update
from sqlalchemy import tuple_ as row_value

from braketeer.domain.events import Cursor
from braketeer.store import events
from braketeer.store.tables import webhooks

_w = webhooks.c


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that this process sends to now. ``secret`` is sealed (store/secrets.py)."""

    id: str
    url: str
    secret: bytes
    kinds: tuple[str, ...]
    account: str | None
    sent: Cursor
    failures: int


def add(connection: Connection, row: dict[str, Any]) -> None:
    """A webhook, to which everything is sent that comes from now on."""
    newest = events.last(connection)
    sent = {"sent_transaction": newest.transaction, "sent_sequence": newest.sequence}
    connection.execute(insert(webhooks).values(row | sent))


def listed(connection: Connection) -> list[RowMapping]:
    """All, without their secrets."""
    columns = [column for column in _w if column.name != "secret"]
    return list(connection.execute(select(*columns).order_by(_w.created_at, _w.id)).mappings())


def remove(connection: Connection, webhook_id: str) -> bool:
    return connection.execute(delete(webhooks).where(_w.id == webhook_id)).rowcount > 0


def due(connection: Connection, owner: str, now: int) -> list[str]:
    """Those to which this process may have something to send now (real time, epoch seconds)."""
    newest = events.last(connection)
    behind = row_value(_w.sent_transaction, _w.sent_sequence) < row_value(newest.transaction, newest.sequence)
    return list(connection.execute(select(_w.id).where(behind, _w.next_try_at <= now, _free(owner, now))).scalars())


def take(connection: Connection, webhook_id: str, owner: str, now: int, until: int) -> Webhook | None:
    """The webhook, if it is this process's to send to until ``until`` (real time, epoch seconds); else None.

    The conditions are in the changing statement: of two processes one has it.
    """
    taking = (
        update(webhooks)
        .where(_w.id == webhook_id, _w.next_try_at <= now, _free(owner, now))
        .values(lease_owner=owner, lease_until=until)
        .returning(webhooks)
    )
    row = connection.execute(taking).mappings().one_or_none()
    if row is None:
        return None
    sent = Cursor(row["sent_transaction"], row["sent_sequence"])
    return Webhook(row["id"], row["url"], row["secret"], tuple(row["kinds"]), row["account"], sent, row["failures"])


def end_leases(connection: Connection) -> None:
    """Nobody else is there who could be sending."""
    connection.execute(update(webhooks).where(_w.lease_owner.is_not(None)).values(lease_owner=None, lease_until=None))


def next_try_at(connection: Connection) -> int | None:
    """The earliest time at which something that failed is to be tried again."""
    waiting = select(_w.next_try_at).where(_w.failures > 0).order_by(_w.next_try_at).limit(1)
    return connection.execute(waiting).scalar_one_or_none()


def note_sent(connection: Connection, webhook_id: str, owner: str, sent: Cursor) -> bool:
    """It has come so far; whether the webhook is still ours."""
    values = {"sent_transaction": sent.transaction, "sent_sequence": sent.sequence, "failures": 0, "next_try_at": 0}
    ours = update(webhooks).where(_w.id == webhook_id, _w.lease_owner == owner)
    return connection.execute(ours.values(values)).rowcount > 0


def note_failure(connection: Connection, webhook: Webhook, owner: str, why: str, next_try_at: int) -> None:
    ours = update(webhooks).where(_w.id == webhook.id, _w.lease_owner == owner)
    values = {"failures": webhook.failures + 1, "last_failure": why[:256], "next_try_at": next_try_at}
    connection.execute(ours.values(values))


def _free(owner: str, now: int) -> ColumnElement[bool]:
    return or_(_w.lease_owner.is_(None), _w.lease_owner == owner, _w.lease_until <= now)
