"""Reads what stands behind ``#pragma braket``: results, unitaries, noise.

The notation is the one amazon-braket-sdk writes and the Amazon Braket developer guide describes.
"""

from __future__ import annotations

import math

import numpy as np

from braketeer.quantum.circuit import Matrix
from braketeer.quantum.noise import CHANNELS, JAQCD_CHANNELS
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.expressions import ExpressionReader

OBSERVABLES = frozenset("xyzhi")
OBSERVED = frozenset({"expectation", "variance", "sample"})
_ON_QUBITS = frozenset({"probability", "density_matrix"})
_MOST_OPERATORS = 256
_MOST_TERMS = 10_000
MOST_MATRIX_QUBITS = 8


class PragmaReader(ExpressionReader):
    """Reads one pragma; its ``tokens`` end with the line."""

    def pragma(self) -> s.Result | s.UnitaryGate | s.Noise | None:
        """The statement behind ``#pragma``; None for ``braket verbatim``."""
        tokens = self.tokens
        if tokens.text != "braket":
            tokens.fail(f"Unknown pragma {tokens.text[:40]!r}: only those of Braket are known")
        tokens.advance()
        begin = tokens.at
        word, at = tokens.need_name("the name of a pragma"), tokens.at
        statement: s.Result | s.UnitaryGate | s.Noise | None
        match word:
            case "result":
                statement = self._result(tokens.need_name("a result type"), at)
            case "unitary":
                statement = self._unitary_gate(at)
            case "noise":
                statement = self._noise(tokens.need_name("a noise channel"), at)
            case "verbatim":
                statement = None
            case _:
                tokens.fail(f"Unknown pragma 'braket {word[:40]}'", begin)
        if tokens.kind != "end":
            tokens.unexpected("the end of the pragma")
        return statement

    def _result(self, kind: str, at: int) -> s.Result:
        tokens = self.tokens
        if kind == "state_vector":
            return s.Result(kind, None, [], (), at)
        if kind in _ON_QUBITS:
            if tokens.kind == "end" or tokens.take("all"):
                return s.Result(kind, None, [], (), at)
            return s.Result(kind, self.places(), [], (), at)
        if kind == "amplitude":
            return s.Result(kind, None, [], self._states(), at)
        if kind in OBSERVED:
            return s.Result(kind, None, self._factors(), (), at)
        if kind == "adjoint_gradient":
            return self._adjoint_gradient(at)
        return tokens.fail(f"Unknown result type {kind[:40]!r}", at)

    def _adjoint_gradient(self, at: int) -> s.Result:
        """``expectation(2 * x(q[0]) @ y(q[1]) - z(q[1])) a, b``, or ``all`` or nothing for all inputs."""
        tokens = self.tokens
        tokens.need("expectation")
        tokens.need("(")
        terms = [self._term(-1.0 if tokens.take("-") else 1.0)]
        while tokens.text in ("+", "-") and tokens.kind == "sign":
            sign = -1.0 if tokens.text == "-" else 1.0
            tokens.advance()
            terms.append(self._term(-sign if tokens.take("-") else sign))
            if len(terms) > _MOST_TERMS:
                tokens.fail(f"The observable of an adjoint gradient has more than {_MOST_TERMS} terms")
        tokens.need(")")
        names: list[str] = []
        if tokens.kind != "end" and not tokens.take("all"):
            names.append(self.name("the name of an input"))
            while tokens.take(","):
                names.append(self.name("the name of an input"))
        return s.Result("adjoint_gradient", None, [], (), at, tuple(terms), tuple(names))

    def _term(self, sign: float) -> s.Term:
        tokens = self.tokens
        coefficient = sign
        if tokens.kind in ("whole", "float"):
            coefficient = sign * self._number()
            if not math.isfinite(coefficient):
                tokens.fail("Numbers must be finite")
            tokens.need("*")
        begin = tokens.at
        factors = self._factors()
        if any(factor.operands is None for factor in factors):
            tokens.fail("An adjoint gradient needs the qubits of each observable", begin)
        return s.Term(coefficient, factors)

    def _states(self) -> tuple[str, ...]:
        tokens = self.tokens
        states: list[str] = []
        while True:
            state = tokens.text[1:-1]
            if tokens.kind != "text" or not state or set(state) - {"0", "1"}:
                tokens.unexpected('a state such as "01"')
            states.append(state)
            tokens.advance()
            if not tokens.take(","):
                return tuple(states)

    def _factors(self) -> list[s.Factor]:
        factors = [self._factor()]
        while self.tokens.take("@"):
            factors.append(self._factor())
        if len(factors) > 1 and any(factor.operands is None for factor in factors):
            self.tokens.fail("A product of observables needs the qubits of each", factors[0].at)
        return factors

    def _factor(self) -> s.Factor:
        tokens, at = self.tokens, self.tokens.at
        if tokens.kind in ("whole", "float") or tokens.text == "-":
            tokens.fail("Observables with coefficients are not supported here")
        name = tokens.need_name("an observable")
        if name == "hermitian":
            tokens.need("(")
            matrix = self._matrix()
            tokens.need(")")
            if not np.allclose(matrix, matrix.conj().T, atol=1e-8):
                tokens.fail("The matrix of an observable must be Hermitian", at)
            return s.Factor(matrix, self._targets(), at)
        if name not in OBSERVABLES:
            tokens.fail(f"Unknown observable {name[:40]!r}", at)
        if tokens.kind == "end" or tokens.take("all"):
            return s.Factor(name, None, at)
        tokens.need("(")
        place = self.place()
        tokens.need(")")
        return s.Factor(name, [place], at)

    def _targets(self) -> list[s.Place] | None:
        return None if self.tokens.kind == "end" or self.tokens.take("all") else self.places()

    def _unitary_gate(self, at: int) -> s.UnitaryGate:
        tokens = self.tokens
        tokens.need("(")
        matrix = self._matrix()
        tokens.need(")")
        if not np.allclose(matrix @ matrix.conj().T, np.eye(len(matrix)), atol=1e-5):
            tokens.fail("The matrix of a unitary pragma must be unitary", at)
        return s.UnitaryGate(matrix, self.places(), at)

    def _noise(self, name: str, at: int) -> s.Noise:
        tokens = self.tokens
        if name == "kraus":
            tokens.need("(")
            matrices = [self._matrix()]
            while tokens.take(","):
                matrices.append(self._matrix())
                if len(matrices) > _MOST_OPERATORS:
                    tokens.fail(f"A channel has at most {_MOST_OPERATORS} Kraus operators")
            tokens.need(")")
            return s.Noise(name, [], matrices, self.places(), at)
        if name in JAQCD_CHANNELS:
            tokens.fail(f"The noise {name} has no pragma: only JAQCD programs have it", at)
        if name not in CHANNELS:
            tokens.fail(f"Unknown noise channel {name[:40]!r}", at)
        tokens.need("(")
        return s.Noise(name, self.expressions(")"), [], self.places(), at)

    def _matrix(self) -> Matrix:
        """``[[a, b], [c, d]]`` of complex numbers; square, of 2^k rows."""
        tokens, at = self.tokens, self.tokens.at
        tokens.need("[")
        rows = [self._row()]
        while tokens.take(","):
            rows.append(self._row())
        tokens.need("]")
        size = len(rows)
        if any(len(row) != size for row in rows):
            tokens.fail("The matrix is not square", at)
        if size < 2 or size & (size - 1) or size > 1 << MOST_MATRIX_QUBITS:
            tokens.fail(f"A matrix acts on 1 to {MOST_MATRIX_QUBITS} qubits and has 2, 4, 8 ... rows, not {size}", at)
        return np.array(rows, dtype=np.complex128)

    def _row(self) -> list[complex]:
        tokens = self.tokens
        tokens.need("[")
        row = [self._complex()]
        while tokens.take(","):
            row.append(self._complex())
            if len(row) > 1 << MOST_MATRIX_QUBITS:
                tokens.fail(f"A matrix acts on at most {MOST_MATRIX_QUBITS} qubits")
        tokens.need("]")
        return row

    def _complex(self) -> complex:
        """``1``, ``-2.5im``, ``1e-7-2im``, ``0+-1im``."""
        value, imaginary = self._part(-1 if self.tokens.take("-") else 1)
        if imaginary:
            return complex(0, value)
        sign = 1 if self.tokens.take("+") else -1 if self.tokens.take("-") else 0
        if not sign:
            return complex(value, 0)
        if self.tokens.take("-"):
            sign = -sign
        second, imaginary = self._part(sign)
        if not imaginary:
            self.tokens.fail("Expected an imaginary part such as 2im")
        return complex(value, second)

    def _part(self, sign: int) -> tuple[float, bool]:
        tokens = self.tokens
        if tokens.kind not in ("whole", "float"):
            tokens.unexpected("a number")
        literal = self._number()
        if not math.isfinite(literal):
            tokens.fail("Numbers must be finite")
        return sign * literal, tokens.take("im")

    def _number(self) -> float:
        tokens = self.tokens
        text = tokens.text.replace("_", "")
        value = float(text) if tokens.kind == "float" or text[1:2] not in "xXoObB" or len(text) == 1 else int(text, 0)
        tokens.advance()
        return float(value)
