"""Accounts and access keys. Secrets leave this module only as part of an AccessKey."""

from __future__ import annotations

import secrets as randomness
import string
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain.accounts import LASTING, TEMPORARY, AccessKey, Role
from braketeer.domain.errors import AccessDeniedException, ConflictException
from braketeer.store.deletions import delete_some
from braketeer.store.secrets import Secrets
from braketeer.store.tables import access_keys, accounts

# Built once: a class has hundreds.
_ADD_ACCOUNT = {
    "sqlite": sqlite.insert(accounts).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(accounts).on_conflict_do_nothing(),
}
_ADD_KEY = insert(access_keys)

TEMPORARY_KEPT_SECONDS = 7 * 24 * 3600
_LETTERS = string.ascii_uppercase + "234567"
_LASTING = access_keys.c.session_token.is_(None)  # keys that somebody keeps, not those of a job or a session
ISSUERS_AT_ONCE = 1_000
_MOST_DRAWS = 20  # of a random number for an account; one draw is enough while there are fewer than millions


def create_account(
    connection: Connection, account: str, name: str, now_ms: int, quotas: Mapping[str, int | None] | None = None
) -> bool:
    """Add an account unless its number or its name is taken; whether it was added.

    The primary key and the unique name make it hold between two callers.
    """
    row = {"id": account, "name": name, "created_at": now_ms, "quotas": quotas}
    return bool(connection.execute(_ADD_ACCOUNT[connection.dialect.name], row).rowcount)


def open_account(
    connection: Connection,
    name: str,
    now_ms: int,
    *,
    account: str | None = None,
    quotas: Mapping[str, int | None] | None = None,
) -> str:
    """A new account's number, the given one or a random one; ConflictException where number or name is taken."""
    for _ in range(_MOST_DRAWS):
        wanted = account or f"{randomness.randbelow(10**12):012}"
        if create_account(connection, wanted, name, now_ms, quotas):
            return wanted
        if connection.execute(select(accounts.c.id).where(accounts.c.name == name)).first() is not None:
            raise ConflictException(f"There is an account '{name}' already")
        if account is not None:
            raise ConflictException(f"There is an account with the number {account} already")
    raise ConflictException("No free account number was found")


def account_exists(connection: Connection, account: str) -> bool:
    return connection.execute(select(accounts.c.id).where(accounts.c.id == account)).first() is not None


def are_several(connection: Connection) -> bool:
    """Whether there is more than one account."""
    return len(connection.execute(select(accounts.c.id).limit(2)).all()) > 1


def find_account(connection: Connection, name_or_id: str) -> RowMapping | None:
    """The account of that name or number (no name looks like a number)."""
    which = or_(accounts.c.name == name_or_id, accounts.c.id == name_or_id)
    return connection.execute(select(accounts).where(which)).mappings().one_or_none()


def list_accounts(connection: Connection) -> Sequence[RowMapping]:
    """All accounts by name, each with ``keys``: how many lasting keys it has that are not revoked."""
    keys = (
        select(func.count())
        .where(access_keys.c.account == accounts.c.id, access_keys.c.revoked_at.is_(None), _LASTING)
        .correlate(accounts)
        .scalar_subquery()
    )
    return connection.execute(select(accounts, keys.label("keys")).order_by(accounts.c.name)).mappings().all()


def set_quotas(connection: Connection, account: str, quotas: Mapping[str, int | None]) -> None:
    """Replace an account's own quotas."""
    connection.execute(update(accounts).where(accounts.c.id == account).values(quotas=dict(quotas)))


def lock_account(connection: Connection, account: str) -> RowMapping:
    """An account's row, which nobody else changes until the transaction ends."""
    query = select(accounts).where(accounts.c.id == account).with_for_update()
    return connection.execute(query).mappings().one()


def create_key(
    connection: Connection,
    secrets: Secrets,
    account: str,
    role: Role,
    now_ms: int,
    *,
    expires_at: int | None = None,
    session: bool | None = None,
    job_id: str | None = None,
    issued_by: str | None = None,
    session_name: str | None = None,
    role_arn: str | None = None,
) -> AccessKey:
    """A new key; with ``expires_at`` (real time, epoch seconds) one that ends by itself.

    A session's key (by default any that ends) is as AWS's temporary ones are: its name begins with ASIA, and requests
    need its session token too. ``issued_by`` is the key that asks for it: its row is locked and must not be revoked,
    so that a revocation at the same time ends either both or comes first (AccessDeniedException).
    """
    if issued_by is not None:
        issuer = select(access_keys.c.id).where(access_keys.c.id == issued_by, access_keys.c.revoked_at.is_(None))
        if connection.execute(issuer.with_for_update()).first() is None:
            raise AccessDeniedException("The key that asks for another one is revoked")
    temporary = expires_at is not None if session is None else session
    key = AccessKey(
        id=(TEMPORARY if temporary else LASTING) + "".join(randomness.choice(_LETTERS) for _ in range(16)),
        secret=randomness.token_urlsafe(30),
        account=account,
        role=role,
        session_token=randomness.token_urlsafe(96) if temporary else None,
        expires_at=expires_at,
        job_id=job_id,
    )
    row = {
        "id": key.id,
        "account": account,
        "role": role.value,
        "secret": secrets.seal(key.secret),
        "session_token": secrets.seal(key.session_token) if key.session_token else None,
        "expires_at": expires_at,
        "job_id": job_id,
        "issued_by": issued_by,
        "session_name": session_name,
        "role_arn": role_arn,
        "created_at": now_ms,
    }
    connection.execute(_ADD_KEY, row)
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


