"""A small dense simulator of circuits, for comparison in tests: matrices typed from the gate definitions, no engine.

Nothing here comes from the package but the circuit itself. Powers go through scipy-free eigenvectors of the plain
(non-Hermitian) solver, another way than the package's.
"""

from __future__ import annotations

import itertools
from cmath import exp
from math import cos, pi, sin, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Gate, Noise, ResultType

Array = NDArray[np.complex128]

I2 = np.eye(2, dtype=complex)
X = np.array([[0, 1], [1, 0]], dtype=complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1]).astype(complex)
H = (X + Z) / sqrt(2)
P0, P1 = np.diag([1, 0]).astype(complex), np.diag([0, 1]).astype(complex)
PAULIS = {"i": I2, "x": X, "y": Y, "z": Z, "h": H}
SWAP = (np.kron(I2, I2) + np.kron(X, X) + np.kron(Y, Y) + np.kron(Z, Z)) / 2


def rotation(generator: Array, angle: float) -> Array:
    """exp(-i angle/2 generator) of a generator whose square is one."""
    return cos(angle / 2) * np.eye(len(generator)) - 1j * sin(angle / 2) * generator


def equator(phi: float) -> Array:
    return cos(phi) * X + sin(phi) * Y


def add_control(matrix: Array) -> Array:
    return np.kron(P0, np.eye(len(matrix))) + np.kron(P1, matrix)


def phase_on(index: int, angle: float) -> Array:
    entries = np.ones(4, dtype=complex)
    entries[index] = exp(1j * angle)
    return np.diag(entries)


def braket_matrix(name: str, p: tuple[float, ...]) -> Array:
    """Braket's gates, written as rotations, products and controls."""
    root_x = (1 + 1j) / 2 * I2 + (1 - 1j) / 2 * X
    match name:
        case "i" | "x" | "y" | "z" | "h":
            return PAULIS[name]
        case "s" | "si":
            return np.diag([1, 1j if name == "s" else -1j])
        case "t" | "ti":
            return np.diag([1, exp(1j * pi / 4 * (1 if name == "t" else -1))])
        case "v":
            return root_x
        case "vi":
            return root_x.conj().T
        case "rx" | "ry" | "rz":
            return rotation(PAULIS[name[1]], p[0])
        case "phaseshift":
            return np.diag([1, exp(1j * p[0])])
        case "gpi":
            return equator(p[0])
        case "gpi2":
            return rotation(equator(p[0]), pi / 2)
        case "prx":
            return rotation(equator(p[1]), p[0])
        case "u":
            theta, phi, lam = p
            return exp(0.5j * (phi + lam)) * rotation(Z, phi) @ rotation(Y, theta) @ rotation(Z, lam)
        case "cnot":
            return add_control(X)
        case "cy":
            return add_control(Y)
        case "cz":
            return add_control(Z)
        case "cv":
            return add_control(root_x)
        case "ccnot":
            return add_control(add_control(X))
        case "cswap":
            return add_control(SWAP)
        case "swap":
            return SWAP
        case "iswap":
            return rotation((np.kron(X, X) + np.kron(Y, Y)) / 2, 0) @ braket_matrix("xy", (pi,))
        case "pswap":
            return np.diag([1, exp(1j * p[0]), exp(1j * p[0]), 1]) @ SWAP
        case "xy":
            return rotation(np.kron(X, X), -p[0] / 2) @ rotation(np.kron(Y, Y), -p[0] / 2)
        case "xx" | "yy" | "zz":
            return rotation(np.kron(PAULIS[name[0]], PAULIS[name[0]]), p[0])
        case "ms":
            return rotation(np.kron(equator(p[0]), equator(p[1])), p[2])
        case "ecr":
            return (np.kron(X, I2) - np.kron(Y, X)) / sqrt(2)
        case "cphaseshift":
            return phase_on(3, p[0])
        case "cphaseshift00" | "cphaseshift01" | "cphaseshift10":
            return phase_on(int(name[-2:], 2), p[0])
    raise KeyError(name)


def principal_power(matrix: Array, power: float) -> Array:
    """The principal power by a plain eigendecomposition after a random shift of degenerate directions (QR)."""
    if power == int(power):
        base = matrix if power >= 0 else np.linalg.inv(matrix)
        return np.linalg.matrix_power(base, abs(int(power)))
    values, vectors = np.linalg.eig(matrix)
    order = np.argsort(np.round(np.angle(values), 7))
    values, vectors = values[order], np.linalg.qr(vectors[:, order])[0]
    angles = np.angle(values)
    angles[angles < -pi + 1e-9] = pi
    return np.asarray(vectors @ np.diag(np.exp(1j * power * angles)) @ vectors.conj().T)


