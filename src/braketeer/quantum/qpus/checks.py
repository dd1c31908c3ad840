"""What a QPU asks of a program, seen when its task is created, before anything is compiled.

Words in quotation marks below are Amazon Braket's where they are known: for a gate that is not native from an answer of
the service (amazon-braket-sdk-python issue 616), for qubits and pairs that there are not from the SDK's own emulator
(``braket.emulation.passes``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

from braketeer.quantum.circuit import Circuit, Gate, Limits, ProgramError
from braketeer.quantum.engines import stabilizer
from braketeer.quantum.observables import basis_rotations
from braketeer.quantum.qpus import translating
from braketeer.quantum.target import Target

_QUARTER = math.pi / 2
_EXACT = 1e-6


def check_on_target(circuit: Circuit, limits: Limits, target: Target) -> None:
    """Raise ProgramError saying what the QPU cannot run, or what cannot be simulated of it."""
    inside = [gate for first, last in circuit.verbatim for gate in circuit.gates[first:last]]
    outside = _outside(circuit)
    _check_width(circuit, target)
    if inside and not circuit.physical:
        raise ProgramError("A verbatim box must name physical qubits such as $0")
    for gate in outside:
        if gate.name == "unitary" or gate.name in target.native_only:
            what = "The pragma unitary" if gate.name == "unitary" else f"The gate {gate.name!r}"
            where = "" if gate.name == "unitary" else " outside of verbatim boxes"
            raise ProgramError(f"{what} is not supported on {limits.device_arn}{where}")
    for result in circuit.results:
        if result.observable is not None and not all(
            isinstance(factor, str) for factor, _ in result.observable.factors
        ):
            raise ProgramError(f"The observable hermitian is not supported on {limits.device_arn}")
    if circuit.physical or not limits.rewiring:
        for label in circuit.labels:
            if label not in target.qubits:
                raise ProgramError(f"Qubit {label} does not exist in the device topology.")
        _check_joined([*inside, *outside], circuit.labels, target)
    for gate in inside:
        _check_native(gate, target)
    if inside and outside and not target.partial_verbatim:
        raise ProgramError(
            f"{limits.device_arn} takes a program either as a whole in a verbatim box or without one: there are gates "
            "inside and outside"
        )
    if not translating.is_there() and _needs_compiler(circuit, outside):
        raise ProgramError(translating.NO_COMPILER)


def _outside(circuit: Circuit) -> list[Gate]:
    """The gates that stand in no verbatim box; phases of the whole state are none."""
    gates, found, begin = circuit.gates, list[Gate](), 0
    for first, last in circuit.verbatim:
        found += gates[begin:first]
        begin = last
    return [gate for gate in found + gates[begin:] if gate.targets]


def _needs_compiler(circuit: Circuit, outside: Sequence[Gate]) -> bool:
    return not circuit.physical or any(len(gate.targets) > 1 for gate in outside)


def _check_width(circuit: Circuit, target: Target) -> None:
    """Clifford circuits may have any width, as the errors of these machines are random Pauli words."""
    if not target.is_wide(circuit.qubit_count):
        return
    try:
        stabilizer().check(Circuit(circuit.labels, [*circuit.gates, *basis_rotations(circuit)]), 1)
    except ProgramError as problem:
        raise ProgramError(
            f"The program uses {circuit.qubit_count} qubits: the QPU has {len(target.qubits)}, but its emulation here "
            f"simulates at most {target.most_simulated} at once, as many as fit into the memory of a task, unless all "
            f"gates are Clifford ({problem})"
        ) from None


def _check_joined(gates: Iterable[Gate], labels: Sequence[int], target: Target) -> None:
    """Gates that stay where they are need pairs that are joined."""
    for gate in gates:
        for one, other in combinations([labels[qubit] for qubit in gate.targets], 2):
            if not target.are_joined(one, other):
                raise ProgramError(
                    f"{one} is not connected to {other} on this device. The gate {gate.name!r} cannot be moved: the "
                    "program names physical qubits or has rewiring disabled"
                )


def _check_native(gate: Gate, target: Target) -> None:
    if gate.name not in target.native or gate.controls or gate.power != 1:
        raise ProgramError(
            f"The verbatim box uses a gate: {gate.name} which is not supported by the device or defined via a defcal; "
            f"its native gates are {', '.join(sorted(target.native))}"
        )
    if gate.name == "rx" and target.pulse == "rx":
        quarters = gate.parameters[0] / _QUARTER
        if abs(quarters - round(quarters)) > _EXACT:
            raise ProgramError(
                f"The verbatim box has rx({gate.parameters[0]!r}): the native rx of this device turns by multiples of "
                "pi/2"
            )
