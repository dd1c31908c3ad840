"""Devices of which no capability document was recorded: small documents that parse, and say that they are made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from braketeer.devices import ion_traps
from braketeer.devices.listed import Listed
from braketeer.quantum.circuit import OPENQASM

_GATE_OBSERVABLES = ["x", "y", "z", "h", "i"]
_OF_ONE_QUBIT = ["h", "i", "rx", "ry", "rz", "s", "si", "t", "ti", "v", "vi", "x", "y", "z"]
_ION_OPERATIONS = [*_OF_ONE_QUBIT, "cnot", "swap", "xx", "yy", "zz"]
_FORTE_OPERATIONS = [name for name in _ION_OPERATIONS if name != "i"]  # as of Forte Enterprise 1
_PHASE_SHIFTS = ["cphaseshift", "cphaseshift00", "cphaseshift01", "cphaseshift10", "phaseshift"]
_OPERATIONS = [*_ION_OPERATIONS, *_PHASE_SHIFTS, "ccnot", "cswap", "cz", "iswap", "pswap", "xy"]


def document(listed: Listed) -> dict[str, Any]:
    """A document of the schema class of the device's maker. Qubit counts are the published ones; the
    figures of the two that compute are in ion_traps.py. The rest is filler."""
    maker = listed.arn.split("/")[-2]
    match maker:
        case "d-wave":
            return _header("dwave.dwave_device_capabilities") | _annealer(listed)
        case "xanadu":
            return _header("xanadu.xanadu_device_capabilities") | _photonic(listed)
        case _:
            machine = _GATE_MODELS[listed.name]
            return _header(f"{maker}.{maker}_device_capabilities") | _gate_model(listed, machine)


@dataclass(frozen=True, slots=True)
class _Machine:
    """What is known of a gate-model QPU."""

    qubits: int
    native_gates: list[str]
    operations: list[str]
    shots: tuple[int, int] = (1, 10_000)
    fully_connected: bool = False


_ASPEN_GATES = ["rx", "rz", "cz", "xy"]
_ANKAA_GATES = ["rx", "rz", "iswap"]
_GATE_MODELS = {
    "Ibex-Q1": _Machine(12, ["prx", "rz", "xx"], _ION_OPERATIONS, shots=(1, 2000), fully_connected=True),
    "Forte-1": _Machine(36, ["GPI", "GPI2", "ZZ"], _FORTE_OPERATIONS, shots=(100, 5000), fully_connected=True),
    "Harmony": _Machine(11, ["GPI", "GPI2", "MS"], _ION_OPERATIONS, fully_connected=True),
    "Aria-1": _Machine(25, ["GPI", "GPI2", "MS"], _ION_OPERATIONS, fully_connected=True),
    "Aria-2": _Machine(25, ["GPI", "GPI2", "MS"], _ION_OPERATIONS, fully_connected=True),
    "Lucy": _Machine(8, ["i", "rz", "v", "x", "ecr"], [*_OPERATIONS, "ecr"]),
    "Aspen-8": _Machine(31, _ASPEN_GATES, _OPERATIONS),
    "Aspen-9": _Machine(32, _ASPEN_GATES, _OPERATIONS),
    "Aspen-10": _Machine(32, _ASPEN_GATES, _OPERATIONS),
    "Aspen-11": _Machine(40, _ASPEN_GATES, _OPERATIONS),
    "Aspen-M-1": _Machine(80, _ASPEN_GATES, _OPERATIONS),
    "Aspen-M-2": _Machine(80, _ASPEN_GATES, _OPERATIONS),
    "Aspen-M-3": _Machine(79, _ASPEN_GATES, _OPERATIONS),
    "Ankaa-2": _Machine(84, _ANKAA_GATES, _OPERATIONS),
    "Ankaa-3": _Machine(84, _ANKAA_GATES, _OPERATIONS),
}


def _gate_model(listed: Listed, machine: _Machine) -> dict[str, Any]:
    fewest, most = machine.shots
    found: dict[str, Any] = {
        "service": _service(listed, machine.shots),
        "action": {
            OPENQASM: {
                "version": ["1.0"],
                "actionType": OPENQASM,
                "supportedOperations": machine.operations,
                "supportedModifiers": [],
                "supportedPragmas": [
                    "verbatim",
                    "braket_result_type_sample",
                    "braket_result_type_expectation",
                    "braket_result_type_variance",
                    "braket_result_type_probability",
                ],
                "forbiddenPragmas": [
                    "braket_unitary_matrix",
                    "braket_result_type_state_vector",
                    "braket_result_type_density_matrix",
                    "braket_result_type_amplitude",
                    "braket_result_type_adjoint_gradient",
                ],
                "maximumQubitArrays": 1,
                "maximumClassicalArrays": 1,
                "supportPhysicalQubits": True,
                "requiresAllQubitsMeasurement": False,
                "requiresContiguousQubitIndices": False,
                "supportsPartialVerbatimBox": False,
                "disabledQubitRewiringSupported": True,
                "supportedResultTypes": [
                    {"name": name, "observables": _GATE_OBSERVABLES, "minShots": fewest, "maxShots": most}
                    for name in ("Sample", "Expectation", "Variance")
                ]
                + [{"name": "Probability", "minShots": fewest, "maxShots": most}],
            }
        },
        "deviceParameters": {},
        "paradigm": {
            **_header("gate_model_qpu_paradigm_properties"),
            "connectivity": {
                "fullyConnected": machine.fully_connected,
                "connectivityGraph": _everybody_to_everybody(machine.qubits) if machine.fully_connected else {},
            },
            "qubitCount": machine.qubits,
            "nativeGateSet": machine.native_gates,
        },
    }
    return found | ion_traps.figures(listed)


def _everybody_to_everybody(qubits: int) -> dict[str, list[str]]:
    return {str(one): [str(other) for other in range(qubits) if other != one] for one in range(qubits)}


def _annealer(listed: Listed) -> dict[str, Any]:
    """The schema wants D-Wave's working ranges; without a record they are empty or zero."""
    return {
        "service": _service(listed, (1, 10_000)),
        "action": {"braket.ir.annealing.problem": {"version": ["1.0"], "actionType": "braket.ir.annealing.problem"}},
        "deviceParameters": {},
        "provider": {
            **_header("dwave.dwave_provider_properties"),
            "qubitCount": 2048 if "2000Q" in listed.name else 5760,
            "qubits": [],
            "couplers": [],
            "topology": {"type": "chimera" if "2000Q" in listed.name else "pegasus"},
            **dict.fromkeys(("annealingOffsetStep", "annealingOffsetStepPhi0", "quotaConversionRate"), 0.0),
            **dict.fromkeys(
                (
                    "defaultAnnealingDuration",
                    "defaultProgrammingThermalizationDuration",
                    "defaultReadoutThermalizationDuration",
                    "maximumAnnealingSchedulePoints",
                    "maximumHGainSchedulePoints",
                ),
                0,
            ),
            **{
                name: []
                for name in (
                    "annealingOffsetRanges",
                    "annealingDurationRange",
                    "extendedJRange",
                    "hGainScheduleRange",
                    "hRange",
                    "jRange",
                    "perQubitCouplingRange",
                    "programmingThermalizationDurationRange",
                    "readoutThermalizationDurationRange",
                    "taskRunDurationRange",
                )
            },
        },
    }


