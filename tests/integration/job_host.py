"""A service cut down to hybrid jobs: S3 behind the gateway, the job supervisor, one database.

As a program (``python -m tests.integration.job_host FOLDER PORT SANDBOX PATIENCE``) it prints its address and serves
until it is killed; the jobs it has left on are taken back by the next one in the same folder.
"""

from __future__ import annotations

import asyncio
import io
import secrets
import socket
import sys
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import uvicorn
from botocore.config import Config
from sqlalchemy import select

from braketeer.aws.gateway import Gateway
from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, Role
from braketeer.domain.clock import Clock, SystemClock
from braketeer.domain.lifecycles import JOB_FINISHED, JobStatus
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.services.s3 import S3
from braketeer.services.sts import Sts
from braketeer.store import accounts, jobs, topics
from braketeer.store.database import Database
from braketeer.store.keyring import Keyring
from braketeer.store.secrets import load_or_create
from braketeer.store.tables import log_events, log_streams, metadata
from braketeer.work import sandbox
from braketeer.work.job_settings import JobSettings
from braketeer.work.jobs import JobSupervisor

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
BUCKET = "bucket"


class JobHost:
    """Serves ``folder`` in a thread from ``start`` to ``close``."""

    def __init__(
        self,
        folder: Path,
        sandbox_name: str = "auto",
        port: int = 0,
        clock: Clock | None = None,
        database_url: str | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.jobs_folder = folder / "data" / "jobs"
        self.jobs_folder.mkdir(parents=True, exist_ok=True)
        self.clock = clock or SystemClock()
        self.database = Database(database_url or f"sqlite:///{folder / 'data' / 'braketeer.db'}")
        self.database.write_now(lambda tx: metadata.create_all(tx.connection))
        self._settings = {"slots": 20, "grace_seconds": 0.5, "patience_seconds": 60.0, "hidden": [folder / "data"]}
        self._settings |= settings
        user = sandbox_name == "bubblewrap-user"
        self._sandbox = sandbox.SandboxChoice("bubblewrap-user", "") if user else sandbox.choose(sandbox_name)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ready, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.secret = load_or_create(folder / "data" / "secret.key", may_create=True)
        self._keyring = Keyring(self.database, self.secret, self.clock)
        self.key = self.database.write_now(lambda tx: self._make_key(tx.connection))
        self.supervisor: JobSupervisor | None = None

    @property
    def folder_is_seen(self) -> bool:
        """Whether jobs see the service's files: there is no sandbox."""
        return not self._sandbox.isolates

    def start(self) -> JobHost:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def stop(self) -> None:
        """What a service does that is asked to stop; its rows can still be read."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        self.stop()
        self._listener.close()
        self.database.close()

    def s3(self, key: Any = None) -> Any:
        key = key or self.key
        return boto3.session.Session().client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def create(self, script: str | bytes, entry_point: str = "script", **more: Any) -> str:
        """The id of a new job that runs ``script`` (module ``script``; bytes are an archive)."""
        job_id = str(uuid.uuid4())
        name = "script.py" if isinstance(script, str) else "source.tar.gz"
        s3 = self.s3()
        s3.create_bucket(Bucket=BUCKET)
        body = script.encode() if isinstance(script, str) else script
        s3.put_object(Bucket=BUCKET, Key=f"{job_id}/script/{name}", Body=body)
        self.insert(job_id, request(job_id, name, entry_point, **more))
        return job_id

    def insert(self, job_id: str, given: Mapping[str, Any]) -> None:
        now = self.clock.now_ms()
        row = {
            "id": job_id,
            "account": DEFAULT_ACCOUNT_ID,
            "region": "us-east-1",
            "name": "some-job",
            "device_arn": given["deviceConfig"]["device"],
            "status": JobStatus.QUEUED,
            "request": given,
            "job_token": secrets.token_urlsafe(16),
            "events": [{"eventType": "QUEUED_FOR_EXECUTION", "timeOfEvent": now, "message": "queued"}],
            "created_at": now,
            "ingested": {},
        }

        def add(transaction: Any) -> None:
            jobs.insert(transaction.connection, row)
            transaction.notify(topics.JOBS)

        self.database.write_now(add)

    def queue_again(self, job_id: str) -> str:
        """The id of a new job with the request of another."""
        again = str(uuid.uuid4())
        self.insert(again, self.job(job_id)["request"])
        return again

    def claim(self) -> None:
        """What a supervisor does first, and then this one is killed."""
        self.database.write_now(
            lambda tx: jobs.claim_next(tx.connection, self.clock.now_ms(), 20, "one that is gone", 0)
        )

    def cancel(self, job_id: str) -> None:
        def cancel(transaction: Any) -> None:
            jobs.request_cancel(transaction.connection, job_id, self.clock.now_ms())
            transaction.notify(topics.JOBS)
            transaction.notify(topics.job(job_id))

        self.database.write_now(cancel)

    def job(self, job_id: str) -> Any:
        row = self.database.read_now(lambda connection: jobs.get(connection, job_id))
        assert row is not None
        return row

    def ended(self, job_id: str, seconds: float = 60) -> Any:
        """The job's row once it has ended."""
        return until(lambda: self.job(job_id), lambda row: row["status"] in JOB_FINISHED, seconds)

    def log(self, job_id: str) -> list[str]:
        query = (
            select(log_events.c.message)
            .join(log_streams, log_streams.c.id == log_events.c.stream_id)
            .where(log_streams.c.name.contains(job_id))
            .order_by(log_events.c.timestamp, log_events.c.id)
        )
        return list(self.database.read_now(lambda connection: connection.execute(query).scalars().all()))

    def streams(self, job_id: str) -> list[str]:
        query = select(log_streams.c.name).where(log_streams.c.name.contains(job_id)).order_by(log_streams.c.name)
        return list(self.database.read_now(lambda connection: connection.execute(query).scalars().all()))

    def says(self, job_id: str, text: str, seconds: float = 30) -> None:
        """Wait until a line of the job's log is ``text``."""
        until(lambda: self.log(job_id), lambda lines: text in lines, seconds)

    def output(self, job_id: str) -> dict[str, bytes] | None:
        """The files of the job's model.tar.gz by name, None where there is no archive."""
        s3 = self.s3()
        try:
            body = s3.get_object(Bucket=BUCKET, Key=f"{job_id}/results/output/model.tar.gz")["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]

    def keys(self, prefix: str) -> list[str]:
        return [entry["Key"] for entry in self.s3().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]

    def another_account(self, account: str = "111111111111") -> Any:
        """A key of another account."""

        def make(transaction: Any) -> Any:
            accounts.create_account(transaction.connection, account, f"account {account}", 0)
            return accounts.create_key(transaction.connection, self.secret, account, Role.USER, 0)

        return self.database.write_now(make)

    def _make_key(self, connection: Any) -> Any:
        if not accounts.account_exists(connection, DEFAULT_ACCOUNT_ID):
            accounts.create_account(connection, DEFAULT_ACCOUNT_ID, "default", 0)
        return accounts.create_key(connection, self.secret, DEFAULT_ACCOUNT_ID, Role.OPERATOR, 0)

    async def _serve(self) -> None:
        objects = EmbeddedObjects(self.database, self.folder / "data" / "objects", self.clock, self.secret)
        await self._keyring.start()
        settings = JobSettings(
            folder=self.jobs_folder,
            sandbox=self._sandbox,
            **{"endpoint": self.url, **self._settings},  # type: ignore[arg-type]
        )
        self.supervisor = supervisor = JobSupervisor(
            self.database, self.clock, self._keyring.issue, self._keyring.revoke_of_job, settings
        )
        app: Any = Gateway(
            {"s3": S3(self.database, objects, self.clock), "sts": Sts(self.database, self.secret, self.clock)},
            self._keyring.find,
        )
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False))
        serving = asyncio.create_task(server.serve(sockets=[self._listener]))
        await supervisor.start(alone=self.database.is_sqlite)
        self._ready.set()
        await asyncio.to_thread(self._stopping.wait)
        if settings.stop_jobs:  # as the service does, while requests are still answered
            await supervisor.end_jobs()
        await supervisor.close()
        server.should_exit = True
        await serving
        await self._keyring.close()
        objects.close()


