"""Shots: their distribution, the basis they are measured in, and what is estimated from them."""

from __future__ import annotations

import numpy as np
import pytest
from braket.circuits import Observable as SdkObservable
from braket.circuits.observables import TensorProduct
from braket.tasks.measurement_utils import samples_from_measurements
from numpy.typing import NDArray
from scipy.stats import chisquare

from braketeer.quantum.circuit import Circuit, Gate, Matrix, Observable, ProgramError, ResultType
from braketeer.quantum.engines import choose
from braketeer.quantum.observables import basis_rotations
from braketeer.quantum.results.exact import moments
from braketeer.quantum.results.probabilities import probabilities
from braketeer.quantum.results.sampled import measurement_bits, sampled_values
from braketeer.quantum.results.sampling import draw

HERMITIAN = np.array([[0.3, 2 - 1j], [2 + 1j, -3]])
WIDE = np.kron(HERMITIAN, [[1, 0.5], [0.5, -1]]).astype(np.complex128)


def test_small_states_are_sampled_by_their_probabilities() -> None:
    weights = np.array([0, 5, 1, 0, 0, 30, 4, 0])
    state = (np.sqrt(weights / 40) * np.exp(1j * np.arange(8))).astype(np.complex128)
    counts = np.bincount(draw(state, 40_000, np.random.default_rng(7)), minlength=8)
    assert counts[weights == 0].sum() == 0
    assert chisquare(counts[weights > 0], weights[weights > 0] * 1000).pvalue > 1e-3


def large_state() -> NDArray[np.complex128]:
    """18 qubits, half of the amplitudes zero, the others over six orders of magnitude."""
    random = np.random.default_rng(9)
    state = random.normal(size=2**18) * 10.0 ** random.uniform(-3, 0, 2**18) + 0j
    state[random.random(2**18) < 0.5] = 0
    return np.asarray(state / np.linalg.norm(state), dtype=np.complex128)


@pytest.mark.parametrize("shots", [2_000, 100_000], ids=["by rows", "by table"])
def test_large_states_are_sampled_by_their_probabilities(shots: int) -> None:
    state = large_state()
    indices = draw(state, shots, np.random.default_rng(11))
    assert np.all(state[indices] != 0)
    # 64 groups of nearly equal probability, along the index.
    every = probabilities(state)
    edges = np.searchsorted(np.cumsum(every), np.arange(1, 64) / 64)
    group = np.searchsorted(edges, np.arange(state.size), side="right")
    expected = np.bincount(group, weights=every, minlength=64) * shots
    assert chisquare(np.bincount(group[indices], minlength=64), expected * shots / expected.sum()).pvalue > 1e-3
    # And along the lowest six bits, inside the rows.
    inner = np.bincount(np.arange(state.size) % 64, weights=every, minlength=64) * shots
    assert chisquare(np.bincount(indices % 64, minlength=64), inner * shots / inner.sum()).pvalue > 1e-3


def test_shots_come_in_random_order() -> None:
    state = np.full(2**15, 2**-7.5, dtype=np.complex128)
    for shots in (300, 3_000):
        indices = draw(state, shots, np.random.default_rng(2))
        assert abs(np.corrcoef(indices[:-1], indices[1:])[0, 1]) < 0.2