def _photonic(listed: Listed) -> dict[str, Any]:
    return {
        "service": _service(listed, (1, 1_000_000)),
        "action": {
            "braket.ir.blackbird.program": {
                "version": ["1.0"],
                "actionType": "braket.ir.blackbird.program",
                "supportedOperations": ["BSgate", "MeasureFock", "Rgate", "Sgate"],
                "supportedResultTypes": [],
            }
        },
        "deviceParameters": {},
        "paradigm": {
            **_header("continuous_variable_qpu_paradigm_properties"),
            "modes": {"concurrent": 44, "spatial": 1, "temporal_max": 331},
            "layout": "",
            "compiler": ["borealis"],
            "supportedLanguages": ["blackbird:1.0"],
            "compilerDefault": "borealis",
            "nativeGateSet": ["BSgate", "MeasureFock", "Rgate", "Sgate"],
            "gateParameters": {},
            "target": "borealis",
        },
    }


def _service(listed: Listed, shots: tuple[int, int]) -> dict[str, Any]:
    return {
        **_header("device_service_properties"),
        "executionWindows": [{"executionDay": "Everyday", "windowStartHour": "00:00:00", "windowEndHour": "23:59:59"}],
        "shotsRange": list(shots),
        "deviceCost": {"price": _PER_SHOT.get(listed.name, 0.0), "unit": "shot"},
        "deviceDocumentation": {
            "summary": (
                f"{'Constructed' if listed.method is None else 'Emulated'} by Braketeer, not the QPU itself: no "
                f"capability document of {listed.provider} {listed.name} was at hand, so its details, error figures "
                "included, are made up in their order of magnitude and not the maker's word"
            )
        },
    }


def _header(name: str) -> dict[str, Any]:
    return {"braketSchemaHeader": {"name": f"braket.device_schema.{name}", "version": "1"}}


# USD a shot, where Amazon's price page has told it (https://aws.amazon.com/braket/pricing/, 2025).
_PER_SHOT = {"Forte-1": 0.08, "Aria-1": 0.03, "Aria-2": 0.03, "Ankaa-2": 0.0009, "Ankaa-3": 0.0009}
