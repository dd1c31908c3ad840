"""Keys that encrypt data keys: one for each account and name, made when it is first named, never changed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain.encryption import AES256
from braketeer.store.tables import accounts, encryption_keys


@dataclass(frozen=True, slots=True)
class SealedKey:
    """``secret`` is sealed by store/secrets.py."""

    id: str
    secret: bytes


def named(connection: Connection, account: str, name: str) -> SealedKey | None:
    columns = (encryption_keys.c.id, encryption_keys.c.secret)
    at = (encryption_keys.c.account == account, encryption_keys.c.name == name)
    row = connection.execute(select(*columns).where(*at)).one_or_none()
    return None if row is None else SealedKey(row.id, row.secret)


def with_id(connection: Connection, key_id: str) -> SealedKey | None:
    row = connection.execute(select(encryption_keys.c.secret).where(encryption_keys.c.id == key_id)).one_or_none()
    return None if row is None else SealedKey(key_id, row.secret)


def keep(
    connection: Connection, account: str, name: str, new: SealedKey, now_ms: int, most: int | None = None
) -> SealedKey | None:
    """The key of that name: ``new``, or the one that another was quicker to make (the unique constraint decides).

    None where it would be one more than ``most``. The account's row is locked, so that the second of two who make
    keys counts the first one's (READ COMMITTED reads anew after the lock).
    """
    if most is not None:
        connection.execute(select(accounts.c.id).where(accounts.c.id == account).with_for_update())
        there = select(func.count()).where(encryption_keys.c.account == account, encryption_keys.c.name != AES256)
        if connection.execute(there).scalar_one() >= most:
            return named(connection, account, name)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"id": new.id, "account": account, "name": name, "secret": new.secret, "created_at": now_ms}
    inserted = connection.execute(dialect.insert(encryption_keys).values(values).on_conflict_do_nothing())
    return new if inserted.rowcount else (named(connection, account, name) or new)
