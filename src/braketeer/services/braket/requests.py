"""What the creates of tasks and jobs have in common: looking a request over against the rows."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping

from braketeer.devices.catalogue import Catalogue, Device
from braketeer.domain import associations
from braketeer.domain.accounts import Caller
from braketeer.domain.arns import Arn
from braketeer.domain.errors import (
    DeviceOfflineException,
    DeviceRetiredException,
    ResourceNotFoundException,
    ValidationException,
)
from braketeer.domain.lifecycles import JobStatus
from braketeer.store import buckets, jobs, reservations
from braketeer.store.devices import DeviceState, effective_status

MOST_TAGS = 50


def refuse_unknown(request: dict[str, Any], known: frozenset[str]) -> None:
    """Refuse a member that botocore's model has and this version does not know how to honour: never ignore it."""
    if unknown := sorted(set(request) - known):
        raise ValidationException(f"This version of Braketeer does not support {', '.join(unknown)}")


def hash_of(request: dict[str, Any]) -> str:
    """What a client token is tied to: the whole request but the token itself."""
    body = {name: value for name, value in request.items() if name != "clientToken"}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def present(**members: Any) -> dict[str, Any]:
    """The members that have a value; the rest are left out of an answer, never null."""
    return {name: value for name, value in members.items() if value is not None}


def not_found(arn: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"The resource {arn} does not exist")


def id_in(arn: str, kind: str, caller: Caller) -> str:
    """The id in an ARN that claims to be the caller's own; ResourceNotFoundException for anything else.

    Whether it is the caller's own, only the row can say: fetch it by id, account and region.
    """
    parsed = Arn.parse(arn)
    if (
        parsed is None
        or str(parsed) != arn  # another partition, say
        or (parsed.service, parsed.kind) != ("braket", kind)
        or (parsed.region, parsed.account) != (caller.region, caller.account)
    ):
        raise not_found(arn)
    return parsed.name


def device_of(catalogue: Catalogue, device_arn: str) -> Device:
    device = catalogue.get(device_arn)
    if device is None:
        raise ValidationException(f"The device {device_arn} does not exist")
    return device


def check_device(
    connection: Connection,
    device: Device,
    state: DeviceState | None,
    caller: Caller,
    reservation_arn: str | None,
    now_ms: int,
    *,
    to_write: bool = True,
) -> None:
    """Associations first, then the device's status: the order in which the real service refuses.

    ``state`` is what the operator has set for the device, if anything. In a transaction that is ``to_write`` work of
    the reservation, nobody ends it meanwhile: its row is locked.
    """
    if reservation_arn is not None:
        reservable = not device.is_simulator or (state is not None and state.reservable)
        find = reservations.lock_shared if to_write else reservations.get
        reservation = find(connection, reservation_arn)
        associations.check(
            reservation_arn, reservation, caller.account, device.arn, reservable=reservable, now_ms=now_ms
        )
    status = effective_status(state, device.default_status, now_ms)
    if status == "RETIRED":
        raise DeviceRetiredException(f"The device {device.arn} is retired")
    if status != "ONLINE":
        raise DeviceOfflineException(f"The device {device.arn} is offline")


def require_bucket(connection: Connection, caller: Caller, name: str) -> None:
    """The output bucket must be there and the caller's own."""
    bucket = buckets.find(connection, name)
    check_owner(caller, name, None if bucket is None else bucket.account)


def check_owner(caller: Caller, name: str, owner: str | None) -> None:
    """The output bucket, whose owner is known (None: there is no such bucket), must be the caller's own."""
    if owner is None:
        raise ValidationException(f"The output bucket {name} does not exist")
    if owner != caller.account:
        raise ValidationException(f"The output bucket {name} belongs to another account")


def living_job(connection: Connection, caller: Caller, token: str) -> RowMapping:
    """The caller's own running job that has this token."""
    job = jobs.by_token(connection, token)
    if job is None or job["account"] != caller.account:
        raise ValidationException("The job token is not valid")
    if caller.job_id is not None and caller.job_id != job["id"]:
        raise ValidationException("The job token belongs to another job")
    if job["status"] != JobStatus.RUNNING:
        raise ValidationException("The job of this job token is not running")
    return job


def check_tags(values: dict[str, str] | None) -> None:
    """AWS's limits on tags, which the Braket model does not state: 50 a resource, keys to 128, values to 256."""
    for key, value in (values or {}).items():
        if not 1 <= len(key) <= 128:
            raise ValidationException("A tag key has 1 to 128 characters")
        if len(value) > 256:
            raise ValidationException("A tag value has at most 256 characters")
        if key.lower().startswith("aws:"):
            raise ValidationException("Tag keys must not start with aws:")
    if values and len(values) > MOST_TAGS:
        raise ValidationException(f"A resource has at most {MOST_TAGS} tags")
