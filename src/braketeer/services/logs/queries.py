"""Logs Insights as the SDK's metrics use it: a query runs beside the requests, and its results are fetched."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping

from braketeer.domain import log_search
from braketeer.domain.accounts import Caller
from braketeer.domain.clock import Clock
from braketeer.domain.errors import ServiceError
from braketeer.domain.ids import fresh_uuid
from braketeer.services.logs.query_runs import Outcome, QueryRuns, Wanted
from braketeer.services.logs.shared import (
    END_OF_TIME,
    MOST_EVENTS,
    Shared,
    group_of,
    invalid,
    name_of_group,
    not_found,
    require_group,
)
from braketeer.store import log_queries
from braketeer.store.database import Database, Transaction
from braketeer.store.log_scans import FoundEvent

# CloudWatch states no size for a page of query results; this keeps a page of huge messages out of memory.
RESULT_PAGE_BYTES = 16 * 2**20
MOST_QUERIED_GROUPS = 50
MOST_QUERIES_LISTED = 1000
HOLD_SECONDS = 0.5
_POINTER = re.compile(r"\d{1,18}/(\d{1,18})")


class QueryOperations(Shared):
    def __init__(self, database: Database, clock: Clock, page_key: bytes) -> None:
        super().__init__(database, clock, page_key)
        self._runs = QueryRuns(database)

    async def close(self) -> None:
        """Stop what runs; a query that has not ended begins again when its results are asked for."""
        await self._runs.close()

    async def start_query(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Check a query (MalformedQueryException), keep it for a week and start it; 30 of an account run at once."""
        if request.get("queryLanguage", "CWLI") != "CWLI":
            raise invalid("Only the query language CWLI is supported.")
        groups = _queried_groups(request, caller)
        try:
            log_search.parse_query(request["queryString"])
        except log_search.QuerySyntaxError as problem:
            location = {"startCharOffset": problem.start, "endCharOffset": problem.end}
            message = f"{problem} (characters {problem.start} to {problem.end})"
            compile_error = {"location": location, "message": str(problem)}
            raise ServiceError(message, code="MalformedQueryException", queryCompileError=compile_error) from problem
        query_id, now = fresh_uuid(), self._clock.now_ms()
        start, end = request["startTime"], request["endTime"]
        kept = {
            "groups": groups,
            "query": request["queryString"],
            "start": min(start * 1000, END_OF_TIME),
            # A client whose clock is behind service time (braketeer clock) asks from a job's start until its own now.
            "end": min(end * 1000 + 999, END_OF_TIME) if end >= start else END_OF_TIME,
            "limit": request.get("limit"),
        }

        def start_it(transaction: Transaction) -> None:
            for group in groups:
                require_group(transaction.connection, caller, group)
            log_queries.add(transaction.connection, query_id, caller.account, kept, now)

        wanted = _wanted(caller, kept)
        if not self._runs.reserve(query_id, wanted):
            raise ServiceError("Account maximum query concurrency limit reached.", code="LimitExceededException")
        try:
            await self._database.write(start_it)
        except BaseException:
            self._runs.stop(query_id)
            raise
        self._runs.start(query_id, wanted)
        return {"queryId": query_id}

    async def get_query_results(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Complete with the rows; while it runs, Running with what has been looked at so far and no rows.

        It waits half a second for a query to end, which most do. One that ended with its service is started again, as
        soon as the account has a place for it.
        """
        query_id = request["queryId"]
        row = await self._query(caller, query_id)
        outcome = Outcome.of(row)
        if outcome is None:
            outcome = Outcome(log_queries.RUNNING, (), {})
            if self._runs.start(query_id, _wanted(caller, row["request"])):
                outcome = await self._runs.wait(query_id, HOLD_SECONDS)
            ended = Outcome.of(await self._query(caller, query_id))  # by this process or another
            outcome = ended or outcome
        after = self._after(request, query_id)
        sent = after["sent"] if after else 0
        wanted = outcome.found[sent : sent + (request.get("maxItems") or MOST_EVENTS)]
        page = await self._fetch(caller, wanted, RESULT_PAGE_BYTES)
        sent += wanted.index(page[-1].place.id) + 1 if page else len(wanted)
        fields = log_search.parse_query(row["request"]["query"]).fields
        # Of ten thousand events these are 60,000 cells; other requests go on meanwhile.
        results = await asyncio.to_thread(lambda: [_result(caller, event, fields) for event in page])
        answer: dict[str, Any] = {
            "queryLanguage": "CWLI",
            "results": results,
            "statistics": outcome.statistics,
            "status": outcome.status,
        }
        return {**answer, **(self._token(query_id, sent=sent) if sent < len(outcome.found) else {})}

    async def stop_query(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Stop a query that runs; one that has ended is CloudWatch's error for that."""
        query_id = request["queryId"]
        await self._query(caller, query_id)
        stopped = await self._database.write(
            lambda transaction: log_queries.end(transaction.connection, query_id, log_queries.CANCELLED)
        )
        if not stopped:
            status = (await self._query(caller, query_id))["status"]
            raise invalid(f"Query is not in running state: it is already {status}")
        self._runs.stop(query_id)
        return {"success": True}

    async def describe_queries(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The account's queries of the last week, newest first; those of a group, on pages that may be short."""
        if request.get("queryLanguage", "CWLI") != "CWLI":
            return {"queries": []}
        group = group_of(request, caller) if request.get("logGroupName") else None
        limit = request.get("maxResults") or MOST_QUERIES_LISTED
        listing = f"queries/{request.get('status')}/{group}"
        after = self._after(request, listing)
        rows = await self._database.read(
            lambda connection: log_queries.newest_first(
                connection,
                caller.account,
                request.get("status"),
                (after["time"], after["id"]) if after else None,
                limit + 1,
            )
        )
        queries = [
            {
                "queryLanguage": "CWLI",
                "queryId": row["id"],
                "queryString": row["request"]["query"],
                "status": row["status"],
                "createTime": row["created_at"],
                "logGroupName": row["request"]["groups"][0],
            }
            for row in rows[:limit]
            if group is None or group in row["request"]["groups"]
        ]
        token = self._next(rows, limit, listing, lambda row: {"time": row["created_at"], "id": row["id"]})
        return {"queries": queries, **token}

    async def get_log_record(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The event that a ``@ptr`` of a query's results points to, with all of its fields."""
        try:
            pointer = base64.b64decode(request["logRecordPointer"], validate=True).decode("ascii")
        except ValueError:
            pointer = ""
        number = _POINTER.fullmatch(pointer)
        if number is None:
            raise invalid("The specified logRecordPointer is invalid.")
        found = await self._fetch(caller, [int(number[1])], RESULT_PAGE_BYTES)
        if not found:
            raise not_found("The specified log record does not exist.")
        return {"logRecord": {cell["field"]: cell["value"] for cell in _result(caller, found[0], log_search.FIELDS)}}

    async def _query(self, caller: Caller, query_id: str) -> RowMapping:
        row = await self._database.read(lambda connection: log_queries.find(connection, caller.account, query_id))
        if row is None:
            raise not_found(f"Query {query_id} does not exist.")
        return row


def _wanted(caller: Caller, kept: Mapping[str, Any]) -> Wanted:
    query = log_search.parse_query(kept["query"])
    return Wanted(
        account=caller.account,
        groups=kept["groups"],
        condition=query.condition,
        times=(kept["start"], kept["end"]),
        descending=query.descending,
        most=query.limit or kept["limit"] or MOST_EVENTS,
    )


def _queried_groups(request: Mapping[str, Any], caller: Caller) -> list[str]:
    given = [name for name in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if request.get(name)]
    if len(given) != 1:
        raise invalid("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers is required.")
    value = request[given[0]]
    groups = [name_of_group(item, caller) for item in ([value] if isinstance(value, str) else value)]
    if len(groups) > MOST_QUERIED_GROUPS:
        raise invalid(f"At most {MOST_QUERIED_GROUPS} log groups can be queried at once.")
    return list(dict.fromkeys(groups))


def _result(caller: Caller, event: FoundEvent, fields: tuple[str, ...]) -> list[dict[str, str]]:
    """An event as a row of Insights: the fields asked for, then @ptr."""
    values = {
        "@timestamp": _insights_time(event.place.timestamp),
        "@message": event.message,
        "@logStream": event.stream,
        "@log": f"{caller.account}:{event.log_group}",
        "@ingestionTime": _insights_time(event.ingested_at),
        "@ptr": base64.b64encode(f"{event.stream_id}/{event.place.id}".encode()).decode(),
    }
    return [{"field": name, "value": values[name]} for name in dict.fromkeys((*fields, "@ptr"))]


def _insights_time(epoch_ms: int) -> str:
    """``YYYY-MM-DD HH:MM:SS.mmm`` in UTC; the far future, which Python's calendar does not have, as a number."""
    try:
        moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(epoch_ms)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{epoch_ms % 1000:03d}"
