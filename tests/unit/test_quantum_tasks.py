"""Tasks end to end: source text in, a document that amazon-braket-sdk reads and believes out."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from braket.circuits import Circuit as SdkCircuit
from braket.circuits import Observable, ResultType
from braket.task_result import GateModelTaskResult
from braket.tasks import GateModelQuantumTaskResult
from scipy.stats import chisquare

from braketeer.quantum import Outcome, ProgramError, TaskDescription, prepare, run
from braketeer.quantum.engines import available
from braketeer.quantum.programs import JAQCD, OPENQASM, PROGRAM_SET
from tests.unit.programs_help import WIDE

DATA = Path(__file__).parents[1] / "data"
ARN = "arn:aws:braket:us-east-1:000000000000:quantum-task/6943633f-584d-4393-b507-262c168bf146"
#: A device that takes whatever a simulator of ours takes.
LIMITS = replace(WIDE, max_qubits=22, actions=frozenset({OPENQASM, PROGRAM_SET, JAQCD}))


def action(source: str, inputs: dict[str, Any] | None = None) -> str:
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    return json.dumps({"braketSchemaHeader": header, "source": source, "inputs": inputs})


def described(
    source: str, shots: int, inputs: dict[str, Any] | None = None, engine: str | None = None, seed: int | None = 1
) -> TaskDescription:
    text = action(source, inputs)
    return TaskDescription(ARN, LIMITS.device_arn, shots, text, "{}", 1_000, 2_000, seed, LIMITS, engine)


def outcome(source: str, shots: int, inputs: dict[str, Any] | None = None, **options: Any) -> Outcome:
    return run(described(source, shots, inputs, **options))


def document(source: str, shots: int, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
    """The document as plain JSON, once amazon-braket-schemas has accepted it."""
    text = outcome(source, shots, inputs, **options).document
    GateModelTaskResult.parse_raw(text)
    return json.loads(text)


def difference(a: Any, b: Any) -> float:
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        return max(difference(a[key], b[key]) for key in a)
    one, other = np.asarray(a), np.asarray(b)
    assert one.shape == other.shape
    return float(np.abs(one - other).max())


# ------------------------------------------------------------------------------------------------ our battery

BATTERY = {case["name"]: case for case in json.loads((DATA / "programs" / "battery.json").read_text())}
EXACT = [name for name, case in BATTERY.items() if case["valid"] and not case["shots"]]
SHOTS = [name for name, case in BATTERY.items() if case["valid"] and case["shots"]]


def test_the_battery_is_whole() -> None:
    assert (len(EXACT), len(SHOTS)) == (151, 15)


@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize("name", EXACT)
def test_exact_values(name: str, engine: str) -> None:
    case = BATTERY[name]
    given = document(case["source"], 0, case["inputs"], engine=engine)
    expected = case["expected"]["results"]
    assert [result["type"] for result in given["resultTypes"]] == [result["type"] for result in expected]
    for one, other in zip(given["resultTypes"], expected, strict=True):
        assert difference(one["value"], other["value"]) < 1e-9


def assert_distribution(counts: dict[str, int], probabilities: dict[str, float], shots: int) -> None:
    assert set(counts) <= set(probabilities)
    assert sum(counts.values()) == shots
    if len(probabilities) > 1:
        observed = [counts.get(key, 0) for key in probabilities]
        expected = np.array(list(probabilities.values()))
        assert chisquare(observed, expected / expected.sum() * shots).pvalue > 1e-4


@pytest.mark.parametrize("name", SHOTS)
def test_shots(name: str) -> None:
    case = BATTERY[name]
    shots = 4_000
    given = document(case["source"], shots, case["inputs"], seed=12)
    assert len(given["measurements"]) == shots
    if "measured_qubits" in case["expected"]:
        assert given["measuredQubits"] == case["expected"]["measured_qubits"]
        rows = ["".join(map(str, row)) for row in given["measurements"]]
        counts = {row: rows.count(row) for row in set(rows)}
        assert_distribution(counts, case["expected"]["measurement_probabilities"], shots)
    for one, other in zip(given["resultTypes"], case["expected"]["results"], strict=True):
        assert one["type"] == other["type"]
        if one["type"]["type"] == "sample":
            assert len(one["value"]) == shots
        else:
            assert difference(one["value"], other["value"]) < 0.15


# ------------------------------------------------------------------------------------------------ QASMBench, SV1

QASMBENCH = {case["name"]: case for case in json.loads((DATA / "qasmbench" / "qasmbench.json").read_text())}


@pytest.mark.parametrize("name", QASMBENCH)
def test_qasmbench(name: str) -> None:
    case = QASMBENCH[name]
    given = document(case["source"] + case["exact_suffix"], 0)["resultTypes"][0]["value"]
    expected = case["expected"]
    for bits, probability in (expected.get("probabilities") or expected["top_probabilities"]).items():
        assert abs(given[int(bits, 2)] - probability) < 1e-9
    every = np.array(given)
    assert abs(every @ every - expected["purity_sum_p2"]) < 1e-9
    places = every.reshape((2,) * case["qubits"])
    ones = [float(np.moveaxis(places, qubit, 0)[1].sum()) for qubit in range(case["qubits"])]
    assert difference(ones, expected["p_one"]) < 1e-9


RECORDED = {case["name"]: case["document"] for case in json.loads((DATA / "recorded-results" / "sv1.json").read_text())}


def test_recorded_expectation() -> None:
    recorded = RECORDED["pennylane/pennylane_results.json"]
    program = recorded["additionalMetadata"]["action"]
    given = document(program["source"], 0, program["inputs"])
    assert given["resultTypes"][0]["type"] == recorded["resultTypes"][0]["type"]
    assert abs(given["resultTypes"][0]["value"] - recorded["resultTypes"][0]["value"]) < 1e-12


@pytest.mark.parametrize("name", ["braket_features/ag_results.json", "braket_features/ag_results_2.json"])
def test_expectations_of_recorded_gradients(name: str) -> None:
    """Their expectation is a sum of terms, each of which is a result type of its own here."""
    recorded = RECORDED[name]
    program = recorded["additionalMetadata"]["action"]
    source, pragma = program["source"].split("#pragma braket result adjoint_gradient expectation(")
    terms = [term.rpartition("*") for term in pragma.rpartition(") all")[0].split(" + ")]
    lines = "".join(f"#pragma braket result expectation {term.strip()}\n" for _, _, term in terms)
    values = [result["value"] for result in document(source + lines, 0, program["inputs"])["resultTypes"]]
    total = sum(float(weight or 1) * value for (weight, _, _), value in zip(terms, values, strict=True))
    assert abs(total - recorded["resultTypes"][0]["value"]["expectation"]) < 1e-12


# ------------------------------------------------------------------------------------------------ the SDK's circuits

HERMITIAN = np.array([[0.3, 2 - 1j], [2 + 1j, -3]])


def sdk_circuit() -> SdkCircuit:
    return SdkCircuit().h(0).cnot(0, 3).rx(7, 0.3).ry(3, 1.1).iswap(3, 7).zz(0, 7, 0.4)


def sdk_result(circuit: SdkCircuit, shots: int) -> GateModelQuantumTaskResult:
    program = json.loads(circuit.to_ir("OPENQASM").json())
    text = outcome(program["source"], shots, program["inputs"], seed=3).document
    return GateModelQuantumTaskResult.from_string(text.decode())


def test_every_exact_result_type_is_found_by_the_sdk() -> None:
    types = {
        ResultType.Expectation(Observable.X() @ Observable.Y(), [3, 0]): ("x", "y", (3, 0)),
        ResultType.Variance(Observable.Hermitian(HERMITIAN), [7]): None,
        ResultType.Expectation(Observable.Hermitian(np.kron(HERMITIAN, HERMITIAN)), [7, 0]): None,
        ResultType.Expectation(Observable.Hermitian(HERMITIAN) @ Observable.H(), [0, 3]): None,
        ResultType.Expectation(Observable.Z()): None,
        ResultType.Probability([7, 0]): None,
        ResultType.Probability(): None,
        ResultType.Amplitude(["000", "101"]): None,
        ResultType.StateVector(): None,
    }
    circuit = sdk_circuit()
    for result_type in types:
        circuit.add_result_type(result_type)
    result = sdk_result(circuit, 0)
    state = np.asarray(result.get_value_by_result_type(ResultType.StateVector()))
    unitary = sdk_circuit().to_unitary()
    assert np.abs(state - unitary[:, 0]).max() < 1e-12
    tensor = np.abs(state.reshape(2, 2, 2)) ** 2
    given = [result.get_value_by_result_type(result_type) for result_type in types]
    pauli_y, pauli_x = np.array([[0, -1j], [1j, 0]]), np.array([[0, 1], [1, 0]])
    hadamard = np.array([[1, 1], [1, -1]]) / np.sqrt(2)

    def expectation(*factors: Any) -> float:
        return float(np.vdot(state, np.kron(np.kron(factors[0], factors[1]), factors[2]) @ state).real)

    one = np.eye(2)
    assert abs(given[0] - expectation(pauli_y, pauli_x, one)) < 1e-12
    mean = expectation(one, one, HERMITIAN)
    assert abs(given[1] - (expectation(one, one, HERMITIAN @ HERMITIAN) - mean**2)) < 1e-11
    assert abs(given[2] - expectation(HERMITIAN, one, HERMITIAN)) < 1e-11
    assert abs(given[3] - expectation(HERMITIAN, hadamard, one)) < 1e-12
    pauli_z = np.diag([1, -1])
    singles = [expectation(*(pauli_z if place == qubit else one for place in range(3))) for qubit in range(3)]
    assert difference(given[4], singles) < 1e-12
    assert difference(given[5], tensor.sum(axis=1).T.reshape(-1)) < 1e-12
    assert difference(given[6], tensor.reshape(-1)) < 1e-12
    assert abs(given[7]["101"] - state[0b101]) < 1e-12


def test_every_sampled_result_type_is_found_by_the_sdk() -> None:
    types = [
        ResultType.Expectation(Observable.X() @ Observable.Hermitian(HERMITIAN), [3, 0]),
        ResultType.Variance(Observable.Hermitian(HERMITIAN), [0]),
        ResultType.Sample(Observable.X(), [3]),
        ResultType.Probability([7]),
    ]
    circuit = sdk_circuit()
    for result_type in types:
        circuit.add_result_type(result_type)
    result = sdk_result(circuit, 2_000)
    assert result.measured_qubits == [0, 3, 7]
    given = [result.get_value_by_result_type(result_type) for result_type in types]
    bits = result.measurements
    values = np.linalg.eigvalsh(HERMITIAN)[bits[:, 0]]
    assert abs(given[0] - np.mean((1 - 2 * bits[:, 1]) * values)) < 1e-12
    assert abs(given[1] - np.var(values)) < 1e-12
    assert np.array_equal(given[2], 1 - 2 * bits[:, 1])
    assert difference(given[3], [np.mean(bits[:, 2] == 0), np.mean(bits[:, 2] == 1)]) < 1e-12


def test_measuring_some_qubits_in_an_order_of_ones_own() -> None:
    source = (
        "OPENQASM 3.0;\nqubit[9] q;\nbit[2] b;\nx q[8];\nh q[1];\nx q[5];\ncnot q[1], q[5];\nb[0] = measure q[8];\n"
    )
    given = document(source + "b[1] = measure q[1];\n", 50)
    assert given["measuredQubits"] == [8, 1]
    assert {tuple(row) for row in given["measurements"]} == {(1, 0), (1, 1)}


# ------------------------------------------------------------------------------------------------ tasks

BELL = "OPENQASM 3.0;\nbit[2] b;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\nb = measure q;\n"


def test_times_and_metadata() -> None:
    result = outcome(BELL, 10)
    given = json.loads(result.document)
    metadata = given["taskMetadata"]
    assert (metadata["id"], metadata["shots"], metadata["status"]) == (ARN, 10, "COMPLETED")
    assert metadata["createdAt"] == "1970-01-01T00:00:01.000Z"
    assert 2_000 <= result.ended_at_ms < 60_000
    assert metadata["endedAt"].startswith("1970-01-01T00:00:")
    assert given["additionalMetadata"]["simulatorMetadata"]["executionDuration"] == result.execution_ms >= 0
    assert result.successful_shots == 10
    assert given["additionalMetadata"]["action"]["source"] == BELL


def test_a_seed_repeats_a_task_and_no_seed_does_not() -> None:
    first, again, other, fresh, fresher = (
        document(BELL, 200, seed=seed)["measurements"] for seed in (5, 5, 6, None, None)
    )
    assert first == again
    assert first != other
    assert fresh != fresher


def test_preparing_tells_what_a_task_needs() -> None:
    prepared = prepare(action("OPENQASM 3.0;\nqubit[20] q;\nh q;\n"), LIMITS, 10)
    assert prepared.action_type == "braket.ir.openqasm.program"
    assert prepared.qubit_count == 20
    assert 2 * 16 * 2**20 < prepared.memory_bytes < 2 * 16 * 2**20 + (100 << 20)
    assert (prepared.program_count, prepared.executable_count) == (None, None)


BAD_PROGRAMS = [
    (BELL.replace("h q", "frobnicate q"), 10, "frobnicate"),
    ("OPENQASM 3.0;\nqubit[23] q;\nh q;\n", 10, "23 qubits"),
    ("OPENQASM 3.0;\n", 10, ""),
    ("OPENQASM 3.0;\nqubit[1] q;\nh q;\n", 0, "result type"),
    ('OPENQASM 3.0;\nqubit[1] q;\nh q;\n#pragma braket result amplitude "0"\n', 10, "amplitude"),
    ("OPENQASM 3.0;\nqubit[1] q;\nh q;\n#pragma braket result sample z(q[0])\n", 0, "sample"),
    (
        "OPENQASM 3.0;\nqubit[1] q;\nh q;\n#pragma braket result expectation z(q[0])\n"
        "#pragma braket result expectation x(q[0])\n",
        10,
        "bas[ie]s",
    ),
]


@pytest.mark.parametrize(("source", "shots", "message"), BAD_PROGRAMS)
def test_bad_programs_are_refused_before_they_run(source: str, shots: int, message: str) -> None:
    with pytest.raises(ProgramError, match=re.compile(message, re.IGNORECASE)):
        prepare(action(source), LIMITS, shots)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"source": 1}', "null", '{"a": "\ud800"}'])
def test_bad_actions_are_refused(text: str) -> None:
    with pytest.raises(ProgramError):
        prepare(text, LIMITS, 10)


def test_importing_the_types_loads_no_numerical_library() -> None:
    code = (
        "import sys, braketeer.quantum; print([name for name in ('numpy', 'prism_q', 'orjson') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


MEASURED_PEAK = """
import pickle, re, sys
from dataclasses import replace
from pathlib import Path
from braketeer.quantum import prepare, run

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