def request(job_id: str, script: str, entry_point: str, **more: Any) -> dict[str, Any]:
    """CreateJob's members with the service's defaults; ``more`` replaces whole members."""
    code = {"entryPoint": entry_point, "s3Uri": f"s3://{BUCKET}/{job_id}/script/{script}"}
    return {
        "jobName": "some-job",
        "roleArn": f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/service-role/AmazonBraketJobsExecutionRole",
        "algorithmSpecification": {"scriptModeConfig": code},
        "deviceConfig": {"device": SV1},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": 1},
        "outputDataConfig": {"s3Path": f"s3://{BUCKET}/{job_id}/results"},
        "stoppingCondition": {"maxRuntimeInSeconds": 3600},
        **more,
    }


def until(ask: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 30) -> Any:
    """Ask until the answer is good; fails with the last answer when it never is."""
    deadline = time.monotonic() + seconds
    while not good(answer := ask()):
        assert time.monotonic() < deadline, f"still {answer}"
        time.sleep(0.02)
    return answer


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A tar.gz of these files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as packed:
        for name, content in files.items():
            body = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(body)
            packed.addfile(member, io.BytesIO(body))
    return data.getvalue()


if __name__ == "__main__":
    folder, port_given, sandbox_given, patience = sys.argv[1:]
    host = JobHost(Path(folder), sandbox_given, int(port_given), patience_seconds=float(patience)).start()
    print(host.url, flush=True)
    while True:  # rows may come from another process, which cannot wake this one
        time.sleep(0.05)
        host.database.topics.publish([topics.JOBS])
