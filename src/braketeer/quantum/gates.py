"""Braket's gates: their names, how many parameters and qubits they take, and their matrices.

Definitions as in the Amazon Braket developer guide and the ``to_matrix`` methods of amazon-braket-sdk's
``braket.circuits.gates``. Matrices are big-endian: the first target is the most significant bit. Angles are radians.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from braketeer.quantum.circuit import Gate, Matrix, ProgramError

_EPSILON = 1e-12
_LARGEST_POWER = 1_000_000


@dataclass(frozen=True, slots=True)
class Signature:
    """What a gate takes: ``parameters`` angles and ``qubits`` targets."""

    parameters: int
    qubits: int


def gate_matrix(name: str, parameters: Sequence[float] = ()) -> Matrix:
    """The matrix of a gate of :data:`GATES`, shape (2^k, 2^k) for k targets. Raises KeyError for other names."""
    return np.array(_MATRICES[name](*parameters), dtype=np.complex128)


def matrix_power(matrix: Matrix, power: float) -> Matrix:
    """The principal power of a unitary matrix: eigenvalues exp(i t), -pi < t <= pi, become exp(i t power).

    Whole powers are exact repeated products; so a power of a power is not always the power of the product
    (``pow(0.5) @ pow(2) @ z`` is the identity).
    """
    if not abs(power) <= _LARGEST_POWER:
        raise ProgramError(f"the exponent {power} is beyond {_LARGEST_POWER}: digits would be lost")
    if power == int(power) and abs(power) <= 64:
        return np.linalg.matrix_power(matrix if power >= 0 else matrix.conj().T, abs(int(power)))
    values, vectors = diagonalised(matrix)
    phases = np.angle(values)
    phases[phases < _EPSILON - math.pi] = math.pi  # -1 with a rounding error below the cut is still -1
    return np.asarray((vectors * np.exp(1j * phases * power)) @ vectors.conj().T, dtype=np.complex128)


def gate_derivative(gate: Gate, parameter: int) -> Matrix:
    """The derivative of :func:`resolved_matrix` by one angle of a gate of :data:`GATES`."""

    def moved(by: float) -> Matrix:
        angles = list(gate.parameters)
        angles[parameter] += by
        return gate_matrix(gate.name, angles)

    # Entries are waves exp(i w angle) with w of 0, 1/2 or 1, for which these two differences add up exactly.
    far, near = moved(math.pi) - moved(-math.pi), moved(math.pi / 2) - moved(-math.pi / 2)
    derivative = near / 2 + (1 - math.sqrt(2)) / 4 * far
    return derivative if gate.power == 1 else _power_derivative(gate, derivative)


def _power_derivative(gate: Gate, derivative: Matrix) -> Matrix:
    """By the divided differences of z -> z^power in the eigenbasis (Daleckii and Krein)."""
    values, vectors = diagonalised(gate_matrix(gate.name, gate.parameters))
    powers = np.diagonal(vectors.conj().T @ resolved_matrix(gate) @ vectors)
    gaps = values[:, None] - values[None, :]
    apart = np.abs(gaps) > 1e-7
    tangents = np.broadcast_to(gate.power * powers / values, gaps.shape)
    ratios = np.where(apart, (powers[:, None] - powers[None, :]) / np.where(apart, gaps, 1), tangents)
    return np.asarray(vectors @ (ratios * (vectors.conj().T @ derivative @ vectors)) @ vectors.conj().T)


def inverse(gate: Gate) -> Gate:
    """The gate that undoes ``gate``, a named one where there is one."""
    if gate.matrix is None and gate.power == 1:
        if gate.name in _NEGATED:
            return replace(gate, parameters=tuple(-angle for angle in gate.parameters), slopes=())
        if gate.name in _UNDONE_BY:
            return replace(gate, name=_UNDONE_BY[gate.name])
    return replace(gate, power=-gate.power, slopes=())


def resolved_matrix(gate: Gate) -> Matrix:
    """The matrix of a gate on its targets, power included, controls not."""
    matrix = gate.matrix if gate.matrix is not None else gate_matrix(gate.name, gate.parameters)
    return matrix if gate.power == 1 else matrix_power(matrix, gate.power)


def diagonalised(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Eigenvalues and an orthonormal basis of eigenvectors of a unitary matrix, degenerate ones included.

    The Hermitian and the anti-Hermitian part commute, so a combination of them has the same eigenvectors, and the
    solver for Hermitian matrices gives orthonormal ones. Two eigenvalues may fall together in one combination, never
    in three.
    """
    real, imaginary = (matrix + matrix.conj().T) / 2, (matrix - matrix.conj().T) / 2j
    for weight in (0.7310585786, 1.9221, -0.3771):
        _, vectors = np.linalg.eigh(real + weight * imaginary)
        diagonal = vectors.conj().T @ matrix @ vectors
        if np.abs(diagonal - np.diag(np.diag(diagonal))).max(initial=0.0) < _EPSILON:
            return np.diag(diagonal), vectors
    raise ProgramError("a matrix could not be brought to diagonal form: it is not unitary enough")


