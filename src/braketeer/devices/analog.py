"""Analog devices: QuEra's Aquila as it is emulated, and our own simulator of driven Rydberg atoms.

Both have documents of QuEra's schema class, the only one that describes analog devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from braketeer.devices.listed import Listed
from braketeer.quantum.analog import AnalogLimits, FieldLimits, LatticeLimits, LocalLimits, Mistakes
from braketeer.quantum.circuit import AHS, Limits

#: Where the recorded document has placeholders (a spacing of 0.2 m): the figures of a device with local detuning that
#: Amazon tests its checks of analog programs with (repository amazon-braket-default-simulator-python,
#: test_validator/validators/device_validators/conftest.py). All else there is as in Aquila's document or near it; that
#: Aquila's own figures are these is likely, and not known.
AQUILA_LOCAL: dict[str, Any] = {
    "detuningRange": [0.0, 125_000_000.0],
    "detuningSlewRateMax": 1_256_600_000_000_000.0,
    "siteCoefficientRange": [0.0, 1.0],
    "numberLocalDetuningSitesMax": 200,
    "spacingRadialMin": 5e-06,
    "timeResolution": 1e-09,
    "timeDeltaMin": 1e-08,
}
MOST_SHOTS = 100_000
_LASTING = 1e6  # seconds: a simulated atom keeps its state


def make_aquila_true(found: dict[str, Any]) -> None:
    """The recorded document of Aquila, with figures for local detuning that may not be Aquila's."""
    found["paradigm"]["rydberg"]["rydbergLocal"] = AQUILA_LOCAL


def make_simulator_true(found: dict[str, Any]) -> None:
    """Aquila's document becomes that of a simulator: no errors, hardly a limit but those of the machine."""
    service, paradigm = found["service"], found["paradigm"]
    service["shotsRange"] = [1, MOST_SHOTS]
    service["deviceLocation"] = "this machine"
    service["executionWindows"] = [
        {"executionDay": "Everyday", "windowStartHour": "00:00", "windowEndHour": "23:59:59"}
    ]
    paradigm["lattice"] = {
        "area": {"width": 0.01, "height": 0.01},
        "geometry": {
            "spacingRadialMin": 0.0,
            "spacingVerticalMin": 0.0,
            "positionResolution": 1e-12,
            "numberSitesMax": paradigm["qubitCount"],
        },
    }
    paradigm["rydberg"] |= _SIMULATED
    paradigm["performance"] = _perfect(paradigm["performance"])


_SIMULATED: dict[str, Any] = {
    "rydbergGlobal": {
        "rabiFrequencyRange": [-250_000_000.0, 250_000_000.0],
        "rabiFrequencyResolution": 1e-06,
        "rabiFrequencySlewRateMax": 1e21,
        "detuningRange": [-1_000_000_000.0, 1_000_000_000.0],
        "detuningResolution": 1e-06,
        "detuningSlewRateMax": 1e21,
        "phaseRange": [-1_000_000.0, 1_000_000.0],
        "phaseResolution": 1e-12,
        "timeResolution": 1e-12,
        "timeDeltaMin": 1e-12,
        "timeMin": 0.0,
        "timeMax": 0.0001,
    },
    "rydbergLocal": {
        "detuningRange": [-1_000_000_000.0, 1_000_000_000.0],
        "detuningSlewRateMax": 1e21,
        "siteCoefficientRange": [-1.0, 1.0],
        "numberLocalDetuningSitesMax": 256,
        "spacingRadialMin": 0.0,
        "timeResolution": 1e-12,
        "timeDeltaMin": 1e-12,
    },
}


def _perfect(performance: Mapping[str, Any]) -> dict[str, Any]:
    """The same members: errors are 0, lifetimes long."""
    found: dict[str, Any] = {}
    for name, value in performance.items():
        if isinstance(value, dict):
            found[name] = _perfect(value)
        elif isinstance(value, list):
            found[name] = []
        else:
            found[name] = _LASTING if name.startswith("T") else 0.0
    return found


