"""The classical side of the language: numbers, variables, control flow, inputs, names."""

from __future__ import annotations

import math

import pytest

from braketeer.quantum.circuit import Gate
from tests.unit.programs_help import angle, compiled, gates, refusal

HEAD = "OPENQASM 3.0;\nqubit[3] q;\n"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7/2", 3),
        ("-7/2", -3),
        ("7/-2", -3),
        ("7.0/2", 3.5),
        ("1/3 + 1/3", 0),
        ("pi/4", math.pi / 4),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("mod(7, 3)", 1),
        ("7.5 % 2", 1.5),
        ("2**3**2", 512),
        ("-2**2", -4),
        ("2**-1", 0.5),
        ("pow(2, 10)", 1024),
        ("1 + 2*3 - 4", 3),
        ("(1 + 2)*3", 9),
        ("1 - 2 - 3", -4),
        ("16/2/2", 4),
        ("0x1F + 0b11 + 0o17 + 1_000", 31 + 3 + 15 + 1000),
        (".5 + 5. + 1e1 + 1.5E-1", 15.65),
        ("sin(0.3)*cos(0.3) + tan(0.1)", math.sin(0.3) * math.cos(0.3) + math.tan(0.1)),
        ("arcsin(0.5) + arccos(0.5) + arctan(2)", math.pi / 2 + math.atan(2)),
        ("exp(1) - log(2) + sqrt(2)", math.e - math.log(2) + math.sqrt(2)),
        ("floor(-0.5) + ceiling(0.5) + popcount(7)", 3),
        ("π + τ + ℇ - pi - tau - euler", 0),
        ("(3 > 2) + (2 >= 2) + (1 < 0) + (1 == 1.0) + (1 != 1)", 3),
        ("(1 && 0) + (1 || 0) + !0", 2),
        ("(6 & 3) + (6 | 3) + (6 ^ 3) + (1 << 4) + (256 >> 4) + ~5", 2 + 7 + 5 + 16 + 16 - 6),
        ("false && 1/0", 0),
        ("true || 1/0", 1),
        ("--1", 1),
        ("int(2.9) + int[8](-2.9) + float(3)/2", 1.5),
        ("int[8](200)", -56),
        ("uint[8](300)", 44),
        ("uint[8](-1)", 255),
        ("bool(0.1) + bit(3)", 2),
        ("angle(7)", 7 - math.tau),
    ],
)
def test_expressions(expression: str, value: float) -> None:
    assert angle(expression) == pytest.approx(value)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("th/3 + 1/3", 0.4 / 3 + 1 / 3),
        ("sin(th + 1/2)", math.sin(0.9)),
        ("(1/2)*th", 0.2),
        ("k/2", 1.5),
        ("1/2 + c", 0.25),
        ("d", 0.5),
        ("pi*th**2/(1 + 1/4)", math.pi * 0.16 / 1.25),
    ],
)
def test_division_is_real_where_the_expression_contains_an_input(expression: str, value: float) -> None:
    before = "input float th; input int k; const float c = 0.25; float d = th + 1/10;"
    assert angle(expression, before, {"th": 0.4, "k": 3}) == pytest.approx(value)


def test_a_parameter_of_the_same_name_is_no_input() -> None:
    before = "input float th; gate g(th) a { rx(th + 1/2) a; }"
    assert gates(before + "g(0.25) q[0];", {"th": 9})[0].parameters == (0.25,)


def test_indexes_and_counts_divide_as_whole_numbers() -> None:
    assert gates("input int n; for int i in [0:n/2] { h q[i]; }", {"n": 5})[-1] == Gate("h", (2,))
    assert gates("input int n; h q[n/2];", {"n": 5}) == [Gate("h", (2,))]


def test_long_sums_need_no_deep_stack() -> None:
    assert angle("+".join(["1"] * 50_000)) == 50_000


