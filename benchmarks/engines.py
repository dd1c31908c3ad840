"""From a list of gates to the state vector in numpy, against other simulators in double precision, each with its
defaults and its own circuit on the way. qsim has single precision only: it stands beside them and does not count."""

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np

from benchmarks.circuits import FAMILIES, Operations, circuit
from benchmarks.competitors import DOUBLE, REVERSED, SINGLE
from benchmarks.figures import Figure, median, milliseconds
from braketeer.quantum.engines import choose
from braketeer.quantum.engines.amplitudes import State

SIZES = {10: 20, 16: 9, 20: 3, 24: 1}


def measure() -> list[Figure]:
    figures, ratios = [], []
    for qubits, times in SIZES.items():
        for family in FAMILIES:
            figure = _row(family, qubits, times)
            ratios.append(figure.value)
            figures.append(figure)
    mean = exp(sum(map(log, ratios)) / len(ratios))
    return [*figures, Figure("the best of the others / ours, geometric mean", mean, "x", goal=1, at_least=True)]


def _row(family: str, qubits: int, times: int) -> Figure:
    operations = FAMILIES[family](qubits)
    right = _evolved(operations, qubits)
    ours = median(milliseconds(lambda: _evolved(operations, qubits), max(times, 3), 1))
    found: dict[str, float] = {}
    notes = [f"ours {_short(ours)}"]
    for name, compute in (DOUBLE | SINGLE).items():
        try:
            if qubits < 20:
                _check(name, compute(operations, qubits), right)
            value = median(milliseconds(lambda compute=compute: compute(operations, qubits), times, qubits < 24))
        except ImportError:
            notes.append(f"{name} not installed")
            continue
        notes.append(f"{name} {_short(value)}")
        if name in DOUBLE:
            found[name] = value
    best = min(found.values(), default=float("nan"))
    return Figure(
        f"the best of the others / ours, {family}, {qubits} qubits",
        best / ours,
        "x",
        goal=0.9,
        at_least=True,
        note=", ".join(notes),
    )


def _evolved(operations: Operations, qubits: int) -> State:
    return choose().evolve(circuit(operations, qubits))


def _check(name: str, state: Any, right: State) -> None:
    """They must have computed the same, but for a phase."""
    if name in REVERSED:
        qubits = state.size.bit_length() - 1
        state = state.reshape((2,) * qubits).transpose(range(qubits)[::-1]).reshape(-1)
    overlap = abs(np.vdot(state, right))
    if not abs(overlap - 1) < 1e-4:
        raise RuntimeError(f"{name} has computed another state: overlap {overlap}")


def _short(milliseconds_taken: float) -> str:
    return f"{milliseconds_taken:.3g} ms"
