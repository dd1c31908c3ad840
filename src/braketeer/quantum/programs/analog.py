"""Analog programs (``braket.ir.ahs.program``) as amazon-braket-schemas has them (``braket.ir.ahs``), member by member.

What is checked here holds on every device; what one device asks for is in analog_rules.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from braketeer.quantum.analog import AnalogProgram, Drive, Field
from braketeer.quantum.circuit import ProgramError

MOST_SITES = 256
MOST_TIMES = 4096
_LONGEST_NUMBER = 64
_GREATEST_EXPONENT = 20
_SMALLEST_EXPONENT = -60  # numbers below 1e-60 are 0: no unit of nature is as small


def read_analog(raw: Mapping[str, Any]) -> AnalogProgram:
    """The program of an action's document. Raises ProgramError naming the member that is wrong."""
    register = _object(_member(_object(_member(raw, "setup"), "setup"), "ahs_register", "setup"), _REGISTER)
    sites = _sites(register)
    filling = _filling(register, len(sites))
    hamiltonian = _object(_member(raw, "hamiltonian"), _HAMILTONIAN)
    drive = _drive(hamiltonian, len(sites))
    local = _local(hamiltonian, len(sites))
    _check_ends(drive, local)
    return AnalogProgram(sites, filling, drive, local)


_REGISTER = "setup.ahs_register"
_HAMILTONIAN = "hamiltonian"
_LOCAL_NAMES = ("localDetuning", "shiftingFields")  # the second is the name of older schemas


def _sites(register: Mapping[str, Any]) -> tuple[tuple[Decimal, Decimal], ...]:
    path = f"{_REGISTER}.sites"
    given = _list(_member(register, "sites", _REGISTER), path)
    if not given:
        raise ProgramError(f"{path} has no site")
    if len(given) > MOST_SITES:
        raise ProgramError(f"{path} has {len(given)} sites; {MOST_SITES} is the most")
    seen: dict[tuple[Decimal, Decimal], int] = {}
    for number, site in enumerate(given):
        coordinates = _list(site, f"{path}[{number}]")
        if len(coordinates) != 2:
            raise ProgramError(f"{path}[{number}] must be two coordinates in metres, and has {len(coordinates)}")
        x, y = (_number(each, f"{path}[{number}][{axis}]") for axis, each in enumerate(coordinates))
        if seen.setdefault((x, y), number) != number:
            raise ProgramError(f"{path}[{seen[x, y]}] and {path}[{number}] are at the same place")
    return tuple(seen)


def _filling(register: Mapping[str, Any], sites: int) -> tuple[bool, ...]:
    path = f"{_REGISTER}.filling"
    given = _list(_member(register, "filling", _REGISTER), path)
    if len(given) != sites:
        raise ProgramError(f"{path} has {len(given)} entries for {sites} sites")
    for number, each in enumerate(given):
        if type(each) is not int or each not in (0, 1):
            raise ProgramError(f"{path}[{number}] must be 1 where there is an atom and 0 where there is none")
    return tuple(each == 1 for each in given)


def _drive(hamiltonian: Mapping[str, Any], sites: int) -> Drive | None:
    path = f"{_HAMILTONIAN}.drivingFields"
    given = _list(_member(hamiltonian, "drivingFields", _HAMILTONIAN), path)
    if len(given) > 1:
        raise ProgramError(f"{path} has {len(given)} driving fields; one is the most")
    if not given:
        return None
    path = f"{path}[0]"
    field = _object(given[0], path)
    amplitude, phase, detuning = (
        _field(_member(field, name, path), f"{path}.{name}", sites) for name in ("amplitude", "phase", "detuning")
    )
    return Drive(amplitude, phase, detuning)


def _local(hamiltonian: Mapping[str, Any], sites: int) -> Field | None:
    names = [name for name in _LOCAL_NAMES if name in hamiltonian]
    if len(names) != 1:
        reason = "and its older name shiftingFields stand side by side" if names else "is missing"
        raise ProgramError(f"{_HAMILTONIAN}.localDetuning {reason}")
    path = f"{_HAMILTONIAN}.{names[0]}"
    given = _list(hamiltonian[names[0]], path)
    if len(given) > 1:
        raise ProgramError(f"{path} has {len(given)} fields; one is the most")
    if not given:
        return None
    path = f"{path}[0]"
    found = _field(_member(_object(given[0], path), "magnitude", path), f"{path}.magnitude", sites)
    if found.pattern is None:
        raise ProgramError(f"{path}.magnitude.pattern must be a list of one factor for each site")
    return found


