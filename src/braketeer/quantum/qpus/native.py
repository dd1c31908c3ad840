"""From any one-qubit gates and one kind of two-qubit gate to the pulses of a maker.

Turns about z cost nothing on any of these machines: they are kept as a frame for each qubit and change the phases of
later pulses (or are written as ``rz``, where that is native). Gates cz and zz let frames pass. What is left of a frame
when everything is measured makes no difference and is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from braketeer.quantum.circuit import Gate, Matrix
from braketeer.quantum.gates import resolved_matrix
from braketeer.quantum.target import Target

#: The name of what is no gate: nothing is taken together over it.
FENCE = "barrier"
#: Angles so near a multiple of pi/2 are that multiple: compilers leave such errors.
_NEAR = 1e-7
_QUARTER = math.pi / 2


def pulses(gates: Iterable[Gate], target: Target, *, keeps_phases: bool) -> list[Gate]:
    """The native gates that do what ``gates`` do, which are ``u`` or the target's entangler, on the same qubits.

    Up to a global phase; without ``keeps_phases`` also up to turns about z at the end, which no measurement shows.
    """
    writer = _Writer(target)
    for gate in gates:
        if gate.name == "u":
            writer.turn(gate.targets[0], *gate.parameters)
        else:
            writer.entangle(gate)
    if keeps_phases:
        for qubit in sorted(writer.frames):
            writer.settle(qubit)
    return writer.written


def merged(gates: Sequence[Gate]) -> list[Gate]:
    """Gates on one qubit each as one ``u`` a qubit between fences, up to a global phase."""
    found: list[Gate] = []
    products: dict[int, Matrix] = {}
    for gate in (*gates, Gate(FENCE, ())):
        if gate.name == FENCE:
            found += [Gate("u", (qubit,), euler(matrix)) for qubit, matrix in products.items()]
            products = {}
        else:
            qubit = gate.targets[0]
            products[qubit] = resolved_matrix(gate) @ products.get(qubit, np.eye(2))
    return found


def euler(matrix: Matrix) -> tuple[float, float, float]:
    """The angles of ``U`` for a unitary 2 x 2 matrix, up to a phase."""
    theta = 2 * math.atan2(abs(matrix[1, 0]), abs(matrix[0, 0]))
    if abs(matrix[1, 0]) < _NEAR:  # turns about z alone: which of the two makes them is free
        return 0.0, float(np.angle(matrix[1, 1]) - np.angle(matrix[0, 0])), 0.0
    if abs(matrix[0, 0]) < _NEAR:
        return math.pi, float(np.angle(matrix[1, 0]) - np.angle(-matrix[0, 1])), 0.0
    phase = np.angle(matrix[0, 0])
    return theta, float(np.angle(matrix[1, 0]) - phase), float(np.angle(-matrix[0, 1]) - phase)


class _Writer:
    """Writes pulses; ``frames`` are the turns about z that each qubit still has to make."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.written: list[Gate] = []
        self.frames: dict[int, float] = {}

    def turn(self, qubit: int, theta: float, phi: float, lam: float) -> None:
        """``U(theta, phi, lam)`` = Rz(phi) Ry(theta) Rz(lam), up to a phase."""
        theta = snapped(theta)
        if theta < 0:
            theta, phi, lam = -theta, phi + math.pi, lam - math.pi
        if theta == 0:
            self._advance(qubit, phi + lam)
        elif self.target.pulse == "prx" or theta in (_QUARTER, math.pi):
            self._advance(qubit, lam - _QUARTER)
            self._pulse(qubit, theta)
            self._advance(qubit, phi + _QUARTER)
        else:
            self._advance(qubit, lam)
            self._pulse(qubit, _QUARTER)
            self._advance(qubit, theta + math.pi)
            self._pulse(qubit, _QUARTER)
            self._advance(qubit, phi + math.pi)

    def entangle(self, gate: Gate) -> None:
        if self.target.entangler == "xx":
            for qubit in gate.targets:
                self.settle(qubit)
        parameters = tuple(map(snapped, gate.parameters))
        if parameters != (0,):
            self.written.append(Gate(self.target.entangler, gate.targets, parameters))

    def settle(self, qubit: int) -> None:
        """Make the turn that a qubit has still to make."""
        angle = snapped(self.frames.pop(qubit, 0.0))
        if not angle:
            return
        if "rz" in self.target.native:
            self.written.append(Gate("rz", (qubit,), (angle,)))
        else:  # two half turns about axes half the angle apart
            self._half_turn(qubit, 0.0)
            self._half_turn(qubit, angle / 2)

    def _advance(self, qubit: int, angle: float) -> None:
        self.frames[qubit] = self.frames.get(qubit, 0.0) + angle

    def _pulse(self, qubit: int, theta: float) -> None:
        """Rx(theta) after the frame: a turn about the axis that the frame takes to x."""
        if self.target.pulse == "rx":
            self.settle(qubit)
            self.written.append(Gate("rx", (qubit,), (theta,)))
            return
        axis = snapped(-self.frames.get(qubit, 0.0))
        if theta == math.pi:
            self._half_turn(qubit, axis)
        elif self.target.pulse == "gpi":
            self.written.append(Gate("gpi2", (qubit,), (axis,)))
        else:
            self.written.append(Gate("prx", (qubit,), (theta, axis)))

    def _half_turn(self, qubit: int, axis: float) -> None:
        axis = snapped(axis)
        gate = Gate("gpi", (qubit,), (axis,)) if self.target.pulse == "gpi" else Gate("prx", (qubit,), (math.pi, axis))
        self.written.append(gate)


def snapped(angle: float) -> float:
    """The angle from -pi (left out) to pi, a multiple of pi/2 where it is as good as one."""
    angle = math.remainder(angle, 2 * math.pi)
    quarters = round(angle / _QUARTER)
    if abs(angle - quarters * _QUARTER) < _NEAR:
        return (quarters if quarters > -2 else 2) * _QUARTER
    return angle
