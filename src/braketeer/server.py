"""The composition root: builds the parts, hands each what it needs, starts and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import ipaddress
import json
import logging
import os
import secrets as randomness
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import uvicorn

from braketeer import __version__
from braketeer.admin import app as admin
from braketeer.aws.gateway import Gateway
from braketeer.config import Settings, python_minor
from braketeer.devices.catalogue import Catalogue
from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, AccessKey, Role
from braketeer.domain.clock import SystemClock
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.services import ecr, iam, logs, pricing, s3, sts
from braketeer.services.braket import Braket
from braketeer.services.braket.devices import Devices
from braketeer.services.braket.jobs import Jobs
from braketeer.services.braket.quantum_tasks import QuantumTasks
from braketeer.services.braket.tags import Tags
from braketeer.store import accounts, client_tokens, migrations
from braketeer.store.database import Database, Transaction
from braketeer.store.keyring import Keyring
from braketeer.store.secrets import load_or_create
from braketeer.work import sandbox
from braketeer.work.dispatcher import Dispatcher
from braketeer.work.jobs import JobSettings, JobSupervisor
from braketeer.work.programs import ProgramCheck
from braketeer.work.workers import WorkerNotStarted

log = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS = 3600.0
WORKER_OVERHEAD_BYTES = 4 * 2**30  # address space that libraries map beside a task's own memory


class StartError(Exception):
    """The service cannot start; the text says why and what to do."""


def serve(settings: Settings) -> None:
    """Run the service in the foreground until SIGINT or SIGTERM. Raises StartError."""
    uvicorn_loop = uvicorn.Config("", loop="auto").get_loop_factory()
    with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    _check_address(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(settings.data_dir), _listening(settings) as listener:
        port = listener.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        endpoint = settings.public_url or f"http://{host}:{port}"
        service = Service(settings, endpoint)
        await service.start()
        gc.freeze()  # what a start loads stays: the collector need not look at it again and again
        _write_private(settings.data_dir / "service.json", {"endpoint": endpoint, "port": port, "pid": os.getpid()})
        try:
            await _answer_requests(service, listener)
        finally:
            (settings.data_dir / "service.json").unlink(missing_ok=True)
            await service.close()


class Service:
    """All parts of one running service."""

    def __init__(self, settings: Settings, endpoint: str) -> None:
        data_dir = settings.data_dir
        self.settings = settings
        self.endpoint = endpoint
        self._job_python_minor = python_minor(settings.job_python)  # first, as it refuses what is no interpreter
        self.secrets = load_or_create(data_dir / "secret.key", may_create=not (data_dir / "braketeer.db").exists())
        self.clock = SystemClock()
        url = f"sqlite:///{data_dir / 'braketeer.db'}"
        migrations.upgrade(url)
        self.database = Database(url)
        memory = task_memory(settings)
        self.catalogue = Catalogue(memory)
        self.objects = EmbeddedObjects(self.database, data_dir / "objects", self.clock)
        self.keyring = Keyring(self.database, self.secrets, self.clock)
        self.program_check = ProgramCheck()
        slots = settings.task_slots or os.cpu_count() or 1
        self.dispatcher = Dispatcher(
            self.database,
            self.objects,
            self.catalogue,
            self.clock,
            slots=slots,
            memory_bytes=memory,
            worker_memory_bytes=memory + WORKER_OVERHEAD_BYTES,
            seed=settings.seed,
        )
        self.sandbox = sandbox.choose(settings.sandbox, settings.job_python)
        jobs = JobSettings(
            folder=data_dir / "jobs",
            endpoint=endpoint,
            slots=settings.job_slots,
            sandbox=self.sandbox,
            python=settings.job_python,
            hidden=[data_dir],
            grace_seconds=settings.job_grace_seconds,
            stop_jobs=settings.stop_jobs,
        )
        self.jobs = JobSupervisor(self.database, self.clock, self.keyring.issue, self.keyring.revoke_of_job, jobs)
        self._background: list[asyncio.Task[None]] = []

    def operations(self) -> dict[str, object]:
        """Every AWS service that is answered, by its name in the credential scope."""
        page_key = self.secrets.key
        braket = Braket(
            Devices(self.database, self.catalogue, page_key),
            QuantumTasks(self.database, self.catalogue, self.clock, self.program_check.check, page_key),
            Jobs(self.database, self.catalogue, self.clock, page_key),
            Tags(self.database),
        )
        return {
            "braket": braket,
            "s3": s3.S3(self.database, self.objects, self.clock),
            "sts": sts.Sts(),
            "iam": iam.Iam(),
            "logs": logs.Logs(self.database, self.clock, page_key),
            "ecr": ecr.Ecr(self._job_python_minor),
        }

    def application(self) -> Callable[..., Awaitable[None]]:
        """The ASGI application: ``/_braketeer/`` is ours, everything else is AWS."""
        hosts = {"localhost", urlsplit(self.endpoint).hostname or "localhost"}
        gateway = Gateway(self.operations(), self.keyring.find, hosts=hosts)
        own = admin.application(self.health, lambda: pricing.price_list_csv(self.catalogue))

        async def application(scope: Any, receive: Any, send: Any) -> None:
            ours = scope["type"] == "http" and scope["raw_path"].startswith(admin.PREFIX.encode())
            await (own if ours else gateway)(scope, receive, send)

        return application

    def health(self) -> dict[str, Any]:
        return {"status": "ok", "version": __version__, "sandbox": self.sandbox.name}

    async def start(self) -> None:
        """Everything that must be true before the first request; workers warm up meanwhile."""
        await self._ensure_account()
        await self.keyring.start()
        await self.dispatcher.start(alone=self.database.is_sqlite)
        await self.jobs.start()
        self._background = [
            asyncio.create_task(self._warm_up(), name="warm up"),
            asyncio.create_task(self._keep_house(), name="housekeeping"),
        ]

    async def prepare_to_stop(self) -> None:
        """While requests are still answered: jobs that are to end save their results through S3."""
        if self.settings.stop_jobs:
            await self.jobs.end_jobs()

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.jobs.close()
        await self.dispatcher.close()
        await self.program_check.close()
        await self.keyring.close()
        self.objects.close()
        self.database.close()

    async def _warm_up(self) -> None:
        try:
            await asyncio.gather(self.dispatcher.warm(), self.program_check.start())
        except WorkerNotStarted as trouble:
            log.warning("a worker could not be started; it is tried again with the next task: %s", trouble)

    async def _keep_house(self) -> None:
        while True:
            try:
                await self.database.write(lambda tx: client_tokens.forget_old(tx.connection, self.clock.now_ms()))
                await self.objects.collect_garbage()
            except Exception:
                log.exception("housekeeping failed; it is tried again later")
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _ensure_account(self) -> None:
        """The first start makes account ``default`` and an operator's key, and writes the key to credentials.json."""
        path = self.settings.data_dir / "credentials.json"
        missing = not path.exists()

        def ensure(transaction: Transaction) -> AccessKey | None:
            connection, now = transaction.connection, self.clock.now_ms()
            if not accounts.account_exists(connection, DEFAULT_ACCOUNT_ID):
                accounts.create_account(connection, DEFAULT_ACCOUNT_ID, "default", now)
            elif not missing:
                return None
            return accounts.create_key(connection, self.secrets, DEFAULT_ACCOUNT_ID, Role.OPERATOR, now)

        key = await self.database.write(ensure)
        if key is not None:
            default = {"account": key.account, "access_key_id": key.id, "secret_access_key": key.secret}
            _write_private(path, {"default": default})


