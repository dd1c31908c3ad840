"""What a QPU refuses when a task is created, and in which words."""

from __future__ import annotations

import json

import pytest

from braketeer.domain.errors import ValidationException
from braketeer.quantum import ProgramError, prepare
from braketeer.quantum.qpus import translating
from tests.unit.qpus_help import catalogue, limits
from tests.unit.tasks_help import openqasm

IONQ_PARAMETERS = {"braketSchemaHeader": {"name": "braket.device_schema.ionq.ionq_device_parameters", "version": "1"}}


def refusal(body: str, name: str, shots: int = 1000) -> str:
    with pytest.raises(ProgramError) as refused:
        prepare(openqasm("OPENQASM 3.0;\n" + body), limits(name), shots)
    return str(refused.value)


def verbatim(body: str) -> str:
    return f"#pragma braket verbatim\nbox {{\n{body}\n}}\n"


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("Garnet", verbatim("h $1;"), "The verbatim box uses a gate: h which is not supported by the device"),
        ("Forte-1", verbatim("x $0;"), "its native gates are gpi, gpi2, zz"),
        ("Garnet", verbatim("cz $1, $20;"), "1 is not connected to 20 on this device."),
        ("Cepheus-1-108Q", verbatim("cz $0, $8;"), "Qubit 8 does not exist in the device topology."),
        ("Garnet", verbatim("prx(0.1, 0.2) $0;"), "Qubit 0 does not exist in the device topology."),
        ("Garnet", "qubit[2] q;\n" + verbatim("cz q[0], q[1];"), "A verbatim box must name physical qubits such as $0"),
        ("Cepheus-1-108Q", verbatim("rx(0.1) $0;"), "the native rx of this device turns by multiples of pi/2"),
        ("Forte-1", verbatim("gpi(0.1) $0;") + "h $1;\n", "there are gates inside and outside"),
        ("Garnet", "cnot $1, $20;", "cannot be moved: the program names physical qubits"),
        ("Garnet", "ccnot $1, $2, $4;", "2 is not connected to 4 on this device."),
        ("Ibex-Q1", "prx(0.1, 0.2) $0;", "The gate 'prx' is not supported on"),
        ("Garnet", "qubit[1] q;\n#pragma braket unitary([[0, 1], [1, 0]]) q[0]", "The pragma unitary is not supported"),
        (
            "Garnet",
            "qubit[1] q;\n#pragma braket result expectation hermitian([[0, 1], [1, 0]]) q[0]",
            "The observable hermitian is not supported on",
        ),
        ("Garnet", "qubit[2] q;\nctrl @ x q[0], q[1];", "The modifier ctrl is not supported on"),
        ("Garnet", "qubit[1] q;\ngpi(0.1) q[0];", "The gate 'gpi' is not supported on"),
        ("Garnet", "qubit[1] q;\n#pragma braket noise bit_flip(0.1) q[0]", "noise bit_flip is not supported on"),
        ("Garnet", "bit b;\nqubit[1] q;\nb = measure q[0];\nif (b) { x q[0]; }", "not supported on"),
        ("Garnet", "qubit[1] q;\nh q[0];\nreset q[0];", "reset is not supported on"),
        ("Garnet", "qubit[21] q;\nh q;", "Used 21 qubits, which is more than the device qubit count of 20"),
        ("Cepheus-1-108Q", "qubit[60] q;\nry(0.1) q;", "simulates at most 25 at once"),
        ("Cepheus-1-108Q", "qubit[60] q;\nt q;", "the gate t is not Clifford as it is used here"),
        ("Cepheus-1-108Q", "qubit[60] q;\nh q;\n#pragma braket result expectation h(q[0])", "ry is not Clifford"),
        ("Garnet", verbatim("cz $1, $2;\n" + verbatim("cz $1, $2;")), "A verbatim box inside a verbatim box"),
    ],
)
def test_what_cannot_run_is_refused_in_words(name: str, body: str, words: str) -> None:
    assert words in refusal(body, name)


def test_gates_of_a_program_s_own_that_are_native_may_stand_in_a_box() -> None:
    source = "OPENQASM 3.0;\ngate half(a) q { prx(a, 0) q; prx(a, 0) q; }\n" + verbatim("half(0.2) $1;\ncz $1, $2;")
    assert prepare(openqasm(source), limits("Garnet"), 10).qubit_count == 2


def test_memory_is_that_of_the_program_s_own_qubits() -> None:
    """Noisy or not: a density matrix where shots pay for it, else state vectors."""
    source = "OPENQASM 3.0;\nqubit[8] q;\nh q;"
    noisy = prepare(openqasm(source), limits("Garnet"), 1000).memory_bytes
    ideal = prepare(openqasm(source), limits("Garnet", noise=False), 1000).memory_bytes
    assert noisy - ideal >= 2 * 16 * (4**8 - 4 * 2**8) - 2**20
    assert noisy < 256 << 20


def test_without_the_compiler_only_verbatim_programs_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translating, "is_there", lambda: False)
    assert "install the extra qpus" in refusal("qubit[2] q;\ncnot q[0], q[1];", "Garnet")
    boxed = "OPENQASM 3.0;\n" + verbatim("cz $1, $2;") + "#pragma braket result expectation x($1)\n"
    assert prepare(openqasm(boxed), limits("Garnet"), 10).qubit_count == 2


def test_error_mitigation_is_honoured_where_it_is_offered() -> None:
    debias = {"type": "braket.device_schema.error_mitigation.debias.Debias"}
    text = json.dumps(IONQ_PARAMETERS | {"errorMitigation": [debias]})
    for name in ("Forte-1", "Forte-Enterprise-1"):
        device = catalogue().named(name)
        assert device is not None
        device.check_parameters(text, 2500)
        with pytest.raises(ValidationException, match="at least 2500 shots"):
            device.check_parameters(text, 2499)
    garnet = catalogue().named("Garnet")
    assert garnet is not None
    with pytest.raises(ValidationException, match="not supported by this device"):
        garnet.check_parameters(text, 5000)
    unknown: list[object] = [7, [None], [{"type": []}], [{"type": {}}], {"type": debias}]
    for scheme in unknown:
        with pytest.raises(ValidationException, match="not supported by this device"):
            garnet.check_parameters(json.dumps({"errorMitigation": scheme}), 5000)
    garnet.check_parameters("{}", 1)
    for wrong in ("{", "[]"):
        with pytest.raises(ValidationException, match="deviceParameters"):
            garnet.check_parameters(wrong, 5000)


def test_rewiring_is_disabled_by_the_device_parameters() -> None:
    device = catalogue().named("Garnet")
    assert device is not None
    for value in (True, False):
        found = device.limits_with(json.dumps({"paradigmParameters": {"disableQubitRewiring": value}}))
        assert found is not None
        assert found.rewiring is not value
    assert device.limits_with(None) == device.limits
    for wrong in ("true", 1, []):
        with pytest.raises(ValidationException, match="must be true or false"):
            device.limits_with(json.dumps({"paradigmParameters": {"disableQubitRewiring": wrong}}))
