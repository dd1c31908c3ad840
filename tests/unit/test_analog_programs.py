"""Analog programs as documents: what is read, what every device refuses, and each rule of Aquila."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from braket.ahs import AnalogHamiltonianSimulation, AtomArrangement, DrivingField, LocalDetuning
from braket.timings import TimeSeries

from braketeer.quantum import prepare
from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.programs.analog import MOST_SITES, MOST_TIMES, read_analog
from tests.unit.analog_help import AQUILA_LIMITS, SIMULATOR_LIMITS, field, program

SITES = [(0, 0), (5.5, 0), (0, 6.1)]
AMPLITUDE = field([(0, 0), (0.1, 1e7), (0.9, 1e7), (1, 0)])
DETUNING = field([(0, -1e7), (1, 1e7)])
LOCAL = field([(0, 0), (0.5, 1e7), (1, 0)], [0, 1, 0.5])


def good() -> dict[str, Any]:
    return copy.deepcopy(program(SITES, amplitude=AMPLITUDE, detuning=DETUNING, local=LOCAL))


def changed(path: str, value: Any) -> dict[str, Any]:
    """A good program with one member replaced, or left out where ``value`` is Ellipsis. In ``path`` A stands for the
    amplitude, D for the detuning, P for the phase and L for the local detuning."""
    drive, local = "hamiltonian/drivingFields/0", "hamiltonian/localDetuning/0/magnitude"
    fields = {"A": f"{drive}/amplitude", "D": f"{drive}/detuning", "P": f"{drive}/phase", "L": local}
    first, _, rest = path.partition("/")
    *steps, last = f"{fields.get(first, first)}{'/' if rest else ''}{rest}".split("/")
    found = good()
    place: Any = found
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    key = int(last) if last.isdigit() else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return found


def test_a_program_of_the_sdk() -> None:
    def series(*points: tuple[float, float]) -> TimeSeries:
        return TimeSeries.from_lists(*map(list, zip(*points, strict=True)))

    register = AtomArrangement().add([0, 0]).add((5.5e-6, 1e-7))
    drive = DrivingField(series((0, 0), (1e-6, 5)), series((0, 0), (1e-6, 0)), series((0, -1), (1e-6, 2)))
    local = LocalDetuning.from_lists([0, 1e-6], [0, 3], [0.5, 1])
    read = read_analog(json.loads(AnalogHamiltonianSimulation(register, drive + local).to_ir().json()))
    assert read.sites == ((0, 0), (Decimal("5.5E-6"), Decimal("1E-7")))
    assert (read.atoms, read.duration) == (2, Decimal("1E-6"))
    assert read.drive is not None
    assert read.drive.detuning.values == (-1, 2)
    assert read.drive.detuning.pattern is None
    assert read.local is not None
    assert read.local.pattern == (Decimal("0.5"), 1)


def test_the_older_name_of_local_detuning() -> None:
    old = good()
    old["hamiltonian"]["shiftingFields"] = old["hamiltonian"].pop("localDetuning")
    assert read_analog(old) == read_analog(good())
    old["hamiltonian"]["localDetuning"] = []
    with pytest.raises(ProgramError, match="side by side"):
        read_analog(old)


def test_numbers_instead_of_texts() -> None:
    numbers = changed("setup/ahs_register/sites", [[0, 0], [5.5e-6, 0], [0, 6.1e-6]])
    assert read_analog(numbers) == read_analog(good())


NUMBER = "must be a decimal number"
MALFORMED = [
    ("setup", ..., "^setup is missing"),
    ("setup", 7, "^setup must be an object"),
    ("setup/ahs_register", ..., "setup.ahs_register is missing"),
    ("setup/ahs_register/sites", {}, r"setup.ahs_register.sites must be a list"),
    ("setup/ahs_register/sites", [], "has no site"),
    ("setup/ahs_register/sites", [[str(n), "0"] for n in range(MOST_SITES + 1)], "257 sites; 256 is the most"),
    ("setup/ahs_register/sites/1", ["0", "0", "0"], r"sites\[1\] must be two coordinates in metres, and has 3"),
    ("setup/ahs_register/sites/1", ["0.0", "0e5"], r"sites\[0\] and setup.ahs_register.sites\[1\] are at the same pl"),
    ("setup/ahs_register/sites/1/0", "far", rf"sites\[1\]\[0\] {NUMBER}"),
    ("setup/ahs_register/sites/1/0", "NaN", "must be finite"),
    ("setup/ahs_register/sites/1/0", "-Infinity", "must be finite"),
    ("setup/ahs_register/sites/1/0", "1e999999999", "must be finite"),
    ("setup/ahs_register/sites/1/0", "9" * 65, NUMBER),
    ("setup/ahs_register/sites/1/0", True, NUMBER),
    ("setup/ahs_register/sites/1/0", None, NUMBER),
    ("setup/ahs_register/filling", [1, 1], "2 entries for 3 sites"),
    ("setup/ahs_register/filling/2", 2, r"filling\[2\] must be 1 where"),
    ("setup/ahs_register/filling/2", True, r"filling\[2\] must be 1 where"),
    ("hamiltonian", [], "^hamiltonian must be an object"),
    ("hamiltonian/drivingFields", ..., "hamiltonian.drivingFields is missing"),
    ("hamiltonian/drivingFields", [{}, {}], "2 driving fields; one is the most"),
    ("hamiltonian/localDetuning", ..., "hamiltonian.localDetuning is missing"),
    ("hamiltonian/localDetuning", [{}, {}], "2 fields; one is the most"),
    ("hamiltonian/localDetuning/0", {}, r"localDetuning\[0\].magnitude is missing"),
    ("L/pattern", "uniform", "must be a list of one factor for each site"),
    ("L/pattern", ["1"], "1 factors for 3 sites"),
    ("A", ..., r"drivingFields\[0\].amplitude is missing"),
    ("A/pattern", "striped", "must be 'uniform' or a list"),
    ("A/time_series/times", ..., "time_series.times is missing"),
    ("A/time_series/times", ["0"], "at least two times"),
    ("A/time_series/times", [str(n) for n in range(MOST_TIMES + 1)], "4097 entries; 4096 is the most"),
    ("A/time_series/times/0", "1e-9", "must begin at 0, and begins at 1E-9"),
    ("A/time_series/times/2", "1e-7", r"times must increase: \S+times\[1\] is 1E-7, and the next 1E-7"),
    ("A/time_series/values", ["0", "0"], "4 times and 2 values"),
    ("D/time_series/times/1", "2e-6", "must end at the same time; they end: amplitude at .*, detuning at 0.000002"),
    ("L/time_series/times/2", "2e-6", "local detuning at 0.000002"),
]


@pytest.mark.parametrize(("path", "value", "reason"), MALFORMED)
def test_malformed_programs(path: str, value: Any, reason: str) -> None:
    with pytest.raises(ProgramError, match=reason):
        read_analog(changed(path, value))


def test_numbers_too_small_for_any_unit_are_zero() -> None:
    assert read_analog(changed("A/time_series/values/0", "1e-999999999")) == read_analog(good())


def prepared(given: dict[str, Any], limits: Any = AQUILA_LIMITS) -> Any:
    return prepare(json.dumps(given), limits, 100)


def test_a_good_program_is_taken_by_both_devices() -> None:
    for limits in (AQUILA_LIMITS, SIMULATOR_LIMITS):
        found = prepared(good(), limits)
        assert (found.action_type, found.qubit_count) == ("braket.ir.ahs.program", 3)
        assert found.memory_bytes < 100 << 20


RULES = [
    ("setup/ahs_register/sites/1", ["5.51e-6", "0"], r"sites\[1\]\[0\] is 0.00000551 m, .* position resolution 1E-7 m"),
    ("setup/ahs_register/sites/1", ["3.9e-6", "0"], "are 3.9e-06 m apart; sites must be at least 0.000004 m"),
    ("setup/ahs_register/sites/1", ["75.1e-6", "0"], "area 0.000075 m wide, and reach over 0.0000751 m"),
    ("setup/ahs_register/sites/1", ["0", "76.1e-6"], "area 0.000076 m high"),
    ("setup/ahs_register/sites/1", ["20e-6", "3e-6"], "rows at y = 0 m and y = 0.000003 m; different rows"),
    ("hamiltonian/drivingFields", [], "must hold one driving field on this device"),
    ("A/pattern", ["1", "1", "1"], "amplitude.pattern must be 'uniform' on this device"),
    ("A/time_series/values/0", "400", "the first value is 400; it must be 0"),
    ("A/time_series/values/3", "400", "the last value is 400; it must be 0"),
    (
        "A/time_series/values/1",
        "15800400",
        r"amplitude.time_series.values\[1\] is 15800400; it must be between 0.0 and",
    ),
    ("A/time_series/values/1", "-400", r"values\[1\] is -400; it must be between"),
    ("A/time_series/values/1", "10000200", "no multiple of the resolution 400"),
    ("A/time_series/times/1", "100.5e-9", r"times\[1\] is 1.005E-7 s, which is no multiple of the time resolution"),
    ("A/time_series/times/1", "49e-9", "are 4.9E-8 s apart; 5E-8 s is the least"),
    ("A/time_series/values", ["0", "1.4e7", "0", "0"], None),
    ("P/time_series/values/0", "1", "phase.time_series.values: the first value is 1; it must be 0"),
    ("P/time_series/values/1", "99.5", "must be between -99.0 and 99.0"),
    ("P/time_series/values/1", "0.1234567", "no multiple of the resolution 5E-7"),
    ("P/time_series/values/1", "99", None),
    ("D/time_series/values/1", "125000001", "detuning.time_series.values"),
    ("L/time_series/values/0", "5", "the first value is 5; it must be 0"),
    ("L/time_series/values/1", "125000001", "it must be between 0.0 and 125000000.0"),
    ("L/pattern/1", "1.01", r"pattern\[1\] is 1.01; it must be between 0.0 and 1.0"),
]


@pytest.mark.parametrize(("path", "value", "reason"), RULES)
def test_rules_of_aquila(path: str, value: Any, reason: str | None) -> None:
    given = changed(path, value)
    if reason is not None:
        with pytest.raises(ProgramError, match=reason):
            prepared(given)
    else:
        prepared(given)


@pytest.mark.parametrize(
    ("name", "points", "steepest"),
    [
        ("amplitude", [(0, 0), (0.05, 1.4e7), (1, 0)], "2.5"),
        ("detuning", [(0, -1e8), (0.05, 1.2e8), (1, 1.2e8)], "2.5"),
        ("local", [(0, 0), (0.05, 1.2e8), (1, 0)], "1.25"),
    ],
)
def test_aquila_cannot_change_fields_at_once(name: str, points: Any, steepest: str) -> None:
    if name == "local":
        given = program(SITES, amplitude=AMPLITUDE, local=field(points, [0, 1, 0]))
    else:
        given = program(SITES, **({"amplitude": AMPLITUDE} | {name: field(points)}))
    with pytest.raises(ProgramError, match=rf"changes by \S+ a second after time 0; {steepest}"):
        prepared(given)
    prepared(given, SIMULATOR_LIMITS)


def test_how_long_a_program_may_be() -> None:
    for microseconds, limits in ((4, AQUILA_LIMITS), (100, SIMULATOR_LIMITS)):
        amplitude = [(0, 0), (0.1, 1e7), (microseconds - 0.1, 1e7), (microseconds, 0)]
        prepared(program(SITES, amplitude=field(amplitude)), limits)
        longer = [*amplitude[:3], (microseconds + 0.001, 0)]
        with pytest.raises(ProgramError, match=r"The hamiltonian lasts \S+ s; \S+ s is the most"):
            prepared(program(SITES, amplitude=field(longer)), limits)


def test_sites_of_local_detuning() -> None:
    near = [(0, 0), (4.5, 0), (9.5, 0)]
    prepared(program(near, amplitude=AMPLITUDE, local=field([(0, 0), (1, 0)], [1, 0, 1])))
    with pytest.raises(ProgramError, match=r"sites with a local detuning must be at least 0.000005 m from each other"):
        prepared(program(near, amplitude=AMPLITUDE, local=field([(0, 0), (1, 0)], [1, 1, 0])))
    grid = [(5.0 * (place % 15), 5.0 * (place // 15)) for place in range(210)]
    weak = field([(0, 0), (0.5, 400), (1, 0)])
    with pytest.raises(ProgramError, match="pattern is not 0 at 210 sites; 200 is the most"):
        prepared(program(grid, amplitude=weak, local=field([(0, 0), (1, 0)], [1] * 210)))


def test_what_is_too_large_for_the_machine_is_refused() -> None:
    grid = [(round(4.9 * (place % 16), 1), round(4.9 * (place // 16), 1)) for place in range(256)]
    for limits in (AQUILA_LIMITS, SIMULATOR_LIMITS):
        with pytest.raises(ProgramError, match=r"The state of 256 atoms cannot be held here: .* blockade radius of"):
            prepared(program(grid, amplitude=AMPLITUDE), limits)
        prepared(program(grid, amplitude=AMPLITUDE, filling=[1] * 3 + [0] * 253), limits)


def test_simulated_patterns_are_bounded() -> None:
    given = changed("A/pattern", ["1", "-1", "1.5"])
    with pytest.raises(ProgramError, match=r"amplitude.pattern\[2\] is 1.5; it must be between -1 and 1"):
        prepared(given, SIMULATOR_LIMITS)


def test_shots_are_needed() -> None:
    with pytest.raises(ProgramError, match="at least one shot"):
        prepare(json.dumps(good()), SIMULATOR_LIMITS, 0)
