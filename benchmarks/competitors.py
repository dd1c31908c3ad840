"""Other simulators of state vectors, each from a list of gates, through its own circuit, to amplitudes in numpy.

One that is not installed raises ImportError (``make bench`` installs the group ``bench``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.circuits import Operations

Compute = Callable[[Operations, int], Any]
#: From so many qubits on it pays to have a circuit optimised first.
_LARGE = 16


def aer(operations: Operations, qubits: int) -> Any:
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(method="statevector", precision="double")
    made = qiskit_circuit(operations, qubits)
    made.save_statevector()
    return np.asarray(simulator.run(made, shots=1).result().get_statevector(made))


def qiskit_circuit(operations: Operations, qubits: int, then: Callable[[Any, int], Any] | None = None) -> Any:
    """``then`` is called after each gate for each of its qubits."""
    from qiskit import QuantumCircuit

    names = {"cnot": "cx", "cphaseshift": "cp", "zz": "rzz"}
    made = QuantumCircuit(qubits)
    for name, targets, angles in operations:
        getattr(made, names.get(name, name))(*angles, *targets)
        for target in targets if then else ():
            then(made, target)
    return made


def qulacs(operations: Operations, qubits: int) -> Any:
    from qulacs import QuantumCircuit, QuantumState
    from qulacs.circuit import QuantumCircuitOptimizer

    made = QuantumCircuit(qubits)
    for name, targets, angles in operations:
        match name:
            case "h":
                made.add_H_gate(*targets)
            case "rx" | "ry" | "rz":
                getattr(made, f"add_{name.upper()}_gate")(targets[0], -angles[0])
            case "cnot" | "cz" | "swap":
                getattr(made, f"add_{name.upper()}_gate")(*targets)
            case "zz":
                made.add_multi_Pauli_rotation_gate(list(targets), [3, 3], -angles[0])
            case "cphaseshift":
                matrix = np.diag([1, 1, 1, np.exp(1j * angles[0])])
                made.add_dense_matrix_gate(list(targets), matrix)
    if qubits >= _LARGE:
        QuantumCircuitOptimizer().optimize_light(made)
    state = QuantumState(qubits)
    made.update_quantum_state(state)
    return state.get_vector()


def lightning(operations: Operations, qubits: int) -> Any:
    from pennylane_lightning.lightning_qubit_ops import StateVectorC128

    names = {
        "h": "Hadamard",
        "cnot": "CNOT",
        "cz": "CZ",
        "swap": "SWAP",
        "zz": "IsingZZ",
        "cphaseshift": "ControlledPhaseShift",
    }
    state = StateVectorC128(qubits)
    state.setBasisState([0] * qubits, list(range(qubits)))
    for name, targets, angles in operations:
        getattr(state, names.get(name) or name.upper())(targets, False, angles)
    found = np.empty(1 << qubits, dtype=np.complex128)
    state.getState(found)
    return found


def qsim(operations: Operations, qubits: int) -> Any:
    """It has single precision only."""
    import cirq
    import qsimcirq

    line = cirq.LineQubit.range(qubits)
    names = {"h": cirq.H, "cnot": cirq.CNOT, "cz": cirq.CZ, "swap": cirq.SWAP}
    turns = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}
    made = cirq.Circuit()
    for name, targets, angles in operations:
        if name in names:
            gate: Any = names[name]
        elif name in turns:
            gate = turns[name](angles[0])
        elif name == "zz":
            gate = cirq.ZZPowGate(exponent=angles[0] / np.pi, global_shift=-0.5)
        else:
            gate = cirq.CZPowGate(exponent=angles[0] / np.pi)
        made.append(gate(*(line[target] for target in targets)))
    simulator = qsimcirq.QSimSimulator({"t": len(os.sched_getaffinity(0))})
    return simulator.simulate(made, qubit_order=line).final_state_vector


#: In double precision: what is compared.
DOUBLE: dict[str, Compute] = {"Aer": aer, "qulacs": qulacs, "lightning": lightning}
#: Little-endian ones.
REVERSED = frozenset({"Aer", "qulacs"})
SINGLE: dict[str, Compute] = {"qsim": qsim}
