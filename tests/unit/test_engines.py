"""Every engine against full matrices built by Kronecker products, over the whole vocabulary and every modifier."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from braketeer.quantum.circuit import Circuit, Gate, ProgramError
from braketeer.quantum.engines import ENGINES, available, choose, is_installed
from braketeer.quantum.engines.amplitudes import apply, check_norm
from braketeer.quantum.gates import GATES, gate_matrix, matrix_power
from tests.unit.random_circuits import haar, random_gate, spread

Array = NDArray[np.complex128]


def full_matrix(gate: Gate, qubits: int) -> Array:
    """The gate on the whole register: I + P x (U - I) summed entry by entry over Kronecker products of |a><b|."""
    unit = np.eye(2)
    matrix = gate.matrix if gate.matrix is not None else gate_matrix(gate.name, gate.parameters)
    matrix = matrix_power(matrix, gate.power)
    total = np.eye(2**qubits, dtype=np.complex128)
    for row in range(len(matrix)):
        for column in range(len(matrix)):
            entry = matrix[row, column] - (row == column)
            if entry == 0:
                continue
            parts = [unit] * qubits
            for place, target in enumerate(gate.targets):
                shift = len(gate.targets) - 1 - place
                parts[target] = np.outer(unit[row >> shift & 1], unit[column >> shift & 1])
            for control, wanted in zip(gate.controls, gate.control_states, strict=True):
                parts[control] = np.outer(unit[wanted], unit[wanted])
            product = np.eye(1)
            for part in parts:
                product = np.kron(product, part)
            total += entry * product
    return total


def reference(circuit: Circuit) -> Array:
    state = np.zeros(2**circuit.qubit_count, dtype=np.complex128)
    state[0] = 1
    for gate in circuit.gates:
        state = full_matrix(gate, circuit.qubit_count) @ state
    return state


def circuit_of(qubits: int, gates: list[Gate]) -> Circuit:
    return Circuit(tuple(range(qubits)), gates)


def distance(engine: str, circuit: Circuit, right: Array | None = None) -> float:
    return float(np.abs(choose(engine).evolve(circuit) - (reference(circuit) if right is None else right)).max())


@lru_cache  # one reference for all engines
def random_circuits() -> list[tuple[Circuit, Array]]:
    random = np.random.default_rng(20261122)
    circuits = []
    for _ in range(150):
        qubits = int(random.integers(1, 7))
        circuits.append(circuit_of(qubits, spread(qubits) + [random_gate(random, qubits) for _ in range(12)]))
    return [(circuit, reference(circuit)) for circuit in circuits]


@lru_cache
def wide_unitaries() -> list[tuple[Circuit, Array]]:
    random = np.random.default_rng(8)
    circuits = []
    for width in (5, 6):
        gates = [Gate("unitary", tuple(map(int, random.permutation(7)[:width])), matrix=haar(random, 1 << width))]
        free = [qubit for qubit in range(7) if qubit not in gates[0].targets]
        gates += [random_gate(random, 7), replace(gates[0], controls=(free[0],), control_states=(0,), power=0.5)]
        circuits.append(circuit_of(7, spread(7) + gates + spread(7)))
    return [(circuit, reference(circuit)) for circuit in circuits]


@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize("controls", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(GATES))
def test_every_gate_with_controls_and_powers(engine: str, name: str, controls: int) -> None:
    width = GATES[name].qubits
    qubits = width + controls + 1
    order = [(3 * place + 1) % qubits if qubits % 3 else (place + 1) % qubits for place in range(qubits)]
    gate = Gate(
        name,
        tuple(order[:width]),
        (0.37, -1.9, 2.6)[: GATES[name].parameters],
        tuple(order[width : width + controls]),
        (0, 1)[:controls],
    )
    for power in (1.0, -1.0, 3.0, 0.5, -1.3):
        circuit = circuit_of(qubits, [*spread(qubits), replace(gate, power=power)])
        assert distance(engine, circuit) < 1e-12, power


@pytest.mark.parametrize("engine", available())
def test_random_circuits(engine: str) -> None:
    for circuit, right in random_circuits():
        assert distance(engine, circuit, right) < 1e-10, circuit


@pytest.mark.parametrize("engine", available())
def test_unitaries_wider_than_the_engine_takes(engine: str) -> None:
    for circuit, right in wide_unitaries():
        assert distance(engine, circuit, right) < 1e-11


@pytest.mark.parametrize("engine", available())
def test_global_phase_of_clifford_circuits_is_kept(engine: str) -> None:
    circuit = circuit_of(4, [Gate("swap", (3, 1)), Gate("y", (1,)), Gate("gphase", (), (0.4,))])
    assert distance(engine, circuit) < 1e-14
    assert abs(choose(engine).evolve(circuit)[0b0100] - 1j * np.exp(0.4j)) < 1e-14


def test_engines_agree_on_larger_circuits() -> None:
    random = np.random.default_rng(3)
    for qubits in (9, 12, 17):
        gates = spread(qubits) + [random_gate(random, qubits, widest=5) for _ in range(40)]
        first, *others = (choose(engine).evolve(circuit_of(qubits, gates)) for engine in available())
        assert others
        assert all(np.abs(first - other).max() < 1e-11 for other in others)


@pytest.mark.parametrize("engine", available())
def test_many_controls(engine: str) -> None:
    controls = tuple(range(9))
    gates = [Gate("h", (qubit,)) for qubit in range(11)]
    bare = (Gate("ry", (9,), (0.3,)), Gate("swap", (10, 9), power=0.5), Gate("gphase", (), (0.9,)))
    gates += [replace(gate, controls=controls, control_states=(1, 0, 1, 1, 0, 1, 1, 1, 0)) for gate in bare]
    assert distance(engine, circuit_of(11, gates[:11]), np.full(1 << 11, 2**-5.5, dtype=np.complex128)) < 1e-12
    state = choose(engine).evolve(circuit_of(11, gates))
    touched = state.reshape(512, 4)[0b101101110]
    start = np.full(4, 2**-5.5, dtype=np.complex128)
    apply(start, gate_matrix("ry", (0.3,)), [0])
    apply(start, matrix_power(gate_matrix("swap"), 0.5), [1, 0])
    assert np.abs(touched - start * np.exp(0.9j)).max() < 1e-14
    assert np.abs(np.delete(state.reshape(512, 4), 0b101101110, axis=0) - 2**-5.5).max() < 1e-14


@pytest.mark.parametrize("engine", available())
def test_a_matrix_typed_with_few_digits_means_the_nearest_unitary(engine: str) -> None:
    rounded = np.array([[0.70711, 0.70711], [0.70711, -0.70711]], dtype=np.complex128)
    state = choose(engine).evolve(circuit_of(1, [Gate("unitary", (0,), matrix=rounded)] * 7))
    assert np.abs(state - math.sqrt(0.5)).max() < 1e-12


BAD_GATES = [
    (Gate("cnot", (0, 0)), "names one qubit twice"),
    (Gate("x", (0,), controls=(0,), control_states=(1,)), "names one qubit twice"),
    (Gate("x", (2,)), "outside the circuit"),
    (Gate("x", (-1,)), "outside the circuit"),
    (Gate("rx", (0,), (math.nan,)), "not a finite number"),
    (Gate("rx", (0,), (math.inf,)), "not a finite number"),
    (Gate("x", (0,), power=math.nan), "not a finite number"),
    (Gate("x", (0,), controls=(1,), control_states=(2,)), "control state"),
    (Gate("x", (0,), controls=(1,)), "control state"),
    (Gate("frobnicate", (0,)), "there is no gate 'frobnicate'"),
    (Gate("rx", (0,)), "takes 1 angles and 1 qubits"),
    (Gate("x", (0, 1)), "takes 0 angles and 1 qubits"),
    (Gate("unitary", (0, 1), matrix=np.eye(2, dtype=np.complex128)), "must be 4 x 4"),
    (Gate("unitary", (0,), matrix=np.full((2, 2), np.nan + 0j)), "must be 2 x 2 finite"),
    (Gate("unitary", (0,), matrix=np.array([[1, 1], [0, 1]], dtype=np.complex128)), "not unitary"),
]


@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize(("gate", "message"), BAD_GATES, ids=[message for _, message in BAD_GATES])
def test_what_no_engine_can_do_is_refused(engine: str, gate: Gate, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        choose(engine).evolve(circuit_of(2, [gate]))


@pytest.mark.skipif("prism" not in available(), reason="no prism-q here")
def test_more_qubits_than_memory_is_refused_by_prism() -> None:
    with pytest.raises(ProgramError, match="prism-q refuses"):
        choose("prism").evolve(circuit_of(48, [Gate("h", (0,))]))


lightning = pytest.mark.skipif("lightning" not in available(), reason="the extra lightning is not here")


@lightning
@pytest.mark.parametrize("qubits", [0, 49, 70])
def test_registers_that_lightning_would_not_notice_are_refused(qubits: int) -> None:
    with pytest.raises(ProgramError, match=f"takes 1 to 48 qubits, not {qubits}"):
        choose("lightning").evolve(circuit_of(qubits, [Gate("gphase", (), (0.1,))]))


@lightning
def test_more_qubits_than_memory_is_a_memory_error_of_lightning() -> None:
    with pytest.raises(MemoryError):
        choose("lightning").evolve(circuit_of(48, [Gate("h", (0,))]))


@lightning
def test_what_lightning_raises_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("braketeer.quantum.engines.lightning")
    monkeypatch.setitem(module._NAMED, "h", ("RX", False))  # which wants an angle
    with pytest.raises(ProgramError, match=r"lightning\.qubit refuses"):
        module.evolve(circuit_of(1, [Gate("h", (0,))]))


@lightning
def test_lightning_is_loaded_without_pennylane() -> None:
    question = "import sys, braketeer.quantum.engines.lightning; sys.exit('pennylane' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", question], check=False).returncode == 0


def test_a_state_that_lost_its_norm_is_refused() -> None:
    for state in (np.array([0.9, 0.1]), np.array([np.nan, 0])):
        with pytest.raises(ProgramError, match="norm"):
            check_norm(state.astype(np.complex128))


def test_choosing_an_engine() -> None:
    assert available() == tuple(filter(is_installed, ENGINES))
    assert choose().name == available()[0]
    assert choose("dense").name == "dense"
    with pytest.raises(ProgramError, match="no engine 'qpu'"):
        choose("qpu")
