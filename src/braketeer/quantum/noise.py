"""Braket's noise channels as Kraus operators.

Definitions as in the Amazon Braket developer guide and the ``to_matrix`` methods of amazon-braket-sdk's
``braket.circuits.noises``. Parameters are probabilities, each and their sum from 0 to 1: the SDK draws closer limits
(``bit_flip`` up to 1/2, ``depolarizing`` up to 3/4), but beyond them the channels are still physical.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import sqrt

import numpy as np

from braketeer.quantum.circuit import Matrix, Noise, ProgramError
from braketeer.quantum.gates import Signature, gate_matrix

#: Kraus operators may be this far from preserving the trace (they were typed with so many digits) ...
LARGEST_TRACE_ERROR = 1e-4
#: ... and beyond this the nearest operators that do preserve it are meant.
_AS_THEY_STAND = 1e-7
_ROUNDING = 1e-12
_MOST_OPERATORS = 256
_RESET = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], dtype=np.complex128)


def noise(name: str, parameters: Sequence[float], targets: Sequence[int]) -> Noise:
    """A channel of :data:`CHANNELS` on ``targets``. Raises ProgramError saying what does not fit."""
    operators = kraus(name, tuple(parameters))
    if len(targets) != CHANNELS[name].qubits:
        raise ProgramError(f"the noise {name} acts on {CHANNELS[name].qubits} qubits, not on {len(targets)}")
    return Noise(name, tuple(targets), tuple(parameters), operators)


def kraus_noise(matrices: Sequence[Matrix], targets: Sequence[int]) -> Noise:
    """The channel ``kraus`` with these operators, each (2^k, 2^k) for k targets. Raises ProgramError."""
    size = 1 << len(targets)
    if not 1 <= len(matrices) <= _MOST_OPERATORS:
        raise ProgramError(f"kraus takes 1 to {_MOST_OPERATORS} operators, not {len(matrices)}")
    if any(np.shape(matrix) != (size, size) for matrix in matrices):
        raise ProgramError(f"the operators of kraus on {len(targets)} qubits have {size} rows and columns")
    operators = np.array(matrices, dtype=np.complex128)
    if not np.isfinite(operators).all():
        raise ProgramError("the operators of kraus must hold finite numbers")
    error = trace_error(operators)
    if not error <= LARGEST_TRACE_ERROR:
        raise ProgramError(f"the operators of kraus do not preserve the trace: off by {error:.1e}")
    return Noise("kraus", tuple(targets), (), operators if error <= _AS_THEY_STAND else completed(operators))


def reset(qubit: int) -> Noise:
    """What puts a qubit into state 0, whatever it was; not among Braket's channels."""
    return Noise("reset", (qubit,), (), _RESET)


def trace_error(operators: Matrix) -> float:
    """How far the sum of K* K is from the identity, by its largest entry."""
    return float(np.abs(_sum_of_squares(operators) - np.eye(operators.shape[1])).max())


def completed(operators: Matrix) -> Matrix:
    """The nearest operators that preserve the trace to rounding."""
    values, vectors = np.linalg.eigh(_sum_of_squares(operators))
    nearest: Matrix = operators @ ((vectors / np.sqrt(values)) @ vectors.conj().T)
    return nearest


def _sum_of_squares(operators: Matrix) -> Matrix:
    stacked = operators.reshape(-1, operators.shape[1])
    total: Matrix = stacked.conj().T @ stacked
    return total


@lru_cache(maxsize=512)
def kraus(name: str, parameters: tuple[float, ...]) -> Matrix:
    """The Kraus operators of a channel of :data:`CHANNELS`, shape (number, 2^k, 2^k), not to be changed.

    Operators of weight 0 are left out. Raises ProgramError for other names and for what is no probability.
    """
    if name not in CHANNELS:
        raise ProgramError(f"there is no noise {name[:40]!r}")
    if len(parameters) != CHANNELS[name].parameters:
        raise ProgramError(f"the noise {name} takes {CHANNELS[name].parameters} probabilities, not {len(parameters)}")
    together = sum(parameters) if name in _WEIGHTED else 0.0
    if not (all(0 <= value <= 1 for value in parameters) and together <= 1 + _ROUNDING):
        raise ProgramError(f"the probabilities of the noise {name} must be from 0 to 1, their sum too")
    operators = np.array([matrix for matrix in _CHANNELS[name](*parameters) if np.any(matrix)], dtype=np.complex128)
    operators.setflags(write=False)
    return operators


