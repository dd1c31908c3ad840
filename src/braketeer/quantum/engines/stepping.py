"""States that are driven step by step, for programs whose next gate depends on what was measured.

Both kinds do the same: a state vector follows one trajectory (noise picks one of its Kraus operators at random), a
density matrix takes it exactly. No outcome is drawn here: whoever follows both asks for ``probability_of_one``, takes a
``copy`` and ``project``s each.
"""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Gate, Operation
from braketeer.quantum.engines import Engine, choose
from braketeer.quantum.engines.amplitudes import State, apply, target_matrix, zeros
from braketeer.quantum.engines.density import Density, apply_operation, check_operation, start
from braketeer.quantum.engines.trajectories import apply_at_random

#: Gates are gathered and handed to the engine in one go from this many qubits on; below, a call costs more.
_WORTH_THE_ENGINE = 11


class Stepping(Protocol):
    """``qubits`` compact qubits, numbered as in a :class:`Circuit`, all in state 0 at first."""

    qubits: int

    def apply(self, operation: Operation, random: np.random.Generator) -> None:
        """A gate or noise. ProgramError where it does not fit these qubits."""

    def probability_of_one(self, qubit: int) -> float:
        """From 0 to 1."""

    def project(self, qubit: int, outcome: int) -> None:
        """What a measurement of ``qubit`` with this outcome (of a probability above 0) leaves."""

    def copy(self) -> Self:
        """Another one in the same state."""

    def populations(self) -> NDArray[np.float64]:
        """The probability of each basis state, shape (2^qubits,)."""


def stepping(qubits: int, *, density: bool, engine: str | None = None) -> Stepping:
    """A density matrix, or a state vector evolved by the engine of that name (None: the fastest here)."""
    return SteppingDensity(start(qubits)) if density else SteppingVector(zeros(qubits), choose(engine))


class SteppingVector:
    """One trajectory. Gates wait until somebody looks."""

    def __init__(self, state: State, engine: Engine) -> None:
        self.qubits = state.size.bit_length() - 1
        self._state = state
        self._engine = engine
        self._waiting: list[Gate] = []

    def apply(self, operation: Operation, random: np.random.Generator) -> None:
        check_operation(operation, self.qubits)
        if isinstance(operation, Gate):
            self._waiting.append(operation)
        else:
            apply_at_random(self.state(), operation, random)

    def state(self) -> State:
        """The amplitudes now, norm 1; not to be changed."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            if self.qubits >= _WORTH_THE_ENGINE:
                self._state = self._engine.evolve(Circuit(tuple(range(self.qubits)), waiting), self._state)
            else:
                for gate in waiting:
                    apply(self._state, target_matrix(gate), gate.targets, gate.controls, gate.control_states)
        return self._state

    def probability_of_one(self, qubit: int) -> float:
        halves = self.state().reshape(1 << qubit, 2, -1)
        zero, one = (float(np.vdot(half, half).real) for half in (halves[:, 0], halves[:, 1]))
        return one / (zero + one)

    def project(self, qubit: int, outcome: int) -> None:
        halves = self.state().reshape(1 << qubit, 2, -1)
        halves[:, 1 - outcome] = 0
        halves /= np.linalg.norm(halves)

    def copy(self) -> SteppingVector:
        return SteppingVector(self.state().copy(), self._engine)

    def populations(self) -> NDArray[np.float64]:
        state = self.state()
        return np.asarray(state.real**2 + state.imag**2)


class SteppingDensity:
    """The average over all trajectories so far, as projected."""

    def __init__(self, density: Density) -> None:
        self.qubits = len(density).bit_length() - 1
        self.density = density

    def apply(self, operation: Operation, random: np.random.Generator) -> None:
        apply_operation(self.density, operation)

    def probability_of_one(self, qubit: int) -> float:
        zero, one = self.populations().reshape(1 << qubit, 2, -1).sum(axis=(0, 2))
        return float(one / (zero + one))

    def project(self, qubit: int, outcome: int) -> None:
        outer = 1 << qubit
        parts = self.density.reshape(outer, 2, -1, outer, 2, len(self.density) // 2 // outer)
        parts[:, 1 - outcome] = 0
        parts[:, :, :, :, 1 - outcome] = 0
        self.density /= np.trace(self.density).real

    def copy(self) -> SteppingDensity:
        return SteppingDensity(self.density.copy())

    def populations(self) -> NDArray[np.float64]:
        return np.maximum(np.diagonal(self.density).real, 0.0)