@pytest.mark.parametrize(
    ("statements", "value"),
    [
        ("int k = 7; k += 2; k *= 3; k -= 1; k /= 4;", 6),
        ("int k = 7; k %= 4; k <<= 3; k |= 1; k ^= 3; k &= 30; k >>= 1; k **= 2;", 169),
        ("uint[8] k = 300;", 44),
        ("int[4] k = 12;", -4),
        ("uint[4] k = 15; k += 1;", 0),
        ("int k = 3.7;", 3),
        ("int k = -3.7;", -3),
        ("float k = 1/2;", 0),
        ("float[32] k = 0.1;", 0.1),
        ("bool k = 3;", 1),
        ("bit k = 1;", 1),
        ('bit[4] b = "0110"; int k = b;', 6),
        ('bit[4] b = "0110"; int k = b[1] + b[-1];', 1),
        ('bit[4] b = "0110"; b[0] = 1; b[3] |= true; int k = ~b + popcount(b);', 4),
        ("bit[4] b = 5; int k = b[1] * 10 + b[3];", 11),
        ("array[int, 2, 2] a = {{1, 2}, {3, 4}}; a[1, 0] = 9; a[0][1] += 5; int k = a[1][0] + a[0, 1];", 16),
        ("array[float, 2] a = {1, 2}; array[float, 2] c = a; c[0] = 5; float k = a[0] + sizeof(c);", 3),
        ("const int a = 2; const int k = a ** 3;", 8),
        ("int k = 1; { int k = 2; k = 3; }", 1),
        ("int k = 1; { k = 2; }", 2),
        ("int k = 0; if (k == 0) k = 5; else k = 6;", 5),
        ("int k = 0; if (k) { k = 5; } else if (k == 0) { k = 7; } else k = 6;", 7),
        ("int k = 0; while (k < 5) k += 2;", 6),
        ("int k = 0; while (true) { k += 1; if (k == 3) continue; if (k > 5) break; }", 6),
        ("int k = 0; for int i in [0:3] k += i;", 6),
        ("int k = 0; for int i in [6:-2:1] k = 10*k + i;", 642),
        ("int k = 0; for uint i in {3, 1, 2} k = 10*k + i;", 312),
        ("int k = 0; for int i in [3:1] k += 1;", 0),
        ("array[int, 3] a = {4, 5, 6}; int k = 0; for int i in a { k = 10*k + i; }", 456),
        ('int k = 0; bit[3] b = "101"; for int i in b { k = 10*k + i; }', 101),
        ("float k = 0; for float f in {0.5, 1.5} k += f;", 2),
        ("int k = 3; switch (k) { case 1, 2 { k = 10; } case 3 { k = 20; } default { k = 30; } }", 20),
        ("int k = 4; switch (k) { case 1, 2 { k = 10; } default { k = 30; } }", 30),
        ("def f(int a, float b) -> float { return a * b; } float k = f(2, 1.5) + f(1, 1);", 4),
        ("def f(int n) -> int { if (n <= 1) { return 1; } return n * f(n - 1); } int k = f(5);", 120),
        ("int k = 1; /* a block\ncomment */ k += 1; // k += 1;", 2),
        ("@note anything ( at all\nint k = 1;", 1),
    ],
)
def test_statements(statements: str, value: float) -> None:
    assert angle("k", statements) == pytest.approx(value)


