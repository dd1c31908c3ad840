"""A quantum task from its action to its result document: the two functions that workers call.

Both are for worker processes: a hostile program may take long or much memory here, and only killing the process
stops it.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from math import ceil
from time import perf_counter

from braketeer.quantum.circuit import Limits
from braketeer.quantum.executables import Executable, openqasm_executable
from braketeer.quantum.programs import read_action
from braketeer.quantum.results.document import TaskFacts, check_action_text, result_document
from braketeer.quantum.tasks import Outcome, Prepared, TaskDescription


def prepare(action: str, limits: Limits, shots: int) -> Prepared:
    """Parse and check a task's action for a device. Raises ProgramError saying what and where."""
    action_type, executable = _compiled(action, limits, shots)
    return Prepared(action_type, executable.circuit.qubit_count, executable.memory_bytes(shots))


def run(task: TaskDescription) -> Outcome:
    """Compute a task. Raises ProgramError where the program or the engine cannot; never gives half a result."""
    begin = perf_counter()
    _, executable = _compiled(task.action, task.limits, task.shots)
    evaluated = executable.evaluate(task.shots, task.seed, task.engine)
    facts = _facts(task, (perf_counter() - begin) * 1000)
    types = [
        (result.specification, value)
        for result, value in zip(executable.circuit.results, evaluated.values, strict=True)
    ]
    document = result_document(facts, types, evaluated.measured, evaluated.bits, evaluated.outputs)
    return Outcome(document, task.shots or None, facts.ended_at_ms, facts.execution_ms)


def _facts(task: TaskDescription, elapsed_ms: float) -> TaskFacts:
    return TaskFacts(
        task.task_arn,
        task.device_arn,
        task.shots,
        task.action,
        task.device_parameters,
        task.created_at_ms,
        task.started_at_ms + ceil(elapsed_ms),
        round(elapsed_ms),
    )


_MOST_KEPT = 32
_LONGEST_KEPT = 1 << 18
_MOST_GATES_KEPT = 20_000
_kept: OrderedDict[tuple[bytes, Limits, int], tuple[str, Executable]] = OrderedDict()


def _compiled(action: str, limits: Limits, shots: int) -> tuple[str, Executable]:
    """The action's type and checked circuit; the last few small ones are kept, as a task is prepared and then run."""
    key = (sha256(action.encode("utf-8", "surrogatepass")).digest(), limits, shots)
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    compiled = _compile(action, limits, shots)
    if len(action) <= _LONGEST_KEPT and len(compiled[1].circuit.operations) <= _MOST_GATES_KEPT:
        _kept[key] = compiled
        if len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return compiled


def _compile(action: str, limits: Limits, shots: int) -> tuple[str, Executable]:
    check_action_text(action)
    read = read_action(action)
    return read.type, openqasm_executable(read.source, read.inputs, limits, shots)