def full_matrix(gate: Gate, count: int) -> Array:
    """The gate on all qubits, entry by entry."""
    if gate.name == "gphase":
        block = np.array([[exp(1j * gate.parameters[0])]])
    else:
        block = gate.matrix if gate.matrix is not None else braket_matrix(gate.name, gate.parameters)
    block = principal_power(block, gate.power)
    size = 2**count
    whole = np.zeros((size, size), dtype=complex)
    for column in range(size):
        bits = [column >> (count - 1 - qubit) & 1 for qubit in range(count)]
        if any(bits[qubit] != state for qubit, state in zip(gate.controls, gate.control_states, strict=True)):
            whole[column, column] = 1
            continue
        inner = sum(bits[qubit] << (len(gate.targets) - 1 - i) for i, qubit in enumerate(gate.targets))
        for row in range(len(block)):
            image = list(bits)
            for i, qubit in enumerate(gate.targets):
                image[qubit] = row >> (len(gate.targets) - 1 - i) & 1
            whole[sum(bit << (count - 1 - qubit) for qubit, bit in enumerate(image)), column] += block[row, inner]
    return whole


def state_of(circuit: Circuit) -> Array:
    """The final state, shape (2^n,), qubit 0 most significant."""
    count = circuit.qubit_count
    state = np.zeros(2**count, dtype=complex)
    state[0] = 1
    for gate in circuit.gates:
        state = full_matrix(gate, count) @ state
    return state


def mixed_state_of(circuit: Circuit) -> Array:
    """The final density matrix, shape (2^n, 2^n): every gate and Kraus operator as a matrix on all qubits."""
    count = circuit.qubit_count
    density = np.zeros((2**count, 2**count), dtype=complex)
    density[0, 0] = 1
    for operation in circuit.operations:
        if isinstance(operation, Noise):
            parts = [Gate("unitary", operation.targets, matrix=matrix) for matrix in operation.operators]
        else:
            parts = [operation]
        wholes = [full_matrix(part, count) for part in parts]
        density = np.asarray(sum(whole @ density @ whole.conj().T for whole in wholes))
    return density


def density_of(state: Array, qubits: tuple[int, ...] | None) -> Array:
    """The reduced density matrix on ``qubits`` in their order, of a state vector or a density matrix."""
    count = len(state).bit_length() - 1
    kept = tuple(range(count)) if qubits is None else qubits
    axes = [*kept, *(qubit for qubit in range(count) if qubit not in kept)]
    if state.ndim == 2:
        both = [*axes, *(count + axis for axis in axes)]
        size, rest = 2 ** len(kept), 2 ** (count - len(kept))
        return np.einsum("arbr->ab", state.reshape((2,) * 2 * count).transpose(both).reshape(size, rest, size, rest))
    block = state.reshape((2,) * count).transpose(axes).reshape(2 ** len(kept), -1)
    return np.asarray(block @ block.conj().T)


def operator_of(factors: Any) -> tuple[Array, tuple[int, ...]]:
    matrix, qubits = np.eye(1, dtype=complex), []
    for observable, targets in factors:
        matrix = np.kron(matrix, PAULIS[observable] if isinstance(observable, str) else observable)
        qubits += targets
    return matrix, tuple(qubits)


def value_of(result: ResultType, state: Array) -> Any:
    """The exact value of a result type, in the form of a result document but for complex numbers."""
    match result.kind:
        case "state_vector":
            return state
        case "density_matrix":
            return density_of(state, result.targets)
        case "probability":
            return np.diag(density_of(state, result.targets)).real
        case "amplitude":
            return {bits: state[int(bits, 2)] for bits in result.states}
    assert result.observable is not None
    groups = [result.observable.factors] if result.targets else [[factor] for factor in result.observable.factors]
    values = []
    for group in groups:
        matrix, qubits = operator_of(group)
        density = density_of(state, qubits)
        mean = np.trace(density @ matrix).real
        values.append(mean if result.kind == "expectation" else np.trace(density @ matrix @ matrix).real - mean**2)
    return values[0] if result.targets else values


def distribution_of(circuit: Circuit) -> dict[str, float]:
    """Exact probabilities of the outcomes of the measured qubits, without those of zero."""
    measured = circuit.measured if circuit.measured is not None else tuple(range(circuit.qubit_count))
    probabilities = np.diag(density_of(state_of(circuit), measured)).real
    outcomes = itertools.product("01", repeat=len(measured))
    return {"".join(bits): p for bits, p in zip(outcomes, probabilities, strict=True) if p > 1e-12}
