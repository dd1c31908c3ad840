"""Durable CreateQuantumTask a second: 16 connections, signatures made before, load and service on the same cores."""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid
from pathlib import Path
from time import perf_counter

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.figures import Figure, median, percentile
from tests.services import BELL, SV1, RunningService, openqasm, running

CONNECTIONS = 16
REQUESTS = 6000


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        service.client("s3").create_bucket(Bucket="results")
        asyncio.run(_send(service.port, _requests(service, 200)))  # warm
        requests = _requests(service, REQUESTS)
        before = perf_counter()
        times = asyncio.run(_send(service.port, requests))
        seconds = perf_counter() - before
    p50, p99 = median(times), percentile(times, 99)
    return [
        Figure(
            "durable CreateQuantumTask, 16 connections",
            REQUESTS / seconds,
            "/s",
            goal=1500,
            at_least=True,
            note="tasks computed meanwhile",
        ),
        Figure("the same, one request p50", p50, "ms"),
        Figure("the same, one request p99", p99, "ms"),
        Figure("the same, p99 / p50", p99 / p50, "x", goal=3),
    ]


def _requests(service: RunningService, count: int) -> list[bytes]:
    access = service.access
    signer = SigV4Auth(Credentials(access.access_key_id, access.secret_access_key), "braket", "us-east-1")
    made = []
    for _ in range(count):
        body = json.dumps(
            {
                "clientToken": str(uuid.uuid4()),
                "deviceArn": SV1,
                "shots": 100,
                "outputS3Bucket": "results",
                "outputS3KeyPrefix": "tasks",
                "action": openqasm(BELL),
            }
        )
        request = AWSRequest("POST", f"{access.endpoint}/quantum-task", data=body)
        request.headers["Content-Type"] = "application/json"
        signer.add_auth(request)
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        made.append(
            f"POST /quantum-task HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n{head}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
    return made


async def _send(port: int, requests: list[bytes]) -> list[float]:
    """Milliseconds that each request took; every one must be answered 201."""
    times: list[float] = []
    waiting = iter(requests)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            before = perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            body = await reader.readexactly(length)
            times.append((perf_counter() - before) * 1000)
            if not head.startswith("http/1.1 201"):
                raise RuntimeError(body.decode())
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return times
