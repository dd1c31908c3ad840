"""The noise of a QPU: channels after each native gate, and bits that are misread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Gate, Noise, Operation
from braketeer.quantum.noise import noise
from braketeer.quantum.target import GateNoise, Target

_FREE = "rz"  # a change of the frame in which later pulses are given: nothing is done to the qubit


def noisy(gates: Iterable[Gate], target: Target) -> list[Operation]:
    """The gates, each followed by what goes wrong in it."""
    found: list[Operation] = []
    known: dict[tuple[int, ...], list[Noise]] = {}
    for gate in gates:
        found.append(gate)
        if gate.name == _FREE:
            continue
        if gate.targets not in known:
            figures = target.gate_noise.get(tuple(sorted(gate.targets)))
            known[gate.targets] = [] if figures is None else channels(figures, gate.targets)
        found += known[gate.targets]
    return found


def channels(figures: GateNoise, qubits: Sequence[int]) -> list[Noise]:
    """The noise of a gate on ``qubits``, one or two: relaxation of each, then depolarisation of all."""
    found: list[Noise] = []
    for qubit, (damping, dephasing) in zip(sorted(qubits), figures.relaxation, strict=False):
        if damping:
            found.append(noise("amplitude_damping", (damping,), (qubit,)))
        if dephasing:  # a phase damping is this phase flip, which is drawn faster
            found.append(noise("phase_flip", ((1 - math.sqrt(1 - dephasing)) / 2,), (qubit,)))
    if figures.depolarizing:
        name = "depolarizing" if len(qubits) == 1 else "two_qubit_depolarizing"
        found.append(noise(name, (figures.depolarizing,), tuple(qubits)))
    return found


def misread(
    bits: NDArray[np.uint8], qubits: Sequence[int], target: Target, random: np.random.Generator
) -> NDArray[np.uint8]:
    """The bits as they are read, each flipped as often as the readout of its qubit errs; shape (shots, qubits)."""
    if not target.flips:
        return bits
    rates = np.array([target.flips.get(qubit, (0.0, 0.0)) for qubit in qubits])
    likely = np.where(bits == 0, rates[:, 0], rates[:, 1])
    return bits ^ (random.random(bits.shape) < likely).astype(np.uint8)
