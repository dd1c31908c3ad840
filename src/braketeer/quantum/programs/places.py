"""What a running program does with the names of qubits: registers, aliases, measurements, result types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from braketeer.quantum.circuit import MOST_REGISTER, Limits, Matrix
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.calculator import Calculator
from braketeer.quantum.programs.names import Register, Variable
from braketeer.quantum.programs.outcomes import MeasuredBit

#: Qubits named one by one by ranges, sets and arguments of subroutines, each time anew.
MOST_NAMED = 5_000_000
_FIRST = s.Literal(0, 0)

#: An observable as asked for: what each factor is, and its labels, None for all.
AskedFactors: TypeAlias = "list[tuple[str | Matrix, tuple[int, ...] | None]]"


@dataclass(slots=True)
class AskedResult:
    """A result pragma on qubit labels; ``labels`` is None for all. ``terms`` and ``parameters`` are a gradient's."""

    kind: str
    labels: tuple[int, ...] | None
    factors: AskedFactors
    states: tuple[str, ...]
    at: int
    terms: tuple[tuple[float, AskedFactors], ...] = ()
    parameters: tuple[str, ...] = ()


class Places(Calculator, ABC):
    """Qubits by label. ``used`` are those that something touches, ``outcomes`` the measurements in order, ``standing``
    those among them whose qubits have not been touched since, ``results`` what the pragmas ask for; ``physical`` says
    that the qubits are physical ones (``$0``)."""

    def __init__(self, source: str, limits: Limits) -> None:
        super().__init__(source)
        self.limits = limits
        self.results: list[AskedResult] = []
        self.used: set[int] = set()
        self.outcomes: list[MeasuredBit] = []
        self.standing: dict[int, MeasuredBit] = {}
        self._unread: int | None = None
        self._qubit_count = 0
        self._named = 0
        self.physical = False

    @abstractmethod
    def look(self, outcome: MeasuredBit) -> int:
        """Decide an outcome because the program's classical side asks for it."""

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
        if self.physical:
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
            self.physical = True
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
        if type(bracket[0]) is s.Literal and type(bracket[0].value) is int:  # the usual one
            label = register.labels[self.place_in(bracket[0].value, len(register.labels), place.at)]
            return Register((label,), single=True)
        indexes = self.indexes(bracket[0], len(register.labels), place.at)
        if isinstance(indexes, int):
            return Register((register.labels[indexes],), single=True)
        self.count_named(len(indexes), place.at)
        return Register(tuple([register.labels[index] for index in indexes]))

    def count_named(self, count: int, at: int) -> None:
        self._named += count
        if self._named > MOST_NAMED:
            self.fail(f"Ranges and arguments of the program name more than {MOST_NAMED} qubits", at)

    def no_repeats(self, labels: list[int] | tuple[int, ...], what: str, at: int) -> None:
        if len(set(labels)) != len(labels):
            self.fail(f"{what} names a qubit twice", at)

    def run_measure(self, statement: s.Measure) -> None:
        outcomes = self.measured(statement)
        if statement.target is not None:
            self._keep(statement.target, outcomes, statement.at)

    def measured(self, statement: s.Measure) -> list[MeasuredBit]:
        """Measure; an outcome for each qubit."""
        labels = self.qubits(statement.source).labels
        self.used.update(labels)
        for label in labels:
            if label in self.standing:
                self.fail("The qubit is measured twice and nothing happens to it in between", statement.at)
            self.standing[label] = MeasuredBit(label, self.look)
        outcomes = [self.standing[label] for label in labels]
        self.outcomes += outcomes
        self._unread = None
        return outcomes

    def _keep(self, target: s.Operand, outcomes: list[MeasuredBit], at: int) -> None:
        """Put the outcomes of a measurement into bits."""
        variable = self.variable(target)
        if variable.type.kind != "bit":
            self.fail(f"{target.name!r} holds no bits", target.at)
        size = variable.type.size
        chosen: list[int] = list(range(size or 1))
        for bracket in target.indexes:
            if size is None or len(bracket) != 1:
                self.fail(f"{target.name!r} cannot be indexed so", target.at)
            indexes = self.indexes(bracket[0], len(chosen), target.at)
            chosen = [chosen[indexes]] if isinstance(indexes, int) else [chosen[index] for index in indexes]
        if len(chosen) != len(outcomes):
            self.fail(f"{len(outcomes)} qubits are measured into {len(chosen)} bits", at)
        if size is None:
            variable.value = outcomes[0]
            return
        bits = list(variable.value or (0,) * size)
        for index, outcome in zip(chosen, outcomes, strict=True):
            bits[index] = outcome
        variable.value = tuple(bits)

    def run_barrier(self, statement: s.Barrier) -> None:
        for operand in statement.operands:
            self.qubits(operand)

    def variable(self, target: s.Operand) -> Variable:
        meaning = self.names.find(target.name)
        if not isinstance(meaning, Variable):
            self.fail(f"{target.name!r} is not a variable", target.at)
        if meaning.role not in ("var", "output"):
            self.fail(f"{target.name!r} cannot be assigned to", target.at)
        return meaning

    def run_result(self, statement: s.Result) -> None:
        labels = None if statement.operands is None else self._result_labels(statement.operands, statement.at)
        factors = self._asked_factors(statement.factors, statement.at)
        terms = tuple([(term.coefficient, self._asked_factors(term.factors, statement.at)) for term in statement.terms])
        for name in statement.parameters:
            if not self.names.is_input(name):
                self.fail(f"The gradient is by inputs, which {name!r} is not", statement.at)
        self.results.append(
            AskedResult(statement.kind, labels, factors, statement.states, statement.at, terms, statement.parameters)
        )

    def _asked_factors(self, factors: list[s.Factor], at: int) -> AskedFactors:
        found: AskedFactors = []
        seen: list[int] = []
        for factor in factors:
            places = factor.operands
            chosen = None if places is None else self._result_labels(places, factor.at)
            seen += chosen or ()
            found.append((factor.observable, chosen))
        self.no_repeats(seen, "The observable", at)
        return found

    def _result_labels(self, places: list[s.Place], at: int) -> tuple[int, ...]:
        labels = tuple([label for place in places for label in self.qubits(place).labels])
        self.no_repeats(labels, "The result type", at)
        self.used.update(labels)
        return labels