def _phase(angle: float) -> complex:
    return cmath.exp(1j * angle)


def _diagonal(*entries: complex) -> list[list[complex]]:
    return [[entry if row == column else 0 for column in range(len(entries))] for row, entry in enumerate(entries)]


def _controlled(block: list[list[complex]]) -> list[list[complex]]:
    size = len(block)
    top: list[list[complex]] = [[1 if row == column else 0 for column in range(2 * size)] for row in range(size)]
    return top + [[0] * size + row for row in block]


def _permuted(*images: int) -> list[list[complex]]:
    """Column j has its 1 in row images[j]."""
    return [[1 if images[column] == row else 0 for column in range(len(images))] for row in range(len(images))]


def _rotation(angle: float, axis: float) -> list[list[complex]]:
    """A turn by ``angle`` about the axis at ``axis`` from x in the x-y plane: Braket's prx."""
    cos, sin = math.cos(angle / 2), math.sin(angle / 2)
    return [[cos, -1j * sin * _phase(-axis)], [-1j * sin * _phase(axis), cos]]


def _u(theta: float, phi: float, lam: float) -> list[list[complex]]:
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    left, right = _phase(phi), _phase(lam)  # the phase of their sum is another one where large angles lose digits in it
    return [[cos, -right * sin], [left * sin, left * right * cos]]


def _ry(angle: float) -> list[list[complex]]:
    cos, sin = math.cos(angle / 2), math.sin(angle / 2)
    return [[cos, -sin], [sin, cos]]


def _inner(a: complex, b: complex) -> list[list[complex]]:
    """Identity on 00 and 11, ((a, b), (b, a)) on 01 and 10."""
    return [[1, 0, 0, 0], [0, a, b, 0], [0, b, a, 0], [0, 0, 0, 1]]


def _ms(phi_0: float, phi_1: float, theta: float) -> list[list[complex]]:
    cos, sin = math.cos(theta / 2), -1j * math.sin(theta / 2)
    plus, minus = phi_0 + phi_1, phi_0 - phi_1
    return [
        [cos, 0, 0, sin * _phase(-plus)],
        [0, cos, sin * _phase(-minus), 0],
        [0, sin * _phase(minus), cos, 0],
        [sin * _phase(plus), 0, 0, cos],
    ]


def _yy(angle: float) -> list[list[complex]]:
    cos, sin = math.cos(angle / 2), 1j * math.sin(angle / 2)
    return [[cos, 0, 0, sin], [0, cos, -sin, 0], [0, -sin, cos, 0], [sin, 0, 0, cos]]


_R = math.sqrt(0.5)
_X: list[list[complex]] = [[0, 1], [1, 0]]
_Y: list[list[complex]] = [[0, -1j], [1j, 0]]
_V: list[list[complex]] = [[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]]
_VI: list[list[complex]] = [[0.5 - 0.5j, 0.5 + 0.5j], [0.5 + 0.5j, 0.5 - 0.5j]]

