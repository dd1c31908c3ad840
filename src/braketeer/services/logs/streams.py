"""Log streams: a hybrid job has one for each of its hosts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.domain.accounts import Caller
from braketeer.domain.log_merge import Place
from braketeer.services.logs.shared import (
    MOST_DESCRIBED,
    Shared,
    exists,
    group_arn,
    group_of,
    invalid,
    not_found,
    require_group,
)
from braketeer.store import logs
from braketeer.store.database import Transaction


class StreamOperations(Shared):
    async def describe_log_streams(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Streams of a group by name or by their last event.

        ResourceNotFoundException for an unknown group, which the SDK takes to mean that no job has logged yet
        (flush_log_streams).
        """
        group = group_of(request, caller)
        prefix, by_time = request.get("logStreamNamePrefix"), request.get("orderBy") == "LastEventTime"
        if by_time and prefix is not None:
            raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        descending, limit = bool(request.get("descending")), request.get("limit") or MOST_DESCRIBED
        listing = f"streams/{group}/{prefix or ''}/{by_time}/{descending}"
        after = self._after(request, listing)

        def look(connection: Connection) -> list[RowMapping]:
            require_group(connection, caller, group)
            if by_time:
                place = Place(after["time"], after["id"]) if after else None
                return logs.streams_by_time(
                    connection, caller.account, group, after=place, descending=descending, limit=limit + 1
                )
            return logs.streams_by_name(
                connection,
                caller.account,
                group,
                prefix=prefix or "",
                after=after["name"] if after else None,
                descending=descending,
                limit=limit + 1,
            )

        rows = await self._database.read(look)
        token = self._next(
            rows,
            limit,
            listing,
            lambda row: {"name": row["name"], "time": row["last_event_at"] or 0, "id": row["id"]},
        )
        return {"logStreams": [_stream(caller, row) for row in rows[:limit]], **token}

    async def create_log_stream(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        group, stream, now = request["logGroupName"], request["logStreamName"], self._clock.now_ms()

        def create(transaction: Transaction) -> None:
            # The group's row is locked, so that it is not deleted before its stream is there to be deleted with it.
            require_group(transaction.connection, caller, group, to_change=True)
            if not logs.create_stream(transaction.connection, caller.account, group, stream, now):
                raise exists("The specified log stream already exists")

        await self._database.write(create)
        return {}

    async def delete_log_stream(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """It is gone at once, its events soon. A running hybrid job makes its own again with its next line."""
        group, stream = request["logGroupName"], request["logStreamName"]

        def delete(transaction: Transaction) -> None:
            require_group(transaction.connection, caller, group)
            if not logs.delete_stream(transaction.connection, caller.account, group, stream):
                raise not_found("The specified log stream does not exist.")

        await self._database.write(delete)
        return {}


def _stream(caller: Caller, row: RowMapping) -> dict[str, Any]:
    times = {
        "firstEventTimestamp": row["first_event_at"],
        "lastEventTimestamp": row["last_event_at"],
        "lastIngestionTime": row["last_ingestion_at"],
    }
    return {
        "logStreamName": row["name"],
        "creationTime": row["created_at"],
        **{name: value for name, value in times.items() if value is not None},
        "arn": f"{group_arn(caller, row['log_group'])}:log-stream:{row['name']}",
        "storedBytes": 0,  # of streams, CloudWatch has said no other number since 2019
    }
