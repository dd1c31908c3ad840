"""The stabilizer engine: random Clifford circuits against the dense reference, and what it refuses by name."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from scipy.stats import chisquare

from braketeer.devices.catalogue import Catalogue
from braketeer.devices.listed import STABILIZER
from braketeer.quantum import prepare
from braketeer.quantum.circuit import Circuit, Gate, Noise, Observable, ProgramError
from braketeer.quantum.engines import stabilizer
from braketeer.quantum.gates import GATES
from braketeer.quantum.noise import noise
from tests.unit.dense import density_of, mixed_state_of, operator_of, state_of
from tests.unit.tasks_help import document, openqasm

pytest.importorskip("stim", reason="no wheel of stim for this platform")
CLIFFORD = stabilizer()
CATALOGUE = Catalogue(task_memory_bytes=4 << 30)
QUARTERS = ("rx", "ry", "rz", "phaseshift", "gpi2", "gpi", "prx", "u", "xx", "yy", "zz", "ms", "pswap")
HALVES = ("xy", "cphaseshift", "cphaseshift00", "cphaseshift01", "cphaseshift10")
PLAIN = ("i", "h", "x", "y", "z", "s", "si", "v", "vi", "cnot", "cy", "cz", "swap", "iswap", "ecr")
MIXTURES = ("bit_flip", "phase_flip", "pauli_channel", "depolarizing", "two_qubit_depolarizing", "two_qubit_dephasing")


def random_clifford(random: np.random.Generator, qubits: int) -> Gate:
    name = str(random.choice([*QUARTERS, *HALVES, *PLAIN, "x", "unitary"]))
    free = list(map(int, random.permutation(qubits)))
    if name == "unitary":
        matrix = np.array([[1, -1j], [1, 1j]]) / np.sqrt(2) * np.exp(0.3j)
        return Gate(name, (free[0],), matrix=matrix)
    signature = GATES[name]
    if name == "x" and random.random() < 0.5:
        return Gate("x", (free[0],), controls=(free[1],), control_states=(int(random.integers(2)),))
    step = pi if name in HALVES else pi / 2
    parameters = tuple(float(step * random.integers(-3, 5)) for _ in range(signature.parameters))
    power = float(random.choice([1, 1, -1, 2])) if name not in ("i",) else 1.0
    return Gate(name, tuple(free[: signature.qubits]), parameters, power=power)


def test_shots_of_random_circuits() -> None:
    random = np.random.default_rng(20261122)
    for _ in range(60):
        gates = [random_clifford(random, 4) for _ in range(20)]
        expected = np.abs(state_of(Circuit((0, 1, 2, 3), gates))) ** 2
        bits = CLIFFORD.sample(Circuit((0, 1, 2, 3), gates), 4000, random)
        observed = np.bincount(bits @ np.array([8, 4, 2, 1]), minlength=16)
        possible = expected > 1e-9
        assert not observed[~possible].any()
        if possible.sum() > 1:
            assert chisquare(observed[possible], expected[possible] / expected.sum() * 4000).pvalue > 1e-5


def test_exact_expectations_of_random_circuits() -> None:
    random = np.random.default_rng(7)
    for _ in range(60):
        circuit = Circuit((0, 1, 2, 3), [random_clifford(random, 4) for _ in range(20)])
        letters = [(str(letter), (qubit,)) for qubit, letter in enumerate(random.choice(list("ixyz"), 4))]
        matrix, qubits = operator_of(letters)
        right = np.trace(density_of(state_of(circuit), qubits) @ matrix).real
        assert CLIFFORD.expectation(circuit, [Observable(tuple(letters))])[0] == pytest.approx(right, abs=1e-9)


@pytest.mark.parametrize("name", MIXTURES)
def test_pauli_noise(name: str) -> None:
    pair = name.startswith("two")
    parameters = (0.1, 0.25, 0.05) if name == "pauli_channel" else (0.3,)
    operations: list[Gate | Noise] = [Gate("h", (0,)), Gate("s", (0,)), Gate("cnot", (0, 1))]
    operations += [noise(name, parameters, (1, 0) if pair else (1,)), Gate("h", (0,)), Gate("h", (1,))]
    circuit = Circuit((0, 1), operations)
    expected = np.diag(mixed_state_of(circuit)).real
    bits = CLIFFORD.sample(circuit, 40_000, np.random.default_rng(3))
    observed = np.bincount(bits @ np.array([2, 1]), minlength=4)
    assert chisquare(observed, expected * 40_000).pvalue > 1e-4


def test_a_thousand_qubits() -> None:
    count = 1000
    gates = [Gate("h", (0,)), *(Gate("cnot", (qubit, qubit + 1)) for qubit in range(count - 1))]
    bits = CLIFFORD.sample(Circuit(tuple(range(count)), gates), 200, np.random.default_rng(1))
    assert bits.shape == (200, count)
    assert (bits == bits[:, :1]).all()
    assert 60 < bits[:, 0].sum() < 140
    ends = Observable((("z", (0,)), ("z", (count - 1,))))
    assert CLIFFORD.expectation(Circuit(tuple(range(count)), gates), [ends]) == [1]


def test_a_seed_repeats_the_shots() -> None:
    circuit = Circuit((0, 1), [Gate("h", (0,)), Gate("h", (1,))])
    one, again, other = (CLIFFORD.sample(circuit, 100, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()


NOT_CLIFFORD = [
    (Gate("t", (0,)), "the gate t is not Clifford"),
    (Gate("rx", (0,), (0.3,)), "the gate rx is not Clifford"),
    (Gate("rx", (0,), (pi / 2 + 1e-4,)), "the gate rx is not Clifford"),
    (Gate("cv", (0, 1)), "the gate cv is not Clifford"),
    (Gate("ccnot", (0, 1, 2)), "the gate ccnot is not Clifford"),
    (Gate("x", (0,), power=0.25), "the gate x is not Clifford"),
    (Gate("h", (0,), controls=(1,), control_states=(1,)), "the gate h is not Clifford"),
    (Gate("x", (0,), controls=(1, 2, 3, 4, 5), control_states=(1,) * 5), "the gate x on 6 qubits"),
    (noise("amplitude_damping", (0.1,), (0,)), "the noise amplitude_damping is no mixture"),
]


@pytest.mark.parametrize(("operation", "message"), NOT_CLIFFORD, ids=[message for _, message in NOT_CLIFFORD])
def test_what_is_not_clifford_is_refused_by_name(operation: Gate | Noise, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        CLIFFORD.check(Circuit(tuple(range(6)), [operation]), 10)


def test_exact_values_after_noise_are_refused() -> None:
    with pytest.raises(ProgramError, match="use shots"):
        CLIFFORD.check(Circuit((0,), [noise("bit_flip", (0.1,), (0,))]), 0)


STABILIZED = "OPENQASM 3.0;\nqubit[300] q;\nh q[0];\nfor int i in [0:298] { cnot q[i], q[i + 1]; }\n"


def test_the_stabilizer_device() -> None:
    limits = CATALOGUE.limits(STABILIZER)
    source = (
        STABILIZED + "#pragma braket result expectation z(q[0]) @ z(q[299])\n#pragma braket result variance x(q[7])\n"
    )
    exact = document(source + "#pragma braket result expectation z all\n", 0, limits=limits)
    assert [result["value"] for result in exact["resultTypes"]] == [1.0, 1.0, [0.0] * 300]
    sampled = document(STABILIZED + "#pragma braket result probability q[0], q[299]\n", 500, limits=limits)
    assert np.shape(sampled["measurements"]) == (500, 300)
    probabilities = sampled["resultTypes"][0]["value"]
    assert probabilities[1:3] == [0.0, 0.0]
    assert probabilities[0] == pytest.approx(0.5, abs=0.1)
    noisy = document(STABILIZED + "#pragma braket noise bit_flip(1.0) q[299]\n", 20, limits=limits)
    assert all(row[0] != row[-1] for row in noisy["measurements"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("t q[0];", "'t'"),
        ("rx(0.3) q[0];", "the gate rx is not Clifford"),
        ("ctrl @ s q[0], q[1];", "the gate s is not Clifford"),
        ("#pragma braket result expectation h(q[0])", "products of x, y, z and i only"),
        ("#pragma braket noise amplitude_damping(0.1) q[0]", "amplitude_damping"),
    ],
)
def test_the_stabilizer_device_refuses_by_name(line: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        prepare(openqasm(STABILIZED + line + "\n"), CATALOGUE.limits(STABILIZER), 100)
