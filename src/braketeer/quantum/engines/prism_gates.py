"""Our gates and noise channels as instructions of prism-q's circuit builder, and the guarded way to run them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import product
from typing import TypeVar

import numpy as np
from prism_q import BackendKind, CircuitBuilder, NoiseChannel, NoiseModel, PrismError, Simulation, simulate
from prism_q import Circuit as PrismCircuit
from prism_q import Gate as PrismGate

from braketeer.quantum.circuit import Gate, Matrix, Noise, Operation, ProgramError
from braketeer.quantum.engines.amplitudes import WIDEST_NATIVE, WIDEST_NOISE, target_matrix
from braketeer.quantum.gates import GATES, diagonalised
from braketeer.quantum.noise import completed, pauli_weights, trace_error

#: prism-q takes Kraus operators only if they preserve the trace to 1e-9.
_EXACT_TRACE = 1e-10
_ROUNDING = 1e-13
_Answer = TypeVar("_Answer")
Method = Callable[..., CircuitBuilder]

_NAMED: dict[str, Method] = {
    "x": CircuitBuilder.x,
    "y": CircuitBuilder.y,
    "z": CircuitBuilder.z,
    "h": CircuitBuilder.h,
    "s": CircuitBuilder.s,
    "si": CircuitBuilder.sdg,
    "t": CircuitBuilder.t,
    "ti": CircuitBuilder.tdg,
    "v": CircuitBuilder.sx,
    "vi": CircuitBuilder.sxdg,
    "rx": CircuitBuilder.rx,
    "ry": CircuitBuilder.ry,
    "rz": CircuitBuilder.rz,
    "phaseshift": CircuitBuilder.p,
    "cnot": CircuitBuilder.cx,
    "cy": CircuitBuilder.cy,
    "cz": CircuitBuilder.cz,
    "swap": CircuitBuilder.swap,
    "iswap": CircuitBuilder.iswap,
    "xx": CircuitBuilder.rxx,
    "yy": CircuitBuilder.ryy,
    "zz": CircuitBuilder.rzz,
    "cphaseshift": CircuitBuilder.cphase,
    "ccnot": CircuitBuilder.ccx,
    "cswap": CircuitBuilder.cswap,
}


def takes(operation: Gate | Noise) -> bool:
    """Whether prism-q can do it; what it cannot is applied to the exported state."""
    if isinstance(operation, Gate):
        return len(operation.targets) <= WIDEST_NATIVE
    return len(operation.targets) <= WIDEST_NOISE and trace_error(operation.operators) < _EXACT_TRACE


def is_global_phase(operation: Operation) -> bool:
    """Whether it is a phase of the whole state, which prism-q's builder has no gate for."""
    return isinstance(operation, Gate) and not operation.targets and not operation.controls


def named(gate: Gate, last: int) -> tuple[Method, tuple[int, ...]] | None:
    """The builder's method that takes a gate's angles and then these qubits, ``last`` being the highest there is; None
    for gates it has no method for."""
    if gate.controls or gate.power != 1 or gate.matrix is not None:
        return None
    return _plain(gate.name, gate.targets, last)


@lru_cache(maxsize=4096)
def _plain(name: str, targets: tuple[int, ...], last: int) -> tuple[Method, tuple[int, ...]] | None:
    method = _NAMED.get(name)
    return None if method is None else (method, tuple([last - qubit for qubit in targets]))


@lru_cache
def _instructions(name: str) -> int:
    """How many instructions prism-q makes of a named gate: some it writes as several others."""
    builder = CircuitBuilder(GATES[name].qubits, 0)
    _NAMED[name](builder, *(0.3,) * GATES[name].parameters, *range(GATES[name].qubits))
    return builder.build().gate_count()


