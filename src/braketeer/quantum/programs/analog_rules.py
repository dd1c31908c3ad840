"""What one analog device asks of a program: its geometry, its ranges, its rates and its resolutions.

The rules are those that Braket's developer guide and QuEra's capability document state for Aquila; a device has those
of them that its limits name.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise
from math import hypot

from braketeer.quantum.analog import AnalogLimits, AnalogProgram, Field, FieldLimits, LatticeLimits, LocalLimits
from braketeer.quantum.circuit import ProgramError

_SITES = "setup.ahs_register.sites"
_DRIVE = "hamiltonian.drivingFields[0]"
_LOCAL = "hamiltonian.localDetuning[0].magnitude"
_DIGITS = 100  # more than any number of a program has, so that no rounding decides
_ROUNDING = 1 - 1e-9  # distances are computed in floating point


def check_analog(program: AnalogProgram, limits: AnalogLimits) -> None:
    """Raise ProgramError naming the rule of the device that a program breaks, and where."""
    with localcontext(prec=_DIGITS):
        _check_register(program, limits)
        _check_drive(program, limits)
        _check_local(program, limits)
        if program.drive is not None or program.local is not None:
            _check_duration(program.duration, limits)


def _check_register(program: AnalogProgram, limits: AnalogLimits) -> None:
    if len(program.sites) > limits.most_sites:
        raise ProgramError(f"{_SITES} has {len(program.sites)} sites; this device has at most {limits.most_sites}")
    lattice = limits.lattice
    _check_resolution(program, lattice)
    for axis, name, extent in ((0, "wide", lattice.width), (1, "high", lattice.height)):
        places = [site[axis] for site in program.sites]
        if max(places) - min(places) > extent:
            raise ProgramError(
                f"{_SITES} must lie within an area {extent} m {name}, and reach over {max(places) - min(places)} m"
            )
    if lattice.least_spacing is not None:
        _check_spacing(program.sites, range(len(program.sites)), lattice.least_spacing, "sites")
    _check_rows(program, lattice)


def _check_resolution(program: AnalogProgram, lattice: LatticeLimits) -> None:
    if lattice.resolution is None:
        return
    for number, site in enumerate(program.sites):
        for axis, place in enumerate(site):
            if place % lattice.resolution:
                raise ProgramError(
                    f"{_SITES}[{number}][{axis}] is {place} m, which is no multiple of the position resolution "
                    f"{lattice.resolution} m"
                )


def _check_spacing(
    sites: tuple[tuple[Decimal, Decimal], ...], numbers: range | list[int], least: Decimal, what: str
) -> None:
    x, y = sites[0]  # far from 0 floats are too coarse
    places = [(number, float(sites[number][0] - x), float(sites[number][1] - y)) for number in numbers]
    limit = float(least) * _ROUNDING
    for index, (one, right, up) in enumerate(places):
        for other, u, v in places[index + 1 :]:
            if hypot(right - u, up - v) < limit:
                raise ProgramError(
                    f"{_SITES}[{one}] and {_SITES}[{other}] are {hypot(right - u, up - v):.3g} m apart; {what} must be "
                    f"at least {least} m from each other"
                )


def _check_rows(program: AnalogProgram, lattice: LatticeLimits) -> None:
    """Tweezers are made row by row: two sites are on one row, or their rows are apart."""
    if lattice.least_row_spacing is None:
        return
    rows = sorted({site[1] for site in program.sites})
    for lower, upper in pairwise(rows):
        if upper - lower < lattice.least_row_spacing:
            raise ProgramError(
                f"{_SITES} has rows at y = {lower} m and y = {upper} m; different rows must be at least "
                f"{lattice.least_row_spacing} m apart"
            )


def _check_drive(program: AnalogProgram, limits: AnalogLimits) -> None:
    if program.drive is None:
        if limits.one_drive:
            raise ProgramError("hamiltonian.drivingFields must hold one driving field on this device")
        return
    for name, field, rules in (
        ("amplitude", program.drive.amplitude, limits.amplitude),
        ("phase", program.drive.phase, limits.phase),
        ("detuning", program.drive.detuning, limits.detuning),
    ):
        path = f"{_DRIVE}.{name}"
        if limits.uniform and field.pattern is not None:
            raise ProgramError(f"{path}.pattern must be 'uniform' on this device")
        for number, factor in enumerate(field.pattern or ()):
            if abs(factor) > 1:
                raise ProgramError(f"{path}.pattern[{number}] is {factor}; it must be between -1 and 1")
        _check_field(path, field, rules, jumps=name == "phase")


def _check_local(program: AnalogProgram, limits: AnalogLimits) -> None:
    field, rules = program.local, limits.local
    if field is None:
        return
    if rules is None:
        raise ProgramError("hamiltonian.localDetuning: this device has no local detuning")
    _check_field(_LOCAL, field, rules.field)
    _check_factors(program, field.pattern or (), rules)


def _check_factors(program: AnalogProgram, factors: tuple[Decimal, ...], rules: LocalLimits) -> None:
    for number, factor in enumerate(factors):
        if not rules.lowest_factor <= factor <= rules.highest_factor:
            raise ProgramError(
                f"{_LOCAL}.pattern[{number}] is {factor}; it must be between {rules.lowest_factor} and "
                f"{rules.highest_factor}"
            )
    shifted = [number for number, factor in enumerate(factors) if factor]
    if len(shifted) > rules.most_sites:
        raise ProgramError(f"{_LOCAL}.pattern is not 0 at {len(shifted)} sites; {rules.most_sites} is the most")
    if rules.least_spacing is not None:
        _check_spacing(program.sites, shifted, rules.least_spacing, "sites with a local detuning")


def _check_field(path: str, field: Field, rules: FieldLimits, *, jumps: bool = False) -> None:
    path = f"{path}.time_series"
    _check_time_raster(path, field, rules)
    for number, value in enumerate(field.values):
        if not rules.lowest <= value <= rules.highest:
            raise ProgramError(
                f"{path}.values[{number}] is {value}; it must be between {rules.lowest} and {rules.highest}"
            )
        if rules.value_resolution is not None and value % rules.value_resolution:
            raise ProgramError(
                f"{path}.values[{number}] is {value}, which is no multiple of the resolution {rules.value_resolution}"
            )
    for end, name, wanted in ((0, "first", rules.zero_start), (-1, "last", rules.zero_end)):
        if wanted and field.values[end]:
            raise ProgramError(f"{path}.values: the {name} value is {field.values[end]}; it must be 0")
    if rules.steepest is not None and not jumps:
        _check_slopes(path, field, rules.steepest)


def _check_time_raster(path: str, field: Field, rules: FieldLimits) -> None:
    for number, time in enumerate(field.times):
        if rules.time_resolution is not None and time % rules.time_resolution:
            raise ProgramError(
                f"{path}.times[{number}] is {time} s, which is no multiple of the time resolution "
                f"{rules.time_resolution} s"
            )
        step = time - field.times[number - 1] if number else None
        if step is not None and rules.least_time_step is not None and step < rules.least_time_step:
            raise ProgramError(
                f"{path}.times[{number - 1}] and the next are {step} s apart; {rules.least_time_step} s is the least"
            )


def _check_slopes(path: str, field: Field, steepest: Decimal) -> None:
    for number in range(1, len(field.times)):
        rise = abs(field.values[number] - field.values[number - 1])
        run = field.times[number] - field.times[number - 1]
        if rise > steepest * run:
            raise ProgramError(
                f"{path}.values changes by {rise / run:.4g} a second after time {number - 1}; "
                f"{steepest:.4g} is the most"
            )


def _check_duration(duration: Decimal, limits: AnalogLimits) -> None:
    if duration > limits.longest:
        raise ProgramError(f"The hamiltonian lasts {duration.normalize()} s; {limits.longest} s is the most")
    if duration < limits.shortest:
        raise ProgramError(f"The hamiltonian lasts {duration.normalize()} s; {limits.shortest} s is the least")
