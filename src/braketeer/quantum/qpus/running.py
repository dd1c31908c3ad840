"""Shots of an emulated QPU: compile, simulate with noise, misread."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from braketeer.quantum.circuit import Circuit, Limits, ProgramError
from braketeer.quantum.engines import choose, stabilizer
from braketeer.quantum.evolution import drawn
from braketeer.quantum.qpus.compiling import Compiled, compiled
from braketeer.quantum.qpus.noise import misread, noisy
from braketeer.quantum.results.evaluated import Evaluated
from braketeer.quantum.results.sampled import Shots, measurement_bits, sampled_values
from braketeer.quantum.target import Target


def evaluate_on_target(
    circuit: Circuit, shots: int, limits: Limits, target: Target, random: np.random.Generator, engine: str | None = None
) -> Evaluated:
    """Values from ``shots`` measurements on the emulated QPU, by the program's own qubits. Raises ProgramError.

    Only the qubits that the compiled program uses are simulated: as many as the program has.
    """
    found = compiled(circuit, limits)
    physical = as_run(found, target)
    if target.is_wide(circuit.qubit_count) or _suits_stabilizers(physical, shots):
        indices: Shots = stabilizer().sample(physical, shots, random)
    else:
        indices = drawn(physical, shots, limits, choose(engine), random)
    at = {qubit: number for number, qubit in enumerate(physical.labels)}
    bits = measurement_bits(indices, [at[place] for place in found.places], physical.qubit_count)
    bits = misread(bits, found.places, target, random)
    measured = range(circuit.qubit_count) if circuit.measured is None else circuit.measured
    return Evaluated(
        sampled_values(circuit, bits),
        [circuit.labels[qubit] for qubit in measured],
        np.ascontiguousarray(bits[:, list(measured)]),
        compiled=found.program(measured),
    )


_FEW_QUBITS = 10  # whose states are evolved as quickly as stabilizers are translated


def _suits_stabilizers(circuit: Circuit, shots: int) -> bool:
    """Whether all gates are Clifford and all noise is Pauli: no state is evolved then."""
    if circuit.qubit_count <= _FEW_QUBITS:
        return False
    try:
        stabilizer().check(circuit, shots)
    except ProgramError:
        return False
    return True


def as_run(found: Compiled, target: Target) -> Circuit:
    """What happens to the physical qubits, noise included, on as few of them as possible."""
    labels = tuple(sorted({*found.places, *(qubit for gate in found.gates for qubit in gate.targets)}))
    at = {qubit: number for number, qubit in enumerate(labels)}
    operations = [
        replace(operation, targets=tuple([at[qubit] for qubit in operation.targets]))
        for operation in noisy(found.gates, target)
    ]
    return Circuit(labels, operations)
