"""The battery of programs with exact values: compiled by the front-end, evaluated by the tests' own dense simulator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from braketeer.quantum.circuit import Limits, ProgramError
from braketeer.quantum.executables import openqasm_executable
from braketeer.quantum.programs import check_results
from tests.unit.dense import distribution_of, state_of, value_of
from tests.unit.programs_help import LIMITS, WIDE, compiled

BATTERY = json.loads((Path(__file__).parents[1] / "data" / "programs" / "battery.json").read_text())


def is_pure(case: dict[str, Any]) -> bool:
    """Whether the tests' own simulator evaluates it: no noise, no gradient, no reset. The others are run as whole tasks
    in test_quantum_tasks.py."""
    return not any(word in case["source"] for word in ("braket noise", "adjoint_gradient", "reset"))


def named(cases: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def complex_array(value: Any) -> Any:
    pairs = np.array(value)
    return pairs[..., 0] + 1j * pairs[..., 1]


@named([case for case in BATTERY if case["valid"] and is_pure(case)])
def test_program_means_what_it_says(case: dict[str, Any]) -> None:
    circuit = compiled(case["source"], case["inputs"])
    check_results(circuit, WIDE, case["shots"])
    expected = case["expected"]
    assert list(circuit.labels) == expected["qubits"]
    state = state_of(circuit)
    for result, wanted in zip(circuit.results, expected["results"], strict=True):
        assert result.specification == wanted["type"]
        if "value" not in wanted:
            continue
        value, right = value_of(result, state), wanted["value"]
        if result.kind == "amplitude":
            value, right = list(value.values()), complex_array([right[bits] for bits in value])
        elif result.kind in ("state_vector", "density_matrix"):
            right = complex_array(right)
        np.testing.assert_allclose(value, right, atol=1e-9)
    if "measured_qubits" in expected and not circuit.results:
        measured = circuit.measured if circuit.measured is not None else range(circuit.qubit_count)
        assert [circuit.labels[qubit] for qubit in measured] == expected["measured_qubits"]
        assert distribution_of(circuit) == pytest.approx(expected["measurement_probabilities"], abs=1e-9)


@pytest.mark.parametrize("limits", [LIMITS, WIDE], ids=["plain", "wide"])
@named([case for case in BATTERY if not case["valid"]])
def test_broken_program_is_refused(case: dict[str, Any], limits: Limits) -> None:
    with pytest.raises(ProgramError):
        openqasm_executable(case["source"], case["inputs"] or {}, limits, case["shots"])