def key_of(connection: Connection, account: str, key_id: str) -> RowMapping | None:
    """A key of the account, revoked or not, without its secrets."""
    shown = [column for column in access_keys.c if column.name not in ("secret", "session_token")]
    query = select(*shown).where(access_keys.c.id == key_id, access_keys.c.account == account)
    return connection.execute(query).mappings().one_or_none()


def newest_lasting_key(connection: Connection, secrets: Secrets, account: str, role: Role) -> AccessKey | None:
    """The youngest key of the account and role that neither ends by itself nor is revoked."""
    lasting = (access_keys.c.revoked_at.is_(None), _LASTING, access_keys.c.expires_at.is_(None))
    query = (
        select(access_keys.c.id)
        .where(access_keys.c.account == account, access_keys.c.role == role.value, *lasting)
        .order_by(access_keys.c.created_at.desc(), access_keys.c.id)
        .limit(1)
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else find_key(connection, secrets, found)


def list_keys(connection: Connection, account: str | None = None, *, lasting_only: bool) -> Sequence[RowMapping]:
    """Keys without their secrets, oldest first, each with its account's ``name``. ``lasting_only`` leaves out those
    that are revoked, and those of jobs and sessions.
    """
    shown = [column for column in access_keys.c if column.name not in ("secret", "session_token")]
    query = select(*shown, accounts.c.name).join(accounts, accounts.c.id == access_keys.c.account)
    if account is not None:
        query = query.where(access_keys.c.account == account)
    if lasting_only:
        query = query.where(access_keys.c.revoked_at.is_(None), _LASTING)
    return connection.execute(query.order_by(access_keys.c.created_at, access_keys.c.id)).mappings().all()


def count_issued(connection: Connection, key_id: str, now: float, most: int) -> int:
    """How many of the keys that a key has issued are valid at ``now`` (real time, epoch seconds); up to ``most``.

    In a transaction that has issued one (see create_key) the key's row is locked: nobody issues more until it ends.
    """
    c = access_keys.c
    valid = select(c.id).where(c.issued_by == key_id, c.expires_at > now, c.revoked_at.is_(None)).limit(most)
    return connection.execute(select(func.count()).select_from(valid.subquery())).scalar_one()


def revoke_key(connection: Connection, key_id: str, now_ms: int) -> int | None:
    """End a key and everything that was issued by it; how many ended, None where there is no such key.

    ConflictException for the last key that operates the service. All keys that do are locked, in the order of their
    ids, before they are counted: of two callers that revoke the last two, the second is refused. A key that is being
    issued meanwhile waits for its issuer's row (see create_key), or its issuer's revocation waits for it: then it is
    found by the statement after that, which looks for what its issuer has issued.
    """
    operators = (
        select(access_keys.c.id)
        .where(access_keys.c.role == Role.OPERATOR, access_keys.c.revoked_at.is_(None), _LASTING)
        .where(access_keys.c.expires_at.is_(None))
        .order_by(access_keys.c.id)
        .with_for_update()
    )
    if list(connection.execute(operators).scalars()) == [key_id]:
        raise ConflictException("This is the last key that can operate the service: make another operator's key first")
    if connection.execute(select(access_keys.c.id).where(access_keys.c.id == key_id)).first() is None:
        return None
    c = access_keys.c
    issuers = _revoke(connection, c.id == key_id, now_ms)
    ended = len(issuers)
    while issuers:
        # Some at a time, as a statement has so many parameters and no more. One statement for all of them, with a
        # subquery, is at the mercy of the planner: PostgreSQL, with old statistics, takes minutes for 66,000 keys.
        some = issuers[-ISSUERS_AT_ONCE:]
        del issuers[-ISSUERS_AT_ONCE:]
        issued = _revoke(connection, c.issued_by.in_(some), now_ms)
        issuers += issued
        ended += len(issued)
    return ended


def revoke_job_keys(connection: Connection, job_id: str, now_ms: int) -> list[str]:
    """End every key of a job; the ids of those that were still valid.

    They are locked first: a key that one of them is issuing meanwhile waits (see create_key) or is found by the update.
    """
    mine = access_keys.c.job_id == job_id
    still = mine & access_keys.c.revoked_at.is_(None)
    connection.execute(select(access_keys.c.id).where(still).order_by(access_keys.c.id).with_for_update())
    return _revoke(connection, mine, now_ms)


def forget_temporary_keys(connection: Connection, now: float) -> bool:
    """Drop some of the keys of sessions and jobs that expired a week before ``now`` (real time, epoch seconds).

    They come by the thousand and nobody asks for them. Whether there may be more.
    """
    over = access_keys.c.expires_at < int(now) - TEMPORARY_KEPT_SECONDS
    return delete_some(connection, access_keys, access_keys.c.session_token.is_not(None) & over)


def _revoke(connection: Connection, which: ColumnElement[bool], now_ms: int) -> list[str]:
    """Those of these keys that were not revoked before, and are now."""
    still = which & access_keys.c.revoked_at.is_(None)
    revoked = update(access_keys).where(still).values(revoked_at=now_ms).returning(access_keys.c.id)
    return list(connection.execute(revoked).scalars())
