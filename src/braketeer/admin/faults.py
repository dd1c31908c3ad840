"""Fault rules: adding, listing and clearing them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from braketeer.admin.accounts import found
from braketeer.admin.routes import Asked, Members, Route
from braketeer.devices.catalogue import Catalogue
from braketeer.domain.clock import Clock, iso
from braketeer.domain.errors import ResourceNotFoundException, ValidationException
from braketeer.domain.faults import Fault, Kind
from braketeer.domain.ids import fresh_uuid
from braketeer.store.database import Database
from braketeer.store.faults import Faults, listed

# (service, operation, error): raises ValidationException where there is none of that name.
CheckError = Callable[[str | None, str | None, str], None]
MOST_TIMES = 1_000_000_000
LONGEST_DELAY_MS = 3_600_000
LONGEST_OFFLINE_MS = 366 * 86_400_000
LONGEST_TEXT = 1024
_MEMBERS = ("operation", "error", "message", "fail", "delay_ms", "offline_ms", "device", "account", "every", "next")
_KINDS = {"error": Kind.ERROR, "fail": Kind.FAILURE, "delay_ms": Kind.DELAY, "offline_ms": Kind.OFFLINE}
_NAME = re.compile(r"[A-Za-z0-9]{1,80}")


class FaultRules:
    """The operator's view of fault rules."""

    def __init__(
        self, database: Database, faults: Faults, catalogue: Catalogue, clock: Clock, check_error: CheckError
    ) -> None:
        self._database = database
        self._faults = faults
        self._catalogue = catalogue
        self._clock = clock
        self._check_error = check_error

    def routes(self) -> list[Route]:
        return [
            Route("POST", "faults", "AddFault", self.add),
            Route("GET", "faults", "ListFaults", self.list_all),
            Route("DELETE", "faults", "ClearFaults", self.clear_all),
            Route("DELETE", "faults/{id}", "ClearFault", self.clear),
        ]

    async def add(self, asked: Asked) -> dict[str, Any]:
        """A rule of one kind: ``error`` (with ``operation``: ``CreateQuantumTask``, ``s3:PutObject``, or none for
        every call), ``fail`` (a reason), ``delay_ms`` or ``offline_ms`` (with ``device``).

        ``device`` and ``account`` narrow it down, ``every`` picks every n-th, ``next`` ends it after so many.
        """
        body = asked.body
        body.allow(*_MEMBERS)
        kinds = [name for name in _KINDS if body.get(name) is not None]
        if len(kinds) != 1:
            raise ValidationException(f"A fault is one of {', '.join(_KINDS)}")
        fault = await self._fault(_KINDS[kinds[0]], body)
        await self._faults.add(fault)
        return _shown(fault, 0)

    async def list_all(self, asked: Asked) -> dict[str, Any]:
        return {"faults": [_shown(fault, hits) for fault, hits in await self._database.read(listed)]}

    async def clear_all(self, asked: Asked) -> dict[str, Any]:
        return {"cleared": await self._faults.clear()}

    async def clear(self, asked: Asked) -> dict[str, Any]:
        cleared = await self._faults.clear(asked.at["id"])
        if not cleared:
            raise ResourceNotFoundException(f"There is no fault '{asked.at['id'][:60]}'")
        return {"cleared": cleared}

    async def _fault(self, kind: Kind, body: Members) -> Fault:
        allowed = {
            Kind.ERROR: {"error", "operation", "message", "account", "every", "next"},
            Kind.FAILURE: {"fail", "device", "account", "every", "next"},
            Kind.DELAY: {"delay_ms", "device", "account", "every", "next"},
            Kind.OFFLINE: {"offline_ms", "device"},
        }[kind]
        if others := sorted(name for name in body if body[name] is not None and name not in allowed):
            raise ValidationException(f"A fault of kind {kind} has no {', '.join(others)}")
        account = body.text("account", None)
        if account is not None:
            account = (await self._database.read(partial(found, name=account)))["id"]
        service, operation = _operation(body.text("operation", None))
        error = body.text("error", None)
        if kind is Kind.ERROR:
            await asyncio.to_thread(self._check_error, service, operation, error)
        device_arn = body.text("device", None)
        if device_arn is not None and self._catalogue.get(device_arn) is None:
            raise ValidationException(f"There is no device '{device_arn[:300]}'")
        if kind is Kind.OFFLINE and device_arn is None:
            raise ValidationException("Which device is to be offline?")
        offline_ms = body.whole("offline_ms", 1, LONGEST_OFFLINE_MS, None)
        return Fault(
            id=fresh_uuid(),
            kind=kind,
            service=service,
            operation=operation,
            error=error,
            message=_bounded(body.text("fail" if kind is Kind.FAILURE else "message", None)),
            device_arn=device_arn,
            account=account,
            every=body.whole("every", 1, MOST_TIMES, 1),
            times=body.whole("next", 1, MOST_TIMES, None),
            delay_ms=body.whole("delay_ms", 0, LONGEST_DELAY_MS, 0),
            ends_at=self._clock.now_ms() + offline_ms if offline_ms is not None else None,
        )


def _operation(text: str | None) -> tuple[str | None, str | None]:
    """``s3:PutObject`` -> ("s3", "PutObject"); of Braket where no service is named; ``s3:all`` are all of a service."""
    if text is None:
        return None, None
    service, _, operation = text.rpartition(":")
    if not _NAME.fullmatch(operation):
        raise ValidationException(f"'{text[:80]}' is no operation such as CreateQuantumTask or s3:PutObject")
    return service or "braket", None if operation == "all" else operation


def _bounded(text: str | None) -> str | None:
    if text is not None and not 1 <= len(text) <= LONGEST_TEXT:
        raise ValidationException(f"The text of a fault has 1 to {LONGEST_TEXT} characters")
    return text


def _shown(fault: Fault, hits: int) -> dict[str, Any]:
    rule = {name: value for name, value in fault.as_rule().items() if value is not None and value != 0}
    if fault.ends_at is not None:
        rule["ends_at"] = iso(fault.ends_at)
    return rule | {"hits": hits, "used_up": fault.is_used_up(hits)}
