"""The managed simulators as they are here: documents of Amazon's, made true for the machine and for Braketeer."""

from __future__ import annotations

from typing import Any

from braketeer.devices.documents import load
from braketeer.devices.listed import SV1, Listed

BYTES_OF_AN_AMPLITUDE = 16
# What a worker needs besides amplitudes: interpreter, engine, compiled program, samples, result document.
HEADROOM_BYTES = 512 * 2**20
MOST_QUBITS = 34  # Amazon's own figure for SV1
POLL_INTERVAL_MILLIS = 20

_OBSERVABLES = ["x", "y", "z", "h", "i", "hermitian"]
_MODIFIERS: list[dict[str, Any]] = [
    {"name": "ctrl"},
    {"name": "negctrl"},
    {"name": "pow", "exponent_types": ["int", "float"]},
    {"name": "inv"},
]


def run_memory_bytes(qubits: int) -> int:
    """What a worker may need to run a state vector of ``qubits``: the engine copies the state once to export it."""
    return HEADROOM_BYTES + (2 * BYTES_OF_AN_AMPLITUDE << qubits)


def most_qubits(task_memory_bytes: int) -> int:
    """The largest state vector that fits one worker's memory; at least 1 and at most 34 qubits."""
    fitting = (n for n in range(MOST_QUBITS, 1, -1) if run_memory_bytes(n) <= task_memory_bytes)
    return next(fitting, 1)


def document(listed: Listed, task_memory_bytes: int) -> dict[str, Any]:
    """The capability document of SV1, DM1 or TN1."""
    found = load(str(listed.document))
    service = found["service"]
    service["getTaskPollIntervalMillis"] = POLL_INTERVAL_MILLIS
    service["deviceDocumentation"] = {"summary": f"Braketeer's own simulator under the name of {listed.name}"}
    if listed.arn == SV1:
        service["deviceDocumentation"]["summary"] += ": state vectors, computed on this machine"
        _make_sv1_true(found, task_memory_bytes)
    return found


def _make_sv1_true(found: dict[str, Any], task_memory_bytes: int) -> None:
    """SV1 says what runs here: OpenQASM alone, with the operations of our front-end, on as many qubits as fit."""
    most_shots = found["service"]["shotsRange"][1]
    action = found["action"]["braket.ir.openqasm.program"]
    kinds = ["sample", "expectation", "variance", "probability", "amplitude"]
    results = [f"braket_result_type_{kind}" for kind in kinds]
    action |= {
        "supportedOperations": [*action["supportedOperations"], "U", "GPhase", "cv", "prx"],
        "supportedModifiers": _MODIFIERS,
        "supportedPragmas": ["braket_unitary_matrix", *results],
        "requiresContiguousQubitIndices": False,
        "forbiddenPragmas": [*action["forbiddenPragmas"], "braket_result_type_adjoint_gradient"],
        "supportedResultTypes": [
            {"name": "Sample", "observables": _OBSERVABLES, "minShots": 1, "maxShots": most_shots},
            {"name": "Expectation", "observables": _OBSERVABLES, "minShots": 0, "maxShots": most_shots},
            {"name": "Variance", "observables": _OBSERVABLES, "minShots": 0, "maxShots": most_shots},
            # Amazon's SV1 wants shots for probabilities; exact ones are as easily had, and nothing is lost by them.
            {"name": "Probability", "minShots": 0, "maxShots": most_shots},
            {"name": "Amplitude", "minShots": 0, "maxShots": 0},
        ],
    }
    found["action"] = {"braket.ir.openqasm.program": action}
    found["paradigm"]["qubitCount"] = most_qubits(task_memory_bytes)
