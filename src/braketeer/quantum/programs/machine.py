"""Runs a program's classical part and gathers what it does to qubits, by label."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from braketeer.quantum.circuit import Limits, Noise, Operation, ProgramError
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.classical import Type, Unfit, apply, convert, from_input, number, zeros
from braketeer.quantum.programs.gate_calls import GateCalls
from braketeer.quantum.programs.names import Register, Subroutine, Variable
from braketeer.quantum.programs.outcomes import MeasuredBit
from braketeer.quantum.programs.slopes import Slope

MOST_STEPS = 300_000
_TO_ZERO = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], dtype=np.complex128)


class World(Protocol):
    """Where a program that goes on after a measurement runs. ``operations`` are all so far, by labels."""

    def measure(self, operations: Sequence[Operation], label: int) -> int:
        """Measure the qubit ``label`` after ``operations``: 0 or 1."""

    def reset(self, operations: Sequence[Operation], label: int) -> None:
        """Put the qubit ``label`` to 0 after ``operations``."""


class NeedsWorld(Exception):
    """The program's next steps depend on a measurement or come after a reset: no flat circuit says what it does."""


class _Ended(Exception):
    """The program has come to its ``end``, wherever that stands."""


class Machine(GateCalls):
    """One run of a program. Afterwards ``gates``, ``results``, ``used``, ``outcomes`` (see :class:`Places`) and
    :meth:`bits` say what it does, by qubit labels.

    Without a ``world`` outcomes stay undecided; where one is needed NeedsWorld is raised if the device runs such
    programs, else ProgramError. ``exact`` is for shots = 0: a reset is then a channel, and no outcome can be decided.
    ``looked`` says that the classical side has used an outcome, ``steps`` how many statements have run, ``at`` where
    the last of them stands.
    """

    def __init__(
        self, source: str, inputs: Mapping[str, Any], limits: Limits, *, exact: bool = True, world: World | None = None
    ) -> None:
        super().__init__(source, limits)
        self.inputs = inputs
        self.looked = False
        self._exact = exact
        self._world = world
        self.steps = 0
        self.at: int | None = None
        self._in_verbatim = False
        self._returned: Any = None

    def run(self, statements: list[s.Statement]) -> None:
        """Run the whole program. Raises ProgramError."""
        self.differentiated = any(
            isinstance(statement, s.Result) and statement.kind == "adjoint_gradient" for statement in statements
        )
        with suppress(_Ended):
            leave = self.run_body(statements)
            if leave is not None:
                self.fail(f"{leave.kind!r} outside of what it leaves", leave.at)
        if self._unread is not None:
            self.fail("A gate on a measured qubit (mid-circuit measurement) that nothing reads", self._unread)

    def bits(self) -> dict[tuple[str, int], int | MeasuredBit]:
        """Every bit of the program's own bit variables, in the order of their declarations, as it ended."""
        found: dict[tuple[str, int], int | MeasuredBit] = {}
        for name, meaning in self.names.globals.items():
            if isinstance(meaning, Variable) and meaning.type.kind == "bit" and meaning.value is not None:
                value = meaning.value if isinstance(meaning.value, tuple) else (meaning.value,)
                found |= {(name, index): bit for index, bit in enumerate(value)}
        return found

    def outputs(self) -> dict[str, Any]:
        """The output variables by name: values, None where there is none yet."""
        return {
            name: meaning.value
            for name, meaning in self.names.globals.items()
            if isinstance(meaning, Variable) and meaning.role == "output"
        }

    def float_inputs(self) -> list[str]:
        return [
            name
            for name, meaning in self.names.globals.items()
            if isinstance(meaning, Variable) and meaning.role == "input" and meaning.type.kind in ("float", "angle")
        ]

    # --- outcomes

    def look(self, outcome: MeasuredBit) -> int:
        """See :class:`Places`; called by :meth:`MeasuredBit.look`."""
        self.looked = True
        if self._world is None:
            if not self.limits.dynamic:
                raise Unfit(
                    "Using the outcome of a measurement inside the program is not supported on "
                    f"{self.limits.device_arn}"
                )
            if self._exact:
                raise Unfit("Using the outcome of a measurement inside the program needs shots")
            raise NeedsWorld
        try:
            return self._world.measure(self.gates, outcome.label)
        except ProgramError as problem:
            raise Unfit(str(problem)) from None

    def decide(self, outcome: MeasuredBit, at: int) -> None:
        if self._world is None:
            if not self.limits.dynamic:
                self.fail(
                    "A gate on a measured qubit (mid-circuit measurement) is not supported on "
                    f"{self.limits.device_arn}",
                    at,
                )
            if self._exact:
                self.fail("A gate on a measured qubit (mid-circuit measurement) needs shots", at)
            raise NeedsWorld
        try:
            outcome.value = self._world.measure(self.gates, outcome.label)
        except ProgramError as problem:
            self.fail(str(problem), at)

    def run_reset(self, statement: s.Reset) -> None:
        if not self.limits.dynamic:
            self.fail(f"reset is not supported on {self.limits.device_arn}", statement.at)
        labels = self.qubits(statement.operand).labels
        self._disturb(tuple(labels), statement.at)
        self._unread = None
        for label in labels:
            if label in self.used:
                self._to_zero(label, statement.at)
        self.used.update(labels)

    def _to_zero(self, label: int, at: int) -> None:
        if self._exact:
            self.gates.append(Noise("reset", (label,), (), _TO_ZERO))
            self._check_room(at)
        elif self._world is None:
            raise NeedsWorld
        else:
            try:
                self._world.reset(self.gates, label)
            except ProgramError as problem:
                self.fail(str(problem), at)

    def run_body(self, statements: Iterable[s.Statement]) -> s.Jump | None:
        for statement in statements:
            self._step(statement.at)
            try:
                leave = _RUN[type(statement)](self, statement)
            except Unfit as problem:
                self.fail(str(problem), statement.at)
            if leave is not None:
                return leave
        return None

    def _step(self, at: int) -> None:
        self.steps += 1
        self.at = at
        if self.steps > MOST_STEPS:
            self.fail(f"The program runs more than {MOST_STEPS} statements", at)

    # --- declarations

    def run_declaration(self, statement: s.Declaration) -> None:
        wanted = self.type_of(statement.type)
        variable = Variable(wanted, None, statement.role)
        if statement.role == "input":
            variable.value = self._input(statement, wanted)
        elif statement.role == "output":
            self._check_output(statement)
        elif statement.value is not None and not isinstance(statement.value, s.Measure):
            variable.value = self._fit(statement.value, wanted)
        if wanted.kind == "array":
            bits = wanted.element.size if wanted.element is not None and wanted.element.kind == "bit" else None
            self.count_elements(math.prod(wanted.sizes) * (bits or 1), statement.at)
            if variable.value is None:
                variable.value = zeros(wanted)
        self.declare(statement.name, variable, statement.at)
        if isinstance(statement.value, s.Measure):
            self.run_measure(statement.value)

    def _check_output(self, statement: s.Declaration) -> None:
        if not self.limits.dynamic:
            self.fail(f"Output variables are not supported on {self.limits.device_arn}", statement.at)
        if statement.type.kind == "array":
            self.fail("An output variable is a number or bits, not an array", statement.at)
        if self._world is None and not self._exact:
            raise NeedsWorld

    def _input(self, statement: s.Declaration, wanted: Type) -> Any:
        if statement.name not in self.inputs:
            self.fail(f"The input {statement.name!r} has no value", statement.at)
        try:
            value = from_input(self.inputs[statement.name], wanted)
            return Slope(value, {statement.name: 1.0}) if self.differentiated and type(value) is float else value
        except Unfit as problem:
            self.fail(f"The value of the input {statement.name!r} does not fit: {problem}", statement.at)

    def _fit(self, value: s.Expression, wanted: Type) -> Any:
        return convert(self.value(value), wanted)

    def run_function_definition(self, statement: s.FunctionDefinition) -> None:
        self.declare(statement.name, Subroutine(statement), statement.at)
        self._signatures.clear()

    # --- classical statements

    def run_assign(self, statement: s.Assign) -> None:
        target = statement.target
        variable = self.variable(target)
        indexes = [item for bracket in target.indexes for item in bracket]
        value = self.value(statement.value)
        if statement.operator:
            before = self.value(self.expression_of(target))
            value = apply(statement.operator, before, value, self.divides_really(statement.value))
        if not indexes:
            variable.value = convert(value, variable.type)
        elif variable.type.kind == "bit":
            self._assign_bits(variable, indexes, value, target.at)
        elif variable.type.kind in ("int", "uint") and variable.type.size is not None:
            self._assign_digits(variable, indexes, value, target.at)
        elif variable.type.element is None or len(indexes) > len(variable.type.sizes):
            self.fail(f"{target.name!r} cannot be indexed so", target.at)
        else:
            if variable.value is None:
                self.fail(f"{target.name!r} has no value yet", target.at)
            self._put(variable.value, variable.type, indexes, value, target.at)

    def _assign_bits(self, variable: Variable, indexes: list[Any], value: Any, at: int) -> None:
        size = variable.type.size
        if size is None or len(indexes) > 1:
            self.fail("A single bit has no index", at)
        chosen = self.indexes(indexes[0], size, at)
        bits = list(variable.value or (0,) * size)
        if isinstance(chosen, int):
            bits[chosen] = convert(value, Type("bit"))
        else:
            for index, bit in zip(chosen, convert(value, Type("bit", len(chosen))), strict=True):
                bits[index] = bit
        variable.value = tuple(bits)

    def _assign_digits(self, variable: Variable, indexes: list[Any], value: Any, at: int) -> None:
        """A bit of a number, counted from the least significant."""
        if len(indexes) > 1 or isinstance(indexes[0], s.Range | s.Items):
            self.fail("Only single bits of a number can be assigned to", at)
        if variable.value is None:
            self.fail("The number has no value yet", at)
        place = self.place_in(self.whole(indexes[0]), variable.type.size or 1, at)
        bit = number(convert(value, Type("bit")))
        variable.value = convert(variable.value & ~(1 << place) | int(bit) << place, variable.type)

    def _put(self, holder: list[Any], kind: Type, indexes: list[Any], value: Any, at: int) -> None:
        """Assign to the elements of an array that the indexes choose, one index a dimension."""
        chosen = self.indexes(indexes[0], len(holder), at)
        rest = kind.sizes[1:]
        inner = Type("array", None, kind.element, rest) if rest else kind.element
        if inner is None:
            self.fail("The array has fewer dimensions", at)
        if isinstance(chosen, int):
            chosen, value = [chosen], [value]
        if not isinstance(value, list) or len(value) != len(chosen):
            self.fail(f"Expected {len(chosen)} elements", at)
        for index, element in zip(chosen, value, strict=True):
            if len(indexes) == 1:
                holder[index] = convert(element, inner)
            else:
                self._put(holder[index], inner, indexes[1:], element, at)

    def run_evaluation(self, statement: s.Evaluation) -> None:
        expression = statement.expression
        if isinstance(expression, s.Call) and isinstance(self.names.find(expression.name), Subroutine):
            self.call(expression, False)
            return
        self.value(expression)

    def run_block(self, statement: s.Block) -> s.Jump | None:
        if not statement.verbatim:
            return self._scoped(statement.body, {})
        if self._in_verbatim:
            self.fail("A verbatim box inside a verbatim box", statement.at)
        first, self._in_verbatim = len(self.gates), True
        leave = self._scoped(statement.body, {})
        self._in_verbatim = False
        self.verbatim.append((first, len(self.gates)))
        return leave

    def _scoped(self, body: list[s.Statement], names: dict[str, Any]) -> s.Jump | None:
        self.names.scopes.append(names)
        try:
            return self.run_body(body)
        finally:
            self.names.scopes.pop()

    def run_if(self, statement: s.If) -> s.Jump | None:
        return self._scoped(statement.then if self.truth(statement.condition) else statement.otherwise, {})

    def run_while(self, statement: s.While) -> s.Jump | None:
        while self.truth(statement.condition):
            self._step(statement.at)
            leave = self._scoped(statement.body, {})
            if leave is not None and leave.kind != "continue":
                return None if leave.kind == "break" else leave
        return None

    def run_for(self, statement: s.For) -> s.Jump | None:
        wanted = self.type_of(statement.type)
        for value in self._turns(statement):
            self._step(statement.at)
            leave = self._scoped(statement.body, {statement.name: Variable(wanted, convert(value, wanted))})
            if leave is not None and leave.kind != "continue":
                return None if leave.kind == "break" else leave
        return None

    def _turns(self, statement: s.For) -> Sequence[Any]:
        values = statement.values
        if isinstance(values, s.Range):
            turns: Sequence[Any] = self.range_of(values, None)
        elif isinstance(values, s.Items):
            turns = [self.value(item) for item in values.items]
        else:
            found = self.value(values)
            if not isinstance(found, list | tuple):
                self.fail("Loops run over ranges, sets, arrays and bits", values.at)
            turns = found
        if len(turns) > MOST_STEPS - self.steps:
            self.fail(f"The program runs more than {MOST_STEPS} statements", statement.at)
        return turns

    def run_switch(self, statement: s.Switch) -> s.Jump | None:
        value = number(self.evaluate(statement.value, False))
        if not isinstance(value, int):
            self.fail("A switch is on a whole number", statement.value.at)
        for labels, body in statement.cases:
            if any(self.whole(label) == value for label in labels):
                return self._scoped(body, {})
        return None if statement.default is None else self._scoped(statement.default, {})

    def run_jump(self, statement: s.Jump) -> s.Jump:
        if statement.kind == "end":
            raise _Ended
        if statement.kind == "return":
            if self.names.inside != "subroutine":
                self.fail("'return' outside of a subroutine", statement.at)
            self._returned = self._result_of(statement.value)
        return statement

    def _result_of(self, value: s.Expression | s.Measure | None) -> Any:
        if isinstance(value, s.Measure):
            outcomes = self.measured(value)
            return outcomes[0] if len(outcomes) == 1 else tuple(outcomes)
        return None if value is None else self.value(value)

    def call(self, call: s.Call, real: bool) -> Any:
        """Run a subroutine of the program; its value, None where it returns none."""
        subroutine = self.names.find(call.name)
        if not isinstance(subroutine, Subroutine):
            return super().call(call, real)
        definition = subroutine.definition
        if len(call.arguments) != len(definition.parameters):
            self.fail(f"{call.name!r} takes {len(definition.parameters)} arguments, not {len(call.arguments)}", call.at)
        arguments: dict[str, Any] = {}
        for parameter, argument in zip(definition.parameters, call.arguments, strict=True):
            if parameter.name in arguments:
                self.fail(f"{call.name!r} has two arguments of one name", parameter.at)
            arguments[parameter.name] = self._argument(parameter, argument, real)
        labels = [label for meaning in arguments.values() if isinstance(meaning, Register) for label in meaning.labels]
        self.count_named(len(labels), call.at)
        self.no_repeats(labels, f"The call of {call.name!r}", call.at)
        self.deeper(call.at)
        before = self.names.enter_call("subroutine", arguments)
        self._returned = None
        leave = self.run_body(definition.body)
        self.names.leave_call(before)
        self.calls -= 1
        if leave is not None and leave.kind != "return":
            self.fail(f"{leave.kind!r} outside of what it leaves", leave.at)
        value, self._returned = self._returned, None
        if definition.result is None:
            return None
        if value is None:
            self.fail(f"{call.name!r} ends without the value it promises", call.at)
        return convert(value, self.type_of(definition.result))

    def _argument(self, parameter: s.Parameter, argument: Any, real: bool) -> Variable | Register:
        if parameter.access:
            return self._array_argument(parameter, argument)
        if parameter.type is not None:
            wanted = self.type_of(parameter.type)
            return Variable(wanted, convert(self.evaluate(argument, real), wanted))
        register = self.qubits(self.place_of(argument))
        size = 1 if parameter.size is None else self.whole(parameter.size)
        if len(register.labels) != size:
            self.fail(f"The argument {parameter.name!r} is {size} qubits, not {len(register.labels)}", argument.at)
        return Register(register.labels, single=parameter.size is None)

    def _array_argument(self, parameter: s.Parameter, argument: Any) -> Variable:
        """An array by reference: what the subroutine changes in it is changed outside."""
        meaning = self.names.find(argument.name) if isinstance(argument, s.Name) else None
        if not isinstance(meaning, Variable) or meaning.type.element is None or meaning.value is None:
            self.fail(f"The argument {parameter.name!r} is an array with values, by name", argument.at)
        self.inputs_read += meaning.role == "input"
        if parameter.type is None or parameter.type.element is None:
            self.fail("Only arrays are readonly or mutable", parameter.at)
        element = self.type_of(parameter.type.element)
        if parameter.dimensions is not None:
            fits = len(meaning.type.sizes) == self.whole(parameter.dimensions)
        else:
            fits = self.type_of(parameter.type).sizes == meaning.type.sizes
        if not fits or element != meaning.type.element:
            self.fail(f"The array does not fit the argument {parameter.name!r}", argument.at)
        if parameter.access == "mutable" and meaning.role not in ("var", "output"):
            self.fail(f"{argument.name!r} cannot be changed", argument.at)
        return Variable(meaning.type, meaning.value, "readonly" if parameter.access == "readonly" else "var")


_RUN: dict[type, Callable[[Machine, Any], s.Jump | None]] = {
    s.FlatGates: Machine.run_flat_gates,
    s.GateCall: Machine.run_gate_call,
    s.Qubits: Machine.run_qubits,
    s.Declaration: Machine.run_declaration,
    s.Alias: Machine.run_alias,
    s.GateDefinition: Machine.run_gate_definition,
    s.FunctionDefinition: Machine.run_function_definition,
    s.Include: Machine.run_include,
    s.Assign: Machine.run_assign,
    s.Evaluation: Machine.run_evaluation,
    s.Measure: Machine.run_measure,
    s.Reset: Machine.run_reset,
    s.Barrier: Machine.run_barrier,
    s.For: Machine.run_for,
    s.While: Machine.run_while,
    s.If: Machine.run_if,
    s.Switch: Machine.run_switch,
    s.Block: Machine.run_block,
    s.Jump: Machine.run_jump,
    s.UnitaryGate: Machine.run_unitary,
    s.Noise: Machine.run_noise,
    s.Result: Machine.run_result,
}
