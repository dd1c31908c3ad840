"""lightning.qubit as the engine: PennyLane's C++ state vector, whose binding is loaded without PennyLane.

Its binding takes wires beyond the register and matrices of NaN without a word, and makes a state of 2^70 amplitudes
that has none: everything is checked before it sees a circuit, and the norm after. It has no noise, which the other
engines compute.
"""

from __future__ import annotations

import numpy as np
from pennylane_lightning import lightning_qubit_ops

from braketeer.quantum.circuit import Circuit, Gate, Matrix, ProgramError
from braketeer.quantum.engines import adjoint
from braketeer.quantum.engines.adjoint import Derivatives, Terms
from braketeer.quantum.engines.amplitudes import State, check_gate, check_norm, target_matrix

try:
    from braketeer.quantum.engines.prism import evolve_density, trajectories
except ImportError:
    from braketeer.quantum.engines.dense import evolve_density, trajectories

__all__ = ["evolve", "evolve_density", "gradient", "name", "trajectories"]

name = "lightning"

#: An index of an amplitude has 64 bits there, and nobody has the memory for so many.
_MOST_QUBITS = 48
#: Ours -> its gate, and whether that is the inverse.
_NAMED = {
    "x": ("PauliX", False),
    "y": ("PauliY", False),
    "z": ("PauliZ", False),
    "h": ("Hadamard", False),
    "s": ("S", False),
    "si": ("S", True),
    "t": ("T", False),
    "ti": ("T", True),
    "v": ("SX", False),
    "vi": ("SX", True),
    "rx": ("RX", False),
    "ry": ("RY", False),
    "rz": ("RZ", False),
    "phaseshift": ("PhaseShift", False),
    "swap": ("SWAP", False),
    "pswap": ("PSWAP", False),
    "xx": ("IsingXX", False),
    "yy": ("IsingYY", False),
    "zz": ("IsingZZ", False),
    "xy": ("IsingXY", False),
    "cnot": ("CNOT", False),
    "cy": ("CY", False),
    "cz": ("CZ", False),
    "cphaseshift": ("ControlledPhaseShift", False),
    "ccnot": ("Toffoli", False),
    "cswap": ("CSWAP", False),
}


def evolve(circuit: Circuit, before: State | None = None) -> State:
    """See :class:`braketeer.quantum.engines.Engine`."""
    qubits = circuit.qubit_count
    if not 0 < qubits <= _MOST_QUBITS:
        raise ProgramError(f"the engine lightning.qubit takes 1 to {_MOST_QUBITS} qubits, not {qubits}")
    gates = circuit.gates
    # Programs repeat themselves, and the front-end gives the same object for the same gate.
    for gate in {id(gate): gate for gate in gates}.values():
        check_gate(gate, qubits)
    state = np.empty(1 << qubits, dtype=np.complex128) if before is None else before
    try:
        vector = lightning_qubit_ops.StateVectorC128(qubits)
        if before is not None:
            vector.updateData(before)
        for gate in gates:
            _apply(vector, gate)
        vector.getState(state)
    except (RuntimeError, ValueError, TypeError) as error:
        raise ProgramError(f"the engine lightning.qubit refuses this program: {error}") from error
    check_norm(state)
    return state


def gradient(circuit: Circuit, terms: Terms) -> tuple[float, Derivatives]:
    """See :class:`braketeer.quantum.engines.Engine`."""
    return adjoint.gradient(circuit, terms, evolve)


def _apply(vector: lightning_qubit_ops.StateVectorC128, gate: Gate) -> None:
    named = _NAMED.get(gate.name)
    if named is not None and gate.matrix is None and gate.power == 1 and not gate.controls:
        method, inverse = named
        getattr(vector, method)(gate.targets, inverse, gate.parameters)
        return
    matrix, targets = target_matrix(gate), gate.targets
    controls, states = gate.controls, gate.control_states
    if not targets:  # a phase: of everything, or of what the controls allow, the last of them taken for a target
        phase = complex(matrix[0, 0])
        *_, wanted = states or (None,)
        matrix = np.diag([1 if wanted == 1 else phase, 1 if wanted == 0 else phase])
        targets, controls, states = controls[-1:] or (0,), controls[:-1], states[:-1]
    _apply_matrix(vector, matrix, targets, controls, states)


def _apply_matrix(
    vector: lightning_qubit_ops.StateVectorC128,
    matrix: Matrix,
    targets: tuple[int, ...],
    controls: tuple[int, ...],
    states: tuple[int, ...],
) -> None:
    matrix = np.ascontiguousarray(matrix, dtype=np.complex128)
    if controls:
        vector.applyControlledMatrix(matrix, controls, [state == 1 for state in states], targets, False)
    else:
        vector.applyMatrix(matrix, targets, False)
