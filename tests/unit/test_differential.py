"""Random programs of the whole vocabulary, on every engine that claims them, against the dense reference.

The programs are the same on every run. Circuits are made here for the engines, and by amazon-braket-sdk, whose own
matrices are then the reference, for the way from text to document.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from braketeer.devices.catalogue import Catalogue
from braketeer.devices.listed import DM1, SV1
from braketeer.quantum import TaskDescription, run
from braketeer.quantum.circuit import Circuit, Gate, Limits, Noise, Observable, ResultType
from braketeer.quantum.engines import available, choose
from braketeer.quantum.evolution import drawn, values
from braketeer.quantum.noise import kraus_noise
from tests.unit.dense import PAULIS, mixed_state_of, state_of, value_of
from tests.unit.random_circuits import haar, random_circuit, spread
from tests.unit.tasks_help import TASK

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.circuits import Circuit as SdkCircuit
    from braket.circuits import Gate as SdkGate
    from braket.circuits import Instruction, noises
    from braket.circuits import Observable as SdkObservable
    from braket.circuits import ResultType as SdkResultType
    from braket.circuits.serialization import IRType

CATALOGUE = Catalogue(task_memory_bytes=4 << 30)
DEVICES = {False: CATALOGUE.limits(SV1), True: CATALOGUE.limits(DM1)}
SEED = 20261122


def random_observable(random: np.random.Generator, targets: list[int]) -> Observable:
    factors: list[Any] = []
    while targets:
        width = int(random.choice([1, 1, 1, min(2, len(targets))]))
        if width == 1 and random.random() < 0.8:
            factor: Any = str(random.choice(sorted(PAULIS)))
        else:
            matrix = random.normal(size=(1 << width,) * 2) + 1j * random.normal(size=(1 << width,) * 2)
            factor = matrix + matrix.conj().T
        factors.append((factor, tuple(targets[:width])))
        targets = targets[width:]
    return Observable(tuple(factors))


def random_result(random: np.random.Generator, qubits: int, noisy: bool) -> ResultType:
    kinds = ["probability", "expectation", "variance", "density_matrix"]
    kind = str(random.choice(kinds if noisy else [*kinds, "amplitude", "state_vector"]))
    targets = list(map(int, random.permutation(qubits)[: int(random.integers(1, qubits + 1))]))
    every = random.random() < 0.3
    if kind == "state_vector":
        return ResultType(kind, {})
    if kind == "amplitude":
        states = tuple(format(int(number), f"0{qubits}b") for number in random.integers(0, 1 << qubits, 2))
        return ResultType(kind, {}, states=states)
    if kind in ("expectation", "variance"):
        if every:
            letter = str(random.choice(sorted(PAULIS)))
            return ResultType(kind, {}, None, Observable(tuple((letter, (qubit,)) for qubit in range(qubits))))
        return ResultType(kind, {}, tuple(targets), random_observable(random, targets))
    return ResultType(kind, {}, None if every else tuple(targets))


def difference(given: Any, right: Any) -> float:
    if isinstance(right, dict):
        assert given.keys() == right.keys()
        return max(difference(given[key], right[key]) for key in right)
    right, given = np.asarray(right), np.asarray(given, dtype=float)
    if np.iscomplexobj(right):
        right = np.stack([right.real, right.imag], axis=-1)
    assert given.shape == right.shape
    return float(np.abs(given - right).max())


@pytest.mark.parametrize("noisy", [False, True], ids=["pure", "noisy"])
@pytest.mark.parametrize("engine", available())
def test_exact_values_of_random_circuits(engine: str, noisy: bool) -> None:
    random = np.random.default_rng(SEED)
    for _ in range(60):
        qubits = int(random.integers(1, 5))
        circuit = random_circuit(random, qubits, int(random.integers(1, 15)), 0.35 if noisy else 0.0)
        asked = [random_result(random, qubits, noisy) for _ in range(4)]
        state = mixed_state_of(circuit) if circuit.is_noisy else state_of(circuit)
        given = values(replace(circuit, results=asked), DEVICES[noisy], choose(engine))
        for result, value in zip(asked, given, strict=True):
            assert difference(value, value_of(result, state)) < 1e-9, result


@pytest.mark.parametrize("engine", available())
def test_noise_on_many_qubits(engine: str) -> None:
    random = np.random.default_rng(SEED)
    for width in (3, 4, 5):
        blocks = haar(random, 3 << width)[:, : 1 << width].reshape(3, 1 << width, 1 << width)
        channel = kraus_noise(list(blocks), tuple(map(int, random.permutation(5)[:width])))
        circuit = Circuit(tuple(range(5)), [*spread(5), channel, *random_circuit(random, 5, 4).operations])
        assert np.abs(choose(engine).evolve_density(circuit) - mixed_state_of(circuit)).max() < 1e-12


@pytest.mark.parametrize("way", ["state vector", "density matrix", "trajectories"])
@pytest.mark.parametrize("engine", available())
def test_shots_of_random_circuits_fit_their_distribution(engine: str, way: str) -> None:
    random = np.random.default_rng(SEED + 1)
    limits = replace(DEVICES[True], max_density_qubits=0 if way == "trajectories" else 12)
    by_hand = (engine, way) == ("dense", "trajectories")
    shots, rounds, worst = (600, 6, 1.0) if by_hand else (20_000, 25, 1.0)
    for _ in range(rounds):
        qubits = int(random.integers(1, 5))
        circuit = random_circuit(random, qubits, 10, 0.0 if way == "state vector" else 0.35, 3 if by_hand else 2)
        expected = np.diag(mixed_state_of(circuit)).real
        indices = drawn(circuit, shots, limits, choose(engine), np.random.default_rng(7))
        observed = np.bincount(indices, minlength=1 << qubits)
        likely = expected * shots >= 5
        assert not observed[expected < 1e-12].any()
        if likely.sum() > 1:
            rest = [observed[~likely].sum()], [expected[~likely].sum() * shots]
            both = np.append(observed[likely], rest[0]), np.append(expected[likely] * shots, rest[1])
            keep = both[1] > 1
            scaled = both[1][keep] * both[0][keep].sum() / both[1][keep].sum()
            worst = min(worst, chisquare(both[0][keep], scaled).pvalue)
    assert worst > 1e-4 / rounds


# ------------------------------------------------------------------------------------- from the SDK's text to documents

GATES = [
    *(
        "I",
        "H",
        "X",
        "Y",
        "Z",
        "S",
        "Si",
        "T",
        "Ti",
        "V",
        "Vi",
        "Rx",
        "Ry",
        "Rz",
        "PhaseShift",
        "GPi",
        "GPi2",
        "PRx",
        "U",
    ),
    *("CNot", "CY", "CZ", "CV", "Swap", "ISwap", "PSwap", "XY", "XX", "YY", "ZZ", "MS", "ECR", "CCNot", "CSwap"),
    *("CPhaseShift", "CPhaseShift00", "CPhaseShift01", "CPhaseShift10"),
]
ANGLES = {"PRx": 2, "U": 3, "MS": 3} | dict.fromkeys(
    ("Rx", "Ry", "Rz", "PhaseShift", "GPi", "GPi2", "PSwap", "XY", "XX", "YY", "ZZ"), 1
)
ANGLES |= {name: 1 for name in GATES if name.startswith("CPhaseShift")}


def sdk_gate(random: np.random.Generator, qubits: int) -> tuple[Instruction, Gate]:
    """An instruction and what it does: the SDK's matrix, on our circuit's qubits."""
    while True:
        name = str(random.choice([*GATES, "Unitary"]))
        if name == "Unitary":
            gate = SdkGate.Unitary(haar(random, int(random.choice([2, 4]))))
        else:
            gate = getattr(SdkGate, name)(*(float(angle) for angle in random.uniform(-7, 7, ANGLES.get(name, 0))))
        free = list(map(int, random.permutation(qubits)))
        width = gate.qubit_count
        controls = free[width : width + int(random.choice([0, 0, 0, 1, 2]))] if name != "Unitary" else []
        if width <= qubits:
            break
    power = float(random.choice([1, 1, 1, -1, 2, 0.5])) if name != "Unitary" else 1.0
    states = [int(state) for state in random.integers(0, 2, len(controls))]
    instruction = Instruction(gate, free[:width], control=controls, control_state=states, power=power)
    meant = Gate("unitary", tuple(free[:width]), (), tuple(controls), tuple(states), power, gate.to_matrix())
    return instruction, meant


def sdk_noise(random: np.random.Generator, qubits: int) -> tuple[Instruction, Noise]:
    def share() -> float:
        return float(random.uniform(0, 0.3))

    one = [
        lambda: noises.BitFlip(share()),
        lambda: noises.PhaseFlip(share()),
        lambda: noises.PauliChannel(share(), share(), share()),
        lambda: noises.Depolarizing(share()),
        lambda: noises.AmplitudeDamping(share()),
        lambda: noises.GeneralizedAmplitudeDamping(share(), share()),
        lambda: noises.PhaseDamping(share()),
        lambda: noises.Kraus(list(haar(random, 4)[:, :2].reshape(2, 2, 2))),
    ]
    two = [
        lambda: noises.TwoQubitDepolarizing(share()),
        lambda: noises.TwoQubitDephasing(share()),
        lambda: noises.Kraus(list(haar(random, 8)[:, :4].reshape(2, 4, 4))),
    ]
    makers = one if qubits == 1 else one + two
    channel = makers[int(random.integers(len(makers)))]()
    targets = list(map(int, random.permutation(qubits)[: channel.qubit_count]))
    return Instruction(channel, targets), Noise("sdk", tuple(targets), (), np.array(list(channel.to_matrix())))


def sdk_results(random: np.random.Generator, qubits: int, noisy: bool) -> list[tuple[Any, ResultType]]:
    found: list[tuple[Any, ResultType]] = []
    for kind in ("probability", "expectation", "variance", "density_matrix" if noisy else "amplitude"):
        targets = list(map(int, random.permutation(qubits)[: int(random.integers(1, min(qubits, 3) + 1))]))
        if kind == "probability":
            found.append((SdkResultType.Probability(targets), ResultType(kind, {}, tuple(targets))))
        elif kind == "density_matrix":
            found.append((SdkResultType.DensityMatrix(targets), ResultType(kind, {}, tuple(targets))))
        elif kind == "amplitude":
            state = format(int(random.integers(1 << qubits)), f"0{qubits}b")
            found.append((SdkResultType.Amplitude([state]), ResultType(kind, {}, states=(state,))))
        else:
            letters = [str(letter) for letter in random.choice(sorted(PAULIS), len(targets))]
            product = SdkObservable.TensorProduct([getattr(SdkObservable, letter.upper())() for letter in letters])
            theirs = product if len(letters) > 1 else product.factors[0]
            factors = tuple((letter, (target,)) for letter, target in zip(letters, targets, strict=True))
            sdk_kind = SdkResultType.Expectation if kind == "expectation" else SdkResultType.Variance
            found.append((sdk_kind(theirs, targets), ResultType(kind, {}, tuple(targets), Observable(factors))))
    return found


@pytest.mark.parametrize("noisy", [False, True], ids=["SV1", "DM1"])
@pytest.mark.parametrize("engine", available())
def test_programs_as_the_sdk_writes_them(engine: str, noisy: bool) -> None:
    random = np.random.default_rng(SEED + 2)
    limits = DEVICES[noisy]
    for _ in range(40):
        qubits = int(random.integers(1, 5))
        theirs, meant = SdkCircuit(), []
        for qubit in range(qubits):
            theirs.ry(qubit, 0.4 + qubit)
            meant.append(Gate("ry", (qubit,), (0.4 + qubit,)))
        for _ in range(10):
            make = sdk_noise if noisy and random.random() < 0.4 else sdk_gate
            instruction, operation = make(random, qubits)
            theirs.add_instruction(instruction)
            meant.append(operation)
        asked = sdk_results(random, qubits, noisy)
        for result, _ in asked:
            theirs.add_result_type(result)
        circuit = Circuit(tuple(range(qubits)), meant)
        state = mixed_state_of(circuit) if noisy else state_of(circuit)
        given = _document(theirs, 0, limits, engine)
        for (_, result), value in zip(asked, given["resultTypes"], strict=True):
            assert difference(value["value"], value_of(result, state)) < 1e-9, theirs


def _document(circuit: Any, shots: int, limits: Limits, engine: str) -> Any:
    action = circuit.to_ir(ir_type=IRType.OPENQASM).json()
    task = TaskDescription(TASK, limits.device_arn, shots, action, None, 1_000, 2_000, 3, limits, engine)
    return json.loads(run(task).document)
