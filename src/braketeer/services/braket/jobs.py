"""CreateJob, GetJob, CancelJob, SearchJobs."""

from __future__ import annotations

import copy
import re
import secrets
import uuid
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.devices.catalogue import Catalogue
from braketeer.domain import arns, associations, clients
from braketeer.domain.accounts import Caller
from braketeer.domain.arns import Arn
from braketeer.domain.clock import Clock, iso
from braketeer.domain.encryption import kms_key_arn
from braketeer.domain.errors import ConflictException, ValidationException
from braketeer.domain.jobs import DEFAULT_CHECKPOINT_PATH, MOST_HOSTS
from braketeer.domain.lifecycles import JOB_FINISHED, JobStatus
from braketeer.domain.queue import JOB_POSITION_CAP, capped
from braketeer.domain.reservations import reserved_message
from braketeer.domain.s3_places import Place
from braketeer.domain.search import FieldKind, parse_filters
from braketeer.services.braket import requests
from braketeer.services.braket.pages import Page
from braketeer.store import accounts, client_tokens, devices, jobs, quotas, reservations, search, tags, topics
from braketeer.store.database import Database, Transaction
from braketeer.store.tables import jobs as jobs_table

DEFAULT_MAX_RUNTIME_SECONDS = 432_000
_QUEUED = "Job is queued for execution."

_LOCAL_DEVICE = re.compile(r"local:[^/\s]+/\S+")

_FIELDS = {
    "jobArn": FieldKind.ARN,
    "jobName": FieldKind.TEXT,
    "deviceArn": FieldKind.TEXT,
    "status": FieldKind.TEXT,
    "createdAt": FieldKind.TIME,
}
_COLUMNS = {
    "jobArn": jobs_table.c.id,
    "jobName": jobs_table.c.name,
    "deviceArn": jobs_table.c.device_arn,
    "status": jobs_table.c.status,
    "createdAt": jobs_table.c.created_at,
}
# Members of CreateJob that GetJob gives back as they were, with the defaults that were taken.
_ECHOED = (
    "roleArn",
    "algorithmSpecification",
    "inputDataConfig",
    "outputDataConfig",
    "checkpointConfig",
    "stoppingCondition",
    "instanceConfig",
    "hyperParameters",
    "deviceConfig",
    "associations",
)
_CREATE_MEMBERS = frozenset({*_ECHOED, "clientToken", "jobName", "tags"})