_MATRICES: dict[str, Callable[..., list[list[complex]]]] = {
    "gphase": lambda angle: [[_phase(angle)]],
    "i": lambda: _diagonal(1, 1),
    "h": lambda: [[_R, _R], [_R, -_R]],
    "x": lambda: _X,
    "y": lambda: _Y,
    "z": lambda: _diagonal(1, -1),
    "s": lambda: _diagonal(1, 1j),
    "si": lambda: _diagonal(1, -1j),
    "t": lambda: _diagonal(1, _phase(math.pi / 4)),
    "ti": lambda: _diagonal(1, _phase(-math.pi / 4)),
    "v": lambda: _V,
    "vi": lambda: _VI,
    "rx": lambda angle: _rotation(angle, 0.0),
    "ry": _ry,
    "rz": lambda angle: _diagonal(_phase(-angle / 2), _phase(angle / 2)),
    "phaseshift": lambda angle: _diagonal(1, _phase(angle)),
    "prx": _rotation,
    "gpi": lambda phi: [[0, _phase(-phi)], [_phase(phi), 0]],
    "gpi2": lambda phi: _rotation(math.pi / 2, phi),
    "u": _u,
    "cnot": lambda: _controlled(_X),
    "cy": lambda: _controlled(_Y),
    "cz": lambda: _diagonal(1, 1, 1, -1),
    "cv": lambda: _controlled(_V),
    "swap": lambda: _permuted(0, 2, 1, 3),
    "iswap": lambda: _inner(0, 1j),
    "pswap": lambda angle: _inner(0, _phase(angle)),
    "xy": lambda angle: _inner(math.cos(angle / 2), 1j * math.sin(angle / 2)),
    "xx": lambda angle: _ms(0.0, 0.0, angle),
    "yy": _yy,
    "zz": lambda angle: _diagonal(_phase(-angle / 2), _phase(angle / 2), _phase(angle / 2), _phase(-angle / 2)),
    "ms": _ms,
    "ecr": lambda: [[0, 0, _R, 1j * _R], [0, 0, 1j * _R, _R], [_R, -1j * _R, 0, 0], [-1j * _R, _R, 0, 0]],
    "cphaseshift": lambda angle: _diagonal(1, 1, 1, _phase(angle)),
    "cphaseshift00": lambda angle: _diagonal(_phase(angle), 1, 1, 1),
    "cphaseshift01": lambda angle: _diagonal(1, _phase(angle), 1, 1),
    "cphaseshift10": lambda angle: _diagonal(1, 1, _phase(angle), 1),
    "ccnot": lambda: _permuted(0, 1, 2, 3, 4, 5, 7, 6),
    "cswap": lambda: _permuted(0, 1, 2, 3, 4, 6, 5, 7),
}


#: Gates that their negated angles undo.
_NEGATED = frozenset(
    {"gphase", "rx", "ry", "rz", "phaseshift", "xx", "yy", "zz", "xy"}
    | {"cphaseshift", "cphaseshift00", "cphaseshift01", "cphaseshift10"}
)
#: Gates that another of the table undoes.
_UNDONE_BY = {name: name for name in ("i", "h", "x", "y", "z", "cnot", "cy", "cz", "swap", "ccnot", "cswap", "ecr")}
_UNDONE_BY |= {"s": "si", "si": "s", "t": "ti", "ti": "t", "v": "vi", "vi": "v"}


def _signature(build: Callable[..., list[list[complex]]]) -> Signature:
    parameters = build.__code__.co_argcount
    return Signature(parameters, len(build(*(0.0,) * parameters)).bit_length() - 1)


#: Every gate of Braket's table by the name that :class:`Gate` carries; OpenQASM writes ``u`` as ``U``.
GATES: dict[str, Signature] = {name: _signature(build) for name, build in _MATRICES.items()}
