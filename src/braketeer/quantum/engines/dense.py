"""Our own engine, numpy only: where prism-q has no wheel, and as the second opinion of the tests."""

from __future__ import annotations

import numpy as np

from braketeer.quantum.circuit import Circuit
from braketeer.quantum.engines.amplitudes import State, apply, check_gate, check_norm, target_matrix


def evolve(circuit: Circuit) -> State:
    """See :class:`braketeer.quantum.engines.Engine`."""
    state = np.zeros(1 << circuit.qubit_count, dtype=np.complex128)
    state[0] = 1
    for gate in circuit.gates:
        check_gate(gate, circuit.qubit_count)
        apply(state, target_matrix(gate), gate.targets, gate.controls, gate.control_states)
    check_norm(state)
    return state
