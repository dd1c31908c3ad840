"""Accounts and access keys. Secrets leave this module only as part of an AccessKey."""

from __future__ import annotations

import secrets as randomness
import string

from sqlalchemy import Connection, insert, select, update

from braketeer.domain.accounts import AccessKey, Role
from braketeer.store.secrets import Secrets
from braketeer.store.tables import access_keys, accounts

_LETTERS = string.ascii_uppercase + "234567"


def create_account(connection: Connection, account: str, name: str, now_ms: int) -> None:
    connection.execute(insert(accounts).values(id=account, name=name, created_at=now_ms))


def account_exists(connection: Connection, account: str) -> bool:
    return connection.execute(select(accounts.c.id).where(accounts.c.id == account)).first() is not None


def create_key(
    connection: Connection,
    secrets: Secrets,
    account: str,
    role: Role,
    now_ms: int,
    *,
    expires_at: int | None = None,
    job_id: str | None = None,
) -> AccessKey:
    """A new key; with ``expires_at`` (real time, epoch seconds) a temporary one, which has a session token."""
    temporary = expires_at is not None
    key = AccessKey(
        id=("ASIA" if temporary else "AKIA") + "".join(randomness.choice(_LETTERS) for _ in range(16)),
        secret=randomness.token_urlsafe(30),
        account=account,
        role=role,
        session_token=randomness.token_urlsafe(96) if temporary else None,
        expires_at=expires_at,
        job_id=job_id,
    )
    connection.execute(
        insert(access_keys).values(
            id=key.id,
            account=account,
            role=role.value,
            secret=secrets.seal(key.secret),
            session_token=secrets.seal(key.session_token) if key.session_token else None,
            expires_at=expires_at,
            job_id=job_id,
            created_at=now_ms,
        )
    )
    return key


def find_key(connection: Connection, secrets: Secrets, key_id: str) -> AccessKey | None:
    """The key, if it exists and is not revoked. Whether it has expired is for the signature check to say."""
    row = connection.execute(
        select(access_keys).where(access_keys.c.id == key_id, access_keys.c.revoked_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    return AccessKey(
        id=row.id,
        secret=secrets.open(row.secret),
        account=row.account,
        role=Role(row.role),
        session_token=secrets.open(row.session_token) if row.session_token else None,
        expires_at=row.expires_at,
        job_id=row.job_id,
    )


def revoke_job_keys(connection: Connection, job_id: str, now_ms: int) -> list[str]:
    """End every key of a job; the ids of those that were still valid."""
    mine = (access_keys.c.job_id == job_id) & access_keys.c.revoked_at.is_(None)
    ids = list(connection.execute(select(access_keys.c.id).where(mine)).scalars())
    connection.execute(update(access_keys).where(mine).values(revoked_at=now_ms))
    return ids
