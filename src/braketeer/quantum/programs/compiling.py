"""Source text and inputs to a circuit on compact qubits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NoReturn, Protocol

import numpy as np

from braketeer.quantum.circuit import (
    Circuit,
    Limits,
    Matrix,
    Noise,
    Observable,
    Operation,
    ProgramError,
    ResultType,
)
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.gate_calls import too_many_qubits
from braketeer.quantum.programs.machine import Machine
from braketeer.quantum.programs.outcomes import MeasuredBit
from braketeer.quantum.programs.parser import parse
from braketeer.quantum.programs.places import AskedFactors, AskedResult
from braketeer.quantum.programs.skeletons import Skeleton, Skeletons
from braketeer.quantum.programs.tokens import TOO_DEEP

MOST_SOURCE = 4 * 2**20
_CACHED_SOURCE = 128 * 2**10
_SKELETONS = Skeletons()


def compile_program(
    source: str, inputs: Mapping[str, Any] | None, limits: Limits, *, flat: bool = True, exact: bool = True
) -> Circuit:
    """The circuit of an OpenQASM 3 program with its inputs bound.

    Inputs the program does not declare are ignored, as Braket does. ``flat`` allows short cuts: for plain gate
    statements, and for programs seen before but for their numbers and inputs; without it the outcome is the same.
    ``exact`` says that there are no shots: resets become channels. Raises ProgramError, with line and column where a
    place is to blame, and NeedsWorld where no flat circuit says what the program does (see
    :class:`~braketeer.quantum.programs.machine.World`): only with shots, and on dynamic devices.
    """
    skeleton = Skeleton.of(source) if flat else None
    if skeleton is not None and (known := _SKELETONS.bound(skeleton, inputs or {}, limits, exact)) is not None:
        return known
    machine = Machine(source, inputs or {}, limits, exact=exact)
    machine.notes_spots = skeleton is not None and _SKELETONS.expects(skeleton, limits, exact)
    run_machine(machine, read_source(source, flat=flat))
    circuit = assembled(machine, limits)
    if skeleton is not None and machine.notes_spots:
        _SKELETONS.keep(skeleton, machine, circuit, limits, exact)
    return circuit


def run_machine(machine: Machine, statements: list[s.Statement]) -> None:
    """Run the statements of a machine's source. Raises ProgramError."""
    try:
        machine.run(statements)
    except RecursionError:  # where the caller has left little of the stack
        machine.fail(TOO_DEEP, machine.at)


class Gathered(Protocol):
    """What a program does, by qubit labels: see :class:`~braketeer.quantum.programs.machine.Machine`."""

    used: set[int]
    gates: list[Operation]
    results: list[AskedResult]
    outcomes: list[MeasuredBit]
    verbatim: list[tuple[int, int]]
    fences: list[int]
    physical: bool

    def bits(self) -> dict[tuple[str, int], int | MeasuredBit]: ...

    def float_inputs(self) -> list[str]: ...

    def fail(self, message: str, at: int | None) -> NoReturn: ...


def assembled(gathered: Gathered, limits: Limits, labels: tuple[int, ...] | None = None) -> Circuit:
    """What a program does on compact qubits ``labels``, or those it used; outcomes it has decided are left out."""
    return _Assembly(gathered, limits, labels).circuit()


def read_source(source: str, *, flat: bool = True) -> list[s.Statement]:
    """The statements of a program. Raises ProgramError."""
    if len(source) > MOST_SOURCE:
        raise ProgramError(f"The program has more than {MOST_SOURCE} characters")
    return _parsed(source, flat) if len(source) <= _CACHED_SOURCE else parse(source, flat=flat)


@lru_cache(maxsize=16)
def _parsed(source: str, flat: bool) -> list[s.Statement]:
    """Variational loops send one text with ever other inputs."""
    return parse(source, flat=flat)


