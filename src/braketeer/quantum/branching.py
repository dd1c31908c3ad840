"""Programs that go on after a measurement: every course that some shot takes is followed once.

The shots of a course are shared between the two outcomes of a measurement as chance has it (binomially); where both
get some, the state is copied. The classical side of the program is run anew for each course with the outcomes it had so
far, so nothing of it needs to be copied. What stands measured at the end is drawn from the final state in one go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from braketeer.quantum.circuit import Circuit, Gate, Limits, Noise, Operation, ProgramError
from braketeer.quantum.courses import Ending, together
from braketeer.quantum.engines.stepping import Stepping, stepping
from braketeer.quantum.noise import reset
from braketeer.quantum.observables import basis_rotations
from braketeer.quantum.programs import Machine, assembled, read_source, run_machine
from braketeer.quantum.results.evaluated import Evaluated
from braketeer.quantum.results.sampling import draw_from

MOST_COURSES = 20_000
MOST_DECISIONS = 10_000
MOST_STEPS_OF_ALL_COURSES = 20_000_000
#: Copies of states that wait for their turn may take so much; the others are evolved again.
WAITING_BYTES = 256 << 20
#: A density matrix of so many qubits is still cheaper than following each shot by itself.
MOST_MIXED_QUBITS = 10

_COINS = (1, 2)


@dataclass(frozen=True, slots=True)
class Program:
    """What is needed to run one: its text, read once, its inputs, and the device's limits."""

    source: str
    inputs: Mapping[str, Any]
    limits: Limits
    statements: list[Any]

    @classmethod
    def of(cls, source: str, inputs: Mapping[str, Any], limits: Limits) -> Program:
        """Raises ProgramError."""
        return cls(source, inputs, limits, read_source(source))

    def machine(self, world: Any) -> Machine:
        return Machine(self.source, self.inputs, self.limits, exact=False, world=world)

    def run(self, machine: Machine) -> None:
        """Raises ProgramError."""
        run_machine(machine, self.statements)


def survey(program: Program) -> Circuit:
    """What a program does when its outcomes are coins: which qubits it uses, how much, what it asks for.

    Raises ProgramError, but not for what goes wrong after the program has looked at an outcome: with real ones it may
    not come to that.
    """
    found: list[Circuit] = []
    for seed in _COINS:
        machine = program.machine(_Coins(seed))
        try:
            program.run(machine)
        except ProgramError:
            if not machine.looked:
                raise
        found.append(assembled(machine, program.limits))
    return max(found, key=lambda circuit: (circuit.qubit_count, len(circuit.operations)))


def run_branches(
    program: Program, surveyed: Circuit, shots: int, random: np.random.Generator, engine: str | None = None
) -> Evaluated:
    """Values from ``shots`` runs of a program that :func:`survey` has looked at. Raises ProgramError.

    Which qubits it uses shows while it runs: where one more appears, everything is begun again with it, and with the
    same randomness.
    """
    labels, noisy = surveyed.labels, surveyed.is_noisy
    seed = int(random.integers(1 << 62))
    while True:
        courses = _Courses(program, labels, noisy, engine, np.random.default_rng(seed))
        try:
            return courses.run(shots)
        except _Another as found:
            labels = tuple(sorted({*labels, *found.labels}))
            noisy |= found.noisy
            if len(labels) > program.limits.max_qubits:
                raise ProgramError(f"The program uses more than {program.limits.max_qubits} qubits") from None


