"""Reads the arguments that subroutines declare."""

from __future__ import annotations

from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.expressions import ExpressionReader


class ParameterReader(ExpressionReader):
    """Recursive descent, as its base."""

    def parameter(self) -> s.Parameter:
        """One argument: a classical type, qubits, an array by reference, or a register as OpenQASM 2 wrote it."""
        tokens, at = self.tokens, self.tokens.at
        if tokens.text in ("readonly", "mutable"):
            return self._array_parameter(at)
        if tokens.text in ("const", "array"):
            tokens.fail("An array argument is readonly or mutable")
        if tokens.text in ("qreg", "creg"):
            return self._old_parameter(tokens.text, at)
        if tokens.take("qubit"):
            size = self.designator()
            return s.Parameter(self.name("the name of an argument"), None, size, at)
        wanted = self.type_name()
        return s.Parameter(self.name("the name of an argument"), wanted, None, at)

    def _array_parameter(self, at: int) -> s.Parameter:
        tokens = self.tokens
        access = tokens.text
        tokens.advance()
        tokens.need("array")
        tokens.need("[")
        element = self.type_name()
        tokens.need(",")
        sizes: list[s.Expression] = []
        dimensions: s.Expression | None = None
        if tokens.take("#"):
            if tokens.text != "dim":
                tokens.unexpected("'dim'")
            tokens.advance()
            tokens.need("=")
            dimensions = self.expression()
            tokens.need("]")
        else:
            sizes = self.expressions("]")
        wanted = s.TypeName("array", None, at, element, tuple(sizes))
        return s.Parameter(self.name("the name of an argument"), wanted, None, at, access, dimensions)

    def _old_parameter(self, word: str, at: int) -> s.Parameter:
        self.tokens.advance()
        name = self.name("the name of an argument")
        size = self.designator()
        return s.Parameter(name, s.TypeName("bit", size, at) if word == "creg" else None, size, at)