class _Assembly:
    """From labels to compact qubits."""

    def __init__(self, gathered: Gathered, limits: Limits, labels: tuple[int, ...] | None = None) -> None:
        self.gathered = gathered
        self.limits = limits
        self.labels = tuple(sorted(gathered.used)) if labels is None else labels
        self.compact = {label: qubit for qubit, label in enumerate(self.labels)}

    def circuit(self) -> Circuit:
        if not self.labels:
            raise ProgramError("The program uses no qubits")
        if len(self.labels) > self.limits.max_qubits:
            raise ProgramError(too_many_qubits(len(self.labels), self.limits))
        gates = self.gathered.gates
        if self.labels[-1] != len(self.labels) - 1:
            moved = {id(gate): self._moved(gate) for gate in gates}
            gates = [moved[id(gate)] for gate in gates]
        results = [self._result(asked) for asked in self.gathered.results]
        found = self.gathered
        boxes, fences = tuple(found.verbatim), tuple(found.fences)
        return Circuit(self.labels, gates, results, self._measured(), boxes, fences, found.physical)

    def _moved(self, operation: Operation) -> Operation:
        if isinstance(operation, Noise):
            return replace(operation, targets=self._place(operation.targets))
        return replace(operation, targets=self._place(operation.targets), controls=self._place(operation.controls))

    def _place(self, labels: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([self.compact[label] for label in labels])

    def _measured(self) -> tuple[int, ...] | None:
        """Qubits in the order of the bits that hold their outcomes, then those whose outcomes no bit has kept."""
        outcomes = self.gathered.outcomes
        if not outcomes:
            return None
        kept = [bit for bit in self.gathered.bits().values() if isinstance(bit, MeasuredBit)]
        held = set(map(id, kept))
        return self._place(
            tuple([outcome.label for outcome in kept + [each for each in outcomes if id(each) not in held]])
        )

    def _result(self, asked: AskedResult) -> ResultType:
        specification: dict[str, Any] = {"type": _TYPES.get(asked.kind, asked.kind)}
        if asked.terms:
            return self._gradient(asked, specification)
        if asked.factors:
            return self._observed(asked, specification)
        if asked.states:
            if any(len(state) != len(self.labels) for state in asked.states):
                self._fail(f"An amplitude's state has one digit for each of the {len(self.labels)} qubits", asked)
            specification["states"] = list(asked.states)
            return ResultType(asked.kind, specification, states=asked.states)
        if asked.labels is None:
            return ResultType(asked.kind, specification)
        specification["targets"] = list(asked.labels)
        return ResultType(asked.kind, specification, self._place(asked.labels))

    def _observed(self, asked: AskedResult, specification: dict[str, Any]) -> ResultType:
        specification["observable"] = [_written(observable) for observable, _ in asked.factors]
        observable, labels = asked.factors[0]
        if len(asked.factors) == 1 and self._means_all(observable, labels):
            if not isinstance(observable, str) and len(observable) != 2:
                self._fail("An observable on all qubits acts on one qubit", asked)
            each = tuple((observable, (qubit,)) for qubit in range(len(self.labels)))
            return ResultType(asked.kind, specification, None, Observable(each))
        product, targets = self._product(asked.factors, asked)
        specification["targets"] = targets
        return ResultType(asked.kind, specification, self._place(tuple(targets)), product)

    def _product(self, asked_factors: AskedFactors, asked: AskedResult) -> tuple[Observable, list[int]]:
        """An observable on compact qubits, and the labels it acts on."""
        factors: list[tuple[str | Matrix, tuple[int, ...]]] = []
        targets: list[int] = []
        for observable, labels in asked_factors:
            size = 1 if isinstance(observable, str) else int(math.log2(len(observable)))
            if labels is None or len(labels) != size:
                self._fail(f"The observable acts on {size} qubits, not on {len(labels or self.labels)}", asked)
            factors.append((observable, self._place(labels)))
            targets += labels
        return Observable(tuple(factors)), targets

    def _gradient(self, asked: AskedResult, specification: dict[str, Any]) -> ResultType:
        """SV1's recorded documents write the sum as a text and every coefficient in it."""
        products = [(coefficient, *self._product(factors, asked)) for coefficient, factors in asked.terms]
        parameters = asked.parameters or tuple(sorted(self.gathered.float_inputs()))
        specification["observable"] = " + ".join(
            f"{_short(coefficient)} * {' @ '.join(map(_named, factors))}" for coefficient, factors in asked.terms
        )
        specification["targets"] = [targets for _, _, targets in products]
        specification["parameters"] = list(parameters)
        terms = tuple([(coefficient, product) for coefficient, product, _ in products])
        return ResultType(asked.kind, specification, terms=terms, parameters=parameters)

    def _means_all(self, observable: str | Matrix, labels: tuple[int, ...] | None) -> bool:
        """``x all``, or ``x(q)`` of the register of all qubits there are."""
        if labels is None:
            return True
        return isinstance(observable, str) and len(labels) > 1 and labels == self.labels

    def _fail(self, message: str, asked: AskedResult) -> NoReturn:
        self.gathered.fail(message, asked.at)


def _short(coefficient: float) -> str:
    return str(int(coefficient)) if coefficient.is_integer() and abs(coefficient) < 1e15 else repr(coefficient)


def _named(factor: tuple[str | Matrix, tuple[int, ...] | None]) -> str:
    return factor[0] if isinstance(factor[0], str) else "hermitian"


_TYPES = {"state_vector": "statevector", "density_matrix": "densitymatrix"}


def _written(observable: str | Matrix) -> Any:
    """An observable as result documents have it: a letter, or rows of [real, imaginary] pairs."""
    if isinstance(observable, str):
        return observable
    return np.stack([observable.real, observable.imag], axis=-1).tolist()
