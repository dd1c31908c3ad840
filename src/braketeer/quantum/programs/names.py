"""What the names of a running program stand for, and who may see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from braketeer.quantum.gates import Signature
from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.classical import Type


@dataclass(slots=True)
class Variable:
    """A classical value; ``value`` is None before the first assignment.

    ``role`` is var, const, input, output, or readonly for an array that a subroutine may not change.
    """

    type: Type
    value: Any
    role: str = "var"


@dataclass(frozen=True, slots=True)
class Register:
    """Qubits by label; ``single`` where the name means one qubit and is not a register of one."""

    labels: tuple[int, ...] | range
    single: bool = False


@dataclass(frozen=True, slots=True)
class OwnGate:
    """A gate of the program. ``order`` counts definitions: a body sees only gates defined before it.

    ``weight`` is a number of gates that a call cannot fall short of.
    """

    definition: s.GateDefinition
    signature: Signature
    order: int
    weight: int


@dataclass(frozen=True, slots=True)
class Subroutine:
    definition: s.FunctionDefinition


Meaning = Variable | Register | OwnGate | Subroutine


class Names:
    """Scopes from the global one inwards. Inside a gate or subroutine of the names outside only constants, inputs,
    gates, subroutines and (in subroutines) qubits are seen."""

    def __init__(self) -> None:
        self.globals: dict[str, Meaning] = {}
        self.scopes: list[dict[str, Meaning]] = [self.globals]
        self.inside = ""

    def find(self, name: str) -> Meaning | None:
        for scope in reversed(self.scopes):
            if (meaning := scope.get(name)) is not None:
                if scope is self.globals and self.inside and self._hidden(meaning):
                    return None
                return meaning
        return None

    def is_input(self, name: str) -> bool:
        meaning = self.find(name)
        return isinstance(meaning, Variable) and meaning.role == "input"

    def declare(self, name: str, meaning: Meaning) -> bool:
        """False where the scope has the name already."""
        scope = self.scopes[-1]
        if name in scope:
            return False
        scope[name] = meaning
        return True

    def enter_call(self, inside: str, arguments: dict[str, Meaning]) -> tuple[list[dict[str, Meaning]], str]:
        """Open a gate or subroutine; what is returned goes to :meth:`leave_call`."""
        before = self.scopes, self.inside
        self.scopes, self.inside = [self.globals, arguments], inside
        return before

    def leave_call(self, before: tuple[list[dict[str, Meaning]], str]) -> None:
        self.scopes, self.inside = before

    def _hidden(self, meaning: Meaning) -> bool:
        if isinstance(meaning, Variable):
            return meaning.role in ("var", "output")
        return isinstance(meaning, Register) and self.inside == "gate"
