"""What the operator has set for a device; a device without a row is as the catalogue has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, or_, select
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
    device_states.c.maintenance_from,
    device_states.c.maintenance_until,
    device_states.c.in_outage,
)
_FIND = Statement(select(*COLUMNS).where(device_states.c.device_arn == bindparam("of_device")))
_ALL = Statement(select(device_states.c.device_arn, *COLUMNS))


@dataclass(frozen=True, slots=True)
class DeviceState:
    """``status`` is a value of the model's enum DeviceStatus, None where the operator has set none; ``reservable``
    allows reservations on a simulator. ``recorded_windows`` says whether the execution windows of the device's document
    hold (None: as is usual for the device). ``reported`` is the status that the device's driver has told, if it has
    one; until ``offline_until`` a fault on purpose has it offline, and in ``maintenance``, [start, end), it is out of
    service as announced. ``in_outage`` says whether events have told that one of these has begun and not ended.
    """

    status: str | None = None
    reservable: bool = False
    recorded_windows: bool | None = None
    reported: str | None = None
    offline_until: int | None = None
    maintenance: tuple[int, int] | None = None
    in_outage: bool = False

    @property
    def outages(self) -> list[tuple[int, int]]:
        """The spans [start, end) of service time in which it is OFFLINE though nobody has switched it off."""
        fault = [] if self.offline_until is None else [(0, self.offline_until)]
        return fault if self.maintenance is None else [*fault, self.maintenance]

    def outage_until(self, now_ms: int) -> int | None:
        """The end of the outage that there is now, if there is one."""
        return max((until for start, until in self.outages if start <= now_ms < until), default=None)


UNSET = DeviceState()


def effective_status(state: DeviceState | None, default: str, now_ms: int) -> str:
    """The status that holds. ``default`` is the catalogue's; a driver, announced maintenance and a fault on purpose can
    say that a device which the operator has online is not.
    """
    state = state or UNSET
    status = state.status or str(default)
    if status != "ONLINE":
        return status
    if state.outage_until(now_ms) is not None:
        return "OFFLINE"
    return state.reported or status


def back_at(state: DeviceState, default: str, now_ms: int) -> int | None:
    """When time has a device online again that is OFFLINE now; None where it is not, or nobody knows."""
    until = state.outage_until(now_ms)
    while until is not None and (after := state.outage_until(until)) is not None:
        until = after
    return until if until is not None and effective_status(state, default, until) == "ONLINE" else None


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
        maintenance=None if row.maintenance_from is None else (row.maintenance_from, row.maintenance_until),
        in_outage=bool(row.in_outage),
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


def set_maintenance(connection: Connection, device_arn: str, window: tuple[int, int] | None, now_ms: int) -> None:
    """Announce that a device is out of service in [start, end) of service time; None takes that back."""
    start, end = window or (None, None)
    _set(connection, device_arn, now_ms, {"maintenance_from": start, "maintenance_until": end})


def has_unnoted_outage(connection: Connection, now_ms: int) -> bool:
    """Whether ``note_outages`` would change anything."""
    found = states(connection).values()
    return any((state.outage_until(now_ms) is not None) != state.in_outage for state in found)


def note_outages(connection: Connection, now_ms: int) -> None:
    """Write to the rows which outages have begun or ended, which makes the events of it (a trigger of the table).

    Each is told once: the row's own value is in the condition, which PostgreSQL looks at anew after another's change.
    """
    columns = device_states.c
    maintained = and_(columns.maintenance_from <= now_ms, now_ms < columns.maintenance_until)
    is_out = case((or_(columns.offline_until > now_ms, maintained), 1), else_=0)
    told = func.coalesce(columns.in_outage, 0)
    connection.execute(device_states.update().where(told != is_out).values(in_outage=is_out))


def set_reported(connection: Connection, device_arn: str, status: str, now_ms: int) -> None:
    _set(connection, device_arn, now_ms, {"reported_status": status})


def forget(connection: Connection, device_arn: str) -> None:
    connection.execute(device_states.delete().where(device_states.c.device_arn == device_arn))


def forget_settings(connection: Connection) -> None:
    """Have every device as the catalogue has it, and its driver."""
    columns = device_states.c
    connection.execute(device_states.delete().where(columns.reported_status.is_(None)))
    kept = {columns.device_arn.name, columns.reported_status.name, columns.updated_at.name}
    settings = {column.name: None for column in columns if column.name not in kept}
    connection.execute(device_states.update().values(settings | {"status": DEFAULT, "reservable": 0}))


def _set(connection: Connection, device_arn: str, now_ms: int, changes: dict[str, Any]) -> None:
    """Of two changes at once none is lost: each changes its own columns of the one row, found by its primary key."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    changes = {**changes, "updated_at": now_ms}
    connection.execute(
        dialect.insert(device_states)
        .values({"device_arn": device_arn, "status": DEFAULT, **changes})
        .on_conflict_do_update(index_elements=["device_arn"], set_=changes)
    )
