"""What the operator has set for a device; a device without a row is as the catalogue has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from braketeer.store.statements import Statement
from braketeer.store.tables import device_states

DEFAULT = "DEFAULT"  # a row that says nothing about the status

COLUMNS = (
    device_states.c.status,
    device_states.c.reservable,
    device_states.c.recorded_windows,
    device_states.c.reported_status,
    device_states.c.offline_until,
)
_FIND = Statement(select(*COLUMNS).where(device_states.c.device_arn == bindparam("of_device")))
_ALL = Statement(select(device_states.c.device_arn, *COLUMNS))


@dataclass(frozen=True, slots=True)
class DeviceState:
    """``status`` is a value of the model's enum DeviceStatus, None where the operator has set none; ``reservable``
    allows reservations on a simulator. ``recorded_windows`` says whether the execution windows of the device's document
    hold (None: as is usual for the device). ``reported`` is the status that the device's driver has told, if it has
    one; until ``offline_until`` a fault on purpose has it offline.
    """

    status: str | None = None
    reservable: bool = False
    recorded_windows: bool | None = None
    reported: str | None = None
    offline_until: int | None = None


UNSET = DeviceState()


def effective_status(state: DeviceState | None, default: str, now_ms: int) -> str:
    """The status that holds. ``default`` is the catalogue's; a driver, and a fault on purpose, can say that a device
    which the operator has online is not.
    """
    state = state or UNSET
    status = state.status or str(default)
    if status != "ONLINE":
        return status
    if state.offline_until is not None and now_ms < state.offline_until:
        return "OFFLINE"
    return state.reported or status


def state(connection: Connection, device_arn: str) -> DeviceState | None:
    row = _FIND.one_or_none(connection, {"of_device": device_arn})
    return None if row is None else read(row)


def states(connection: Connection) -> dict[str, DeviceState]:
    """Every state that was set, by device ARN."""
    return {row.device_arn: read(row) for row in _ALL.all(connection, {})}


def read(row: Any) -> DeviceState:
    """The state in a row that has COLUMNS."""
    return DeviceState(
        status=None if row.status == DEFAULT else row.status,
        reservable=bool(row.reservable),
        recorded_windows=None if row.recorded_windows is None else bool(row.recorded_windows),
        reported=row.reported_status,
        offline_until=row.offline_until,
    )


def put(connection: Connection, device_arn: str, wanted: DeviceState, now_ms: int) -> None:
    """Set the state of a device, whether or not it has one; all but what its driver has told."""
    recorded = None if wanted.recorded_windows is None else int(wanted.recorded_windows)
    _set(
        connection,
        device_arn,
        now_ms,
        {"status": wanted.status or DEFAULT, "reservable": int(wanted.reservable), "recorded_windows": recorded},
    )


def set_status(connection: Connection, device_arn: str, status: str, now_ms: int) -> None:
    _set(connection, device_arn, now_ms, {"status": status})


def set_windows(connection: Connection, device_arn: str, recorded: bool, now_ms: int) -> None:
    _set(connection, device_arn, now_ms, {"recorded_windows": int(recorded)})


def set_reservable(connection: Connection, device_arn: str, reservable: bool, now_ms: int) -> None:
    """Say whether a simulator can be reserved."""
    _set(connection, device_arn, now_ms, {"reservable": int(reservable)})


def set_offline_until(connection: Connection, device_arn: str, until: int | None, now_ms: int) -> None:
    """Have a device OFFLINE until a service time, as a fault on purpose; None takes that back."""
    _set(connection, device_arn, now_ms, {"offline_until": until})


def set_reported(connection: Connection, device_arn: str, status: str, now_ms: int) -> None:
    _set(connection, device_arn, now_ms, {"reported_status": status})


def forget(connection: Connection, device_arn: str) -> None:
    connection.execute(device_states.delete().where(device_states.c.device_arn == device_arn))


def _set(connection: Connection, device_arn: str, now_ms: int, changes: dict[str, Any]) -> None:
    """Of two changes at once none is lost: each changes its own columns of the one row, found by its primary key."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    changes = {**changes, "updated_at": now_ms}
    connection.execute(
        dialect.insert(device_states)
        .values({"device_arn": device_arn, "status": DEFAULT, **changes})
        .on_conflict_do_update(index_elements=["device_arn"], set_=changes)
    )
