"""Runs a program's classical part and gathers what it does to qubits, by label."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from braketeer.quantum.circuit import Limits
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.classical import Type, Unfit, apply, convert, from_input
from braketeer.quantum.programs.gate_calls import GateCalls
from braketeer.quantum.programs.names import Register, Subroutine, Variable

MOST_STEPS = 300_000


class Machine(GateCalls):
    """One run of a program. Afterwards ``gates``, ``results``, ``used``, ``measures`` and ``measured`` (see
    :class:`Places`) say what it does, by qubit labels."""

    def __init__(self, source: str, inputs: Mapping[str, Any], limits: Limits) -> None:
        super().__init__(source, limits)
        self.inputs = inputs
        self._steps = 0
        self._bit_count = 0
        self._returned: Any = None

    def run(self, statements: list[s.Statement]) -> None:
        """Run the whole program. Raises ProgramError."""
        leave = self.run_body(statements)
        if leave is not None and leave.kind != "end":
            self.fail(f"{leave.kind!r} outside of what it leaves", leave.at)

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
        self._steps += 1
        if self._steps > MOST_STEPS:
            self.fail(f"The program runs more than {MOST_STEPS} statements", at)

    # --- declarations

    def run_declaration(self, statement: s.Declaration) -> None:
        wanted = self.type_of(statement.type)
        variable = Variable(wanted, None, statement.role)
        if statement.role == "input":
            variable.value = self._input(statement, wanted)
        elif statement.value is not None and not isinstance(statement.value, s.Measure):
            variable.value = self._fit(statement.value, wanted)
        if wanted.kind == "bit":
            variable.first_bit = self._bit_count
            self._bit_count += wanted.size or 1
        if wanted.kind == "array":
            self.count_elements(math.prod(wanted.sizes), statement.at)
        self.declare(statement.name, variable, statement.at)
        if isinstance(statement.value, s.Measure):
            self.run_measure(statement.value)

    def _input(self, statement: s.Declaration, wanted: Type) -> Any:
        if statement.name not in self.inputs:
            self.fail(f"The input {statement.name!r} has no value", statement.at)
        try:
            return from_input(self.inputs[statement.name], wanted)
        except Unfit as problem:
            self.fail(f"The value of the input {statement.name!r} does not fit: {problem}", statement.at)

    def _fit(self, value: s.Expression, wanted: Type) -> Any:
        return convert(self.value(value), wanted)

    def run_function_definition(self, statement: s.FunctionDefinition) -> None:
        self.declare(statement.name, Subroutine(statement), statement.at)
        self._signatures.clear()

    # --- classical statements

    def run_assign(self, statement: s.Assign) -> None:
        variable = self.variable(statement.target)
        target = statement.target
        indexes = [self._one_index(item, target.at) for bracket in target.indexes for item in bracket]
        value = self.value(statement.value)
        if variable.type.kind == "bit" and indexes:
            self._assign_bit(variable, indexes, statement.operator, value, target.at)
            return
        if statement.operator:
            before = self.value(self.expression_of(target))
            value = apply(statement.operator, before, value, self.divides_really(statement.value))
        variable.measured.clear()
        if not indexes:
            variable.value = convert(value, variable.type)
            return
        if variable.type.element is None or len(indexes) > len(variable.type.sizes):
            self.fail(f"{target.name!r} cannot be indexed so", target.at)
        if variable.value is None:
            self.fail(f"{target.name!r} has no value yet", target.at)
        holder = variable.value
        for depth, index in enumerate(indexes[:-1]):
            holder = holder[self.place_in(index, variable.type.sizes[depth], target.at)]
        depth = len(indexes) - 1
        rest = variable.type.sizes[len(indexes) :]
        element = replace(variable.type, sizes=rest) if rest else variable.type.element
        holder[self.place_in(indexes[-1], variable.type.sizes[depth], target.at)] = convert(value, element)

    def _assign_bit(self, variable: Variable, indexes: list[int], operator: str, value: Any, at: int) -> None:
        size = variable.type.size
        if size is None or len(indexes) > 1:
            self.fail("A single bit has no index", at)
        index = self.place_in(indexes[0], size, at)
        bits = list(variable.value or (0,) * size)
        if operator:
            if index in variable.measured:
                self.fail_measured(at)
            value = apply(operator, bits[index], value, real=False)
        bits[index] = convert(value, Type("bit"))
        variable.value = tuple(bits)
        variable.measured.discard(index)

    def _one_index(self, item: Any, at: int) -> int:
        if isinstance(item, s.Range | s.Items):
            self.fail("Only single elements can be assigned to", at)
        return self.whole(item)

    def run_evaluation(self, statement: s.Evaluation) -> None:
        expression = statement.expression
        if isinstance(expression, s.Call) and isinstance(self.names.find(expression.name), Subroutine):
            self.call(expression, False)
            return
        self.value(expression)

    def run_block(self, statement: s.Block) -> s.Jump | None:
        return self._scoped(statement.body, {})

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
        if len(turns) > MOST_STEPS - self._steps:
            self.fail(f"The program runs more than {MOST_STEPS} statements", statement.at)
        return turns

    def run_switch(self, statement: s.Switch) -> s.Jump | None:
        value = self.whole(statement.value)
        for labels, body in statement.cases:
            if any(self.whole(label) == value for label in labels):
                return self._scoped(body, {})
        return None if statement.default is None else self._scoped(statement.default, {})

    def run_jump(self, statement: s.Jump) -> s.Jump:
        if statement.kind == "return":
            if self.names.inside != "subroutine":
                self.fail("'return' outside of a subroutine", statement.at)
            self._returned = None if statement.value is None else self.value(statement.value)
        return statement

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
        if parameter.type is not None:
            wanted = self.type_of(parameter.type)
            return Variable(wanted, convert(self.evaluate(argument, real), wanted))
        register = self.qubits(self.place_of(argument))
        size = 1 if parameter.size is None else self.whole(parameter.size)
        if len(register.labels) != size:
            self.fail(f"The argument {parameter.name!r} is {size} qubits, not {len(register.labels)}", argument.at)
        return Register(register.labels, single=parameter.size is None)


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
