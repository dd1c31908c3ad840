"""The tensor network engine: shots against the dense reference, wide circuits, and what it refuses."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from scipy.stats import chisquare

from braketeer.devices.catalogue import Catalogue
from braketeer.devices.listed import TN1
from braketeer.quantum import ProgramError, prepare
from braketeer.quantum.circuit import Circuit, Gate
from braketeer.quantum.noise import noise
from tests.unit.dense import state_of
from tests.unit.random_circuits import random_circuit
from tests.unit.tasks_help import document, openqasm

pytest.importorskip("prism_q", reason="no prism-q here")
tensor_network = importlib.import_module("braketeer.quantum.engines.tensor_network")
LIMITS = Catalogue(task_memory_bytes=4 << 30).limits(TN1)


def test_shots_of_random_circuits_fit_their_distribution() -> None:
    random = np.random.default_rng(20261122)
    worst = 1.0
    for _ in range(40):
        qubits = int(random.integers(1, 6))
        circuit = random_circuit(random, qubits, 12)
        expected = np.abs(state_of(circuit)) ** 2
        bits = tensor_network.sample(circuit, 8_000, random)
        observed = np.bincount(bits @ (1 << np.arange(qubits)[::-1]), minlength=1 << qubits)
        assert not observed[expected < 1e-12].any()
        likely = expected > 5 / 8_000
        if likely.sum() > 1:
            scaled = expected[likely] * observed[likely].sum() / expected[likely].sum()
            worst = min(worst, chisquare(observed[likely], scaled).pvalue)
    assert worst > 1e-4 / 40


def test_fifty_qubits() -> None:
    chain = "OPENQASM 3.0;\nqubit[50] q;\nry(0.8) q[0];\nfor int i in [0:48] { cnot q[i], q[i + 1]; }\n"
    given = document(chain + "#pragma braket result expectation z(q[0]) @ z(q[49])\n", 1_000, limits=LIMITS)
    rows = np.array(given["measurements"])
    assert (rows == rows[:, :1]).all()
    assert rows[:, 0].mean() == pytest.approx(np.sin(0.4) ** 2, abs=0.06)
    assert given["resultTypes"][0]["value"] == 1.0
    assert prepare(openqasm(chain), LIMITS, 1_000).memory_bytes < 2 << 30


def test_too_much_entanglement_is_refused_with_the_fidelity(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    gates = []
    for layer in range(8):
        gates += [Gate("ry", (qubit,), (float(random.normal()),)) for qubit in range(12)]
        gates += [Gate("cnot", (qubit, qubit + 1)) for qubit in range(layer % 2, 11, 2)]
    circuit = Circuit(tuple(range(12)), gates)
    assert tensor_network.sample(circuit, 10, random).shape == (10, 12)
    monkeypatch.setattr(tensor_network, "LARGEST_BOND", 4)
    with pytest.raises(ProgramError, match=r"entangles its qubits too much .* bonds of 4 .* as low as 0\.\d{3}"):
        tensor_network.sample(circuit, 10, random)


def test_what_it_does_not_take_is_refused() -> None:
    wide = Gate("unitary", tuple(range(5)), matrix=np.eye(32, dtype=np.complex128))
    for operation, shots, message in (
        (wide, 10, "takes 4"),
        (noise("bit_flip", (0.1,), (0,)), 10, "no noise"),
        (Gate("h", (0,)), 0, "use shots"),
    ):
        with pytest.raises(ProgramError, match=message):
            tensor_network.check(Circuit(tuple(range(5)), [operation]), shots)
