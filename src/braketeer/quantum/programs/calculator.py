"""Works out expressions in the names of a running program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.programs import classical
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.classical import MOST_BITS, MOST_ELEMENTS, MOST_WIDTH, Type, Unfit
from braketeer.quantum.programs.names import Names, Variable
from braketeer.quantum.programs.outcomes import MeasuredBit
from braketeer.quantum.programs.tokens import fault


class Calculator:
    """Values of expressions. Every fault is a ProgramError with its place. ``inputs_read`` counts how often inputs were
    looked at."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.inputs_read = 0
        self.names = Names()
        self._elements = 0

    def fail(self, message: str, at: int | None) -> NoReturn:
        if at is None:
            raise ProgramError(message)
        raise fault(self.source, message, at)

    def value(self, expression: s.Expression) -> Any:
        """The value of a whole expression."""
        return self.evaluate(expression, False)

    def evaluate(self, expression: Any, real: bool) -> Any:
        """The value of a part of an expression in which ``/`` is real or not."""
        compute = _EVALUATE.get(type(expression))
        if compute is None:
            self.fail("Expected a classical value", expression.at)
        try:
            return compute(self, expression, real)
        except Unfit as problem:
            self.fail(str(problem), expression.at)

    def whole(self, expression: s.Expression) -> int:
        """The value of an index, size or count: division is always the one of whole numbers."""
        value = self.evaluate(expression.body if isinstance(expression, s.Formula) else expression, False)
        if isinstance(value, MeasuredBit):
            value = value.look()
        if type(value) is not int:
            self.fail("Expected a whole number", expression.at)
        return int(value)

    def truth(self, expression: s.Expression) -> bool:
        value = self.value(expression)
        if isinstance(value, list):
            self.fail("An array is neither true nor false", expression.at)
        return classical.number(value) != 0

    def divides_really(self, expression: s.Expression) -> bool:
        return isinstance(expression, s.Formula) and any(map(self.names.is_input, expression.names))

    def type_of(self, name: s.TypeName) -> Type:
        if name.element is not None:
            sizes = tuple([self.whole(size) for size in name.sizes])
            if not sizes or len(sizes) > 7 or min(sizes) < 1 or max(sizes) > MOST_ELEMENTS:
                self.fail("An array has one to seven dimensions of at least one element", name.at)
            return Type("array", None, self.type_of(name.element), sizes)
        size = None if name.size is None else self.whole(name.size)
        most = MOST_BITS if name.kind == "bit" else MOST_WIDTH
        if size is not None and not 1 <= size <= most:
            self.fail(f"The size of {name.kind} is 1 to {most}, not {size}", name.at)
        return Type(name.kind, size)

    def count_elements(self, count: int, at: int) -> None:
        self._elements += count
        if self._elements > MOST_ELEMENTS:
            self.fail(f"The arrays of the program have more than {MOST_ELEMENTS} elements", at)

    def place_in(self, index: int, size: int, at: int) -> int:
        """The index from 0 of one that may count from the end."""
        if not -size <= index < size:
            self.fail(f"The index {index} is out of range: there are {size}", at)
        return index % size

    def indexes(self, item: Any, size: int, at: int) -> int | list[int]:
        """What an index, range or set chooses from ``size`` things."""
        if isinstance(item, s.Range):
            return self.range_within(item, size)
        if isinstance(item, s.Items):
            return [self.place_in(self.whole(index), size, at) for index in item.items]
        return self.place_in(self.whole(item), size, at)

    def range_within(self, item: s.Range, size: int) -> list[int]:
        chosen = self.range_of(item, size)
        if len(chosen) > size:
            self.fail(f"The range is longer than {size}", item.at)
        return [self.place_in(index, size, item.at) for index in chosen]

    def range_of(self, item: s.Range, size: int | None) -> range:
        """``start : step : stop`` with both ends; in something of ``size`` ends may be left out or negative."""
        step = 1 if item.step is None else self.whole(item.step)
        if step == 0:
            self.fail("The step of a range is 0", item.at)
        if size is None and (item.start is None or item.stop is None):
            self.fail("The range of a loop needs both ends", item.at)
        first, last = (0, (size or 1) - 1) if step > 0 else ((size or 1) - 1, 0)
        start = first if item.start is None else self.whole(item.start)
        stop = last if item.stop is None else self.whole(item.stop)
        if size is not None:
            start, stop = self.place_in(start, size, item.at), self.place_in(stop, size, item.at)
        return range(start, stop + (1 if step > 0 else -1), step)

    def place_of(self, expression: Any) -> s.Place:
        """An argument of a subroutine read as the qubits it names."""
        brackets: list[list[Any]] = []
        while isinstance(expression, s.Index):
            brackets.insert(0, expression.indexes)
            expression = expression.base
        if isinstance(expression, s.Physical) and not brackets:
            return expression
        if not isinstance(expression, s.Name):
            self.fail("Expected qubits", expression.at)
        return s.Operand(expression.name, brackets, expression.at)

    def expression_of(self, target: s.Operand) -> s.Expression:
        expression: s.Expression = s.Name(target.name, target.at)
        for bracket in target.indexes:
            expression = s.Index(expression, bracket, target.at)
        return expression

    def call(self, call: s.Call, real: bool) -> Any:
        if call.name not in classical.FUNCTIONS:
            self.fail(f"Unknown function {call.name!r}", call.at)
        return classical.function(call.name, [self.evaluate(argument, real) for argument in call.arguments])

    def _literal(self, expression: s.Literal, real: bool) -> Any:
        return expression.value

    def _name(self, expression: s.Name, real: bool) -> Any:
        meaning = self.names.find(expression.name)
        if meaning is None:
            constant = classical.CONSTANTS.get(expression.name)
            if constant is None:
                self.fail(f"{expression.name!r} is not declared", expression.at)
            return constant
        if not isinstance(meaning, Variable):
            self.fail(f"{expression.name!r} is not a value", expression.at)
        if meaning.value is None:
            self.fail(f"{expression.name!r} has no value yet", expression.at)
        self.inputs_read += meaning.role == "input"
        return meaning.value

    def _unary(self, expression: s.Unary, real: bool) -> Any:
        return classical.negate(expression.operator, self.evaluate(expression.operand, real))

    def _chain(self, expression: s.Chain, real: bool) -> Any:
        value = self.evaluate(expression.first, real)
        for sign, operand, at in expression.rest:
            if sign in ("&&", "||") and (classical.number(value) != 0) == (sign == "||"):
                value = sign == "||"
                continue
            try:
                value = classical.apply(sign, value, self.evaluate(operand, real), real)
            except Unfit as problem:
                self.fail(str(problem), at)
        return value

    def _call(self, expression: s.Call, real: bool) -> Any:
        value = self.call(expression, real)
        if value is None:
            self.fail(f"{expression.name!r} returns no value", expression.at)
        return value

    def _cast(self, expression: s.Cast, real: bool) -> Any:
        return classical.convert(self.evaluate(expression.operand, real), self.type_of(expression.type))

    def _formula(self, expression: s.Formula, real: bool) -> Any:
        return self.evaluate(expression.body, real or self.divides_really(expression))

    def _items(self, expression: s.Items, real: bool) -> Any:
        return [self.evaluate(item, real) for item in expression.items]

    def _index(self, expression: s.Index, real: bool) -> Any:
        base: s.Expression = expression
        items: list[Any] = []
        while isinstance(base, s.Index):
            items[:0] = base.indexes
            base = base.base
        width = None
        if isinstance(base, s.Name):
            meaning = self.names.find(base.name)
            if isinstance(meaning, Variable) and meaning.type.kind in ("int", "uint"):
                width = meaning.type.size
        return self._picked(self.evaluate(base, real), items, width, expression.at)

    def _picked(self, value: Any, items: list[Any], width: int | None, at: int) -> Any:
        """What indexes pick: from an array one a dimension, from bits one after the other.

        The bits of a number of ``width`` bits count from the least significant, as in the OpenQASM specification.
        """
        if not items:
            return value
        if isinstance(value, int) and not isinstance(value, bool) and width is not None:
            value = tuple([value >> place & 1 for place in range(width)])
        if not isinstance(value, list | tuple):
            self.fail("Only arrays, bits and numbers of a declared width can be indexed", at)
        chosen = self.indexes(items[0], len(value), at)
        if isinstance(chosen, int):
            return self._picked(value[chosen], items[1:], None, at)
        picked = [value[index] for index in chosen]
        if isinstance(value, tuple):
            return self._picked(tuple(picked), items[1:], None, at)
        return [self._picked(element, items[1:], None, at) for element in picked]


_EVALUATE: dict[type, Callable[[Calculator, Any, bool], Any]] = {
    s.Literal: Calculator._literal,
    s.Name: Calculator._name,
    s.Unary: Calculator._unary,
    s.Chain: Calculator._chain,
    s.Call: Calculator._call,
    s.Cast: Calculator._cast,
    s.Formula: Calculator._formula,
    s.Index: Calculator._index,
    s.Items: Calculator._items,
}
