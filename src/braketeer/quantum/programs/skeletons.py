"""Programs seen before but for their numbers: bound again without being read again.

The skeleton of a text is what is left when the numbers in plain gates (``rx(0.3) q[0];``) are taken out. A flat circuit
compiled once from a skeleton is kept with the places of those numbers, and of angles that are formulas of inputs and
nothing else; new numbers and inputs are put in these places of a new circuit. Whatever else reads an input, or a number
that does not stand in such a gate, makes the program one that is read in full every time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import chain
from math import isfinite
from threading import Lock
from typing import Any

import orjson

from braketeer.quantum.circuit import Circuit, Limits, ProgramError, Rebound
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.calculator import Calculator
from braketeer.quantum.programs.classical import Type, Unfit, finite, from_input, number
from braketeer.quantum.programs.formulas import Arithmetic, arithmetic, names_in
from braketeer.quantum.programs.machine import Machine
from braketeer.quantum.programs.names import Variable

_NUMBERS = re.compile(r"\((-?[0-9.][0-9.eE+-]*+(?:,[ \t]*+-?[0-9.][0-9.eE+-]*+)*+)\)(?=[ \t]++[A-Za-z_$])")
_MOST_KEPT = 64
_MOST_OPERATIONS = 20_000
_MOST_TOGETHER = 100_000  # operations of all templates, at about a kilobyte each
_LONGEST = 128 * 2**10
_TAKEN_OUT = "(#)"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """``key`` is the text without its numbers, ``numbers`` what was taken out: one text for each gate. ``commas`` is
    how many commas each has, nothing where none has any."""

    key: str
    numbers: list[str]
    commas: tuple[int, ...]

    @classmethod
    def of(cls, source: str) -> Skeleton | None:
        """None for a text so long that it is not worth keeping, or one that has the mark of a number itself."""
        if len(source) > _LONGEST or _TAKEN_OUT in source:
            return None
        parts = _NUMBERS.split(source)
        numbers = parts[1::2]
        commas = tuple([text.count(",") for text in numbers]) if "," in " ".join(numbers) else ()
        return cls(_TAKEN_OUT.join(parts[::2]), numbers, commas)

    def angles(self) -> Iterable[tuple[float, ...]]:
        """Those of each gate. Raises ValueError where a text is no number."""
        if self.commas:
            return [tuple(map(float, text.split(","))) for text in self.numbers]
        try:
            return zip(map(float, orjson.loads(f"[{','.join(self.numbers)}]")), strict=True)
        except orjson.JSONDecodeError:  # such as .5, which is no number in JSON
            return zip(map(float, self.numbers), strict=True)


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


@dataclass(frozen=True, slots=True)
class _Template:
    """A compiled circuit and the places of the operations to change in it: ``numbers`` has one for each of the
    skeleton's numbers, ``formulas`` pairs of a place and the one of ``angles`` that goes there. ``bound`` are the
    inputs it holds for, by their texts, where something else than a formula has read one."""

    circuit: Circuit
    numbers: list[int]
    formulas: list[tuple[int, int]]
    angles: list[list[_Angle]]
    inputs: list[tuple[str, Type]]
    bound: dict[str, str] | None
    known: dict[str, Any] = field(default_factory=dict)

    def bind(self, skeleton: Skeleton, inputs: Mapping[str, Any]) -> Circuit | None:
        """A new circuit; None where numbers or inputs are not what they should be, which a full reading explains."""
        if self.bound is not None and self.bound != {name: repr(inputs.get(name)) for name in self.bound}:
            return None
        try:
            bound = dict(zip(self.numbers, skeleton.angles(), strict=True))
            if not all(map(isfinite, chain.from_iterable(bound.values()))):
                return None
            if self.bound is None and self.inputs:
                worked = self._worked({name: from_input(inputs[name], wanted) for name, wanted in self.inputs})
                bound |= {place: worked[which] for place, which in self.formulas}
        except (ValueError, KeyError, ArithmeticError, Unfit, ProgramError):
            return None
        return replace(self.circuit, operations=Rebound(self.circuit.operations, bound, self.known))

    def _worked(self, values: Mapping[str, Any]) -> list[tuple[float, ...]]:
        """The value of each of ``angles``. Raises what works them out."""
        calculator: Calculator | None = None
        worked: list[tuple[float, ...]] = []
        for angles in self.angles:
            found: list[float] = []
            for angle in angles:
                if angle.quick is not None:
                    value = float(angle.quick(values))
                    if not isfinite(value):
                        raise ValueError(value)
                else:
                    calculator = calculator or _calculator(self.inputs, values)
                    value = finite(number(calculator.value(angle.formula)))
                found.append(value)
            worked.append(tuple(found))
        return worked


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
            self._put(key, _Mark.ONCE)
        return False

    def bound(self, skeleton: Skeleton, inputs: Mapping[str, Any], limits: Limits, exact: bool) -> Circuit | None:
        """The circuit of a program whose skeleton is known; None where it has to be read."""
        key = _key(skeleton, limits, exact)
        with self._turn:
            template = self._kept.get(key)
            if template is not None:
                self._kept.move_to_end(key)
        return template.bind(skeleton, inputs) if isinstance(template, _Template) else None

    def keep(self, skeleton: Skeleton, machine: Machine, circuit: Circuit, limits: Limits, exact: bool) -> None:
        """Remember what a machine has made of a program, if it can be bound again."""
        template = _template(skeleton, machine, circuit)
        with self._turn:
            self._put(_key(skeleton, limits, exact), _Mark.NEVER if template is None else template)

    def _put(self, key: _Key, found: _Template | _Mark) -> None:
        self._kept[key] = found
        while len(self._kept) > _MOST_KEPT or sum(map(_size, self._kept.values())) > _MOST_TOGETHER:
            self._kept.popitem(last=False)


def _size(kept: _Template | _Mark) -> int:
    return len(kept.circuit.operations) if isinstance(kept, _Template) else 0


_Key = tuple[str, tuple[int, ...], Limits, bool]


def _key(skeleton: Skeleton, limits: Limits, exact: bool) -> _Key:
    return skeleton.key, skeleton.commas, limits, exact


def _template(skeleton: Skeleton, machine: Machine, circuit: Circuit) -> _Template | None:
    if machine.differentiated or len(circuit.operations) > _MOST_OPERATIONS:
        return None
    starts = {match.start(1): which for which, match in enumerate(_NUMBERS.finditer(machine.source))}
    numbers = {starts[spot.at]: spot.operation for spot in machine.spots if spot.at in starts and not spot.formulas}
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
    formulas: list[tuple[int, int]] = []
    for spot in machine.spots:
        if not spot.formulas:
            continue
        if id(spot.formulas) not in places:
            places[id(spot.formulas)] = len(angles)
            angles.append([_Angle.of(formula, types) for formula in spot.formulas])
        formulas.append((spot.operation, places[id(spot.formulas)]))
    return _Template(circuit, [numbers[which] for which in range(len(starts))], formulas, angles, inputs, bound)


def _calculator(inputs: list[tuple[str, Type]], values: Mapping[str, Any]) -> Calculator:
    calculator = Calculator("")
    for name, wanted in inputs:
        calculator.names.declare(name, Variable(wanted, values[name], "input"))
    return calculator