@pytest.mark.parametrize(
    ("statements", "value"),
    [
        ("array[int, 3] a; a[1] = 4; k = a[1] + a[0];", 4),
        ("def f(mutable array[int, 2] a) { a[0] = 7; } array[int, 2] b = {1, 2}; f(b); k = b[0];", 7),
        ("def f(readonly array[int, #dim=2] a) -> int { return sizeof(a, 1); } array[int, 2, 5] b; k = f(b);", 5),
        ("array[int, 2, 2] a = {{1, 2}, {3, 4}}; array[int, 2] c = a[0:1][1]; k = c[1] + a[1, 0];", 7),
        ("array[int, 2, 2] a = {{1, 2}, {3, 4}}; a[0:1][0] = a[1]; k = a[0][0] * 10 + a[1][0];", 34),
        ("array[int, 2, 2] a = {{1, 2}, {3, 4}}; a[0] = a[1]; a[1][0] = 9; k = a[0][0];", 3),
        ("int[8] n = 5; k = n[0] + 2 * n[1] + 4 * n[2];", 5),
        ("uint[4] n = 0; n[3] = 1; k = n;", 8),
        ("int[4] n = 5; bit[2] b = n[{0, 1}]; k = int(b);", 2),
        ('bit[4] b = "0000"; b[1:2] = "11"; k = int(b);', 6),
        ('bit[4] b = "0110"; b[0] |= 1; k = int(b);', 14),
        ("switch (2) { case 1, 2 { k = 5; } default { k = 6; } }", 5),
        ('bit[2] b = "10"; switch (b) { case 2 { k = 5; } }', 5),
        ("k = sizeof(aa) ; end;", 2),
    ],
)
def test_arrays_and_bits(statements: str, value: int) -> None:
    before = "int[32] k = 0; array[int, 2] aa = {1, 2};" + statements.replace("end;", "")
    assert angle("k", before=before) == value


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("def f(readonly array[int, 2] a) { a[0] = 1; } array[int, 2] b; f(b);", "'a' cannot be assigned to"),
        ("def f(mutable array[int, 2] a) { } array[int, 3] b; f(b);", "does not fit the argument 'a'"),
        ("def f(mutable array[int, 2] a) { } array[float, 2] b; f(b);", "does not fit the argument 'a'"),
        ("def f(mutable array[int, #dim=2] a) { } array[int, 3] b; f(b);", "does not fit the argument 'a'"),
        ("def f(mutable array[int, 2] a) { } const array[int, 2] b = {1, 2}; f(b);", "'b' cannot be changed"),
        ("def f(mutable array[int, 2] a) { } f(1);", "is an array with values, by name"),
        ("def f(mutable int a) { }", "Expected 'array'"),
        ("array[int, 2] a; array[int, 1] b = {1}; a[0:1] = b;", "Expected 2 elements"),
        ("array[int, 2] a; a[0][0] = 1;", "cannot be indexed so"),
        ("int n = 3; bit b = n[0];", "numbers of a declared width"),
        ("int[4] n = 3; n[0:1] = 1;", "Only single bits"),
        ("int[4] n = 3; n[4] = 1;", "out of range"),
        ("switch (1.5) { case 1 { } }", "A switch is on a whole number"),
        ("int k = 1 + measure q[0];", "A measurement is assigned or returned as it stands"),
    ],
)
def test_mistakes_with_arrays_and_bits(body: str, wanted: str) -> None:
    message = refusal(HEAD + body)
    assert wanted in message
    assert "(line 3, column" in message


def test_subroutines_act_on_qubits() -> None:
    body = """
    def f(qubit a, qubit[2] r, angle t) { rx(t) a; cnot r[0], r[1]; for int i in [0:1] { h r[i]; } }
    f(q[1], q[{0, 2}], 0.5);
    let al = q[1:2];
    f(al[0], al, 1);""".replace("f(al[0], al, 1);", "f(q[0], al, 1);")
    assert gates(body) == [
        Gate("rx", (1,), (0.5,)),
        Gate("cnot", (0, 2)),
        *(Gate("h", (0,)), Gate("h", (2,))),
        Gate("rx", (0,), (1.0,)),
        Gate("cnot", (1, 2)),
        *(Gate("h", (1,)), Gate("h", (2,))),
    ]
    assert compiled("def f(qubit a) { h a; } f($4);").labels == (4,)


