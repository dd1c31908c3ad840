"""Classical values: types, conversions, operators, functions.

Values are int, float, bool, a tuple of bits (the leftmost first) or a list (an array); a bit may be an
:class:`~braketeer.quantum.programs.outcomes.MeasuredBit` nobody has looked at, which arithmetic does. What cannot be
done raises :class:`Unfit`, to which the machine adds the place.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from braketeer.quantum.programs.outcomes import MeasuredBit, looked
from braketeer.quantum.programs.slopes import DERIVATIVES, Slope

MOST_BITS = 4096
MOST_WIDTH = 128
MOST_ELEMENTS = 100_000
_MOST_WHOLE = 1 << MOST_WIDTH


class Unfit(Exception):
    """A value that does not fit, and why."""


@dataclass(frozen=True, slots=True)
class Type:
    """``kind`` is int, uint, float, angle, bool, bit or array; ``size`` is the width where one is given.

    An array has ``sizes`` and the type of its ``element``.
    """

    kind: str
    size: int | None = None
    element: Type | None = None
    sizes: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.kind if self.size is None else f"{self.kind}[{self.size}]"


def convert(value: Any, wanted: Type) -> Any:
    """The value as the type holds it. Whole numbers wrap at their width, floats are cut to whole numbers, angles are
    taken modulo 2 pi, as the OpenQASM 3 specification has it; a float's width is not imitated."""
    match wanted.kind:
        case "array":
            return _array(value, wanted, wanted.sizes)
        case "bit":
            return _bits(value, wanted.size)
        case "bool":
            return number(value) != 0
        case "int" | "uint":
            return _whole(number(value), wanted)
        case "float":
            return finite(number(value))
        case _:
            angle = finite(number(value))
            turned = math.fmod(math.fmod(angle, math.tau) + math.tau, math.tau)
            return angle.scaled(turned, 1.0) if isinstance(angle, Slope) else turned


def zeros(wanted: Type) -> Any:
    """What an array holds before the first assignment: zeros of its elements' type."""
    if wanted.element is None:
        return (0,) * wanted.size if wanted.kind == "bit" and wanted.size is not None else convert(0, wanted)
    rest = wanted.sizes[1:]
    inner = Type("array", None, wanted.element, rest) if rest else wanted.element
    return [zeros(inner) for _ in range(wanted.sizes[0])]


def from_input(value: Any, wanted: Type) -> Any:
    """The value of an input as it came from JSON. Nothing is guessed: a text is no number, 0.5 is no int."""
    if type(value) is float and wanted.kind == "float" and math.isfinite(value):
        return value
    match wanted.kind:
        case "array":
            if not isinstance(value, list | tuple):
                raise Unfit("expected a list")
            return _array(list(value), wanted, wanted.sizes)
        case "bit" if isinstance(value, str) and value and not set(value) - {"0", "1"}:
            return _bits(tuple(map(int, value)), wanted.size)
        case "bool" if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
            return bool(value)
        case "int" | "uint" | "bit" if _is_whole(value):
            return convert(int(value), wanted)
        case "float" | "angle" if isinstance(value, int | float) and not isinstance(value, bool):
            return convert(value, wanted)
    raise Unfit(f"expected a value of type {wanted}")


def number(value: Any) -> int | float:
    """A value that arithmetic takes; bits count as an unsigned number."""
    if type(value) is float or type(value) is int:
        return value
    if isinstance(value, Slope):
        return value
    if isinstance(value, MeasuredBit):
        return value.look()
    if isinstance(value, tuple):
        return int("".join([str(looked(bit)) for bit in value]), 2)
    if isinstance(value, list):
        raise Unfit("An array is not a number")
    return int(value)


def finite(value: int | float) -> float:
    try:
        result = value if isinstance(value, Slope) else float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise Unfit("The value is not a finite number")
    return result


def apply(sign: str, left: Any, right: Any, real: bool) -> Any:
    """``left sign right``. ``real`` makes ``/`` between whole numbers real; else it cuts towards zero."""
    a, b = number(left), number(right)
    if sign == "/":
        return _divide(a, b, real)
    if sign in _COMPARISONS:
        return _COMPARISONS[sign](a, b)
    if sign in _BITWISE:
        return _bitwise(sign, a, b)
    try:
        return _bounded(_ARITHMETIC[sign](a, b))
    except OverflowError:  # a whole number beyond all floats met a float
        raise Unfit("The value is not a finite number") from None


def negate(sign: str, value: Any) -> Any:
    if sign == "!":
        return number(value) == 0
    if sign == "-":
        return -number(value)
    if isinstance(value, tuple):
        return tuple([1 - looked(bit) for bit in value])
    if isinstance(value, float):
        raise Unfit("~ needs a whole number")
    return ~int(number(value))


def function(name: str, values: list[Any]) -> Any:
    """A built-in function of the language. Raises KeyError where there is none of this name."""
    count, compute = _FUNCTIONS[name]
    if len(values) != count and not (name == "sizeof" and len(values) == 2):
        raise Unfit(f"{name} takes {count} argument{'s' * (count > 1)}, not {len(values)}")
    return compute(*values)


def _divide(a: int | float, b: int | float, real: bool) -> int | float:
    if b == 0:
        raise Unfit("Division by zero")
    if isinstance(a, int) and isinstance(b, int) and not real:
        quotient = abs(a) // abs(b)
        return quotient if (a < 0) == (b < 0) else -quotient
    try:
        return finite(a / b)
    except OverflowError:
        raise Unfit("The value is not a finite number") from None


