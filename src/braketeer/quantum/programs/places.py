"""What a running program does with the names of qubits: registers, aliases, measurements, result types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from braketeer.quantum.circuit import Limits, Matrix
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.calculator import Calculator
from braketeer.quantum.programs.names import Register, Variable

MOST_REGISTER = 4096
_FIRST = s.Literal(0, 0)


@dataclass(slots=True)
class AskedResult:
    """A result pragma on qubit labels; ``labels`` is None for all, also in a factor."""

    kind: str
    labels: tuple[int, ...] | None
    factors: list[tuple[str | Matrix, tuple[int, ...] | None]]
    states: tuple[str, ...]
    at: int


class Places(Calculator, ABC):
    """Qubits by label. ``used`` are those that something touches, ``measured`` those measured, in that order,
    ``measures`` the label whose outcome each classical bit holds (bits are numbered as declared), ``results`` what the
    pragmas ask for."""

    def __init__(self, source: str, limits: Limits) -> None:
        super().__init__(source)
        self.limits = limits
        self.results: list[AskedResult] = []
        self.used: set[int] = set()
        self.measures: dict[int, int] = {}
        self.measured: dict[int, None] = {}
        self._qubit_count = 0
        self._physical = False

    @abstractmethod
    def run_body(self, statements: Iterable[s.Statement]) -> s.Jump | None:
        """Run statements in the current scope; the jump that left them early."""

    def declare(self, name: str, meaning: Any, at: int) -> None:
        if not self.names.declare(name, meaning):
            self.fail(f"The name {name!r} is declared twice", at)

    def run_qubits(self, statement: s.Qubits) -> None:
        if len(self.names.scopes) > 1:
            self.fail("Qubits are declared outside all blocks", statement.at)
        size = 1 if statement.size is None else self.whole(statement.size)
        if not 1 <= size <= MOST_REGISTER:
            self.fail(f"A register has 1 to {MOST_REGISTER} qubits, not {size}", statement.at)
        if self._physical:
            self.fail("A program uses either qubit registers or physical qubits", statement.at)
        labels = range(self._qubit_count, self._qubit_count + size)
        self._qubit_count += size
        self.declare(statement.name, Register(labels, single=statement.size is None), statement.at)

    def run_alias(self, statement: s.Alias) -> None:
        labels: list[int] = []
        single = False
        for part in statement.parts:
            register = self.qubits(part)
            labels += register.labels
            single = register.single and len(statement.parts) == 1
        if len(labels) > MOST_REGISTER:
            self.fail(f"An alias has at most {MOST_REGISTER} qubits", statement.at)
        self.no_repeats(labels, f"The alias {statement.name!r}", statement.at)
        self.declare(statement.name, Register(tuple(labels), single), statement.at)

    def qubits(self, place: s.Place) -> Register:
        """The qubits that a place names."""
        if isinstance(place, s.Physical):
            self._physical = True
            if self._qubit_count:
                self.fail("A program uses either qubit registers or physical qubits", place.at)
            return Register((place.label,), single=True)
        meaning = self.names.find(place.name)
        if not isinstance(meaning, Register):
            problem = "is not declared" if meaning is None else "is not a qubit"
            self.fail(f"{place.name!r} {problem}", place.at)
        register = meaning
        for bracket in place.indexes:
            register = self._selected(register, bracket, place)
        return register

    def one_of(self, place: s.Place) -> tuple[tuple[int, ...] | range, s.Expression] | None:
        """Labels and the index into them, of a place that plainly names one qubit; None where a closer look is needed.

        The index is not worked out yet.
        """
        if not isinstance(place, s.Operand):
            return None
        meaning = self.names.find(place.name)
        if not isinstance(meaning, Register) or meaning.single is bool(place.indexes):
            return None
        if meaning.single:
            return meaning.labels, _FIRST
        bracket = place.indexes[0]
        if len(place.indexes) > 1 or len(bracket) > 1 or isinstance(bracket[0], s.Range | s.Items):
            return None
        return meaning.labels, bracket[0]

    def _selected(self, register: Register, bracket: list[Any], place: s.Operand) -> Register:
        if register.single:
            self.fail(f"{place.name!r} is a single qubit and has no index", place.at)
        if len(bracket) != 1:
            self.fail("Qubit registers have one index", place.at)
        indexes = self.indexes(bracket[0], len(register.labels), place.at)
        if isinstance(indexes, int):
            return Register((register.labels[indexes],), single=True)
        return Register(tuple([register.labels[index] for index in indexes]))

    def no_repeats(self, labels: list[int] | tuple[int, ...], what: str, at: int) -> None:
        if len(set(labels)) != len(labels):
            self.fail(f"{what} names a qubit twice", at)

    def run_measure(self, statement: s.Measure) -> None:
        register = self.qubits(statement.source)
        bits = self._measured_bits(statement, len(register.labels))
        for position, label in enumerate(register.labels):
            if label in self.measured:
                self.fail("A qubit that is measured twice is not supported yet", statement.at)
            self.measured[label] = None
            if bits is not None:
                if bits[position] in self.measures:
                    self.fail("A bit that takes two measurements is not supported yet", statement.at)
                self.measures[bits[position]] = label
        self.used.update(register.labels)

    def _measured_bits(self, statement: s.Measure, count: int) -> list[int] | None:
        """Numbers of the classical bits that a measurement of ``count`` qubits goes to."""
        target = statement.target
        if target is None:
            return None
        variable = self.variable(target)
        if variable.type.kind != "bit":
            self.fail(f"{target.name!r} holds no bits", target.at)
        size = variable.type.size or 1
        chosen: list[int] = list(range(size))
        for bracket in target.indexes:
            if variable.type.size is None or len(bracket) != 1:
                self.fail(f"{target.name!r} cannot be indexed so", target.at)
            indexes = self.indexes(bracket[0], len(chosen), target.at)
            chosen = [chosen[indexes]] if isinstance(indexes, int) else [chosen[index] for index in indexes]
        if len(chosen) != count:
            self.fail(f"{count} qubits are measured into {len(chosen)} bits", statement.at)
        variable.measured.update(chosen)
        return [variable.first_bit + index for index in chosen]

    def run_barrier(self, statement: s.Barrier) -> None:
        for operand in statement.operands:
            self.qubits(operand)

    def variable(self, target: s.Operand) -> Variable:
        meaning = self.names.find(target.name)
        if not isinstance(meaning, Variable):
            self.fail(f"{target.name!r} is not a variable", target.at)
        if meaning.role != "var":
            self.fail(f"{target.name!r} cannot be assigned to", target.at)
        return meaning

    def run_result(self, statement: s.Result) -> None:
        labels = None if statement.operands is None else self._result_labels(statement.operands, statement.at)
        factors: list[tuple[str | Matrix, tuple[int, ...] | None]] = []
        seen: list[int] = []
        for factor in statement.factors:
            places = factor.operands
            chosen = None if places is None else self._result_labels(places, factor.at)
            seen += chosen or ()
            factors.append((factor.observable, chosen))
        self.no_repeats(seen, "The observable", statement.at)
        self.results.append(AskedResult(statement.kind, labels, factors, statement.states, statement.at))

    def _result_labels(self, places: list[s.Place], at: int) -> tuple[int, ...]:
        labels = tuple([label for place in places for label in self.qubits(place).labels])
        self.no_repeats(labels, "The result type", at)
        self.used.update(labels)
        return labels
