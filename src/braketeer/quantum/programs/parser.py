"""Reads a program: OpenQASM 3 as Amazon Braket writes it.

Grammar: the OpenQASM 3 specification (openqasm.com). What no statement of ours stands for is refused by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.expressions import KEYWORDS, REFUSED_WORDS, SCALARS
from braketeer.quantum.programs.flat_gates import FlatReader
from braketeer.quantum.programs.parameters import ParameterReader
from braketeer.quantum.programs.pragmas import PragmaReader
from braketeer.quantum.programs.tokens import TOO_DEEP, Tokens

_ASSIGNS = frozenset({"=", "+=", "-=", "*=", "/=", "%=", "**=", "&=", "|=", "^=", "<<=", ">>="})
_MODIFIERS = frozenset({"inv", "pow", "ctrl", "negctrl"})
_IN_GATES = frozenset({"for", "barrier", "nop", *_MODIFIERS})


def parse(source: str, *, flat: bool = True) -> list[s.Statement]:
    """The statements of a program. ``flat`` allows the short cut for plain gate statements; the outcome means the same.

    Raises ProgramError with line and column.
    """
    parser = _Parser(source, flat)
    try:
        return parser.program()
    except RecursionError:  # where the caller has left little of the stack
        parser.tokens.fail(TOO_DEEP)


class _Parser(ParameterReader):
    def __init__(self, source: str, flat: bool) -> None:
        super().__init__(Tokens(source))
        self.source = source
        self.flat = flat
        self._in_gate = False
        self._verbatim = False  # the next box is
        self._reader = FlatReader(source)

    def program(self) -> list[s.Statement]:
        tokens = self.tokens
        if tokens.text == "OPENQASM":
            self._version()
        statements: list[s.Statement] = []
        while tokens.kind != "end":
            if self.flat and tokens.kind == "name" and (gates := self._flat_gates()):
                statements.append(gates)
            elif (statement := self.statement()) is not None:
                statements.append(statement)
        return statements

    def statement(self) -> s.Statement | None:
        """The next statement; None where it says nothing to do."""
        tokens, at, text = self.tokens, self.tokens.at, self.tokens.text
        if tokens.kind == "pragma":
            return self._pragma()
        if tokens.kind == "sign":
            match text:
                case ";":
                    tokens.advance()
                    return None
                case "{":
                    return s.Block(self._block(), at)
                case "@":
                    end = self.source.find("\n", at)
                    tokens.jump(len(self.source) if end < 0 else end)
                    return None
        if tokens.kind == "physical":
            tokens.unexpected("a statement")
        if tokens.kind != "name":
            return self._expression_statement()
        if text not in KEYWORDS:
            return self._named_statement(text, at)
        if text in REFUSED_WORDS:
            tokens.fail(REFUSED_WORDS[text])
        if self._in_gate and text not in _IN_GATES:
            tokens.fail(f"{text!r} is not allowed inside a gate definition")
        if text in _MODIFIERS:
            return self._gate_call()
        if (text in SCALARS or text == "array") and not self._is_cast():
            return self._declaration("var", at)
        read = _STATEMENTS.get(text)
        if read is None:
            return self._expression_statement()
        tokens.advance()
        return read(self, at)

    def _flat_gates(self) -> s.FlatGates | None:
        found = self._reader.gates(self.tokens.at)
        if found is None:
            return None
        gates, end = found
        self.tokens.jump(end)
        return gates

    def _version(self) -> None:
        tokens = self.tokens
        tokens.advance()
        if tokens.kind not in ("whole", "float"):
            tokens.unexpected("a version number")
        if tokens.text not in ("3", "3.0", "3.1"):
            tokens.fail(f"OpenQASM {tokens.text} is not supported: this device takes OpenQASM 3")
        tokens.advance()
        tokens.need(";")

    def _pragma(self) -> s.Statement | None:
        tokens = self.tokens
        start = tokens.next
        end = self.source.find("\n", start)
        end = len(self.source) if end < 0 else end
        plain = self._reader.result(start, end) if self.flat else None
        statement = plain or PragmaReader(Tokens(self.source, start, end)).pragma()
        if isinstance(statement, s.Result) and self.depth:
            tokens.fail("Result types are asked for outside all blocks")
        tokens.jump(end)
        if statement is None:
            if tokens.text != "box":
                tokens.unexpected("a box after the verbatim pragma")
            self._verbatim = True
        return statement

    def _named_statement(self, name: str, at: int) -> s.Statement:
        """A gate call, an assignment or a call, all of which begin with a name of the program's own."""
        tokens = self.tokens
        tokens.advance()
        if tokens.kind == "sign" and (tokens.text in _ASSIGNS or tokens.text == "["):
            return self._assignment(s.Operand(name, self._brackets(), at))
        if tokens.kind == "sign" and tokens.text != "(":
            tokens.jump(at)
            return self._expression_statement()
        return self._gate_or_call(name, [], at)

    def _gate_call(self) -> s.Statement:
        tokens = self.tokens
        modifiers: list[s.Modifier] = []
        while tokens.text in _MODIFIERS and tokens.kind == "name":
            kind, at = tokens.text, tokens.at
            tokens.advance()
            argument: s.Expression = s.Literal(1, at)
            if kind != "inv" and tokens.take("("):
                argument = self.expression()
                tokens.need(")")
            elif kind == "pow":
                tokens.unexpected("'('")
            tokens.need("@")
            modifiers.append(s.Modifier(kind, argument, at))
            if len(modifiers) > 1_000:
                tokens.fail("More than 1000 modifiers on one gate")
        at = tokens.at
        return self._gate_or_call(self.name("a gate"), modifiers, at)

    def _gate_or_call(self, name: str, modifiers: list[s.Modifier], at: int) -> s.Statement:
        tokens = self.tokens
        bracketed = tokens.take("(")
        arguments = self.expressions(")") if bracketed else []
        if tokens.text in (";", "[") or tokens.kind == "end":
            if name == "gphase" or modifiers:
                tokens.need(";")
                return s.GateCall(name, modifiers, arguments, [], at)
            if bracketed:
                tokens.need(";")
                return s.Evaluation(s.Call(name, arguments, at), at)
        operands = self.places()
        tokens.need(";")
        return s.GateCall(name, modifiers, arguments, operands, at)

    def _assignment(self, target: s.Operand) -> s.Assign | s.Measure:
        tokens = self.tokens
        self._outside_gates(target.at)
        operator = tokens.text
        if tokens.kind != "sign" or operator not in _ASSIGNS:
            tokens.unexpected("'='")
        tokens.advance()
        if tokens.text == "measure" and operator == "=":
            measurement = self._measured(target)
            tokens.need(";")
            return measurement
        value = self.expression()
        tokens.need(";")
        return s.Assign(target, operator[:-1], value, target.at)

    def _measured(self, target: s.Operand | None) -> s.Measure:
        """``measure q`` as a value, for ``target``."""
        at = self.tokens.at
        self.tokens.need("measure")
        return s.Measure(self.place(), target, at)

    def _expression_statement(self) -> s.Evaluation:
        at = self.tokens.at
        self._outside_gates(at)
        expression = self.expression()
        self.tokens.need(";")
        return s.Evaluation(expression, at)

    def _outside_gates(self, at: int) -> None:
        if self._in_gate:
            self.tokens.fail("A gate definition may only call gates", at)

    def _is_cast(self) -> bool:
        """Whether a type begins an expression such as ``int(x);`` rather than a declaration."""
        return self.source[self.tokens.next : self.tokens.next + 2].lstrip().startswith("(")

    def _declaration(self, role: str, at: int) -> s.Declaration:
        tokens = self.tokens
        wanted = self.type_name()
        name = self.name("a name")
        value: Any = None
        if role in ("var", "const") and tokens.take("="):
            if tokens.text == "measure":
                value = self._measured(s.Operand(name, [], at))
            else:
                value = self.items() if tokens.text == "{" else self.expression()
        elif role == "const":
            tokens.unexpected("'='")
        tokens.need(";")
        return s.Declaration(role, wanted, name, value, at)

    def _block(self, *, plain: bool = False) -> list[s.Statement]:
        """``plain`` says that what is inside is as plain as what is outside: a box, most often full of gates."""
        tokens = self.tokens
        self.enter()
        tokens.need("{")
        body: list[s.Statement] = []
        flat = self.flat and plain and self.depth == 1
        while not tokens.take("}"):
            if tokens.kind == "end":
                tokens.unexpected("'}'")
            if flat and tokens.kind == "name" and (gates := self._flat_gates()):
                body.append(gates)
            elif (statement := self.statement()) is not None:
                body.append(statement)
        self.leave()
        return body

    def _body(self) -> list[s.Statement]:
        """A block, or one statement without braces."""
        if self.tokens.text == "{":
            return self._block()
        if self.tokens.text == ";":
            self.tokens.unexpected("a statement")
        self.enter()
        statement = self.statement()
        self.leave()
        return [] if statement is None else [statement]

    # --- one reader for each word that begins a statement; the word itself is passed

    def _include(self, at: int) -> s.Include:
        tokens = self.tokens
        if tokens.kind != "text":
            tokens.unexpected("the name of a file in quotes")
        if tokens.text[1:-1] != "stdgates.inc":
            tokens.fail(f"Only stdgates.inc can be included, not {tokens.text[:60]}")
        tokens.advance()
        tokens.need(";")
        return s.Include(at)

    def _qubits(self, at: int) -> s.Qubits:
        size = self.designator()
        name = self.name("the name of the qubits")
        self.tokens.need(";")
        return s.Qubits(name, size, at)

    def _qreg(self, at: int) -> s.Qubits:
        name = self.name("the name of the qubits")
        size = self.designator()
        self.tokens.need(";")
        return s.Qubits(name, size, at)

    def _creg(self, at: int) -> s.Declaration:
        name = self.name("the name of the bits")
        size = self.designator()
        self.tokens.need(";")
        return s.Declaration("var", s.TypeName("bit", size, at), name, None, at)

    def _alias(self, at: int) -> s.Alias:
        name = self.name("a name")
        self.tokens.need("=")
        parts = [self.place()]
        while self.tokens.take("++"):
            parts.append(self.place())
        self.tokens.need(";")
        return s.Alias(name, parts, at)

    def _const(self, at: int) -> s.Declaration:
        return self._declaration("const", at)

    def _input(self, at: int) -> s.Declaration:
        if self.depth:
            self.tokens.fail("Inputs are declared outside all blocks", at)
        return self._declaration("input", at)

    def _output(self, at: int) -> s.Declaration:
        if self.depth:
            self.tokens.fail("Output variables are declared outside all blocks", at)
        return self._declaration("output", at)

    def _gate(self, at: int) -> s.GateDefinition:
        tokens = self.tokens
        if self.depth:
            tokens.fail("Gates are defined outside all blocks", at)
        name = self.name("the name of the gate")
        parameters = self._names_up_to(")") if tokens.take("(") else []
        qubits = self._names_up_to("{")
        if not qubits:
            tokens.unexpected("the qubits of the gate")
        if len(set(parameters + qubits)) != len(parameters) + len(qubits):
            tokens.fail(f"The gate {name!r} has two arguments of one name", at)
        self._in_gate = True
        body = self._block()
        self._in_gate = False
        return s.GateDefinition(name, parameters, qubits, body, at)

    def _names_up_to(self, closing: str) -> list[str]:
        tokens = self.tokens
        names: list[str] = []
        while tokens.text != closing:
            names.append(self.name("the name of an argument"))
            if not tokens.take(","):
                break
        if closing == ")":
            tokens.need(")")
        return names

    def _def(self, at: int) -> s.FunctionDefinition:
        tokens = self.tokens
        if self.depth:
            tokens.fail("Subroutines are defined outside all blocks", at)
        name = self.name("the name of the subroutine")
        tokens.need("(")
        parameters: list[s.Parameter] = []
        while not tokens.take(")"):
            parameters.append(self.parameter())
            if not tokens.take(","):
                tokens.need(")")
                break
        result = self.type_name() if tokens.take("->") else None
        return s.FunctionDefinition(name, parameters, result, self._block(), at)

    def _measure(self, at: int) -> s.Measure:
        source = self.place()
        target: s.Operand | None = None
        if self.tokens.take("->"):
            place = self.tokens.at
            target = s.Operand(self.name("bits"), self._brackets(), place)
        self.tokens.need(";")
        return s.Measure(source, target, at)

    def _reset(self, at: int) -> s.Reset:
        operand = self.place()
        self.tokens.need(";")
        return s.Reset(operand, at)

    def _barrier(self, at: int) -> s.Barrier:
        operands = [] if self.tokens.text == ";" else self.places()
        self.tokens.need(";")
        return s.Barrier(operands, at)

    def _box(self, at: int) -> s.Block:
        if self.tokens.text == "[":
            self.tokens.fail("Boxes of a given duration are not supported")
        verbatim, self._verbatim = self._verbatim, False
        return s.Block(self._block(plain=True), at, verbatim)

    def _for(self, at: int) -> s.For:
        tokens = self.tokens
        wanted = self.type_name()
        name = self.name("the name of the loop's variable")
        tokens.need("in")
        values: Any
        if tokens.text == "{":
            values = self.items()
        elif tokens.take("["):
            values = self.range_or_expression()
            tokens.need("]")
            if not isinstance(values, s.Range):
                tokens.fail("Expected a range such as [0:3]", values.at)
        else:
            place = tokens.at
            values = s.Name(self.name("a range, a set or a register"), place)
        return s.For(wanted, name, values, self._body(), at)

    def _while(self, at: int) -> s.While:
        return s.While(self._condition(), self._body(), at)

    def _if(self, at: int) -> s.If:
        condition = self._condition()
        then = self._body()
        return s.If(condition, then, self._body() if self.tokens.take("else") else [], at)

    def _condition(self) -> s.Expression:
        self.tokens.need("(")
        condition = self.expression()
        self.tokens.need(")")
        return condition

    def _switch(self, at: int) -> s.Switch:
        tokens = self.tokens
        value = self._condition()
        tokens.need("{")
        cases: list[tuple[list[s.Expression], list[s.Statement]]] = []
        default: list[s.Statement] | None = None
        while not tokens.take("}"):
            if default is None and tokens.take("default"):
                default = self._block()
                continue
            if default is not None:
                tokens.unexpected("'}' after the default")
            tokens.need("case")
            labels = [self.expression()]
            while tokens.take(",") and tokens.text != "{":
                labels.append(self.expression())
            cases.append((labels, self._block()))
        return s.Switch(value, cases, default, at)

    def _return(self, at: int) -> s.Jump:
        tokens = self.tokens
        value: s.Expression | s.Measure | None = None
        if tokens.text == "measure":
            value = self._measured(None)
        elif tokens.text != ";":
            value = self.expression()
        tokens.need(";")
        return s.Jump("return", value, at)

    def _plain_jump(self, kind: str, at: int) -> s.Jump:
        self.tokens.need(";")
        return s.Jump(kind, None, at)


_STATEMENTS: dict[str, Callable[[_Parser, int], s.Statement]] = {
    "include": _Parser._include,
    "qubit": _Parser._qubits,
    "qreg": _Parser._qreg,
    "creg": _Parser._creg,
    "let": _Parser._alias,
    "const": _Parser._const,
    "input": _Parser._input,
    "output": _Parser._output,
    "gate": _Parser._gate,
    "def": _Parser._def,
    "measure": _Parser._measure,
    "reset": _Parser._reset,
    "barrier": _Parser._barrier,
    "nop": _Parser._barrier,
    "box": _Parser._box,
    "for": _Parser._for,
    "while": _Parser._while,
    "if": _Parser._if,
    "switch": _Parser._switch,
    "return": _Parser._return,
    "break": lambda parser, at: parser._plain_jump("break", at),
    "continue": lambda parser, at: parser._plain_jump("continue", at),
    "end": lambda parser, at: parser._plain_jump("end", at),
}
