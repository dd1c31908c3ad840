"""JAQCD (``braket.ir.jaqcd.program``): circuits as JSON, as amazon-braket-sdk wrote them before OpenQASM.

Member by member as amazon-braket-schemas has it (``braket.ir.jaqcd``). Qubits are labels, as ``$3`` is in OpenQASM.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NoReturn

import numpy as np

from braketeer.quantum.circuit import Circuit, Gate, Limits, Matrix, Noise, Operation, ProgramError
from braketeer.quantum.gates import GATES
from braketeer.quantum.noise import CHANNELS, kraus_noise, noise
from braketeer.quantum.programs.compiling import assembled
from braketeer.quantum.programs.outcomes import MeasuredBit
from braketeer.quantum.programs.places import AskedFactors, AskedResult
from braketeer.quantum.programs.pragmas import MOST_MATRIX_QUBITS, OBSERVABLES, OBSERVED

_MOST_LABEL = 10**9
#: Gates of Braket that JAQCD has no instruction for.
_NEWER = frozenset({"gphase", "prx", "gpi", "gpi2", "ms", "u"})
_PAULIS = "multi_qubit_pauli_channel"
_MARKS = frozenset({"start_verbatim_box", "end_verbatim_box"})
_KINDS = {"statevector": "state_vector", "densitymatrix": "density_matrix"}
#: The members that hold a channel's probabilities, in the order of OpenQASM's pragma.
_PROBABILITIES: Mapping[str, tuple[str, ...]] = {
    "pauli_channel": ("probX", "probY", "probZ"),
    "amplitude_damping": ("gamma",),
    "phase_damping": ("gamma",),
    "generalized_amplitude_damping": ("gamma", "probability"),
}


def compile_jaqcd(raw: Mapping[str, Any], limits: Limits, *, exact: bool) -> Circuit:
    """The circuit of a JAQCD program. Raises ProgramError naming the instruction or result that is wrong.

    The program's own basis rotations are applied where it asks for no results and has shots; else the rotations follow
    from the results, as everywhere.
    """
    reader = _Reader(limits)
    for number, instruction in enumerate(_list(raw, "instructions", required=True)):
        reader.instruction(instruction, f"Instruction {number}")
    for number, result in enumerate(_list(raw, "results")):
        reader.result(result, f"Result {number}")
    rotations = _list(raw, "basis_rotation_instructions")
    if not exact and not reader.results:
        for number, instruction in enumerate(rotations):
            reader.instruction(instruction, f"Basis rotation {number}")
    return assembled(reader, limits)


class _Reader:
    """Gathers what a program does, as :class:`~braketeer.quantum.programs.machine.Machine` does."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.used: set[int] = set()
        self.gates: list[Operation] = []
        self.results: list[AskedResult] = []
        self.outcomes: list[MeasuredBit] = []
        self.verbatim: list[tuple[int, int]] = []
        self.fences: list[int] = []
        self.physical = False
        self._operations = frozenset(name.casefold() for name in limits.operations)

    def bits(self) -> dict[tuple[str, int], int | MeasuredBit]:
        return {}

    def float_inputs(self) -> list[str]:
        return []

    def fail(self, message: str, at: int | None) -> NoReturn:
        raise ProgramError(message if at is None else f"Result {at}: {message}")

    def instruction(self, given: Any, what: str) -> None:
        if not isinstance(given, dict) or not isinstance(given.get("type"), str):
            raise ProgramError(f"{what} has no type")
        name = given["type"]
        if name in _MARKS:
            return
        what = f"{what} ({name[:40]})"
        if name == _PAULIS:
            operation: Operation = self._paulis(given, what)
        elif name in CHANNELS or name == "kraus":
            operation = self._noise(name, given, what)
        else:
            operation = self._gate(name, given, what)
        if len(set(operation.targets)) != len(operation.targets):
            raise ProgramError(f"{what} names a qubit twice")
        self.used.update(operation.targets)
        self.gates.append(operation)
        if len(self.gates) > self.limits.most_gates:
            raise ProgramError(f"The program has more than {self.limits.most_gates} gates")

    def _gate(self, name: str, given: dict[str, Any], what: str) -> Gate:
        targets = _qubits(given, what)
        if name == "unitary":
            matrix = _matrix(given.get("matrix"), what)
            _fits(matrix, targets, what)
            if not np.allclose(matrix @ matrix.conj().T, np.eye(len(matrix)), atol=1e-5):
                raise ProgramError(f"{what}: the matrix must be unitary")
            return Gate("unitary", targets, matrix=matrix)
        signature = GATES.get(name)
        if signature is None or name in _NEWER:
            raise ProgramError(f"{what}: JAQCD has no such instruction")
        if name not in self._operations:
            raise ProgramError(f"{what}: the gate is not supported on {self.limits.device_arn}")
        if len(targets) != signature.qubits:
            raise ProgramError(f"{what} acts on {signature.qubits} qubits, not on {len(targets)}")
        angles = (_number(given, "angle", what),) if signature.parameters else ()
        return Gate(name, targets, angles)

    def _noise(self, name: str, given: dict[str, Any], what: str) -> Noise:
        if name not in self.limits.noise:
            raise ProgramError(f"{what}: the noise is not supported on {self.limits.device_arn}")
        targets = _qubits(given, what)
        try:
            if name == "kraus":
                matrices = given.get("matrices")
                if not isinstance(matrices, list):
                    raise ProgramError("expected a list 'matrices'")
                return kraus_noise([_matrix(matrix, what) for matrix in matrices], targets)
            members = _PROBABILITIES.get(name, ("probability",))
            return noise(name, [_number(given, member, what) for member in members], targets)
        except ProgramError as problem:
            raise ProgramError(f"{what}: {problem}") from None

    def _paulis(self, given: dict[str, Any], what: str) -> Noise:
        """Pauli words with a probability each, on one qubit or two."""
        targets = _qubits(given, what)
        chances = given.get("probabilities")
        if not isinstance(chances, dict) or len(targets) > 2:
            raise ProgramError(f"{what}: expected 'probabilities' of Pauli words on one or two qubits")
        words = ["".join(letters) for letters in product("IXYZ", repeat=len(targets))][1:]
        if unknown := set(chances) - {*words, "I" * len(targets)}:
            raise ProgramError(f"{what}: {min(unknown)[:20]!r} is no Pauli word on {len(targets)} qubits")
        name = "pauli_channel" if len(targets) == 1 else "two_qubit_pauli_channel"
        if name not in self.limits.noise:
            raise ProgramError(f"{what}: the noise is not supported on {self.limits.device_arn}")
        try:
            return noise(name, [_number(chances, word, what) if word in chances else 0.0 for word in words], targets)
        except ProgramError as problem:
            raise ProgramError(f"{what}: {problem}") from None

    def result(self, given: Any, what: str) -> None:
        if not isinstance(given, dict) or not isinstance(given.get("type"), str):
            raise ProgramError(f"{what} has no type")
        name, number = given["type"], len(self.results)
        kind = _KINDS.get(name, name)
        labels = None if given.get("targets") is None else _labels(given["targets"], what)
        if labels is not None and len(set(labels)) != len(labels):
            raise ProgramError(f"{what} names a qubit twice")
        self.used.update(labels or ())
        factors: AskedFactors = []
        states: tuple[str, ...] = ()
        if kind in OBSERVED:
            factors, labels = _factors(given.get("observable"), labels, what), None
        elif kind == "amplitude":
            states = _states(given.get("states"), what)
        elif kind not in ("probability", "state_vector", "density_matrix"):
            raise ProgramError(f"{what}: the result type {name[:40]!r} is not supported in JAQCD programs")
        self.results.append(AskedResult(kind, labels, factors, states, number))


