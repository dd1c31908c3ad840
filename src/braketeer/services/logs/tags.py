"""Tags of log groups, by ARN and in the older form by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import ServiceError
from braketeer.services.logs.shared import Shared, name_of_group, not_found, require_group
from braketeer.store import logs
from braketeer.store.database import Transaction

MOST_TAGS = 50

Tags = dict[str, str]


class TagOperations(Shared):
    async def tag_resource(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        return await self._add(caller, _group_of(request, caller), request["tags"])

    async def untag_resource(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        return await self._remove(caller, _group_of(request, caller), request["tagKeys"])

    async def list_tags_for_resource(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        return await self._list(caller, _group_of(request, caller))

    async def tag_log_group(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        return await self._add(caller, request["logGroupName"], request["tags"])

    async def untag_log_group(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        return await self._remove(caller, request["logGroupName"], request["tags"])

    async def list_tags_log_group(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        return await self._list(caller, request["logGroupName"])

    async def _add(self, caller: Caller, group: str, tags: Mapping[str, str]) -> dict[str, Any]:
        def add(old: Tags) -> Tags:
            new = {**old, **tags}
            if len(new) > MOST_TAGS:
                raise ServiceError(f"A log group can have up to {MOST_TAGS} tags", code="TooManyTagsException")
            return new

        return await self._change(caller, group, add)

    async def _remove(self, caller: Caller, group: str, keys: list[str]) -> dict[str, Any]:
        return await self._change(caller, group, lambda old: {k: v for k, v in old.items() if k not in keys})

    async def _change(self, caller: Caller, group: str, how: Callable[[Tags], Tags]) -> dict[str, Any]:
        def change(transaction: Transaction) -> None:
            connection = transaction.connection
            # The group's row is locked: two callers that tag it at once do so one after the other.
            row = require_group(connection, caller, group, to_change=True)
            logs.change_group(connection, caller.account, group, tags=how(row["tags"] or {}))

        await self._database.write(change)
        return {}

    async def _list(self, caller: Caller, group: str) -> dict[str, Any]:
        row = await self._database.read(lambda connection: require_group(connection, caller, group))
        return {"tags": row["tags"] or {}}


def _group_of(request: Mapping[str, Any], caller: Caller) -> str:
    arn: str = request["resourceArn"]
    if not arn.startswith("arn:") or ":log-group:" not in arn:
        raise not_found("The specified resource does not exist.")
    return name_of_group(arn, caller)
