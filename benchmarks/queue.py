"""What a million queued tasks cost: creating, claiming, asking for positions and depths, beside the empty queue's; and
how many tasks one process dispatches when computing them takes no time.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from sqlalchemy import Connection, func, select

from benchmarks.figures import Figure, median
from braketeer.devices.catalogue import Catalogue
from braketeer.domain.clock import SystemClock
from braketeer.domain.queue import Room
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.store.database import Database, opened
from braketeer.store.secrets import load_or_create
from braketeer.store.tables import objects as object_rows
from braketeer.work.dispatcher import Dispatcher
from braketeer.work.workers import Worker
from tests.services import ACCOUNT, BELL, GARNET, SV1, RunningService, openqasm, running

TASKS, DEVICES, TIMES, DISPATCHED, SLOTS = 1_000_000, 10, 300, 5_000, 32
_FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :tasks)
INSERT INTO quantum_tasks (id, account, region, device_arn, status, shots, output_bucket, output_prefix,
                           device_parameters, action_type, created_at)
SELECT printf(:ids, i), :account, 'us-east-1', json_extract(:devices, '$[' || (i % :number) || ']'), 'QUEUED', 100,
       'results', 'tasks/' || i, '{}', 'braket.ir.openqasm.program', :now FROM n
"""
_ACTIONS = "INSERT INTO quantum_task_actions SELECT id, :action FROM quantum_tasks WHERE id LIKE :these"


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        with running(data_dir) as service:
            _hold(service)
            empty = _requests(service)
        _release(data_dir)
        empty["claim"] = asyncio.run(_claims(data_dir))
        _fill(data_dir, "f", TASKS, [*_devices(), *[f"{GARNET}-{number}" for number in range(DEVICES)]][:DEVICES])
        _hold_again(data_dir)
        with running(data_dir) as service:
            full = _requests(service)
        _release(data_dir)
        full["claim"] = asyncio.run(_claims(data_dir))
        rate = asyncio.run(_dispatch(data_dir))
    figures = []
    for name in empty:
        before, after = median(empty[name]), median(full[name])
        figures += [
            Figure(f"{name}, with {TASKS:,} tasks queued on {DEVICES} devices, p50", after, "ms"),
            Figure("the same / with none queued", after / before, "x", goal=1.5),
        ]
    note = f"{SLOTS} workers that compute nothing"
    return [*figures, Figure("tasks dispatched by one process", rate, "/s", goal=1000, at_least=True, note=note)]


def _devices() -> list[str]:
    return [device.arn for device in Catalogue(2**30).computing()]


def _hold(service: RunningService) -> None:
    """Reserve every device for an account that has no work, so that what is created stays queued."""
    service.client("s3").create_bucket(Bucket="results")
    service.access.call("POST", "accounts", {"accounts": [{"name": "nobody"}]})
    now = datetime.now(UTC)
    window = {"account": "nobody", "start": now.isoformat(), "end": (now + timedelta(days=1)).isoformat()}
    for arn in _devices():
        service.access.call("PUT", f"devices/{quote(arn, safe='')}/reservable", {"reservable": True})
        service.access.call("POST", "reservations", {"device": arn, **window})


def _release(data_dir: Path) -> None:
    _execute(data_dir, "UPDATE reservations SET starts_at = starts_at + 1000000000")


def _hold_again(data_dir: Path) -> None:
    _execute(data_dir, "UPDATE reservations SET starts_at = starts_at - 1000000000")


