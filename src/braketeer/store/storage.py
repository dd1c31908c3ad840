"""How much every account stores: ``accounts.storage_bytes``, kept by whatever stores or takes away.

The sum is that of the sizes of all objects and all parts of unfinished uploads in the account's buckets, as clients see
them. Adding to it locks the account's row until the transaction ends, so it is every transaction's last change here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, bindparam, select, update

from braketeer.store import quotas
from braketeer.store.statements import Statement
from braketeer.store.tables import accounts

_ADD = Statement(
    update(accounts)
    .where(accounts.c.id == bindparam("of_account"))
    .values(storage_bytes=accounts.c.storage_bytes + bindparam("more_bytes", type_=BigInteger))
)


def add(connection: Connection, account: str, more_bytes: int) -> None:
    """Count what an account stores more (or less) from this transaction on.

    Raises ServiceQuotaExceededException where it is more than the account may.
    """
    if not more_bytes:
        return
    quotas.require_storage(connection, account, more_bytes)
    _ADD.run(connection, {"of_account": account, "more_bytes": more_bytes})


def refuse_early(connection: Connection, account: str, more_bytes: int) -> None:
    """Refuse what would be too much as things are now, before it is on its way; ``add`` has the last word."""
    used = connection.execute(select(accounts.c.storage_bytes).where(accounts.c.id == account)).scalar()
    quotas.of(connection, account).require("storage_bytes", used or 0, max(more_bytes, 0))