small, task = pickle.load(sys.stdin.buffer)
run(small)
before = peak()
run(task)
print(peak() - before, prepare(task.action, task.limits, task.shots).memory_bytes)
"""
WIDE = np.eye(32)[::-1].astype(int).tolist()
HUNGRY = {
    "pauli": ("#pragma braket result expectation x(q[0]) @ y(q[9])", 0),
    "every probability": ("#pragma braket result probability", 0),
    "state": ("#pragma braket result state_vector", 0),
    "many factors": ("#pragma braket result expectation " + " @ ".join(f"h(q[{qubit}])" for qubit in range(21)), 0),
    "wide gate": (f"#pragma braket unitary({WIDE}) q[3], q[9], q[0], q[20], q[11]\nh q;", 10),
    "most shots": ("", 100_000),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", HUNGRY)
def test_a_task_stays_within_the_memory_it_is_admitted_for(name: str) -> None:
    lines, shots = HUNGRY[name]
    source = "OPENQASM 3.0;\nqubit[21] q;\nh q;\n" + lines
    small = described("OPENQASM 3.0;\nqubit[2] q;\nh q;\n#pragma braket result probability", 0)
    given = pickle.dumps((small, described(source, shots)))
    shown = subprocess.run([sys.executable, "-c", MEASURED_PEAK], input=given, capture_output=True, check=True).stdout
    used, needed = map(int, shown.split())
    assert needed >= 2 * 16 << 21
    assert used <= needed
