"""Tasks of a device that has a driver: claimed as any others, but handed to the driver's processes.

That a task is about to be handed on is on disk before it is, and what the driver has Submitted before anybody waits for
it, so a restart goes on waiting for the same task. A crash in between hands the task on a second time under the same
id, which whoever is behind the driver must know again. A task that ends here without its result stays on that list
until the driver has been told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

import orjson

from braketeer.devices.added import Added
from braketeer.devices.catalogue import Catalogue, Device
from braketeer.devices.drivers import Task
from braketeer.domain import arns
from braketeer.domain.clock import Clock
from braketeer.domain.lifecycles import DeviceStatus, TaskStatus
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.store import added_devices, devices, topics
from braketeer.store import quantum_tasks as tasks
from braketeer.store.database import Database, Transaction
from braketeer.store.faults import Faults
from braketeer.work.dispatcher import Dispatcher, Running
from braketeer.work.driver_worker import Call
from braketeer.work.workers import Defect, NotNow, Refused, Worker, WorkerDied, WorkerNotStarted

log = logging.getLogger(__name__)

MODULE = "braketeer.work.driver_worker"
LOOK_SECONDS = 30.0
CANCEL_SECONDS = 30.0
SUBMIT_SECONDS = 10.0  # that a cancel waits for a task that is being handed on
ASK_AGAIN_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0  # between tries while a device cannot be reached

_NO_USE = (NotNow, Refused, Defect, WorkerDied, WorkerNotStarted, TimeoutError)


class DrivenDispatcher(Dispatcher):
    """Runs the tasks of one device by its driver, and asks it now and then how it is.

    ``options`` are the driver's, as JSON; ``sealed`` is what the device's row has of them.
    """

    def __init__(
        self,
        database: Database,
        objects: EmbeddedObjects,
        catalogue: Catalogue,
        clock: Clock,
        added: Added,
        options: str,
        sealed: bytes,
        lease_seconds: float,
        faults: Faults | None = None,
    ) -> None:
        super().__init__(
            database,
            objects,
            catalogue,
            clock,
            slots=added.concurrency,
            memory_bytes=2**62,
            worker_memory_bytes=0,
            faults=faults,
            lease_seconds=lease_seconds,
            workers=[Worker(module=MODULE) for _ in range(added.concurrency)],
        )
        self._added = added
        self._arn = added.listed.arn
        self._options = options
        self._sealed = sealed
        self.aside = Worker(module=MODULE)  # for what must not wait until a task has run
        self._watcher: asyncio.Task[None] | None = None

    def call(self, task: Task | None = None, handle: str | None = None) -> Call:
        return Call(self._added.driver, self._options, task, handle)

    async def start(self, *, alone: bool) -> None:
        await super().start(alone=alone)
        self._watcher = asyncio.create_task(self._watch(), name=f"status of {self._arn}")

    async def close(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await super().close()
        await self.aside.close()

    def _devices(self) -> Iterable[Device]:
        device = self._catalogue.get(self._arn)
        return [] if device is None else [device]

    async def _fill(self) -> None:
        # Every device's news wakes this one; a look costs less than a transaction that finds nothing to claim.
        if await self._database.read(lambda connection: tasks.any_queued(connection, self._arn)):
            await super()._fill()

    async def _compute(self, run: Running) -> tuple[bytes, dict[str, Any]]:
        claim = run.claim
        handle = await self._database.read(partial(added_devices.handle, task_id=claim.id))
        head, document = ({"handle": handle}, b"") if handle is not None else await self._hand_on(run)
        while (handle := head.get("handle")) is not None:
            head, document = await self._ask(run, handle)
            if (again := head.get("handle")) is not None:
                if again != handle:
                    await self._keep(run, again)
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        return document, head

    async def _hand_on(self, run: Running) -> tuple[dict[str, Any], bytes]:
        """The first call. A cancel meanwhile waits until it is known what there is to be cancelled at the device."""
        if await self._keep(run, None) is not TaskStatus.RUNNING:
            raise WorkerDied("The task is not ours any more")  # or cancelled: it is given back, whatever it is

        async def hand_on() -> tuple[dict[str, Any], bytes]:
            try:
                head, document = await self._ask(run, None)
            except Refused:
                await self._database.write(partial(_forget, task_id=run.claim.id))
                raise
            if (handle := head.get("handle")) is not None:
                await self._keep(run, handle)
            return head, document

        asked = asyncio.ensure_future(hand_on())
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            if run.cancelled:
                await asyncio.wait([asked], timeout=SUBMIT_SECONDS)
            raise
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    async def _ask(self, run: Running, handle: str | None) -> tuple[dict[str, Any], bytes]:
        """``run`` of the driver, again and again while the device cannot be reached."""
        pause = ASK_AGAIN_SECONDS
        while True:
            try:
                return await run.worker.call("run", self.call(_task(run.claim), handle))
            except NotNow as trouble:
                log.warning("task %s waits for %s: %s", run.claim.id, self._arn, trouble)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _keep(self, run: Running, handle: str | None) -> TaskStatus | None:
        """Put the handle, or that there will be one, on disk while the task is still ours; the status that it has."""

        def keep(transaction: Transaction) -> TaskStatus | None:
            status = tasks.holds(transaction.connection, run.claim, self._owner)
            if status is not None:
                added_devices.keep_handle(transaction.connection, run.claim.id, self._arn, handle)
            return status

        return await self._database.write(keep)

    async def _call_off(self, run: Running) -> None:
        claim = run.claim
        handle = await self._database.read(partial(added_devices.handle, task_id=claim.id))
        await self._settle(_task(claim), handle)

    async def _settle(self, task: Task, handle: str | None) -> bool:
        """Cancel a task at the device and forget its handle; kept for another time where the device is out of reach
        (False).
        """
        try:
            await self.aside.call("cancel", self.call(task, handle), CANCEL_SECONDS)
        except (Refused, Defect) as trouble:
            log.warning("task %s cannot be cancelled at %s: %s", task.id, self._arn, trouble)
        except (NotNow, WorkerDied, WorkerNotStarted, TimeoutError) as trouble:
            log.warning("task %s is cancelled at %s a little later: %s", task.id, self._arn, trouble)
            return False
        await self._database.write(partial(_forget, task_id=task.id))
        return True

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
                await self._settle_what_is_left()
            except Exception:
                log.exception("%s cannot be looked after; it is tried again", self._arn)
            await asyncio.sleep(self._added.refresh_seconds)

    async def _look(self) -> None:
        """Ask for status and document; a device that cannot be asked is OFFLINE."""
        try:
            head, document = await self.aside.call("look", self.call(), LOOK_SECONDS)
        except _NO_USE as trouble:
            log.warning("the status of %s is not known: %s", self._arn, trouble or type(trouble).__name__)
            head, document = {"status": DeviceStatus.OFFLINE.value}, b""
        now, told = self._clock.now_ms(), orjson.loads(document) if document else None

        def tell(transaction: Transaction) -> None:
            connection, status = transaction.connection, head["status"]
            changed = told is not None and added_devices.tell_document(connection, self._arn, self._sealed, told)
            before = devices.state(connection, self._arn)
            if before is None or before.reported != status:
                devices.set_reported(connection, self._arn, status, now)
                changed = True
            if changed:
                for topic in (topics.DEVICES, topics.SCHEDULE, topics.TASKS, topics.JOBS):
                    transaction.notify(topic)

        await self._database.write(tell)

    async def _settle_what_is_left(self) -> None:
        """Of tasks that have ended here without the driver: cancelled or given up as the service went down, say."""
        if await self._database.read(partial(added_devices.has_completed, device_arn=self._arn)):
            await self._database.write(lambda tx: added_devices.forget_completed(tx.connection, self._arn))
        for one in await self._database.read(partial(added_devices.left_over, device_arn=self._arn)):
            arn = arns.quantum_task(one.region, one.account, one.task_id)
            if not await self._settle(Task(one.task_id, arn, self._arn, one.shots, "", "{}"), one.handle):
                return  # nor would it be reached for the next one, and others wait for ``aside``


def _task(claim: tasks.Claim) -> Task:
    arn = arns.quantum_task(claim.region, claim.account, claim.id)
    return Task(claim.id, arn, claim.device_arn, claim.shots, claim.action, claim.device_parameters)


def _forget(transaction: Transaction, task_id: str) -> None:
    added_devices.forget_handle(transaction.connection, task_id)
