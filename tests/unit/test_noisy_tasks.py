"""Tasks on DM1, from text to document: the battery's noise, exact and sampled, and what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from braket.task_result import GateModelTaskResult
from scipy.stats import chisquare

from braketeer.devices.catalogue import Catalogue
from braketeer.devices.listed import DM1, SV1
from braketeer.quantum import Limits, ProgramError, TaskDescription, prepare, run
from braketeer.quantum.engines import available
from tests.unit.tasks_help import TASK, counts, openqasm

CATALOGUE = Catalogue(task_memory_bytes=17 << 30)
LIMITS = CATALOGUE.limits(DM1)
BATTERY = json.loads((Path(__file__).parents[1] / "data" / "programs" / "battery.json").read_text())
NOISY = {case["name"]: case for case in BATTERY if case["valid"] and "braket noise" in case["source"]}
BAD = {case["name"]: case for case in BATTERY if not case["valid"] and "braket noise" in case["source"]}
HEAD = "OPENQASM 3.0;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\n#pragma braket noise amplitude_damping(0.4) q[1]\n"


def document(source: str, shots: int, limits: Limits = LIMITS, engine: str | None = None, seed: int = 5) -> Any:
    """Once amazon-braket-schemas has accepted it."""
    action = openqasm(source)
    given = run(TaskDescription(TASK, limits.device_arn, shots, action, None, 1_000, 2_000, seed, limits, engine))
    GateModelTaskResult.parse_raw(given.document)
    return json.loads(given.document)


def test_the_battery_has_its_noise() -> None:
    assert (len(NOISY), len(BAD)) == (15, 3)


@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize("name", [name for name, case in NOISY.items() if case["shots"] == 0])
def test_exact_values(name: str, engine: str) -> None:
    given = document(NOISY[name]["source"], 0, engine=engine)
    for one, other in zip(given["resultTypes"], NOISY[name]["expected"]["results"], strict=True):
        assert one["type"] == other["type"]
        assert np.abs(np.subtract(one["value"], other["value"])).max() < 1e-9


@pytest.mark.parametrize("exact_qubits", [14, 0], ids=["density matrix", "trajectories"])
@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize("name", [name for name, case in NOISY.items() if case["shots"]])
def test_shots(name: str, engine: str, exact_qubits: int) -> None:
    limits = replace(LIMITS, max_density_qubits=exact_qubits)
    found = counts(document(NOISY[name]["source"], 2_000, limits, engine))
    expected = NOISY[name]["expected"]["measurement_probabilities"]
    assert set(found) <= set(expected)
    assert chisquare([found[key] for key in expected], np.array(list(expected.values())) * 2_000).pvalue > 1e-4


@pytest.mark.parametrize("name", BAD)
def test_bad_noise_is_refused(name: str) -> None:
    with pytest.raises(ProgramError):
        prepare(openqasm(BAD[name]["source"]), LIMITS, 100)


@pytest.mark.parametrize("name", NOISY)
def test_sv1_refuses_noise(name: str) -> None:
    with pytest.raises(ProgramError, match="noise"):
        prepare(openqasm(NOISY[name]["source"]), CATALOGUE.limits(SV1), NOISY[name]["shots"])


def test_results_with_shots_are_of_the_same_measurements() -> None:
    source = HEAD + "#pragma braket result expectation x(q[0]) @ x(q[1])\n#pragma braket result sample x(q[0])\n"
    given = document(source, 4_000)
    mean, samples = (result["value"] for result in given["resultTypes"])
    bits = np.array(given["measurements"])
    assert mean == pytest.approx(np.mean((1 - 2 * bits[:, 0]) * (1 - 2 * bits[:, 1])))
    assert samples == list(1.0 - 2 * bits[:, 0])
    assert mean == pytest.approx(np.sqrt(0.6), abs=0.05)


def test_a_seed_repeats_the_shots_of_trajectories() -> None:
    limits = replace(LIMITS, max_density_qubits=0)
    one, again, other = (document(HEAD, 100, limits, seed=seed)["measurements"] for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_what_is_no_state_vector_has_no_amplitudes() -> None:
    for result in ("state_vector", 'amplitude "00"'):
        with pytest.raises(ProgramError, match=f"not supported on {DM1}"):
            prepare(openqasm(HEAD + f"#pragma braket result {result}\n"), LIMITS, 0)


def test_too_many_qubits_for_exact_values_get_shots() -> None:
    source = "OPENQASM 3.0;\nqubit[16] q;\nh q;\n#pragma braket noise bit_flip(0.25) q[3]\nh q;\n"
    with pytest.raises(ProgramError, match="14 fit into the memory"):
        prepare(openqasm(source + "#pragma braket result expectation z(q[3])\n"), LIMITS, 0)
    found = document(source + "#pragma braket result probability q[2:3]\n", 50)
    assert found["resultTypes"][0]["value"] == [1.0, 0.0, 0.0, 0.0]
    assert len(found["measurements"][0]) == 16
    assert prepare(openqasm(source), LIMITS, 50).memory_bytes < 100 << 20


def test_the_memory_of_a_density_matrix_is_asked_for() -> None:
    source = "OPENQASM 3.0;\nqubit[13] q;\nh q;\n#pragma braket noise bit_flip(0.25) q[3]\n"
    matrix = 16 << 26
    exact = prepare(openqasm(source + "#pragma braket result expectation z(q[3])\n"), LIMITS, 0).memory_bytes
    assert 2 * matrix <= exact <= 2 * matrix + (100 << 20)
    assert prepare(openqasm(source), LIMITS, 1_000).memory_bytes < matrix
    assert prepare(openqasm(source), LIMITS, 10_000).memory_bytes >= 2 * matrix


def test_trajectories_of_operators_typed_with_few_digits() -> None:
    limits = replace(LIMITS, max_density_qubits=0)
    source = HEAD + "#pragma braket noise kraus([[0.9486833,0],[0,0.9486833]],[[0,0.31622777],[0.31622777,0]]) q[0]\n"
    found = counts(document(source, 4_000, limits))
    expected = {"00": 0.45 + 0.02, "01": 0.03, "10": 0.05 + 0.18, "11": 0.27}
    assert chisquare([found[key] for key in expected], np.array(list(expected.values())) * 4_000).pvalue > 1e-4
