"""Noise channels: the SDK's own matrices are the oracle for the named ones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.noise import CHANNELS, kraus, kraus_noise, noise, pauli_weights

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.circuits import noises

_PAIRS = [a + b for a in "IXYZ" for b in "IXYZ"][1:]
_SDK = {
    "bit_flip": (noises.BitFlip(0.2), (0.2,)),
    "phase_flip": (noises.PhaseFlip(0.3), (0.3,)),
    "pauli_channel": (noises.PauliChannel(0.1, 0.2, 0.05), (0.1, 0.2, 0.05)),
    "depolarizing": (noises.Depolarizing(0.6), (0.6,)),
    "two_qubit_depolarizing": (noises.TwoQubitDepolarizing(0.4), (0.4,)),
    "two_qubit_dephasing": (noises.TwoQubitDephasing(0.4), (0.4,)),
    "two_qubit_pauli_channel": (
        noises.TwoQubitPauliChannel({pair: 0.004 * place for place, pair in enumerate(_PAIRS)}),
        tuple(0.004 * place for place in range(15)),
    ),
    "amplitude_damping": (noises.AmplitudeDamping(0.35), (0.35,)),
    "generalized_amplitude_damping": (noises.GeneralizedAmplitudeDamping(0.35, 0.7), (0.35, 0.7)),
    "phase_damping": (noises.PhaseDamping(0.45), (0.45,)),
}


def superoperator(operators: object) -> np.ndarray:
    return np.asarray(sum(np.kron(matrix, np.conj(matrix)) for matrix in operators))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_a_channel_does_what_the_sdk_says(name: str) -> None:
    theirs, parameters = _SDK[name]
    assert np.abs(superoperator(kraus(name, parameters)) - superoperator(theirs.to_matrix())).max() < 1e-15


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_a_channel_preserves_the_trace_up_to_the_ends_of_its_range(name: str) -> None:
    signature = CHANNELS[name]
    for value in (0.0, 1.0 / max(signature.parameters, 1), 1.0):
        parameters = (value, *(0.0,) * (signature.parameters - 1))
        operators = kraus(name, parameters)
        total = sum(matrix.conj().T @ matrix for matrix in operators)
        assert np.abs(total - np.eye(1 << signature.qubits)).max() < 1e-15


def test_every_word_of_a_mixture_has_its_weight() -> None:
    assert pauli_weights(noise("depolarizing", (0.3,), (0,))) == pytest.approx({"X": 0.1, "Y": 0.1, "Z": 0.1})
    assert pauli_weights(noise("pauli_channel", (0.1, 0.2, 0.3), (0,))) == {"X": 0.1, "Y": 0.2, "Z": 0.3}
    assert pauli_weights(noise("amplitude_damping", (0.1,), (0,))) is None


BAD = [
    ("bit_flip", (1.5,), (0,), "from 0 to 1"),
    ("bit_flip", (-0.1,), (0,), "from 0 to 1"),
    ("phase_damping", (float("nan"),), (0,), "from 0 to 1"),
    ("pauli_channel", (0.5, 0.4, 0.2), (0,), "their sum too"),
    ("generalized_amplitude_damping", (0.5,), (0,), "takes 2 probabilities, not 1"),
    ("two_qubit_dephasing", (0.5,), (0,), "acts on 2 qubits, not on 1"),
    ("cosmic_ray", (0.5,), (0,), "no noise 'cosmic_ray'"),
]


@pytest.mark.parametrize(("name", "parameters", "targets", "message"), BAD)
def test_what_is_no_channel_is_refused(
    name: str, parameters: tuple[float, ...], targets: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ProgramError, match=message):
        noise(name, parameters, targets)


def test_operators_typed_with_few_digits_are_completed() -> None:
    channel = kraus_noise([np.diag([0.9487, 0.9487]), np.array([[0, 0.3162], [0.3162, 0]])], (0,))
    total = sum(matrix.conj().T @ matrix for matrix in channel.operators)
    assert np.abs(total - np.eye(2)).max() < 1e-15
    assert np.abs(channel.operators[0] - 0.9487 * np.eye(2)).max() < 1e-4


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ([np.diag([1, 0.5])], "do not preserve the trace"),
        ([np.eye(4)], "2 rows and columns"),
        ([], "1 to 256 operators"),
        ([np.eye(2) / 1e3] * 257, "1 to 256 operators"),
        ([np.array([[np.nan, 0], [0, 1]])], "finite"),
    ],
)
def test_operators_that_are_no_channel_are_refused(matrices: list[np.ndarray], message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        kraus_noise(matrices, (0,))
