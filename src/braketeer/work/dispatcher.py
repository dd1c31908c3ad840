"""A quantum task's life after its row exists: claim -> run in a worker -> store the result object -> complete the row.

    store.quantum_tasks.add           (services/braket/quantum_tasks.py: the row is on disk, the client has its 201)
      -> _fill: claim                 QUEUED -> RUNNING under a lease, an attempt number on it
      -> _compute: quantum.run        in a worker process that may die without harm
      -> _complete: one transaction   the result object, if nobody has stored one, and COMPLETED (or FAILED: a program
                                      set of which nothing could be run has a document too)

Nothing here decides: whose work may start is domain/scheduling.py's, the order domain/queue.py's, the allowed changes
domain/lifecycles.py's. timekeeper.py says when time itself has changed what may start.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from braketeer import quantum
from braketeer.devices.catalogue import Catalogue, Device
from braketeer.domain import arns, queue, scheduling
from braketeer.domain.clock import Clock
from braketeer.domain.errors import ServiceError
from braketeer.domain.faults import Kind
from braketeer.domain.lifecycles import TaskStatus
from braketeer.domain.reservations import reason_of_cancelling
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.store import objects as object_rows
from braketeer.store import quantum_tasks as tasks
from braketeer.store import reservations, schedule, topics
from braketeer.store.database import Database, Transaction
from braketeer.store.faults import Faults
from braketeer.store.objects import Content
from braketeer.work.workers import Defect, Refused, Worker, WorkerDied, WorkerNotStarted

log = logging.getLogger(__name__)

PAUSE_AFTER_TROUBLE_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Running:
    """A claim, the worker that has it, and the coroutine that sees it through; ``cancelled`` by a client."""

    claim: tasks.Claim
    worker: Worker
    started: float  # time.monotonic
    coroutine: asyncio.Task[None] | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a look at the queues has claimed, the heads that it has left waiting, and the memory that is free then."""

    claims: list[tasks.Claim]
    heads: list[queue.Head]
    free_memory: int


