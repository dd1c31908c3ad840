"""prism-q as the engine, through its circuit builder only.

Its parser is never used, its backend always named and its seed always given: left to itself it may lose a global phase,
turn to an approximate method, or reuse one seed for ever.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prism_q import BackendKind, simulate

from braketeer.quantum.circuit import Circuit, Gate, ProgramError
from braketeer.quantum.engines import adjoint, dense, prism_gradient
from braketeer.quantum.engines.adjoint import Derivatives, Terms
from braketeer.quantum.engines.amplitudes import WIDEST_NATIVE, WIDEST_NOISE, State, apply, check_norm, target_matrix
from braketeer.quantum.engines.density import Density, apply_operation, check_operation, check_trace
from braketeer.quantum.engines.prism_gates import Translation, guarded, is_global_phase, simulation_of, takes
from braketeer.quantum.engines.prism_script import written_again

name = "prism"

_SEED = 20_260_101  # where nothing is drawn; an own seed all the same


def evolve(circuit: Circuit, before: State | None = None) -> State:
    """See :class:`braketeer.quantum.engines.Engine`."""
    if before is None and (written := written_again(circuit)) is not None:
        again: State = guarded(simulate(written).backend(BackendKind.statevector()).seed(_SEED).state_vector)
        check_norm(again)
        return again
    qubits = _checked(circuit)
    phase: complex = 1
    state = before
    translation = Translation(qubits)
    for gate in circuit.gates:
        if translation.add_named(gate):
            continue
        if not gate.targets and not gate.controls:
            phase *= complex(target_matrix(gate)[0, 0])
        elif takes(gate):
            translation.add(gate)
        else:
            state = _vector(translation, state)
            apply(state, target_matrix(gate), gate.targets, gate.controls, gate.control_states)
            translation = Translation(qubits)
    if phase != 1:
        translation.phase(phase)
    state = _vector(translation, state)
    check_norm(state)
    return state


def evolve_density(circuit: Circuit) -> Density:
    """See :class:`braketeer.quantum.engines.Engine`."""
    qubits = _checked(circuit)
    density: Density | None = None
    translation = Translation(qubits)
    for operation in circuit.operations:
        if is_global_phase(operation):
            continue
        if takes(operation):
            translation.add(operation)
        else:
            density = _matrix(translation, density, qubits)
            apply_operation(density, operation)
            translation = Translation(qubits)
    density = _matrix(translation, density, qubits)
    check_trace(density)
    return density


def trajectories(circuit: Circuit, shots: int, random: np.random.Generator) -> NDArray[np.int64]:
    """See :class:`braketeer.quantum.engines.Engine`."""
    qubits = _checked(circuit)
    translation = Translation(qubits, measured=True)
    for operation in circuit.operations:
        if len(operation.targets) > (WIDEST_NATIVE if isinstance(operation, Gate) else WIDEST_NOISE):
            return dense.trajectories(circuit, shots, random)
        if not is_global_phase(operation):
            translation.add(operation)  # operators are completed here, which no number of shots could tell
    simulation = simulation_of(translation, BackendKind.statevector(), int(random.integers(2**63)))
    bits = guarded(lambda: simulation.shots(shots).shots)
    if bits.shape != (shots, qubits):
        raise ProgramError(f"the engine prism-q gave measurements of shape {bits.shape}: no result is given")
    return bits @ (1 << np.arange(qubits - 1, -1, -1, dtype=np.int64))


def gradient(circuit: Circuit, terms: Terms) -> tuple[float, Derivatives]:
    """See :class:`braketeer.quantum.engines.Engine`."""
    _checked(circuit)
    if not prism_gradient.can(circuit, terms):
        return adjoint.gradient(circuit, terms, evolve)
    return guarded(lambda: prism_gradient.gradient(circuit, terms))


def _checked(circuit: Circuit) -> int:
    qubits = circuit.qubit_count
    if qubits == 0:
        raise ProgramError("the program has no qubits")
    # Programs repeat themselves, and the front-end gives the same object for the same gate.
    for operation in {id(operation): operation for operation in circuit.operations}.values():
        check_operation(operation, qubits)
    return qubits


def _vector(translation: Translation, before: State | None) -> State:
    if before is not None and not translation.count:
        return before
    simulation = simulation_of(translation, BackendKind.statevector(), _SEED)
    if before is not None:
        simulation = simulation.initial_state(before)
    return guarded(simulation.state_vector)


def _matrix(translation: Translation, before: Density | None, qubits: int) -> Density:
    if before is not None and not translation.count:
        return before
    simulation = simulation_of(translation, BackendKind.density_matrix(), _SEED)
    trace = 1.0
    if before is not None:  # prism-q wants trace 1; operators typed with few digits may have left it off by 1e-7
        trace = float(np.trace(before).real)
        simulation = simulation.initial_density_matrix(before / trace)
    matrix = guarded(lambda: simulation.reduced_density_matrix(range(qubits)).matrix)
    return np.ascontiguousarray(matrix * trace if trace != 1 else matrix)