@pytest.mark.parametrize(
    ("place", "labels"),
    [
        ("q[0:2]", (0, 1, 2)),
        ("q[0:2:5]", (0, 2, 4)),
        ("q[4:-2:0]", (4, 2, 0)),
        ("q[:1]", (0, 1)),
        ("q[3:]", (3, 4, 5)),
        ("q[-2:-1]", (4, 5)),
        ("q[{5, 0}]", (5, 0)),
        ("q[1:4][1]", (2,)),
        ("a", (1, 2, 3)),
        ("a[0]", (1,)),
        ("both", (1, 2, 3, 5)),
        ("both[-1]", (5,)),
        ("r", (6, 7)),
        ("one", (8,)),
    ],
)
def test_qubits_by_index_range_set_and_alias(place: str, labels: tuple[int, ...]) -> None:
    head = "OPENQASM 3; qubit[6] q; qubit[2] r; qubit one; let a = q[1:3]; let both = a ++ q[5];"
    circuit = compiled(f"{head} h {place};")
    assert [circuit.labels[gate.targets[0]] for gate in circuit.gates] == list(labels)


def test_the_end_is_the_end_wherever_it_stands() -> None:
    for body in ("end;", "if (true) { end; }", "def f() { for int i in [0:3] { end; } } f();", "{ { end; } }"):
        assert gates(f"x q[0]; {body} h q[0];") == [Gate("x", (0,))]


def test_only_used_qubits_count() -> None:
    circuit = compiled("OPENQASM 3; qubit[6] q; qubit[2] r; h q[4]; cnot r[1], q[1]; barrier q;")
    assert circuit.labels == (1, 4, 7)
    assert circuit.gates == [Gate("h", (1,)), Gate("cnot", (2, 0))]
    circuit = compiled("OPENQASM 3; h $7;\n#pragma braket result probability $3\n")
    assert circuit.labels == (3, 7)
    assert compiled("qubit[2] q; bit[2] b; b = measure q;").labels == (0, 1)


def test_old_registers_and_versions() -> None:
    assert compiled("OPENQASM 3.0; qreg q[2]; creg c[2]; h q[0]; measure q -> c;").measured == (0, 1)
    assert compiled("qubit q; h q;").gates == [Gate("h", (0,))]
    for version in ("2.0", "4", "3.7", "x"):
        assert "line 1" in refusal(f"OPENQASM {version}; qubit q; h q;")


def test_verbatim_boxes_are_unwrapped() -> None:
    circuit = compiled(
        "bit[2] b;\n#pragma braket verbatim\nbox{\nh $0;\ncnot $0, $5;\n}\nb[0] = measure $0;\nb[1] = measure $5;"
    )
    assert circuit.labels == (0, 5)
    assert circuit.gates == [Gate("h", (0,)), Gate("cnot", (0, 1))]
    assert circuit.measured == (0, 1)
    assert "a box after the verbatim pragma" in refusal("#pragma braket verbatim\nh $0;")


