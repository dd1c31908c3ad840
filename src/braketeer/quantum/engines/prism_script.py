"""Circuits that come again with other angles: the calls of prism-q's builder that write them are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from math import isfinite
from typing import Any

from prism_q import Circuit as PrismCircuit
from prism_q import CircuitBuilder

from braketeer.quantum.circuit import Circuit, Gate, Operation, ProgramError, Rebound
from braketeer.quantum.engines.density import check_operation
from braketeer.quantum.engines.prism_gates import Method, named

_KNOWN = "prism"


def written_again(circuit: Circuit) -> PrismCircuit | None:
    """prism-q's circuit; None where this one does not come again or has other gates than those of the builder."""
    operations = circuit.operations
    if not isinstance(operations, Rebound):
        return None
    if _KNOWN not in operations.known:
        operations.known[_KNOWN] = _Script.of(operations.template, circuit.qubit_count)
    script: _Script | None = operations.known[_KNOWN]
    return None if script is None else script.circuit(operations.angles)


class _Script:
    """``calls`` are methods of the builder and what each is called with; ``places`` say for an operation which call is
    its own, and on which of prism-q's qubits."""

    def __init__(self, qubits: int) -> None:
        self.qubits = qubits
        self.calls: list[tuple[Method, tuple[Any, ...]]] = []
        self.places: dict[int, tuple[int, Method, tuple[int, ...]]] = {}

    @classmethod
    def of(cls, template: Sequence[Operation], qubits: int) -> _Script | None:
        script = cls(qubits)
        for place, operation in enumerate(template):
            check_operation(operation, qubits)
            call = named(operation, qubits - 1) if isinstance(operation, Gate) else None
            if call is None or not isinstance(operation, Gate):
                return None
            method, targets = call
            script.places[place] = len(script.calls), method, targets
            script.calls.append((method, operation.parameters + targets))
        return script

    def circuit(self, angles: Mapping[int, tuple[float, ...]]) -> PrismCircuit:
        if not all(map(isfinite, chain.from_iterable(angles.values()))):
            raise ProgramError("a gate has an angle that is not a finite number")
        calls = self.calls.copy()
        for place, values in angles.items():
            which, method, targets = self.places[place]
            calls[which] = method, values + targets
        builder = CircuitBuilder(self.qubits, 0)
        for method, arguments in calls:
            method(builder, *arguments)
        return builder.build()
