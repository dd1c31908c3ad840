"""Analog Hamiltonian simulation: the state of driven Rydberg atoms, to a stated accuracy.

Time goes by in steps of the fourth-order commutator-free Magnus method, each of two exponentials that the Lanczos
process applies; the step follows from comparing one with two halves. The space (configurations.py) begins small and
grows as soon as what it leaves out would matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import ceil, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.analog import AnalogProgram, Field
from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.engines.configurations import Configurations, TooMany, fewest
from braketeer.quantum.engines.krylov import Exponential, Vector

#: How far the final state may be off by the steps, and by what the space leaves out (norm of the difference). A
#: probability is off by no more, and as a rule by far less.
TOLERANCE = 5e-4
TRUNCATION = 2e-3
#: Where the configurations that fit leave more error than this, there is no result.
WORST = 0.02

_MICRO = 1e-6
_EARLY, _LATE = 0.25 + sqrt(3) / 6, 0.25 - sqrt(3) / 6  # the weights of the two Gauss points in the two exponentials
_GAUSS = sqrt(3) / 6
_UNCHECKED = 7  # steps between two that are checked, once their length
_STEADY = 1.5  # does not grow by more, and where there are many:
_FEW = 8  # to do for each of those


@dataclass(frozen=True, slots=True)
class Evolved:
    """The final ``probabilities`` of configurations; ``excited``, (atoms, configurations), says which atoms are in r.

    ``error`` is an estimate, good to a factor of two or so, of how far the state is off (the norm of the difference);
    a resonance of three or more atoms at once, weakly driven for long, may be off by more. ``cut`` is the energy, in
    rad/s, above which configurations were left out in the end, None where none was.
    """

    probabilities: NDArray[np.float64]
    excited: NDArray[np.uint8]
    error: float
    cut: float | None
    state: Vector


def evolve(
    program: AnalogProgram, c6: Decimal, most: int, tolerance: float = TOLERANCE, truncation: float = TRUNCATION
) -> Evolved:
    """The state that the ground state of all atoms becomes, with at most ``most`` configurations kept at once.

    Raises ProgramError where that would leave an error above WORST.
    """
    model = _Model(program, c6)
    if not model.strongest:
        excited = np.zeros((program.atoms, 1), dtype=np.uint8)
        return Evolved(np.ones(1), excited, 0.0, None, np.ones(1, dtype=np.complex128))
    return _Evolution(model, most, tolerance, truncation).run()


def check(program: AnalogProgram, c6: Decimal, most: int) -> None:
    """Raise ProgramError for a program of which it is clear at once that ``most`` configurations are not enough."""
    model = _Model(program, c6)
    if not model.strongest or 1 << program.atoms <= most:
        return
    cut = model.least_cut()
    if fewest(model.interactions >= cut, most) > most:
        radius = (float(c6) / (cut / _MICRO)) ** (1 / 6)
        raise ProgramError(
            f"The state of {program.atoms} atoms cannot be held here: even with no two excited atoms closer than the "
            f"blockade radius of {radius * 1e6:.1f} um there are more than the {most} configurations that a task on "
            "this machine may have; use fewer atoms, or bring them closer together"
        )


class _Model:
    """A program in microseconds and rad/us, for its atoms only."""

    def __init__(self, program: AnalogProgram, c6: Decimal) -> None:
        taken = [site for site, full in zip(program.sites, program.filling, strict=True) if full]
        x, y = taken[0] if taken else (Decimal(0), Decimal(0))  # far from 0 floats are too coarse
        places = np.array([(float(u - x), float(v - y)) for u, v in taken]).reshape(-1, 2) / _MICRO
        squares = np.sum((places[:, None] - places[None, :]) ** 2, axis=2)
        np.fill_diagonal(squares, np.inf)
        with np.errstate(divide="ignore", over="ignore"):
            self.interactions = np.minimum(float(c6) * 1e30 / squares**3, 1e300)
        self.duration = float(program.duration) / _MICRO
        drive, filling = program.drive, program.filling
        self.amplitude = _Waveform(None if drive is None else drive.amplitude, filling, _MICRO)
        self.phase = _Waveform(None if drive is None else drive.phase, filling, 1.0)
        detunings = (None if drive is None else drive.detuning, program.local)
        self.detunings = [_Waveform(field, filling, _MICRO) for field in detunings if field is not None]
        self.strongest = float(np.abs(self.amplitude.values).max() * np.abs(self.amplitude.factors).max(initial=0.0))

    def lowered(self) -> NDArray[np.float64]:
        """How far detunings may at most lower the energy of exciting each atom."""
        return sum(
            (np.maximum(np.outer(field.values, field.factors), 0.0).max(axis=0) for field in self.detunings),
            np.zeros(len(self.interactions)),
        )

    def least_cut(self) -> float:
        """The least energy at which leaving configurations out may be good enough: the drive can hardly reach it."""
        return 2 * float(self.lowered().max(initial=0.0)) + 4 * self.strongest

    def breaks(self) -> list[float]:
        """The times at which some field has a kink or a jump, the ends included."""
        fields = [self.amplitude, self.phase, *self.detunings]
        return sorted({0.0, self.duration, *(float(time) for field in fields for time in field.times)})


class _Waveform:
    """A field: ``factors`` of the atoms times ``values`` at ``times``."""

    def __init__(self, field: Field | None, filling: tuple[bool, ...], unit: float) -> None:
        self.times = np.array([float(time) / _MICRO for time in field.times] if field else [0.0])
        self.values = np.array([float(value) * unit for value in field.values] if field else [0.0])
        pattern = (1.0,) * len(filling) if field is None or field.pattern is None else map(float, field.pattern)
        self.factors = np.array([factor for factor, full in zip(pattern, filling, strict=True) if full])

    def at(self, time: float) -> float:
        """Between the times: linear."""
        return float(np.interp(time, self.times, self.values))

    def since(self, time: float) -> float:
        """The value that the latest time set: how phases go."""
        return float(self.values[np.searchsorted(self.times, time, side="right") - 1])


class _Evolution:
    """The state on its way."""

    def __init__(self, model: _Model, most: int, tolerance: float, truncation: float) -> None:
        self._model, self._most = model, most
        self._tolerance, self._truncation = tolerance, truncation
        self._left_out = 0.0
        self._leaked = 0.0
        self._overstepped = 0.0
        self._is_largest = False
        self._step = model.duration / 8
        try:
            space = Configurations(
                model.interactions, model.amplitude.factors, model.lowered(), model.least_cut(), most
            )
        except TooMany:
            raise ProgramError(
                f"The state of {len(model.interactions)} atoms has more configurations than the {most} "
                "that a task on this machine may have"
            ) from None
        self._state = np.zeros(space.size, dtype=np.complex128)
        self._state[0] = 1
        self._enter(space)

    def run(self) -> Evolved:
        breaks = self._model.breaks()
        for begin, end in pairwise(breaks):
            phase = self._model.phase.since(begin)
            self._turn(phase)
            self._segment(begin, end)
            self._turn(-phase)
        left_out = self._left_out + self._leaked
        if not left_out <= max(WORST, 2 * self._truncation):
            raise ProgramError(
                f"The state of {len(self._model.interactions)} atoms needs more than the {self._most} configurations "
                f"that a task on this machine may have: with those it may be off by {left_out:.2g}"
            )
        weights = np.abs(self._state) ** 2
        cut = None if self._space.is_whole else self._space.cut / _MICRO
        error = left_out + self._tolerance + self._overstepped
        return Evolved(weights / weights.sum(), self._space.excited, error, cut, self._state)

    def _enter(self, space: Configurations) -> None:
        self._space = space
        self._exponential = Exponential(space.size)
        excited = space.excited
        self._turns = self._model.phase.factors @ excited
        self._counts = [field.factors @ excited for field in self._model.detunings]

    def _turn(self, phase: float) -> None:
        """Into the frame in which the drive has no phase, or out of it."""
        if phase:
            self._state *= np.exp(1j * phase * self._turns)

    def _segment(self, begin: float, end: float) -> None:
        """Steps from one break of the fields to the next, between which all are linear."""
        time = begin
        self._until_check = self._trusted = 0
        while time < end:
            steps = max(1, ceil((end - time) / self._step * (1 - 1e-9)))
            length = (end - time) / steps
            found = self._stepped(time, length, steps)
            if found is None:
                continue
            arrived = end if steps == 1 else time + length
            rate, leak = self._losses(arrived, found)
            if rate * self._model.duration + leak > self._truncation and self._grow():
                continue
            self._left_out += rate * length
            self._leaked = max(self._leaked, leak)
            self._state, time = found, arrived

    def _stepped(self, time: float, length: float, steps: int) -> Vector | None:
        """The state after one of ``steps`` that are still to do; None where it must be shorter, which is then set."""
        once = self._magnus(time, length, self._state)
        if self._until_check:
            self._until_check -= 1
            self._trusted += 1
            return once
        half = length / 2
        twice = self._magnus(time + half, half, self._magnus(time, half, self._state))
        difference = float(np.linalg.norm(once - twice))
        allowed = self._tolerance * length / self._model.duration
        self._overstepped += self._trusted * max(difference - allowed, 0.0)
        self._trusted = 0
        change = min(max(0.8 * (allowed / difference) ** 0.25, 0.2), 4.0) if difference else 4.0
        self._step = length * change
        if not isfinite(difference) or self._step < 1e-9 * self._model.duration:
            raise ProgramError("The fields of the hamiltonian change too fast or are too strong to be simulated")
        if difference > allowed:  # of small steps the error of the two halves is a 15th of it, of large ones it is not
            return None
        # The next steps err alike only where they are as long, and change the fields by little.
        self._until_check = min(_UNCHECKED, steps // _FEW) if change < _STEADY else 0
        return twice

    def _magnus(self, time: float, length: float, state: Vector) -> Vector:
        model, space = self._model, self._space
        early, late = time + length * (0.5 - _GAUSS), time + length * (0.5 + _GAUSS)
        drives = model.amplitude.at(early) / 2, model.amplitude.at(late) / 2
        fields = [(field.at(early), field.at(late)) for field in model.detunings]
        tolerance = 0.05 * self._tolerance * length / model.duration
        for first, second in ((_EARLY, _LATE), (_LATE, _EARLY)):
            drive = first * drives[0] + second * drives[1]
            energies = 0.5 * space.energies
            for (one, other), counts in zip(fields, self._counts, strict=True):
                energies = energies - (first * one + second * other) * counts
            state = self._exponential.apply(_product(space, drive, energies), state, length, tolerance)
        return state

    def _losses(self, time: float, state: Vector) -> tuple[float, float]:
        """How fast the state goes wrong by what is left out, and how much of it would be there: by way of it the drive
        would shift the energies of the configurations next to the cut by amplitude^2 / 4 / energy, and lead from one to
        another about as much; and it would be taken to with the amplitude / 2 / energy of each of those."""
        if self._space.is_whole:
            return 0.0, 0.0
        strength, weights = self._model.amplitude.at(time) / 2, np.abs(state)
        rate = 2 * strength**2 * float(np.linalg.norm(weights * self._space.shifts))
        return rate, abs(strength) * float(np.linalg.norm(weights * np.sqrt(self._space.leaks)))

    def _grow(self) -> bool:
        """Go on in a larger space, from the same state, if there is one."""
        larger = None if self._is_largest else self._space.larger(self._most)
        if larger is None:
            self._is_largest = True
            return False
        self._state = self._space.carried(self._state, larger)
        del self._exponential  # its memory is for the next one
        self._enter(larger)
        self._until_check = self._trusted = 0
        return True


def _product(space: Configurations, drive: float, energies: NDArray[np.float64]) -> Callable[[Vector], Vector]:
    """The Hamiltonian, as what it does to a vector."""

    def product(state: Vector) -> Vector:
        found = energies * state
        if drive:
            flipped = space.flipped(state)
            flipped *= drive
            found += flipped
        return found

    return product
