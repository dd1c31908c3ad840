"""Program sets (``braket.ir.openqasm.program_set``): many programs, or one with many rows of inputs, in one task.

Each program is parsed once and bound for each of its rows. All executables get the same number of shots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from braketeer.quantum.circuit import Limits, ProgramError
from braketeer.quantum.executables import Executable, openqasm_executable
from braketeer.quantum.programs import OPENQASM, source_and_inputs
from braketeer.quantum.results.evaluated import Evaluated
from braketeer.quantum.tasks import ProgramSetError, SetFailure


@dataclass(frozen=True, slots=True)
class SetProgram:
    """A program of a set: ``document`` as it was given, with its header, and an executable for each row of inputs."""

    document: dict[str, Any]
    executables: tuple[Executable, ...]


@dataclass(frozen=True, slots=True)
class ProgramSet:
    """A checked set; ``shots`` are those of one executable."""

    programs: tuple[SetProgram, ...]
    shots: int

    @property
    def executables(self) -> list[Executable]:
        return [executable for program in self.programs for executable in program.executables]

    def evaluate(self, seed: int | None, engine: str | None) -> Iterator[list[Evaluated | ProgramError]]:
        """For each program what its executables give. Where one fails, the others are run all the same."""
        number = 0
        for program in self.programs:
            found: list[Evaluated | ProgramError] = []
            for executable in program.executables:
                try:
                    found.append(executable.evaluate(self.shots, None if seed is None else (seed, number), engine))
                except ProgramError as problem:
                    found.append(problem)
                number += 1
            yield found


def read_program_set(raw: dict[str, Any], limits: Limits, shots: int) -> ProgramSet:
    """Read and check a set's document for ``shots`` in all.

    Raises ProgramSetError naming every executable that cannot be run, and ProgramError for what is wrong with the set
    as a whole: no programs, too many executables or shots, shots that cannot be shared evenly.
    """
    programs = raw.get("programs")
    if not isinstance(programs, list) or not programs:
        raise ProgramError("A program set has a list of at least one program in 'programs'")
    if len(programs) > limits.most_executables:
        raise ProgramError(f"A program set has at most {limits.most_executables} executables on this device")
    failures: list[SetFailure] = []
    rows: list[list[dict[str, Any]]] = []
    for number, program in enumerate(programs):
        try:
            rows.append(_rows(program))
        except ProgramError as problem:
            failures.append(SetFailure(number, None, (str(problem),)))
    if failures:
        raise ProgramSetError(failures)
    each = _shared(shots, sum(map(len, rows)), limits)
    found: list[SetProgram] = []
    for number, (program, inputs) in enumerate(zip(programs, rows, strict=True)):
        executables = [_executable(number, row, program["source"], inputs, limits, each) for row in range(len(inputs))]
        failures += [failure for failure in executables if isinstance(failure, SetFailure)]
        done = tuple([executable for executable in executables if isinstance(executable, Executable)])
        found.append(SetProgram({"braketSchemaHeader": {"name": OPENQASM, "version": "1"}} | program, done))
    if failures:
        raise ProgramSetError(failures)
    return ProgramSet(tuple(found), each)


def _executable(
    number: int, row: int, source: str, inputs: list[dict[str, Any]], limits: Limits, shots: int
) -> Executable | SetFailure:
    try:
        return openqasm_executable(source, inputs[row], limits, shots)
    except ProgramError as problem:
        return SetFailure(number, row, (str(problem),))


def _rows(program: Any) -> list[dict[str, Any]]:
    """The inputs of each executable of a program: all of its inputs are lists of one length."""
    if not isinstance(program, dict):
        raise ProgramError("A program of a set must be an object")
    header = program.get("braketSchemaHeader")
    if header is not None and header != {"name": OPENQASM, "version": "1"}:
        raise ProgramError(f"A program of a set must have the header of {OPENQASM}, version 1")
    _, inputs = source_and_inputs(program)
    if not inputs:
        return [{}]
    lengths = {len(values) if isinstance(values, list) else None for values in inputs.values()}
    if None in lengths:
        raise ProgramError("All inputs of a program of a set must be lists")
    if len(lengths) > 1:
        raise ProgramError("All inputs of a program of a set must be lists of one length")
    count = len(next(iter(inputs.values())))
    if not count:
        raise ProgramError("The inputs of a program of a set must have at least one value")
    return [{name: values[row] for name, values in inputs.items()} for row in range(count)]


def _shared(shots: int, executables: int, limits: Limits) -> int:
    """The shots of one executable."""
    if executables > limits.most_executables:
        raise ProgramError(
            f"The program set has {executables} executables, and {limits.device_arn} takes at most "
            f"{limits.most_executables}"
        )
    if shots > limits.most_set_shots:
        raise ProgramError(f"A program set has at most {limits.most_set_shots} shots in all on {limits.device_arn}")
    if shots < executables or shots % executables:
        raise ProgramError(
            f"The shots of a program set are those of all its executables together: {shots} cannot be shared evenly "
            f"between {executables}"
        )
    return shots // executables
