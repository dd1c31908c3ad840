"""Analog tasks from their actions to the documents that clients read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from braket.analog_hamiltonian_simulator.rydberg.rydberg_simulator import RydbergAtomSimulator
from braket.ir.ahs import Program
from braket.task_result import AnalogHamiltonianSimulationTaskResult
from braket.tasks import AnalogHamiltonianSimulationQuantumTaskResult
from scipy.stats import chi2_contingency, chisquare

from braketeer.devices.catalogue import Catalogue
from braketeer.quantum import Outcome, ProgramError, prepare
from tests.unit.analog_help import AQUILA, AQUILA_LIMITS, SIMULATOR_LIMITS, dense_state, field, program
from tests.unit.tasks_help import outcome

AMPLITUDE = field([(0, 0), (0.1, 1e7), (0.5, 1e7), (0.6, 0)])
SITES = [(0, 0), (5.5, 0), (0, 7)]
PROGRAM = program(SITES, amplitude=AMPLITUDE)
GAPPED = program([*SITES, (20, 0)], amplitude=AMPLITUDE, filling=[1, 0, 1, 1])


def done(given: dict[str, Any], shots: int, limits: Any = SIMULATOR_LIMITS, seed: int | None = 5) -> Outcome:
    return outcome(json.dumps(given), shots, limits, seed)


def read(given: Outcome) -> AnalogHamiltonianSimulationQuantumTaskResult:
    return AnalogHamiltonianSimulationQuantumTaskResult.from_string(given.document.decode())


def test_shots_follow_the_state() -> None:
    shots = 20_000
    counts = read(done(PROGRAM, shots)).get_counts()
    expected = np.abs(dense_state(PROGRAM, 400)) ** 2
    labels = ["".join("gr"[bits >> place & 1] for place in (2, 1, 0)) for bits in range(8)]
    observed = np.array([counts.get(label, 0) for label in labels])
    likely = expected * shots > 5
    assert observed.sum() == shots
    assert observed[~likely].sum() < 30
    rest = expected[likely] / expected[likely].sum() * observed[likely].sum()
    assert chisquare(observed[likely], rest).pvalue > 1e-3


def test_shots_are_those_of_amazon_s_simulator() -> None:
    """Units, signs, which atom is which and what is read of it; its phases have the opposite sign of the guide's."""
    shots = 20_000
    given, opposite = (
        program(
            [(0, 0), (6, 0), (0, 7.5), (11, 3)],
            filling=[1, 1, 0, 1],
            amplitude=field([(0, 0), (0.3, 8e6), (1.2, 9e6), (1.5, 0)]),
            detuning=field([(0, -6e6), (1.5, 9e6)]),
            phase=field([(0, 0), (0.5, sign * 1.3), (0.9, sign * -0.8), (1.5, 0)]),
            local=field([(0, 0), (0.7, 8e6), (1.5, 0)], [1, 0.2, 0, 0.5]),
        )
        for sign in (1, -1)
    )
    np.random.seed(3)
    theirs = AnalogHamiltonianSimulationQuantumTaskResult.from_object(
        RydbergAtomSimulator().run(Program.parse_obj(opposite), shots=shots, steps=400)
    ).get_counts()
    ours = read(done(given, shots)).get_counts()
    labels = [label for label in sorted({*ours, *theirs}) if ours.get(label, 0) + theirs.get(label, 0) > 20]
    assert len(labels) > 5
    table = [[counts.get(label, 0) for label in labels] for counts in (ours, theirs)]
    assert chi2_contingency(table).pvalue > 1e-3


def test_a_seed_repeats_its_shots() -> None:
    first, second, other = (json.loads(done(PROGRAM, 200, seed=seed).document) for seed in (3, 3, 4))
    assert first["measurements"] == second["measurements"] != other["measurements"]


def test_the_document_is_of_the_schema() -> None:
    given = done(GAPPED, 50)
    assert (given.successful_shots, given.failure) == (50, None)
    document = json.loads(given.document)
    assert list(document) == ["braketSchemaHeader", "taskMetadata", "measurements", "additionalMetadata"]
    assert document["additionalMetadata"]["action"] == GAPPED
    assert set(document["additionalMetadata"]) == {"action", "simulatorMetadata", "braketeerMetadata"}
    (shot, *_) = document["measurements"]
    assert shot["shotMetadata"] == {"shotStatus": "Success"}
    assert shot["shotResult"]["preSequence"] == [1, 0, 1, 1]
    parsed = AnalogHamiltonianSimulationTaskResult.parse_raw(given.document)
    assert len(parsed.measurements) == parsed.taskMetadata.shots == 50
    assert parsed.additionalMetadata.simulatorMetadata.executionDuration == given.execution_ms > 0
    assert all(label[1] == "e" and "e" not in label[0] + label[2:] for label in read(given).get_counts())


