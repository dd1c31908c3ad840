"""The simulators as they are here: documents of Amazon's, made true for the machine and for Braketeer, and our own."""

from __future__ import annotations

from typing import Any

from braketeer.devices import analog
from braketeer.devices.documents import load
from braketeer.devices.listed import DM1, RYDBERG, STABILIZER, SV1, TN1, Listed
from braketeer.quantum.circuit import JAQCD, MOST_REGISTER, OPENQASM, PROGRAM_SET

BYTES_OF_AN_AMPLITUDE = 16
# What a worker needs besides amplitudes: interpreter, engine, compiled program, samples, result document.
HEADROOM_BYTES = 512 * 2**20
MOST_QUBITS = 34  # Amazon's own figure for SV1
MOST_NOISY_QUBITS = 17  # and for DM1
MOST_EXECUTABLES, MOST_SET_SHOTS = 100, 200_000  # of a program set, as IQM's and Rigetti's documents have it
POLL_INTERVAL_MILLIS = 20


def run_memory_bytes(qubits: int) -> int:
    """What a worker may need to run a state vector of ``qubits``: the engine copies the state once to export it."""
    return HEADROOM_BYTES + (2 * BYTES_OF_AN_AMPLITUDE << qubits)


def most_qubits(task_memory_bytes: int) -> int:
    """The largest state vector that fits one worker's memory; at least 1 and at most 34 qubits."""
    fitting = (n for n in range(MOST_QUBITS, 1, -1) if run_memory_bytes(n) <= task_memory_bytes)
    return next(fitting, 1)


