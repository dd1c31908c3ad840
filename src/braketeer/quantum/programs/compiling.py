"""Source text and inputs to a circuit on compact qubits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np

from braketeer.quantum.circuit import Circuit, Gate, Limits, Matrix, Observable, ProgramError, ResultType
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.gate_calls import too_many_qubits
from braketeer.quantum.programs.machine import Machine
from braketeer.quantum.programs.parser import parse
from braketeer.quantum.programs.places import AskedResult
from braketeer.quantum.programs.tokens import fault

MOST_SOURCE = 4 * 2**20
_CACHED_SOURCE = 128 * 2**10


def compile_program(source: str, inputs: Mapping[str, Any] | None, limits: Limits, *, flat: bool = True) -> Circuit:
    """The circuit of an OpenQASM 3 program with its inputs bound.

    Inputs the program does not declare are ignored, as Braket does. ``flat`` is the short cut for plain gate
    statements; without it the outcome is the same. Raises ProgramError, with line and column where a place is to blame.
    """
    if len(source) > MOST_SOURCE:
        raise ProgramError(f"The program has more than {MOST_SOURCE} characters")
    try:
        statements = _parsed(source, flat) if len(source) <= _CACHED_SOURCE else parse(source, flat=flat)
        machine = Machine(source, inputs or {}, limits)
        machine.run(statements)
    except RecursionError:
        raise ProgramError("The program is nested too deeply") from None
    return _Assembly(machine, limits).circuit()


@lru_cache(maxsize=16)
def _parsed(source: str, flat: bool) -> list[s.Statement]:
    """Variational loops send one text with ever other inputs."""
    return parse(source, flat=flat)


class _Assembly:
    """From labels to compact qubits."""

    def __init__(self, machine: Machine, limits: Limits) -> None:
        self.machine = machine
        self.limits = limits
        self.labels = tuple(sorted(machine.used))
        self.compact = {label: qubit for qubit, label in enumerate(self.labels)}

    def circuit(self) -> Circuit:
        if not self.labels:
            raise ProgramError("The program uses no qubits")
        if len(self.labels) > self.limits.max_qubits:
            raise ProgramError(too_many_qubits(len(self.labels), self.limits))
        gates = self.machine.gates
        if self.labels[-1] != len(self.labels) - 1:
            moved = {id(gate): self._moved(gate) for gate in gates}
            gates = [moved[id(gate)] for gate in gates]
        results = [self._result(asked) for asked in self.machine.results]
        return Circuit(self.labels, gates, results, self._measured())

    def _moved(self, gate: Gate) -> Gate:
        return replace(gate, targets=self._place(gate.targets), controls=self._place(gate.controls))

    def _place(self, labels: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([self.compact[label] for label in labels])

    def _measured(self) -> tuple[int, ...] | None:
        measures = self.machine.measures
        if not self.machine.measured:
            return None
        kept = [measures[bit] for bit in sorted(measures)]
        assigned = set(kept)
        return self._place((*kept, *(label for label in self.machine.measured if label not in assigned)))

    def _result(self, asked: AskedResult) -> ResultType:
        specification: dict[str, Any] = {"type": _TYPES.get(asked.kind, asked.kind)}
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
        factors: list[tuple[str | Matrix, tuple[int, ...]]] = []
        targets: list[int] = []
        for observable, labels in asked.factors:
            size = 1 if isinstance(observable, str) else int(math.log2(len(observable)))
            if labels is None or len(labels) != size:
                self._fail(f"The observable acts on {size} qubits, not on {len(labels or self.labels)}", asked)
            factors.append((observable, self._place(labels)))
            targets += labels
        specification["targets"] = targets
        return ResultType(asked.kind, specification, self._place(tuple(targets)), Observable(tuple(factors)))

    def _means_all(self, observable: str | Matrix, labels: tuple[int, ...] | None) -> bool:
        """``x all``, or ``x(q)`` of the register of all qubits there are."""
        if labels is None:
            return True
        return isinstance(observable, str) and len(labels) > 1 and labels == self.labels

    def _fail(self, message: str, asked: AskedResult) -> NoReturn:
        raise fault(self.machine.source, message, asked.at)


_TYPES = {"state_vector": "statevector", "density_matrix": "densitymatrix"}


def _written(observable: str | Matrix) -> Any:
    """An observable as result documents have it: a letter, or rows of [real, imaginary] pairs."""
    if isinstance(observable, str):
        return observable
    return np.stack([observable.real, observable.imag], axis=-1).tolist()
