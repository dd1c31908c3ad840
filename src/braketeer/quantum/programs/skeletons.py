"""Programs seen before but for their numbers: bound again without being read again.

The skeleton of a text is what is left when the numbers in plain gates (``rx(0.3) q[0];``) are taken out. A flat circuit
compiled once from a skeleton is kept with the places of those numbers, and of angles that are formulas of inputs and
nothing else; new numbers and inputs are put in these places of a new circuit. Whatever else reads an input, or a number
that does not stand in such a gate, makes the program one that is read in full every time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from math import isfinite
from threading import Lock
from typing import Any

from braketeer.quantum.circuit import Circuit, Gate, Limits, Operation, ProgramError
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.calculator import Calculator
from braketeer.quantum.programs.classical import Type, Unfit, finite, from_input, number
from braketeer.quantum.programs.formulas import Arithmetic, arithmetic, names_in
from braketeer.quantum.programs.machine import Machine
from braketeer.quantum.programs.names import Variable

_NUMBERS = re.compile(r"\((-?[0-9.][0-9.eE+-]*+(?:,[ \t]*+-?[0-9.][0-9.eE+-]*+)*+)\)(?=[ \t]++[A-Za-z_$])")
_MOST_KEPT = 64
_MOST_OPERATIONS = 20_000
_LONGEST = 128 * 2**10


@dataclass(frozen=True, slots=True)
class Skeleton:
    """``key`` is the text without its numbers, ``numbers`` what was taken out: one text for each gate."""

    key: str
    numbers: list[str]

    @classmethod
    def of(cls, source: str) -> Skeleton | None:
        """None for a text so long that it is not worth keeping."""
        if len(source) > _LONGEST:
            return None
        parts = _NUMBERS.split(source)
        return cls("(#)".join(parts[::2]), parts[1::2])


@dataclass(frozen=True, slots=True)
class _Angle:
    """A formula of inputs and, where it is plain enough, a quick way to work it out."""

    formula: s.Expression
    quick: Arithmetic | None

    @classmethod
    def of(cls, formula: s.Expression, inputs: Mapping[str, Type]) -> _Angle:
        types = [inputs.get(name or "") for name in names_in(formula)]
        plain = all(kind is not None and kind.kind == "float" for kind in types)
        return cls(formula, arithmetic(formula) if plain else None)

    def value(self, values: Mapping[str, Any], calculator: Calculator) -> float:
        if self.quick is None:
            return finite(number(calculator.value(self.formula)))
        value = float(self.quick(values))
        if not isfinite(value):
            raise ValueError(value)
        return value


@dataclass(frozen=True, slots=True)
class _Template:
    """A compiled circuit and the gates to change in it, as (operation, name, targets): ``numbers`` take the one of the
    skeleton's numbers that comes first, ``formulas`` the one of ``angles`` that comes last. ``bound`` are the inputs it
    holds for, by their texts, where something else than a formula has read one."""

    circuit: Circuit
    numbers: list[tuple[int, int, str, tuple[int, ...]]]
    formulas: list[tuple[int, str, tuple[int, ...], int]]
    angles: list[list[_Angle]]
    inputs: list[tuple[str, Type]]
    bound: dict[str, str] | None

    def bind(self, numbers: list[str], inputs: Mapping[str, Any]) -> Circuit | None:
        """A new circuit; None where numbers or inputs are not what they should be, which a full reading explains."""
        if self.bound is not None and self.bound != {name: repr(inputs.get(name)) for name in self.bound}:
            return None
        operations: list[Operation] = list(self.circuit.operations)
        try:
            for which, place, name, targets in self.numbers:
                text = numbers[which]
                angles = tuple(map(float, text.split(","))) if "," in text else (float(text),)
                if not all(map(isfinite, angles)):
                    return None
                operations[place] = Gate(name, targets, angles)
            if self.bound is None:
                values = {name: from_input(inputs[name], wanted) for name, wanted in self.inputs}
                calculator = _calculator(self.inputs, values)
                worked = [tuple([angle.value(values, calculator) for angle in angles]) for angles in self.angles]
                for place, name, targets, which in self.formulas:
                    operations[place] = Gate(name, targets, worked[which])
        except (ValueError, KeyError, ZeroDivisionError, Unfit, ProgramError):
            return None
        return replace(self.circuit, operations=operations)


class _Mark(Enum):
    """What is known of a skeleton without a template: it has been seen, or can have none."""

    ONCE = auto()
    NEVER = auto()


class Skeletons:
    """The last templates. Circuits that come from it are the caller's own.

    A template is made when its skeleton is seen for the second time: most programs come once, and making one takes a
    fair part of reading them.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, _Template | _Mark] = OrderedDict()
        self._turn = Lock()

    def expects(self, skeleton: Skeleton, limits: Limits, exact: bool) -> bool:
        """Whether the program is to be compiled with its spots noted, for :meth:`keep`: it comes again."""
        key = _key(skeleton, limits, exact)
        with self._turn:
            if key in self._kept:
                return self._kept[key] is not _Mark.NEVER
            self._kept[key] = _Mark.ONCE
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return False

    def bound(self, skeleton: Skeleton, inputs: Mapping[str, Any], limits: Limits, exact: bool) -> Circuit | None:
        """The circuit of a program whose skeleton is known; None where it has to be read."""
        key = _key(skeleton, limits, exact)
        with self._turn:
            template = self._kept.get(key)
            if template is not None:
                self._kept.move_to_end(key)
        return template.bind(skeleton.numbers, inputs) if isinstance(template, _Template) else None

    def keep(self, skeleton: Skeleton, machine: Machine, circuit: Circuit, limits: Limits, exact: bool) -> None:
        """Remember what a machine has made of a program, if it can be bound again."""
        template = _template(skeleton, machine, circuit)
        with self._turn:
            self._kept[_key(skeleton, limits, exact)] = _Mark.NEVER if template is None else template
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)


