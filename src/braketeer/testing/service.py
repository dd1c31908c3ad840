"""A service for tests, as Python objects: where it is, its clock, its faults, its reservations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from braketeer.cli import service as command_line
from braketeer.cli import span
from braketeer.cli.service import Access

# Time as tests write it: "90s", "2h", seconds, or a timedelta.
Span = str | float | timedelta


@contextlib.contextmanager
def running(*options: str) -> Iterator[Service]:
    """A service on a free port with a virtual clock and a fixed seed, gone with all it holds at the end.

    ``options`` are further ones of ``braketeer serve``.
    """
    with command_line.started("--clock", "virtual", "--allow-reset", "--seed", "1", *options) as (access, _):
        yield Service(access)


class Service:
    """A running service. ``variables`` lead AWS clients to it; ``cleared`` would lead them elsewhere."""

    cleared = command_line.CLEARED

    def __init__(self, access: Access) -> None:
        self._access = access
        self.clock = Clock(access)
        self.faults = Faults(access)
        self.reservations = Reservations(access, self.clock)

    @property
    def endpoint(self) -> str:
        return self._access.endpoint

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of clients of account ``default``."""
        return self._access.variables()

    def account(self, name: str) -> Mapping[str, str]:
        """The environment of clients of another account, which is opened the first time; it has role user."""
        names = {one["name"] for one in self.call("GET", "accounts")["accounts"]}
        if name in names:
            key = self.call("POST", "keys", {"account": name, "role": "user"})
        else:
            key = self.call("POST", "accounts", {"accounts": [{"name": name}]})["accounts"][0]
        return Access(self.endpoint, key["access_key_id"], key["secret_access_key"]).variables()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the operator's API below ``/_braketeer/``."""
        return self._access.call(method, path, body)

    def reset(self) -> None:
        """Forget all work, objects, faults and reservations; accounts and service time stay."""
        self.call("POST", "reset")


class Clock:
    """Service time, by which reservations, run times and spending periods go."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def now(self) -> datetime:
        return _time(self._access.call("GET", "clock")["now"])

    def advance(self, by: Span) -> datetime:
        """Jump ahead; the new service time."""
        milliseconds = round(_span(by) / timedelta(milliseconds=1))
        return _time(self._access.call("POST", "clock/advance", {"milliseconds": milliseconds})["now"])

    def advance_to(self, moment: datetime) -> datetime:
        """Jump to a moment, which must not lie behind."""
        ahead = moment - self.now()
        if ahead < timedelta(0):
            raise ValueError(f"{moment} lies behind: service time never goes back")
        return self.advance(ahead)


class Faults:
    """What goes wrong on purpose, until the test ends."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def add(
        self,
        *,
        error: str | None = None,
        operation: str | None = None,
        message: str | None = None,
        fail: str | None = None,
        delay: Span | None = None,
        offline: Span | None = None,
        device: str | None = None,
        account: str | None = None,
        every: int | None = None,
        next: int | None = None,
    ) -> str:
        """One rule, as ``braketeer fault add`` takes it; its id."""
        rule = {
            **{"error": error, "operation": operation, "message": message, "fail": fail},
            **{"delay_ms": _milliseconds(delay), "offline_ms": _milliseconds(offline)},
            **{"device": device, "account": account, "every": every, "next": next},
        }
        given = {name: value for name, value in rule.items() if value is not None}
        return str(self._access.call("POST", "faults", given)["id"])

    def expire_credentials(self, *, account: str | None = None, next: int | None = None) -> str:
        """Refuse calls as with keys that have ended."""
        return self.add(error="ExpiredTokenException", account=account, next=next)

    def list(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._access.call("GET", "faults")["faults"]
        return found

    def clear(self, fault_id: str | None = None) -> None:
        self._access.call("DELETE", "faults" if fault_id is None else f"faults/{quote(fault_id, safe='')}")


@dataclass(frozen=True, slots=True)
class Reservation:
    """A window on a device; ``arn`` is what ``device.run(reservation_arn=...)`` takes."""

    arn: str
    device_arn: str
    start: datetime
    end: datetime
    access: Access

    def cancel(self) -> None:
        self.access.call("DELETE", f"reservations/{quote(self.arn, safe='')}")


class Reservations:
    """Makes reservations; called like a function."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access = access
        self._clock = clock

    def __call__(
        self,
        device_arn: str,
        *,
        start: datetime | Span | None = None,
        duration: Span = "1h",
        kind: str = "exclusive",
        account: str | None = None,
    ) -> Reservation:
        """A window of ``duration`` that begins at ``start``: a moment, a span from now on, or now."""
        begin = start if isinstance(start, datetime) else self._clock.now() + _span(start or 0)
        end = begin + _span(duration)
        wanted = {"device": device_arn, "start": begin.isoformat(), "end": end.isoformat(), "kind": kind}
        made = self._access.call("POST", "reservations", wanted | ({"account": account} if account else {}))
        return Reservation(made["arn"], device_arn, begin, end, self._access)


def _span(by: Span) -> timedelta:
    if isinstance(by, timedelta):
        return by
    return timedelta(seconds=span.seconds(by) if isinstance(by, str) else by)


def _milliseconds(by: Span | None) -> int | None:
    return None if by is None else round(_span(by) / timedelta(milliseconds=1))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