def test_measurements_in_the_order_of_their_bits() -> None:
    head = "OPENQASM 3; qubit[3] q; bit[3] b; bit c; "
    assert compiled(head + "b[0] = measure q[2]; b[2] = measure q[0]; b[1] = measure q[1];").measured == (2, 1, 0)
    assert compiled(head + "c = measure q[0]; b[0:1] = measure q[1:2];").measured == (1, 2, 0)
    assert compiled(head + "measure q[2]; measure q[0] -> b[1]; measure q[1];").measured == (0, 2, 1)
    assert compiled("qubit[2] q; bit[2] b = measure q;").measured == (0, 1)
    assert compiled(head + "h q[0];").measured is None


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("b[0] = measure q[0]; h q[0];", "mid-circuit measurement"),
        ("h q[0]; b[0] = measure q[0]; h q[0];", "mid-circuit measurement"),
        ("measure q[0]; cnot q[1], q[0];", "mid-circuit measurement"),
        ("measure q[0]; measure q[0];", "is measured twice"),
        ("b[0] = measure q[0]; if (b[0]) { x q[1]; }", "outcome of a measurement"),
        ("b[0] = measure q[0]; if (b == 1) { x q[1]; }", "outcome of a measurement"),
        ("b = measure q[0];", "1 qubits are measured into 3 bits"),
        ("b[3] = measure q[0];", "out of range"),
        ("int k; k = measure q[0];", "holds no bits"),
        ("z9 = measure q[0];", "not a variable"),
        ("reset q[0];", "reset is not supported on arn:aws:braket"),
        ("delay[10ns] q[0];", "delay is not supported"),
        ("output float f;", "Output variables are not supported on arn:aws:braket"),
        ("complex[float] z;", "Complex variables are not supported"),
        ("duration d;", "Durations are not supported"),
        ("extern f(int) -> int;", "extern is not supported"),
        ("defcal h q { }", "(defcal) are not supported"),
        ("box[10ns] { h q[0]; }", "duration are not supported"),
        ("def f(array[int, 2] a) { }", "An array argument is readonly or mutable"),
        ("#pragma braket noise bit_flip(0.1) q[0]\n", "noise bit_flip is not supported on arn:aws:braket"),
    ],
)
def test_what_is_not_supported_is_said_by_name(body: str, wanted: str) -> None:
    message = refusal(f"{HEAD}bit[3] b;\n{body}")
    assert wanted in message
    assert "(line 4, column" in message


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("h r[0];", "'r' is not declared (line 3, column 3)"),
        ("h q[0]; h q[1]; x q[3];", "The index 3 is out of range: there are 3 (line 3, column 19)"),
        ("h q[-4];", "out of range"),
        ("h q[1:3];", "out of range"),
        ("h q[0.5];", "Expected a whole number"),
        ("h q[0, 1];", "have one index"),
        ("h q[0][0];", "is a single qubit"),
        ("h q[0:0:2];", "step of a range is 0"),
        ("int k = 1; h k;", "'k' is not a qubit"),
        ("rx(k) q[0];", "'k' is not declared (line 3, column 4)"),
        ("rx(q) q[0];", "'q' is not a value"),
        ("int k; rx(k) q[0];", "'k' has no value yet"),
        ("int k = 1; int k = 2;", "'k' is declared twice"),
        ("qubit q;", "'q' is declared twice (line 3, column 1)"),
        ("const int k = 1; k = 2;", "cannot be assigned to"),
        ("q = 1;", "'q' is not a variable"),
        ("for int i in [0:2] { i = q; }", "'q' is not a value"),
        ("int k = foo(1);", "Unknown function 'foo'"),
        ("int k = sin(1, 2);", "sin takes 1 argument, not 2"),
        ("def f(int a) { } f();", "'f' takes 1 arguments, not 0"),
        ("def f(qubit[2] a) { } f(q);", "is 2 qubits, not 3"),
        ("def f(qubit a, qubit b) { } f(q[0], q[0]);", "twice"),
        ("def f() -> int { } int k = f();", "without the value it promises"),
        ("def f() { } int k = f();", "returns no value"),
        ("int g = 1; def f() -> int { return g; } int k = f();", "'g' is not declared"),
        ("return 1;", "'return' outside of a subroutine"),
        ("break;", "'break' outside"),
        ("if (true) { qubit r; }", "outside all blocks"),
        ("box { input float x; }", "Inputs are declared outside all blocks"),
        ("def f(qubit a) { input float x; }", "Inputs are declared outside all blocks"),
        ("let a = q ++ q[0];", "twice"),
        ('bit[2] b = "01"; b = "011";', "3 bits do not fit in bit[2]"),
        ('bit[2] b = "02";', "Not a string of bits"),
        ("array[int, 2] a = {1};", "Expected 2 elements"),
        ("array[int, 2] a = {1, 2}; a[2] = 1;", "out of range"),
        ("int[0] k;", "The size of int is 1 to 128, not 0"),
        ("int k = 1; k[0] = 1;", "cannot be indexed so"),
        ("int k = 1 << 1000;", "A shift is by 0 to 128 bits"),
        ("int k = 2 ** 128;", "at most 128 bits"),
        ("int k = 10 ** 10 ** 10;", "at most 128 bits"),
        ("uint k = -1;", "cannot be negative"),
        ("h q[0]", "Expected ';', found the end of the line or program"),
        ("h q[0]; }", "Expected a value, found '}'"),
        ("if (true) { h q[0];", "Expected '}'"),
        ("rx() q[0];", "takes 1 parameters, not 0"),
        ("rx(1,,2) q[0];", "Expected a value"),
        ("h q[0]; ? ;", "Unexpected character '?' (line 3, column 9)"),
        ("rx(1.5.2) q[0];", "Expected"),
        ("rx(1__0) q[0];", "Malformed number"),
        ("rx(12ab) q[0];", "Malformed number"),
        ("rx(1 2) q[0];", "Expected"),
        ("float k = 1; rx(1/k) q[0]; k = 0; rx(1/k) q[0];", "Division by zero (line 3, column 39)"),
        ("rx(2im) q[0];", "Complex numbers are not supported here"),
        ("if;", "Expected '('"),
        ("int if = 1;", "Expected a name, found 'if'"),
        ("1 + 1", "Expected ';'"),
        ("h int[0];", "Expected a qubit, found 'int'"),
        ("$0 q;", "Expected a statement"),
        ("h $0;", "either qubit registers or physical qubits"),
        ("while (true) { }", "runs more than"),
        ("for int i in [0:3;", "Expected"),
        ("for int i in 5 { }", "Expected"),
        ("for int i in pi { }", "Loops run over"),
    ],
)
def test_mistakes_are_answered_with_their_place(body: str, wanted: str) -> None:
    message = refusal(HEAD + body)
    assert wanted in message
    assert "(line 3, column" in message