def _remainder(a: int | float, b: int | float) -> int | float:
    """What the division that cuts towards zero leaves."""
    if b == 0:
        raise Unfit("Division by zero")
    if isinstance(a, int) and isinstance(b, int):
        return a - b * int(_divide(a, b, real=False))
    rest = math.fmod(finite(a), finite(b))
    return a.scaled(rest, 1.0) if isinstance(a, Slope) else rest


def _power(a: int | float, b: int | float) -> int | float:
    if isinstance(a, int) and isinstance(b, int) and b >= 0:
        if abs(a) > 1 and b > MOST_WIDTH:
            raise Unfit(f"Whole numbers have at most {MOST_WIDTH} bits")
        return a if b % 2 and abs(a) == 1 else int(a**b) if abs(a) > 1 or b < 2 else abs(a)
    try:
        result = finite(a) ** finite(b)
    except ZeroDivisionError:
        raise Unfit("Division by zero") from None
    except OverflowError:
        raise Unfit("The value is not a finite number") from None
    if isinstance(result, complex):
        raise Unfit("The power of a negative number is not real")
    return finite(result)


def _bounded(value: int | float) -> int | float:
    if isinstance(value, int):
        if not -_MOST_WHOLE < value < _MOST_WHOLE:
            raise Unfit(f"Whole numbers have at most {MOST_WIDTH} bits")
        return value
    return finite(value)


def _bitwise(sign: str, a: int | float, b: int | float) -> int:
    if not isinstance(a, int) or not isinstance(b, int):
        raise Unfit(f"{sign} needs whole numbers")
    if sign in ("<<", ">>") and not 0 <= b <= MOST_WIDTH:
        raise Unfit(f"A shift is by 0 to {MOST_WIDTH} bits")
    return int(_bounded(_BITWISE[sign](a, b)))


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _whole(value: int | float, wanted: Type) -> int:
    if isinstance(value, float):
        value = int(finite(value))
    whole = int(_bounded(value))
    if wanted.kind == "uint":
        if wanted.size is None:
            if whole < 0:
                raise Unfit("A uint cannot be negative")
            return whole
        return whole % (1 << wanted.size)
    if wanted.size is None:
        return whole
    half = 1 << (wanted.size - 1)
    return (whole + half) % (2 * half) - half


def _bits(value: Any, size: int | None) -> Any:
    if size is None:
        if isinstance(value, tuple):
            if len(value) != 1:
                raise Unfit(f"{len(value)} bits do not fit in one")
            return value[0]
        return value if isinstance(value, MeasuredBit) else int(number(value) != 0)
    if isinstance(value, MeasuredBit) and size == 1:
        return (value,)
    if isinstance(value, tuple):
        if len(value) != size:
            raise Unfit(f"{len(value)} bits do not fit in bit[{size}]")
        return value
    whole = number(value)
    if not isinstance(whole, int) or not 0 <= whole < 1 << size:
        raise Unfit(f"The value does not fit in bit[{size}]")
    return tuple(map(int, format(whole, f"0{size}b")))


def _array(value: Any, wanted: Type, sizes: tuple[int, ...]) -> Any:
    if not sizes:
        if isinstance(value, list) or wanted.element is None:
            raise Unfit("The array has too many dimensions")
        return convert(value, wanted.element)
    if not isinstance(value, list) or len(value) != sizes[0]:
        raise Unfit(f"Expected {sizes[0]} elements in an array")
    return [_array(element, wanted, sizes[1:]) for element in value]


def _popcount(value: Any) -> int:
    whole = number(value)
    if not isinstance(whole, int) or whole < 0:
        raise Unfit("popcount needs bits or a whole number that is not negative")
    return whole.bit_count()


def _sizeof(value: Any, dimension: Any = 0) -> int:
    depth = number(dimension)
    while isinstance(value, list | tuple):
        if depth == 0:
            return len(value)
        depth -= 1
        value = value[0]
    raise Unfit("sizeof needs an array that has this dimension")


def _real(compute: Callable[[float], float | int]) -> Callable[[Any], float | int]:
    def guarded(value: Any) -> float | int:
        argument = finite(number(value))
        try:
            result = _bounded(compute(argument))
            if isinstance(argument, Slope) and compute in DERIVATIVES:
                return argument.scaled(result, finite(DERIVATIVES[compute](argument)))
            return result
        except (ValueError, OverflowError, ZeroDivisionError):
            raise Unfit(f"The function is not defined at {argument:g}") from None

    return guarded


_ARITHMETIC: Mapping[str, Callable[[Any, Any], int | float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "%": _remainder,
    "**": _power,
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "&&": lambda a, b: bool(a) and bool(b),
    "||": lambda a, b: bool(a) or bool(b),
}
_BITWISE: Mapping[str, Callable[[int, int], int]] = {
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "sin": (1, _real(math.sin)),
    "cos": (1, _real(math.cos)),
    "tan": (1, _real(math.tan)),
    "arcsin": (1, _real(math.asin)),
    "arccos": (1, _real(math.acos)),
    "arctan": (1, _real(math.atan)),
    "exp": (1, _real(math.exp)),
    "log": (1, _real(math.log)),
    "sqrt": (1, _real(math.sqrt)),
    "ceiling": (1, _real(math.ceil)),
    "floor": (1, _real(math.floor)),
    "mod": (2, lambda a, b: _bounded(_remainder(number(a), number(b)))),
    "pow": (2, lambda a, b: _bounded(_power(number(a), number(b)))),
    "popcount": (1, _popcount),
    "sizeof": (1, _sizeof),
}

CONSTANTS: Mapping[str, float] = {
    "pi": math.pi,
    "π": math.pi,
    "tau": math.tau,
    "τ": math.tau,
    "euler": math.e,
    "ℇ": math.e,
}
FUNCTIONS = frozenset(_FUNCTIONS)
