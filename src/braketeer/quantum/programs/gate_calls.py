"""What a running program does with gates: its own and Braket's, modifiers, registers, unitaries."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NoReturn

from braketeer.quantum.circuit import Gate, Limits, Operation, ProgramError
from braketeer.quantum.gates import GATES, Signature
from braketeer.quantum.noise import kraus_noise, noise
from braketeer.quantum.programs import modifiers, stdgates
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.classical import CONSTANTS, FUNCTIONS, Type, Unfit, finite, number
from braketeer.quantum.programs.formulas import names_in
from braketeer.quantum.programs.names import OwnGate, Register, Variable
from braketeer.quantum.programs.outcomes import MeasuredBit
from braketeer.quantum.programs.places import Places
from braketeer.quantum.programs.slopes import Slope
from braketeer.quantum.programs.tokens import MOST_NESTING

_FEW_GATES = 20_000


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in the source the angles of an operation come from: numbers at ``at``, or formulas of inputs only, whose
    reading of inputs is not counted."""

    operation: int
    at: int
    formulas: list[s.Expression]


class GateCalls(Places):
    """Gathers ``gates``, noise among them, whose targets and controls are labels; ``verbatim`` are the stretches of
    them that stand in verbatim boxes, ``fences`` how many stand before each barrier.

    ``differentiated`` says that gates carry the slopes of their angles. ``spots`` are the plain gates of the device
    outside all definitions and loops whose angles other numbers and inputs could be put into (see skeletons.py), where
    ``notes_spots`` is set.
    """

    def __init__(self, source: str, limits: Limits) -> None:
        super().__init__(source, limits)
        self.gates: list[Operation] = []
        self.verbatim: list[tuple[int, int]] = []
        self.fences: list[int] = []
        self.differentiated = False
        self.notes_spots = False
        self.spots: list[Spot] = []
        self.calls = 0
        self._operations = frozenset(name.casefold() for name in limits.operations)
        self._noise = frozenset(name.casefold() for name in limits.noise)
        self._suspended = 0
        self._order = 0
        self._order_seen = 0
        self._signatures: dict[str, Signature | None] = {}
        self._plain: dict[str, Gate] = {}
        self._qubit_texts: dict[str, tuple[int, ...]] = {}
        self._angles: dict[int, tuple[float, ...]] = {}

    def run_gate_definition(self, statement: s.GateDefinition) -> None:
        self._order += 1
        signature = Signature(len(statement.parameters), len(statement.qubits))
        gate = OwnGate(statement, signature, self._order, self._weight(statement.body))
        self.declare(statement.name, gate, statement.at)
        self._signatures.clear()
        self._plain.clear()

    def _weight(self, body: list[s.Statement]) -> int:
        total = 0
        for statement in body:
            if isinstance(statement, s.GateCall) and all(modifier.kind != "pow" for modifier in statement.modifiers):
                gate = self.names.find(statement.name)
                total += gate.weight if isinstance(gate, OwnGate) else 1
        return min(total, self.limits.most_gates + 1)

    def run_include(self, statement: s.Include) -> None:
        for definition in stdgates.definitions():
            if definition.name not in self.names.globals:
                self.run_gate_definition(definition)

    def run_flat_gates(self, statement: s.FlatGates) -> None:
        if any(self.names.scopes[1:]):  # names of a scope's own: texts do not mean what they mean outside
            self._qubit_texts, self._plain = {}, {}
        self._angles = {}
        known = {} if self.standing else self._plain  # a plain gate known by its text needs no second look
        add = self.gates.append
        quick = not (self.standing or self.notes_spots or self.differentiated)
        signatures, places = self._signatures, self._qubit_texts
        for text, name, value, arguments, qubits, at in statement.items:
            gate = known.get(text)
            if gate is None and quick and value is not None and (labels := places.get(qubits)) is not None:
                signature = signatures.get(name)
                if signature is not None and signature.parameters == 1 and signature.qubits == len(labels):
                    gate = known[text] = Gate(name, labels, (value,))
            if gate is None:
                angles = value is not None or arguments is not None
                read = self.inputs_read
                noted = angles and self.notes_spots and self._note_spot(name, arguments, at)
                gate = self._flat_gate(text, name, value, arguments, qubits, at)
                if noted:
                    self.inputs_read = read
                if gate is None:
                    continue
                if arguments is None and not (angles and self.notes_spots):
                    known[text] = gate
            add(gate)
        self._check_room(statement.at)
        if any(self.names.scopes[1:]):
            self._qubit_texts, self._plain = {}, {}

    def _note_spot(self, name: str, arguments: list[s.Expression] | None, at: int) -> bool:
        """Whether the angles of the gate that comes next are now among the spots."""
        if self._signature(name) is None or any(self.names.scopes[1:]):
            return False
        formulas = arguments or []
        if all(type(formula) is s.Literal for formula in formulas):
            self.spots.append(Spot(len(self.gates), at + len(name) + 1, []))
            return True
        names = {name for formula in formulas for name in names_in(formula)}
        inputs = set(filter(self.names.is_input, filter(None, names)))
        others = names - inputs
        if not inputs or any(name not in CONSTANTS and name not in FUNCTIONS for name in others):
            return False
        if any(name is not None and self.names.find(name) is not None for name in others):
            return False
        self.spots.append(Spot(len(self.gates), at, formulas))
        return True

    def _flat_gate(
        self, text: str, name: str, value: float | None, arguments: list[s.Expression] | None, qubits: str, at: int
    ) -> Gate | None:
        """The gate, or None where the general way has taken the statement."""
        labels = self._qubit_texts.get(qubits) or self._flat_labels(qubits)
        signature = self._signature(name)
        if labels is not None and signature is not None and signature.qubits == len(labels) and not self.standing:
            parameters = (value,) if value is not None else self._angles_of(arguments) if arguments else ()
            if signature.parameters == len(parameters):
                if qubits not in self._qubit_texts:
                    self._qubit_texts[qubits] = labels
                    self.used.update(labels)
                return self._gate(name, labels, parameters)
        places = _flat_places(qubits, at + len(text) - len(qubits))
        values: list[s.Expression] = [s.Literal(value, at)] if value is not None else arguments or []
        self.run_gate_call(s.GateCall(name, [], values, places, at))
        self._qubit_texts[qubits] = tuple([self.qubits(place).labels[0] for place in places])
        return None

    def _flat_labels(self, qubits: str) -> tuple[int, ...] | None:
        """The labels of a text such as ``q[0], q[1]``; None where it takes a closer look."""
        labels: list[int] = []
        for part in qubits.split(","):
            name, _, index = part.strip().partition("[")
            register = self.names.find(name)
            if not isinstance(register, Register) or register.single:
                return None
            place = int(index[:-1])
            if place >= len(register.labels):
                return None
            labels.append(register.labels[place])
        return tuple(labels) if len(set(labels)) == len(labels) else None

    def _angles_of(self, arguments: list[s.Expression] | None) -> tuple[float, ...]:
        """The values of a flat gate's arguments, worked out once for all gates that share them."""
        found = self._angles.get(id(arguments))
        if found is None:
            found = self._angles[id(arguments)] = tuple([self._angle(angle) for angle in arguments or ()])
        return found

    def _gate(self, name: str, targets: tuple[int, ...], parameters: tuple[float, ...]) -> Gate:
        key = "u" if name == "U" else name
        if not self.differentiated or not any(isinstance(angle, Slope) for angle in parameters):
            return Gate(key, targets, parameters)
        slopes = tuple([tuple(angle.by.items()) if isinstance(angle, Slope) else () for angle in parameters])
        return Gate(key, targets, tuple(map(float, parameters)), slopes=slopes)

    def _signature(self, name: str) -> Signature | None:
        """What a gate of the device takes; None for the program's own gates, and for names that are none."""
        if name in self._signatures:
            return self._signatures[name]
        signature = None
        if not isinstance(self.names.globals.get(name), OwnGate) and name not in ("u", "gphase"):
            key = "u" if name == "U" else name
            signature = GATES.get(key) if key in self._operations else None
        self._signatures[name] = signature
        return signature

    def _angle(self, expression: s.Expression) -> float:
        if type(expression) is s.Literal and type(expression.value) is float and math.isfinite(expression.value):
            return expression.value
        try:
            return finite(number(self.value(expression)))
        except Unfit as problem:
            self.fail(str(problem), expression.at)

    def run_gate_call(self, call: s.GateCall) -> None:
        parameters = tuple([self._angle(argument) for argument in call.arguments])
        if self._run_plain_call(call, parameters):
            return
        registers = [self.qubits(operand) for operand in call.operands]
        sizes = {len(register.labels) for register in registers if not register.single}
        if len(sizes) > 1:
            self.fail("The registers of a gate have different lengths", call.at)
        own = self._own_gate(call)
        takes = self._built_in(call) if own is None else own.signature
        chain = self._modifiers(call)
        controls = int(sum(amount for kind, amount in chain if kind in ("ctrl", "negctrl")))
        if len(registers) != takes.qubits + controls:
            wanted = takes.qubits + controls
            self.fail(f"The gate {call.name!r} acts on {wanted} qubits here, not on {len(registers)}", call.at)
        if len(parameters) != takes.parameters:
            self.fail(f"The gate {call.name!r} takes {takes.parameters} parameters, not {len(parameters)}", call.at)
        for turn in range(sizes.pop() if sizes else 1):
            labels = tuple([register.labels[0 if register.single else turn] for register in registers])
            self.no_repeats(labels, f"The gate {call.name!r}", call.at)
            self._disturb(labels, call.at)
            self.used.update(labels)
            self._apply(call, own, chain, parameters, labels[:controls], labels[controls:])

    def _run_plain_call(self, call: s.GateCall, parameters: tuple[float, ...]) -> bool:
        """Whether the call was one of Braket's gates on single qubits, nothing wrong, and is done: the usual one."""
        signature = self._signature(call.name)
        if signature is None or call.modifiers or self.standing or signature.parameters != len(parameters):
            return False
        places = [place for operand in call.operands if (place := self.one_of(operand)) is not None]
        if len(places) != signature.qubits or len(call.operands) != signature.qubits:
            return False
        labels: list[int] = []
        for among, item in places:
            index = self.whole(item)
            if not -len(among) <= index < len(among):
                return False
            labels.append(among[index])
        if len(set(labels)) != len(labels):
            return False
        targets = tuple(labels)
        self.used.update(targets)
        self.gates.append(self._gate(call.name, targets, parameters))
        self._check_room(call.at)
        return True

    def _exponent(self, expression: s.Expression) -> float:
        """Division in an exponent is always real: ``pow(1/2) @ x`` is the root of x, as in the OpenQASM
        specification's own stdgates.inc."""
        body = expression.body if isinstance(expression, s.Formula) else expression
        try:
            exponent = finite(number(self.evaluate(body, True)))
        except Unfit as problem:
            self.fail(str(problem), expression.at)
        if isinstance(exponent, Slope) and any(exponent.by.values()):
            self.fail("An adjoint gradient by the exponent of a gate is not supported", expression.at)
        return float(exponent)

    def _modifiers(self, call: s.GateCall) -> list[tuple[str, float]]:
        """(kind, number of controls or exponent), from the left."""
        chain: list[tuple[str, float]] = []
        for modifier in call.modifiers:
            if self.limits.modifiers is not None and modifier.kind not in self.limits.modifiers:
                self.fail(f"The modifier {modifier.kind} is not supported on {self.limits.device_arn}", modifier.at)
            amount: float = 1
            if modifier.kind == "pow":
                amount = self._exponent(modifier.argument)
            else:
                amount = self.whole(modifier.argument)
                if amount < 1:
                    self.fail(f"{modifier.kind} takes at least one qubit", modifier.at)
            chain.append((modifier.kind, amount))
        return chain

    def _apply(
        self,
        call: s.GateCall,
        own: OwnGate | None,
        chain: list[tuple[str, float]],
        parameters: tuple[float, ...],
        controls: tuple[int, ...],
        targets: tuple[int, ...],
    ) -> None:
        if own is None:
            gates = [self._gate(call.name, targets, parameters)]
        elif chain:
            gates = self._captured(own, parameters, targets, call.at)
        else:
            self._expand(own, parameters, targets, call.at)
            return
        self.gates += self._modified(gates, chain, controls)
        self._check_room(call.at)

    def _modified(self, gates: list[Gate], chain: list[tuple[str, float]], controls: tuple[int, ...]) -> list[Gate]:
        free = len(controls)
        for kind, amount in reversed(chain):
            if kind == "inv":
                gates = modifiers.inverse(gates)
            elif kind == "pow":
                gates = modifiers.power(gates, amount, self._room())
            else:
                taken = int(amount)
                gates = modifiers.controlled(gates, controls[free - taken : free], int(kind == "ctrl"))
                free -= taken
        return gates

    def _own_gate(self, call: s.GateCall) -> OwnGate | None:
        meaning = self.names.globals.get(call.name)
        if not isinstance(meaning, OwnGate):
            return None
        return meaning if meaning.order < self._visible_order() else None

    def _visible_order(self) -> int:
        return self._order_seen if self.names.inside == "gate" else self._order + 1

    def _built_in(self, call: s.GateCall) -> Signature:
        key = "u" if call.name == "U" else call.name
        if call.name == "u" or key not in GATES:
            self.fail(f"Unknown gate {call.name!r}", call.at)
        if key not in self._operations:
            self.fail(f"The gate {call.name!r} is not supported on {self.limits.device_arn}", call.at)
        return GATES[key]

    def _expand(self, own: OwnGate, parameters: tuple[float, ...], targets: tuple[int, ...], at: int) -> None:
        """Run the body of a gate of the program."""
        if own.weight > self._room():
            self._fail_room(at)
        definition = own.definition
        arguments: dict[str, Any] = {
            name: Variable(Type("angle"), value, "const")
            for name, value in zip(definition.parameters, parameters, strict=True)
        }
        for name, label in zip(definition.qubits, targets, strict=True):
            arguments[name] = Register((label,), single=True)
        self.deeper(at)
        limit, self._order_seen = self._order_seen, own.order
        before = self.names.enter_call("gate", arguments)
        self.run_body(definition.body)
        self.names.leave_call(before)
        self._order_seen = limit
        self.calls -= 1

    def _captured(self, own: OwnGate, parameters: tuple[float, ...], targets: tuple[int, ...], at: int) -> list[Gate]:
        """The gates of the body, not yet part of the circuit."""
        outer, self.gates = self.gates, []
        self._suspended += len(outer)
        self._expand(own, parameters, targets, at)
        inner, self.gates = self.gates, outer
        self._suspended -= len(outer)
        return [operation for operation in inner if isinstance(operation, Gate)]

    def run_barrier(self, statement: s.Barrier) -> None:
        super().run_barrier(statement)
        self.fences.append(len(self.gates))

    def run_unitary(self, statement: s.UnitaryGate) -> None:
        labels = tuple([label for place in statement.operands for label in self.qubits(place).labels])
        if len(statement.matrix) != 1 << len(labels):
            size = len(statement.matrix)
            self.fail(
                f"A matrix of {size} rows acts on {size.bit_length() - 1} qubits, not on {len(labels)}", statement.at
            )
        self.no_repeats(labels, "The unitary", statement.at)
        self._disturb(labels, statement.at)
        self.used.update(labels)
        self.gates.append(Gate("unitary", labels, matrix=statement.matrix))
        self._check_room(statement.at)

    def run_noise(self, statement: s.Noise) -> None:
        if statement.name not in self._noise:
            self.fail(f"noise {statement.name} is not supported on {self.limits.device_arn}", statement.at)
        labels = tuple([label for place in statement.operands for label in self.qubits(place).labels])
        self.no_repeats(labels, "The noise", statement.at)
        values = [self._angle(argument) for argument in statement.arguments]
        if any(isinstance(value, Slope) and any(value.by.values()) for value in values):
            self.fail("An adjoint gradient by the probability of a noise channel is not supported", statement.at)
        try:
            if statement.matrices:
                channel = kraus_noise(statement.matrices, labels)
            else:
                channel = noise(statement.name, [float(value) for value in values], labels)
        except ProgramError as problem:
            self.fail(str(problem), statement.at)
        self._disturb(labels, statement.at)
        self.used.update(labels)
        self.gates.append(channel)
        self._check_room(statement.at)

    def _disturb(self, labels: tuple[int, ...], at: int) -> None:
        """Something happens to qubits: outcomes that they still hold are decided first."""
        if not self.standing:
            return
        for label in labels:
            outcome = self.standing.pop(label, None)
            if outcome is not None and outcome.value is None:
                self.decide(outcome, at)
                self._unread = at

    @abstractmethod
    def decide(self, outcome: MeasuredBit, at: int) -> None:
        """Decide an outcome, since its qubit is about to be changed."""

    def _room(self) -> int:
        return self.limits.most_gates - self._suspended - len(self.gates)

    def _check_room(self, at: int) -> None:
        if self._room() < 0:
            self._fail_room(at)
        if len(self.used) > self.limits.max_qubits and len(self.gates) > _FEW_GATES:
            self.fail(too_many_qubits(len(self.used), self.limits), None)

    def _fail_room(self, at: int) -> NoReturn:
        self.fail(f"The program has more than {self.limits.most_gates} gates", at)

    def deeper(self, at: int) -> None:
        self.calls += 1
        if self.calls > MOST_NESTING:
            self.fail(f"Calls are nested deeper than {MOST_NESTING} levels", at)


def too_many_qubits(count: int, limits: Limits) -> str:
    """Amazon Braket's words (amazon-braket-sdk-python issue 1317)."""
    return f"Used {count} qubits, which is more than the device qubit count of {limits.max_qubits}"


def _flat_places(text: str, at: int) -> list[s.Place]:
    """The places in ``q[0], $1``, the first at ``at``."""
    places: list[s.Place] = []
    for part in text.split(","):
        written = part.strip()
        place = at + len(part) - len(part.lstrip())
        if written[0] == "$":
            places.append(s.Physical(int(written[1:]), place))
        else:
            name, _, index = written[:-1].partition("[")
            places.append(s.Operand(name, [[s.Literal(int(index), place)]], place))
        at += len(part) + 1
    return places