def test_place_is_counted_in_lines_and_columns_from_one() -> None:
    assert refusal("OPENQASM 3;\r\nqubit q;\r\n  h   r;").endswith("(line 3, column 7)")
    assert refusal("?").endswith("(line 1, column 1)")
    assert refusal("qubit q;\n#pragma braket result expectation w(q)\n").endswith("(line 2, column 35)")


class TestInputs:
    def test_types(self) -> None:
        for kind, value, result in (
            ("float", 0.5, 0.5),
            ("float[64]", 2, 2.0),
            ("int", 3, 3.0),
            ("int[8]", 3.0, 3.0),
            ("uint[16]", 70000, 4464.0),
            ("bool", True, 1.0),
            ("bool", 0, 0.0),
            ("angle", 7.0, 7.0 - math.tau),
            ("bit", 1, 1.0),
        ):
            assert angle("x", f"input {kind} x;", {"x": value, "unknown": "ignored"}) == pytest.approx(result)
        assert angle("x[1]", "input array[float, 2] x;", {"x": [1, 2.5]}) == 2.5
        assert angle("x[0]", "input bit[2] x;", {"x": "10"}) == 1

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            *[("float", value) for value in ("0.5", None, True, [1.0], {}, math.inf, math.nan, 10**400)],
            *[("int", value) for value in (0.5, "1", True, math.nan, 2**200)],
            *[("bool", value) for value in (2, "true", 0.0)],
            *[("bit[2]", value) for value in ("1", "102", 5)],
            *[("array[float, 2]", value) for value in (1.0, [1.0], [1.0, [2.0]])],
        ],
    )
    def test_values_that_do_not_fit(self, kind: str, value: object) -> None:
        assert "The value of the input 'x' does not fit" in refusal(f"{HEAD}input {kind} x;\nh q;", {"x": value})

    def test_a_missing_value(self) -> None:
        message = "The input 'x' has no value (line 1, column 1)"
        assert refusal("input float x; qubit q; h q;") == message
        assert refusal("input float x; qubit q; h q;", {"y": 1}) == message

    def test_the_same_text_binds_again(self) -> None:
        source = "input float x; qubit q; for int i in [1:2] { rx(x*i) q; } ry(x) q;"
        assert [compiled(source, {"x": x}).gates[1].parameters[0] for x in (0.5, 1.5, 0.5)] == [1.0, 3.0, 1.0]