class _Coins:
    """A world in which every outcome is a fair coin."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def measure(self, operations: Sequence[Operation], label: int) -> int:
        return int(self._random.integers(2))

    def reset(self, operations: Sequence[Operation], label: int) -> None:
        pass


class _Another(Exception):
    """A course uses qubits or noise that nothing has been prepared for."""

    def __init__(self, labels: Sequence[int] = (), noisy: bool = False) -> None:
        super().__init__()
        self.labels = labels
        self.noisy = noisy


@dataclass(slots=True)
class _Fork:
    """Where a course begins: outcomes up to here and how many shots have them. ``state`` has taken in the first
    ``decided`` outcomes and ``applied`` operations; None for a fresh one."""

    outcomes: list[int]
    shots: int
    state: Stepping | None = None
    decided: int = 0
    applied: int = 0


class _Courses:
    """All courses of one program."""

    def __init__(
        self, program: Program, labels: tuple[int, ...], noisy: bool, engine: str | None, random: np.random.Generator
    ) -> None:
        self.program = program
        self.labels = labels
        self.place = {label: qubit for qubit, label in enumerate(labels)}
        self.mixed = noisy and len(labels) <= MOST_MIXED_QUBITS
        self.noisy = noisy
        self.engine = engine
        self.random = random
        self.waiting: list[_Fork] = []
        self._kept_bytes = 0
        self._state_bytes = 16 << len(labels) * (2 if self.mixed else 1)

    def run(self, shots: int) -> Evaluated:
        # A noisy state vector is one trajectory, which no two shots share.
        singly = self.noisy and not self.mixed
        self.waiting = [_Fork([], 1) for _ in range(shots)] if singly else [_Fork([], shots)]
        ends: list[Ending] = []
        steps = 0
        while self.waiting:
            fork = self.waiting.pop()
            if fork.state is not None:
                self._kept_bytes -= self._state_bytes
            course = _Course(self, fork)
            machine = self.program.machine(course)
            self.program.run(machine)
            ends.append(course.end(machine))
            steps += machine.steps
            if len(ends) + len(self.waiting) > MOST_COURSES:
                raise ProgramError(f"The measurements of the program lead to more than {MOST_COURSES} courses")
            if steps > MOST_STEPS_OF_ALL_COURSES:
                raise ProgramError(
                    f"The courses of the program run more than {MOST_STEPS_OF_ALL_COURSES} statements together"
                )
        return together(ends, self.labels, self.random)

    def fresh(self) -> Stepping:
        return stepping(len(self.labels), density=self.mixed, engine=self.engine)

    def wait(self, outcomes: list[int], shots: int, state: Stepping, qubit: int, applied: int) -> None:
        """Let a course wait that takes the last of ``outcomes`` for ``qubit`` where ``state`` is now."""
        if self._kept_bytes + self._state_bytes > WAITING_BYTES:
            self.waiting.append(_Fork(outcomes, shots))
            return
        self._kept_bytes += self._state_bytes
        other = state.copy()
        other.project(qubit, outcomes[-1])
        self.waiting.append(_Fork(outcomes, shots, other, len(outcomes), applied))

    def compact(self, operation: Operation) -> Operation:
        if isinstance(operation, Noise):
            if not self.noisy:
                raise _Another(noisy=True)
            return replace(operation, targets=self.qubits(operation.targets))
        return replace(operation, targets=self.qubits(operation.targets), controls=self.qubits(operation.controls))

    def qubits(self, labels: tuple[int, ...]) -> tuple[int, ...]:
        try:
            return tuple([self.place[label] for label in labels])
        except KeyError:
            raise _Another(labels) from None

    def qubit(self, label: int) -> int:
        return self.qubits((label,))[0]


class _Course:
    """The world of one run of the program."""

    def __init__(self, courses: _Courses, fork: _Fork) -> None:
        self.courses = courses
        self.given = fork.outcomes
        self.outcomes: list[int] = []
        self.shots = fork.shots
        self.state = courses.fresh() if fork.state is None else fork.state
        self.decided = fork.decided
        self.applied = fork.applied

    def measure(self, operations: Sequence[Operation], label: int) -> int:
        number = len(self.outcomes)
        if number >= MOST_DECISIONS:
            raise ProgramError(f"The program goes on after more than {MOST_DECISIONS} measurements")
        if number < self.decided:
            outcome = self.given[number]
        else:
            self._advance(operations)
            qubit = self.courses.qubit(label)
            outcome = self.given[number] if number < len(self.given) else self._choice(qubit)
            self.state.project(qubit, outcome)
        self.outcomes.append(outcome)
        return outcome

    def reset(self, operations: Sequence[Operation], label: int) -> None:
        qubit = self.courses.qubit(label)
        if self.courses.mixed:
            if len(self.outcomes) >= self.decided:
                self._advance(operations)
                self.state.apply(reset(qubit), self.courses.random)
            return
        # A course that waited has taken in its last outcome, but nothing that follows from it.
        turned = len(self.outcomes) + 1 < self.decided
        if self.measure(operations, label) and not turned:
            self.state.apply(Gate("x", (qubit,)), self.courses.random)

    def _choice(self, qubit: int) -> int:
        one = min(max(self.state.probability_of_one(qubit), 0.0), 1.0)
        ones = int(self.courses.random.binomial(self.shots, one))
        outcome = int(2 * ones > self.shots)
        other = self.shots - ones if outcome else ones
        if other:
            self.shots -= other
            self.courses.wait([*self.outcomes, 1 - outcome], other, self.state, qubit, self.applied)
        return outcome

    def _advance(self, operations: Sequence[Operation]) -> None:
        for position in range(self.applied, len(operations)):
            self.state.apply(self.courses.compact(operations[position]), self.courses.random)
        self.applied = len(operations)

    def end(self, machine: Machine) -> Ending:
        self._advance(machine.gates)
        self.courses.qubits(tuple(machine.used))
        circuit = assembled(machine, self.courses.program.limits, self.courses.labels)
        for rotation in basis_rotations(circuit):
            self.state.apply(rotation, self.courses.random)
        indices = draw_from(self.state.populations(), self.shots, self.courses.random)
        return Ending(circuit, machine.bits(), machine.outcomes, machine.outputs(), indices)
