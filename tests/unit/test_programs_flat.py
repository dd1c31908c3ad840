"""The short cut for plain gate statements, and the cache by text: the circuit is the one of the whole grammar."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from braketeer.quantum.circuit import Circuit, ProgramError
from braketeer.quantum.gates import GATES
from braketeer.quantum.programs import compile_program
from tests.unit.programs_help import LIMITS

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-99, 99).map(str),
    st.sampled_from(
        [
            "1/2",
            "2*x",
            "x",
            "x/3 + 1/3",
            "pi",
            "-x",
            "1-2",
            "1e5",
            ".5",
            "5.",
            "1_0",
            "1__0",
            "1e999",
            "nan",
            "k",
            "-",
            "7 /2",
        ]
    ),
)
QUBITS = st.sampled_from(["q[0]", "q[1]", "q[2]", "q[3]", "r[0]", "q[9]", "q", "r", "$0", "q[-1]", "zz[0]", "int[1]"])
NAMES = st.sampled_from(
    [*sorted(GATES), "U", "own", "cx", "measure", "barrier", "reset", "reset", "ctrl @ x", "inv @ t"]
)
SPACES = st.sampled_from(["", " ", "  ", "\n", "\t", " // note\n", "/* */"])


@st.composite
def gate_calls(draw: st.DrawFn) -> str:
    name = draw(NAMES)
    signature = GATES.get(name.lower())
    exact = signature is not None and draw(st.integers(0, 9)) < 9
    count = signature.qubits if exact else draw(st.integers(0, 3))
    arguments = draw(
        st.lists(NUMBERS, min_size=signature.parameters if exact else 0, max_size=signature.parameters if exact else 2)
    )
    qubits = draw(st.lists(QUBITS, min_size=count, max_size=count, unique=True))
    brackets = f"({', '.join(arguments)})" if arguments else ""
    return f"{name}{brackets}{draw(SPACES) or ' '}{(',' + draw(SPACES)).join(qubits)}{draw(SPACES)};{draw(SPACES)}"


OTHERS = st.sampled_from(
    [
        "gate own a { h a; }",
        "gate h a { x a; }",
        "gate rx(t) a { rz(t) a; }",
        "k = 5;",
        "k += 1;",
        "if (k > 2) { h q[0]; }",
        "let zz = q[1:2];",
        "measure q[3];",
        "def cx(qubit a, qubit b) { cnot a, b; }",
        "{ x q[1]; }",
        "#pragma braket result probability q[0]\n",
    ]
)


def outcome(source: str, flat: bool) -> str:
    try:
        circuit: Circuit = compile_program(source, {"x": 0.7}, LIMITS, flat=flat)
    except ProgramError as refusal:
        return str(refusal)
    return repr(circuit)


@given(st.lists(st.one_of(gate_calls(), gate_calls(), gate_calls(), OTHERS), max_size=12))
@settings(max_examples=400, deadline=None)
def test_the_short_cut_changes_nothing(statements: list[str]) -> None:
    source = "OPENQASM 3.0;\ninput float x;\nint k = 1;\nqubit[4] q;\nqubit[2] r;\n" + "".join(statements)
    assert outcome(source, flat=True) == outcome(source, flat=False)


@given(st.text(alphabet="hq[0123];,( )cnotrx.e-+/*\n$\"'#@{}=π_", max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_is_answered_the_same(text: str) -> None:
    source = f"qubit[4] q;\nh q[0];\n{text}"
    assert outcome(source, flat=True) == outcome(source, flat=False)


def test_the_same_text_gives_the_same_circuit_again() -> None:
    source = "qubit[2] q; input float x; rx(x) q[0]; cnot q[0], q[1]; rx(x) q[1];"
    first = compile_program(source, {"x": 1.0}, LIMITS)
    assert compile_program(source, {"x": 2.0}, LIMITS).gates[0].parameters == (2.0,)
    assert compile_program(source, {"x": 1.0}, LIMITS) == first
