"""OpenQASM's official examples: each runs or is refused with a reason, and what is not OpenQASM is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from braketeer.quantum import ProgramError
from tests.unit.tasks_help import counts, document

CASES = json.loads((Path(__file__).parents[1] / "data" / "openqasm3" / "openqasm3.json").read_text())

#: Examples that run as they stand, and what they measure: one outcome for certain, or so many different ones.
RUN: dict[str, str | int] = {
    "adder": "00001",
    "inverseqft1": "0000",
    "inverseqft2": "0000",
    "qec": 1,
    "qft": 16,
    "qpt": 2,
    "rb": "00",
    "rus": 2,
    "teleport": 8,
}
#: Why the others do not.
REFUSED = {
    "alignment": "Stretches are not supported (line 8, column 1)",
    "arrays": "The index 4 is out of range: there are 4 (line 51, column 1)",
    "cphase": "'q' is not declared (line 9, column 15)",
    "dd": "Stretches are not supported",
    "defcal": "Pulse calibrations (defcalgrammar) are not supported",
    "gateteleport": "extern is not supported",
    "ipe": "'c' has no value yet (line 26",
    "msd": "The registers of a gate have different lengths (line 156",
    "scqec": "extern is not supported",
    "t1": "Durations are not supported",
    "varteleport": "Unknown gate 'bellprep' (line 31",
    "vqe": "extern is not supported",
}
EXAMPLES = {case["name"][9:-5]: case["text"] for case in CASES if case["kind"] == "example"}


def test_every_example_is_accounted_for() -> None:
    assert EXAMPLES.keys() == RUN.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", RUN)
def test_examples_that_run(name: str) -> None:
    found = counts(document(EXAMPLES[name], 500))
    wanted = RUN[name]
    assert (set(found) == {wanted}) if isinstance(wanted, str) else (len(found) == wanted)


@pytest.mark.parametrize("name", REFUSED)
def test_examples_that_are_refused(name: str) -> None:
    with pytest.raises(ProgramError) as refusal:
        document(EXAMPLES[name], 500)
    assert REFUSED[name] in str(refusal.value)


def named(kind: str) -> Any:
    cases = [case for case in CASES if case["kind"] == kind]
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


@named("grammar_reference")
@pytest.mark.parametrize("shots", [0, 10])
def test_grammar_references_are_answered(case: dict[str, Any], shots: int) -> None:
    """They use names they do not declare; what matters is that the answer is one, and names a place."""
    if case["name"].endswith("comments/comments") and shots:
        assert set(counts(document(case["text"], shots))) <= {"00", "11"}
        return
    with pytest.raises(ProgramError) as refusal:
        document(case["text"], shots)
    assert "line" in str(refusal.value) or "uses no qubits" in str(refusal.value) or not shots


@named("grammar_invalid")
def test_what_is_no_openqasm_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProgramError, match="line"):
        document(case["text"], 10)


def test_stdgates_as_its_authors_wrote_it() -> None:
    (include,) = (case["text"] for case in CASES if case["kind"] == "include")
    with pytest.raises(ProgramError, match="uses no qubits"):
        document(include, 10)
    assert counts(document(include + "qubit[2] q; x q[0]; cx q[0], q[1];", 10)) == {"11": 10}
