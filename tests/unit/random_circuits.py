"""Random circuits over the whole vocabulary of gates and noise, the same for every engine and run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Gate, Noise
from braketeer.quantum.gates import GATES
from braketeer.quantum.noise import CHANNELS, kraus_noise, noise

Array = NDArray[np.complex128]


def haar(random: np.random.Generator, size: int) -> Array:
    matrix, _ = np.linalg.qr(random.normal(size=(size, size)) + 1j * random.normal(size=(size, size)))
    return np.asarray(matrix, dtype=np.complex128)


def random_gate(random: np.random.Generator, qubits: int, widest: int = 4) -> Gate:
    free = list(map(int, random.permutation(qubits)))
    name = str(random.choice([*sorted(GATES), "unitary", "unitary", "gphase"]))
    matrix = None
    if name == "unitary":
        width = int(random.integers(1, min(widest, qubits) + 1))
        matrix = haar(random, 1 << width)
    else:
        width = GATES[name].qubits
    if width > qubits:
        return random_gate(random, qubits, widest)
    parameters = () if matrix is not None else tuple(random.uniform(-7, 7, GATES[name].parameters))
    controls = free[width : width + int(random.choice([0, 0, 0, 1, 1, 2, 3, qubits]))]
    return Gate(
        name,
        tuple(free[:width]),
        parameters,
        tuple(controls),
        tuple(int(state) for state in random.integers(0, 2, len(controls))),
        float(random.choice([1, 1, 1, 1, -1, 2, -3, 0.5, 1.7, -0.25, 0])),
        matrix,
    )


def random_noise(random: np.random.Generator, qubits: int, widest: int = 3) -> Noise:
    free = tuple(map(int, random.permutation(qubits)))
    name = str(random.choice([*sorted(CHANNELS), "kraus", "kraus"]))
    if name == "kraus":
        width, count = int(random.integers(1, min(widest, qubits) + 1)), int(random.integers(1, 4))
        # Columns of a unitary: blocks below each other that preserve the trace together.
        blocks = haar(random, count << width)[:, : 1 << width]
        return kraus_noise(list(blocks.reshape(count, 1 << width, 1 << width)), free[:width])
    signature = CHANNELS[name]
    if signature.qubits > qubits:
        return random_noise(random, qubits, widest)
    shares = random.dirichlet(np.ones(signature.parameters + 1))[:-1]
    parameters = random.uniform(0, 1, signature.parameters) if "damping" in name else shares
    return noise(name, tuple(map(float, parameters)), free[: signature.qubits])


def random_circuit(
    random: np.random.Generator, qubits: int, operations: int, noisy: float = 0.0, widest_noise: int = 3
) -> Circuit:
    """``noisy`` is the share of operations that are noise."""
    return Circuit(
        tuple(range(qubits)),
        [
            random_noise(random, qubits, widest_noise) if random.random() < noisy else random_gate(random, qubits)
            for _ in range(operations)
        ],
    )


def spread(qubits: int) -> list[Gate]:
    """Gates that leave no amplitude at zero, so that every part of a following gate shows."""
    return [Gate("u", (qubit,), (0.7 + qubit, 0.3 * qubit, 1.1)) for qubit in range(qubits)]
