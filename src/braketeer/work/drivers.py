"""The devices that were added: read from the database into the catalogue, and their drivers kept at work.

Every service of a database does so, and hears of changes by topics.DEVICES.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import orjson

from braketeer.devices.added import MOST_SHOTS, Added, added
from braketeer.devices.catalogue import Catalogue, Device
from braketeer.devices.drivers import Task
from braketeer.domain.clock import Clock
from braketeer.domain.errors import (
    DeviceOfflineException,
    ServiceUnavailableException,
    ThrottlingException,
    ValidationException,
)
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.quantum import Prepared
from braketeer.quantum.circuit import PROGRAM_SET
from braketeer.store import added_devices, topics
from braketeer.store.database import Database
from braketeer.store.faults import Faults
from braketeer.store.secrets import Secrets
from braketeer.work.driven import LOOK_SECONDS, MODULE, DrivenDispatcher
from braketeer.work.driver_worker import Call
from braketeer.work.workers import Defect, NotNow, Refused, Worker, WorkerDied, WorkerNotStarted

log = logging.getLogger(__name__)

VALIDATE_SECONDS = 20.0
VALIDATE_WITH_TURN_SECONDS = 40.0  # a client waits no longer, whoever is before it
MOST_WAITING = 50  # tasks that wait for one driver's look at them


@dataclass(frozen=True, slots=True)
class Seen:
    """What a driver told of its device: the status, and the document if it has one; or what ``trouble`` it has."""

    status: str | None
    document: dict[str, Any] | None
    trouble: str | None = None


class Drivers:
    """``check`` for creates, ``look`` for a device about to be added, ``reload`` after a change of the rows."""

    def __init__(
        self,
        database: Database,
        objects: EmbeddedObjects,
        catalogue: Catalogue,
        clock: Clock,
        secrets: Secrets,
        lease_seconds: float,
        faults: Faults | None = None,
    ) -> None:
        self._database = database
        self._objects = objects
        self._catalogue = catalogue
        self._clock = clock
        self._secrets = secrets
        self._lease_seconds = lease_seconds
        self._faults = faults
        self._served: dict[str, tuple[Added, bytes, DrivenDispatcher]] = {}
        self._turn = asyncio.Lock()
        self._waiting: Counter[str] = Counter()  # by device
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The catalogue has every added device when this returns."""
        ready = asyncio.Event()
        self._watch = asyncio.create_task(self._reload_when_told(ready), name="added devices")
        await ready.wait()

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        async with self._turn:
            await asyncio.gather(*(dispatcher.close() for _, _, dispatcher in self._served.values()))
            self._served.clear()

    async def reload(self) -> None:
        """Bring catalogue and drivers to what the rows say; of several calls the last one's rows hold."""
        async with self._turn:
            rows = await self._database.read(added_devices.all_rows)
            there = {row.definition["arn"]: (added(row.definition, row.document), row.options) for row in rows}
            self._catalogue.put_added(one for one, _ in there.values())
            self._database.topics.publish([topics.SCHEDULE])  # the catalogue has other execution windows by now
            for arn, (one, sealed) in there.items():
                # What a driver tells of its device changes the catalogue alone: its tasks run on.
                if (same := self._served.get(arn)) is not None and same[:2] == (_work(one), sealed):
                    continue
                await self._end(arn)
                dispatcher = DrivenDispatcher(
                    self._database,
                    self._objects,
                    self._catalogue,
                    self._clock,
                    one,
                    self._secrets.open(sealed),
                    sealed,
                    self._lease_seconds,
                    self._faults,
                )
                await dispatcher.start(alone=False)  # where that fails, the next reload tries again
                self._served[arn] = (_work(one), sealed, dispatcher)
            for arn in set(self._served) - set(there):
                await self._end(arn)

    async def check(self, device: Device, action: str, shots: int, device_parameters: str) -> Prepared:
        """What a task holds that the device's driver takes.

        ValidationException with the driver's words, DeviceOfflineException where the device cannot be reached.
        """
        served = self._served.get(device.arn)
        if served is None:
            raise ServiceUnavailableException(f"The driver of {device.arn} is not at work")
        if self._waiting[device.arn] >= MOST_WAITING:
            raise ThrottlingException(f"Too many tasks wait for the look of the driver of {device.arn}; try again")
        prepared = _prepared(device, action, shots)
        task = Task("", "", device.arn, shots, action, device_parameters)
        dispatcher = served[2]
        self._waiting[device.arn] += 1
        try:
            async with asyncio.timeout(VALIDATE_WITH_TURN_SECONDS):
                await dispatcher.aside.call("validate", dispatcher.call(task), VALIDATE_SECONDS)
        except Refused as refusal:
            raise ValidationException(str(refusal)) from refusal
        except NotNow as trouble:
            raise DeviceOfflineException(f"The device {device.arn} cannot be reached: {trouble}") from trouble
        except (Defect, WorkerDied, WorkerNotStarted, TimeoutError) as problem:
            log.error("the driver of %s cannot look at a task: %s", device.arn, problem)
            raise ServiceUnavailableException(f"The driver of {device.arn} does not answer") from problem
        finally:
            self._waiting[device.arn] -= 1
        return prepared

    async def look(self, driver: str, options: dict[str, Any]) -> Seen:
        """Ask a driver that is not at work yet; ValidationException where it cannot be, in words."""
        worker = Worker(module=MODULE)
        try:
            head, document = await worker.call("look", Call(driver, orjson.dumps(options).decode()), LOOK_SECONDS)
        except NotNow as trouble:
            return Seen(None, None, str(trouble))
        except (Refused, Defect) as problem:
            raise ValidationException(str(problem)) from problem
        except (WorkerDied, TimeoutError) as problem:
            why = f"does not answer within {LOOK_SECONDS:.0f} s" if isinstance(problem, TimeoutError) else "dies"
            raise ValidationException(f"The driver {driver} {why}") from problem
        except WorkerNotStarted as problem:
            raise ServiceUnavailableException(str(problem)) from problem
        finally:
            await worker.close()
        return Seen(head["status"], orjson.loads(document) if document else None)

    async def _end(self, arn: str) -> None:
        if (served := self._served.pop(arn, None)) is not None:
            await served[2].close()

    async def _reload_when_told(self, ready: asyncio.Event) -> None:
        with self._database.topics.subscribe(topics.DEVICES) as news:
            while True:
                try:
                    await self.reload()
                except Exception:
                    log.exception("added devices cannot be read; it is tried again")
                ready.set()
                await news.wait(60)


