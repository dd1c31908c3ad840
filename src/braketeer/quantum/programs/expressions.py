"""Reads expressions, types and the places that name qubits or bits."""

from __future__ import annotations

from typing import Any

from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.tokens import MOST_NESTING, Tokens

SCALARS = frozenset({"int", "uint", "float", "angle", "bool", "bit"})

#: Words that are no names, and what they are for where this device does not take it.
REFUSED_WORDS = {
    "complex": "Complex variables are not supported",
    "duration": "Durations are not supported",
    "stretch": "Stretches are not supported",
    "durationof": "durationof is not supported",
    "delay": "delay is not supported",
    "extern": "extern is not supported",
    "defcal": "Pulse calibrations (defcal) are not supported",
    "defcalgrammar": "Pulse calibrations (defcalgrammar) are not supported",
    "cal": "Pulse calibrations (cal) are not supported",
    "opaque": "opaque is not supported",
}
KEYWORDS = (
    SCALARS
    | frozenset(REFUSED_WORDS)
    | frozenset(
        (
            *(
                "OPENQASM",
                "pragma",
                "include",
                "qubit",
                "qreg",
                "creg",
                "array",
                "let",
                "const",
                "input",
                "output",
                "gate",
                "def",
                "mutable",
                "readonly",
            ),
            *(
                "measure",
                "reset",
                "nop",
                "barrier",
                "box",
                "for",
                "in",
                "while",
                "if",
                "else",
                "switch",
                "case",
                "default",
                "break",
            ),
            *("continue", "return", "end", "true", "false", "inv", "pow", "ctrl", "negctrl"),
        )
    )
)

_RANKS = {
    operator: rank
    for rank, operators in enumerate(
        ("||", "&&", "|", "^", "&", "== !=", "< > <= >=", "<< >>", "+ -", "* / %"),
    )
    for operator in operators.split()
}
_TRUTH = {"true": True, "false": False}


