"""The analog engine against dense matrices, and against itself where it leaves configurations out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from braketeer.quantum.circuit import ProgramError
from braketeer.quantum.engines.analog import TOLERANCE, TRUNCATION, Evolved, check, evolve
from braketeer.quantum.engines.configurations import Configurations, TooMany, fewest
from braketeer.quantum.engines.krylov import BASIS, Exponential
from braketeer.quantum.programs.analog import read_analog
from tests.unit.analog_help import dense_state, field, program

C6 = Decimal("5.42e-24")
RAMP = field([(0, 0), (0.3, 1.2e7), (1.2, 1.2e7), (1.5, 0)])
SWEEP = field([(0, -2e7), (0.3, -2e7), (1.2, 2e7), (1.5, 2e7)])
TRIANGLE = [(0.0, 0.0), (5.5, 0.0), (2.0, 6.1)]


def full_state(evolved: Evolved) -> NDArray[np.complex128]:
    """Over all configurations, the first atom most significant."""
    atoms = len(evolved.excited)
    found = np.zeros(2**atoms, dtype=complex)
    found[2 ** np.arange(atoms)[::-1] @ evolved.excited.astype(int)] = evolved.state
    return found


def solved(given: dict[str, Any], tolerance: float = 1e-7, truncation: float = 1e-12) -> Evolved:
    return evolve(read_analog(given), C6, 1 << 16, tolerance, truncation)


CASES = {
    "one atom": program([(0, 0)], amplitude=RAMP),
    "sweep": program(TRIANGLE, amplitude=RAMP, detuning=SWEEP),
    "phase": program(
        TRIANGLE,
        amplitude=RAMP,
        detuning=SWEEP,
        phase=field([(0, 0.4), (0.5, 1.9), (0.9, -2.5), (1.5, 0)]),
    ),
    "local detuning": program(TRIANGLE, amplitude=RAMP, local=field([(0, 0), (0.7, 3e7), (1.5, 0)], [0, 1, 0.35])),
    "patterns": program(
        TRIANGLE,
        amplitude=field([(0, 0), (0.3, 1.2e7), (1.2, -9e6), (1.5, 0)], [1, 0.5, -0.25]),
        detuning=field([(0, -2e7), (1.5, 2e7)], [0.3, 0, 1]),
        phase=field([(0, 0), (0.6, 1.1), (1.5, 0)], [1, 0.5, 0]),
        local=field([(0, 1e7), (1.5, 2e7)], [0.2, 0.4, 0]),
    ),
    "a vacant site": program([(0, 0), (5.5, 0), (11, 0), (0, 6)], amplitude=RAMP, filling=[1, 0, 1, 1]),
    "abrupt": program(TRIANGLE, amplitude=field([(0, 1e7), (1, 1e7)]), detuning=field([(0, 5e6), (1, 5e6)])),
}


@pytest.mark.parametrize("given", CASES.values(), ids=CASES.keys())
def test_states_as_dense_matrices_have_them(given: dict[str, Any]) -> None:
    evolved = solved(given)
    assert evolved.cut is None
    assert np.linalg.norm(full_state(evolved) - dense_state(given)) < 1e-6


def test_what_is_not_asked_to_be_exact_is_as_good_as_it_says() -> None:
    given = program([(5.5 * x, 5.5 * y) for x in range(2) for y in range(2)], amplitude=RAMP, detuning=SWEEP)
    exact = full_state(solved(given, 1e-7))
    errors = []
    for tolerance in (1e-2, 1e-4, 1e-5):
        evolved = solved(given, tolerance)
        assert np.linalg.norm(full_state(evolved) - exact) < evolved.error + 1e-12
        errors.append(np.linalg.norm(full_state(evolved) - exact))
    assert errors[2] < errors[1] / 2 < errors[0] / 20


WEAK = {
    "a resonance that the first steps do not see": program(
        [(0, 0)],
        amplitude=field([(0, 0), (1.862, 338222), (4, 0)]),
        detuning=field([(0, -81043526), (4, 13904247)]),
        local=field([(0, 0), (1.682, 60156370), (4, 0)], [0.89]),
    ),
    "first steps that are far too long": program(
        [(0, 0), (6.1, 0)], amplitude=field([(0, 0), (0.797, 4228069), (1, 0)])
    ),
    "a pulse too short for the blockade": program(
        [(4.5, 4.7), (13, 2.2), (1.2, 4.1)],
        amplitude=field([(0, 0), (0.328, 834699), (0.332, 323784), (0.5, 0)]),
    ),
    "a drive that does not end at 0": program(
        [(4, 13.2), (4.9, 1.1), (8.9, 9.7), (5.5, 5.9)],
        amplitude=field([(0, 758999), (0.225, 75389), (1, 570431)]),
    ),
}


@pytest.mark.parametrize("given", WEAK.values(), ids=WEAK.keys())
def test_drives_that_begin_weakly_are_as_exact_as_is_said(given: dict[str, Any]) -> None:
    """They lead to little that a step or a cut could be seen to spoil while it does."""
    evolved = solved(given, TOLERANCE, TRUNCATION)
    assert evolved.error < 3e-3
    assert np.linalg.norm(full_state(evolved) - full_state(solved(given, 1e-6, 1e-7))) < 2 * evolved.error


def test_far_from_the_origin_atoms_are_as_far_apart() -> None:
    near, far = (program([(0, 0), (5, 0)], amplitude=RAMP) for _ in range(2))
    far["setup"]["ahs_register"]["sites"] = [["1e15", "0"], ["1000000000000000.000005", "0"]]
    assert solved(far).probabilities == pytest.approx(solved(near).probabilities, abs=1e-9)


def test_the_blockade_subspace_is_the_whole_space_where_the_blockade_is_strong() -> None:
    given = program([(4.5 * place, 0.0) for place in range(6)], amplitude=RAMP, detuning=SWEEP)
    exact = full_state(solved(given, 1e-6))
    evolved = solved(given, TOLERANCE, TRUNCATION)
    assert evolved.cut is not None
    assert len(evolved.state) < 64
    found = full_state(evolved)
    assert np.linalg.norm(found - exact) < 2 * evolved.error < 4 * TRUNCATION
    assert np.abs(np.abs(found) ** 2 - np.abs(exact) ** 2).sum() / 2 < 1e-4


def test_very_near_atoms_do_not_take_for_ever() -> None:
    given = program([(0, 0), (0.01, 0), (8, 0)], amplitude=RAMP)
    evolved = solved(given, 1e-5, 1e-4)
    both = evolved.probabilities[(evolved.excited[:2] == 1).all(axis=0)].sum()
    assert both == 0
    alone = field([(0, 0), (0.3, 1.2e7 * 2**0.5), (1.2, 1.2e7 * 2**0.5), (1.5, 0)])
    # Two blockaded atoms are one that is driven more strongly by the square root of two.
    expected = abs(dense_state(program([(0, 0)], amplitude=alone))[1]) ** 2
    pair = solved(program([(0, 0), (0.01, 0)], amplitude=RAMP), 1e-5, 1e-4)
    assert pair.probabilities[1:].sum() == pytest.approx(expected, abs=1e-4)


def test_without_a_drive_nothing_happens() -> None:
    local = field([(0, 1e7), (1, 1e7)], [1, 1, 1])
    for given in (
        program(TRIANGLE),
        program(TRIANGLE, local=local),
        program(TRIANGLE, amplitude=RAMP, filling=[0] * 3),
    ):
        evolved = solved(given)
        assert evolved.probabilities.tolist() == [1]
        assert not evolved.excited.any()


def test_many_atoms_that_are_hardly_driven() -> None:
    """More than 64 atoms: each turns by a little, as if it were alone."""
    angle = 0.01
    drive = field([(0, angle * 1e6), (1, angle * 1e6)])
    given = program([(4.0 * (place % 10), 4.0 * (place // 10)) for place in range(70)], amplitude=drive)
    evolved = evolve(read_analog(given), C6, 20_000, 1e-6)
    assert len(evolved.excited) == 70
    seen = evolved.excited.astype(float) @ evolved.probabilities
    assert seen == pytest.approx([np.sin(angle / 2) ** 2] * 70, rel=0.01)


def test_what_does_not_fit_is_refused() -> None:
    given = program([(6.0 * x, 6.0 * y) for x in range(5) for y in range(5)], amplitude=RAMP, detuning=SWEEP)
    with pytest.raises(ProgramError, match=r"more than the 500 configurations that a task on this machine may have"):
        check(read_analog(given), C6, 500)
    with pytest.raises(ProgramError, match="more configurations than the 500"):
        evolve(read_analog(given), C6, 500)
    check(read_analog(given), C6, 1 << 20)
    small = program([(5.5 * x, 5.5 * y) for x in range(3) for y in range(2)], amplitude=RAMP, detuning=SWEEP)
    with pytest.raises(ProgramError, match=r"with those it may be off by 0\.\d+"):
        evolve(read_analog(small), C6, 25)


def test_configurations_below_a_cut() -> None:
    random = np.random.default_rng(3)
    energies = np.triu(random.random((6, 6)), 1)
    energies += energies.T
    every = (np.arange(64)[:, None] >> np.arange(6)) & 1
    totals = np.einsum("ci,ij,cj->c", every, energies, every) / 2
    space = Configurations(energies, np.ones(6), np.zeros(6), 1.5)
    assert space.size == (totals <= 1.5).sum()
    assert np.sort(space.energies) == pytest.approx(np.sort(totals[totals <= 1.5]))
    assert space.next_cut == pytest.approx(totals[totals > 1.5].min())
    assert not space.is_whole
    with pytest.raises(TooMany):
        Configurations(energies, np.ones(6), np.zeros(6), 1.5, space.size - 1)
    larger = space.larger(64)
    assert larger is not None
    assert larger.size > space.size
    state = random.normal(size=space.size) + 0j
    carried = space.carried(state, larger)
    for column, amplitude in zip(space.excited.T, state, strict=True):
        (place,) = np.flatnonzero((column == larger.excited.T).all(axis=1))
        assert carried[place] == amplitude
    assert larger.larger(larger.size) is None
    assert Configurations(energies, np.ones(6), np.zeros(6), totals.max()).is_whole


def test_fewest_counts_independent_sets() -> None:
    chain = np.eye(70, k=1, dtype=bool) | np.eye(70, k=-1, dtype=bool)
    fibonacci = [2, 3]
    while len(fibonacci) < 20:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    assert fewest(chain[:20, :20], 1 << 20) == fibonacci[19]
    assert fewest(chain, 1000) == 1001
    everybody = ~np.eye(70, dtype=bool)
    assert fewest(everybody, 1000) == 71


def test_exponentials_longer_than_one_basis_reaches() -> None:
    random = np.random.default_rng(11)
    matrix = random.normal(size=(80, 80))
    matrix = (matrix + matrix.T) * 4
    state = random.normal(size=80) + 1j * random.normal(size=80)
    energies, vectors = np.linalg.eigh(matrix)
    for time in (0.001, 0.02, 1.0):
        exact = vectors @ (np.exp(-1j * time * energies) * (vectors.T @ state))
        found = Exponential(80).apply(lambda vector: matrix @ vector, state, time, 1e-9)
        assert np.linalg.norm(found - exact) < 1e-7
    assert 1.0 * np.ptp(energies) / 2 > 2 * BASIS
