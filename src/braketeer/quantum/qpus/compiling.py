"""A circuit to what a QPU runs: native gates on physical qubits, and where each qubit of the program is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from braketeer.quantum.circuit import Circuit, Gate, Limits
from braketeer.quantum.observables import basis_rotations
from braketeer.quantum.qpus.native import FENCE, merged, pulses
from braketeer.quantum.qpus.translating import routed, translated
from braketeer.quantum.target import Target


@dataclass(frozen=True, slots=True)
class Compiled:
    """``gates`` are native, on physical qubits; ``places[i]`` is the physical qubit that holds the circuit's compact
    qubit i when everything is measured."""

    gates: list[Gate]
    places: tuple[int, ...]

    def program(self, measured: Sequence[int]) -> str:
        """As an OpenQASM program that a QPU runs as it stands; bit k holds the compact qubit ``measured[k]``."""
        lines = ["OPENQASM 3.0;", f"bit[{len(measured)}] b;", "#pragma braket verbatim", "box {"]
        lines += [f"    {_written(gate)}" for gate in self.gates]
        lines.append("}")
        lines += [f"b[{bit}] = measure ${self.places[qubit]};" for bit, qubit in enumerate(measured)]
        return "\n".join(lines) + "\n"


def compiled(circuit: Circuit, limits: Limits) -> Compiled:
    """Compile a circuit that :func:`~braketeer.quantum.qpus.checks.check_on_target` has let pass, its results' basis
    rotations included. Raises ProgramError.

    Gates in verbatim boxes stay as they are. Where the program names physical qubits, or must not be rewired, each
    gate stays on its qubits; else the compiler chooses qubits and moves states about.
    """
    if limits.target is None:
        raise LookupError(f"{limits.device_arn} is nothing to compile for")
    target = limits.target
    gates = [*circuit.gates, *basis_rotations(circuit)]
    if circuit.physical or not limits.rewiring:
        on_the_spot = _on_the_spot(gates, circuit, target)
        return Compiled([_moved(gate, circuit.labels) for gate in on_the_spot], circuit.labels)
    # Gates made anew from their products need not be Clifford, one by one, even where the product is.
    placed = routed(
        _fenced(gates, circuit, 0, len(gates)),
        circuit.qubit_count,
        target,
        keep_clifford=target.is_wide(circuit.qubit_count),
    )
    return Compiled(pulses(placed.gates, target, keeps_phases=False), placed.places)


def _on_the_spot(gates: list[Gate], circuit: Circuit, target: Target) -> list[Gate]:
    """Native gates on the qubits they are written on."""
    found: list[Gate] = []
    begin = 0
    for first, last in circuit.verbatim:
        plain = _plain(_fenced(gates, circuit, begin, first), circuit, target)
        found += pulses(plain, target, keeps_phases=True)
        found += gates[first:last]
        begin = last
    plain = _plain(_fenced(gates, circuit, begin, len(gates)), circuit, target)
    return found + pulses(plain, target, keeps_phases=False)


def _fenced(gates: Sequence[Gate], circuit: Circuit, begin: int, end: int) -> list[Gate]:
    """The gates of a stretch with the program's barriers between them, each over all qubits."""
    fence = Gate(FENCE, tuple(range(circuit.qubit_count)))
    fences = frozenset(circuit.fences)
    return [each for at in range(begin, end) for each in ((fence, gates[at]) if at in fences else (gates[at],))]


def _plain(gates: Sequence[Gate], circuit: Circuit, target: Target) -> list[Gate]:
    """As ``u`` and the target's entangler. What acts on single qubits only needs no compiler."""
    if all(len(gate.targets) == 1 or gate.name == FENCE for gate in gates):
        return merged(gates)
    return translated(gates, circuit.qubit_count, target)


def _moved(gate: Gate, labels: Sequence[int]) -> Gate:
    return replace(gate, targets=tuple([labels[qubit] for qubit in gate.targets]))


def _written(gate: Gate) -> str:
    angles = f"({', '.join(map(repr, gate.parameters))})" if gate.parameters else ""
    return f"{gate.name}{angles} {', '.join(f'${qubit}' for qubit in gate.targets)};"
