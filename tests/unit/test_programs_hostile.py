"""Programs that want to exhaust the reader: each is refused with a bound named, none is run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.executables import openqasm_executable
from braketeer.quantum.programs import check_results, compile_program
from tests.unit.programs_help import LIMITS, WIDE

DOUBLING = "gate g0 a { h a; }\n" + "".join(f"gate g{i} a {{ g{i - 1} a; g{i - 1} a; }}\n" for i in range(1, 41))
FAN_OUT = "def f0() { int i = 1; }\n" + "".join(f"def f{i}() {{ {f'f{i - 1}();' * 10} }}\n" for i in range(1, 21))
HEAD = "OPENQASM 3.0;\nqubit[4] q;\n"
NESTED_FOR = "".join(f"for int i{i} in [0:9] {{" for i in range(12)) + "h q[0];" + "}" * 12

HOSTILE = {
    "brackets": ("rx(" + "(" * 100_000 + "1" + ")" * 100_000 + ") q[0];", "nested"),
    "brackets unclosed": ("rx(" + "(" * 100_000, "nested"),
    "minus": ("rx(" + "-" * 100_000 + "1) q[0];", "nested"),
    "not": ("rx(" + "!" * 100_000 + "1) q[0];", "nested"),
    "functions": ("rx(" + "sin(" * 50_000 + "1" + ")" * 50_000 + ") q[0];", "nested"),
    "powers": ("rx(" + "1**" * 50_000 + "1) q[0];", "nested"),
    "ifs": ("if (true) {" * 10_000 + "}" * 10_000, "nested"),
    "ifs without braces": ("if (true) " * 10_000 + "h q[0];", "nested"),
    "blocks": ("{" * 100_000, "nested"),
    "indexes": ("h q" + "[0]" * 100_000 + ";", "nested"),
    "indexes in indexes": ("h q" + "[q" * 100_000 + ";", "nested"),
    "array of arrays": ("array[" * 100_000, "nested"),
    "items": ("array[int, 1] a = " + "{" * 100_000, "nested"),
    "casts": ("rx(" + "int(" * 50_000 + "1" + ")" * 50_000 + ") q[0];", "nested"),
    "precedences": ("rx(" + "1||1&&1|1^1&1==1<1<<1+1*(" * 5_000, "nested"),
    "recursion": ("def f() { f(); } f();", "nested"),
    "recursion in values": ("def f(int n) -> int { return 1 + f(n); } int k = f(1);", "nested"),
    "calls in calls": ("def f(int n) -> int { return n; } int k = " + "f(" * 5_000 + "1" + ")" * 5_000 + ";", "nested"),
    "register": ("qubit[4000000000] r;", "1 to 4096 qubits"),
    "register of 2^64": ("qubit[18446744073709551616] r;", "1 to 4096 qubits"),
    "register of nothing": ("qubit[0] r;", "1 to 4096 qubits"),
    "bits": ("bit[4000000000] b;", "size of bit is 1 to 4096"),
    "widths": ("uint[4000000000] k = 1;", "size of uint is 1 to 128"),
    "array": ("array[int, 1000000000] a;", "at least one element"),
    "arrays": (
        "array[int, 1000, 90] a;\n" + "".join(f"array[int, 1000, 90] a{i};\n" for i in range(2000)),
        "100000 elements",
    ),
    "physical": ("h $4000000000;", "at most nine digits"),
    "digits": ("rx(" + "9" * 1_000_000 + ") q[0];", "more than 1000 characters"),
    "index digits": ("h q[" + "9" * 5_000 + "];", "more than 1000 characters"),
    "shift": ("int k = 1 << 4000000000;", "shift"),
    "power": ("int k = 9 ** 9 ** 9;", "128 bits"),
    "power of power": ("pow(1e6) @ pow(1e6) @ x q[0];", "exponents up to"),
    "huge power": ("pow(1e300) @ x q[0];", "exponents up to"),
    "infinite power": ("pow(1e400) @ x q[0];", "finite"),
    "power of own gate": ("gate g a { h a; t a; } pow(1000000000) @ g q[0];", "exponents up to"),
    "powers of own gate": (
        "gate g a { h a; t a; }\n" + "pow(2) @ " * 60 + "g q[0];",
        "more gates than the device takes",
    ),
    "many modifiers": ("inv @ " * 100_000 + "x q[0];", "More than 1000 modifiers"),
    "controls": ("ctrl(4000000000) @ x q[0];", "acts on 4000000001 qubits"),
    "gate doubling": (DOUBLING + "g40 q[0];", "more than 1000000 gates"),
    "gate doubling inverted": (DOUBLING + "inv @ g40 q[0];", "more than 1000000 gates"),
    "nested loops": (NESTED_FOR, "more than 300000 statements"),
    "loop": ("for int i in [0:1000000000] { h q[0]; }", "more than 300000 statements"),
    "loop of 2^60": ("for int i in [0:1152921504606846976] { }", "more than 300000 statements"),
    "empty loops": ("for int i in [0:200000] { for int j in [0:200000] { } }", "more than 300000 statements"),
    "while": ("while (true) { }", "more than 300000 statements"),
    "subroutines": (FAN_OUT + "f20();", "more than 300000 statements"),
    "long range": ("h q[0:4000000000];", "out of range"),
    "whole numbers beyond floats": ("rx(" + "9" * 400 + " * 0.5) q[0];", "finite"),
    "alias of a register again and again": (
        "qubit[4096] r; let a = " + "r ++ " * 100_000 + "r;",
        "at most 4096 qubits (line 3",
    ),
    "ranges": ("qubit[4096] r; " + "barrier r[:]; " * 2_000, "name more than 5000000 qubits"),
    "arguments": (
        "qubit[4096] r; def f(qubit[4096] a) { } for int i in [0:9999] { f(r); }",
        "name more than 5000000 qubits",
    ),
    "noise of JAQCD": (
        f"#pragma braket noise two_qubit_pauli_channel({'0, ' * 14}0.1) q[0], q[1]\n",
        "has no pragma",
    ),
    "aliases": ("let a1 = q ++ q;" + "".join(f"let a{i + 1} = a{i} ++ a{i};" for i in range(1, 60)), "twice"),
    "broadcast": (
        "qubit[4096] r;\n" + "h r;\n" * 900,
        "Used 4096 qubits, which is more than the device qubit count of 29",
    ),
    "division": ("int k = 1/0;", "Division by zero"),
    "remainder": ("int k = 1%0;", "Division by zero"),
    "logarithm": ("rx(log(-1)) q[0];", "not defined"),
    "infinite": ("rx(1e308*10) q[0];", "finite"),
    "overflow": ("float f = 10.0 ** 1000;", "finite"),
    "not a number": ("rx(nan) q[0];", "not declared"),
    "tangled number": ("rx(1e) q[0];", "Malformed number"),
    "nulls": ("h q[0];\0\0", "Unexpected character"),
    "byte order mark": ("\ufeffh q[0];", "Unexpected character"),
    "half a character": ("h q[0]; \ud800", "Unexpected character"),
    "unclosed text": ('include "stdgates.inc', "Unexpected character"),
    "unclosed comment": ("h q[0]; /* " * 10_000, "Expected"),
    "slashes": ("/" * 1_000_000, "uses no qubits"),
    "matrix": (f"#pragma braket unitary([[{'1,' * 5000}1]]) q[0]\n", "at most 8 qubits"),
    "matrix digits": (f"#pragma braket unitary([[{'1' * 5000}]]) q[0]\n", "more than 1000 characters"),
    "array of bits": ("array[bit[4096], 90000] a;", "100000 elements"),
    "array arguments": (
        "def f(readonly array[int, #dim=1] a) { f(a); } array[int, 9] b; f(b);",
        "nested deeper than 120 levels",
    ),
    "dimensions": ("array[int, 1, 1, 1, 1, 1, 1, 1, 1] a;", "one to seven dimensions"),
    "kraus": ("#pragma braket noise kraus(" + "[[1,0],[0,1]]," * 300 + "[[1,0],[0,1]]) q[0]\n", "at most 256"),
    "noise": ("#pragma braket noise bit_flip(" + "(" * 10_000 + ") q[0]\n", "nested"),
    "gradient": (
        "#pragma braket result adjoint_gradient expectation(" + "x(q[0]) + " * 20_000 + "x(q[0])) all\n",
        "more than 10000 terms",
    ),
    "unread": ("while (true) { bit b = measure q[0]; h q[0]; }", "mid-circuit measurement"),
    "switches": ("switch (1) { case 1 {" * 10_000, "nested"),
    "pragma": ("#pragma " + "(" * 100_000, "Unknown pragma"),
    "file": ("/etc/passwd.qasm", "Expected"),
    "names": ("int " + "a" * 1_000_000 + ";", "uses no qubits"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_program_is_refused(name: str) -> None:
    body, wanted = HOSTILE[name]
    for flat in (True, False):
        with pytest.raises(ProgramError) as refusal:
            compile_program(HEAD + body, {}, LIMITS, flat=flat)
        assert wanted in str(refusal.value)
        assert wanted != "nested" or refusal.value.line is not None
        assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("for int i in [0:200000] { reset q; }", "more than 300000 statements"),
        ("while (true) { bit b = measure q[0]; h q[0]; }", "more than 300000 statements (line 3"),
        ("bit b; b = measure q[0]; def f() { f(); } if (b == b) { f(); }", None),
        ("output array[int, 100000] a;", "not an array"),
        ("output bit[5000] b;", "size of bit is 1 to 4096"),
        ("bit[4] b = measure q; array[int, 2] a; a[int(b) + 9] = 1;", None),
        ("bit[4] b; for int i in [0:999] { b[i] = measure q[0]; reset q[0]; }", "out of range"),
    ],
)
def test_hostile_program_on_a_device_that_goes_on_after_measurements(body: str, wanted: str | None) -> None:
    """Where the program has looked at an outcome, only running it tells."""
    if wanted is None:
        found = openqasm_executable(HEAD + body, {}, WIDE, 10)
        with pytest.raises(ProgramError, match=r"\(line 3, column"):
            found.evaluate(10, 1, None)
        return
    with pytest.raises(ProgramError) as refusal:
        openqasm_executable(HEAD + body, {}, WIDE, 10)
    assert wanted in str(refusal.value)


def test_a_text_is_never_a_file(tmp_path: object) -> None:
    for source in ("program.qasm", "/etc/hosts", __file__ + ".qasm", "\n".join(["h $0;"]) + "//.qasm"):
        if source.startswith("h"):
            assert compile_program(source, {}, LIMITS).labels == (0,)
        else:
            with pytest.raises(ProgramError):
                compile_program(source, {}, LIMITS)


def test_a_source_too_long_is_not_read() -> None:
    with pytest.raises(ProgramError, match="more than 4194304 characters"):
        compile_program("h $0;\n" * 2**20, {}, LIMITS)


def test_a_host_with_little_stack_left_is_answered_too() -> None:
    source = HEAD + "rx(" + "(" * 100 + "1" + ")" * 100 + ") q[0];"

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
            return
        with pytest.raises(ProgramError, match=r"nested .*\(line 3, column"):
            compile_program(source, {}, LIMITS, flat=False)

    deep(600)


@pytest.mark.parametrize(
    ("ten", "eleven"),
    [
        ("h q[0];" * 10, "h q[0];" * 11),
        ("h q; h q; cnot q[0:1], q[2:3];", "h q; h q; x q[0:2];"),
        ("for int i in [1:10] { h q[0]; }", "for int i in [1:11] { h q[0]; }"),
        ("gate g a { h a; t a; } pow(5) @ g q[0];", "gate g a { h a; t a; } pow(6) @ g q[0];"),
        ("gate g a { h a; t a; } inv @ g q; inv @ g q[0];", "gate g a { h a; t a; } inv @ g q; g q[0]; x q[0];"),
        ("gate g a { h a; t a; } g q; g q[0];", "gate g a { h a; t a; } g q; x q[0]; g q[1];"),
    ],
)
def test_the_most_gates_are_counted_exactly(ten: str, eleven: str) -> None:
    limits = replace(LIMITS, most_gates=10)
    for flat in (True, False):
        assert len(compile_program(HEAD + ten, {}, limits, flat=flat).gates) == 10
        with pytest.raises(ProgramError, match=r"more (than 10 )?gates"):
            compile_program(HEAD + eleven, {}, limits, flat=flat)


def test_most_qubits_in_the_services_words() -> None:
    source = "OPENQASM 3; qubit[54] q;" + "".join(f"h q[{i}];" for i in range(54))
    with pytest.raises(ProgramError) as refusal:
        check_results(compile_program(source, {}, LIMITS), LIMITS, 10)
    assert str(refusal.value) == "Used 54 qubits, which is more than the device qubit count of 29"
