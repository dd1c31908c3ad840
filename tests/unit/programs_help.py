"""What the tests of programs share: the limits of a device that takes everything, and a short way to compile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from braketeer.quantum.circuit import Circuit, Gate, Limits, ProgramError
from braketeer.quantum.gates import GATES
from braketeer.quantum.noise import CHANNELS
from braketeer.quantum.programs import compile_program

ARN = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
EXACT = frozenset({"probability", "expectation", "variance", "amplitude", "state_vector", "density_matrix"})
SAMPLED = frozenset({"probability", "expectation", "variance", "sample"})
LIMITS = Limits(ARN, 29, EXACT, SAMPLED, frozenset(GATES))

#: Those of a device that takes noise and goes on after measurements too.
WIDE = replace(
    LIMITS,
    result_kinds_exact=EXACT | {"adjoint_gradient"},
    noise=frozenset({*CHANNELS, "kraus"}),
    max_density_qubits=8,
    all_measured=False,
    dynamic=True,
)


def compiled(source: str, inputs: Mapping[str, Any] | None = None, **limits: Any) -> Circuit:
    """The circuit; also checks that the way without the short cut for flat statements gives the same one."""
    allowed = replace(LIMITS, **limits)
    circuit = compile_program(source, inputs, allowed)
    assert repr(compile_program(source, inputs, allowed, flat=False)) == repr(circuit)
    return circuit


def gates(body: str, inputs: Mapping[str, Any] | None = None) -> list[Gate]:
    """The gates of a program on three qubits ``q``, all of which are used."""
    return compiled(f"OPENQASM 3.0;\nqubit[3] q;\n{body}\n#pragma braket result probability q\n", inputs).gates


def angle(expression: str, before: str = "", inputs: Mapping[str, Any] | None = None) -> float:
    """The angle that ``rx(expression)`` ends up with."""
    (gate,) = gates(f"{before}\nrx({expression}) q[0];", inputs)
    return gate.parameters[0]


def refusal(source: str, inputs: Mapping[str, Any] | None = None, **limits: Any) -> str:
    """The message of a program that is refused, the same with and without the short cut."""
    allowed = replace(LIMITS, **limits)
    with pytest.raises(ProgramError) as short:
        compile_program(source, inputs, allowed)
    with pytest.raises(ProgramError) as long:
        compile_program(source, inputs, allowed, flat=False)
    assert str(short.value) == str(long.value)
    return str(short.value)
