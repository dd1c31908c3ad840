"""Analog tasks: a program checked for a device, and its shots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braketeer.quantum.analog import AnalogLimits, AnalogProgram, Mistakes, configuration_bytes
from braketeer.quantum.circuit import Limits, ProgramError
from braketeer.quantum.engines import analog
from braketeer.quantum.programs.analog import read_analog
from braketeer.quantum.programs.analog_rules import check_analog
from braketeer.quantum.results.sampling import draw_from

Bits = NDArray[np.uint8]
_BASE = 64 << 20


@dataclass(frozen=True, slots=True)
class AnalogShots:
    """Of each shot what was seen at each site, both (shots, sites): ``before`` 1 where an atom is, ``after`` 1 where an
    atom in g is, 0 where one in r or none is. ``evolved`` is the state that they come from."""

    before: Bits
    after: Bits
    evolved: analog.Evolved


@dataclass(frozen=True, slots=True)
class AnalogTask:
    """A program that the device takes."""

    program: AnalogProgram
    limits: AnalogLimits

    @property
    def most_configurations(self) -> int:
        return self.limits.most_configurations(self.program.atoms)

    def memory_bytes(self, shots: int) -> int:
        """What running it takes at its peak, for admission."""
        atoms, sites = self.program.atoms, len(self.program.sites)
        state = min(1 << atoms, self.most_configurations) * configuration_bytes(atoms)
        return _BASE + state + shots * (400 + 30 * sites)

    def evaluate(self, shots: int, seed: int | None) -> AnalogShots:
        """Run it. Raises ProgramError where the state cannot be had to a useful accuracy."""
        random = np.random.default_rng(seed)
        evolved = analog.evolve(self.program, self.limits.c6, self.most_configurations)
        drawn = draw_from(evolved.probabilities, shots, random)
        filling = np.array(self.program.filling, dtype=np.uint8)
        before = np.tile(filling, (shots, 1))
        after = np.zeros_like(before)
        after[:, filling == 1] = 1 - evolved.excited.T[drawn]
        if self.limits.mistakes is not None:
            before, after = _mistaken(before, after, self.limits.mistakes, random)
        return AnalogShots(before, after, evolved)


def analog_task(raw: Mapping[str, Any], limits: Limits, shots: int) -> AnalogTask:
    """Read and check an action's document. Raises ProgramError."""
    if limits.analog is None:
        raise ProgramError("This device does not take analog Hamiltonian simulations")
    if shots == 0:
        raise ProgramError("An analog Hamiltonian simulation has at least one shot")
    program = read_analog(raw)
    check_analog(program, limits.analog)
    task = AnalogTask(program, limits.analog)
    analog.check(program, limits.analog.c6, task.most_configurations)
    return task


def _mistaken(before: Bits, after: Bits, mistakes: Mistakes, random: np.random.Generator) -> tuple[Bits, Bits]:
    """What is seen where atoms are lost and images misread."""
    there = before == 1
    seen = np.where(
        there, _chance(before, 1 - mistakes.missed_atom, random), _chance(before, mistakes.false_atom, random)
    )
    ground = (after == 1) & (_chance(after, mistakes.lost_atom, random) == 0)
    # An atom that is lost leaves an empty site; one in r is read as g now and then, because it has decayed.
    rydberg = there & (after == 0)
    bright = ground & (_chance(after, mistakes.ground_as_rydberg, random) == 0)
    bright |= rydberg & (_chance(after, mistakes.rydberg_as_ground, random) == 1)
    return seen.astype(np.uint8), bright.astype(np.uint8)


def _chance(like: Bits, probability: float, random: np.random.Generator) -> Bits:
    return (random.random(like.shape) < probability).astype(np.uint8)
