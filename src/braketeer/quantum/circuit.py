"""The circuit that every front-end writes and every engine reads.

Qubits are compacted: only those that some operation, measurement or result type touches count, in ascending order of
their labels; ``Circuit.labels[i]`` is the label of compact qubit ``i``. States are big-endian: qubit 0 is the most
significant bit of an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from braketeer.quantum.analog import AnalogLimits
from braketeer.quantum.target import Target

if TYPE_CHECKING:  # the service imports this module for its types and must not load numpy
    import numpy as np
    from numpy.typing import NDArray

Matrix: TypeAlias = "NDArray[np.complex128]"

#: Schema names of the kinds of programs that are computed here (amazon-braket-schemas, ``braket.ir``).
OPENQASM = "braket.ir.openqasm.program"
PROGRAM_SET = "braket.ir.openqasm.program_set"
JAQCD = "braket.ir.jaqcd.program"
AHS = "braket.ir.ahs.program"

#: Qubits of a register, and of an alias, that programs may declare.
MOST_REGISTER = 4096

#: How a device computes: state vectors and density matrices, Clifford circuits only, little entanglement only, driven
#: Rydberg atoms.
Method: TypeAlias = Literal["state", "stabilizer", "tensor_network", "analog"]

#: For each parameter of a gate, the inputs of the program that it depends on, each with the slope d(angle)/d(input).
Slopes: TypeAlias = "tuple[tuple[tuple[str, float], ...], ...]"


@dataclass(slots=True)
class Gate:
    """A gate on compact qubits, modifiers resolved. Never changed once made, as circuits share gates; it is not frozen
    because making a frozen one takes five times as long, and there is one for every statement of a program.

    ``name`` is Braket's (``h``, ``cnot``, ``rx``, ``cphaseshift`` ..., ``u`` for ``U``: the keys of
    :data:`braketeer.quantum.gates.GATES`) with ``parameters`` in radians, or ``unitary``
    with a ``matrix`` of shape (2^k, 2^k) on ``targets`` (first target most significant), k = len(targets) >= 0
    (k = 0 is a phase: gphase). ``controls`` are further control qubits, ``control_states`` the 0/1 each must have.
    ``power`` is the exponent of the gate under its controls; -1 is the inverse, fractions are principal powers.
    ``slopes`` says how the angles move with the inputs, one entry a parameter, or is empty where nobody asked (only
    adjoint gradients do): ``rx(2 * a + b)`` has ``((("a", 2.0), ("b", 1.0)),)``.
    """

    name: str
    targets: tuple[int, ...]
    parameters: tuple[float, ...] = ()
    controls: tuple[int, ...] = ()
    control_states: tuple[int, ...] = ()
    power: float = 1.0
    matrix: Matrix | None = None
    slopes: Slopes = ()


@dataclass(frozen=True, slots=True)
class Noise:
    """A noise channel on compact qubits: rho becomes the sum of K rho K* over its Kraus operators K.

    ``operators`` has shape (number of operators, 2^k, 2^k) for k targets, the first most significant. ``name`` and
    ``parameters`` are Braket's (``bit_flip`` and its probability ...); made by :func:`braketeer.quantum.noise.noise`.
    """

    name: str
    targets: tuple[int, ...]
    parameters: tuple[float, ...]
    operators: Matrix


Operation: TypeAlias = Gate | Noise


class Rebound(Sequence[Operation]):
    """The operations of ``template`` with other ``angles`` in some of its plain gates, by place; they are made when
    they are looked at.

    ``known`` belongs to the template: what somebody has worked out from it that holds whatever the angles are.
    """

    __slots__ = ("_made", "angles", "known", "template")

    def __init__(
        self, template: Sequence[Operation], angles: Mapping[int, tuple[float, ...]], known: dict[str, Any]
    ) -> None:
        self.template = template
        self.angles = angles
        self.known = known
        self._made: list[Operation] | None = None

    def _all(self) -> list[Operation]:
        if self._made is None:
            made = list(self.template)
            for place, angles in self.angles.items():
                gate = made[place]
                made[place] = Gate(gate.name, gate.targets, angles)
            self._made = made
        return self._made

    def __len__(self) -> int:
        return len(self.template)

    @overload
    def __getitem__(self, place: int) -> Operation: ...

    @overload
    def __getitem__(self, place: slice) -> list[Operation]: ...

    def __getitem__(self, place: int | slice) -> Operation | list[Operation]:
        return self._all()[place]

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._all())


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
    """A result asked for: ``kind`` is probability, expectation, variance, sample, amplitude, state_vector,
    density_matrix (the last two with ``targets`` None or the qubits kept) or adjoint_gradient.

    ``targets`` is None where the pragma names no qubit (``all`` or nothing): probability of all qubits, or an
    observable measured on each qubit in turn. ``specification`` is the ``type`` object as it stands in a result
    document (labels, not compact indices), as the SDK's ``to_ir()`` writes it.

    An adjoint gradient has ``terms``, a sum of coefficients times observables, and ``parameters``, the inputs to
    differentiate by (those of them that no gate depends on have the derivative 0).
    """

    kind: str
    specification: dict[str, Any]
    targets: tuple[int, ...] | None = None
    observable: Observable | None = None
    states: tuple[str, ...] = ()
    terms: tuple[tuple[float, Observable], ...] = ()
    parameters: tuple[str, ...] = ()


@dataclass(slots=True)
class Circuit:
    """A bound circuit: gates and noise in order.

    ``measured`` are the compact qubits of explicit ``measure`` statements in the order of their classical bits, or None
    where the program has none (then every qubit is measured when shots > 0). ``verbatim`` are the stretches of the
    operations that stand in verbatim boxes, each from its first to behind its last; ``fences`` are how many operations
    stand before each barrier; ``physical`` says that the program names physical qubits (``$0``). These matter on QPUs
    only.
    """

    labels: tuple[int, ...]
    operations: Sequence[Operation]
    results: list[ResultType] = field(default_factory=list)
    measured: tuple[int, ...] | None = None
    verbatim: tuple[tuple[int, int], ...] = ()
    fences: tuple[int, ...] = ()
    physical: bool = False

    @property
    def qubit_count(self) -> int:
        return len(self.labels)

    @property
    def gates(self) -> list[Gate]:
        """The operations that are gates."""
        return [operation for operation in self.operations if isinstance(operation, Gate)]

    @property
    def is_noisy(self) -> bool:
        if not isinstance(self.operations, Rebound):
            return any(isinstance(operation, Noise) for operation in self.operations)
        known = self.operations.known
        if "is_noisy" not in known:
            known["is_noisy"] = any(isinstance(operation, Noise) for operation in self.operations.template)
        return bool(known["is_noisy"])

    @property
    def pattern(self) -> Sequence[Operation]:
        """The operations with whatever angles."""
        return self.operations.template if isinstance(self.operations, Rebound) else self.operations


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
    ``noise`` are the names of the noise channels it takes; none where it computes state vectors only.
    ``method`` is how it computes: ``state`` (vectors and density matrices), ``stabilizer`` (Clifford circuits only),
    ``tensor_network`` (little entanglement only) or ``analog`` (driven Rydberg atoms).
    ``max_density_qubits`` is how many a density matrix may have; noisy programs on more are sampled by trajectories.
    ``all_measured`` says that a program which measures must measure every qubit it uses (SV1's
    requiresAllQubitsMeasurement). ``dynamic`` says that programs may go on after measurements, reset qubits and use
    outcomes; the rule of ``all_measured`` is not for those that do. ``actions`` are the schema names of the kinds of
    programs it takes; a program set has at most ``most_executables`` and ``most_set_shots`` in all.
    ``modifiers`` are the gate modifiers it takes (ctrl, negctrl, inv, pow), None for all. ``target`` is what circuits
    are compiled for on a QPU, None elsewhere; ``rewiring`` says that the compiler may choose the qubits of a register.
    ``analog`` is what a device takes of analog Hamiltonian simulations.
    """

    device_arn: str
    max_qubits: int
    result_kinds_exact: frozenset[str]
    result_kinds_sampled: frozenset[str]
    operations: frozenset[str]
    most_gates: int = 1_000_000
    all_measured: bool = True
    noise: frozenset[str] = frozenset()
    max_density_qubits: int = 0
    method: Method = "state"
    dynamic: bool = False
    actions: frozenset[str] = frozenset({OPENQASM})
    most_executables: int = 100
    most_set_shots: int = 200_000
    modifiers: frozenset[str] | None = None
    target: Target | None = None
    rewiring: bool = True
    analog: AnalogLimits | None = None
