"""Reservations for tests: as an operator makes them, and straight into the rows where they are to be in the past."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from braketeer.domain.reservations import Reservation, ReservationKind
from braketeer.store import devices, reservations
from braketeer.store.database import opened
from tests.services import ACCOUNT, SV1, RunningService

PREFIX = f"arn:aws:braket:us-east-1:{ACCOUNT}:reservation/"
MINE = PREFIX + "mine"
HOUR_MS = 3_600_000


def association(arn: str) -> list[dict[str, str]]:
    return [{"arn": arn, "type": "RESERVATION_TIME_WINDOW_ARN"}]


def allow(service: RunningService, device: str) -> None:
    """Let a simulator be reserved."""
    service.access.call("PUT", f"devices/{quote(device, safe='')}/reservable", {"reservable": True})


def reserve(service: RunningService, device: str, start: float = 0, end: float = 3600, **more: Any) -> dict[str, Any]:
    """A new reservation from ``start`` to ``end``, seconds from now, of a device that may be reserved."""
    moments = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (start, end))
    window = dict(zip(("start", "end"), (moment.isoformat() for moment in moments), strict=True))
    made: dict[str, Any] = service.access.call("POST", "reservations", {"device": device, **window, **more})
    return made


def cancel(service: RunningService, arn: str) -> dict[str, Any]:
    gone: dict[str, Any] = service.access.call("DELETE", f"reservations/{quote(arn, safe='')}")
    return gone


def book(
    data_dir: Path,
    name: str,
    account: str = ACCOUNT,
    device: str = SV1,
    start_ms: int = -HOUR_MS,
    end_ms: int = HOUR_MS,
) -> None:
    """A reservation of kind priority, relative to now, on a device that may be reserved; no service may be running."""
    now = time.time_ns() // 1_000_000

    def put(tx: Any) -> None:
        devices.set_reservable(tx.connection, device, True, now)
        kind = ReservationKind.PRIORITY
        row = Reservation(name, account, device, now + start_ms, now + end_ms, kind, made_at=now)
        reservations.add(tx.connection, row)

    with opened(f"sqlite:///{data_dir / 'braketeer.db'}") as database:
        database.write_now(put)
