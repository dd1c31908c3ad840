"""What a driver is: the code between this service and a device that somebody else built.

A driver is a callable that takes the options of its device's file and returns an object with the five methods of
:class:`Driver`. It is found by its name in the entry-point group ``braketeer.drivers``, or as ``module:attribute``. It
runs in processes of its own: it may block, and when it dies that costs one attempt of one task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, Protocol

GROUP = "braketeer.drivers"


@dataclass(frozen=True, slots=True)
class Task:
    """A quantum task as CreateQuantumTask brought it. ``id`` is the same in every attempt to run it: who hands the task
    on names it by that id, so that it is there once.
    """

    id: str
    arn: str
    device_arn: str
    shots: int
    action: str
    device_parameters: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """The device has the task and knows it by ``handle``."""

    handle: str


@dataclass(frozen=True, slots=True)
class Finished:
    """``result`` is a Braket result document; its task and device are replaced by ours. The figures may be unknown."""

    result: Mapping[str, Any]
    successful_shots: int | None = None
    execution_ms: int | None = None


class Refused(Exception):
    """The device does not take the task, or has failed at it: the text is the task's failureReason."""


class Unavailable(Exception):
    """The device cannot be reached now: the same call is made again a little later, for as long as it takes."""


class Driver(Protocol):
    """One device. Every method may raise Unavailable; ``validate`` and ``run`` may raise Refused."""

    def validate(self, task: Task) -> None:
        """Look at a task before it is accepted, within seconds: a client waits. It has no id and no ARN yet."""

    def run(self, task: Task, handle: str | None) -> Submitted | Finished:
        """First without a handle: hand the task on, or run it. What is Submitted is kept, and then, and after every
        restart, this is called with the handle until it is Finished. It may wait as long as it takes, or return the
        same Submitted once more, to be asked again in a second.
        """

    def cancel(self, task: Task, handle: str | None) -> None:
        """Stop a task, which may have ended already. ``handle`` is None where ``run`` gave no answer: the device may
        have the task nevertheless. Of a task that has ended here, ``action`` may be empty.
        """

    def status(self) -> str:
        """ONLINE, OFFLINE or RETIRED; asked every ``refresh_seconds``."""

    def calibration(self) -> Mapping[str, Any] | None:
        """The device's capability document as it is now; None where the one in the device's file holds."""


class NoDriver(LookupError):
    """There is no driver of that name, or it cannot be loaded; the text says what was tried."""


def load(name: str) -> Callable[[Mapping[str, Any]], Driver]:
    """The driver of a name; NoDriver."""
    try:
        if ":" in name:
            module, _, attribute = name.partition(":")
            found = getattr(import_module(module), attribute)
        else:
            points = {point.name: point for point in metadata.entry_points(group=GROUP)}
            if name not in points:
                there = ", ".join(sorted(points)) or "none"
                raise NoDriver(f"There is no driver '{name}' in the entry points {GROUP}; there are: {there}")
            found = points[name].load()
    except NoDriver:
        raise
    except (Exception, SystemExit) as problem:
        raise NoDriver(f"The driver '{name}' cannot be loaded: {type(problem).__name__}: {problem}") from problem
    driver: Callable[[Mapping[str, Any]], Driver] = found
    return driver


def names() -> list[str]:
    """The drivers that are installed beside this package."""
    return sorted({point.name for point in metadata.entry_points(group=GROUP)})