class ExpressionReader:
    """Recursive descent over ``tokens``; ``depth`` counts what is open and is bounded."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.depth = 0
        self._names: set[str] = set()
        self._divides = False

    def expression(self) -> s.Expression:
        """A whole expression: where it divides, the names in it decide how (see :class:`syntax.Formula`)."""
        at = self.tokens.at
        outside = self._names, self._divides
        self._names, self._divides = set(), False
        body = self._chain(0)
        names, divides = self._names, self._divides
        self._names, self._divides = outside
        return s.Formula(body, frozenset(names), at) if divides and names else body

    def expressions(self, closing: str) -> list[s.Expression]:
        """Expressions between commas up to the closing sign, which is passed."""
        found: list[s.Expression] = []
        while not self.tokens.take(closing):
            found.append(self.expression())
            if not self.tokens.take(","):
                self.tokens.need(closing)
                break
        return found

    def place(self) -> s.Place:
        """A qubit, register, bit: ``$3``, ``q``, ``q[0]``, ``q[0:2]``, ``q[{0, 2}]``."""
        tokens, at = self.tokens, self.tokens.at
        if tokens.kind == "physical":
            return self._physical()
        name = self.name("a qubit")
        return s.Operand(name, self._brackets(), at)

    def places(self) -> list[s.Place]:
        found = [self.place()]
        while self.tokens.take(",") and (self.tokens.kind in ("name", "physical")):
            found.append(self.place())
        return found

    def name(self, what: str) -> str:
        if self.tokens.text in KEYWORDS and self.tokens.kind == "name":
            self.tokens.unexpected(what)
        return self.tokens.need_name(what)

    def range_or_expression(self) -> s.Range | s.Expression:
        tokens, at = self.tokens, self.tokens.at
        start = None if tokens.text == ":" else self.expression()
        if start is not None and tokens.text != ":":
            return start
        tokens.need(":")
        middle = None if tokens.text in ("]", ":", ",") else self.expression()
        if not tokens.take(":"):
            return s.Range(start, None, middle, at)
        stop = None if tokens.text in ("]", ",") else self.expression()
        return s.Range(start, middle, stop, at)

    def items(self) -> s.Items:
        """``{a, b, {c, d}}``."""
        at = self.tokens.at
        self.enter()
        self.tokens.need("{")
        found: list[Any] = []
        while not self.tokens.take("}"):
            found.append(self.items() if self.tokens.text == "{" else self.expression())
            if not self.tokens.take(","):
                self.tokens.need("}")
                break
        self.leave()
        return s.Items(found, at)

    def type_name(self) -> s.TypeName:
        tokens, at = self.tokens, self.tokens.at
        kind = tokens.text
        if kind in REFUSED_WORDS:
            tokens.fail(REFUSED_WORDS[kind])
        if kind == "array":
            tokens.advance()
            tokens.need("[")
            self.enter()
            element = self.type_name()
            self.leave()
            tokens.need(",")
            return s.TypeName("array", None, at, element, tuple(self.expressions("]")))
        if kind not in SCALARS:
            tokens.unexpected("a type")
        tokens.advance()
        return s.TypeName(kind, self.designator() if kind != "bool" else None, at)

    def designator(self) -> s.Expression | None:
        if not self.tokens.take("["):
            return None
        size = self.expression()
        self.tokens.need("]")
        return size

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MOST_NESTING:
            self.tokens.fail(f"The program is nested deeper than {MOST_NESTING} levels")

    def leave(self) -> None:
        self.depth -= 1

    def _chain(self, lowest: int) -> s.Expression:
        self.enter()
        tokens = self.tokens
        left = self._unary()
        while (rank := self._rank()) >= lowest:
            at = tokens.at
            rest: list[tuple[str, s.Expression, int]] = []
            while self._rank() == rank:
                operator, place = tokens.text, tokens.at
                self._divides |= operator == "/"
                tokens.advance()
                rest.append((operator, self._chain(rank + 1), place))
            left = s.Chain(left, rest, at)
        self.leave()
        return left

    def _rank(self) -> int:
        return _RANKS.get(self.tokens.text, -1) if self.tokens.kind == "sign" else -1

    def _unary(self) -> s.Expression:
        tokens = self.tokens
        signs: list[tuple[str, int]] = []
        while tokens.kind == "sign" and tokens.text in "-~!":
            signs.append((tokens.text, tokens.at))
            if self.depth + len(signs) > MOST_NESTING:
                tokens.fail(f"The program is nested deeper than {MOST_NESTING} levels")
            tokens.advance()
        value = self._power()
        for sign, at in reversed(signs):
            value = s.Unary(sign, value, at)
        return value

    def _power(self) -> s.Expression:
        base, at = self._indexed(), self.tokens.at
        if not self.tokens.take("**"):
            return base
        self.enter()
        exponent = self._unary()
        self.leave()
        return s.Chain(base, [("**", exponent, at)], at)

    def _indexed(self) -> s.Expression:
        at = self.tokens.at
        base = self._primary()
        for indexes in self._brackets():
            base = s.Index(base, indexes, at)
        return base

    def _brackets(self) -> list[list[Any]]:
        tokens = self.tokens
        found: list[list[Any]] = []
        while tokens.take("["):
            if self.depth + len(found) > MOST_NESTING:
                tokens.fail(f"The program is nested deeper than {MOST_NESTING} levels")
            self.enter()
            if tokens.text == "{":
                indexes: list[Any] = [self.items()]
            else:
                indexes = [self.range_or_expression()]
                while tokens.take(","):
                    indexes.append(self.range_or_expression())
            tokens.need("]")
            self.leave()
            found.append(indexes)
        return found

    def _primary(self) -> s.Expression:
        tokens, at, text = self.tokens, self.tokens.at, self.tokens.text
        match tokens.kind:
            case "whole":
                return self._literal(int(text.replace("_", ""), 0 if text[:1] == "0" and text[1:2] in "xXoObB" else 10))
            case "float":
                return self._literal(float(text.replace("_", "")))
            case "text":
                return self._bits()
            case "physical":
                return self._physical()
            case "timing":
                tokens.fail("Durations are not supported")
            case "sign" if text == "(":
                tokens.advance()
                inner = self._chain(0)
                tokens.need(")")
                return inner
            case "name":
                return self._named(text, at)
        return tokens.unexpected("a value")

    def _named(self, text: str, at: int) -> s.Expression:
        tokens = self.tokens
        if text in _TRUTH:
            tokens.advance()
            return s.Literal(_TRUTH[text], at)
        if text in SCALARS:
            wanted = self.type_name()
            tokens.need("(")
            inner = self._chain(0)
            tokens.need(")")
            return s.Cast(wanted, inner, at)
        if text in REFUSED_WORDS:
            tokens.fail(REFUSED_WORDS[text])
        if text == "measure":
            tokens.fail("A measurement is assigned or returned as it stands, not part of an expression")
        if text in KEYWORDS and text != "pow":
            tokens.unexpected("a value")
        tokens.advance()
        if tokens.take("("):
            arguments: list[s.Expression] = []
            while not tokens.take(")"):
                arguments.append(self._chain(0))
                if not tokens.take(","):
                    tokens.need(")")
                    break
            return s.Call(text, arguments, at)
        self._names.add(text)
        return s.Name(text, at)

    def _literal(self, value: int | float) -> s.Literal:
        at = self.tokens.at
        end = self.tokens.next
        self.tokens.advance()
        if self.tokens.text == "im" and self.tokens.at - end <= 1:
            self.tokens.fail("Complex numbers are not supported here", at)
        return s.Literal(value, at)

    def _bits(self) -> s.Literal:
        tokens, at = self.tokens, self.tokens.at
        digits = tokens.text[1:-1].replace("_", "")
        if not digits or set(digits) - {"0", "1"}:
            tokens.fail(f"Not a string of bits: {tokens.text[:40]}")
        tokens.advance()
        return s.Literal(tuple(map(int, digits)), at)

    def _physical(self) -> s.Physical:
        tokens, at = self.tokens, self.tokens.at
        if len(tokens.text) > 10:
            tokens.fail("Physical qubits have numbers of at most nine digits")
        label = int(tokens.text[1:])
        tokens.advance()
        return s.Physical(label, at)
