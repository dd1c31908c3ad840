"""Shots of wide circuits with little entanglement, by prism-q's matrix product states.

A matrix product state keeps at most 256 numbers a bond; what a circuit entangles beyond is cut off, and prism-q tells
how much of the state is left at least. Below 0.999 of it no shots are given: then they could be off by more than 3
percent of all shots (the root of what is missing bounds the total variation).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prism_q import BackendKind

from braketeer.quantum.circuit import Circuit, ProgramError
from braketeer.quantum.engines.amplitudes import WIDEST_NATIVE
from braketeer.quantum.engines.density import check_operation
from braketeer.quantum.engines.prism_gates import Translation, guarded, is_global_phase, simulation_of

LARGEST_BOND = 256
LOWEST_FIDELITY = 0.999


def sample(circuit: Circuit, shots: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Measurements of all qubits, shape (shots, qubits). ProgramError where the state would be cut too much."""
    check(circuit, shots)
    translation = Translation(circuit.qubit_count, measured=True)
    for operation in circuit.operations:
        if not is_global_phase(operation):
            translation.add(operation)
    simulation = simulation_of(translation, BackendKind.mps(LARGEST_BOND), int(random.integers(2**63)))
    found = guarded(lambda: simulation.shots(shots))
    fidelity = 1.0 if found.metadata.is_exact else found.metadata.fidelity_lower_bound or 0.0
    if not fidelity >= LOWEST_FIDELITY:
        raise ProgramError(
            f"the circuit entangles its qubits too much for the tensor network simulator: with bonds of {LARGEST_BOND} "
            f"its fidelity may be as low as {fidelity:.3f}, and {LOWEST_FIDELITY} are wanted"
        )
    bits = found.shots
    if bits.shape != (shots, circuit.qubit_count):
        raise ProgramError(f"the engine prism-q gave measurements of shape {bits.shape}: no result is given")
    return np.asarray(bits.view(np.uint8))


def check(circuit: Circuit, shots: int) -> None:
    """Raise ProgramError for what cannot be done here, naming it; how much is entangled only running tells."""
    if not shots:
        raise ProgramError("the tensor network simulator gives no exact values: use shots")
    if circuit.is_noisy:
        raise ProgramError("the tensor network simulator takes no noise")
    for operation in circuit.operations:
        check_operation(operation, circuit.qubit_count)
        if len(operation.targets) > WIDEST_NATIVE:
            raise ProgramError(
                f"the gate {operation.name} has {len(operation.targets)} targets, and the tensor network simulator "
                f"takes {WIDEST_NATIVE}"
            )
