"""Circuits that simulators are compared on: lists of (gate, qubits, angles) that each library is given in its terms."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from math import pi

from braketeer.quantum.circuit import Circuit, Gate

Operations = list[tuple[str, tuple[int, ...], tuple[float, ...]]]


def brickwork(qubits: int, depth: int, seed: int = 1) -> Operations:
    """Layers of random h, rx and rz, each followed by cnot on neighbours."""
    dice = random.Random(seed)
    made: Operations = []
    for layer in range(depth):
        for qubit in range(qubits):
            name = dice.choice(("h", "rx", "rz"))
            made.append((name, (qubit,), () if name == "h" else (dice.uniform(-pi, pi),)))
        made += [("cnot", (qubit, qubit + 1), ()) for qubit in range(layer % 2, qubits - 1, 2)]
    return made


def qft(qubits: int) -> Operations:
    """The quantum Fourier transform of a state without structure."""
    made: Operations = [("ry", (qubit,), (0.3 + 0.1 * qubit,)) for qubit in range(qubits)]
    for target in range(qubits):
        made.append(("h", (target,), ()))
        made += [
            ("cphaseshift", (control, target), (pi / 2 ** (control - target),)) for control in range(target + 1, qubits)
        ]
    return made + [("swap", (qubit, qubits - 1 - qubit), ()) for qubit in range(qubits // 2)]


def qaoa(qubits: int, layers: int = 2, seed: int = 2) -> Operations:
    """Random pairs, three halves as many as qubits, coupled in each layer."""
    dice = random.Random(seed)
    pairs = [tuple(dice.sample(range(qubits), 2)) for _ in range(3 * qubits // 2)]
    made: Operations = [("h", (qubit,), ()) for qubit in range(qubits)]
    for _ in range(layers):
        angle = dice.uniform(0, pi)
        made += [("zz", (first, second), (angle,)) for first, second in pairs]
        made += [("rx", (qubit,), (angle / 2,)) for qubit in range(qubits)]
    return made


def vqe(qubits: int, layers: int = 2, seed: int = 3) -> Operations:
    """Layers of ry, rz and a chain of cz."""
    dice = random.Random(seed)
    made: Operations = []
    for _ in range(layers):
        for qubit in range(qubits):
            made += [("ry", (qubit,), (dice.uniform(-pi, pi),)), ("rz", (qubit,), (dice.uniform(-pi, pi),))]
        made += [("cz", (qubit, qubit + 1), ()) for qubit in range(qubits - 1)]
    return made


FAMILIES: dict[str, Callable[[int], Operations]] = {
    "brickwork": lambda qubits: brickwork(qubits, 10 if qubits > 20 else 20),
    "QFT": qft,
    "QAOA": qaoa,
    "VQE": vqe,
}


def circuit(operations: Operations, qubits: int) -> Circuit:
    """For our own engines."""
    return Circuit(tuple(range(qubits)), [Gate(name, targets, angles) for name, targets, angles in operations])


def openqasm(operations: Operations, qubits: int, results: str = "") -> str:
    """A program as the SDK would write it."""
    lines = ["OPENQASM 3.0;", f"qubit[{qubits}] q;"]
    for name, targets, angles in operations:
        angle = f"({', '.join(map(repr, angles))})" if angles else ""
        lines.append(f"{name}{angle} {', '.join(f'q[{target}]' for target in targets)};")
    return "\n".join(lines) + "\n" + results


def unseen(source: str) -> str:
    """The same program in a text that was not there before, as what was computed last is kept."""
    return f"{source}// {next(_numbers)}\n"


_numbers = count()
