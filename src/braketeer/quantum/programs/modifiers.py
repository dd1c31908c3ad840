"""``ctrl``, ``negctrl``, ``inv`` and ``pow`` on what a gate call stands for: a list of resolved gates.

Targets are qubit labels here. As in the OpenQASM 3 specification a modifier acts on the whole gate: the power of a
gate of the program's own is the power of the product of its body, and a phase inside it counts once it is controlled.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import replace

import numpy as np

from braketeer.quantum.circuit import Gate, Matrix
from braketeer.quantum.gates import matrix_power, resolved_matrix
from braketeer.quantum.programs.classical import Unfit

MOST_DENSE_QUBITS = 6
MOST_POWER = 1_000_000


def controlled(gates: list[Gate], controls: tuple[int, ...], state: int) -> list[Gate]:
    states = (state,) * len(controls)
    return [
        replace(gate, controls=controls + gate.controls, control_states=states + gate.control_states) for gate in gates
    ]


def inverse(gates: list[Gate]) -> list[Gate]:
    return [_power(gate, -1.0) for gate in reversed(gates)]


def power(gates: list[Gate], exponent: float, room: int) -> list[Gate]:
    """The gates to the power ``exponent``, at most ``room`` of them. Raises Unfit where that cannot be written."""
    if not math.isfinite(exponent) or abs(exponent) > MOST_POWER:
        raise Unfit(f"pow takes exponents up to {MOST_POWER}")
    if len(gates) == 1:
        return [_power(gates[0], exponent)]
    if exponent == int(exponent):
        times = abs(int(exponent))
        if len(gates) * times > room:
            raise Unfit("The power of this gate has more gates than the device takes")
        return (gates if exponent >= 0 else inverse(gates)) * times
    if not gates:
        return gates
    qubits = tuple(sorted({qubit for gate in gates for qubit in gate.targets + gate.controls}))
    if len(qubits) > MOST_DENSE_QUBITS:
        raise Unfit(f"Fractional powers of gates on more than {MOST_DENSE_QUBITS} qubits are not supported")
    _no_slopes(gates)
    return [Gate("unitary", qubits, matrix=matrix_power(dense(gates, qubits), exponent))]


def dense(gates: list[Gate], qubits: tuple[int, ...]) -> Matrix:
    """The matrix of the gates in order, on ``qubits``, the first the most significant: shape (2^k, 2^k)."""
    size = len(qubits)
    place = {qubit: axis for axis, qubit in enumerate(qubits)}
    total = np.eye(2**size, dtype=np.complex128).reshape((2,) * size + (-1,))
    for gate in gates:
        matrix = resolved_matrix(gate)
        view = total[_selection(gate, place, size)]
        chosen = {place[qubit] for qubit in gate.controls}
        free = [axis for axis in range(size) if axis not in chosen]
        targets = [free.index(place[qubit]) for qubit in gate.targets]
        count = len(targets)
        moved = np.moveaxis(view, targets, range(count))
        acted = (matrix @ moved.reshape(2**count, -1)).reshape(moved.shape)
        view[...] = np.moveaxis(acted, range(count), targets)
    return total.reshape(2**size, 2**size)


def _no_slopes(gates: list[Gate]) -> None:
    if any(by for gate in gates for by in gate.slopes):
        raise Unfit("An adjoint gradient through this power of a gate is not supported")


def _selection(gate: Gate, place: dict[int, int], size: int) -> tuple[int | slice, ...]:
    selection: list[int | slice] = [slice(None)] * size
    for qubit, state in zip(gate.controls, gate.control_states, strict=True):
        selection[place[qubit]] = state
    return tuple(selection)


def _power(gate: Gate, exponent: float) -> Gate:
    """One gate to a power, under its controls: the principal power of a controlled gate is the controlled power.

    Exponents multiply where the outer one is whole, or the inner one turns no eigenvalue past -1; else the inner power
    is worked out first.
    """
    whole = exponent == int(exponent)
    if gate.name == "gphase":
        angle = gate.parameters[0]
        if not whole:
            angle = cmath.phase(cmath.exp(1j * angle))
        slopes = tuple([tuple([(name, slope * exponent) for name, slope in by]) for by in gate.slopes])
        return replace(gate, parameters=(angle * exponent,), slopes=slopes)
    if whole or gate.power == 1.0 or abs(gate.power) < 1.0:
        product = gate.power * exponent
        if abs(product) > MOST_POWER:
            raise Unfit(f"pow takes exponents up to {MOST_POWER}")
        return replace(gate, power=product)
    _no_slopes([gate])
    matrix = matrix_power(resolved_matrix(gate), exponent)
    return replace(gate, name="unitary", parameters=(), matrix=matrix, power=1.0)
