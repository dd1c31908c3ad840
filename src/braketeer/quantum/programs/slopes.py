"""Numbers that know how they move with the inputs of a program: forward differentiation of its arithmetic.

They are floats, so that everything else takes them as numbers; what has no rule here gives plain floats, whose slope
is 0 (rounding to whole numbers, comparisons).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any


class Slope(float):
    """A float with ``by``, its derivative by each input it depends on."""

    __slots__ = ("by",)
    by: dict[str, float]

    def __new__(cls, value: float, by: dict[str, float]) -> Slope:
        made = super().__new__(cls, value)
        made.by = by
        return made

    def scaled(self, value: float, factor: float) -> Slope:
        """``value``, a function of this number with the derivative ``factor``."""
        return Slope(value, {name: factor * slope for name, slope in self.by.items()})

    def __add__(self, other: Any) -> Any:
        return _combined(float.__add__(self, other), self, 1.0, other, 1.0)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _combined(float.__sub__(self, other), self, 1.0, other, -1.0)

    def __rsub__(self, other: Any) -> Any:
        return _combined(float.__rsub__(self, other), self, -1.0, other, 1.0)

    def __mul__(self, other: Any) -> Any:
        return _combined(float.__mul__(self, other), self, float(other), other, float(self))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        quotient = float.__truediv__(self, other)
        return _combined(quotient, self, 1 / other, other, -quotient / other)

    def __rtruediv__(self, other: Any) -> Any:
        quotient = float.__rtruediv__(self, other)
        return self.scaled(quotient, -quotient / float(self))

    def __pow__(self, other: Any, modulus: None = None) -> Any:
        return _power(self, other)

    def __rpow__(self, other: Any, modulus: None = None) -> Any:
        return _power(other, self)

    def __neg__(self) -> Slope:
        return self.scaled(float.__neg__(self), -1.0)


def _combined(value: float, one: Slope, factor: float, other: Any, other_factor: float) -> Slope:
    by = {name: factor * slope for name, slope in one.by.items()}
    if isinstance(other, Slope):
        for name, slope in other.by.items():
            by[name] = by.get(name, 0.0) + other_factor * slope
    return Slope(value, by)


def _power(base: Any, exponent: Any) -> Any:
    """May raise what ``**`` of floats raises; a power that is not real comes out complex, as there."""
    value = float(base) ** float(exponent)
    if isinstance(value, complex):
        return value
    by: dict[str, float] = {}
    if isinstance(base, Slope) and exponent:
        factor = float(exponent) * float(base) ** (float(exponent) - 1)
        by = {name: factor * slope for name, slope in base.by.items()}
    if isinstance(exponent, Slope) and base > 0:
        factor = value * math.log(base)
        for name, slope in exponent.by.items():
            by[name] = by.get(name, 0.0) + factor * slope
    return Slope(value, by)


#: Derivatives of the language's functions of one real number.
DERIVATIVES: Mapping[Callable[[float], float | int], Callable[[float], float]] = {
    math.sin: math.cos,
    math.cos: lambda x: -math.sin(x),
    math.tan: lambda x: 1 + math.tan(x) ** 2,
    math.asin: lambda x: 1 / math.sqrt(1 - x * x),
    math.acos: lambda x: -1 / math.sqrt(1 - x * x),
    math.atan: lambda x: 1 / (1 + x * x),
    math.exp: math.exp,
    math.log: lambda x: 1 / x,
    math.sqrt: lambda x: 0.5 / math.sqrt(x),
}
