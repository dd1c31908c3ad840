"""Reservations for tests, straight into the rows: no command makes them yet."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from braketeer.domain.associations import Reservation
from braketeer.store import devices, reservations
from braketeer.store.database import opened
from tests.services import ACCOUNT, SV1

PREFIX = f"arn:aws:braket:us-east-1:{ACCOUNT}:reservation/"
MINE = PREFIX + "mine"
HOUR_MS = 3_600_000


def book(
    data_dir: Path,
    name: str,
    account: str = ACCOUNT,
    device: str = SV1,
    start_ms: int = -HOUR_MS,
    end_ms: int = HOUR_MS,
) -> None:
    """A reservation whose window is relative to now, on a device that may be reserved; no service may be running."""
    now = time.time_ns() // 1_000_000

    def put(tx: Any) -> None:
        devices.put(tx.connection, device, devices.DeviceState("ONLINE", True), now)
        row = Reservation(name, account, device, now + start_ms, now + end_ms, "ACTIVE")
        reservations.add(tx.connection, row, now)

    with opened(f"sqlite:///{data_dir / 'braketeer.db'}") as database:
        database.write_now(put)
