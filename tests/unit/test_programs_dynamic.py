"""Programs that go on after measurements: resets, feed-forward, measuring again, output variables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from braket.task_result import GateModelTaskResult
from scipy.stats import chisquare

from braketeer.quantum import ProgramError, branching, courses, prepare
from tests.unit.programs_help import WIDE
from tests.unit.tasks_help import EVERYTHING, counts, document, openqasm, outcome

HEAD = "OPENQASM 3.0;\nqubit[3] q;\nbit[3] c;\n"
TELEPORT = """
ry(1.1) q[0];
h q[1];
cnot q[1], q[2];
cnot q[0], q[1];
h q[0];
c[0] = measure q[0];
c[1] = measure q[1];
if (c[0] == 1) { z q[2]; }
if (c[1]) x q[2];
c[2] = measure q[2];
"""


def assert_likely(found: dict[str, int], probabilities: dict[str, float]) -> None:
    shots = sum(found.values())
    assert set(found) <= {bits for bits, probability in probabilities.items() if probability > 0}
    likely = {bits: probability for bits, probability in probabilities.items() if probability > 0}
    if len(likely) > 1:
        observed = [found.get(bits, 0) for bits in likely]
        expected = np.array(list(likely.values()))
        assert chisquare(observed, expected / expected.sum() * shots).pvalue > 1e-4


def test_teleportation() -> None:
    given = document(HEAD + TELEPORT, 8_000)
    assert given["measuredQubits"] == [0, 1, 2]
    one = math.sin(0.55) ** 2
    assert_likely(
        counts(given),
        {f"{a}{b}{c}": 0.25 * (one if c else 1 - one) for a in (0, 1) for b in (0, 1) for c in (0, 1)},
    )


@pytest.mark.parametrize(
    ("body", "probabilities"),
    [
        ("x q[0]; reset q[0]; c[0] = measure q[0];", {"0": 1}),
        ("h q[0]; c[0] = measure q[0]; reset q[0]; c[1] = measure q[0];", {"00": 0.5, "10": 0.5}),
        ("h q[0]; c[0] = measure q[0]; h q[0]; c[1] = measure q[0];", dict.fromkeys(("00", "01", "10", "11"), 0.25)),
        ("h q[0]; c[0] = measure q[0]; x q[0]; c[1] = measure q[0];", {"01": 0.5, "10": 0.5}),
        ("h q[0]; c[0] = measure q[0]; cnot q[0], q[1]; c[1] = measure q[1];", {"00": 0.5, "11": 0.5}),
        ("h q[0]; c[2] = measure q[0]; if (c[2]) x q[1]; c[0] = measure q[1];", {"00": 0.5, "11": 0.5}),
        # The outcome goes through a subroutine, a second bit, and arithmetic.
        (
            "def look(qubit a) -> bit { return measure a; }\nh q[0]; bit d; d = look(q[0]); c[0] = d;\n"
            "if (d ^ 1 == 1) { x q[1]; } c[1] = measure q[1];",
            {"010": 0.5, "101": 0.5},
        ),
        ("h q; c = measure q; int k = int(c); if (k == 5) { reset q; } else { reset q[0]; }", None),
        # Repeat until success.
        ("bit f = 1; while (f) { reset q[0]; h q[0]; f = measure q[0]; } c[0] = measure q[1];", {"00": 1}),
        (
            "h q[0]; c[0] = measure q[0]; switch (int(c[0])) { case 1 { x q[2]; } default { } } c[1] = measure q[2];",
            None,
        ),
        # A reset in the middle of an entangled pair leaves the other half mixed.
        ("h q[0]; cnot q[0], q[1]; reset q[0]; c[0] = measure q[0]; c[1] = measure q[1];", {"00": 0.5, "01": 0.5}),
        # Whichever outcome fewer shots have, of one reset and of the next.
        ("ry(1.2) q[0]; reset q[0]; c[0] = measure q[0];", {"0": 1}),
        ("ry(1.9) q[0]; reset q[0]; c[0] = measure q[0];", {"0": 1}),
        ("ry(1.2) q; reset q; ry(1.2) q; reset q; c = measure q;", {"000": 1}),
        # The same measurement in two bits.
        ("bit d; h q[0]; d = measure q[0]; c[1] = d; reset q[0];", {"00": 0.5, "11": 0.5}),
    ],
)
def test_what_is_measured(body: str, probabilities: dict[str, float] | None) -> None:
    given = document(HEAD + body, 4_000)
    GateModelTaskResult.parse_obj(given)
    found = counts(given)
    if probabilities is None:
        assert sum(found.values()) == 4_000
        if "switch" in body:
            assert set(found) == {"00", "11"}
    else:
        # Bits that no course measured are no columns, whatever they were set to.
        assert_likely(found, probabilities)


def test_columns_are_the_bits_that_some_course_measured() -> None:
    given = document(HEAD + "h q[0]; c[0] = measure q[0]; if (c[0]) { x q[2]; c[2] = measure q[2]; }", 100)
    assert given["measuredQubits"] == [0, 2]
    assert set(counts(given)) == {"00", "11"}


def test_qubits_that_only_some_courses_use() -> None:
    """The survey with coins may miss them; the run begins again with them."""
    body = "".join(f"rx(0.3) q[{i}]; c[{i}] = measure q[{i}];" for i in range(3))
    source = f"{HEAD}{body} qubit[2] r; bit d; if (c == 7) {{ x r[1]; }} d = measure r[0];"
    given = document(source, 50)
    assert given["measuredQubits"] == [0, 1, 2, 3]
    always = "qubit[4] q; bit[4] c; for int i in [0:2] { x q[i]; c[i] = measure q[i]; } if (c[0:2] == 7) x q[3];"
    assert counts(document(always + "c[3] = measure q[3];", 50)) == {"1111": 50}


def test_noise_between_measurements() -> None:
    body = (
        "x q[0];\n#pragma braket noise bit_flip(0.25) q[0]\nc[0] = measure q[0]; if (c[0]) x q[1]; c[1] = measure q[1];"
    )
    assert_likely(counts(document(HEAD + body, 4_000)), {"00": 0.25, "11": 0.75})


def test_noise_on_many_qubits_follows_each_shot_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branching, "MOST_MIXED_QUBITS", 0)
    body = "x q[0];\n#pragma braket noise bit_flip(0.25) q[0]\nc[0] = measure q[0]; reset q[0]; c[1] = measure q[0];"
    assert_likely(counts(document(HEAD + body, 1_000)), {"00": 0.25, "10": 0.75})


def test_courses_that_are_not_kept_are_evolved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    body = "for int i in [0:2] { h q[0]; c[i] = measure q[0]; reset q[0]; ry(0.5) q[0]; if (c[i]) x q[0]; }"
    kept = counts(document(HEAD + body, 2_000))
    monkeypatch.setattr(branching, "WAITING_BYTES", 0)
    assert counts(document(HEAD + body, 2_000)) == kept


def test_resets_with_exact_results() -> None:
    pair = "OPENQASM 3.0;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\nreset q[0];\n"
    (given,) = document(pair + "#pragma braket result probability\n", 0)["resultTypes"]
    assert given["value"] == pytest.approx([0.5, 0.5, 0, 0])
    (given,) = document("qubit q; reset q; h q;\n#pragma braket result state_vector\n", 0)["resultTypes"]
    assert np.array(given["value"])[:, 0] == pytest.approx([math.sqrt(0.5)] * 2)
    (given,) = document(pair + "#pragma braket result expectation z(q[0])\n", 500)["resultTypes"]
    assert given["value"] == 1


def test_output_variables() -> None:
    source = "output bit[2] r; output int[8] k; output float f; qubit[2] q; h q[0]; cnot q[0], q[1]; r = measure q;"
    given = document(source + "k = 3;", 200)
    assert {tuple(shot["r"]) for shot in given["outputs"]} == {(0, 0), (1, 1)}
    assert all(shot["k"] == 3 and shot["f"] is None for shot in given["outputs"])
    rows = ["".join(map(str, shot["r"])) for shot in given["outputs"]]
    assert rows == ["".join(map(str, row)) for row in given["measurements"]]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("c[0] = measure q[0]; h q[0];", "that nothing reads (line 4, column 22)"),
        ("h q[0]; c[0] = measure q[0]; c[1] = measure q[0];", "measured twice"),
        ("h q[0]; c[0] = measure q[0]; x q[0]; reset q[0];\n#pragma braket result probability q\n", "not both"),
        ("int[40] k; while (true) { reset q[0]; h q[0]; c[0] = measure q[0]; }", "more than 300000 statements"),
    ],
)
def test_mistakes_are_found_before_the_task_is_taken(body: str, wanted: str) -> None:
    with pytest.raises(ProgramError) as refusal:
        prepare(openqasm(HEAD + body), WIDE, 100)
    assert wanted in str(refusal.value)


def test_exact_values_of_what_depends_on_outcomes_are_refused() -> None:
    for body in ("if (c[0]) x q[1];", "h q[0]; c[1] = measure q[0];"):
        with pytest.raises(ProgramError, match="needs shots"):
            prepare(openqasm(HEAD + "c[0] = measure q[0];" + body), WIDE, 0)


def test_a_wrong_turn_that_real_outcomes_never_take_is_no_mistake() -> None:
    body = "c[0] = measure q[0]; array[int, 2] a = {1, 2}; int k = a[5 * int(c[0])]; c[1] = measure q[1];"
    assert counts(document(HEAD + body, 10)) == {"00": 10}


@pytest.mark.parametrize(
    ("bound", "value", "body", "wanted"),
    [
        ("MOST_COURSES", 10, "for int i in [0:9] { h q[0]; c[0] = measure q[0]; }", "more than 10 courses"),
        (
            "MOST_DECISIONS",
            5,
            "for int i in [0:9] { h q[0]; c[0] = measure q[0]; }",
            r"more than 5 measurements \(line 4, column",
        ),
        (
            "MOST_STEPS_OF_ALL_COURSES",
            500,
            "for int i in [0:9] { h q[0]; c[0] = measure q[0]; }",
            "more than 500 statements together",
        ),
    ],
)
def test_bounds(monkeypatch: pytest.MonkeyPatch, bound: str, value: int, body: str, wanted: str) -> None:
    monkeypatch.setattr(branching, bound, value)
    with pytest.raises(ProgramError, match=wanted):
        outcome(openqasm(HEAD + body), 1_000)


@pytest.mark.parametrize(
    ("bound", "source", "wanted"),
    [
        ("MOST_BITS", HEAD + "c = measure q; reset q;", "more than 100 measured bits"),
        ("MOST_OUTPUTS", "output bit[40] b; qubit q; h q; b[0] = measure q;", "hold more than 100 values"),
    ],
)
def test_bounds_of_what_is_kept(monkeypatch: pytest.MonkeyPatch, bound: str, source: str, wanted: str) -> None:
    monkeypatch.setattr(courses, bound, 100)
    with pytest.raises(ProgramError, match=wanted):
        outcome(openqasm(source), 1_000)


ONE_QUBIT = ("x", "y", "z", "s", "h", "rx(0.7)", "ry(1.9)", "v", "prx(0.4, 1.1)")


def test_measuring_late_gives_the_same() -> None:
    """Outcomes that steer gates, against controlled gates on qubits that are measured at the end."""
    random = np.random.default_rng(20_261_122)
    for _ in range(25):
        early, late = ["qubit[3] q; bit[5] c;"], ["qubit[3] q; qubit[3] m; bit[5] c;"]
        for turn in range(3):
            for _ in range(4):
                gate = f"{random.choice(ONE_QUBIT)} q[{random.integers(3)}];"
                pair = f"cnot q[{random.integers(2)}], q[2];"
                early += [gate, pair]
                late += [gate, pair]
            steered = f"{random.choice(ONE_QUBIT)} "
            target = f"q[{1 + random.integers(2)}];"
            # A fresh qubit takes the place of the one that is measured and reset.
            early += [f"c[{turn}] = measure q[0];", f"if (c[{turn}]) {steered}{target}", "reset q[0];"]
            late += [f"ctrl @ {steered}q[0], {target}", f"swap q[0], m[{turn}];"]
        early.append("c[3] = measure q[1]; c[4] = measure q[2];")
        late.append("\n#pragma braket result probability m[0], m[1], m[2], q[1], q[2]\n")
        (exact,) = document("\n".join(late), 0)["resultTypes"]
        found = counts(document("\n".join(early), 2_000))
        wanted = {format(state, "05b"): value for state, value in enumerate(exact["value"]) if value > 1e-9}
        assert_likely(found, wanted)


def test_a_loop_that_never_ends_is_ended() -> None:
    source = HEAD + "bit f; while (f == 0) { reset q[0]; f = measure q[0]; }"
    with pytest.raises(ProgramError, match=r"more than 10000 measurements \(line 4, column"):
        outcome(openqasm(source.replace("bit f;", "bit f = 0;")), 10)


def test_devices_without_it_refuse_it() -> None:
    plain = replace(EVERYTHING, dynamic=False)
    for body, wanted in (
        ("reset q[0];", "reset is not supported"),
        ("h q[0]; c[0] = measure q[0]; h q[0];", "mid-circuit measurement"),
        ("c[0] = measure q[0]; if (c[0]) h q[1];", "outcome of a measurement"),
        ("output int k;", "Output variables"),
    ):
        with pytest.raises(ProgramError, match=wanted):
            prepare(openqasm(HEAD + body), plain, 10)