def pauli_weights(channel: Noise) -> dict[str, float] | None:
    """What a mixture of Pauli words gives each word but the identity (``{"XI": 0.1}``); None for other channels."""
    words = _WEIGHTED.get(channel.name)
    if words is None:
        return None
    return dict(zip(words, _shares(words, channel.parameters), strict=True))


_PAIRS = tuple("".join(pair) for pair in product("IXYZ", repeat=2))[1:]

#: Channels that apply Pauli words at random, with those words: one parameter for each, or one shared evenly.
_WEIGHTED: Mapping[str, tuple[str, ...]] = {
    "bit_flip": ("X",),
    "phase_flip": ("Z",),
    "pauli_channel": ("X", "Y", "Z"),
    "depolarizing": ("X", "Y", "Z"),
    "two_qubit_depolarizing": _PAIRS,
    "two_qubit_dephasing": ("IZ", "ZI", "ZZ"),
    "two_qubit_pauli_channel": _PAIRS,
}


def _shares(words: Sequence[str], weights: Sequence[float]) -> Sequence[float]:
    """The weight of each word, from as many parameters or from one that they share."""
    return weights if len(weights) == len(words) else [weights[0] / len(words)] * len(words)


def _mixture(*words: str) -> Callable[..., list[Matrix]]:
    def operators(*weights: float) -> list[Matrix]:
        shares = _shares(words, weights)
        found = [sqrt(max(1 - sum(shares), 0.0)) * _word("I" * len(words[0]))]
        return found + [sqrt(share) * _word(word) for word, share in zip(words, shares, strict=True)]

    return operators


def _word(letters: str) -> Matrix:
    matrices = [gate_matrix(letter.lower()) for letter in letters]
    return matrices[0] if len(matrices) == 1 else np.kron(*matrices).astype(np.complex128)


def _amplitude_damping(gamma: float) -> list[Matrix]:
    return [np.diag([1, sqrt(1 - gamma)]).astype(np.complex128), _lowering(sqrt(gamma))]


def _generalized_amplitude_damping(gamma: float, probability: float) -> list[Matrix]:
    """Damping towards 0 with ``probability``, towards 1 with the rest."""
    down, up = sqrt(probability), sqrt(1 - probability)
    return [
        *(down * matrix for matrix in _amplitude_damping(gamma)),
        up * np.diag([sqrt(1 - gamma), 1]).astype(np.complex128),
        up * _lowering(sqrt(gamma)).T,
    ]


def _phase_damping(gamma: float) -> list[Matrix]:
    return [np.diag([1, sqrt(1 - gamma)]).astype(np.complex128), np.diag([0, sqrt(gamma)]).astype(np.complex128)]


def _lowering(factor: float) -> Matrix:
    return np.array([[0, factor], [0, 0]], dtype=np.complex128)


_CHANNELS: Mapping[str, Callable[..., list[Matrix]]] = {
    **{name: _mixture(*words) for name, words in _WEIGHTED.items()},
    "amplitude_damping": _amplitude_damping,
    "generalized_amplitude_damping": _generalized_amplitude_damping,
    "phase_damping": _phase_damping,
}

#: Every channel of Braket but ``kraus``, which takes matrices, by name: how many probabilities and qubits it takes.
#: ``two_qubit_pauli_channel`` takes those of IX, IY, IZ, XI ... ZZ.
CHANNELS: Mapping[str, Signature] = {
    "bit_flip": Signature(1, 1),
    "phase_flip": Signature(1, 1),
    "pauli_channel": Signature(3, 1),
    "depolarizing": Signature(1, 1),
    "two_qubit_depolarizing": Signature(1, 2),
    "two_qubit_dephasing": Signature(1, 2),
    "two_qubit_pauli_channel": Signature(15, 2),
    "amplitude_damping": Signature(1, 1),
    "generalized_amplitude_damping": Signature(2, 1),
    "phase_damping": Signature(1, 1),
}
#: Those that OpenQASM has no pragma for.
JAQCD_CHANNELS = frozenset({"two_qubit_pauli_channel"})
