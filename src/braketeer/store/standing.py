"""How things stand for a task about to be created: everything that its create asks the rows, in one statement."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, literal_column, select

from braketeer.domain.quotas import Quotas
from braketeer.store import devices
from braketeer.store.devices import DeviceState
from braketeer.store.quotas import DEFAULTS
from braketeer.store.statements import Statement
from braketeer.store.tables import accounts, buckets, device_states, service_values, spending_limits

_OF = Statement(
    select(
        accounts.c.quotas,
        service_values.c.value.label("default_quotas"),
        *devices.COLUMNS,
        buckets.c.account.label("bucket_owner"),
        spending_limits.c.id.label("limit_id"),
    )
    .select_from(
        accounts.outerjoin(service_values, service_values.c.name == literal_column(f"'{DEFAULTS}'"))
        .outerjoin(device_states, device_states.c.device_arn == bindparam("of_device"))
        .outerjoin(buckets, buckets.c.name == bindparam("of_bucket"))
        .outerjoin(
            spending_limits,
            (spending_limits.c.account == accounts.c.id) & (spending_limits.c.device_arn == bindparam("of_device")),
        )
    )
    .where(accounts.c.id == bindparam("of_account"))
)


@dataclass(frozen=True, slots=True)
class Standing:
    """``device`` is None where the operator has set nothing, ``bucket_owner`` where there is no such bucket."""

    device: DeviceState | None
    bucket_owner: str | None
    quotas: Quotas
    has_limit: bool


def of(connection: Connection, account: str, device_arn: str, bucket: str) -> Standing:
    """The standing of ``account``, which exists, for a task on ``device_arn`` with its results in ``bucket``."""
    row = _OF.one_or_none(connection, {"of_account": account, "of_device": device_arn, "of_bucket": bucket})
    if row is None:
        raise LookupError(f"There is no account {account}")
    return Standing(
        device=None if row.status is None else devices.read(row),
        bucket_owner=row.bucket_owner,
        quotas=Quotas(**(row.default_quotas or {})).overridden(row.quotas),
        has_limit=row.limit_id is not None,
    )
