"""The process that a driver runs in: ``python -m braketeer.work.driver_worker``. It may be killed at any moment.

It speaks as task_worker.py does. What it is asked names the driver and its options; one device is one process or more,
so the driver is made once.
"""

from __future__ import annotations

import os
import pickle
import queue
import re
import resource
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from braketeer.devices.added import DefinitionError, checked_document
from braketeer.devices.drivers import Driver, Finished, NoDriver, Refused, Submitted, Task, Unavailable, load
from braketeer.domain.lifecycles import DeviceStatus
from braketeer.work.task_worker import NICENESS, answer, read_requests

MOST_WORDS = 1000  # characters of what a driver says; a handle has no more either
MOST_RESULT_BYTES = 2**28
MOST_DOCUMENT_BYTES = 2**22  # as the operator's API takes one
MOST_EXECUTION_MS = 30 * 86_400_000  # what it costs is a database integer then

_SECRET = re.compile("pass|secret|token|key|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """What a driver is asked: ``options`` are those of its device's file, as JSON (so that they can be compared)."""

    driver: str
    options: str = field(repr=False)
    task: Task | None = None
    handle: str | None = None


def main() -> None:
    """Serve calls until the pipe closes."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # a command that a driver starts (ssh, say) would read our requests
    os.dup2(2, 1)  # whatever a driver prints must not be taken for an answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # there are secrets among the options
    os.nice(NICENESS)
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=read_requests, args=(requests, waiting), daemon=True).start()
    answer(answers, {"ready": True}, b"")
    drivers: dict[tuple[str, str], Driver] = {}
    while True:
        answer(answers, *_serve(waiting.get(), drivers))


def _serve(request: bytes, drivers: dict[tuple[str, str], Driver]) -> tuple[dict[str, Any], bytes]:
    """Every outcome is an answer: ``unavailable`` says that the same may work later."""
    operation, call = pickle.loads(request)  # noqa: S301 - written by our own parent process
    try:
        made = drivers.get((call.driver, call.options))
        if made is None:
            drivers.clear()
            made = drivers[call.driver, call.options] = load(call.driver)(orjson.loads(call.options))
        return _OPERATIONS[operation](made, call)
    except Unavailable as trouble:
        return {"unavailable": _words(call, trouble) or "the device cannot be reached"}, b""
    except (Refused, NoDriver, DefinitionError) as refusal:
        return {"refused": _words(call, refusal) or "The device does not take the task"}, b""
    except Exception as defect:  # noqa: BLE001 - a task must fail with a reason, never hang
        return {"defect": _words(call, f"The driver {call.driver} failed: {type(defect).__name__}: {defect}")}, b""


def _words(call: Call, said: object) -> str:
    """What a driver says, as clients may read it and every database takes it: no secret of its options, no NUL, no half
    of a surrogate pair, and not too long.
    """
    text = str(said)
    for secret in _secrets(orjson.loads(call.options)):
        text = text.replace(secret, "***")
    return text[:MOST_WORDS].replace("\0", "").encode("utf-8", "replace").decode()


def _secrets(options: Mapping[str, Any]) -> Iterator[str]:
    """The values of options that are named like secrets."""
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _secrets(value)
        elif isinstance(value, str) and len(value) > 3 and _SECRET.search(name):
            yield value


def _validate(driver: Driver, call: Call) -> tuple[dict[str, Any], bytes]:
    driver.validate(_task(call))
    return {}, b""


def _run(driver: Driver, call: Call) -> tuple[dict[str, Any], bytes]:
    task = _task(call)
    outcome = driver.run(task, call.handle)
    if isinstance(outcome, Submitted):
        handle = outcome.handle
        if not isinstance(handle, str) or not 1 <= len(handle) <= MOST_WORDS or not handle.isprintable():
            raise TypeError(f"a handle must be a text of 1 to {MOST_WORDS} printable characters")
        return {"handle": handle}, b""
    if not isinstance(outcome, Finished):
        raise TypeError(f"run() gave {type(outcome).__name__} instead of Submitted or Finished")
    figures = {"successful_shots": outcome.successful_shots, "execution_ms": outcome.execution_ms}
    for (name, figure), most in zip(figures.items(), (task.shots, MOST_EXECUTION_MS), strict=True):
        if figure is not None and (not isinstance(figure, int) or not 0 <= figure <= most):
            raise TypeError(f"{name} must be None or a whole number to {most}")
    result = orjson.dumps(_ours(outcome.result, task))
    if len(result) > MOST_RESULT_BYTES:
        raise ValueError(f"a result has at most {MOST_RESULT_BYTES >> 20} MiB, and this one has {len(result) >> 20}")
    return {**figures, "failure_reason": None}, result


def _ours(result: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """The result document with our task and our device in it: clients compare them."""
    if not isinstance(result, Mapping) or not isinstance(result.get("taskMetadata"), Mapping):
        raise TypeError("a result must be a Braket result document, with taskMetadata")
    return {**result, "taskMetadata": {**result["taskMetadata"], "id": task.arn, "deviceId": task.device_arn}}


def _cancel(driver: Driver, call: Call) -> tuple[dict[str, Any], bytes]:
    driver.cancel(_task(call), call.handle)
    return {}, b""


def _look(driver: Driver, call: Call) -> tuple[dict[str, Any], bytes]:
    """The device's status and, where the driver tells one, its capability document."""
    status = driver.status()
    if status not in list(DeviceStatus):
        raise TypeError(f"status() gave {status!r} instead of one of {', '.join(DeviceStatus)}")
    told = driver.calibration()
    document = b"" if told is None else orjson.dumps(checked_document(dict(told)))
    if len(document) > MOST_DOCUMENT_BYTES:
        raise ValueError(f"a capability document has at most {MOST_DOCUMENT_BYTES >> 20} MiB")
    return {"status": str(status)}, document


def _task(call: Call) -> Task:
    if call.task is None:
        raise LookupError("there is no task in the call")
    return call.task


_OPERATIONS: dict[str, Callable[[Driver, Call], tuple[dict[str, Any], bytes]]] = {
    "validate": _validate,
    "run": _run,
    "cancel": _cancel,
    "look": _look,
}


if __name__ == "__main__":
    main()