def _list(raw: Mapping[str, Any], member: str, *, required: bool = False) -> list[Any]:
    found = raw.get(member)
    if found is None and not required:
        return []
    if not isinstance(found, list):
        raise ProgramError(f"The program's {member!r} must be a list")
    return found


def _qubits(given: dict[str, Any], what: str) -> tuple[int, ...]:
    """Controls first, then targets."""
    found: list[Any] = []
    for one, many in (("control", "controls"), ("target", "targets")):
        if one in given:
            found.append(given[one])
        elif many in given:
            found += given[many] if isinstance(given[many], list) else [None]
    return _labels(found, what)


def _labels(given: Any, what: str) -> tuple[int, ...]:
    if not isinstance(given, list) or not given or not all(type(label) is int for label in given):
        raise ProgramError(f"{what}: expected qubits as whole numbers")
    if not 0 <= min(given) <= max(given) < _MOST_LABEL:
        raise ProgramError(f"{what}: qubits have numbers from 0 to {_MOST_LABEL - 1}")
    return tuple(given)


def _number(given: Mapping[str, Any], member: str, what: str) -> float:
    value = given.get(member)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProgramError(f"{what}: expected a finite number {member!r}")
    return float(value)


def _matrix(given: Any, what: str) -> Matrix:
    """Rows of [real, imaginary] pairs; square, of 2^k rows."""
    try:
        found = np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ProgramError(f"{what}: expected a matrix of [real, imaginary] pairs") from None
    size = len(found) if found.ndim == 3 else 0
    if found.shape != (size, size, 2) or size < 2 or size & (size - 1) or size > 1 << MOST_MATRIX_QUBITS:
        raise ProgramError(f"{what}: a matrix has 2, 4, 8 ... rows and columns for 1 to {MOST_MATRIX_QUBITS} qubits")
    if not np.isfinite(found).all():
        raise ProgramError(f"{what}: numbers must be finite")
    return np.asarray(found[..., 0] + 1j * found[..., 1], dtype=np.complex128)


def _fits(matrix: Matrix, targets: Sequence[int], what: str) -> None:
    if len(matrix) != 1 << len(targets):
        raise ProgramError(f"{what}: a matrix of {len(matrix)} rows does not act on {len(targets)} qubits")


def _factors(given: Any, labels: tuple[int, ...] | None, what: str) -> AskedFactors:
    """The factors of an observable, each with its share of the labels; None for all qubits."""
    if not isinstance(given, list) or not given:
        raise ProgramError(f"{what}: expected a list of observables")
    observables: list[str | Matrix] = []
    for each in given:
        if isinstance(each, str):
            if each not in OBSERVABLES:
                raise ProgramError(f"{what}: unknown observable {each[:40]!r}")
            observables.append(each)
            continue
        matrix = _matrix(each, what)
        if not np.allclose(matrix, matrix.conj().T, atol=1e-8):
            raise ProgramError(f"{what}: the matrix of an observable must be Hermitian")
        observables.append(matrix)
    if labels is None:
        if len(observables) > 1:
            raise ProgramError(f"{what}: a product of observables needs its targets")
        return [(observables[0], None)]
    factors: AskedFactors = []
    begin = 0
    for observable in observables:
        size = 1 if isinstance(observable, str) else len(observable).bit_length() - 1
        factors.append((observable, labels[begin : begin + size]))
        begin += size
    if begin != len(labels):
        raise ProgramError(f"{what}: the observable acts on {begin} qubits, not on {len(labels)}")
    return factors


def _states(given: Any, what: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not given:
        raise ProgramError(f"{what}: expected a list of states")
    for state in given:
        if not isinstance(state, str) or not state or set(state) - {"0", "1"}:
            raise ProgramError(f'{what}: expected states such as "01"')
    return tuple(given)
