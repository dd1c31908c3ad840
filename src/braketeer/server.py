"""The composition root: builds the parts, hands each what it needs, starts and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import psutil
import uvicorn

from braketeer import __version__
from braketeer.admin.accounts import Accounts
from braketeer.admin.app import PREFIX, Admin
from braketeer.admin.audit import AuditLines
from braketeer.admin.costs import Costs
from braketeer.admin.devices import Devices as AdminDevices
from braketeer.admin.events import Events
from braketeer.admin.faults import FaultRules
from braketeer.admin.keys import Keys
from braketeer.admin.queues import Queues
from braketeer.admin.reservations import Reservations
from braketeer.admin.reset import Reset
from braketeer.admin.routes import Route
from braketeer.admin.service_time import ServiceClock
from braketeer.admin.webhooks import WebhookList
from braketeer.aws import injected
from braketeer.aws.connections import BoundedHttp
from braketeer.aws.gateway import Gateway
from braketeer.aws.verifier import Verifier
from braketeer.config import SettingError, Settings, further_pythons, image_pythons, python_minor, throttle_limits
from braketeer.data_directory import StartError, announced, first_steps, locked, open_database
from braketeer.devices.catalogue import Catalogue
from braketeer.devices.prices import PriceFileError, Prices
from braketeer.devices.prices import load as load_prices
from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, AccessKey, Role
from braketeer.domain.clock import Clock, SystemClock, VirtualClock
from braketeer.domain.quotas import Quotas
from braketeer.domain.throttling import Throttle
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.objects.lifecycles import Lifecycles
from braketeer.quantum import engines
from braketeer.services import ecr, iam, logs, pricing, s3, sts
from braketeer.services.braket import Braket
from braketeer.services.braket.devices import Devices
from braketeer.services.braket.jobs import Jobs
from braketeer.services.braket.quantum_tasks import QuantumTasks
from braketeer.services.braket.spending_limits import SpendingLimits
from braketeer.services.braket.tags import Tags
from braketeer.services.price_list import PriceList
from braketeer.store import accounts, client_tokens, events, log_cleaning, log_queries, quotas, topics
from braketeer.store.audit import Audit
from braketeer.store.credentials import Credentials
from braketeer.store.database import Database, Transaction
from braketeer.store.faults import Faults
from braketeer.store.keyring import Keyring
from braketeer.store.secrets import load_or_create
from braketeer.store.service_time import ServiceTime, offset_ms
from braketeer.work import job_network, sandbox
from braketeer.work.dispatcher import Dispatcher
from braketeer.work.drivers import Drivers
from braketeer.work.job_settings import JobSettings, Network
from braketeer.work.jobs import JobSupervisor
from braketeer.work.programs import ProgramCheck
from braketeer.work.timekeeper import Timekeeper
from braketeer.work.webhooks import Webhooks
from braketeer.work.workers import WorkerNotStarted

log = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS = 3600.0
EVENTS_KEPT_MS = 7 * 24 * 3600 * 1000
# Where Amazon's price list is, for clients that are sent here under that name; it is served as ours is.
OFFERS = b"/offers/v1.0/aws/AmazonBraket/current/index.csv"
PRICES = f"{PREFIX}prices.csv".encode()
WORKER_OVERHEAD_BYTES = 4 * 2**30  # address space that libraries map beside a task's own memory


def serve(settings: Settings) -> None:
    """Run the service in the foreground until SIGINT or SIGTERM. Raises StartError."""
    os.umask(0o077)  # whatever a start makes is its owner's alone, also in a directory that others may read
    uvicorn_loop = uvicorn.Config("", loop="auto").get_loop_factory()
    with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    _check_address(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(settings.data_dir, shared=settings.database is not None), _listening(settings) as listener:
        port = listener.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        endpoint = settings.public_url or f"http://{host}:{port}"
        with first_steps(settings.data_dir):
            service = Service(settings, endpoint)
            await service.ensure_account()
        await service.start()
        gc.freeze()  # what a start loads stays: the collector need not look at it again and again
        try:
            with announced(settings.data_dir, {"endpoint": endpoint, "port": port, "pid": os.getpid()}):
                await _answer_requests(service, listener)
        finally:
            await service.close()


class Service:
    """All parts of one running service."""

    def __init__(self, settings: Settings, endpoint: str) -> None:
        data_dir = settings.data_dir
        self.settings = settings
        self.endpoint = endpoint
        # First, as these refuse what cannot be.
        self._job_python_minor = python_minor(settings.job_python)
        engine = _engine(settings)
        pythons, images = further_pythons(settings), image_pythons(settings)
        prices = _prices(settings)
        limits = throttle_limits(settings.throttle)
        self._admits = Throttle(limits, time.monotonic).admits if limits is not None else None
        url = settings.database or f"sqlite:///{data_dir / 'braketeer.db'}"
        self.database = open_database(data_dir, url)
        used = self.database.read_now(lambda connection: accounts.account_exists(connection, DEFAULT_ACCOUNT_ID))
        self.secrets = load_or_create(data_dir / "secret.key", may_create=not used)
        self.clock, self.service_time = _clock(settings, self.database)
        memory = task_memory(settings)
        self.catalogue = Catalogue(memory, prices, qpu_noise=settings.qpu_noise)
        self.price_list = PriceList(self.catalogue)
        self.objects = EmbeddedObjects(
            self.database, data_dir / "objects", self.clock, self.secrets, shared=not self.database.is_sqlite
        )
        self.lifecycles = Lifecycles(self.database, self.objects, self.clock)
        self.keyring = Keyring(self.database, self.secrets, self.clock)
        self.credentials = Credentials(data_dir / "credentials.json")
        self.audit = Audit(data_dir / "audit", settings.audit_days)
        self.program_check = ProgramCheck()
        self.faults = Faults(self.database, self.clock)
        self.logs = logs.Logs(self.database, self.clock, self.secrets.key)
        self._task_slots = settings.task_slots or os.cpu_count() or 1
        self.dispatcher = Dispatcher(
            self.database,
            self.objects,
            self.catalogue,
            self.clock,
            slots=self._task_slots,
            memory_bytes=memory,
            worker_memory_bytes=memory + WORKER_OVERHEAD_BYTES,
            seed=settings.seed,
            faults=self.faults,
            engine=engine,
            lease_seconds=settings.lease_seconds,
        )
        self.drivers = Drivers(
            self.database, self.objects, self.catalogue, self.clock, self.secrets, settings.lease_seconds, self.faults
        )
        self.sandbox = sandbox.choose(settings.sandbox, settings.job_python)
        self._job_python_minors = tuple(pythons)
        jobs = JobSettings(
            folder=data_dir / "jobs",
            endpoint=endpoint,
            slots=settings.job_slots,
            sandbox=self.sandbox,
            python=settings.job_python,
            pythons=pythons,
            images=images,
            network=_network(settings, self.sandbox),
            install_seconds=settings.job_install_seconds,
            hidden=[data_dir],
            grace_seconds=settings.job_grace_seconds,
            stop_jobs=settings.stop_jobs,
            lease_seconds=settings.lease_seconds,
        )
        keys = (self.keyring.issue, self.keyring.revoke_of_job)
        self.jobs = JobSupervisor(self.database, self.clock, *keys, jobs, self.catalogue)
        self.timekeeper = Timekeeper(self.database, self.catalogue, self.clock)
        self.webhooks = Webhooks(self.database, self.catalogue, self.secrets)
        self._background: list[asyncio.Task[None]] = []

    def operations(self) -> dict[str, object]:
        """Every AWS service that is answered, by its name in the credential scope."""
        page_key = self.secrets.key
        braket = Braket(
            Devices(self.database, self.catalogue, self.clock, page_key),
            QuantumTasks(
                self.database,
                self.catalogue,
                self.clock,
                self.program_check,
                self.drivers,
                page_key,
                fair_share=self.settings.fair_share,
            ),
            Jobs(self.database, self.catalogue, self.clock, page_key, isolated=self._may_run_jobs_of_several),
            Tags(self.database),
            SpendingLimits(self.database, self.catalogue, self.clock, page_key),
        )
        return {
            "braket": braket,
            "s3": s3.S3(self.database, self.objects, self.clock),
            "sts": sts.Sts(self.database, self.secrets, self.clock),
            "iam": iam.Iam(self.database),
            "logs": self.logs,
            "ecr": ecr.Ecr(self._job_python_minor, self._job_python_minors),
            "pricing": pricing.Pricing(self.price_list, page_key),
        }

    def application(self) -> Callable[..., Awaitable[None]]:
        """The ASGI application: ``/_braketeer/`` is ours, everything else is AWS."""
        hosts = {"localhost", urlsplit(self.endpoint).hostname or "localhost"}
        gateway = Gateway(
            self.operations(),
            self.keyring.find,
            hosts=hosts,
            admits=self._admits,
            record=self.audit.record,
            fault_of=self.faults.of_call,
        )
        own = Admin(
            {
                "health": lambda: (orjson.dumps(self.health()), "application/json"),
                "prices.csv": lambda: (self.price_list.csv.encode(), "text/csv"),
            },
            self.routes(),
            Verifier("braketeer", self.keyring.find),
            self.audit.record,
        )

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["raw_path"] == OFFERS:
                scope = scope | {"raw_path": PRICES, "path": PRICES.decode()}
            ours = scope["type"] == "http" and scope["raw_path"].startswith(PREFIX.encode())
            await (own if ours else gateway)(scope, receive, send)

        return application

    def routes(self) -> list[Route]:
        """The operator's API: what is answered below ``/_braketeer/`` to keys of role operator."""
        held = (self.database, self.secrets, self.credentials, self.clock)
        rows = (self.database, self.catalogue, self.clock)
        nouns = (
            Accounts(*held),
            Keys(*held, self.keyring.forget),
            AuditLines(self.database, self.audit.folder),
            Costs(self.database, self.clock),
            AdminDevices(
                self.database, self.catalogue, self.secrets, self.clock, self.drivers.look, self.drivers.reload
            ),
            ServiceClock(self.clock, self.service_time),
            Events(self.database, self.catalogue),
            WebhookList(self.database, self.secrets),
            Reset(self.database, self.clock, allowed=self.settings.allow_reset),
            FaultRules(self.database, self.faults, self.catalogue, self.clock, self._check_error),
            Reservations(*rows),
            Queues(*rows, task_slots=self._task_slots, job_slots=self.settings.job_slots),
        )
        return [route for noun in nouns for route in noun.routes()]

    def _check_error(self, service: str | None, operation: str | None, error: str) -> None:
        injected.check(frozenset(self.operations()), service, operation, error)

    def health(self) -> dict[str, Any]:
        jobs = "of any account" if self._may_run_jobs_of_several else "while there is one account: no sandbox works"
        return {"status": "ok", "version": __version__, "sandbox": self.sandbox.name, "jobs": jobs}

    @property
    def _may_run_jobs_of_several(self) -> bool:
        """Whether hybrid jobs of several accounts are taken."""
        return self.sandbox.isolates or self.settings.allow_unsandboxed

    async def start(self) -> None:
        """Everything that must be true before the first request; workers warm up meanwhile."""
        await self.keyring.start()
        await self.faults.load()
        await self.program_check.load()
        await self.timekeeper.start()
        await self.dispatcher.start(alone=self.database.is_sqlite)
        await self.drivers.start()
        await self.jobs.start(alone=self.database.is_sqlite)
        self._background = [
            asyncio.create_task(self._warm_up(), name="warm up"),
            asyncio.create_task(self._keep_house(), name="housekeeping"),
            asyncio.create_task(self.faults.follow(), name="faults"),
            asyncio.create_task(self.webhooks.run(alone=self.database.is_sqlite), name="webhooks"),
        ]
        if self.service_time is not None:
            self._background.append(asyncio.create_task(self.service_time.follow(), name="service time"))

    async def prepare_to_stop(self) -> None:
        """While requests are still answered: jobs that are to end save their results through S3."""
        if self.settings.stop_jobs:
            await self.jobs.end_jobs()

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.jobs.close()
        await self.drivers.close()
        await self.timekeeper.close()
        await self.dispatcher.close()
        await self.program_check.close()
        await self.logs.close()
        await self.keyring.close()
        self.objects.close()
        self.database.close()
        self.audit.close()

    async def _warm_up(self) -> None:
        try:
            await asyncio.gather(self.dispatcher.warm(), self.program_check.start())
        except WorkerNotStarted as trouble:
            log.warning("a worker could not be started; it is tried again with the next task: %s", trouble)

    async def _keep_house(self) -> None:
        with self.database.topics.subscribe(topics.CLOCK) as jumps:
            while True:
                for name, step in self.housekeeping().items():
                    try:
                        await step()
                    except Exception:
                        log.exception("housekeeping has failed at %s; it is tried again later", name)
                await jumps.wait(HOUSEKEEPING_SECONDS)

    def housekeeping(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """What is done every hour, each by what it is about; none keeps another from being done."""
        now_ms = self.clock.now_ms
        return {
            "client tokens": lambda: self._in_pieces(lambda tx: client_tokens.forget_old(tx.connection, now_ms())),
            "temporary keys": lambda: self._in_pieces(
                lambda tx: accounts.forget_temporary_keys(tx.connection, time.time())
            ),
            "log queries": lambda: self._in_pieces(lambda tx: log_queries.forget_old(tx.connection, now_ms())),
            "events": lambda: self._in_pieces(lambda tx: events.forget_old(tx.connection, now_ms() - EVENTS_KEPT_MS)),
            "the audit": lambda: asyncio.to_thread(self.audit.forget_old),
            "lifecycles": self.lifecycles.carry_out,
            "files of objects": self.objects.collect_garbage,
            "log events": lambda: log_cleaning.clean(self.database, now_ms()),
        }

    async def _in_pieces(self, work: Callable[[Transaction], bool]) -> None:
        """Write as long as there may be more to do: each is short, and other writes go between."""
        while await self.database.write(work):
            pass

    async def ensure_account(self) -> None:
        """The first start makes account ``default`` and an operator's key, and writes the key to credentials.json."""
        missing = not self.credentials.exists()
        defaults = Quotas.of_settings(
            tasks_queued=self.settings.quota_tasks_queued,
            jobs_running=self.settings.quota_jobs_running,
            storage_bytes=self.settings.quota_storage_bytes,
        )

        def ensure(transaction: Transaction) -> AccessKey | None:
            connection, now = transaction.connection, self.clock.now_ms()
            quotas.set_defaults(connection, defaults)
            created = accounts.create_account(connection, DEFAULT_ACCOUNT_ID, "default", now)
            if not created and not missing:
                return None
            return accounts.create_key(connection, self.secrets, DEFAULT_ACCOUNT_ID, Role.OPERATOR, now)

        key = await self.database.write(ensure)
        if key is not None:
            self.credentials.add({"default": key})


async def _answer_requests(service: Service, listener: socket.socket) -> None:
    config = uvicorn.Config(
        service.application(),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        http=BoundedHttp,
        ws="none",
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


def _network(settings: Settings, choice: sandbox.SandboxChoice) -> Network:
    """The network of hybrid jobs; StartError where the operator insists on what this machine cannot give."""
    network = cast(Network, settings.job_network)
    if network == "own":
        trouble = choice.reason if not choice.isolates else job_network.problem(as_user=os.getuid() != 0)
        if trouble:
            raise StartError(f"Jobs cannot have networks of their own here (BRAKETEER_JOB_NETWORK): {trouble}")
    return network


def _prices(settings: Settings) -> Prices:
    """What the operator has set; SettingError where the file does not say it."""
    if settings.prices is None:
        return Prices()
    try:
        return load_prices(settings.prices)
    except PriceFileError as problem:
        raise SettingError(f"prices (BRAKETEER_PRICES): {problem}") from problem


def _clock(settings: Settings, database: Database) -> tuple[Clock, ServiceTime | None]:
    """Service time, and the hand that advances it, if any. StartError where it would go back."""
    offset = database.read_now(offset_ms)
    if settings.clock == "virtual":
        clock = VirtualClock(offset)
        return clock, ServiceTime(database, clock)
    if offset:
        raise StartError(
            f"Service time of {settings.data_dir} was advanced by {offset // 1000} s and cannot go back: "
            "start the service with --clock virtual"
        )
    return SystemClock(), None


def _engine(settings: Settings) -> str | None:
    """None for the fastest that is there; StartError where the one that is wanted is not."""
    if settings.engine == "auto":
        return None
    if not engines.is_installed(settings.engine):
        raise StartError(f"engine (BRAKETEER_ENGINE): the package of '{settings.engine}' is not installed here")
    return settings.engine


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
