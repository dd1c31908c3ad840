"""What running a program once gives: values, and with shots the bits measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Limits
from braketeer.quantum.engines import choose
from braketeer.quantum.evolution import drawn, values
from braketeer.quantum.results.sampled import measurement_bits, sampled_values


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The value of each result type in order. With shots also ``measured``, the label of each column of ``bits``, of
    shape (shots, columns); ``outputs`` are the output variables of each shot where the program has some."""

    values: list[Any]
    measured: list[int]
    bits: NDArray[np.uint8] | None = None
    outputs: list[dict[str, Any]] | None = None


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
