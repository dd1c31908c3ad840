"""prism-q as the engine, through its circuit builder only.

Its parser is never used, its backend always named and its seed always given: left to itself it may lose a global phase,
turn to an approximate method, or reuse one seed for ever. Its states are little-endian, so qubit q is its qubit
n-1-q and the exported state is in Braket's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
from prism_q import BackendKind, CircuitBuilder, PrismError, simulate
from prism_q import Gate as PrismGate

from braketeer.quantum.circuit import Circuit, Gate, Matrix, ProgramError
from braketeer.quantum.engines.amplitudes import (
    WIDEST_NATIVE,
    State,
    apply,
    check_gate,
    check_norm,
    target_matrix,
)
from braketeer.quantum.gates import diagonalised

_SEED = 20_260_101  # nothing is drawn in a unitary evolution; an own seed all the same


def evolve(circuit: Circuit) -> State:
    """See :class:`braketeer.quantum.engines.Engine`."""
    qubits = circuit.qubit_count
    if qubits == 0:
        raise ProgramError("the program has no qubits")
    phase: complex = 1
    state: State | None = None
    builder = CircuitBuilder(qubits, 0)
    for gate in circuit.gates:
        check_gate(gate, qubits)
        if not gate.targets and not gate.controls:
            phase *= complex(target_matrix(gate)[0, 0])
        elif len(gate.targets) > WIDEST_NATIVE:
            state = _run(builder, state)
            apply(state, target_matrix(gate), gate.targets, gate.controls, gate.control_states)
            builder = CircuitBuilder(qubits, 0)
        else:
            _add(builder, gate, qubits - 1)
    if phase != 1:
        builder.gate(PrismGate.unitary(np.diag([phase, phase])), [0])
    state = _run(builder, state)
    check_norm(state)
    return state


def _run(builder: CircuitBuilder, start: State | None) -> State:
    try:
        simulation = simulate(builder.build()).backend(BackendKind.statevector()).seed(_SEED)
        if start is not None:
            simulation = simulation.initial_state(start)
        return simulation.state_vector()
    except PrismError as error:
        raise ProgramError(f"the engine prism-q refuses this program: {error}") from error
    except BaseException as error:
        # A Rust panic arrives as a class of its own below BaseException.
        if type(error).__name__ != "PanicException":
            raise
        raise ProgramError(f"the engine prism-q failed on this program: {error}") from error


_NAMED: dict[str, Callable[..., CircuitBuilder]] = {
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


def _add(builder: CircuitBuilder, gate: Gate, last: int) -> None:
    """Append one gate of at most WIDEST_NATIVE targets; ``last`` - q is prism's number for qubit q."""
    targets = [last - qubit for qubit in gate.targets]
    named = _NAMED.get(gate.name)
    if named is not None and not gate.controls and gate.power == 1 and gate.matrix is None:
        named(builder, *gate.parameters, *targets)
        return
    if gate.name == "i" and gate.matrix is None:
        return
    matrix = target_matrix(gate)
    if not gate.controls:
        builder.gate(PrismGate.unitary(matrix), targets)
        return
    controls = dict(zip((last - qubit for qubit in gate.controls), gate.control_states, strict=True))
    if len(targets) == 1:
        _add_controlled(builder, matrix, controls, targets[0])
    elif targets:
        _add_controlled_wide(builder, matrix, controls, targets)
    else:
        _add_phase(builder, complex(matrix[0, 0]), controls)


def _add_controlled(builder: CircuitBuilder, matrix: Matrix, controls: dict[int, int], target: int) -> None:
    zeros = [qubit for qubit, wanted in controls.items() if wanted == 0]
    _flip(builder, zeros)
    builder.mcu(matrix, list(controls), target)
    _flip(builder, zeros)


def _add_phase(builder: CircuitBuilder, phase: complex, wanted: dict[int, int]) -> None:
    """Multiply the amplitudes whose qubits have these values by ``phase``."""
    if phase == 1:
        return
    *others, (target, value) = wanted.items()
    matrix = np.diag([phase, 1] if value == 0 else [1, phase])
    if others:
        _add_controlled(builder, matrix, dict(others), target)
    else:
        builder.gate(PrismGate.unitary(matrix), [target])


def _add_controlled_wide(builder: CircuitBuilder, matrix: Matrix, controls: dict[int, int], targets: list[int]) -> None:
    """With matrix = V D V*: V* whether controlled or not, D as controlled phases, V."""
    values, vectors = diagonalised(matrix)
    builder.gate(PrismGate.unitary(vectors.conj().T), targets)
    for phase, bits in zip(values, product((0, 1), repeat=len(targets)), strict=True):
        _add_phase(builder, complex(phase), controls | dict(zip(targets, bits, strict=True)))
    builder.gate(PrismGate.unitary(vectors), targets)


def _flip(builder: CircuitBuilder, qubits: Iterable[int]) -> None:
    for qubit in qubits:
        builder.x(qubit)