def _requests(service: RunningService) -> dict[str, list[float]]:
    """Milliseconds of each request, through HTTP, by what it asks for."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    body = {
        "deviceArn": SV1,
        "shots": 100,
        "outputS3Bucket": "results",
        "outputS3KeyPrefix": "tasks",
        "action": openqasm(BELL),
    }
    task = service.create_task()
    position = f"/quantum-task/{quote(task, safe='')}?additionalAttributeNames=QueueInfo"
    depth = f"/device/{quote(SV1, safe='')}"
    asked: dict[str, Callable[[], bytes | None]] = {
        "CreateQuantumTask": lambda: json.dumps(body | {"clientToken": str(uuid.uuid4())}).encode(),
        "GetQuantumTask with its position": lambda: None,
        "GetDevice with its depths": lambda: None,
    }
    paths = dict(zip(asked, ("/quantum-task", position, depth), strict=True))
    return {
        name: [_ask(service, connection, paths[name], make()) for _ in range(TIMES)] for name, make in asked.items()
    }


def _ask(service: RunningService, connection: http.client.HTTPConnection, path: str, body: bytes | None) -> float:
    """Milliseconds of one request; it is signed before."""
    access = service.access
    method = "GET" if body is None else "POST"
    request = AWSRequest(method, f"{access.endpoint}{path}", {"Content-Type": "application/json"}, body or b"")
    SigV4Auth(Credentials(access.access_key_id, access.secret_access_key), "braket", "us-east-1").add_auth(request)
    before = perf_counter()
    connection.request(method, path, body, dict(request.headers))
    answer = connection.getresponse()
    text = answer.read()
    taken = (perf_counter() - before) * 1000
    if answer.status not in (200, 201):
        raise RuntimeError(text.decode())
    return taken


def _fill(data_dir: Path, mark: str, tasks: int, devices: list[str]) -> None:
    terms = {"tasks": tasks, "ids": f"{mark}%09d", "account": ACCOUNT, "now": SystemClock().now_ms()}
    _execute(data_dir, _FILL, terms | {"devices": json.dumps(devices), "number": len(devices)})
    _execute(data_dir, _ACTIONS, {"action": "{}", "these": f"{mark}%"})


def _execute(data_dir: Path, statement: str, terms: Mapping[str, Any] = MappingProxyType({})) -> None:
    with contextlib.closing(sqlite3.connect(data_dir / "braketeer.db")) as database, database:
        database.execute(statement, dict(terms))


async def _claims(data_dir: Path) -> list[float]:
    """Milliseconds of one durable claim, each from the head of a queue."""
    _fill(data_dir, uuid.uuid4().hex[:8], TIMES, _devices())
    times = []
    with _dispatcher(data_dir) as (database, dispatcher):
        room = Room(slots=1, memory=2**40, used=0, running=0)
        for _ in range(TIMES):
            before = perf_counter()
            claimed = await database.write(partial(dispatcher._claim_next, last_device=None, room=room))
            times.append((perf_counter() - before) * 1000)
            if len(claimed.claims) != 1:
                raise RuntimeError("There was nothing to claim")
    return times


async def _dispatch(data_dir: Path) -> float:
    """Tasks a second from the head of a queue to COMPLETED, with their results stored."""
    with _dispatcher(data_dir) as (database, dispatcher):
        before = perf_counter()
        await dispatcher.start(alone=True)
        while (completed := await database.read(_completed)) < DISPATCHED:  # noqa: ASYNC110 - nothing tells of each
            await asyncio.sleep(0.25)
        seconds = perf_counter() - before
        await dispatcher.close()
    return completed / seconds


def _completed(connection: Connection) -> int:
    counted = select(func.count()).select_from(object_rows).where(object_rows.c.bucket == "results")
    return int(connection.execute(counted).scalar_one())


@contextlib.contextmanager
def _dispatcher(data_dir: Path) -> Iterator[tuple[Database, Dispatcher]]:
    """A dispatcher in this process, on the database of a service that has stopped."""
    with opened(f"sqlite:///{data_dir / 'braketeer.db'}") as database:
        clock = SystemClock()
        objects = EmbeddedObjects(
            database, data_dir / "objects", clock, load_or_create(data_dir / "secret.key", may_create=False)
        )
        with contextlib.closing(objects):
            yield (
                database,
                Dispatcher(
                    database,
                    objects,
                    Catalogue(2**30),
                    clock,
                    slots=SLOTS,
                    memory_bytes=2**40,
                    worker_memory_bytes=0,
                    workers=[_Idler() for _ in range(SLOTS)],
                ),
            )


class _Idler(Worker):
    """Answers at once."""

    async def call(self, operation: str, argument: Any, seconds: float | None = None) -> tuple[dict[str, Any], bytes]:
        return {"failure_reason": None, "successful_shots": None, "execution_ms": 0}, b"{}"
