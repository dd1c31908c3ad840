"""Circuits to one-qubit gates ``u`` and one kind of two-qubit gate, placed and routed where need be: by qiskit.

Its transpiler is loaded when it is first asked for, which takes a second or two. Everything about it that is not exact
has a fixed seed: the same circuit is always compiled alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from braketeer.quantum.circuit import Gate, ProgramError
from braketeer.quantum.gates import resolved_matrix
from braketeer.quantum.qpus.native import FENCE
from braketeer.quantum.qpus.regions import best_region, worth_using
from braketeer.quantum.target import Target

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import StagedPassManager

#: Words for a machine that has no compiler.
NO_COMPILER = (
    "This service has no compiler for QPUs (its operator can install the extra qpus) and runs only "
    "programs with all gates in verbatim boxes"
)
_SEED = 20_260_101
#: Levels of optimisation of qiskit's: on the second, blocks of gates are made anew and swaps become other places.
_GATE_BY_GATE, _IN_BLOCKS = 1, 2


@dataclass(frozen=True, slots=True)
class Placed:
    """``gates`` on physical qubits; ``places[i]`` is where the circuit's qubit i is at the end."""

    gates: list[Gate]
    places: tuple[int, ...]


def is_there() -> bool:
    """Whether this machine has the compiler."""
    return find_spec("qiskit") is not None


def translated(gates: Sequence[Gate], qubits: int, target: Target) -> list[Gate]:
    """The gates in ``u`` and the target's entangler, each on qubits of one of the gates given. Raises ProgramError."""
    return list(_gates(_run(target, None, _GATE_BY_GATE, _circuit(gates, qubits)), range(qubits), target))


def routed(gates: Sequence[Gate], qubits: int, target: Target, *, keep_clifford: bool = False) -> Placed:
    """The same for a circuit that may be put on any qubits of the target, where all of them are measured: it uses
    exactly ``qubits`` of them, and what no measurement shows may be gone.

    All of the target is tried first; where moving about would take further qubits, it is the best region of the right
    size. With ``keep_clifford`` gates are translated one by one, so that Clifford ones stay so. Raises ProgramError.
    """
    level = _GATE_BY_GATE if keep_clifford else _IN_BLOCKS
    circuit = _circuit(gates, qubits)
    _measure(circuit)
    if target.is_fully_connected:
        found = _run(target, None, level, circuit)
        return Placed(
            list(_gates(found, target.qubits, target)), tuple([target.qubits[end] for end in _ends(found, qubits)])
        )
    pairs = worth_using(target, qubits)
    for among in (sorted({qubit for pair in pairs for qubit in pair}), best_region(target, pairs, qubits)):
        found = _run(target, _Part(tuple(among), pairs), level, circuit)
        placed = Placed(list(_gates(found, among, target)), tuple([among[end] for end in _ends(found, qubits)]))
        if len({*placed.places, *(qubit for gate in placed.gates for qubit in gate.targets)}) == qubits:
            return placed
    raise ProgramError(f"{qubits} qubits cannot be placed on this device")


@dataclass(frozen=True, slots=True)
class _Part:
    """The qubits of a target that may be used, and the pairs, some of them outside of these qubits."""

    qubits: tuple[int, ...]
    pairs: frozenset[tuple[int, int]]


def _run(target: Target, part: _Part | None, level: int, circuit: QuantumCircuit) -> QuantumCircuit:
    from qiskit.exceptions import QiskitError  # noqa: PLC0415

    try:
        return _passes(target, part, level).run(circuit)
    except QiskitError as problem:
        raise ProgramError(f"the compiler refuses this program: {problem}") from problem


