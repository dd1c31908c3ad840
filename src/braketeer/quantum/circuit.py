"""The circuit that every front-end writes and every engine reads.

Qubits are compacted: only those that some operation, measurement or result type touches count, in ascending order of
their labels; ``Circuit.labels[i]`` is the label of compact qubit ``i``. States are big-endian: qubit 0 is the most
significant bit of an index.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # the service imports this module for its types and must not load numpy
    import numpy as np
    from numpy.typing import NDArray

Matrix: TypeAlias = "NDArray[np.complex128]"


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate on compact qubits, modifiers resolved.

    ``name`` is Braket's (``h``, ``cnot``, ``rx``, ``cphaseshift`` ..., ``u`` for ``U``: the keys of
    :data:`braketeer.quantum.gates.GATES`) with ``parameters`` in radians, or ``unitary``
    with a ``matrix`` of shape (2^k, 2^k) on ``targets`` (first target most significant), k = len(targets) >= 0
    (k = 0 is a phase: gphase). ``controls`` are further control qubits, ``control_states`` the 0/1 each must have.
    ``power`` is the exponent of the gate under its controls; -1 is the inverse, fractions are principal powers.
    """

    name: str
    targets: tuple[int, ...]
    parameters: tuple[float, ...] = ()
    controls: tuple[int, ...] = ()
    control_states: tuple[int, ...] = ()
    power: float = 1.0
    matrix: Matrix | None = None


@dataclass(frozen=True, slots=True)
class Observable:
    """A tensor product of factors: each ``x y z h i`` on one qubit, or a hermitian matrix on several.

    ``factors`` are (name or matrix, compact targets) in the order written. ``None`` targets of the whole observable
    (``all``) are expanded by the front-end into one result per qubit where the result type is not a product:
    ``ResultType.targets`` is None and there is one factor for each compact qubit, in order, each a result of its own.
    """

    factors: tuple[tuple[str | Matrix, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class ResultType:
    """A result asked for: ``kind`` is probability, expectation, variance, sample, amplitude, state_vector or
    density_matrix (the last two with ``targets`` None or the qubits kept).

    ``targets`` is None where the pragma names no qubit (``all`` or nothing): probability of all qubits, or an
    observable measured on each qubit in turn. ``specification`` is the ``type`` object as it stands in a result
    document (labels, not compact indices), as the SDK's ``to_ir()`` writes it.
    """

    kind: str
    specification: dict[str, Any]
    targets: tuple[int, ...] | None = None
    observable: Observable | None = None
    states: tuple[str, ...] = ()


@dataclass(slots=True)
class Circuit:
    """A bound circuit. ``measured`` are the compact qubits of explicit ``measure`` statements in the order of their
    classical bits, or None where the program has none (then every qubit is measured when shots > 0)."""

    labels: tuple[int, ...]
    gates: list[Gate]
    results: list[ResultType] = field(default_factory=list)
    measured: tuple[int, ...] | None = None

    @property
    def qubit_count(self) -> int:
        return len(self.labels)


class ProgramError(Exception):
    """The program cannot be run, and why; ``line`` and ``column`` count from 1, None where no place is to blame."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message if line is None else f"{message} (line {line}, column {column})")
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device takes, from its capability document: see devices/catalogue.py.

    ``operations`` are gate names (compared without regard to case; ``unitary`` needs no mention).
    ``result_kinds_exact`` and ``result_kinds_sampled`` are the result types allowed with shots = 0 and shots > 0.
    ``all_measured`` says that a program which measures must measure every qubit it uses (SV1's
    requiresAllQubitsMeasurement).
    """

    device_arn: str
    max_qubits: int
    result_kinds_exact: frozenset[str]
    result_kinds_sampled: frozenset[str]
    operations: frozenset[str]
    most_gates: int = 1_000_000
    all_measured: bool = True
