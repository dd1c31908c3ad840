"""A quantum task from its action to its result document: the two functions that workers call.

Both are for worker processes: a hostile program may take long or much memory here, and only killing the process
stops it.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from math import ceil
from time import perf_counter

from braketeer.quantum.analog_tasks import AnalogTask, analog_task
from braketeer.quantum.circuit import AHS, Limits, ProgramError
from braketeer.quantum.executables import Executable, checked_executable, openqasm_executable
from braketeer.quantum.program_sets import ProgramSet, read_program_set
from braketeer.quantum.programs import JAQCD, PROGRAM_SET, compile_jaqcd, read_action
from braketeer.quantum.results.analog_document import analog_document
from braketeer.quantum.results.document import TaskFacts, check_action_text, qpu, result_document
from braketeer.quantum.results.set_document import ProgramOutcome, set_document
from braketeer.quantum.tasks import Outcome, Prepared, TaskDescription


def prepare(action: str, limits: Limits, shots: int) -> Prepared:
    """Parse and check a task's action for a device. Raises ProgramError saying what and where; ProgramSetError, which
    is one, names each program and row of inputs that is wrong."""
    action_type, read = _compiled(action, limits, shots)
    if isinstance(read, ProgramSet):
        executables = read.executables
        memory = max(executable.memory_bytes(read.shots) for executable in executables) + _BYTES_A_SHOT * shots
        width = max(executable.circuit.qubit_count for executable in executables)
        return Prepared(action_type, width, memory, len(read.programs), len(executables))
    if isinstance(read, AnalogTask):
        return Prepared(action_type, read.program.atoms, read.memory_bytes(shots))
    return Prepared(action_type, read.circuit.qubit_count, read.memory_bytes(shots))


def run(task: TaskDescription) -> Outcome:
    """Compute a task. Raises ProgramError where the program or the engine cannot; never gives half a result, except
    that executables of a program set may fail one by one: the document says which and why."""
    begin = perf_counter()
    _, read = _compiled(task.action, task.limits, task.shots)
    if isinstance(read, ProgramSet):
        return _run_set(task, read, begin)
    if isinstance(read, AnalogTask):
        return _run_analog(task, read, begin)
    evaluated = read.evaluate(task.shots, task.seed, task.engine)
    facts = _facts(task, begin)
    types = [
        (result.specification, value) for result, value in zip(read.circuit.results, evaluated.values, strict=True)
    ]
    machine = None if task.limits.target is None else qpu(task.limits.target.maker, evaluated.compiled)
    document = result_document(facts, types, evaluated.measured, evaluated.bits, evaluated.outputs, machine)
    return Outcome(document, task.shots or None, facts.ended_at_ms, facts.execution_ms)


def _run_set(task: TaskDescription, programs: ProgramSet, begin: float) -> Outcome:
    outcomes = [
        ProgramOutcome(program.document, found)
        for program, found in zip(programs.programs, programs.evaluate(task.seed, task.engine), strict=True)
    ]
    problems = [each for outcome in outcomes for each in outcome.executables if isinstance(each, ProgramError)]
    done = len(programs.executables) - len(problems)
    facts = _facts(task, begin)
    # What was compiled differs from executable to executable, and the document has no place for that.
    machine = None if task.limits.target is None else qpu(task.limits.target.maker, None)
    document = set_document(facts, outcomes, programs.shots, machine)
    failure = None if done else f"No executable of the program set could be run; the first: {problems[0]}"
    return Outcome(document, programs.shots * done, facts.ended_at_ms, facts.execution_ms, failure)


def _run_analog(task: TaskDescription, analog: AnalogTask, begin: float) -> Outcome:
    found = analog.evaluate(task.shots, task.seed)
    facts = _facts(task, begin)
    document = analog_document(facts, found.before, found.after, found.evolved, of_quera=analog.limits.emulated)
    return Outcome(document, task.shots, facts.ended_at_ms, facts.execution_ms)


def _facts(task: TaskDescription, begin: float) -> TaskFacts:
    elapsed_ms = (perf_counter() - begin) * 1000
    return TaskFacts(
        task.task_arn,
        task.device_arn,
        task.shots,
        task.action,
        task.device_parameters,
        task.created_at_ms,
        task.started_at_ms + ceil(elapsed_ms),
        ceil(elapsed_ms),  # never 0: the SDK's Tracker takes that for "not known"
    )


_BYTES_A_SHOT = 200
_MOST_KEPT = 32
_LONGEST_KEPT = 1 << 18
_MOST_OPERATIONS_KEPT = 20_000
_Read = Executable | ProgramSet | AnalogTask
_kept: OrderedDict[tuple[bytes, Limits, int], tuple[str, _Read]] = OrderedDict()


def _compiled(action: str, limits: Limits, shots: int) -> tuple[str, _Read]:
    """The action's type and what is to be run; the last few small ones are kept, as a task is prepared, then run."""
    key = (sha256(action.encode("utf-8", "surrogatepass")).digest(), limits, shots)
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    check_action_text(action)
    action_type, read = compiled = _compile(action, limits, shots)
    if isinstance(read, AnalogTask):
        return compiled  # read in a moment
    executables = read.executables if isinstance(read, ProgramSet) else [read]
    operations = sum(len(executable.circuit.operations) for executable in executables)
    if len(action) <= _LONGEST_KEPT and operations <= _MOST_OPERATIONS_KEPT:
        _kept[key] = compiled
        if len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return action_type, read


def _compile(action: str, limits: Limits, shots: int) -> tuple[str, _Read]:
    read = read_action(action, limits.actions)
    if read.type == AHS:
        return read.type, analog_task(read.raw, limits, shots)
    if read.type == PROGRAM_SET:
        return read.type, read_program_set(read.raw, limits, shots)
    if read.type == JAQCD:
        return read.type, checked_executable(compile_jaqcd(read.raw, limits, exact=shots == 0), limits, shots)
    return read.type, openqasm_executable(read.source, read.inputs, limits, shots)
