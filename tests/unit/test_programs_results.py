"""Result pragmas, and what a device asks of a circuit once the number of shots is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from braketeer.quantum.circuit import Observable, ProgramError
from braketeer.quantum.programs import check_results
from tests.unit.programs_help import ARN, LIMITS, compiled, refusal

HEAD = "OPENQASM 3.0;\nqubit[6] q;\nh q[1];\ncnot q[1], q[4];\n"


def asked(*pragmas: str) -> str:
    return HEAD + "".join(f"#pragma braket result {pragma}\n" for pragma in pragmas)


def test_targets_are_compact_and_labels_stay_in_the_specification() -> None:
    (probability, product, each, hermitian) = compiled(
        asked(
            "probability q[4], q[1]",
            "expectation x(q[4]) @ y(q[1])",
            "variance z all",
            "expectation hermitian([[1, 0], [0, -1]]) q[4]",
        )
    ).results
    assert probability.targets == (1, 0)
    assert probability.specification == {"type": "probability", "targets": [4, 1]}
    assert product.targets == (1, 0)
    assert product.observable == Observable((("x", (1,)), ("y", (0,))))
    assert product.specification == {"type": "expectation", "observable": ["x", "y"], "targets": [4, 1]}
    assert each.targets is None
    assert each.observable == Observable((("z", (0,)), ("z", (1,))))
    assert each.specification == {"type": "variance", "observable": ["z"]}
    assert hermitian.targets == (1,)
    assert hermitian.observable is not None
    assert np.array_equal(hermitian.observable.factors[0][0], [[1, 0], [0, -1]])
    matrix = [[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [-1.0, 0.0]]]
    assert hermitian.specification == {"type": "expectation", "observable": [matrix], "targets": [4]}


def test_targets_count_as_used() -> None:
    circuit = compiled(asked("expectation z(q[3])", "probability q[0]"))
    assert circuit.labels == (0, 1, 3, 4)
    assert circuit.results[0].targets == (2,)


def test_registers_and_aliases_are_targets() -> None:
    (result,) = compiled("qubit[2] a; qubit[2] b; h b;\n#pragma braket result probability b\n").results
    assert result.targets == (0, 1)
    assert result.specification["targets"] == [2, 3]
    (result,) = compiled("qubit[2] q; h q;\n#pragma braket result expectation x(q)\n").results
    assert result.targets is None
    assert "acts on 1 qubits, not on 2" in refusal("qubit[3] q; h q;\n#pragma braket result expectation x(q[0:1])\n")
    (result,) = compiled("h $3; h $1;\n#pragma braket result expectation x($3)\n").results
    assert (result.targets, result.specification["targets"]) == ((1,), [3])


@pytest.mark.parametrize(
    ("pragma", "wanted"),
    [
        ("entropy q[1]", "Unknown result type 'entropy'"),
        ("expectation w(q[1])", "Unknown observable 'w'"),
        ("expectation x(q[1]) @ w(q[4])", "Unknown observable 'w'"),
        ("expectation x(q[1]) @ y all", "needs the qubits of each"),
        ("expectation x(q[1]) @ y(q[1])", "twice"),
        ("expectation 2 * x(q[1])", "coefficients are not supported here"),
        ("expectation -x(q[1])", "coefficients are not supported here"),
        ("expectation x(q[1]) + y(q[1])", "the end of the pragma"),
        ("expectation x q[1]", "Expected '('"),
        ("expectation", "an observable"),
        ("expectation hermitian([[0, 1], [2, 0]]) q[1]", "must be Hermitian"),
        ("expectation hermitian([[0, 1im], [1im, 0]]) q[1]", "must be Hermitian"),
        ("expectation hermitian([[1, 0], [0, 1]]) q[1], q[4]", "acts on 1 qubits, not on 2"),
        ("expectation hermitian([[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]) all", "acts on one qubit"),
        ("probability q[1], q[1]", "twice"),
        ("probability q[7]", "out of range"),
        ("probability z", "'z' is not declared"),
        ("probability q[1] q[4]", "the end of the pragma"),
        ("state_vector q[1]", "the end of the pragma"),
        ("amplitude", 'a state such as "01"'),
        ('amplitude "02"', 'a state such as "01"'),
        ('amplitude "0"', "one digit for each of the 2 qubits"),
        ('amplitude "00",', 'a state such as "01"'),
        ("adjoint_gradient x(q[1]) all", "Expected 'expectation'"),
        ("adjoint_gradient expectation(x all) all", "needs the qubits of each"),
        ("adjoint_gradient expectation(2 x(q[1])) all", "Expected '*'"),
        ("adjoint_gradient expectation(1e999 * x(q[1])) all", "must be finite"),
        ("adjoint_gradient expectation(x(q[1])) q", "'q' is not"),
    ],
)
def test_mistakes(pragma: str, wanted: str) -> None:
    message = refusal(asked(pragma))
    assert wanted in message
    assert "line 5, column" in message


def test_pragmas_of_others_and_inside_blocks() -> None:
    assert "Unknown pragma 'braket nonsense' (line 5, column 16)" in refusal(HEAD + "#pragma braket nonsense\n")
    assert "only those of Braket" in refusal(HEAD + "#pragma other thing\n")
    assert "outside all blocks" in refusal(HEAD + "if (true) {\n#pragma braket result probability\n}")
    assert "Unknown noise channel" in refusal(HEAD + "#pragma braket noise cosmic(0.1) q[1]\n")
    assert compiled(HEAD + "pragma braket result probability // all of them\n").results[0].targets is None


def check(source: str, shots: int, **limits: object) -> None:
    check_results(compiled(source), replace(LIMITS, **limits), shots)  # type: ignore[arg-type]


def test_kinds_of_results_by_shots() -> None:
    check(asked("probability"), 0)
    check(asked("probability"), 10)
    check(asked('amplitude "00"'), 0)
    check(asked("sample z(q[1])"), 10)
    for source, shots, limits in (
        (asked('amplitude "00"'), 10, {}),
        (asked("sample z(q[1])"), 0, {}),
        (asked("density_matrix"), 10, {}),
        (asked("state_vector"), 0, {"result_kinds_exact": frozenset({"probability"})}),
    ):
        with pytest.raises(ProgramError, match=f"is not supported on {ARN} with shots={shots}"):
            check(source, shots, **limits)
    with pytest.raises(ProgramError, match="must ask for a result type"):
        check(HEAD, 0)
    check(HEAD, 10)


SV1_WORDS = (
    "Device requires all qubits in the program to be measured. This may be caused by declaring non-contiguous qubits "
    "or measuring partial qubits"
)


def test_all_used_qubits_are_measured_or_none_by_name() -> None:
    bits = HEAD + "bit[2] b;\nb[0] = measure q[4];\n"
    with pytest.raises(ProgramError) as refused:
        check(bits, 10)
    assert str(refused.value) == SV1_WORDS
    check(bits, 10, all_measured=False)
    check(bits + "b[1] = measure q[1];\n", 10)
    with pytest.raises(ProgramError, match="either measurements or result types"):
        check(bits + "b[1] = measure q[1];\n#pragma braket result probability\n", 10)


@pytest.mark.parametrize(
    "pragmas",
    [
        ("expectation x(q[1])", "variance x(q[1])", "sample x(q[1]) @ z(q[4])", "probability q[4]"),
        ("expectation x all", "variance x(q[4])"),
        ("expectation i(q[1])", "expectation y(q[1])", "expectation z(q[4])"),
        ("expectation x(q[1]) @ i(q[4])", "probability q[4]"),
        ("expectation z all", "probability"),
        ("expectation hermitian([[0, 1], [1, 0]]) q[1]", "variance hermitian([[0, 1], [1, 0]]) q[1]"),
        ("probability q[1]", "probability q[4]", "probability"),
    ],
)
def test_results_that_share_a_basis(pragmas: tuple[str, ...]) -> None:
    check(asked(*pragmas), 10)


SWAPPED = "hermitian([[1,0,0,0],[0,0,1,0],[0,1,0,0],[0,0,0,1]])"


@pytest.mark.parametrize(
    "pragmas",
    [
        ("expectation x(q[1])", "expectation y(q[1])"),
        ("expectation x(q[1])", "probability q[1]"),
        ("expectation x(q[1])", "probability"),
        ("expectation x all", "expectation z(q[4])"),
        ("expectation x(q[1]) @ z(q[4])", "expectation z(q[1]) @ z(q[4])"),
        ("expectation hermitian([[0, 1], [1, 0]]) q[1]", "expectation hermitian([[1, 0], [0, -1]]) q[1]"),
        ("expectation hermitian([[0, 1], [1, 0]]) q[1]", "expectation x(q[1])"),
        (f"expectation {SWAPPED} q[1], q[4]", f"expectation {SWAPPED} q[4], q[1]"),
        (f"expectation {SWAPPED} q[1], q[4]", "expectation z(q[4])"),
    ],
)
def test_results_that_do_not_share_a_basis(pragmas: tuple[str, ...]) -> None:
    with pytest.raises(ProgramError, match=r"need different bases on qubit [14] cannot be measured"):
        check(asked(*pragmas), 10)
    check(asked(*pragmas), 0)