_Key = tuple[str, tuple[int, ...], Limits, bool]


def _key(skeleton: Skeleton, limits: Limits, exact: bool) -> _Key:
    return skeleton.key, tuple([text.count(",") for text in skeleton.numbers]), limits, exact


def _template(skeleton: Skeleton, machine: Machine, circuit: Circuit) -> _Template | None:
    if machine.differentiated or len(circuit.operations) > _MOST_OPERATIONS:
        return None
    starts = {match.start(1): which for which, match in enumerate(_NUMBERS.finditer(machine.source))}
    numbers = [
        (starts[spot.at], *_gate(circuit, spot.operation))
        for spot in machine.spots
        if spot.at in starts and not spot.formulas
    ]
    if len(numbers) != len(starts):
        return None
    inputs = [
        (name, meaning.type)
        for name, meaning in machine.names.globals.items()
        if isinstance(meaning, Variable) and meaning.role == "input"
    ]
    bound = {name: repr(machine.inputs.get(name)) for name, _ in inputs} if machine.inputs_read else None
    types = dict(inputs)
    places: dict[int, int] = {}
    angles: list[list[_Angle]] = []
    formulas: list[tuple[int, str, tuple[int, ...], int]] = []
    for spot in machine.spots:
        if not spot.formulas:
            continue
        if id(spot.formulas) not in places:
            places[id(spot.formulas)] = len(angles)
            angles.append([_Angle.of(formula, types) for formula in spot.formulas])
        formulas.append((*_gate(circuit, spot.operation), places[id(spot.formulas)]))
    return _Template(circuit, numbers, formulas, angles, inputs, bound)


def _calculator(inputs: list[tuple[str, Type]], values: Mapping[str, Any]) -> Calculator:
    calculator = Calculator("")
    for name, wanted in inputs:
        calculator.names.declare(name, Variable(wanted, values[name], "input"))
    return calculator


def _gate(circuit: Circuit, place: int) -> tuple[int, str, tuple[int, ...]]:
    return place, circuit.operations[place].name, circuit.operations[place].targets