def _field(given: Any, path: str, sites: int) -> Field:
    field = _object(given, path)
    series = _object(_member(field, "time_series", path), f"{path}.time_series")
    times = _numbers(series, "times", f"{path}.time_series")
    values = _numbers(series, "values", f"{path}.time_series")
    _check_times(times, f"{path}.time_series.times")
    if len(values) != len(times):
        raise ProgramError(f"{path}.time_series has {len(times)} times and {len(values)} values")
    return Field(times, values, _pattern(_member(field, "pattern", path), f"{path}.pattern", sites))


def _pattern(given: Any, path: str, sites: int) -> tuple[Decimal, ...] | None:
    if isinstance(given, str):
        if given != "uniform":
            raise ProgramError(f"{path} must be 'uniform' or a list of one factor for each site")
        return None
    factors = _list(given, path)
    if len(factors) != sites:
        raise ProgramError(f"{path} has {len(factors)} factors for {sites} sites")
    return tuple(_number(each, f"{path}[{number}]") for number, each in enumerate(factors))


def _check_times(times: Sequence[Decimal], path: str) -> None:
    if len(times) < 2:
        raise ProgramError(f"{path} must have at least two times")
    if times[0] != 0:
        raise ProgramError(f"{path} must begin at 0, and begins at {times[0]}")
    for number, (before, after) in enumerate(pairwise(times)):
        if before >= after:
            raise ProgramError(f"{path} must increase: {path}[{number}] is {before}, and the next {after}")


def _check_ends(drive: Drive | None, local: Field | None) -> None:
    ends: dict[str, Decimal] = {}
    if drive is not None:
        ends |= {"amplitude": drive.amplitude.times[-1], "phase": drive.phase.times[-1]}
        ends |= {"detuning": drive.detuning.times[-1]}
    if local is not None:
        ends["local detuning"] = local.times[-1]
    if len(set(ends.values())) > 1:
        said = ", ".join(f"{name} at {end}" for name, end in ends.items())
        raise ProgramError(f"All time series of the {_HAMILTONIAN} must end at the same time; they end: {said}")


def _member(holder: Mapping[str, Any], name: str, path: str = "") -> Any:
    if name not in holder:
        raise ProgramError(f"{path}{'.' if path else ''}{name} is missing")
    return holder[name]


def _object(given: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise ProgramError(f"{path} must be an object")
    return given


def _list(given: Any, path: str) -> list[Any]:
    if not isinstance(given, list):
        raise ProgramError(f"{path} must be a list")
    return given


def _numbers(holder: Mapping[str, Any], name: str, path: str) -> tuple[Decimal, ...]:
    path, given = f"{path}.{name}", _list(_member(holder, name, path), f"{path}.{name}")
    if len(given) > MOST_TIMES:
        raise ProgramError(f"{path} has {len(given)} entries; {MOST_TIMES} is the most")
    return tuple(_number(each, f"{path}[{number}]") for number, each in enumerate(given))


def _number(given: Any, path: str) -> Decimal:
    """Decimals come as texts from the SDK; numbers are taken as well."""
    if isinstance(given, bool) or not isinstance(given, str | int | float) or len(str(given)) > _LONGEST_NUMBER:
        raise ProgramError(f"{path} must be a decimal number, as a text of at most {_LONGEST_NUMBER} characters")
    try:
        value = Decimal(str(given))
    except InvalidOperation:
        raise ProgramError(f"{path} must be a decimal number, and is {given!r}") from None
    if not value.is_finite() or (value and value.adjusted() > _GREATEST_EXPONENT):
        raise ProgramError(f"{path} must be finite and below 1e{_GREATEST_EXPONENT + 1}, and is {given!r}")
    return value if value and value.adjusted() >= _SMALLEST_EXPONENT else Decimal(0)
