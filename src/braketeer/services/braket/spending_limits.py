"""CreateSpendingLimit, UpdateSpendingLimit, DeleteSpendingLimit, SearchSpendingLimits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.devices.catalogue import Catalogue
from braketeer.domain import arns, spending
from braketeer.domain.accounts import Caller
from braketeer.domain.clock import Clock, iso
from braketeer.domain.errors import DeviceRetiredException, ValidationException
from braketeer.domain.ids import fresh_uuid
from braketeer.domain.search import FieldKind, parse_filters
from braketeer.services.braket import requests
from braketeer.services.braket.pages import Page
from braketeer.store import client_tokens, devices, search, spending_limits, tags
from braketeer.store.database import Database, Transaction
from braketeer.store.tables import spending_limits as table

DEFAULT_PAGE = 20  # documentation of the model's member maxResults

_CREATE_MEMBERS = frozenset({"clientToken", "deviceArn", "spendingLimit", "timePeriod", "tags"})
_UPDATE_MEMBERS = frozenset({"spendingLimitArn", "clientToken", "spendingLimit", "timePeriod"})


class SpendingLimits:
    """At most one limit per account and device, simulators included; tasks that are created heed it.

    A limit belongs to the region that it was created in, and counts the account's tasks on its device from all of them.
    """

    def __init__(self, database: Database, catalogue: Catalogue, clock: Clock, page_key: bytes) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._page_key = page_key

    async def create_spending_limit(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A limit that holds for every task created from now on, within its period (default: from now to 2125-12-30).

        ValidationException for an unknown device, a period that is empty or over, and where the account has a limit for
        the device already: the model has no other error for that. DeviceRetiredException for a retired device.
        """
        requests.refuse_unknown(request, _CREATE_MEMBERS)
        requests.check_tags(request.get("tags"))
        request_hash, now = requests.hash_of(request), self._clock.now_ms()
        device = requests.device_of(self._catalogue, request["deviceArn"])
        row = {
            "id": fresh_uuid(),
            "account": caller.account,
            "region": caller.region,
            "device_arn": device.arn,
            "starts_at": now,
            "ends_at": spending.END_OF_PERIOD_MS,
            "created_at": now,
            "updated_at": now,
            **_changes(request),
        }
        arn = arns.spending_limit(caller.region, caller.account, row["id"])

        def create(transaction: Transaction) -> str:
            connection, token = transaction.connection, request["clientToken"]
            made = client_tokens.claim(connection, caller, "CreateSpendingLimit", token, request_hash, arn, now)
            if made != arn:
                return made
            spending.check_period(row["starts_at"], row["ends_at"], now)
            state = devices.state(connection, device.arn)
            if devices.effective_status(state, device.default_status, now) == "RETIRED":
                raise DeviceRetiredException(f"The device {device.arn} is retired")
            if not spending_limits.add(connection, row):
                raise ValidationException(_there_already(connection, caller, device.arn))
            tags.put(connection, arn, request.get("tags") or {})
            return arn

        return {"spendingLimitArn": await self._database.write(create)}

    async def update_spending_limit(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Another amount or period, or both; what is not given stays.

        An amount below what is spent is taken: it stops the next task. With another period, the limit counts those of
        its tasks that were created in that period.
        """
        requests.refuse_unknown(request, _UPDATE_MEMBERS)
        arn, now = request["spendingLimitArn"], self._clock.now_ms()
        limit_id = requests.id_in(arn, "spending-limit", caller)
        request_hash, changes, call = requests.hash_of(request), _changes(request), fresh_uuid()

        def update(transaction: Transaction) -> None:
            connection, token = transaction.connection, request["clientToken"]
            # What the token is tied to is this very call: of several equal ones, the token's key lets one through.
            if client_tokens.claim(connection, caller, "UpdateSpendingLimit", token, request_hash, call, now) != call:
                return
            _require(connection, caller, arn, limit_id)
            if "starts_at" in changes:
                spending.check_period(changes["starts_at"], changes["ends_at"], now)
            spending_limits.change(connection, limit_id, changes | {"updated_at": now})

        await self._database.write(update)
        return {}

    async def delete_spending_limit(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The device is without a limit for the account from now on; tasks that are queued stay so."""
        arn = request["spendingLimitArn"]
        limit_id = requests.id_in(arn, "spending-limit", caller)

        def delete(transaction: Transaction) -> None:
            connection = transaction.connection
            _require(connection, caller, arn, limit_id)
            spending_limits.remove(connection, limit_id)
            tags.remove_all(connection, arn)

        await self._database.write(delete)
        return {}

    async def search_spending_limits(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The limits of the caller's account in its region, newest first."""
        asked: dict[str, Any] = {"filters": [], "maxResults": DEFAULT_PAGE} | request
        filters = parse_filters(asked["filters"], {"deviceArn": FieldKind.TEXT})
        page = Page.of(self._page_key, "SearchSpendingLimits", caller, asked)
        columns = {"deviceArn": table.c.device_arn}

        def find(connection: Connection) -> tuple[list[RowMapping], dict[str, dict[str, str]]]:
            rows = search.newest_first(
                connection, table, columns, caller.account, caller.region, filters, page.before, page.size + 1
            )
            return rows, tags.of_many(connection, (_arn(row) for row in rows))

        rows, found_tags = await self._database.read(find)
        return {
            "spendingLimits": [summary(row) | {"tags": found_tags.get(_arn(row), {})} for row in rows[: page.size]],
            **page.next_token([row["sequence"] for row in rows]),
        }


def summary(row: RowMapping | Mapping[str, Any]) -> dict[str, Any]:
    """The model's SpendingLimitSummary of a limit, but for its tags."""
    return {
        "spendingLimitArn": _arn(row),
        "deviceArn": row["device_arn"],
        "timePeriod": {"startAt": spending.moment(row["starts_at"]), "endAt": spending.moment(row["ends_at"])},
        "spendingLimit": row["amount_text"],
        "queuedSpend": spending.amount_text(row["queued_spend"]),
        "totalSpend": spending.amount_text(row["total_spend"]),
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
    }


def _changes(request: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a create or an update gives."""
    found: dict[str, Any] = {}
    if (text := request.get("spendingLimit")) is not None:
        found["amount"], found["amount_text"] = spending.read_limit(text)
    if (period := request.get("timePeriod")) is not None:
        found["starts_at"] = spending.read_moment(period["startAt"])
        found["ends_at"] = spending.read_moment(period["endAt"])
    return found


def _require(connection: Connection, caller: Caller, arn: str, limit_id: str) -> None:
    if spending_limits.owned(connection, limit_id, caller.account, caller.region) is None:
        raise requests.not_found(arn)


def _there_already(connection: Connection, caller: Caller, device_arn: str) -> str:
    limit = spending_limits.of_device(connection, caller.account, device_arn)
    there = f": {_arn(limit)}" if limit is not None else ""
    return f"The account has a spending limit for {device_arn} already{there}"


def _arn(row: RowMapping | Mapping[str, Any]) -> str:
    return arns.spending_limit(row["region"], row["account"], row["id"])