def test_a_seed_repeats_its_shots_and_another_does_not() -> None:
    state = np.full(16, 0.25, dtype=np.complex128)
    first, again, other = (draw(state, 100, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_state_all_in_its_last_amplitude() -> None:
    for qubits in (1, 16):
        state = np.zeros(2**qubits, dtype=np.complex128)
        state[-1] = 1
        assert np.all(draw(state, 500, np.random.default_rng(0)) == 2**qubits - 1)


def test_bits_of_targets_in_their_order() -> None:
    indices = np.array([0b1100, 0b0010])
    assert measurement_bits(indices, range(4), 4).tolist() == [[1, 1, 0, 0], [0, 0, 1, 0]]
    assert measurement_bits(indices, (2, 0), 4).tolist() == [[0, 1], [1, 0]]


def observed(kind: str, *factors: tuple[str | Matrix, tuple[int, ...]]) -> ResultType:
    targets = tuple(target for _, group in factors for target in group)
    return ResultType(kind, {"type": kind}, targets, Observable(factors))


def entangled(results: list[ResultType]) -> Circuit:
    gates = [Gate("u", (qubit,), (0.9 + qubit, 0.4, 0.2 * qubit)) for qubit in range(4)]
    gates += [Gate("cnot", (0, 2)), Gate("xx", (1, 3), (0.8,)), Gate("cnot", (2, 1))]
    return Circuit((0, 1, 2, 3), gates, results)


def shots_of(circuit: Circuit, shots: int, seed: int) -> NDArray[np.int64]:
    rotated = Circuit(circuit.labels, [*circuit.operations, *basis_rotations(circuit)])
    return draw(choose().evolve(rotated), shots, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "factors",
    [
        (("x", (0,)), ("y", (1,)), ("h", (3,))),
        (("z", (2,)), ("i", (0,)), ("y", (3,))),
        ((HERMITIAN, (2,)), ("x", (0,))),
        ((WIDE, (3, 1)), ("h", (0,))),
        (("i", (1,)),),
    ],
)
def test_estimates_tend_to_the_exact_values(factors: tuple[tuple[str | Matrix, tuple[int, ...]], ...]) -> None:
    kinds = [observed(kind, *factors) for kind in ("expectation", "variance", "sample")]
    circuit = entangled(kinds)
    shots = 40_000
    mean, variance, samples = sampled_values(circuit, shots_of(circuit, shots, 3))
    ((exact, square),) = moments(choose().evolve(circuit), [Observable(factors)])
    deviation = np.sqrt(max(square - exact**2, 0) / shots)
    assert abs(mean - exact) <= 4.5 * deviation + 1e-12
    assert mean == np.mean(samples)
    assert variance == np.var(samples)
    assert abs(variance - (square - exact**2)) <= 0.05 * square


def test_samples_are_what_the_sdk_makes_of_the_same_measurements() -> None:
    sdk = TensorProduct([SdkObservable.Y(), SdkObservable.Hermitian(HERMITIAN), SdkObservable.H()])
    circuit = entangled([observed("sample", ("y", (3,)), (HERMITIAN, (0,)), ("h", (1,)))])
    indices = shots_of(circuit, 200, 5)
    bits = measurement_bits(indices, range(4), 4)
    assert np.allclose(
        sampled_values(circuit, indices)[0], samples_from_measurements(bits, [0, 1, 2, 3], sdk, [3, 0, 1])
    )


def test_results_without_target_give_one_value_a_qubit() -> None:
    every = Observable(tuple(("x", (qubit,)) for qubit in range(2)))
    circuit = Circuit(
        (0, 1),
        [Gate("h", (0,)), Gate("x", (1,)), Gate("h", (1,))],
        [ResultType(kind, {}, None, every) for kind in ("expectation", "variance", "sample")],
    )
    expectation, variance, samples = sampled_values(circuit, shots_of(circuit, 10, 1))
    assert expectation == [1, -1]
    assert variance == [0, 0]
    assert np.array_equal(samples, [[1] * 10, [-1] * 10])


def test_probabilities_are_frequencies() -> None:
    circuit = Circuit((4, 7), [], [ResultType("probability", {}, (1,)), ResultType("probability", {}, None)])
    one, both = sampled_values(circuit, np.array([0b01, 0b11, 0b10, 0b01]))
    assert one.tolist() == [0.25, 0.75]
    assert both.tolist() == [0, 0.5, 0.25, 0.25]


CONFLICTS = [
    [observed("expectation", ("x", (0,))), observed("variance", ("z", (0,)))],
    [observed("expectation", ("x", (0,))), ResultType("probability", {}, None)],
    [observed("sample", (WIDE, (0, 1))), observed("sample", (WIDE, (1, 0)))],
    [observed("sample", (WIDE, (0, 1))), observed("sample", ("i", (0,)), ("z", (1,)))],
    [observed("sample", (HERMITIAN, (0,))), observed("sample", (2 * HERMITIAN, (0,)))],
]


@pytest.mark.parametrize("results", CONFLICTS)
def test_results_in_different_bases_are_refused(results: list[ResultType]) -> None:
    with pytest.raises(ProgramError, match="two different bases"):
        basis_rotations(entangled(results))


def test_results_in_one_basis_are_not() -> None:
    results = [
        observed("expectation", ("x", (0,)), ("i", (1,))),
        observed("sample", ("i", (0,)), (HERMITIAN, (1,))),
        observed("variance", (HERMITIAN.copy(), (1,)), ("x", (0,))),
        ResultType("probability", {}, (2, 3)),
        observed("expectation", ("z", (3,))),
    ]
    assert [gate.name for gate in basis_rotations(entangled(results))] == ["h", "unitary"]


def test_amplitudes_cannot_be_had_from_shots() -> None:
    circuit = Circuit((0,), [], [ResultType("amplitude", {}, states=("0",))])
    with pytest.raises(ProgramError, match="'amplitude' cannot be had from shots"):
        sampled_values(circuit, np.zeros(3, dtype=np.int64))