@lru_cache(maxsize=64)
def _passes(target: Target, part: _Part | None, level: int) -> StagedPassManager:
    """The transpiler's passes: for a part of a target, or, for None, for qubits that are all joined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what qiskit thinks of this Python is not a user's business
        from qiskit.transpiler import generate_preset_pass_manager  # noqa: PLC0415 - only workers that compile load it

    entangler = _QISKIT[target.entangler]
    if part is None:
        return generate_preset_pass_manager(level, basis_gates=["u", entangler], seed_transpiler=_SEED)
    return generate_preset_pass_manager(level, target=_qiskit_target(target, part), seed_transpiler=_SEED)


def _qiskit_target(target: Target, part: _Part) -> Any:
    """With the error figures, by which qiskit chooses among places that are equal otherwise."""
    from qiskit.circuit import Measure, Parameter  # noqa: PLC0415
    from qiskit.circuit.library import CZGate, RXXGate, RZZGate, UGate  # noqa: PLC0415
    from qiskit.transpiler import InstructionProperties  # noqa: PLC0415
    from qiskit.transpiler import Target as QiskitTarget  # noqa: PLC0415

    index = {qubit: number for number, qubit in enumerate(part.qubits)}

    def properties(*qubits: int) -> InstructionProperties:
        noise = target.gate_noise.get(tuple(sorted(qubits)))
        return InstructionProperties(error=None if noise is None else min(noise.depolarizing, 1.0))

    def readout(qubit: int) -> InstructionProperties:
        flips = target.flips.get(qubit)
        return InstructionProperties(error=None if flips is None else sum(flips) / 2)

    found = QiskitTarget(num_qubits=len(part.qubits))
    found.add_instruction(Measure(), {(index[qubit],): readout(qubit) for qubit in part.qubits})
    free = [Parameter(name) for name in ("theta", "phi", "lam")]
    found.add_instruction(UGate(*free), {(index[qubit],): properties(qubit) for qubit in part.qubits})
    entangler = {"cz": CZGate, "zz": lambda: RZZGate(free[0]), "xx": lambda: RXXGate(free[0])}[target.entangler]()
    joined = [(one, other) for one, other in sorted(part.pairs) if one in index and other in index]
    both_ways = joined + [(other, one) for one, other in joined]
    found.add_instruction(entangler, {(index[one], index[other]): properties(one, other) for one, other in both_ways})
    return found


#: Braket's gates by qiskit's names, where the two mean the same; others go by their matrices.
_QISKIT: Mapping[str, str] = {
    **{name: name for name in ("h", "x", "y", "z", "s", "t", "rx", "ry", "rz", "u", "cy", "cz", "swap", "iswap")},
    **{"si": "sdg", "ti": "tdg", "v": "sx", "vi": "sxdg", "phaseshift": "p", "prx": "r", "cnot": "cx"},
    **{"xx": "rxx", "yy": "ryy", "zz": "rzz", "cphaseshift": "cp", "ccnot": "ccx", "cswap": "cswap"},
}


def _circuit(gates: Sequence[Gate], qubits: int) -> QuantumCircuit:
    try:
        from qiskit import QuantumCircuit  # noqa: PLC0415
        from qiskit.circuit.library import UnitaryGate  # noqa: PLC0415
    except ImportError as problem:
        raise ProgramError(f"{NO_COMPILER}: {problem}") from None
    circuit = QuantumCircuit(qubits)
    for gate in gates:
        if gate.controls:
            raise ProgramError(f"the gate {gate.name!r} has controls, which are not compiled")
        if not gate.targets or gate.name == "i":
            continue
        if gate.name == FENCE:
            circuit.barrier(gate.targets)
            continue
        if gate.matrix is None and gate.power == 1 and gate.name in _QISKIT:
            getattr(circuit, _QISKIT[gate.name])(*gate.parameters, *gate.targets)
        else:  # qiskit's first qubit is the least significant
            circuit.append(UnitaryGate(resolved_matrix(gate)), list(reversed(gate.targets)))
    return circuit


def _measure(circuit: QuantumCircuit) -> None:
    """Measure everything at the end, so that places are chosen by their readout too."""
    from qiskit import ClassicalRegister  # noqa: PLC0415

    circuit.add_register(ClassicalRegister(circuit.num_qubits))
    circuit.measure(range(circuit.num_qubits), range(circuit.num_qubits))


def _gates(circuit: QuantumCircuit, qubits: Sequence[int], target: Target) -> Iterator[Gate]:
    """What the transpiler wrote, on the qubits that its indices stand for."""
    index = {qubit: number for number, qubit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        targets = tuple([qubits[index[qubit]] for qubit in instruction.qubits])
        name, parameters = instruction.name, tuple(map(float, instruction.params))
        if name == "u":
            yield Gate("u", targets, parameters)
        elif name == _QISKIT[target.entangler]:
            yield Gate(target.entangler, targets, parameters)
        elif name not in ("measure", FENCE):
            raise ProgramError(f"the compiler wrote the gate {name!r}, which {target.name} does not have")


def _ends(circuit: QuantumCircuit, qubits: int) -> list[int]:
    """The index at which each qubit of the circuit is at the end."""
    if circuit.layout is None:
        return list(range(qubits))
    ends: list[int] = circuit.layout.final_index_layout()
    return ends