class Dispatcher:
    """Runs queued tasks on ``slots`` workers within ``memory_bytes``, until it is closed."""

    def __init__(
        self,
        database: Database,
        objects: EmbeddedObjects,
        catalogue: Catalogue,
        clock: Clock,
        *,
        slots: int,
        memory_bytes: int,
        worker_memory_bytes: int,
        seed: int | None = None,
        faults: Faults | None = None,
        engine: str | None = None,
        lease_seconds: float = 60.0,
        workers: Sequence[Worker] | None = None,
    ) -> None:
        self._database = database
        self._objects = objects
        self._catalogue = catalogue
        self._clock = clock
        self._seed = seed
        self._faults = faults
        self._engine = engine
        self._memory_bytes = memory_bytes
        self._lease_seconds = lease_seconds  # how long a service that does not answer keeps its tasks
        self._owner = str(uuid.uuid4())
        self._workers = list(workers or [Worker(worker_memory_bytes) for _ in range(slots)])
        self._idle = list(self._workers)
        self._running: set[Running] = set()
        self._last_device: str | None = None
        self._waiting: queue.Waiting | None = None
        self._claiming: asyncio.Future[Claimed] | None = None  # until what it has claimed is in _running
        self._loops: list[asyncio.Task[None]] = []

    async def start(self, *, alone: bool) -> None:
        """Take back what a dead service held (every lease, where ``alone`` on the database), then begin."""
        lease_before = None if alone else int(time.time())
        await self._database.write(lambda tx: tasks.recover(tx.connection, self._clock.now_ms(), lease_before))
        self._loops = [
            asyncio.create_task(loop(), name=loop.__name__)
            for loop in (self._claim_loop, self._cancel_loop, self._heartbeat_loop)
        ]

    async def warm(self) -> None:
        """Return once every worker can start at once."""
        await asyncio.gather(*(worker.start() for worker in self._workers))

    async def close(self) -> None:
        """Stop claiming and give back what is running: those tasks wait in their old places for the next start."""
        held = list(self._running)
        coroutines = [*self._loops, *(run.coroutine for run in held if run.coroutine is not None)]
        for coroutine in coroutines:
            coroutine.cancel()
        await asyncio.gather(*coroutines, return_exceptions=True)
        claims = [run.claim for run in held]
        if self._claiming is not None:
            (claimed,) = await asyncio.gather(self._claiming, return_exceptions=True)
            if not isinstance(claimed, BaseException):
                claims += claimed.claims
        for claim in claims:
            await self._give_back(claim, worker_died=False)
        await asyncio.gather(*(worker.close() for worker in self._workers))

    async def _claim_loop(self) -> None:
        with self._database.topics.subscribe(topics.TASKS) as news:
            while True:
                try:
                    await self._fill()
                except Exception:
                    log.exception("tasks cannot be claimed; it is tried again")
                    await asyncio.sleep(PAUSE_AFTER_TROUBLE_SECONDS)
                    continue
                # A finished run makes room and publishes TASKS itself; the timeout is for leases that end unseen.
                await news.wait(self._lease_seconds / 4)

    async def _fill(self) -> None:
        """Claim tasks while there is a worker and memory for the next in order."""
        while self._idle:
            now = time.monotonic()
            running = [(run.started, run.claim.memory_bytes) for run in self._running]
            room = queue.Room(
                slots=len(self._idle),
                memory=self._memory_bytes,
                used=sum(taken for _, taken in running),
                running=len(running),
                kept=self._waiting.kept(now, self._memory_bytes, running) if self._waiting is not None else None,
            )
            # Shielded: a claim that is being committed when we are closed has to be given back.
            claiming = partial(self._claim_next, last_device=self._last_device, room=room)
            self._claiming = asyncio.ensure_future(self._database.write(claiming))
            claimed = await asyncio.shield(self._claiming)
            self._claiming = None
            self._waiting = queue.waiting(claimed.heads, claimed.free_memory, now, self._waiting)
            for claim in claimed.claims:
                self._last_device = claim.device_arn
                run = Running(claim, self._idle.pop(), now)
                self._running.add(run)
                run.coroutine = asyncio.create_task(self._run(run), name=f"task {claim.id}")
            if not claimed.claims:
                return

    def _claim_next(self, transaction: Transaction, *, last_device: str | None, room: queue.Room) -> Claimed:
        """Claim, in their order, all that may start now and for which there is room."""
        connection = transaction.connection
        schedule.lock_scheduling(connection)
        now = self._clock.now_ms()  # not from before the wait for the lock
        lease_until = int(time.time() + self._lease_seconds)
        claims = []

        def claim(head: queue.Head) -> bool:
            """Whether it is ours: the status in the claim's condition keeps us out where it was cancelled."""
            found = tasks.claim(connection, head.task_id, self._owner, lease_until, now)
            if found is None:
                return False
            transaction.notify(topics.task(found.id))
            claims.append(found)
            return True

        view, running = schedule.view(connection, self._devices(), now), tasks.running(connection)
        first = partial(tasks.head, connection)
        heads, left = scheduling.start_tasks(view, now, running, room, last_device, first, claim)
        return Claimed(claims, heads, left.free_memory)

    def _devices(self) -> Iterable[Device]:
        """The devices whose tasks this dispatcher runs."""
        return self._catalogue.computing()

    async def _run(self, run: Running) -> None:
        try:
            await self._attempt(run)
        except asyncio.CancelledError:  # wherever in the attempt it was, its end included
            if not run.cancelled:
                raise  # the service stops
            await self._call_off(run)
            await self._give_back(run.claim, worker_died=False)
        finally:
            self._running.discard(run)
            self._idle.append(run.worker)
            self._database.topics.publish([topics.TASKS])

    async def _attempt(self, run: Running) -> None:
        claim = run.claim
        try:
            outcome = await self._compute(run)
            await self._meet_faults(claim)
            await self._complete(claim, outcome)
        except Refused as refusal:
            await self._fail(claim, str(refusal))
        except Defect as defect:
            log.error("task %s met a defect: %s", claim.id, defect)
            await self._fail(claim, f"Internal error: {defect}")
        except WorkerDied:
            await self._give_back(claim, worker_died=True)
        except WorkerNotStarted as trouble:
            log.warning("task %s waits for a worker: %s", claim.id, trouble)
            await asyncio.sleep(PAUSE_AFTER_TROUBLE_SECONDS)
            await self._give_back(claim, worker_died=False)
        except ServiceError as trouble:
            await self._not_stored(claim, trouble)
        except Exception:
            log.exception("task %s met a defect of the dispatcher", claim.id)
            await self._give_back(claim, worker_died=True)

    async def _call_off(self, run: Running) -> None:
        """Tell whoever else has the task that it was cancelled; the worker that had it here is gone."""

    async def _compute(self, run: Running) -> tuple[bytes, dict[str, Any]]:
        """The result document, and the figures of the run that the row keeps (as ``tasks.finish`` takes them)."""
        claim = run.claim
        description = quantum.TaskDescription(
            task_arn=arns.quantum_task(claim.region, claim.account, claim.id),
            device_arn=claim.device_arn,
            shots=claim.shots,
            action=claim.action,
            device_parameters=claim.device_parameters,
            created_at_ms=claim.created_at,
            started_at_ms=claim.started_at,
            seed=_seed(self._seed, claim),
            limits=self._catalogue.limits(claim.device_arn, claim.device_parameters),
            engine=self._engine,
        )
        head, document = await run.worker.call("run", description)
        return document, head

    async def _meet_faults(self, claim: tasks.Claim) -> None:
        """Wait, or raise Refused, where an operator has ordered so."""
        if self._faults is None:
            return
        if delay := await self._faults.of_task(Kind.DELAY, claim.account, claim.device_arn):
            await asyncio.sleep(delay.delay_ms / 1000)
        if failure := await self._faults.of_task(Kind.FAILURE, claim.account, claim.device_arn):
            raise Refused(failure.message or "The task met a fault on purpose")

    async def _complete(self, claim: tasks.Claim, outcome: tuple[bytes, dict[str, Any]]) -> None:
        """Store the result and end the task, in one transaction, if the claim still stands."""
        document, figures = outcome
        ended = TaskStatus.COMPLETED if figures["failure_reason"] is None else TaskStatus.FAILED
        key = f"{claim.output_prefix}/results.json"  # to the letter what clients make of outputS3Directory

        def finish(transaction: Transaction, body: Content) -> bool:
            """Whether the body is in the bucket now."""
            connection, now = transaction.connection, self._clock.now_ms()
            status = tasks.holds(connection, claim, self._owner)
            if status is None:
                return False  # a stale attempt: somebody else has the task, or it has ended
            transaction.notify(topics.task(claim.id))
            if status is TaskStatus.CANCELLING:
                tasks.finish(connection, claim.id, TaskStatus.CANCELLED, now)
                return False
            if (over := _over(connection, claim, now)) is not None:
                tasks.finish(connection, claim.id, TaskStatus.CANCELLED, now, failure_reason=over)
                return False
            # An object that is there already stays as it is: the row is completed with that one.
            stored = object_rows.insert_if_absent(
                connection, claim.output_bucket, key, body, owner=claim.account, now_ms=now
            )
            tasks.finish(connection, claim.id, ended, now, **figures)
            return stored

        await self._objects.store_with(claim.output_bucket, document, finish)

    async def _not_stored(self, claim: tasks.Claim, trouble: ServiceError) -> None:
        """A bucket that was taken away ends the task; a disk that is full makes it wait for better days."""
        if trouble.status < 500:
            await self._fail(claim, f"The result cannot be stored in {claim.output_bucket}: {trouble.message}")
            return
        log.warning("the result of task %s cannot be stored: %s", claim.id, trouble)
        await asyncio.sleep(PAUSE_AFTER_TROUBLE_SECONDS)
        await self._give_back(claim, worker_died=False)

    async def _fail(self, claim: tasks.Claim, reason: str) -> None:
        def finish(transaction: Transaction) -> None:
            status = tasks.holds(transaction.connection, claim, self._owner)
            if status is None:
                return
            failed = status is TaskStatus.RUNNING
            tasks.finish(
                transaction.connection,
                claim.id,
                TaskStatus.FAILED if failed else TaskStatus.CANCELLED,
                self._clock.now_ms(),
                failure_reason=reason if failed else None,
            )
            transaction.notify(topics.task(claim.id))

        try:
            await self._database.write(finish)
        except ServiceError as trouble:
            log.warning("task %s keeps its lease until it ends: %s", claim.id, trouble)

    async def _give_back(self, claim: tasks.Claim, *, worker_died: bool) -> None:
        def give_back(transaction: Transaction) -> None:
            now = self._clock.now_ms()
            tasks.give_back(transaction.connection, claim, self._owner, now, worker_died=worker_died)
            for topic in (topics.task(claim.id), topics.TASKS):  # another service may have room for it
                transaction.notify(topic)

        try:
            await self._database.write(give_back)
        except ServiceError as trouble:
            log.warning("task %s keeps its lease until it ends: %s", claim.id, trouble)

    async def _cancel_loop(self) -> None:
        """Stop the runs of tasks that somebody cancelled: that kills their workers, and ``give_back`` ends them."""
        with self._database.topics.subscribe(topics.CANCELLATIONS) as news:
            while True:
                await news.wait()
                try:
                    await self._stop_cancelled()
                except Exception:
                    log.exception("cancelled tasks cannot be looked up; it is tried again with the next heartbeat")

    async def _stop_cancelled(self) -> None:
        ids = [run.claim.id for run in self._running]
        cancelled = set(await self._database.read(partial(tasks.cancelling, task_ids=ids)))
        for run in self._running:
            if run.claim.id in cancelled and run.coroutine is not None and not run.cancelled:
                run.cancelled = True
                run.coroutine.cancel()

    async def _heartbeat_loop(self) -> None:
        """Extend our leases, and take back tasks whose lease has ended: their holder is gone or could not report."""
        while True:
            await asyncio.sleep(self._lease_seconds / 4)
            try:
                if self._running:
                    ids = [run.claim.id for run in self._running]
                    await self._database.write(partial(self._extend_leases, ids=ids))
                now = int(time.time())
                if await self._database.read(partial(tasks.any_expired, lease_before=now)):
                    await self._database.write(partial(self._recover, lease_before=now))
                await self._stop_cancelled()  # asked of another process, or unheard in trouble
            except Exception:
                log.exception("leases cannot be extended; it is tried again")

    def _extend_leases(self, transaction: Transaction, ids: list[str]) -> None:
        until = int(time.time() + self._lease_seconds)
        tasks.extend_leases(transaction.connection, ids, self._owner, until)

    def _recover(self, transaction: Transaction, lease_before: int) -> None:
        tasks.recover(transaction.connection, self._clock.now_ms(), lease_before)
        transaction.notify(topics.TASKS)


def _over(connection: Connection, claim: tasks.Claim, now_ms: int) -> str | None:
    """Why the result comes too late, where the task's reservation is over."""
    found = reservations.get(connection, claim.reservation_arn) if claim.reservation_arn is not None else None
    return reason_of_cancelling(found, now_ms) if found is not None and found.is_over(now_ms) else None


def _seed(seed: int | None, claim: tasks.Claim) -> int | None:
    """With an operator's seed, the same program with the same shots gives the same samples in any order."""
    if seed is None:
        return None
    digest = hashlib.sha256(f"{seed}:{claim.shots}:{claim.action}".encode()).digest()
    return int.from_bytes(digest[:8])