class Jobs:
    """Hybrid jobs as rows; they are run by work/jobs.py."""

    def __init__(
        self, database: Database, catalogue: Catalogue, clock: Clock, page_key: bytes, *, isolated: bool = True
    ) -> None:
        """``isolated``: jobs cannot see each other, or the operator takes it that those of several accounts can."""
        self._isolated = isolated
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._page_key = page_key

    async def create_job(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A QUEUED job that is on disk when this returns.

        Refused with ValidationException: a device neither in the catalogue nor ``local:provider/name``, a role or a
        ``kmsKeyId`` of another account, an output or checkpoint bucket that is missing or somebody else's, neither
        script nor image; and any job, where jobs cannot be isolated and there are several accounts.
        """
        requests.refuse_unknown(request, _CREATE_MEMBERS)
        request_hash = requests.hash_of(request)
        specification = _with_defaults(request)
        if (minor := clients.python_minor(caller.user_agent)) is not None:
            specification["clientPython"] = minor  # where several interpreters are mapped, it chooses
        _check(caller, request)
        job_id = str(uuid.uuid4())
        now = self._clock.now_ms()
        arn = arns.job(caller.region, caller.account, job_id)
        row = {
            "id": job_id,
            "account": caller.account,
            "region": caller.region,
            "name": request["jobName"],
            "device_arn": request["deviceConfig"]["device"],
            "status": JobStatus.QUEUED,
            "request": specification,
            "job_token": secrets.token_urlsafe(48),
            "events": [{"eventType": "QUEUED_FOR_EXECUTION", "timeOfEvent": now, "message": _QUEUED}],
            "created_at": now,
            "ingested": {},
            "reservation_arn": associations.reservation_arn(request.get("associations")),
            "instance_price": self._catalogue.prices.of_instance(request["instanceConfig"]["instanceType"]) or None,
        }

        def create(transaction: Transaction) -> str:
            connection, token = transaction.connection, request["clientToken"]
            made = client_tokens.claim(
                connection, caller, "CreateJob", token, request_hash, arn, now, mismatch=ConflictException
            )
            if made == arn:
                self._check_rows(connection, caller, request, now)
                jobs.insert(connection, row)
                tags.put(connection, arn, request.get("tags") or {})
                transaction.notify(topics.JOBS)
            return made

        return {"jobArn": await self._database.write(create)}

    async def get_job(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Every member of the job; ``queueInfo`` when QueueInfo is asked for."""
        job_id = requests.id_in(request["jobArn"], "job", caller)
        with_queue = "QueueInfo" in (request.get("additionalAttributeNames") or ())

        def find(connection: Connection) -> tuple[RowMapping, dict[str, str], dict[str, str]]:
            row = jobs.owned(connection, job_id, caller.account, caller.region)
            if row is None:
                raise requests.not_found(request["jobArn"])
            return row, tags.of(connection, _arn(row)), _queue_info(connection, row) if with_queue else {}

        row, found_tags, queue_info = await self._database.read(find)
        given = row["request"]
        return {
            "status": row["status"],
            "jobArn": _arn(row),
            "jobName": row["name"],
            "createdAt": iso(row["created_at"]),
            "events": [event | {"timeOfEvent": iso(event["timeOfEvent"])} for event in row["events"]],
            "tags": found_tags,
            **{name: given[name] for name in _ECHOED if name in given},
            **_times(row),
            **requests.present(
                failureReason=row["failure_reason"],
                billableDuration=_billable_ms(row),
                queueInfo=queue_info or None,
            ),
        }

    async def cancel_job(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """CANCELLED at once from QUEUED, else CANCELLING; ConflictException for a job that has ended."""
        arn = request["jobArn"]
        job_id = requests.id_in(arn, "job", caller)

        def cancel(transaction: Transaction) -> JobStatus:
            if jobs.owned(transaction.connection, job_id, caller.account, caller.region) is None:
                raise requests.not_found(arn)
            status = jobs.request_cancel(transaction.connection, job_id, self._clock.now_ms())
            if status is None:
                raise requests.not_found(arn)
            if status in JOB_FINISHED:
                raise ConflictException(f"Amazon Braket cannot cancel a job in the {status} status.")
            for topic in (topics.JOBS, topics.job(job_id)):
                transaction.notify(topic)
            return status

        before = await self._database.write(cancel)
        return {"jobArn": arn, "cancellationStatus": "CANCELLED" if before is JobStatus.QUEUED else "CANCELLING"}

    async def search_jobs(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Newest first; the page token is opaque, bound to the filters, and stable while jobs are added."""
        filters = parse_filters(request["filters"], _FIELDS)
        page = Page.of(self._page_key, "SearchJobs", caller, request)

        def find(connection: Connection) -> tuple[list[RowMapping], dict[str, dict[str, str]]]:
            rows = search.newest_first(
                connection, jobs_table, _COLUMNS, caller.account, caller.region, filters, page.before, page.size + 1
            )
            return rows, tags.of_many(connection, (_arn(row) for row in rows))

        rows, found_tags = await self._database.read(find)
        summaries = [
            {
                "status": row["status"],
                "jobArn": _arn(row),
                "jobName": row["name"],
                "device": row["device_arn"],
                "createdAt": iso(row["created_at"]),
                "tags": found_tags.get(_arn(row), {}),
                **_times(row),
            }
            for row in rows[: page.size]
        ]
        return {"jobs": summaries, **page.next_token([row["sequence"] for row in rows])}

    def _check_rows(self, connection: Connection, caller: Caller, request: dict[str, Any], now_ms: int) -> None:
        """What the rows refuse, in the transaction that creates the job."""
        if not self._isolated and accounts.are_several(connection):
            raise ValidationException(
                "Hybrid jobs cannot be kept apart on this machine (no sandbox works), and there are several accounts: "
                "the operator has to install bubblewrap, or to allow it (BRAKETEER_ALLOW_UNSANDBOXED)"
            )
        device_name = request["deviceConfig"]["device"]
        if not _LOCAL_DEVICE.fullmatch(device_name):
            device = requests.device_of(self._catalogue, device_name)
            reservation = associations.reservation_arn(request.get("associations"))
            state = devices.state(connection, device.arn)
            requests.check_device(connection, device, state, caller, reservation, now_ms)
        elif request.get("associations"):
            raise associations.not_supported(device_name)
        requests.require_bucket(connection, caller, _bucket(request["outputDataConfig"]["s3Path"]))
        if (checkpoint := request.get("checkpointConfig")) is not None:
            requests.require_bucket(connection, caller, _bucket(checkpoint["s3Uri"]))
        quotas.require_job(connection, caller.account)


def _check(caller: Caller, request: dict[str, Any]) -> None:
    """What the request refuses by itself."""
    requests.check_tags(request.get("tags"))
    role = Arn.parse(request["roleArn"])
    if role is None or role.account != caller.account:
        raise ValidationException(f"The role {request['roleArn']} is not a role of account {caller.account}")
    algorithm = request["algorithmSpecification"]
    if "scriptModeConfig" not in algorithm and "containerImage" not in algorithm:
        raise ValidationException("algorithmSpecification needs scriptModeConfig or containerImage")
    if (request["instanceConfig"].get("instanceCount") or 1) > MOST_HOSTS:
        raise ValidationException(f"instanceCount may be up to {MOST_HOSTS} here: the instances share one machine")
    if (key := request["outputDataConfig"].get("kmsKeyId")) is not None:
        try:
            kms_key_arn(key, caller.account, caller.region)
        except ValueError as problem:
            raise ValidationException(f"kmsKeyId: {problem}") from None
    channels = [channel["channelName"] for channel in request.get("inputDataConfig") or []]
    if len(channels) != len(set(channels)):
        raise ValidationException("Two input channels have the same name")


def _with_defaults(request: dict[str, Any]) -> dict[str, Any]:
    """The request with the defaults that the model's documentation names."""
    given = copy.deepcopy({name: value for name, value in request.items() if name not in ("clientToken", "tags")})
    given["instanceConfig"].setdefault("instanceCount", 1)
    given.setdefault("stoppingCondition", {}).setdefault("maxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS)
    if "checkpointConfig" in given:
        given["checkpointConfig"].setdefault("localPath", DEFAULT_CHECKPOINT_PATH)
    return given


def _bucket(uri: str) -> str:
    try:
        return Place.parse(uri).bucket
    except ValueError:
        raise ValidationException(f"'{uri}' is not an S3 location") from None


def _arn(row: RowMapping) -> str:
    return arns.job(row["region"], row["account"], row["id"])


def _times(row: RowMapping) -> dict[str, str]:
    return requests.present(
        startedAt=iso(row["started_at"]) if row["started_at"] else None,
        endedAt=iso(row["ended_at"]) if row["ended_at"] else None,
    )


def _billable_ms(row: RowMapping) -> int | None:
    """Milliseconds between start and end; None before both are known."""
    if row["started_at"] is None or row["ended_at"] is None:
        return None
    return int(row["ended_at"] - row["started_at"])


def _queue_info(connection: Connection, row: RowMapping) -> dict[str, str]:
    """``message`` is there only when there is no position."""
    if row["status"] != JobStatus.QUEUED:
        message = f"Job is in {row['status']} status. AmazonBraket does not show queue position for this status."
        return {"queue": "JOBS_QUEUE", "position": "None", "message": message}
    reserved = row["reservation_arn"]
    reservation = reservations.get(connection, reserved) if reserved is not None else None
    if reservation is not None:
        return {"queue": "JOBS_QUEUE", "position": "None", "message": reserved_message("Job", reservation)}
    return {"queue": "JOBS_QUEUE", "position": capped(jobs.queue_position(connection, row), JOB_POSITION_CAP)}
