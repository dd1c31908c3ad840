"""CloudWatch Logs, as far as clients of Braket read and write logs (wire-contract section 2.1)."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.domain import log_search, pagination
from braketeer.domain.accounts import Caller
from braketeer.domain.clock import Clock
from braketeer.domain.errors import ServiceError, ValidationException
from braketeer.store import logs
from braketeer.store.database import Database, Transaction
from braketeer.store.logs import Page, Place, Search

MOST_EVENTS = 10_000
PAGE_BYTES = 2**20
# CloudWatch states no size for a page of query results; this keeps a page of huge messages out of memory.
RESULT_PAGE_BYTES = 16 * 2**20
MOST_DESCRIBED = 50
MOST_QUERIED_GROUPS = 50
MOST_BATCH_BYTES = 2**20
END_OF_TIME = 2**62  # a database integer; what a request says beyond it means the same
_EVENT_TOKEN = re.compile(r"([fb])/(\d{1,18})/(\d{1,18})")


class Logs:
    """Groups, streams and events of the caller's account. The region does not matter: job ids are unique.

    Errors have CloudWatch's names, all with status 400. ``page_key`` signs page tokens.
    """

    def __init__(self, database: Database, clock: Clock, page_key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._page_key = page_key

    async def describe_log_groups(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Groups by name."""
        _refuse(request, "accountIdentifiers", "includeLinkedAccounts", "logGroupIdentifiers")
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
                "arn": f"{_group_arn(caller, row['name'])}:*",
                "logGroupArn": _group_arn(caller, row["name"]),
                "metricFilterCount": 0,
                "storedBytes": 0,
                "logGroupClass": "STANDARD",
            }
            for row in rows[:limit]
        ]
        return {"logGroups": groups, **self._next(rows, limit, lambda row: {"list": "groups", "name": row["name"]})}

    async def describe_log_streams(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Streams of a group by name or by their last event.

        ResourceNotFoundException for an unknown group, which the SDK takes to mean that no job has logged yet
        (flush_log_streams).
        """
        group = _group(request)
        prefix, by_time = request.get("logStreamNamePrefix"), request.get("orderBy") == "LastEventTime"
        if by_time and prefix is not None:
            raise _invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        descending, limit = bool(request.get("descending")), request.get("limit") or MOST_DESCRIBED
        listing = f"streams/{group}/{prefix or ''}/{by_time}/{descending}"
        after = self._after(request, listing)

        def look(connection: Connection) -> list[RowMapping]:
            _require_group(connection, caller, group)
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
            lambda row: {"list": listing, "name": row["name"], "time": row["last_event_at"] or 0, "id": row["id"]},
        )
        return {"logStreams": [_stream(caller, row) for row in rows[:limit]], **token}

    async def create_log_group(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        _refuse(request, "kmsKeyId", "tags")
        group, now = request["logGroupName"], self._clock.now_ms()

        def create(transaction: Transaction) -> None:
            if not logs.create_group(transaction.connection, caller.account, group, now):
                raise _error("ResourceAlreadyExistsException", "The specified log group already exists")

        await self._database.write(create)
        return {}

    async def create_log_stream(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        group, stream, now = request["logGroupName"], request["logStreamName"], self._clock.now_ms()

        def create(transaction: Transaction) -> None:
            _require_group(transaction.connection, caller, group)
            if not logs.create_stream(transaction.connection, caller.account, group, stream, now):
                raise _error("ResourceAlreadyExistsException", "The specified log stream already exists")

        await self._database.write(create)
        return {}

    async def put_log_events(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Add events, which must be in the order of time and at most 1 MiB. The sequence token is not looked at."""
        group, stream, now = request["logGroupName"], request["logStreamName"], self._clock.now_ms()
        events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
        if any(not 0 <= timestamp <= END_OF_TIME for timestamp, _ in events):
            raise _invalid("A timestamp is out of range.")
        if any(earlier > later for (earlier, _), (later, _) in pairwise(events)):
            raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")
        size = sum(len(text.encode("utf-8", "replace")) + logs.BYTES_BESIDE_A_MESSAGE for _, text in events)
        if size > MOST_BATCH_BYTES:
            raise _invalid(f"Upload too large: {size} bytes exceeds limit of {MOST_BATCH_BYTES}")

        def put(transaction: Transaction) -> None:
            _require_stream(transaction.connection, caller, group, stream)
            logs.append(transaction.connection, caller.account, group, stream, events, now)

        await self._database.write(put)
        return {"nextSequenceToken": uuid.uuid4().hex}

    async def get_log_events(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A page of one stream, oldest first; startTime is inclusive, endTime is not.

        Without a token: the latest page, or with startFromHead the first. At either end the page is empty and the token
        in that direction is the one that was sent, which is how the SDK knows that it has read all (log_stream).
        """
        group, token = _group(request), request.get("nextToken")
        forward, place = bool(request.get("startFromHead")), None
        if token is not None:
            direction, place = _parse_event_token(token)
            forward = direction == "f"
        page = Page(place, not forward, request.get("limit") or MOST_EVENTS, PAGE_BYTES)
        start, end = _times(request)

        def look(connection: Connection) -> list[RowMapping]:
            stream = _require_stream(connection, caller, group, request["logStreamName"])
            return logs.events(connection, stream["id"], start, end, page)

        rows = await self._database.read(look)
        if rows:
            first, last = _place(rows[0]), _place(rows[-1])
        else:
            # The end: onwards the token stays, and the way back begins with the event that the token stands for.
            time, row_id = place or Place(0, 0)
            first = Place(time, row_id + 1) if forward else Place(time, row_id)
            last = Place(time, row_id) if forward else Place(time, max(row_id - 1, 0))
        return {
            "events": [
                {"timestamp": row["timestamp"], "message": row["message"], "ingestionTime": row["ingested_at"]}
                for row in rows
            ],
            "nextForwardToken": f"f/{last.timestamp}/{last.id}",
            "nextBackwardToken": f"b/{first.timestamp}/{first.id}",
        }

    async def filter_log_events(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Events of a group that meet a pattern of plain terms, in the order of time; both times are inclusive."""
        group = _group(request)
        prefix, names = request.get("logStreamNamePrefix"), request.get("logStreamNames")
        if prefix is not None and names is not None:
            raise _invalid("logStreamNames and logStreamNamePrefix cannot both be given.")
        try:
            condition = log_search.parse_pattern(request.get("filterPattern") or "")
        except log_search.QuerySyntaxError as problem:
            raise _invalid(f"Invalid filter pattern: {problem}") from problem
        if prefix is not None:
            condition += ((log_search.Match(log_search.STREAM, prefix, starts=True),),)
        start, end = _times(request)
        search = Search(caller.account, [group], condition, start, end, names)
        limit = request.get("limit") or MOST_EVENTS
        after = self._after(request, "events")
        descending = after["descending"] if after else not request.get("startFromHead", True)
        page = Page(_token_place(after), descending, limit, PAGE_BYTES)

        def look(connection: Connection) -> tuple[list[RowMapping], bool]:
            _require_group(connection, caller, group)
            for name in names or ():
                _require_stream(connection, caller, group, name)
            return _find(connection, search, page)

        rows, more = await self._database.read(look)
        answer: dict[str, Any] = {
            "events": [
                {
                    "logStreamName": row["stream"],
                    "timestamp": row["timestamp"],
                    "message": row["message"],
                    "ingestionTime": row["ingested_at"],
                    "eventId": str(row["id"]),
                }
                for row in rows
            ],
            "searchedLogStreams": [],
        }
        if more:
            token = {"list": "events", "place": _place(rows[-1]), "descending": descending}
            answer["nextToken"] = pagination.sign(self._page_key, token)
        return answer

    async def start_query(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Keep a query for a week: checked now (MalformedQueryException), run whenever its results are asked for."""
        if request.get("queryLanguage", "CWLI") != "CWLI":
            raise _invalid("Only the query language CWLI is supported.")
        groups = _queried_groups(request)
        try:
            log_search.parse_query(request["queryString"])
        except log_search.QuerySyntaxError as problem:
            location = {"startCharOffset": problem.start, "endCharOffset": problem.end}
            compile_error = {"location": location, "message": str(problem)}
            message = f"{problem} (characters {problem.start} to {problem.end})"
            raise _error("MalformedQueryException", message, queryCompileError=compile_error) from problem
        query_id, now = str(uuid.uuid4()), self._clock.now_ms()
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
                _require_group(transaction.connection, caller, group)
            logs.add_query(transaction.connection, query_id, caller.account, kept, now)

        await self._database.write(start_it)
        return {"queryId": query_id}

    async def get_query_results(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The rows that match by now, with status Complete: a search is as quick as looking whether it is done."""
        query_id = request["queryId"]
        kept = await self._query(caller, query_id)
        query = log_search.parse_query(kept["query"])
        most = query.limit or kept["limit"] or MOST_EVENTS
        after = self._after(request, query_id)
        sent = after["sent"] if after else 0
        limit = min(most - sent, request.get("maxItems") or MOST_EVENTS)
        page = Page(_token_place(after), query.descending, limit, RESULT_PAGE_BYTES)
        search = Search(caller.account, kept["groups"], query.condition, kept["start"], kept["end"])

        def look(connection: Connection) -> tuple[list[RowMapping], bool, tuple[int, int, int]]:
            return *_find(connection, search, page), logs.count(connection, search)

        rows, more, (matched, scanned, characters) = await self._database.read(look)
        sent += len(rows)
        answer: dict[str, Any] = {
            "queryLanguage": "CWLI",
            "results": [_result(caller, row, query.fields) for row in rows],
            "statistics": {
                "recordsMatched": float(matched),
                "recordsScanned": float(scanned),
                "bytesScanned": float(characters),
                "logGroupsScanned": float(len(kept["groups"])),
            },
            "status": "Complete",
        }
        if more and sent < most:
            token = {"list": query_id, "place": _place(rows[-1]), "sent": sent}
            answer["nextToken"] = pagination.sign(self._page_key, token)
        return answer

    async def stop_query(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """No query runs between two requests, so every known one has ended: CloudWatch's error for that."""
        await self._query(caller, request["queryId"])
        raise _invalid("Query is not in running state: it is already Complete")

    async def _query(self, caller: Caller, query_id: str) -> dict[str, Any]:
        kept = await self._database.read(lambda connection: logs.find_query(connection, caller.account, query_id))
        if kept is None:
            raise _not_found(f"Query {query_id} does not exist.")
        return kept

    def _after(self, request: dict[str, Any], listing: str) -> dict[str, Any] | None:
        """What the request's token says, if it is of this listing; None without a token."""
        if (token := request.get("nextToken")) is None:
            return None
        try:
            place = pagination.open(self._page_key, token)
        except ValidationException as problem:
            raise _invalid("The specified nextToken is invalid.") from problem
        if place.get("list") != listing:
            raise _invalid("The specified nextToken is invalid.")
        return place

    def _next(self, rows: list[RowMapping], limit: int, place: Any) -> dict[str, str]:
        if len(rows) <= limit:
            return {}
        return {"nextToken": pagination.sign(self._page_key, place(rows[limit - 1]))}


def _find(connection: Connection, search: Search, page: Page) -> tuple[list[RowMapping], bool]:
    """A page, and whether anything comes after it."""
    rows = logs.find(connection, search, page)
    if not rows:
        return rows, False
    beyond = Page(_place(rows[-1]), page.descending, 1, 1)
    return rows, bool(logs.find(connection, search, beyond))


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
        "arn": f"{_group_arn(caller, row['log_group'])}:log-stream:{row['name']}",
        "storedBytes": 0,
    }


def _result(caller: Caller, row: RowMapping, fields: tuple[str, ...]) -> list[dict[str, str]]:
    """A row as Insights gives it: the fields asked for, then @ptr."""
    values = {
        "@timestamp": _insights_time(row["timestamp"]),
        "@message": row["message"],
        "@logStream": row["stream"],
        "@log": f"{caller.account}:{row['log_group']}",
        "@ingestionTime": _insights_time(row["ingested_at"]),
        "@ptr": base64.b64encode(f"{row['stream_id']}/{row['id']}".encode()).decode(),
    }
    return [{"field": name, "value": values[name]} for name in dict.fromkeys((*fields, "@ptr"))]


def _insights_time(epoch_ms: int) -> str:
    """``YYYY-MM-DD HH:MM:SS.mmm`` in UTC; the far future, which Python's calendar does not have, as a number."""
    try:
        moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(epoch_ms)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{epoch_ms % 1000:03d}"


def _queried_groups(request: Mapping[str, Any]) -> list[str]:
    given = [name for name in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if request.get(name)]
    if len(given) != 1:
        raise _invalid("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers is required.")
    value = request[given[0]]
    groups = [_name_of_group(item) for item in ([value] if isinstance(value, str) else value)]
    if len(groups) > MOST_QUERIED_GROUPS:
        raise _invalid(f"At most {MOST_QUERIED_GROUPS} log groups can be queried at once.")
    return groups


def _group(request: Mapping[str, Any]) -> str:
    """The group that a request names or gives the ARN of, one of which it must."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise _invalid("Exactly one of logGroupName and logGroupIdentifier is required.")
    return _name_of_group(str(name or identifier))


def _name_of_group(identifier: str) -> str:
    if identifier.startswith("arn:"):
        return identifier.partition(":log-group:")[2].removesuffix(":*")
    return identifier


def _group_arn(caller: Caller, group: str) -> str:
    return f"arn:aws:logs:{caller.region}:{caller.account}:log-group:{group}"


def _require_group(connection: Connection, caller: Caller, group: str) -> None:
    if not logs.group_exists(connection, caller.account, group):
        raise _not_found("The specified log group does not exist.")


def _require_stream(connection: Connection, caller: Caller, group: str, name: str) -> RowMapping:
    stream = logs.find_stream(connection, caller.account, group, name)
    if stream is None:
        _require_group(connection, caller, group)
        raise _not_found("The specified log stream does not exist.")
    return stream


def _times(request: Mapping[str, Any]) -> tuple[int, int]:
    """startTime and endTime in milliseconds, open where they are not given."""
    start, end = request.get("startTime"), request.get("endTime")
    return min(start or 0, END_OF_TIME), END_OF_TIME if end is None else min(end, END_OF_TIME)


def _place(row: RowMapping) -> Place:
    return Place(row["timestamp"], row["id"])


def _token_place(after: Mapping[str, Any] | None) -> Place | None:
    return Place(*after["place"]) if after else None


def _parse_event_token(token: str) -> tuple[str, Place]:
    found = _EVENT_TOKEN.fullmatch(token)
    if found is None:
        raise _invalid("The specified nextToken is invalid.")
    return found[1], Place(int(found[2]), int(found[3]))


def _refuse(request: Mapping[str, Any], *names: str) -> None:
    """A member that would change the answer is refused rather than ignored."""
    for name in names:
        if request.get(name):
            raise _invalid(f"{name} is not supported.")


def _invalid(message: str) -> ServiceError:
    return _error("InvalidParameterException", message)


def _not_found(message: str) -> ServiceError:
    return _error("ResourceNotFoundException", message)


def _error(code: str, message: str, **members: Any) -> ServiceError:
    return ServiceError(message, code=code, **members)
