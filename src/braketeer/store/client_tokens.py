"""Client tokens: the same token in the same (account, region, operation) gives one resource.

The primary key of the table is what makes it hold: two transactions that insert the same token cannot both commit.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import ServiceError, ValidationException
from braketeer.store.deletions import delete_some
from braketeer.store.statements import Statement
from braketeer.store.tables import client_tokens

KEPT_MS = 48 * 3600 * 1000

_FIND = Statement(
    select(client_tokens.c.request_hash, client_tokens.c.resource).where(
        client_tokens.c.account == bindparam("of_account"),
        client_tokens.c.region == bindparam("of_region"),
        client_tokens.c.operation == bindparam("of_operation"),
        client_tokens.c.token == bindparam("of_token"),
    )
)
_INSERT_IF_NEW = {
    "sqlite": Statement(sqlite.insert(client_tokens).on_conflict_do_nothing()),
    "postgresql": Statement(postgresql.insert(client_tokens).on_conflict_do_nothing()),
}


def claim(
    connection: Connection,
    caller: Caller,
    operation: str,
    token: str,
    request_hash: str,
    resource: str,
    now_ms: int,
    mismatch: type[ServiceError] = ValidationException,
) -> str:
    """Tie ``token`` to ``resource`` and return ``resource``, or return the resource it is tied to already.

    The same token with another body raises ``mismatch`` (ConflictException where the operation models it).
    """
    row = {
        "account": caller.account,
        "region": caller.region,
        "operation": operation,
        "token": token,
        "request_hash": request_hash,
        "resource": resource,
        "created_at": now_ms,
    }
    if _INSERT_IF_NEW[connection.dialect.name].run(connection, row):
        return resource
    return _resource(find(connection, caller, operation, token), request_hash, mismatch) or resource


def find(connection: Connection, caller: Caller, operation: str, token: str) -> tuple[str, str] | None:
    """(request hash, resource) of a token that was used, or None."""
    place = {"of_account": caller.account, "of_region": caller.region, "of_operation": operation, "of_token": token}
    row = _FIND.one_or_none(connection, place)
    return None if row is None else (row.request_hash, row.resource)


def resource_of(
    connection: Connection,
    caller: Caller,
    operation: str,
    token: str,
    request_hash: str,
    mismatch: type[ServiceError] = ValidationException,
) -> str | None:
    """The resource that an earlier call with this token made, or None; raises ``mismatch`` for another body."""
    return _resource(find(connection, caller, operation, token), request_hash, mismatch)


def forget_old(connection: Connection, now_ms: int) -> bool:
    """Drop some of the tokens older than two days (the promise is 24 hours); whether there may be more."""
    return delete_some(connection, client_tokens, client_tokens.c.created_at < now_ms - KEPT_MS)


def _resource(found: tuple[str, str] | None, request_hash: str, mismatch: type[ServiceError]) -> str | None:
    if found is None:
        return None
    if found[0] != request_hash:
        raise mismatch("The client token was already used with different request parameters")
    return found[1]
