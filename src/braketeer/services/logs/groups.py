"""Log groups: the one of hybrid jobs, and those that clients make."""

from __future__ import annotations

from typing import Any

from braketeer.domain.accounts import Caller
from braketeer.services.logs.shared import MOST_DESCRIBED, Shared, exists, group_arn, invalid, not_found, refuse
from braketeer.store import logs
from braketeer.store.database import Transaction

# What PutRetentionPolicy takes, from its API reference.
_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


class GroupOperations(Shared):
    async def describe_log_groups(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Groups by name. How many bytes one holds is not counted, so ``storedBytes`` is left out."""
        refuse(request, "accountIdentifiers", "includeLinkedAccounts", "logGroupIdentifiers")
        limit = request.get("limit") or MOST_DESCRIBED
        after = self._after(request, "groups")
        if request.get("logGroupClass", "STANDARD") != "STANDARD":
            return {"logGroups": []}
        rows = await self._database.read(
            lambda connection: logs.groups(
                connection,
                caller.account,
                prefix=request.get("logGroupNamePrefix", ""),
                part=request.get("logGroupNamePattern", ""),
                after=after["name"] if after else None,
                limit=limit + 1,
            )
        )
        groups = [
            {
                "logGroupName": row["name"],
                "creationTime": row["created_at"],
                "retentionInDays": row["retention_days"],
                "arn": f"{group_arn(caller, row['name'])}:*",
                "logGroupArn": group_arn(caller, row["name"]),
                "metricFilterCount": 0,
                "logGroupClass": "STANDARD",
            }
            for row in rows[:limit]
        ]
        found = [{name: value for name, value in group.items() if value is not None} for group in groups]
        return {"logGroups": found, **self._next(rows, limit, "groups", lambda row: {"name": row["name"]})}

    async def create_log_group(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A new group, of the class STANDARD. Its events are not encrypted beyond what the database's disk is."""
        refuse(request, "kmsKeyId", "deletionProtectionEnabled")
        if request.get("logGroupClass", "STANDARD") != "STANDARD":
            raise invalid("Only the log group class STANDARD is supported.")
        group, tags, now = request["logGroupName"], request.get("tags"), self._clock.now_ms()

        def create(transaction: Transaction) -> None:
            if not logs.create_group(transaction.connection, caller.account, group, now, tags):
                raise exists("The specified log group already exists")

        await self._database.write(create)
        return {}

    async def delete_log_group(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """They are gone when this is answered. A running hybrid job makes its own again with its next line."""
        group = request["logGroupName"]

        def delete_some(transaction: Transaction) -> bool:
            done = logs.delete_group(transaction.connection, caller.account, group)
            if done is None:
                raise not_found("The specified log group does not exist.")
            return done

        while not await self._database.write(delete_some):
            pass  # each is short, and other writes go between
        return {}

    async def put_retention_policy(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Events older than so many days are removed within an hour or so, and not taken any more."""
        days = request["retentionInDays"]
        if days not in _RETENTION_DAYS:
            allowed = ", ".join(map(str, _RETENTION_DAYS))
            raise invalid(f"{days} is no retention that CloudWatch Logs has; it has {allowed} days.")
        return await self._keep(caller, request["logGroupName"], days)

    async def delete_retention_policy(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Events are kept for ever again."""
        return await self._keep(caller, request["logGroupName"], None)

    async def _keep(self, caller: Caller, group: str, days: int | None) -> dict[str, Any]:
        def keep(transaction: Transaction) -> None:
            if not logs.change_group(transaction.connection, caller.account, group, retention_days=days):
                raise not_found("The specified log group does not exist.")

        await self._database.write(keep)
        return {}
