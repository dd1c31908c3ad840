"""Clifford circuits on thousands of qubits, by stim: shots, and exact expectations of products of Pauli letters.

Global phases are lost, which no result of the stabilizer device shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import stim
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Gate, Matrix, Noise, Observable, Operation, ProgramError
from braketeer.quantum.engines.amplitudes import apply, target_matrix
from braketeer.quantum.engines.density import check_operation
from braketeer.quantum.noise import pauli_weights
from braketeer.quantum.observables import pauli_word

#: Gates on more qubits, controls included, are not looked into.
_WIDEST = 5
#: stim takes matrices that are nearly Clifford; here they must be so to rounding and typing.
_LARGEST_ERROR = 1e-6

_NAMED = {
    "h": "H",
    "x": "X",
    "y": "Y",
    "z": "Z",
    "s": "S",
    "si": "S_DAG",
    "v": "SQRT_X",
    "vi": "SQRT_X_DAG",
    "cnot": "CX",
    "cy": "CY",
    "cz": "CZ",
    "swap": "SWAP",
    "iswap": "ISWAP",
}


def sample(circuit: Circuit, shots: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """See :class:`braketeer.quantum.engines.Stabilizer`."""
    program = translated(circuit)
    program.append("M", range(circuit.qubit_count), [])
    bits = program.compile_sampler(seed=int(random.integers(2**63))).sample(shots)
    return np.asarray(bits.view(np.uint8))


def check(circuit: Circuit, shots: int) -> None:
    """See :class:`braketeer.quantum.engines.Stabilizer`."""
    translated(circuit)
    if not shots:
        _check_exact(circuit)


def expectation(circuit: Circuit, observables: Iterable[Observable]) -> list[int]:
    """See :class:`braketeer.quantum.engines.Stabilizer`."""
    _check_exact(circuit)
    simulator = stim.TableauSimulator()
    simulator.do_circuit(translated(circuit))
    simulator.set_num_qubits(circuit.qubit_count)
    return [int(simulator.peek_observable_expectation(_pauli_string(o, circuit.qubit_count))) for o in observables]


def _check_exact(circuit: Circuit) -> None:
    if circuit.is_noisy:
        raise ProgramError("exact values after noise are not to be had from the stabilizer engine: use shots")


def translated(circuit: Circuit) -> stim.Circuit:
    """The gates and noise in stim's terms."""
    program = stim.Circuit()
    for operation in circuit.operations:
        check_operation(operation, circuit.qubit_count)
        for name, places, arguments in _instructions(operation):
            qubits = (*operation.targets, *operation.controls) if isinstance(operation, Gate) else operation.targets
            program.append(name, [qubits[place] for place in places], arguments)
    return program


_Instructions = list[tuple[str, list[int], list[float]]]


def _instructions(operation: Operation) -> _Instructions:
    """As (stim's name, places in targets and then controls, arguments)."""
    if isinstance(operation, Noise):
        return _noise(operation)
    gate = operation
    if gate.name in _NAMED and gate.power == 1 and not gate.controls and gate.matrix is None:
        return [(_NAMED[gate.name], list(range(len(gate.targets))), [])]
    width = len(gate.targets) + len(gate.controls)
    if width == 0 or (gate.name == "i" and gate.matrix is None):
        return []
    if width > _WIDEST:
        raise ProgramError(f"the gate {gate.name} on {width} qubits is not known to be Clifford")
    if gate.matrix is not None:
        return _clifford(gate.name, _whole(gate))
    return _looked_into(gate.name, gate.parameters, len(gate.targets), gate.control_states, gate.power)


@lru_cache(maxsize=4096)
def _looked_into(
    name: str, parameters: tuple[float, ...], width: int, control_states: tuple[int, ...], power: float
) -> _Instructions:
    places = tuple(range(width + len(control_states)))
    return _clifford(name, _whole(Gate(name, places[:width], parameters, places[width:], control_states, power)))


def _whole(gate: Gate) -> Matrix:
    """The matrix on targets and then controls."""
    width = len(gate.targets)
    places = range(width + len(gate.controls))
    columns = np.eye(1 << len(places), dtype=np.complex128)
    for column in columns:
        apply(column, target_matrix(gate), places[:width], places[width:], gate.control_states)
    return columns.T


def _clifford(name: str, matrix: Matrix) -> _Instructions:
    refusal = ProgramError(f"the gate {name} is not Clifford as it is used here: the stabilizer engine cannot do it")
    try:
        tableau = stim.Tableau.from_unitary_matrix(matrix, endian="big")
    except ValueError:
        raise refusal from None
    if not _same(tableau.to_unitary_matrix(endian="big"), matrix):
        raise refusal
    return [
        (instruction.name, [target.value for target in group], [])
        for instruction in tableau.to_circuit()
        for group in instruction.target_groups()
    ]


def _same(one: Matrix, other: Matrix) -> bool:
    """Whether two matrices are equal but for a phase."""
    place = np.unravel_index(np.argmax(np.abs(one)), one.shape)
    return bool(np.abs(one * (other[place] / one[place]) - other).max() < _LARGEST_ERROR)


def _noise(noise: Noise) -> _Instructions:
    weights = pauli_weights(noise)
    if weights is None:
        raise ProgramError(f"the noise {noise.name} is no mixture of Pauli gates: the stabilizer engine cannot do it")
    words = "XYZ" if len(noise.targets) == 1 else [a + b for a in "IXYZ" for b in "IXYZ"][1:]
    name = "PAULI_CHANNEL_1" if len(noise.targets) == 1 else "PAULI_CHANNEL_2"
    return [(name, list(range(len(noise.targets))), [weights.get(word, 0.0) for word in words])]


def _pauli_string(observable: Observable, qubits: int) -> stim.PauliString:
    letters = ["_"] * qubits
    word = pauli_word(observable)
    if word is None:
        raise ProgramError("the stabilizer engine reads products of x, y, z and i only")
    for letter, qubit in word:
        letters[qubit] = letter.upper().replace("I", "_")
    return stim.PauliString("".join(letters))
