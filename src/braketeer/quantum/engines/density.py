"""A density matrix in numpy: applying gates and noise to it in place.

It is kept as an array of shape (2^n, 2^n), which in memory is a state of 2n qubits: qubit q's row bit is number q, its
column bit n + q. A gate U is then U on the rows and its conjugate on the columns, a channel the sum of K x K* on both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from braketeer.quantum.circuit import Gate, Matrix, Noise, Operation, ProgramError
from braketeer.quantum.engines.amplitudes import LARGEST_NORM_ERROR, State, apply, check_gate, target_matrix

#: Shape (2^n, 2^n), big-endian, trace 1, hermitian.
Density = State

#: A gate on so many targets, or a channel, is applied to rows and columns in one go, as a matrix of 4^k rows.
_TOGETHER = 2
_CHANNEL_TOGETHER = 3


def start(qubits: int) -> Density:
    """All qubits in state 0."""
    density = np.zeros((1 << qubits, 1 << qubits), dtype=np.complex128)
    density[0, 0] = 1
    return density


def apply_operation(density: Density, operation: Operation) -> None:
    """Apply a gate or a channel, in place. Raises ProgramError where it cannot mean anything on these qubits."""
    qubits = len(density).bit_length() - 1
    flat = density.reshape(-1)
    check_operation(operation, qubits)
    if isinstance(operation, Noise):
        _apply_noise(density, operation, qubits)
    else:
        _apply_gate(flat, operation, target_matrix(operation), qubits)


def _apply_noise(density: Density, noise: Noise, qubits: int) -> None:
    if len(noise.targets) <= _CHANNEL_TOGETHER:
        apply(density.reshape(-1), superoperator(noise.operators), both_sides(noise.targets, qubits))
        return
    before = density.copy()
    density[...] = 0
    for operator in noise.operators:
        part = before.copy()
        apply(part.reshape(-1), operator, noise.targets)
        apply(part.reshape(-1), operator.conj(), [qubits + target for target in noise.targets])
        density += part


def _apply_gate(flat: State, gate: Gate, matrix: Matrix, qubits: int) -> None:
    if not gate.targets and not gate.controls:
        return  # a global phase, which no density matrix has
    if not gate.controls and len(gate.targets) <= _TOGETHER:
        apply(flat, superoperator(matrix[None]), both_sides(gate.targets, qubits))
        return
    apply(flat, matrix, gate.targets, gate.controls, gate.control_states)
    columns = [qubits + qubit for qubit in gate.targets]
    apply(flat, matrix.conj(), columns, [qubits + qubit for qubit in gate.controls], gate.control_states)


def superoperator(operators: Matrix) -> Matrix:
    """Sum of K x K*, shape (4^k, 4^k), for operators of shape (m, 2^k, 2^k): acts on row bits, then column bits."""
    size = operators.shape[1] ** 2
    matrix: Matrix = np.einsum("kab,kcd->acbd", operators, operators.conj()).reshape(size, size)
    return matrix


def both_sides(targets: Sequence[int], qubits: int) -> tuple[int, ...]:
    return (*targets, *(qubits + target for target in targets))


def check_operation(operation: Operation, qubits: int) -> None:
    """Raise ProgramError where an operation cannot mean anything on that many qubits: the last guard before engines."""
    if isinstance(operation, Gate):
        check_gate(operation, qubits)
        return
    noise = operation
    targets, size = noise.targets, 1 << len(noise.targets)
    if len(set(targets)) != len(targets):
        raise ProgramError(f"the noise {noise.name!r} names one qubit twice")
    if not targets or min(targets) < 0 or max(targets) >= qubits:
        raise ProgramError(f"the noise {noise.name!r} names a qubit outside the circuit")
    if noise.operators.shape[1:] != (size, size) or not np.isfinite(noise.operators).all():
        raise ProgramError(f"the operators of {noise.name!r} must be {size} x {size} finite numbers")


def check_trace(density: Density) -> None:
    """Raise ProgramError when the trace is off 1 by 1e-6 or is no number: the engine went wrong."""
    trace = complex(np.trace(density))
    if not abs(trace - 1) < LARGEST_NORM_ERROR:
        raise ProgramError(f"the engine's final density matrix has trace {trace!r} instead of 1: no result is given")
