"""A quantum task from its action to its result document: the two functions that workers call.

Both are for worker processes: a hostile program may take long or much memory here, and only killing the process
stops it.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from math import ceil
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Limits, ProgramError
from braketeer.quantum.engines import choose
from braketeer.quantum.evolution import check_exact, drawn, values
from braketeer.quantum.memory import memory_bytes
from braketeer.quantum.programs import check_results, compile_program, read_action
from braketeer.quantum.results.document import TaskFacts, check_action_text, result_document
from braketeer.quantum.results.sampled import measurement_bits, sampled_values
from braketeer.quantum.tasks import Outcome, Prepared, TaskDescription


def prepare(action: str, limits: Limits, shots: int) -> Prepared:
    """Parse and check a task's action for a device. Raises ProgramError saying what and where."""
    action_type, circuit = _compiled(action, limits, shots)
    return Prepared(action_type, circuit.qubit_count, memory_bytes(circuit, shots, limits))


def run(task: TaskDescription) -> Outcome:
    """Compute a task. Raises ProgramError where the program or the engine cannot; never gives half a result."""
    begin = perf_counter()
    _, circuit = _compiled(task.action, task.limits, task.shots)
    try:
        values, measured, bits = _shots(task, circuit) if task.shots else _exact(task, circuit)
    except MemoryError as error:
        raise ProgramError(f"{circuit.qubit_count} qubits need more memory than the worker has: {error}") from error
    elapsed_ms = (perf_counter() - begin) * 1000
    facts = TaskFacts(
        task.task_arn,
        task.device_arn,
        task.shots,
        task.action,
        task.device_parameters,
        task.created_at_ms,
        task.started_at_ms + ceil(elapsed_ms),
        round(elapsed_ms),
    )
    types = [(result.specification, value) for result, value in zip(circuit.results, values, strict=True)]
    document = result_document(facts, types, measured, bits)
    return Outcome(document, task.shots or None, facts.ended_at_ms, facts.execution_ms)


_Computed = tuple[list[Any], list[int], NDArray[np.uint8] | None]


def _exact(task: TaskDescription, circuit: Circuit) -> _Computed:
    return values(circuit, task.limits, choose(task.engine)), [], None


def _shots(task: TaskDescription, circuit: Circuit) -> _Computed:
    random = np.random.default_rng(task.seed)
    indices = drawn(circuit, task.shots, task.limits, choose(task.engine), random)
    measured = range(circuit.qubit_count) if circuit.measured is None else circuit.measured
    bits = measurement_bits(indices, measured, circuit.qubit_count)
    return sampled_values(circuit, indices), [circuit.labels[qubit] for qubit in measured], bits


_MOST_KEPT = 32
_LONGEST_KEPT = 1 << 18
_MOST_GATES_KEPT = 20_000
_kept: OrderedDict[tuple[bytes, Limits, int], tuple[str, Circuit]] = OrderedDict()


def _compiled(action: str, limits: Limits, shots: int) -> tuple[str, Circuit]:
    """The action's type and checked circuit; the last few small ones are kept, as a task is prepared and then run."""
    key = (sha256(action.encode("utf-8", "surrogatepass")).digest(), limits, shots)
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    compiled = _compile(action, limits, shots)
    if len(action) <= _LONGEST_KEPT and len(compiled[1].operations) <= _MOST_GATES_KEPT:
        _kept[key] = compiled
        if len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return compiled


def _compile(action: str, limits: Limits, shots: int) -> tuple[str, Circuit]:
    check_action_text(action)
    read = read_action(action)
    circuit = compile_program(read.source, read.inputs, limits)
    check_results(circuit, limits, shots)
    if shots == 0:
        check_exact(circuit, limits)
    return read.type, circuit
