"""Figures of the ion traps that compute here and of which no capability document was recorded.

They are made up: round figures of the order that such machines reach, calibrations of no machine and of no day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from braketeer.devices.listed import Listed


@dataclass(frozen=True, slots=True)
class _Trap:
    """Average fidelities, and times in seconds."""

    qubits: int
    one_qubit: float
    two_qubit: float
    readout: float
    t1: float
    t2: float
    one_qubit_time: float
    two_qubit_time: float
    readout_time: float
    reset_time: float


_TRAPS = {
    "Ibex-Q1": _Trap(12, 0.9997, 0.987, 0.997, 1.1, 0.45, 15e-6, 200e-6, 1500e-6, 500e-6),
    "Forte-1": _Trap(36, 0.9998, 0.995, 0.995, 100.0, 1.0, 130e-6, 970e-6, 150e-6, 50e-6),
}
_UPDATED = "2026-01-01T00:00:00Z"
_DEBIAS = "braket.device_schema.error_mitigation.debias.Debias"


def figures(listed: Listed) -> dict[str, Any]:
    """``provider`` and ``standardized`` of a capability document; nothing for devices that are not known here."""
    trap = _TRAPS.get(listed.name)
    if trap is None:
        return {}
    if listed.provider != "AQT":
        return {"provider": _ionq(trap), "standardized": _standardized(trap)}
    each = {str(qubit): {"oneQubitFidelity": [_fidelity(trap.one_qubit)]} for qubit in range(trap.qubits)}
    return {"provider": _aqt(trap), "standardized": _standardized(trap) | {"oneQubitProperties": each}}


def _aqt(trap: _Trap) -> dict[str, Any]:
    """Fidelities in per cent."""
    return {
        **_header("aqt.aqt_provider_properties", "1"),
        "properties": {
            "single_qubit_gate_fidelity": {
                str(qubit): {"value": 100 * trap.one_qubit, "uncertainty": 0.01} for qubit in range(trap.qubits)
            },
            "mean_two_qubit_gate_fidelity": {"value": 100 * trap.two_qubit, "uncertainty": 0.1},
            "spam_fidelity_lower_bound": 100 * trap.readout,
            "t2_coherence_time_s": {"value": trap.t2, "uncertainty": 0.0},
            "t1_s": {"value": trap.t1, "uncertainty": 0.0},
            "readout_time_micros": 1e6 * trap.readout_time,
            "single_qubit_gate_duration_micros": 1e6 * trap.one_qubit_time,
            "two_qubit_gate_duration_micros": 1e6 * trap.two_qubit_time,
            "updated_at": _UPDATED,
        },
    }


def _ionq(trap: _Trap) -> dict[str, Any]:
    return {
        **_header("ionq.ionq_provider_properties", "1"),
        "fidelity": {
            "1Q": {"mean": trap.one_qubit},
            "2Q": {"mean": trap.two_qubit},
            "spam": {"mean": trap.readout},
        },
        "timing": {
            "T1": trap.t1,
            "T2": trap.t2,
            "1Q": trap.one_qubit_time,
            "2Q": trap.two_qubit_time,
            "readout": trap.readout_time,
            "reset": trap.reset_time,
        },
        "errorMitigation": {_DEBIAS: {"minimumShots": 2500}},
    }


def _standardized(trap: _Trap) -> dict[str, Any]:
    return {
        **_header("standardized_gate_model_qpu_device_properties", "3"),
        "T1": {"value": trap.t1, "unit": "s"},
        "T2": {"value": trap.t2, "unit": "s"},
        "readoutFidelity": [_fidelity(trap.readout)],
        "readoutDuration": {"value": trap.readout_time, "unit": "s"},
        "singleQubitFidelity": [_fidelity(trap.one_qubit)],
        "singleQubitGateDuration": {"value": trap.one_qubit_time, "unit": "s"},
        "twoQubitGateFidelity": [_fidelity(trap.two_qubit)],
        "twoQubitGateDuration": {"value": trap.two_qubit_time, "unit": "s"},
        "activeResetDuration": {"value": trap.reset_time, "unit": "s"},
        "updatedAt": _UPDATED,
    }


def _fidelity(value: float) -> dict[str, Any]:
    return {"fidelityType": {"name": "RANDOMIZED_BENCHMARKING"}, "fidelity": value, "unit": "fraction"}


def _header(name: str, version: str) -> dict[str, Any]:
    return {"braketSchemaHeader": {"name": f"braket.device_schema.{name}", "version": version}}
