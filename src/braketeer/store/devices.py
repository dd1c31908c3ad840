"""What the operator has set for a device; a device without a row is as the catalogue has it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.store.statements import Statement
from braketeer.store.tables import device_states

_FIND = Statement(select(device_states).where(device_states.c.device_arn == bindparam("of_device")))
_ALL = Statement(select(device_states))


@dataclass(frozen=True, slots=True)
class DeviceState:
    """``status`` is a value of the model's enum DeviceStatus; ``reservable`` allows reservations on a simulator."""

    status: str
    reservable: bool


def state(connection: Connection, device_arn: str) -> DeviceState | None:
    row = _FIND.one_or_none(connection, {"of_device": device_arn})
    return None if row is None else DeviceState(row.status, bool(row.reservable))


def states(connection: Connection) -> dict[str, DeviceState]:
    """Every state that was set, by device ARN."""
    return {row.device_arn: DeviceState(row.status, bool(row.reservable)) for row in _ALL.all(connection, {})}


def put(connection: Connection, device_arn: str, wanted: DeviceState, now_ms: int) -> None:
    """Set the state of a device, whether or not it has one."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"status": wanted.status, "reservable": int(wanted.reservable), "updated_at": now_ms}
    connection.execute(
        dialect.insert(device_states)
        .values(device_arn=device_arn, **values)
        .on_conflict_do_update(index_elements=["device_arn"], set_=values)
    )


def set_reservable(connection: Connection, device_arn: str, reservable: bool, default_status: str, now_ms: int) -> None:
    """Say whether a simulator can be reserved. ``default_status`` is that of a device which has no row yet."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"reservable": int(reservable), "updated_at": now_ms}
    connection.execute(
        dialect.insert(device_states)
        .values(device_arn=device_arn, status=default_status, **values)
        .on_conflict_do_update(index_elements=["device_arn"], set_=values)
    )
