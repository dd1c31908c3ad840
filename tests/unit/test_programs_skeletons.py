"""Programs that differ in numbers and inputs only are bound without being read, with the same outcome."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braketeer.quantum.circuit import Limits, ProgramError
from braketeer.quantum.programs import NeedsWorld, compile_program, compiling, skeletons
from braketeer.quantum.programs.skeletons import Skeletons
from tests.unit.programs_help import LIMITS, WIDE

HEAD = """OPENQASM 3.0;
input float x;
input int n;
input array[float, 2] v;
int k = 2;
qubit[4] q;
gate own(t) a { rx(t) a; rz(t / 2) a; }
gate outer(t, u) a, b { own(t + u) a; ctrl @ own(t) a, b; cnot a, b; }
def first(readonly array[float, 2] of) -> float { return of[0]; }
def turn(qubit a, float t) { rx(t) a; rz(0.25) a; }
"""
ANGLES = st.sampled_from(
    [
        *("#", "#", "#", "-#", "#/2", "# * x", "x", "x/3 + 1/3", "2*x + 0.1", "x*n", "n/2", "1/2", "7/2*3", "(x)"),
        *("k*0.5", "x*k", "sin(x)", "-x/7", "-(x)", "pi/2", "pi*x", "x**2", "2**n", "v[1]", "first(v)", "n", "n % 2"),
        *("x - 1e-3*x", "x/2/2", "x*(1/2)", "mod(n, 2)", "float(n)", "0x1f", "1_0", "+1", "- 2", "x > 0.5", "int(#)"),
    ]
)
GATES = st.sampled_from(["rx", "rz", "phaseshift", "own"])
STATEMENTS = st.one_of(
    st.builds("rx({0}) q[0];\nown({0}) q[1];".format, ANGLES),
    st.builds("own({0}) q[1];\nrx({0}) q[0];\nrz({0}) q[0];".format, ANGLES),
    st.builds("outer({0}, {1}) q[0], q[1];".format, ANGLES, ANGLES),
    st.builds("{0} @ {1}({2}) q[0], q[1];".format, st.sampled_from(["ctrl", "negctrl"]), GATES, ANGLES),
    st.builds("{0} @ {1}({2}) q[0];".format, st.sampled_from(["inv", "pow(2)", "pow(x)", "pow(#)"]), GATES, ANGLES),
    st.builds("turn(q[2], {0});\nrx({0}) q[2];".format, ANGLES),
    st.builds("float y{1} = {0};\nrx(y{1}) q[0];\nrx({0}) q[1];".format, ANGLES, st.integers(0, 9)),
    st.builds("const float c{1} = {0};\nrz(c{1} / 2) q[0];".format, ANGLES, st.integers(0, 9)),
    st.builds("#pragma braket noise bit_flip({0}) q[1]\n".format, st.sampled_from(["x", "0.1", "n", "#", "x/2"])),
    st.builds("rx(#) q[0]; rx({0}) q[0]; rx({0}) q[0];".format, ANGLES),
    st.builds("{}({}) q[{}];".format, GATES, ANGLES, st.integers(0, 3)),
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
            "gate h a { rx(0.5) a; }",
            "bit[n] c;",
            "bit[#] d;",
            "qubit[#] r;",
            "array[float, #] w;\nrx(x) q[0];",
            "for int i in [0:n] { rx(x * i) q[0]; }",
            "for float f in v { rx(f) q[1]; }",
            "for float f in {#, x, 1} { rz(f) q[1]; }",
            "int w = 0;\nwhile (w < n) { w += 1; rx(x) q[3]; }",
            "switch (n) { case 1 { x q[0]; } default { rx(x) q[0]; } }",
            "switch (#) { case 1 { x q[0]; } default { y q[0]; } }",
            "if (n > 1) rx(x) q[0]; else rx(#) q[0];",
            "rx(x) q[n];",
            "let b = q[0:n];",
            "rx(x) q[0];\nif (x > 0.5) { rx(#) q[0]; }",
            "reset q[0];",
            "bit b = measure q[3];\nif (b == #) { rx(x) q[2]; }",
            "output float o;\no = x * #;",
            "// (#) q\nrx(0.5) q[0];",
            "/* rx(0.5) q */ rx(0.5) q[0]; /* (0.5) q */",
            "rx( # ) q[0];\nrx(#)\tq[1];\nrx(#)\nq[1];\nrx(#)/**/q[1];",
            "U(#, #, #) q[0];\nU(#,#,  #) q[1];\nU(#, x, 1/2) q[1];",
            "#pragma braket unitary([[0, 1], [1, 0]]) q[0]\n",
            "#pragma braket noise pauli_channel(0.1, #, 0.1) q[0]\n",
            "#pragma braket result probability q[0]\n",
            "#pragma braket result expectation x(q[0]) @ hermitian([[1, 0], [0, -1]]) q[1]\n",
            "#pragma braket result adjoint_gradient expectation(# * x(q[0])) x\n",
            "gphase(#);",
            "gphase(x);",
            "rx(#, #) q[0];",
            "k = k + n;",
            "k = int(x);",
            "bool truth = bool(x);\nrx(truth) q[0];",
            "end;",
            "box { float x = #; rx(x) q[0]; }",
            "rx($) $0;",
        ]
    ),
)
NUMBERS = st.sampled_from(
    [
        *("0", "1", "0.25", "-1.5", "1e-3", ".5", "2.", "1e999", "1-2", "7"),
        *("1.0", "-0", "1E+2", "01", "1e", "3e2", "--1"),
        *("0." + "0" * 1000 + "1", "1" * 400, "123456789012345678901", "0.1e-320", "."),
    ]
)
INPUTS = st.fixed_dictionaries(
    {
        "x": st.sampled_from([0.0, -0.3, 0.3, 0.75, 1, 2, "a", 1e308, True]),
        "n": st.sampled_from([-2, 0, 1, 1.0, 2, 3, 2.5, 9]),
        "v": st.sampled_from([[0.5, 0.25], [1, 2], [1.5, -2.0]]),
    }
)


def outcome(source: str, inputs: dict[str, Any], *, flat: bool, limits: Limits = LIMITS, exact: bool = True) -> str:
    try:
        return repr(compile_program(source, inputs, limits, flat=flat, exact=exact)).replace("-0.0", "0.0")
    except ProgramError as refusal:
        return str(refusal)
    except NeedsWorld:
        return "no flat circuit"


@given(st.lists(STATEMENTS, min_size=1, max_size=6), st.data())
@settings(max_examples=400, deadline=None)
def test_binding_again_changes_nothing(statements: list[str], data: st.DataObject) -> None:
    compiling._SKELETONS = Skeletons()
    pieces = (HEAD + "\n".join(statements)).split("#")
    limits, exact = data.draw(st.sampled_from([(LIMITS, True), (WIDE, True), (WIDE, False)]))
    for _ in range(4):
        source = pieces[0]
        for piece in pieces[1:]:
            source += "#" + piece if piece.startswith("pragma") else number(data) + piece
        inputs = data.draw(INPUTS)
        full = outcome(source, inputs, flat=False, limits=limits, exact=exact)
        assert outcome(source, inputs, flat=True, limits=limits, exact=exact) == full


def number(data: st.DataObject) -> str:
    """Most often one that nothing is wrong with, so that most programs are bound again."""
    return data.draw(NUMBERS) if data.draw(st.integers(0, 9)) == 9 else repr(data.draw(st.floats(-7, 7)))


@pytest.mark.parametrize(
    ("body", "angles"),
    [
        ("rx(x) q[0];\nown(x) q[1];", ["x", "x"]),
        ("own(x) q[1];\nrx(x) q[0];", ["x", "x"]),
        ("U(x, 1/2, 3/2*1.0) q[0];", ["x", 0, 1.0]),
        ("rx(first(v)) q[0];\nrx(x) q[0];", ["v", "x"]),
        ("float y = first(v);\nrx(y) q[0];\nrx(x) q[0];", ["v", "x"]),
    ],
)
def test_inputs_reach_everything_that_reads_them(body: str, angles: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_SKELETONS", Skeletons())
    head = "input float x;\ninput array[float, 2] v;\nqubit[2] q;\ngate own(t) a { rx(t) a; }\n"
    head += "def first(readonly array[float, 2] of) -> float { return of[0]; }\n"
    for turn in range(4):
        inputs = {"x": turn / 8, "v": [turn / 4, 0.0]}
        found = [angle for gate in compile_program(head + body, inputs, LIMITS).gates for angle in gate.parameters]
        wanted = {"x": turn / 8, "v": turn / 4}
        assert found == [wanted.get(angle, angle) for angle in angles]


@pytest.mark.parametrize("text", ["(#)", "(#) q"])
def test_a_text_with_the_mark_of_a_number_is_read_in_full(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_SKELETONS", Skeletons())
    for _ in range(3):
        compile_program(f"qubit[2] q; /* {text} */ rx(0.5) q[0];", {}, LIMITS)
    assert "found '#'" in outcome("qubit[2] q; /* (0.5) q */ rx(#) q[0];", {}, flat=True)


def test_equal_numbers_at_first_may_differ_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_SKELETONS", Skeletons())
    for _ in range(3):
        compile_program("qubit[1] q; rx(0) q[0]; h q[0]; rx(0) q[0];", {}, LIMITS)
    monkeypatch.setattr(compiling, "read_source", None)
    found = compile_program("qubit[1] q; rx(1) q[0]; h q[0]; rx(2) q[0];", {}, LIMITS)
    assert [gate.parameters for gate in found.gates] == [(1.0,), (), (2.0,)]


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


def test_templates_hold_a_bounded_number_of_operations_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_SKELETONS", Skeletons())
    monkeypatch.setattr(skeletons, "_MOST_TOGETHER", 10)
    for count in (3, 4, 5):
        for _ in range(2):
            compile_program(f"qubit[1] q;\n{'rx(0.1) q[0];' * count}", {}, LIMITS)
    assert list(map(skeletons._size, compiling._SKELETONS._kept.values())) == [4, 5]