def most_density_qubits(task_memory_bytes: int) -> int:
    """The largest density matrix that does: one of n qubits is as large as a state vector of 2n."""
    return min(most_qubits(task_memory_bytes) // 2, MOST_NOISY_QUBITS)


def document(listed: Listed, task_memory_bytes: int) -> dict[str, Any]:
    """The capability document of SV1, DM1, TN1 or a simulator of our own."""
    found = load(str(listed.document))
    service = found["service"]
    service["getTaskPollIntervalMillis"] = POLL_INTERVAL_MILLIS
    summary = f"Braketeer's simulator under the name of {listed.name}"
    if listed.arn == SV1:
        summary += ": state vectors, computed on this machine"
        _make_sv1_true(found, task_memory_bytes)
    elif listed.arn == DM1:
        exact = most_density_qubits(task_memory_bytes)
        summary += f": density matrices of up to {exact} qubits, shots on more, computed on this machine"
        _make_dm1_true(found, task_memory_bytes)
    elif listed.arn == TN1:
        summary += ": matrix product states, computed on this machine; what entangles too much is refused"
        _make_tn1_true(found)
    elif listed.arn == STABILIZER:
        summary = "Braketeer's stabilizer simulator: Clifford circuits on thousands of qubits, computed on this machine"
        _make_stabilizer_true(found)
    elif listed.arn == RYDBERG:
        summary = (
            "Braketeer's simulator of Rydberg atoms: analog Hamiltonian simulation, computed on this machine, exactly "
            "or within a blockade subspace as large as accuracy asks for; results state its size and the error left"
        )
        analog.make_simulator_true(found)
    service["deviceDocumentation"] = {"summary": summary}
    return found


def _make_sv1_true(found: dict[str, Any], task_memory_bytes: int) -> None:
    """State vectors of as many qubits as fit."""
    openqasm, jaqcd = found["action"][OPENQASM], found["action"][JAQCD]
    _complete(openqasm, ["sample", "expectation", "variance", "probability", "amplitude", "adjoint_gradient"], [])
    openqasm["supportedResultTypes"] = [*_results(found), _AMPLITUDE, _GRADIENT]
    jaqcd["supportedResultTypes"] = [*_results(found), _AMPLITUDE]
    found["action"] = {OPENQASM: openqasm, JAQCD: jaqcd, PROGRAM_SET: _program_set()}
    found["paradigm"]["qubitCount"] = most_qubits(task_memory_bytes)


def _make_dm1_true(found: dict[str, Any], task_memory_bytes: int) -> None:
    """Every noise channel, on as many qubits as Amazon's, where trajectories of that many fit."""
    openqasm, jaqcd = found["action"][OPENQASM], found["action"][JAQCD]
    _complete(openqasm, ["sample", "expectation", "variance", "probability", "density_matrix"], _NOISE)
    openqasm["supportedResultTypes"] = [*_results(found), _DENSITY_MATRIX]
    jaqcd["supportedOperations"] = [*jaqcd["supportedOperations"], "multi_qubit_pauli_channel"]
    jaqcd["supportedResultTypes"] = [*_results(found), _DENSITY_MATRIX]
    found["action"] = {OPENQASM: openqasm, JAQCD: jaqcd, PROGRAM_SET: _program_set()}
    found["paradigm"]["qubitCount"] = min(MOST_NOISY_QUBITS, most_qubits(task_memory_bytes))


def _make_tn1_true(found: dict[str, Any]) -> None:
    """Shots only, as Amazon's; the results of its document hold."""
    openqasm = found["action"][OPENQASM]
    _complete(openqasm, ["sample", "expectation", "variance"], [])
    found["action"] = {name: found["action"][name] for name in (OPENQASM, JAQCD)}


def _make_stabilizer_true(found: dict[str, Any]) -> None:
    """Clifford gates and Pauli noise; which angles and matrices are Clifford is seen when a program comes."""
    openqasm = found["action"][OPENQASM]
    _complete(openqasm, ["sample", "expectation", "variance", "probability"], _PAULI_NOISE)
    operations = openqasm["supportedOperations"]
    openqasm["supportedOperations"] = [name for name in operations if name not in _NEVER_CLIFFORD]
    openqasm["requiresAllQubitsMeasurement"] = False
    openqasm["supportedResultTypes"] = _results(found, observables=["x", "y", "z", "i"], exact_probabilities=False)
    found["action"] = {OPENQASM: openqasm, PROGRAM_SET: _program_set()}
    found["paradigm"]["qubitCount"] = MOST_REGISTER


_NEVER_CLIFFORD = frozenset({"t", "ti", "cv", "ccnot", "cswap"})
_PAULI_NOISE = [
    *("bit_flip", "phase_flip", "pauli_channel", "depolarizing", "two_qubit_depolarizing", "two_qubit_dephasing"),
]
_NOISE = [*_PAULI_NOISE, "amplitude_damping", "generalized_amplitude_damping", "phase_damping", "kraus"]
_RESULTS = [
    *("sample", "expectation", "variance", "probability", "amplitude", "state_vector", "density_matrix"),
    "adjoint_gradient",
]
_OBSERVABLES = ["x", "y", "z", "h", "i", "hermitian"]
_MODIFIERS: list[dict[str, Any]] = [
    {"name": "ctrl"},
    {"name": "negctrl"},
    {"name": "pow", "exponent_types": ["int", "float"]},
    {"name": "inv"},
]
_AMPLITUDE = {"name": "Amplitude", "minShots": 0, "maxShots": 0}
_DENSITY_MATRIX = {"name": "DensityMatrix", "minShots": 0, "maxShots": 0}
_GRADIENT = {"name": "AdjointGradient", "observables": _OBSERVABLES, "minShots": 0, "maxShots": 0}


def _complete(openqasm: dict[str, Any], results: list[str], noise: list[str]) -> None:
    """The operations of our front-end, and every pragma that there is either supported or forbidden."""
    named = dict.fromkeys([*openqasm["supportedOperations"], "U", "GPhase", "cv", "prx", "gpi", "gpi2", "ms"])
    openqasm |= {
        "supportedOperations": list(named),
        "supportedModifiers": _MODIFIERS,
        "supportedPragmas": [
            "braket_unitary_matrix",
            *(f"braket_result_type_{kind}" for kind in results),
            *(f"braket_noise_{name}" for name in noise),
        ],
        "forbiddenPragmas": [
            *(f"braket_result_type_{kind}" for kind in _RESULTS if kind not in results),
            *(f"braket_noise_{name}" for name in _NOISE if name not in noise),
        ],
        "requiresContiguousQubitIndices": False,
    }


def _results(
    found: dict[str, Any], observables: list[str] = _OBSERVABLES, exact_probabilities: bool = True
) -> list[dict[str, Any]]:
    most = found["service"]["shotsRange"][1]
    return [
        {"name": "Sample", "observables": observables, "minShots": 1, "maxShots": most},
        {"name": "Expectation", "observables": observables, "minShots": 0, "maxShots": most},
        {"name": "Variance", "observables": observables, "minShots": 0, "maxShots": most},
        # Amazon's SV1 wants shots for probabilities; exact ones are as easily had, and nothing is lost by them.
        {"name": "Probability", "minShots": 0 if exact_probabilities else 1, "maxShots": most},
    ]


def _program_set() -> dict[str, Any]:
    return {
        "version": ["1.0"],
        "actionType": PROGRAM_SET,
        "maximumExecutables": MOST_EXECUTABLES,
        "maximumTotalShots": MOST_SET_SHOTS,
    }
