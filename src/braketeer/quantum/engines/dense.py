"""Our own engine, numpy only: where prism-q has no wheel, and as the second opinion of the tests."""

from __future__ import annotations

from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Gate
from braketeer.quantum.engines import adjoint
from braketeer.quantum.engines.adjoint import Derivatives, Terms
from braketeer.quantum.engines.amplitudes import State, apply, check_gate, check_norm, target_matrix, zeros
from braketeer.quantum.engines.density import Density, apply_operation, check_operation, check_trace, start
from braketeer.quantum.engines.trajectories import apply_at_random

name = "dense"


def evolve(circuit: Circuit, before: State | None = None) -> State:
    """See :class:`braketeer.quantum.engines.Engine`."""
    state = zeros(circuit.qubit_count) if before is None else before
    for gate in circuit.gates:
        check_gate(gate, circuit.qubit_count)
        apply(state, target_matrix(gate), gate.targets, gate.controls, gate.control_states)
    check_norm(state)
    return state


def evolve_density(circuit: Circuit) -> Density:
    """See :class:`braketeer.quantum.engines.Engine`."""
    density = start(circuit.qubit_count)
    for operation in circuit.operations:
        apply_operation(density, operation)
    check_trace(density)
    return density


def trajectories(circuit: Circuit, shots: int, random: np.random.Generator) -> NDArray[np.int64]:
    """See :class:`braketeer.quantum.engines.Engine`."""
    for operation in circuit.operations:
        check_operation(operation, circuit.qubit_count)
    quiet = list(takewhile(lambda operation: isinstance(operation, Gate), circuit.operations))
    first = evolve(Circuit(circuit.labels, quiet))
    rest = [
        (operation, target_matrix(operation) if isinstance(operation, Gate) else None)
        for operation in circuit.operations[len(quiet) :]
    ]
    indices = np.empty(shots, dtype=np.int64)
    for shot in range(shots):
        state = first.copy()
        for operation, matrix in rest:
            if isinstance(operation, Gate) and matrix is not None:
                apply(state, matrix, operation.targets, operation.controls, operation.control_states)
            elif not isinstance(operation, Gate):
                apply_at_random(state, operation, random)
        table = np.cumsum(state.real**2 + state.imag**2)
        drawn = min(random.random() * table[-1], np.nextafter(table[-1], 0))
        indices[shot] = np.searchsorted(table, drawn, side="right")
    return indices


def gradient(circuit: Circuit, terms: Terms) -> tuple[float, Derivatives]:
    """See :class:`braketeer.quantum.engines.Engine`."""
    return adjoint.gradient(circuit, terms, evolve)