class Translation:
    """A circuit of prism-q being written; qubit q is its qubit n-1-q, so that its states are in Braket's order.

    ``measured`` appends a measurement of every qubit, with qubit q in column q. ``count`` are the instructions so far.
    """

    def __init__(self, qubits: int, *, measured: bool = False) -> None:
        self._last = qubits - 1
        self._measured = measured
        self._builder = CircuitBuilder(qubits, qubits if measured else 0)
        self.count = 0
        self._events: list[tuple[int, Noise]] = []

    def circuit(self) -> PrismCircuit:
        if self._measured:
            for qubit in range(self._last + 1):
                self._builder.measure(self._last - qubit, qubit)
        return self._builder.build()

    def noise(self, circuit: PrismCircuit) -> NoiseModel | None:
        """The noise in ``circuit``, None where there is none."""
        if not self._events:
            return None
        model = NoiseModel.empty(circuit)
        channels = {id(noise): _channel(noise) for _, noise in self._events}
        for instruction, noise in self._events:
            model.add_event(instruction, channels[id(noise)], self._places(noise.targets))
        return model

    def add(self, operation: Gate | Noise) -> None:
        """Append an operation that prism-q takes."""
        if isinstance(operation, Gate):
            self._add_gate(operation)
            return
        if not self.count:  # noise is tied to the instruction before it
            self._builder.id(0)
            self.count += 1
        self._events.append((self.count - 1, operation))

    def add_named(self, gate: Gate) -> bool:
        """Append a gate that prism-q has a method for: most are. False for the others."""
        call = named(gate, self._last)
        if call is None:
            return False
        method, targets = call
        method(self._builder, *gate.parameters, *targets)
        self.count += _instructions(gate.name)
        return True

    def phase(self, phase: complex) -> None:
        """Multiply the state by a number of size 1."""
        self._unitary(np.diag([phase, phase]), [0])

    def _add_gate(self, gate: Gate) -> None:
        if self.add_named(gate) or (gate.name == "i" and gate.matrix is None):
            return
        targets = self._places(gate.targets)
        matrix = target_matrix(gate)
        if not gate.controls:
            self._unitary(matrix, targets)
            return
        controls = dict(zip(self._places(gate.controls), gate.control_states, strict=True))
        if len(targets) == 1:
            self._controlled(matrix, controls, targets[0])
        elif targets:
            self._controlled_wide(matrix, controls, targets)
        else:
            self._phase_where(complex(matrix[0, 0]), controls)

    def _places(self, qubits: Iterable[int]) -> list[int]:
        return [self._last - qubit for qubit in qubits]

    def _unitary(self, matrix: Matrix, targets: list[int]) -> None:
        self._builder.gate(PrismGate.unitary(matrix), targets)
        self.count += 1

    def _controlled(self, matrix: Matrix, controls: dict[int, int], target: int) -> None:
        zeros = [qubit for qubit, wanted in controls.items() if wanted == 0]
        self._flip(zeros)
        self._builder.mcu(matrix, list(controls), target)
        self.count += 1
        self._flip(zeros)

    def _phase_where(self, phase: complex, wanted: dict[int, int]) -> None:
        """Multiply the amplitudes whose qubits have these values by ``phase``."""
        if phase == 1:
            return
        *others, (target, value) = wanted.items()
        matrix = np.diag([phase, 1] if value == 0 else [1, phase])
        if others:
            self._controlled(matrix, dict(others), target)
        else:
            self._unitary(matrix, [target])

    def _controlled_wide(self, matrix: Matrix, controls: dict[int, int], targets: list[int]) -> None:
        """With matrix = V D V*: V* whether controlled or not, D as controlled phases, V."""
        values, vectors = diagonalised(matrix)
        self._unitary(vectors.conj().T, targets)
        for phase, bits in zip(values, product((0, 1), repeat=len(targets)), strict=True):
            self._phase_where(complex(phase), controls | dict(zip(targets, bits, strict=True)))
        self._unitary(vectors, targets)

    def _flip(self, qubits: Iterable[int]) -> None:
        for qubit in qubits:
            self._builder.x(qubit)
            self.count += 1


def simulation_of(translation: Translation, backend: BackendKind, seed: int) -> Simulation:
    """A run of prism-q that is yet to be asked for something."""

    def build() -> Simulation:
        circuit = translation.circuit()
        simulation, noise = simulate(circuit).backend(backend).seed(seed), translation.noise(circuit)
        return simulation if noise is None else simulation.noise(noise)

    return guarded(build)


def guarded(ask: Callable[[], _Answer]) -> _Answer:
    """The answer; what prism-q refuses or panics at is a ProgramError."""
    try:
        return ask()
    except PrismError as error:
        raise ProgramError(f"the engine prism-q refuses this program: {error}") from error
    except BaseException as error:
        # A Rust panic arrives as a class of its own below BaseException.
        if type(error).__name__ != "PanicException":
            raise
        raise ProgramError(f"the engine prism-q failed on this program: {error}") from error


def _channel(noise: Noise) -> NoiseChannel:
    """Mixtures of Pauli words on one qubit by their weights, which trajectories draw quickly; others by operators."""
    weights = pauli_weights(noise)
    if weights is not None and len(noise.targets) == 1:
        return NoiseChannel.pauli(*(weights.get(letter, 0.0) for letter in "XYZ"))
    make = NoiseChannel.custom if len(noise.targets) == 1 else NoiseChannel.custom_2q
    return make(list(completed(noise.operators) if trace_error(noise.operators) > _ROUNDING else noise.operators))
