"""What the tests of analog programs share: documents, and a dense reference that knows nothing of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braketeer.devices.catalogue import Catalogue
from braketeer.devices.listed import RYDBERG
from braketeer.quantum.analog import AnalogProgram
from braketeer.quantum.programs.analog import read_analog

AQUILA = "arn:aws:braket:us-east-1::device/qpu/quera/Aquila"
CATALOGUE = Catalogue(task_memory_bytes=4 << 30)
SIMULATOR_LIMITS, AQUILA_LIMITS = CATALOGUE.limits(RYDBERG), CATALOGUE.limits(AQUILA)
C6 = 5.42e-24
HEADER = {"name": "braket.ir.ahs.program", "version": "1"}

Points = Sequence[tuple[float, float]]


def field(points: Points, pattern: Any = "uniform") -> dict[str, Any]:
    """``points`` are (time in us, value in SI units)."""
    times = [f"{time}e-6" for time, _ in points]
    factors = pattern if isinstance(pattern, str) else [str(factor) for factor in pattern]
    return {"time_series": {"times": times, "values": [str(value) for _, value in points]}, "pattern": factors}


def program(
    sites: Sequence[tuple[float, float]],
    *,
    amplitude: dict[str, Any] | None = None,
    phase: dict[str, Any] | None = None,
    detuning: dict[str, Any] | None = None,
    local: dict[str, Any] | None = None,
    filling: Sequence[int] | None = None,
) -> dict[str, Any]:
    """A document; ``sites`` in um. What is not given of a driving field is 0 for as long as the amplitude."""
    drives = []
    if amplitude is not None:
        end = amplitude["time_series"]["times"][-1]
        zero = {"time_series": {"times": ["0", end], "values": ["0", "0"]}, "pattern": "uniform"}
        drives = [{"amplitude": amplitude, "phase": phase or zero, "detuning": detuning or zero}]
    return {
        "braketSchemaHeader": HEADER,
        "setup": {
            "ahs_register": {
                "sites": [[f"{x}e-6", f"{y}e-6"] for x, y in sites],
                "filling": [1] * len(sites) if filling is None else list(filling),
            }
        },
        "hamiltonian": {"drivingFields": drives, "localDetuning": [] if local is None else [{"magnitude": local}]},
    }


def dense_state(given: dict[str, Any], steps: int = 2000) -> NDArray[np.complex128]:
    """The final state of the atoms, the first most significant, r = 1: small steps of whole matrices (Magnus, fourth
    order, as one exponential)."""
    read = read_analog(given)
    model = _Dense(read)
    ends = sorted({float(time) * 1e6 for field in model.fields for time in field.times})
    state = np.zeros(2**read.atoms, dtype=complex)
    state[0] = 1
    for begin, end in pairwise(ends):
        count = max(1, round(steps * (end - begin) / ends[-1]))
        length = (end - begin) / count
        starts = begin + length * np.arange(count)
        early, late = (model.at(starts + length * (0.5 + sign * np.sqrt(3) / 6), begin) for sign in (-1, 1))
        mean = length / 2 * (early + late) + 1j * np.sqrt(3) / 12 * length**2 * (early @ late - late @ early)
        energies, vectors = np.linalg.eigh(mean)
        for energy, vector in zip(energies, vectors, strict=True):
            state = vector @ (np.exp(-1j * energy) * (vector.conj().T @ state))
    return state


class _Dense:
    """The Hamiltonian as sums of Kronecker products, in rad/us."""

    def __init__(self, read: AnalogProgram) -> None:
        atoms = [number for number, full in enumerate(read.filling) if full]
        count = len(atoms)
        lower, excited = np.array([[0, 1], [0, 0]]), np.diag([0, 1])  # |g><r| and n
        self.lowered = [_on(count, {place: lower}) for place in range(count)]
        self.excited = [_on(count, {place: excited}) for place in range(count)]
        self.interaction = np.zeros((2**count, 2**count), dtype=complex)
        for one in range(count):
            for other in range(one):
                (x, y), (u, v) = read.sites[atoms[one]], read.sites[atoms[other]]
                distance = np.hypot(float(x - u), float(y - v))
                self.interaction += C6 / distance**6 * 1e-6 * _on(count, {one: excited, other: excited})
        assert read.drive is not None
        self.drive = read.drive
        self.shifts = [shift for shift in (read.drive.detuning, read.local) if shift is not None]
        self.fields = [self.drive.amplitude, self.drive.phase, *self.shifts]
        self.atoms = atoms

    def at(self, times: NDArray[np.float64], begin: float) -> NDArray[np.complex128]:
        """(times, 2^n, 2^n); phases are those of the segment that begins at ``begin``."""
        found = np.tile(self.interaction, (len(times), 1, 1))
        amplitude, phase = self.drive.amplitude, self.drive.phase
        turned = [float(value) for time, value in zip(phase.times, phase.values, strict=True)
                  if float(time) * 1e6 <= begin + 1e-12][-1]  # fmt: skip
        for place, site in enumerate(self.atoms):
            strength = _series(amplitude, times) * 1e-6 * _factor(amplitude, site) / 2
            part = np.exp(1j * turned * _factor(phase, site)) * self.lowered[place]
            found += strength[:, None, None] * (part + part.conj().T)
            for shift in self.shifts:
                value = _series(shift, times) * 1e-6 * _factor(shift, site)
                found -= value[:, None, None] * self.excited[place]
        return found


def _series(field: Any, times: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(times, [float(time) * 1e6 for time in field.times], [float(value) for value in field.values])


def _factor(field: Any, site: int) -> float:
    return 1.0 if field.pattern is None else float(field.pattern[site])


def _on(count: int, factors: dict[int, Any]) -> NDArray[np.complex128]:
    return reduce(np.kron, [factors.get(place, np.eye(2)) for place in range(count)], np.eye(1)).astype(complex)
