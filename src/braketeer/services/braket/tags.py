"""TagResource, UntagResource, ListTagsForResource, on quantum tasks, hybrid jobs and spending limits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from braketeer.domain.accounts import Caller
from braketeer.domain.arns import Arn
from braketeer.domain.errors import ValidationException
from braketeer.services.braket import requests
from braketeer.store import jobs, quantum_tasks, spending_limits, tags
from braketeer.store.database import Database, Transaction


class Tags:
    """At most 50 tags a resource; a key that is there already gets the new value."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tag_resource(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        arn, values = request["resourceArn"], request["tags"]
        requests.check_tags(values)

        def put(transaction: Transaction) -> None:
            _require(transaction.connection, caller, arn)
            tags.lock(transaction.connection, arn)  # so that what is counted stays until the commit
            if len(tags.of(transaction.connection, arn) | values) > requests.MOST_TAGS:
                raise ValidationException(f"A resource has at most {requests.MOST_TAGS} tags")
            tags.put(transaction.connection, arn, values)

        await self._database.write(put)
        return {}

    async def untag_resource(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        arn = request["resourceArn"]

        def remove(transaction: Transaction) -> None:
            _require(transaction.connection, caller, arn)
            tags.lock(transaction.connection, arn)
            tags.remove(transaction.connection, arn, request["tagKeys"])

        await self._database.write(remove)
        return {}

    async def list_tags_for_resource(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        arn = request["resourceArn"]

        def find(connection: Connection) -> dict[str, str]:
            _require(connection, caller, arn)
            return tags.of(connection, arn)

        return {"tags": await self._database.read(find)}


def _require(connection: Connection, caller: Caller, arn: str) -> None:
    """ResourceNotFoundException unless the ARN is a task, a job or a limit of the caller's own account and region."""
    parsed = Arn.parse(arn)
    owned = _OWNED.get(parsed.kind) if parsed is not None else None
    if parsed is None or owned is None:
        raise requests.not_found(arn)
    resource_id = requests.id_in(arn, parsed.kind, caller)
    if owned(connection, resource_id, caller.account, caller.region) is None:
        raise requests.not_found(arn)


_OWNED = {"quantum-task": quantum_tasks.owned, "job": jobs.owned, "spending-limit": spending_limits.owned}
