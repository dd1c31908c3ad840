"""Angles that are formulas of inputs: what names are in them, and a quick way to work out the plain ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import add, itemgetter, mul, sub, truediv
from typing import Any

from braketeer.quantum.programs import syntax as s


def names_in(expression: Any) -> Iterator[str | None]:
    """The names in an expression, those of functions too; None for what is not plain arithmetic."""
    match expression:
        case s.Literal():
            return
        case s.Name():
            yield expression.name
        case s.Formula():
            yield from names_in(expression.body)
        case s.Unary():
            yield from names_in(expression.operand)
        case s.Chain():
            yield from names_in(expression.first)
            for _, operand, _ in expression.rest:
                yield from names_in(operand)
        case s.Call():
            yield expression.name
            for argument in expression.arguments:
                yield from names_in(argument)
        case _:
            yield None


Arithmetic = Callable[[Mapping[str, Any]], Any]

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {"+": add, "-": sub, "*": mul, "/": truediv}
_LARGEST_WHOLE = 1 << 53


def arithmetic(expression: Any, divides: bool = False) -> Arithmetic | None:
    """What works out an angle from inputs of type float, quickly and with the same outcome as
    :class:`~braketeer.quantum.programs.calculator.Calculator`; None where it is not plain enough.

    Plain are sums, products and quotients by numbers: nothing in them that overflows can come out finite again.
    ``divides`` says that it stands in a formula of inputs, where division is real.
    """
    match expression:
        case s.Literal(value=value) if _is_plain(value):
            return lambda inputs: value
        case s.Name(name=name):
            return itemgetter(name)
        case s.Formula():
            return arithmetic(expression.body, True)
        case s.Unary(operator="-"):
            inner = arithmetic(expression.operand, divides)
            return None if inner is None else lambda inputs: -inner(inputs)
        case s.Chain():
            return _chain(expression, divides)
    return None


def _is_plain(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < _LARGEST_WHOLE)


def _chain(chain: s.Chain, divides: bool) -> Arithmetic | None:
    first = arithmetic(chain.first, divides)
    steps: list[tuple[Callable[[Any, Any], Any], Arithmetic]] = []
    for sign, operand, _ in chain.rest:
        step = arithmetic(operand, divides)
        if step is None or sign not in _OPERATORS:
            return None
        if sign == "/" and not (divides and isinstance(operand, s.Literal)):
            return None
        steps.append((_OPERATORS[sign], step))
    if first is None:
        return None
    if len(steps) == 1:
        ((apply, other),) = steps
        return lambda inputs: apply(first(inputs), other(inputs))

    def whole(inputs: Mapping[str, Any]) -> Any:
        value = first(inputs)
        for apply, step in steps:
            value = apply(value, step(inputs))
        return value

    return whole