def _work(one: Added) -> Added:
    """What the driver's work follows from: all but the document."""
    return replace(one, document={})


def _prepared(device: Device, action: str, shots: int) -> Prepared:
    """By the action's header and the counts of a program set; the program itself is the driver's to judge."""
    try:
        document = orjson.loads(action)
        name = document["braketSchemaHeader"]["name"]
        programs = document["programs"] if name == PROGRAM_SET else None
        executables = None if programs is None else sum(map(_rows, programs))
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as problem:
        raise ValidationException("The action is not a program document with a braketSchemaHeader") from problem
    if not isinstance(name, str) or name not in device.document["action"]:
        taken = ", ".join(device.document["action"])
        raise ValidationException(f"The device {device.arn} does not take {str(name)[:100]}; it takes {taken}")
    if executables is not None:
        most = min(executables * device.shots_range[1], MOST_SHOTS)
        if not executables * device.shots_range[0] <= shots <= most or not executables:
            raise ValidationException(
                f"The {executables} executables of the program set cannot share {shots} shots on {device.arn}: "
                f"each has {device.shots_range[0]} to {device.shots_range[1]}, and all together {MOST_SHOTS} at most"
            )
    return Prepared(name, 0, 0, None if programs is None else len(programs), executables)


def _rows(program: Any) -> int:
    """The executables of a program of a set: as many as its inputs have values."""
    return max((len(values) for values in (program.get("inputs") or {}).values()), default=1)
