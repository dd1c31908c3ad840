"""Reads runs of plain statements, as most programs mostly consist of: gates on indexed or physical qubits such as
``rx(0.3) q[0];``, and result pragmas for products of Pauli letters.

One match takes the place of ten to twenty tokens; what it cannot read is left to the grammar, which means the same.
"""

from __future__ import annotations

import math
import re
import sys

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.expressions import KEYWORDS, ExpressionReader
from braketeer.quantum.programs.tokens import LITERAL_DIGITS, Tokens

_QUBIT = r"(?:[A-Za-z_]\w*+\[[0-9]{1,6}\]|\$[0-9]{1,6}(?!\w))"
# The last branch ends a run at whatever is no such gate: without it the search would go on to the next one.
_GATE = re.compile(
    rf"[ \t\r\n]*+(([A-Za-z_]\w*+)(?:\((?:(-?[0-9.][-+0-9.eE]{{0,99}}+)|((?:[^();\"'/]|/(?![/*]))*+))\))?[ \t]++"
    rf"({_QUBIT}(?:,[ \t]*+{_QUBIT})*+));|(?s:.)"
)
_LARGEST = sys.float_info.max
_NUMBER = re.compile(r"-?[0-9.][-+0-9.eE]*+")
_ONE = r"[xyzhi]\([A-Za-z_]\w*+\[[0-9]{1,6}\]\)"
_PRODUCT = re.compile(
    rf"braket[ \t]++result[ \t]++(expectation|variance|sample)[ \t]++({_ONE}(?:[ \t]*+@[ \t]*+{_ONE})*+)[ \t\r]*+"
)
_LETTER = re.compile(r"([xyzhi])\((\w++)\[([0-9]++)\]\)")


class FlatReader:
    """Reads at places of ``source``."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._qubit_texts: set[str] = set()

    def gates(self, start: int) -> tuple[s.FlatGates, int] | None:
        """The gates from ``start`` on, and where they end; None where the first statement is no plain gate."""
        items: list[tuple[str, str, float | None, list[s.Expression] | None, str, int]] = []
        end, read, add = start, self._qubit_texts, items.append
        # Nothing between these gates changes a variable, so equal texts are equal angles.
        formulas: dict[str, list[s.Expression] | None] = {}
        for match in _GATE.finditer(self.source, start):
            text, name, number, arguments, qubits = match.groups()
            if text is None or name in KEYWORDS:
                break
            if qubits not in read:
                if not _names_qubits(qubits):
                    break
                read.add(qubits)
            value = parsed = None
            if number is not None:
                try:
                    value = float(number)
                except ValueError:
                    pass
                else:
                    value = value if -_LARGEST <= value <= _LARGEST else None
            if value is None and (written := number or arguments) is not None:
                if written not in formulas:
                    formulas[written] = self._arguments(written, match.end(2) + 1)
                parsed = formulas[written]
                if parsed is None:
                    break
            add((text, name, value, parsed, qubits, match.start(1)))
            end = match.end()
        return (s.FlatGates(items, start), end) if items else None

    def _arguments(self, text: str, start: int) -> list[s.Expression] | None:
        """The arguments in brackets that begin at ``start``; None leaves them to the grammar."""
        if text.isascii() and text.isidentifier() and text not in KEYWORDS:
            return [s.Name(text, start)]
        numbers = [_finite(part) if _NUMBER.fullmatch(part) else None for part in map(str.strip, text.split(","))]
        if None not in numbers:
            return [s.Literal(value, start) for value in numbers]
        try:
            reader = ExpressionReader(Tokens(self.source, start, start + len(text)))
            found = [reader.expression()]
            while reader.tokens.take(","):
                found.append(reader.expression())
        except ProgramError:
            return None
        return found if reader.tokens.kind == "end" else None

    def result(self, start: int, end: int) -> s.Result | None:
        """What a pragma asks for whose words stand from ``start`` to ``end``, if that is a product of letters."""
        match = _PRODUCT.fullmatch(self.source, start, end)
        if match is None:
            return None
        factors: list[s.Factor] = []
        for letter in _LETTER.finditer(self.source, *match.span(2)):
            observable, name, index = letter.groups()
            if name in KEYWORDS:
                return None
            place = s.Operand(name, [[s.Literal(int(index), letter.start(3))]], letter.start(2))
            factors.append(s.Factor(observable, [place], letter.start(1)))
        return s.Result(match[1], None, factors, (), match.start(1))


def _finite(text: str) -> float | None:
    """A number; None leaves the text to the grammar, which says what is wrong with it."""
    if len(text) > LITERAL_DIGITS:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _names_qubits(text: str) -> bool:
    return all(part.partition("[")[0].strip() not in KEYWORDS for part in text.split(","))
