"""What every group of S3 operations stands on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from braketeer.domain.accounts import Caller
from braketeer.domain.clock import Clock
from braketeer.domain.s3_errors import AccessDenied, InvalidArgument, NoSuchVersion
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.services.s3.names import LONGEST_KEY, check_key
from braketeer.store.database import Database

Request = dict[str, Any]
Answer = dict[str, Any]

NULL_VERSION = "null"  # the version id of every object of a bucket without versioning


class Operations:
    """The parts that operations use; they are methods of the subclasses, one each, named like it."""

    def __init__(self, database: Database, objects: EmbeddedObjects, clock: Clock) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock


def owner(caller: Caller, request: Request, member: str = "ExpectedBucketOwner") -> str:
    """The account that must own the buckets of a request: the caller's. Raises AccessDenied if it expects another."""
    if request.get(member, caller.account) != caller.account:
        raise AccessDenied()
    return caller.account


def at_new_key(request: Request) -> tuple[str, str]:
    """(bucket, key) of a request that puts an object there."""
    check_key(request["Key"], LONGEST_KEY)
    return at_key(request)


def at_key(request: Request) -> tuple[str, str]:
    """(bucket, key) of a request, the key checked; a version other than ``null`` raises NoSuchVersion."""
    check_key(request["Key"])
    if request.get("VersionId", NULL_VERSION) != NULL_VERSION:
        raise NoSuchVersion("The specified version does not exist.", Key=request["Key"], VersionId=request["VersionId"])
    return request["Bucket"], request["Key"]


def quoted(etag: str) -> str:
    return f'"{etag}"'


def moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def person(account: str) -> dict[str, str]:
    """An account as ``Owner`` or ``Initiator``."""
    return {"ID": account}


def page_size(request: Request, member: str, most: int = 1000) -> int:
    """How many entries a listing may have: what was asked for, at most ``most``. Raises InvalidArgument."""
    asked = request.get(member, most)
    if not 0 <= asked <= 2**31 - 1:
        raise InvalidArgument(f"Argument {member} must be an integer between 0 and 2147483647", member, asked)
    return min(int(asked), most)
