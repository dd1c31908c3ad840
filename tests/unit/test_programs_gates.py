"""Gates, modifiers, definitions: what a gate call resolves to."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from scipy.linalg import expm

from braketeer.quantum.circuit import Gate
from braketeer.quantum.gates import GATES
from tests.unit.dense import braket_matrix, full_matrix, principal_power, state_of
from tests.unit.programs_help import compiled, gates, refusal

HEAD = "OPENQASM 3.0;\nqubit[3] q;\n"
ANGLES = (0.3, -1.1, 2.2)


def unitary(body: str) -> np.ndarray:
    total = np.eye(8, dtype=complex)
    for gate in gates(body):
        total = full_matrix(gate, 3) @ total
    return total


def same(body: str, other: str) -> bool:
    return np.allclose(unitary(body), unitary(other), atol=1e-9)


@pytest.mark.parametrize("name", sorted(set(GATES) - {"gphase"}))
def test_every_gate_is_taken_with_its_parameters_and_qubits(name: str) -> None:
    signature = GATES[name]
    angles = ANGLES[: signature.parameters]
    written = "U" if name == "u" else name
    qubits = ", ".join(f"q[{2 - i}]" for i in range(signature.qubits))
    (gate,) = gates(f"{written}({', '.join(map(repr, angles))}) {qubits};" if angles else f"{written} {qubits};")
    assert gate == Gate(name, (2, 1, 0)[: signature.qubits], angles)
    assert f"takes {signature.parameters} parameters" in refusal(
        f"{HEAD}{written}({', '.join(['0.1'] * (signature.parameters + 1))}) {qubits};"
    )
    extra = ", ".join(f"r[{i}]" for i in range(signature.qubits + 1))
    call = f"{written}({', '.join(['0.1'] * signature.parameters)})" if angles else written
    assert f"acts on {signature.qubits} qubits" in refusal(f"OPENQASM 3;\nqubit[9] r;\n{call} {extra};")


@pytest.mark.parametrize("name", ["cx", "sx", "p", "u", "u3", "id", "ccx", "rxx", "CNOT", "GPhase", "unitary", "foo"])
def test_other_names_are_no_gates(name: str) -> None:
    assert f"Unknown gate {name!r}" in refusal(f"{HEAD}{name} q[0], q[1];")


def test_a_gate_the_device_does_not_have_is_refused() -> None:
    message = refusal(f"{HEAD}h q[0];\nms(1, 2, 3) q[0], q[1];", operations=frozenset({"h", "U", "GPhase"}))
    assert message == (
        "The gate 'ms' is not supported on arn:aws:braket:::device/quantum-simulator/amazon/sv1 (line 4, column 1)"
    )
    assert len(compiled(f"{HEAD}U(1,2,3) q[0]; gphase(1);", operations=frozenset({"U", "GPhase"})).gates) == 2


@pytest.mark.parametrize("value", ["1/0", "log(0)", "sqrt(-1)", "1e999", "-1e999", "exp(1e6)", "(-8.0)**0.5", "0**-1"])
def test_angles_are_finite_numbers(value: str) -> None:
    assert "line 3, column" in refusal(f"{HEAD}rx({value}) q[0];")


def test_registers_are_broadcast() -> None:
    assert [gate.targets for gate in gates("h q;")] == [(0,), (1,), (2,)]
    circuit = compiled("OPENQASM 3; qubit[2] a; qubit[2] b; qubit c; cnot a, b; cnot c, a; h a[{1, 0}]; x b[-1];")
    assert [gate.targets for gate in circuit.gates] == [(0, 2), (1, 3), (4, 0), (4, 1), (1,), (0,), (3,)]
    assert "different lengths" in refusal("OPENQASM 3; qubit[2] a; qubit[3] b; cnot a, b;")
    assert "different lengths" in refusal("OPENQASM 3; qubit[1] a; qubit[3] b; cnot a, b;")


def test_a_gate_does_not_take_a_qubit_twice() -> None:
    for call in ("cnot q[0], q[0];", "ctrl @ x q[1], q[1];", "cnot q, q;", "swap q[1], q[-2];"):
        assert "twice" in refusal(HEAD + call)
    assert "twice" in refusal("OPENQASM 3; qubit[2] q; let a = q; cnot q[0], a[0];")
    assert "twice" in refusal("OPENQASM 3; cnot $1, $1;")
    assert "twice" in refusal(f"{HEAD}#pragma braket unitary([[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]) q[0], q[0]\n")


def test_controls_come_first_and_in_order() -> None:
    assert gates("ctrl @ negctrl @ x q[2], q[0], q[1];") == [Gate("x", (1,), (), (2, 0), (1, 0))]
    assert gates("negctrl(2) @ rx(0.5) q[2], q[0], q[1];") == [Gate("rx", (1,), (0.5,), (2, 0), (0, 0))]
    assert gates("ctrl @ gphase(0.5) q[2];") == [Gate("gphase", (), (0.5,), (2,), (1,))]
    assert gates("int k = 1; ctrl(k + 1) @ x q[0], q[1], q[2];") == [Gate("x", (2,), (), (0, 1), (1, 1))]
    assert "acts on 3 qubits" in refusal(f"{HEAD}ctrl(2) @ x q[0], q[1];")
    assert "at least one qubit" in refusal(f"{HEAD}ctrl(0) @ x q[0];")
    assert "acts on 1000000001 qubits" in refusal(f"{HEAD}ctrl(1000000000) @ x q[0], q[1];")


def test_powers_and_inverses_are_resolved() -> None:
    assert gates("inv @ s q[0];") == [Gate("s", (0,), power=-1.0)]
    assert gates("pow(0.5) @ x q[0];") == [Gate("x", (0,), power=0.5)]
    assert gates("inv @ pow(2) @ rx(0.4) q[0];") == [Gate("rx", (0,), (0.4,), power=-2.0)]
    assert gates("inv @ ctrl @ pow(0.5) @ rx(0.7) q[2], q[0];") == [Gate("rx", (0,), (0.7,), (2,), (1,), -0.5)]
    assert gates("pow(1/2) @ x q[0];") == [Gate("x", (0,), power=0.5)]
    assert gates("pow(2) @ pow(0.5) @ x q[0];") == [Gate("x", (0,), power=1.0)]


def test_power_of_a_power_is_principal() -> None:
    assert np.allclose(unitary("pow(0.5) @ pow(2) @ z q[0];"), np.eye(8), atol=1e-9)
    assert np.allclose(unitary("pow(0.5) @ pow(-1) @ z q[0];"), unitary("s q[0];"), atol=1e-9)
    assert same("pow(0.5) @ pow(3) @ s q[0];", "phaseshift(-0.7853981633974483) q[0];")
    (gate,) = gates("pow(1.5) @ gphase(6);")
    assert cmath.exp(1j * gate.parameters[0]) == pytest.approx(cmath.exp(1.5j * (6 - 2 * math.pi)))
    assert gates("pow(2) @ gphase(3);") == [Gate("gphase", (), (6.0,))]
    assert gates("inv @ ctrl @ pow(2) @ gphase(0.25) q[1];") == [Gate("gphase", (), (-0.5,), (1,), (1,))]


@pytest.mark.parametrize("name", ["cnot", "swap", "iswap", "ecr", "cv", "ccnot", "cswap"])
def test_fractional_powers_square_back(name: str) -> None:
    qubits = ", ".join(f"q[{i}]" for i in range(GATES[name].qubits))
    once = unitary(f"pow(0.5) @ {name} {qubits};")
    assert np.allclose(once @ once, unitary(f"{name} {qubits};"), atol=1e-9)


def test_definitions_nest_and_keep_their_names_apart() -> None:
    body = """
    gate a1(t) x0 { rx(t) x0; }
    gate a2(t, u) y, x { a1(t + u) y; cnot y, x; a1(t) x; barrier x, y; }
    a2(0.25, 0.5) q[2], q[0];"""
    assert gates(body) == [Gate("rx", (2,), (0.75,)), Gate("cnot", (2, 0)), Gate("rx", (0,), (0.25,))]
    assert gates("gate nothing a { } nothing q[0]; h q[0];") == [Gate("h", (0,))]
    assert gates("gate l a { for int i in [1:3] { rz(i) a; } } l q[0];")[2] == Gate("rz", (0,), (3.0,))
    assert gates("const float c = 0.5; gate k a { rx(c) a; } k q[1];") == [Gate("rx", (1,), (0.5,))]
    assert [gate.targets for gate in gates("gate two a, b { cnot a, b; } two q[0], q[1]; two q[1:2], q[0:1];")] == [
        *[(0, 1), (1, 0), (2, 1)],
    ]


def test_a_definition_may_take_a_builtin_name_from_then_on() -> None:
    body = "h q[0]; gate h a { x a; } h q[0]; gate x a { h a; } x q[1];"
    assert [gate.name for gate in gates(body)] == ["h", "x", "x"]


def test_what_a_definition_may_not_do() -> None:
    for text, wanted in (
        ("gate g a { g a; } g q[0];", "Unknown gate 'g'"),
        ("gate g a { k a; } gate k a { h a; } g q[0];", "Unknown gate 'k'"),
        ("gate g a { h q[0]; } g q[0];", "'q' is not declared"),
        ("float f = 1; gate g a { rx(f) a; } g q[0];", "'f' is not declared"),
        ("gate g a { measure a; }", "'measure' is not allowed inside a gate definition"),
        ("gate g a { int i = 1; }", "'int' is not allowed inside a gate definition"),
        ("gate g a { i = 1; }", "may only call gates"),
        ("gate g(a) a { }", "two arguments of one name"),
        ("gate g { }", "the qubits of the gate"),
        ("gate g a { h a; } gate g a { x a; }", "declared twice"),
        ("if (true) { gate g a { h a; } }", "outside all blocks"),
        ("gate g a { h a[0]; } g q[0];", "is a single qubit"),
        ("gate g(t) a { rx(t) a; } g q[0];", "takes 1 parameters, not 0"),
        ("gate g a, b { cnot a, b; } g q[0];", "acts on 2 qubits"),
        ("gate g a, b { cnot a, b; } g q[0], q[0];", "twice"),
    ):
        assert wanted in refusal(HEAD + text)


DEFINED = "gate g(a) x0, y0 { rx(a) x0; cnot x0, y0; gphase(0.2); t y0; }\n"


@pytest.mark.parametrize(
    ("modified", "written_out"),
    [
        ("pow(2) @ g(0.3) q[0], q[2];", "g(0.3) q[0], q[2]; g(0.3) q[0], q[2];"),
        ("pow(-2) @ g(0.3) q[0], q[2];", "inv @ g(0.3) q[0], q[2]; inv @ g(0.3) q[0], q[2];"),
        ("pow(0) @ g(0.3) q[0], q[2];", ""),
        ("inv @ g(0.3) q[0], q[2];", "inv @ t q[2]; gphase(-0.2); cnot q[0], q[2]; rx(-0.3) q[0];"),
        (
            "ctrl @ g(0.3) q[1], q[0], q[2];",
            "ctrl @ rx(0.3) q[1], q[0]; ccnot q[1], q[0], q[2]; phaseshift(0.2) q[1]; ctrl @ t q[1], q[2];",
        ),
        (
            "negctrl @ inv @ g(0.3) q[1], q[0], q[2];",
            "x q[1]; ctrl @ inv @ g(0.3) q[1], q[0], q[2]; x q[1];",
        ),
        ("gate k a, b { inv @ g(0.3) a, b; } inv @ k q[0], q[2];", "g(0.3) q[0], q[2];"),
        ("gate k a, b, c { ctrl @ g(0.1) a, b, c; } k q[0], q[1], q[2];", "ctrl @ g(0.1) q[0], q[1], q[2];"),
    ],
)
def test_modifiers_act_on_the_whole_definition(modified: str, written_out: str) -> None:
    assert same(DEFINED + modified, DEFINED + written_out)


def test_fractional_power_of_a_definition_is_its_matrix() -> None:
    root = unitary(DEFINED + "pow(0.5) @ g(0.3) q[0], q[2];")
    assert np.allclose(root @ root, unitary(DEFINED + "g(0.3) q[0], q[2];"), atol=1e-9)
    expected = principal_power(unitary(DEFINED + "g(0.3) q[0], q[2];"), 0.7)
    assert np.allclose(unitary(DEFINED + "pow(0.7) @ g(0.3) q[0], q[2];"), expected, atol=1e-9)
    wide = "gate w a, b, c, d, e, f, g { ctrl(6) @ x a, b, c, d, e, f, g; h a; }\n"
    assert "more than 6 qubits" in refusal(
        f"OPENQASM 3; qubit[7] r; {wide} pow(0.5) @ w r[0],r[1],r[2],r[3],r[4],r[5],r[6];"
    )


def test_stdgates_are_ours() -> None:
    circuit = compiled(
        'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; cx q[0], q[1]; sdg q; p(0.5) q[1]; CX q[1], q[0];'
    )
    assert [gate.name for gate in circuit.gates] == ["cnot", "si", "si", "phaseshift", "cnot"]
    state = state_of(compiled('OPENQASM 3.0; include "stdgates.inc"; qubit q; h q; u2(0.3, 0.4) q;'))
    turn = expm(-0.15j * np.diag([1, -1])) @ braket_matrix("ry", (math.pi / 2,)) @ expm(-0.2j * np.diag([1, -1]))
    assert np.allclose(state, turn @ np.array([1, 1]) / math.sqrt(2))
    assert "Only stdgates.inc" in refusal('OPENQASM 3.0; include "/etc/passwd"; qubit q; h q;')


def test_unitary_pragma() -> None:
    (gate,) = gates("#pragma braket unitary([[0, -1.0im], [0+1im, 1e-17-0im]]) q[2]")
    assert gate.name == "unitary"
    assert gate.targets == (2,)
    assert gate.matrix is not None
    assert np.allclose(gate.matrix, [[0, -1j], [1j, 0]])
    for matrix, wanted in (
        ("[[1, 0], [0, 2]]", "must be unitary"),
        ("[[1, 0]]", "not square"),
        ("[[1,0,0],[0,1,0],[0,0,1]]", "has 2, 4, 8"),
        ("[[1, 0], [0, 1e999]]", "finite"),
        ("[[1, 0], [0, 1+1]]", "imaginary part"),
        ("[[1, 0], [0, x]]", "a number"),
        ("[]", "Expected"),
    ):
        assert wanted in refusal(f"{HEAD}#pragma braket unitary({matrix}) q[0]\n")
    assert "rows acts on 1 qubits" in refusal(f"{HEAD}#pragma braket unitary([[1, 0], [0, 1]]) q[0], q[1]\n")