async def _answer_requests(service: Service, listener: socket.socket) -> None:
    config = uvicorn.Config(
        service.application(),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        http="httptools",
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means that a hang-up is to be ignored
            loop.add_signal_handler(number, asked.set)

    async def stop_when_asked() -> None:
        """The first signal stops in good order; a second one does not wait for that."""
        await asked.wait()
        asked.clear()
        preparing = asyncio.create_task(service.prepare_to_stop())
        again = asyncio.create_task(asked.wait())
        await asyncio.wait({preparing, again}, return_when=asyncio.FIRST_COMPLETED)
        if preparing.done() and (problem := preparing.exception()) is not None:
            log.error("jobs could not be ended in good order", exc_info=problem)
        preparing.cancel()
        again.cancel()
        server.should_exit = True

    stopping = asyncio.create_task(stop_when_asked(), name="stop")
    await server.serve(sockets=[listener])
    stopping.cancel()


class _Server(uvicorn.Server):
    """uvicorn, but signals are ours: it would raise them again after serving, before anything is closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def task_memory(settings: Settings) -> int:
    """Bytes for all quantum tasks together."""
    if settings.task_memory_gib:
        return int(settings.task_memory_gib * 2**30)
    return psutil.virtual_memory().total * 3 // 4


def _check_address(settings: Settings) -> None:
    """Loopback only, unless told otherwise: everybody who reaches the port may try keys against it."""
    try:
        loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        loopback = settings.host == "localhost"
    if not loopback and not settings.insecure:
        raise StartError(f"{settings.host} is not a loopback address; add --insecure to listen there without TLS")


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """One service process per data directory: the lock lives as long as the process."""
    with (data_dir / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise StartError(f"Another service already uses {data_dir}") from problem
        yield


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.closing(listener):
        try:
            listener.bind((settings.host, settings.port))
        except OSError as problem:
            raise StartError(f"Cannot listen on {settings.host}:{settings.port}: {problem.strerror}") from problem
        yield listener


def _write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that only the owner may read, complete or not at all."""
    temporary = path.with_name(f"{path.name}.{randomness.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
