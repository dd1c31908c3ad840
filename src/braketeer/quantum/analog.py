"""Analog Hamiltonian simulation without anything numerical: what a program says, and what a device takes.

The Hamiltonian is that of Braket's developer guide, "Submit an analog program using QuEra Aquila": with n the projector
on the Rydberg state r of an atom whose ground state is g,

    H(t) = sum_k [ amplitude_k(t)/2 (exp(i phase_k(t)) |g><r| + h.c.) - (detuning_k(t) + local_k(t)) n_k ]
           + sum_(k<l) C6 / distance_kl^6 n_k n_l

Everything is in SI units: metres, seconds, rad/s. Every value of a field is its time series times its pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

#: The most basis states that a simulation keeps: all of 21 atoms, or the blockade subspace of more.
MOST_CONFIGURATIONS = 1 << 21
_VECTORS = 46  # complex ones of the solver, per basis state, and what is as large as they
_BYTES_A_FLIP = 24  # of a basis state: a table of flips, twice while it grows


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a program: linear between its times, but for phases, which keep a value until the next time.

    ``pattern`` has a factor for each site, or is None where the field is the same everywhere.
    """

    times: tuple[Decimal, ...]
    values: tuple[Decimal, ...]
    pattern: tuple[Decimal, ...] | None = None


@dataclass(frozen=True, slots=True)
class Drive:
    """The driving field."""

    amplitude: Field
    phase: Field
    detuning: Field


@dataclass(frozen=True, slots=True)
class AnalogProgram:
    """A well-formed program: ``sites`` are (x, y), ``filling`` says which of them hold an atom.

    All fields begin at 0 and end at the same time, ``duration``.
    """

    sites: tuple[tuple[Decimal, Decimal], ...]
    filling: tuple[bool, ...]
    drive: Drive | None
    local: Field | None

    @property
    def atoms(self) -> int:
        return sum(self.filling)

    @property
    def duration(self) -> Decimal:
        field = self.drive.amplitude if self.drive is not None else self.local
        return Decimal(0) if field is None else field.times[-1]


@dataclass(frozen=True, slots=True)
class FieldLimits:
    """What a field's time series may be; None is no such rule. ``steepest`` is a value per second.

    ``zero_start`` and ``zero_end`` say that its first and its last value must be 0.
    """

    lowest: Decimal
    highest: Decimal
    steepest: Decimal | None = None
    value_resolution: Decimal | None = None
    time_resolution: Decimal | None = None
    least_time_step: Decimal | None = None
    zero_start: bool = False
    zero_end: bool = False


@dataclass(frozen=True, slots=True)
class LocalLimits:
    """What a local detuning may be: its time series, the factors of its pattern, and the sites where they are not 0."""

    field: FieldLimits
    lowest_factor: Decimal
    highest_factor: Decimal
    most_sites: int
    least_spacing: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LatticeLimits:
    """Where sites may be: within an area, apart from each other, in rows apart from each other, on a raster."""

    width: Decimal
    height: Decimal
    least_spacing: Decimal | None = None
    least_row_spacing: Decimal | None = None
    resolution: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Probabilities of a shot's mistakes, by the names of QuEra's capability document (``performance``).

    A filled site is seen empty (``missed_atom``) or an empty one filled (``false_atom``) in the image before the
    sequence; an atom is lost during it; an atom in g is seen as r, and one in r as g, in the image after it.
    """

    missed_atom: float
    false_atom: float
    lost_atom: float
    ground_as_rydberg: float
    rydberg_as_ground: float


@dataclass(frozen=True, slots=True)
class AnalogLimits:
    """What an analog device takes. ``c6`` is in rad m^6 / s.

    ``memory_bytes`` is what the state and all that belongs to it may take. ``uniform`` says that amplitude,
    phase and detuning have no patterns, ``one_drive`` that there must be a driving field. ``emulated`` is
    said of a QPU, whose result documents have the maker's metadata; ``mistakes`` are what its shots suffer.
    """

    c6: Decimal
    most_sites: int
    memory_bytes: int
    longest: Decimal
    lattice: LatticeLimits
    amplitude: FieldLimits
    phase: FieldLimits
    detuning: FieldLimits
    local: LocalLimits | None = None
    shortest: Decimal = Decimal(0)
    uniform: bool = False
    one_drive: bool = False
    emulated: bool = False
    mistakes: Mistakes | None = None

    def most_configurations(self, atoms: int) -> int:
        """How many basis states of as many atoms the simulation may keep at once."""
        return max(1, min(MOST_CONFIGURATIONS, self.memory_bytes // configuration_bytes(atoms)))


def configuration_bytes(atoms: int) -> int:
    """What a basis state of as many atoms takes in the solver."""
    return 16 * _VECTORS + _BYTES_A_FLIP * atoms
