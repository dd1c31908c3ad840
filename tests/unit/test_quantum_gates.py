"""Gate matrices and powers, against amazon-braket-sdk's own and against scipy's Schur form."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from braket.circuits import gates as sdk
from numpy.typing import NDArray
from scipy.linalg import schur

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.gates import GATES, diagonalised, gate_matrix, matrix_power

SDK_NAMES = {
    name.lower(): getattr(sdk, name)
    for name in dir(sdk)
    if isinstance(getattr(sdk, name), type) and issubclass(getattr(sdk, name), sdk.Gate)
}
ANGLES = (0.37, -1.9, 2.6)


@pytest.mark.parametrize("name", sorted(GATES))
def test_matrix_is_the_sdks(name: str) -> None:
    angles = ANGLES[: GATES[name].parameters]
    expected = SDK_NAMES[name](*angles).to_matrix()
    assert np.abs(gate_matrix(name, angles) - expected).max() < 1e-15
    assert expected.shape == (2 ** GATES[name].qubits,) * 2


@pytest.mark.parametrize("angle", [1e6, 1e12, 1e18, 1e300])
def test_large_angles_leave_matrices_unitary(angle: float) -> None:
    for name, signature in GATES.items():
        matrix = gate_matrix(name, [angle, 1.1 * angle, 1.3 * angle][: signature.parameters])
        assert np.abs(matrix @ matrix.conj().T - np.eye(len(matrix))).max() < 1e-15


def test_no_gate_of_the_sdk_is_missing() -> None:
    not_gates = {"gate", "unitary", "pulsegate", "angledgate", "doubleangledgate", "tripleangledgate"}
    assert set(SDK_NAMES) - not_gates == set(GATES)


def principal_power(matrix: NDArray[np.complex128], power: float) -> NDArray[np.complex128]:
    triangle, vectors = schur(matrix, output="complex")
    angles = [math.pi if abs(value + 1) < 1e-12 else cmath.phase(value) for value in np.diag(triangle)]
    return vectors @ np.diag([cmath.exp(1j * angle * power) for angle in angles]) @ vectors.conj().T


@pytest.mark.parametrize("power", [0.5, -0.5, 1.5, 0.3, 2.0, -3.0, 0.0, 100.0, 64.5, -1.0])
@pytest.mark.parametrize("name", sorted(GATES))
def test_powers_are_principal(name: str, power: float) -> None:
    matrix = gate_matrix(name, ANGLES[: GATES[name].parameters])
    expected = np.linalg.matrix_power(matrix, int(power)) if power.is_integer() else principal_power(matrix, power)
    assert np.abs(matrix_power(matrix, power) - expected).max() < 1e-12


def test_a_phase_beyond_pi_is_brought_back_before_a_fraction() -> None:
    root = matrix_power(gate_matrix("gphase", (6.0,)), 1.5)
    assert abs(root[0, 0] - cmath.exp(1.5j * (6 - 2 * math.pi))) < 1e-14


def test_diagonal_form_of_degenerate_matrices() -> None:
    random = np.random.default_rng(5)
    for phases in ([0, 0, 0, 1], [1, 1, -1, -1], [0.3, -0.3, 0.3, -0.3], [2, 2, 2, 2]):
        basis, _ = np.linalg.qr(random.normal(size=(4, 4)) + 1j * random.normal(size=(4, 4)))
        matrix = basis @ np.diag(np.exp(1j * np.array(phases))) @ basis.conj().T
        values, vectors = diagonalised(matrix)
        assert np.abs(vectors @ np.diag(values) @ vectors.conj().T - matrix).max() < 1e-13
        assert np.abs(vectors.conj().T @ vectors - np.eye(4)).max() < 1e-13


@pytest.mark.parametrize("power", [math.inf, math.nan, 1e7, -1e300])
def test_exponents_that_lose_digits_are_refused(power: float) -> None:
    with pytest.raises(ProgramError, match="exponent"):
        matrix_power(gate_matrix("t"), power)
