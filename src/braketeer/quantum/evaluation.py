"""A flat circuit run once: exactly, or with shots."""

from __future__ import annotations

import numpy as np

from braketeer.quantum.circuit import Circuit, Limits
from braketeer.quantum.engines import choose
from braketeer.quantum.evolution import drawn, values
from braketeer.quantum.results.evaluated import Evaluated
from braketeer.quantum.results.sampled import measurement_bits, sampled_values


def evaluate_exactly(circuit: Circuit, limits: Limits, engine: str | None = None) -> Evaluated:
    """Values for shots = 0. Raises ProgramError."""
    return Evaluated(values(circuit, limits, choose(engine)), [])


def evaluate_shots(
    circuit: Circuit, shots: int, limits: Limits, random: np.random.Generator, engine: str | None = None
) -> Evaluated:
    """Values from ``shots`` measurements. Raises ProgramError."""
    indices = drawn(circuit, shots, limits, choose(engine), random)
    measured = range(circuit.qubit_count) if circuit.measured is None else circuit.measured
    bits = measurement_bits(indices, measured, circuit.qubit_count)
    return Evaluated(sampled_values(circuit, indices), [circuit.labels[qubit] for qubit in measured], bits)
