"""What all operations of the log service share: names, tokens, refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.domain import pagination
from braketeer.domain.accounts import Caller
from braketeer.domain.clock import Clock
from braketeer.domain.errors import ServiceError, ValidationException
from braketeer.domain.log_batches import BYTES_BESIDE_A_MESSAGE
from braketeer.domain.log_merge import Place
from braketeer.store import log_scans, logs
from braketeer.store.database import Database
from braketeer.store.log_scans import FoundEvent

MOST_EVENTS = 10_000
PAGE_BYTES = 2**20
MOST_DESCRIBED = 50
_FETCHED_AT_ONCE = 100
END_OF_TIME = 2**62  # a database integer; what a request says beyond it means the same


class Shared:
    """Groups, streams and events of the caller's account. The region does not matter: job ids are unique.

    Errors have CloudWatch's names, all with status 400. ``page_key`` signs page tokens.
    """

    def __init__(self, database: Database, clock: Clock, page_key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._page_key = page_key

    async def _fetch(self, caller: Caller, ids: Sequence[int], most_bytes: int) -> list[FoundEvent]:
        """The caller's events with these numbers, in this order: about ``most_bytes`` of text, but one event at least.

        In short reads; those that are gone by now are left out.
        """
        found: list[FoundEvent] = []
        for at in range(0, len(ids), _FETCHED_AT_ONCE):
            wanted = ids[at : at + _FETCHED_AT_ONCE]
            events = await self._database.read(
                lambda connection, wanted=wanted: log_scans.fetch(connection, caller.account, wanted)  # type: ignore[misc]
            )
            for event in events:
                most_bytes -= len(event.message.encode()) + BYTES_BESIDE_A_MESSAGE
                if found and most_bytes < 0:
                    return found
                found.append(event)
        return found

    def _after(self, request: Mapping[str, Any], listing: str) -> dict[str, Any] | None:
        """What the request's token says, if it is of this listing; None without a token."""
        if (token := request.get("nextToken")) is None:
            return None
        try:
            place = pagination.open(self._page_key, token)
        except ValidationException as problem:
            raise invalid("The specified nextToken is invalid.") from problem
        if place.get("list") != listing:
            raise invalid("The specified nextToken is invalid.")
        return place

    def _token(self, listing: str, **place: Any) -> dict[str, str]:
        """The answer's member that leads on from a place of a listing."""
        return {"nextToken": pagination.sign(self._page_key, {"list": listing, **place})}

    def _next(
        self, rows: list[RowMapping], limit: int, listing: str, place: Callable[[RowMapping], dict[str, Any]]
    ) -> dict[str, str]:
        """The token of a listing of which one row more than ``limit`` was read, if there is one more."""
        return self._token(listing, **place(rows[limit - 1])) if len(rows) > limit else {}


def group_of(request: Mapping[str, Any], caller: Caller) -> str:
    """The group that a request names or gives the ARN of, one of which it must."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid("Exactly one of logGroupName and logGroupIdentifier is required.")
    return name_of_group(str(name or identifier), caller)


def name_of_group(identifier: str, caller: Caller) -> str:
    """The name in a group's ARN, or the name itself; another account's group is as if it were not there."""
    if not identifier.startswith("arn:"):
        return identifier
    head, _, name = identifier.partition(":log-group:")
    if head.rpartition(":")[2] != caller.account:
        raise not_found("The specified log group does not exist.")
    return name.removesuffix(":*")


def group_arn(caller: Caller, group: str) -> str:
    return f"arn:aws:logs:{caller.region}:{caller.account}:log-group:{group}"


def require_group(connection: Connection, caller: Caller, group: str, *, to_change: bool = False) -> RowMapping:
    found = logs.find_group(connection, caller.account, group, to_change=to_change)
    if found is None:
        raise not_found("The specified log group does not exist.")
    return found


def require_stream(connection: Connection, caller: Caller, group: str, name: str) -> RowMapping:
    stream = logs.find_stream(connection, caller.account, group, name)
    if stream is None:
        require_group(connection, caller, group)
        raise not_found("The specified log stream does not exist.")
    return stream


def times_of(request: Mapping[str, Any]) -> tuple[int, int]:
    """startTime and endTime in milliseconds, open where they are not given."""
    start, end = request.get("startTime"), request.get("endTime")
    return min(start or 0, END_OF_TIME), END_OF_TIME if end is None else min(end, END_OF_TIME)


def place_of(row: RowMapping) -> Place:
    return Place(row["timestamp"], row["id"])


def refuse(request: Mapping[str, Any], *names: str) -> None:
    """A member that would change the answer is refused rather than ignored."""
    for name in names:
        if request.get(name):
            raise invalid(f"{name} is not supported.")


def invalid(message: str) -> ServiceError:
    return ServiceError(message, code="InvalidParameterException")


def not_found(message: str) -> ServiceError:
    return ServiceError(message, code="ResourceNotFoundException")


def exists(message: str) -> ServiceError:
    return ServiceError(message, code="ResourceAlreadyExistsException")
