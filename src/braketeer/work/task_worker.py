"""The process that parses and computes: ``python -m braketeer.work.task_worker``. It may be killed at any moment.

It reads requests (pickles of our own dataclasses) from standard input and writes answers (JSON head, raw body) to what
was its standard output; it ends when its input does. It has no access to the database, to secrets or to the network.
"""

from __future__ import annotations

import gc
import os
import pickle
import queue
import resource
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import IO, Any

import orjson

from braketeer import quantum
from braketeer.quantum.circuit import OPENQASM, Limits, ProgramError

HEAD = struct.Struct("!IQ")  # length of the JSON head, length of the body
REQUEST = struct.Struct("!I")

# Whoever computes lets the service go first: it has the clients' requests to answer, and never much to do.
NICENESS = 5


def main(memory_bytes: int) -> None:
    """Serve requests until the pipe closes. ``memory_bytes`` bounds the address space; 0 leaves it open."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
    _warm_up()
    gc.freeze()  # what is loaded stays: the collector need not look at it again and again
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=read_requests, args=(requests, waiting), daemon=True).start()
    answer(answers, {"ready": True}, b"")
    while True:
        answer(answers, *_serve(waiting.get()))


def _serve(request: bytes) -> tuple[dict[str, Any], bytes]:
    """Every outcome is an answer: a result, a reason why the program cannot run, or a defect of ours, named."""
    operation, argument = pickle.loads(request)  # noqa: S301 - written by our own parent process
    try:
        return _OPERATIONS[operation](argument)
    except ProgramError as refusal:
        failures = [failure.member() for failure in getattr(refusal, "failures", ())]  # of a program set
        return {"refused": str(refusal), "failures": failures}, b""
    except MemoryError:
        return {"refused": "The program needs more memory than this device has"}, b""
    except RecursionError:
        return {"refused": "The program is nested too deeply"}, b""
    except Exception as defect:  # noqa: BLE001 - a task must fail with a reason, never hang
        return {"defect": f"{type(defect).__name__}: {defect}"}, b""


def _warm_up() -> None:
    """Load what the first task would otherwise wait for, by computing a small one."""
    limits = Limits("", 2, frozenset({"probability"}), frozenset({"probability"}), frozenset({"h", "cnot"}))
    source = "OPENQASM 3.0;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\n#pragma braket result probability"
    header = {"name": OPENQASM, "version": "1"}
    action = orjson.dumps({"braketSchemaHeader": header, "source": source}).decode()
    for shots in (0, 10):
        quantum.run(quantum.TaskDescription("", "", shots, action, None, 0, 0, 1, limits))


def _prepare(argument: tuple[Any, ...]) -> tuple[dict[str, Any], bytes]:
    return asdict(quantum.prepare(*argument)), b""


def _run(task: quantum.TaskDescription) -> tuple[dict[str, Any], bytes]:
    outcome = quantum.run(task)
    head = {
        "successful_shots": outcome.successful_shots,
        "execution_ms": outcome.execution_ms,
        "failure_reason": outcome.failure,
    }
    return head, outcome.document


_OPERATIONS: dict[str, Callable[[Any], tuple[dict[str, Any], bytes]]] = {"prepare": _prepare, "run": _run}


def read_requests(requests: IO[bytes], waiting: queue.SimpleQueue[bytes]) -> None:
    """Requests into the queue; the end of the pipe ends the process at once, also in the middle of a computation."""
    while head := requests.read(REQUEST.size):
        if len(head) < REQUEST.size:
            break
        (length,) = REQUEST.unpack(head)
        body = requests.read(length)
        if len(body) < length:
            break
        waiting.put(body)
    os._exit(0)


def answer(answers: IO[bytes], head: dict[str, Any], body: bytes) -> None:
    encoded = orjson.dumps(head)
    try:
        answers.write(HEAD.pack(len(encoded), len(body)))
        answers.write(encoded)
        answers.write(body)
        answers.flush()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
