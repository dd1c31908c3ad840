"""What a program consists of: expressions, operands and statements as the parser leaves them.

Trees are not changed once built (they are cached by source); ``at`` is the offset in the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from braketeer.quantum.circuit import Matrix

# --- expressions


@dataclass(slots=True)
class Literal:
    """An int, float, bool, or a bit string as a tuple of 0/1, the most significant (leftmost) first."""

    value: Any
    at: int


@dataclass(slots=True)
class Name:
    name: str
    at: int


@dataclass(slots=True)
class Unary:
    operator: str
    operand: Expression
    at: int


@dataclass(slots=True)
class Chain:
    """Operators of one rank, applied from left to right: a flat list, so that long sums need no deep stack."""

    first: Expression
    rest: list[tuple[str, Expression, int]]
    at: int


@dataclass(slots=True)
class Call:
    name: str
    arguments: list[Expression]
    at: int


@dataclass(slots=True)
class Cast:
    type: TypeName
    operand: Expression
    at: int


@dataclass(slots=True)
class Formula:
    """A whole expression that divides; ``names`` are all names in it. Where one is an input, division is real."""

    body: Expression
    names: frozenset[str]
    at: int


@dataclass(slots=True)
class Range:
    """``start : step : stop``, both ends included."""

    start: Expression | None
    step: Expression | None
    stop: Expression | None
    at: int


@dataclass(slots=True)
class Items:
    """``{a, b, ...}``: a set of indexes, or the value of an array."""

    items: list[Any]
    at: int


@dataclass(slots=True)
class Index:
    base: Expression
    indexes: list[Any]
    at: int


@dataclass(slots=True)
class TypeName:
    """A classical type: ``kind`` is int, uint, float, angle, bool, bit or array (of ``element`` with ``sizes``)."""

    kind: str
    size: Expression | None
    at: int
    element: TypeName | None = None
    sizes: tuple[Any, ...] = ()


# --- qubits and gates


@dataclass(slots=True)
class Operand:
    """Qubits (or bits) by name, indexed or whole; ``indexes`` is a list of index lists, one for each bracket."""

    name: str
    indexes: list[list[Any]]
    at: int


@dataclass(slots=True)
class Physical:
    label: int
    at: int


Place = Operand | Physical
Expression = Literal | Name | Unary | Chain | Call | Cast | Formula | Index | Items | Physical


@dataclass(slots=True)
class Modifier:
    """``kind`` is inv, pow, ctrl or negctrl; ``argument`` is the exponent or number of controls, 1 where not given."""

    kind: str
    argument: Expression
    at: int


@dataclass(slots=True)
class GateCall:
    name: str
    modifiers: list[Modifier]
    arguments: list[Expression]
    operands: list[Place]
    at: int


@dataclass(slots=True)
class FlatGates:
    """Consecutive gates on indexed or physical qubits: text, name, number, arguments, qubits, offset of each.

    Arguments of the same text are the same list.
    """

    items: list[tuple[str, str, float | None, list[Expression] | None, str, int]]
    at: int


# --- statements


@dataclass(slots=True)
class Qubits:
    name: str
    size: Expression | None
    at: int


@dataclass(slots=True)
class Declaration:
    """``role`` is var, const, input or output; ``value`` may be a Measure."""

    role: str
    type: TypeName
    name: str
    value: Any
    at: int


@dataclass(slots=True)
class Alias:
    name: str
    parts: list[Place]
    at: int


@dataclass(slots=True)
class GateDefinition:
    name: str
    parameters: list[str]
    qubits: list[str]
    body: list[Any]
    at: int


@dataclass(slots=True)
class Parameter:
    """``type`` is None for qubits, whose ``size`` is None for a single one.

    An array's ``access`` is readonly or mutable; its type has no sizes where only ``dimensions``, their number, is
    given.
    """

    name: str
    type: TypeName | None
    size: Expression | None
    at: int
    access: str = ""
    dimensions: Expression | None = None


@dataclass(slots=True)
class FunctionDefinition:
    name: str
    parameters: list[Parameter]
    result: TypeName | None
    body: list[Any]
    at: int


@dataclass(slots=True)
class Assign:
    target: Operand
    operator: str
    value: Any
    at: int


@dataclass(slots=True)
class Measure:
    """``target`` is where the bits go, None where they are not kept or are returned."""

    source: Place
    target: Operand | None
    at: int


@dataclass(slots=True)
class Reset:
    operand: Place
    at: int


@dataclass(slots=True)
class Barrier:
    """Also a ``nop``."""

    operands: list[Place]
    at: int


@dataclass(slots=True)
class For:
    type: TypeName
    name: str
    values: Range | Items | Expression
    body: list[Any]
    at: int


@dataclass(slots=True)
class While:
    condition: Expression
    body: list[Any]
    at: int


@dataclass(slots=True)
class If:
    condition: Expression
    then: list[Any]
    otherwise: list[Any]
    at: int


@dataclass(slots=True)
class Switch:
    """``cases`` are (values, body); ``default`` is None where there is none."""

    value: Expression
    cases: list[tuple[list[Expression], list[Any]]]
    default: list[Any] | None
    at: int


@dataclass(slots=True)
class Block:
    """``verbatim`` is a box behind Braket's verbatim pragma."""

    body: list[Any]
    at: int
    verbatim: bool = False


@dataclass(slots=True)
class Jump:
    """``kind`` is break, continue, return or end; ``value`` may be a Measure."""

    kind: str
    value: Expression | Measure | None
    at: int


@dataclass(slots=True)
class Evaluation:
    """An expression as a statement: a call."""

    expression: Expression
    at: int


@dataclass(slots=True)
class UnitaryGate:
    matrix: Matrix
    operands: list[Place]
    at: int


@dataclass(slots=True)
class Factor:
    """``operands`` is None for ``all``."""

    observable: str | Matrix
    operands: list[Place] | None
    at: int


@dataclass(slots=True)
class Term:
    """A factor times others in the sum of an adjoint gradient."""

    coefficient: float
    factors: list[Factor]


@dataclass(slots=True)
class Result:
    """A result pragma; ``operands`` is None for ``all`` or none named.

    ``terms`` and ``parameters`` are an adjoint gradient's; no parameters mean all of them.
    """

    kind: str
    operands: list[Place] | None
    factors: list[Factor]
    states: tuple[str, ...]
    at: int
    terms: tuple[Term, ...] = ()
    parameters: tuple[str, ...] = ()


@dataclass(slots=True)
class Noise:
    """``matrices`` are the operators of ``kraus``; other channels have ``arguments``."""

    name: str
    arguments: list[Expression]
    matrices: list[Matrix]
    operands: list[Place]
    at: int


@dataclass(slots=True)
class Include:
    at: int


Statement = Any
