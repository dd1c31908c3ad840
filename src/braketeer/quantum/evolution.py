"""From a circuit to exact values or shots: which way of evolving it fits, and reading everything from one evolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from braketeer.quantum.circuit import Circuit, Limits, ProgramError
from braketeer.quantum.engines import Engine
from braketeer.quantum.memory import uses_density
from braketeer.quantum.results.exact import exact_values
from braketeer.quantum.results.mixed import populations
from braketeer.quantum.results.observables import basis_rotations
from braketeer.quantum.results.sampling import Indices, draw, draw_from


def values(circuit: Circuit, limits: Limits, engine: Engine) -> list[Any]:
    """The exact value of each result type in order (shots = 0)."""
    check_exact(circuit, limits)
    return exact_values(circuit, engine.evolve_density(circuit) if circuit.is_noisy else engine.evolve(circuit))


def drawn(circuit: Circuit, shots: int, limits: Limits, engine: Engine, random: np.random.Generator) -> Indices:
    """The basis states of ``shots`` measurements of all qubits, in the bases that the results ask for; shape (shots,).

    Shots of a noisy circuit come from its density matrix where that fits and pays, else each from a trajectory of its
    own: both are independent draws from the same distribution.
    """
    rotated = Circuit(circuit.labels, [*circuit.operations, *basis_rotations(circuit)])
    if not rotated.is_noisy:
        return draw(engine.evolve(rotated), shots, random)
    if not uses_density(circuit, shots, limits):
        return engine.trajectories(rotated, shots, random)
    return draw_from(populations(engine.evolve_density(rotated)), shots, random)


def check_exact(circuit: Circuit, limits: Limits) -> None:
    """Raise ProgramError where exact values of a noisy circuit do not fit this machine."""
    if circuit.is_noisy and circuit.qubit_count > limits.max_density_qubits:
        raise ProgramError(
            f"With shots=0 the density matrix of all {circuit.qubit_count} qubits would be needed, and "
            f"{limits.max_density_qubits} fit into the memory of a task here: use shots, which are drawn from "
            f"trajectories on up to {limits.max_qubits} qubits"
        )