def limits(listed: Listed, document: Mapping[str, Any], memory_bytes: int, *, noise: bool) -> Limits:
    """What an analog device takes, with so much memory for a state.

    The simulator computes with numbers as they come, so the resolutions in its document bind nobody.
    """
    emulated = listed.region is not None
    paradigm = document["paradigm"]
    geometry, rydberg = paradigm["lattice"]["geometry"], paradigm["rydberg"]
    drive, local = rydberg["rydbergGlobal"], rydberg["rydbergLocal"]
    lowest_factor, highest_factor = map(_exact, local["siteCoefficientRange"])
    found = AnalogLimits(
        c6=_exact(rydberg["c6Coefficient"]),
        most_sites=geometry["numberSitesMax"],
        memory_bytes=memory_bytes,
        shortest=_exact(drive["timeMin"]),
        longest=_exact(drive["timeMax"]),
        lattice=_lattice(paradigm["lattice"], emulated=emulated),
        amplitude=_field(drive, "rabiFrequency", "rabiFrequency", zeros=(True, True), emulated=emulated),
        phase=_field(drive, "phase", "phase", zeros=(True, False), emulated=emulated),
        detuning=_field(drive, "detuning", None, zeros=(False, False), emulated=emulated),
        local=LocalLimits(
            _field(local, "detuning", None, zeros=(True, True), emulated=emulated),
            lowest_factor,
            highest_factor,
            most_sites=local["numberLocalDetuningSitesMax"],
            least_spacing=_exact(local["spacingRadialMin"]) if emulated else None,
        ),
        uniform=emulated,
        one_drive=emulated,
        emulated=emulated,
        mistakes=_mistakes(paradigm["performance"]) if emulated and noise else None,
    )
    none: frozenset[str] = frozenset()
    return Limits(
        listed.arn, paradigm["qubitCount"], none, none, none, method="analog", actions=frozenset({AHS}), analog=found
    )


def _lattice(lattice: Mapping[str, Any], *, emulated: bool) -> LatticeLimits:
    area, geometry = lattice["area"], lattice["geometry"]
    found = LatticeLimits(_exact(area["width"]), _exact(area["height"]))
    if not emulated:
        return found
    return LatticeLimits(
        found.width,
        found.height,
        least_spacing=_exact(geometry["spacingRadialMin"]),
        least_row_spacing=_exact(geometry["spacingVerticalMin"]),
        resolution=_exact(geometry["positionResolution"]),
    )


def _field(
    rules: Mapping[str, Any], name: str, resolved: str | None, *, zeros: tuple[bool, bool], emulated: bool
) -> FieldLimits:
    """``resolved`` names the member of the values' resolution; values of detunings are taken as they are."""
    lowest, highest = map(_exact, rules[f"{name}Range"])
    if not emulated:
        return FieldLimits(lowest, highest)
    steepest = rules.get(f"{name}SlewRateMax")
    return FieldLimits(
        lowest,
        highest,
        steepest=None if steepest is None else _exact(steepest),
        value_resolution=None if resolved is None else _exact(rules[f"{resolved}Resolution"]),
        time_resolution=_exact(rules["timeResolution"]),
        least_time_step=_exact(rules["timeDeltaMin"]),
        zero_start=zeros[0],
        zero_end=zeros[1],
    )


def _mistakes(performance: Mapping[str, Any]) -> Mistakes:
    """The typical probabilities of the document."""
    lattice, rydberg = performance["lattice"], performance["rydberg"]["rydbergGlobal"]
    return Mistakes(
        missed_atom=lattice["atomDetectionErrorFalseNegativeTypical"],
        false_atom=lattice["atomDetectionErrorFalsePositiveTypical"],
        lost_atom=lattice["atomLossProbabilityTypical"],
        ground_as_rydberg=rydberg["groundDetectionError"],
        rydberg_as_ground=rydberg["rydbergDetectionError"],
    )


def _exact(figure: float) -> Decimal:
    return Decimal(repr(figure))
