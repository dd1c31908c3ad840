"""Programs that differ in numbers and inputs only are bound without being read, with the same outcome."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.programs import compile_program, compiling
from braketeer.quantum.programs.skeletons import Skeletons
from tests.unit.programs_help import LIMITS

HEAD = "OPENQASM 3.0;\ninput float x;\ninput int n;\nint k = 2;\nqubit[4] q;\ngate own(t) a { rx(t) a; rz(t / 2) a; }\n"
ANGLES = st.sampled_from(
    ["#", "#", "#", "-#", "x", "x/3 + 1/3", "2*x + 0.1", "x*n", "n/2", "k*0.5", "x*k", "sin(x)", "-x/7", "pi/2", "#/2"]
)
STATEMENTS = st.one_of(
    st.builds("{}({}) q[{}];".format, st.sampled_from(["rx", "rz", "phaseshift", "own"]), ANGLES, st.integers(0, 3)),
    st.builds("{}({}) q[0], q[{}];".format, st.sampled_from(["zz", "xy"]), ANGLES, st.integers(1, 3)),
    st.builds("U({}, {}, {}) q[{}];".format, ANGLES, ANGLES, ANGLES, st.integers(0, 3)),
    st.sampled_from(
        [
            "h q;",
            "if (#) { x q[0]; }",
            "if (x > 0.5) { y q[1]; }",
            "// rx(0.5) q[0];\n",
            "for int i in [0:2] { rx(#) q[i]; }",
            "rx(#) q;",
            "ctrl @ rx(#) q[0], q[1];",
            "#pragma braket verbatim\nbox {\nrx(#) q[1];\nrz(x) q[2];\n}\n",
            "box { let a = q[1:2]; rx(#) a[0]; }",
            "{ float y = #; rx(y) q[0]; }",
            "k = 3;",
            "bit b = measure q[3];",
            "gate rz(t) a { rx(t) a; }",
            "def sin(float t) -> float { return t; }",
        ]
    ),
)
NUMBERS = st.sampled_from(["0", "1", "0.25", "-1.5", "1e-3", ".5", "2.", "1e999", "1-2", "7"])
INPUTS = st.fixed_dictionaries({"x": st.sampled_from([0.0, 0.3, 0.75, 1, "a", 1e308]), "n": st.integers(-2, 9)})


def outcome(source: str, inputs: dict[str, Any], *, flat: bool) -> str:
    try:
        return repr(compile_program(source, inputs, LIMITS, flat=flat)).replace("-0.0", "0.0")
    except ProgramError as refusal:
        return str(refusal)


@given(st.lists(STATEMENTS, min_size=1, max_size=6), st.data())
@settings(max_examples=250, deadline=None)
def test_binding_again_changes_nothing(statements: list[str], data: st.DataObject) -> None:
    compiling._SKELETONS = Skeletons()
    pieces = (HEAD + "\n".join(statements)).split("#")
    for _ in range(4):
        source = pieces[0]
        for piece in pieces[1:]:
            source += "#" + piece if piece.startswith("pragma") else data.draw(NUMBERS) + piece
        inputs = data.draw(INPUTS)
        assert outcome(source, inputs, flat=True) == outcome(source, inputs, flat=False)


def ansatz(first: float, second: float) -> str:
    return f"input float x;\nqubit[2] q;\nrx({first}) q[0];\nzz({second}) q[0], q[1];\nry(x/3 + 1) q[1];\nh q[0];\n"


def warm(skeletons: Skeletons) -> None:
    for value in (0.1, 0.2):
        compile_program(ansatz(value, value), {"x": value}, LIMITS)
    assert len(skeletons._kept) == 1


def test_a_program_seen_twice_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_SKELETONS", Skeletons())
    warm(compiling._SKELETONS)
    monkeypatch.setattr(compiling, "read_source", None)
    first = compile_program(ansatz(1.5, -2.5), {"x": 3.0}, LIMITS)
    assert [gate.parameters for gate in first.gates] == [(1.5,), (-2.5,), (2.0,), ()]
    second = compile_program(ansatz(1.0, 2.0), {"x": 6.0}, LIMITS)
    assert [gate.parameters for gate in first.gates] == [(1.5,), (-2.5,), (2.0,), ()]
    assert [gate.parameters for gate in second.gates] == [(1.0,), (2.0,), (3.0,), ()]


def test_callers_at_the_same_time_never_mix_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_SKELETONS", Skeletons())
    wrong: list[Any] = []

    def compile_many(caller: int) -> None:
        for turn in range(100):
            value = caller + turn / 128
            found = compile_program(ansatz(value, -value), {"x": 3 * value}, LIMITS)
            if [gate.parameters for gate in found.gates] != [(value,), (-value,), (value + 1,), ()]:
                wrong.append(found)

    callers = [threading.Thread(target=compile_many, args=(caller,)) for caller in range(1, 5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "inputs", "wanted"),
    [
        (ansatz(1.0, 2.0), {}, "The input 'x' has no value (line 1, column 1)"),
        (ansatz(1.0, 2.0), {"x": "no"}, "'x' does not fit"),
        (ansatz(1.0, 2.0).replace("2.0", "1e999"), {"x": 1.0}, "not a finite number (line 4, column 4)"),
        (ansatz(1.0, 2.0).replace("2.0", "1-"), {"x": 1.0}, "Expected a value, found ')' (line 4, column 6)"),
    ],
)
def test_mistakes_are_told_as_when_read_in_full(
    source: str, inputs: dict[str, Any], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "_SKELETONS", Skeletons())
    warm(compiling._SKELETONS)
    assert wanted in outcome(source, inputs, flat=True)
    assert outcome(source, inputs, flat=True) == outcome(source, inputs, flat=False)


def test_only_the_last_skeletons_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_SKELETONS", Skeletons())
    for count in range(1, 200):
        compile_program(f"qubit[1] q;\n{'rx(0.1) q[0];' * count}", {}, LIMITS)
    assert len(compiling._SKELETONS._kept) == 64
