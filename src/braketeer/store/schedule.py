"""What the scheduler looks at before anything starts, and the lock under which it decides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sqlalchemy import Connection, text

from braketeer.domain.scheduling import DeviceRow, View
from braketeer.store import devices, reservations

_SCHEDULING = 0x6A6F6273


class Scheduled(Protocol):
    """A device of the catalogue."""

    @property
    def arn(self) -> str: ...

    @property
    def default_status(self) -> str: ...

    def row(
        self, status: str, recorded_windows: bool | None, back_at: int | None, changes_at: tuple[int, ...]
    ) -> DeviceRow:
        """The device with the status that holds, when time changes that, and its windows as the operator wants them."""


def lock_scheduling(connection: Connection) -> None:
    """Until the transaction ends, nobody else starts a task or a job, reserves a device, or ends reservations.

    What is running on a device, and who has reserved it, so stays true between the look and the write: on PostgreSQL by
    an advisory lock, on SQLite by the one writer.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEDULING})


def view(connection: Connection, catalogue: Iterable[Scheduled], now_ms: int) -> View:
    """The rows that decide for these devices; few, however much work waits."""
    states = devices.states(connection)
    rows = {}
    for device in catalogue:
        state = states.get(device.arn, devices.UNSET)
        status = devices.effective_status(state, device.default_status, now_ms)
        back_at = devices.back_at(state, device.default_status, now_ms)
        changes_at = tuple(edge for outage in state.outages for edge in outage)
        rows[device.arn] = device.row(status, state.recorded_windows, back_at, changes_at)
    return View(rows, reservations.begun_and_next(connection, now_ms))