def test_the_document_says_how_the_state_was_computed() -> None:
    said = json.loads(done(PROGRAM, 1).document)["additionalMetadata"]["braketeerMetadata"]
    assert (said["configurations"], said["interactionEnergyCut"]) == (8, None)
    chain = program([(4.0 * place, 0) for place in range(6)], amplitude=AMPLITUDE)
    said = json.loads(done(chain, 1).document)["additionalMetadata"]["braketeerMetadata"]
    assert 21 <= said["configurations"] < 64
    assert said["interactionEnergyCut"] > 1e7
    assert 0 < said["estimatedError"] < 5e-3


def test_an_emulated_qpu_makes_the_mistakes_of_its_document() -> None:
    shots = 5000
    nothing = program([*SITES, (20, 0)], amplitude=field([(0, 0), (0.6, 0)]), filling=[1, 1, 1, 0])
    document = json.loads(done(nothing, shots, AQUILA_LIMITS).document)
    assert document["additionalMetadata"]["queraMetadata"]["numSuccessfulShots"] == shots
    assert "simulatorMetadata" not in document["additionalMetadata"]
    before, after = (
        np.array([shot["shotResult"][name] for shot in document["measurements"]])
        for name in ("preSequence", "postSequence")
    )
    # 1 % of the atoms are not seen, as many sites are wrongly seen filled; 1 % are lost, 1 % misread as excited.
    assert before.mean(axis=0) == pytest.approx([0.99] * 3 + [0.01], abs=0.007)
    assert after.mean(axis=0) == pytest.approx([0.99 * 0.99] * 3 + [0], abs=0.01)


def test_an_excited_atom_is_read_as_ground_now_and_then() -> None:
    flip = program([(0, 0)], amplitude=field([(0, 0), (0.1, 1e7), (0.3142, 1e7), (0.4142, 0)]))
    perfect = json.loads(done(flip, 1000).document)
    assert sum(shot["shotResult"]["postSequence"][0] for shot in perfect["measurements"]) < 3
    flip["hamiltonian"]["drivingFields"][0] |= {"amplitude": field([(0, 0), (0.1, 1e7), (0.314, 1e7), (0.414, 0)])}
    end = field([(0, 0), (0.414, 0)])
    flip["hamiltonian"]["drivingFields"][0] |= {"phase": end, "detuning": end}
    seen = json.loads(done(flip, 5000, AQUILA_LIMITS).document)
    assert np.mean([shot["shotResult"]["postSequence"][0] for shot in seen["measurements"]]) == pytest.approx(
        0.1, abs=0.02
    )


def test_without_noise_the_qpu_is_perfect() -> None:
    limits = Catalogue(4 << 30, qpu_noise=False).limits(AQUILA)
    counts = read(done(program(SITES, amplitude=field([(0, 0), (0.6, 0)])), 200, limits)).get_counts()
    assert counts == {"ggg": 200}


def test_many_shots_are_written_fast_and_right() -> None:
    """One template serves all shots; here each site of each shot is checked through counts of two columns."""
    result = read(done(PROGRAM, 3000))
    assert len(result.measurements) == 3000
    assert {tuple(shot.pre_sequence) for shot in result.measurements} == {(1, 1, 1)}


def test_memory_grows_with_atoms_up_to_what_a_task_has() -> None:
    needed = []
    for atoms in (5, 12, 18, 24):
        chain = program([(5.0 * place, 0) for place in range(atoms)], amplitude=AMPLITUDE)
        needed.append(prepare(json.dumps(chain), SIMULATOR_LIMITS, 100).memory_bytes)
    assert needed == sorted(needed)
    assert needed[0] < 100 << 20
    assert needed[2] > (1 << 18) * 600
    assert needed[3] < 4 << 30


def test_other_devices_take_no_analog_programs() -> None:
    limits = Catalogue(4 << 30).limits("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
    with pytest.raises(ProgramError, match="does not take analog Hamiltonian simulations"):
        prepare(json.dumps(PROGRAM), limits, 10)
    source = {"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}, "source": "OPENQASM 3;"}
    with pytest.raises(ProgramError, match="does not take OpenQASM programs"):
        prepare(json.dumps(source), SIMULATOR_LIMITS, 10)
