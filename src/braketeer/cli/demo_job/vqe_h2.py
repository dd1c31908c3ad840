"""A hybrid job: the ground state energy of the hydrogen molecule by a variational quantum eigensolver.

Nothing here knows where it runs: it is written with the unmodified amazon-braket-sdk alone. The Hamiltonian comes from
the input channel ``hamiltonian``; the hyperparameters are ``sweeps``, ``tolerance`` and ``seed`` (of the starting
point). The ansatz has one single excitation per spin and the double excitation; Rotosolve minimises one angle at a
time, exactly, from three energies.
"""

import json
import math
import os
import random
from itertools import pairwise
from pathlib import Path

from braket.aws import AwsDevice
from braket.circuits import Circuit, Observable
from braket.jobs import load_job_checkpoint, save_job_checkpoint, save_job_result
from braket.jobs.metrics import log_metric

# Pauli strings whose exponentials are the excitations 0 -> 2, 1 -> 3 and (0, 1) -> (2, 3).
EXCITATIONS = ("Y0 Z1 X2", "Y1 Z2 X3", "Y0 X1 X2 X3")
FACTORS = {"X": Observable.X, "Y": Observable.Y, "Z": Observable.Z}


def main():
    job = os.environ["AMZN_BRAKET_JOB_NAME"]
    hyperparameters = json.loads(Path(os.environ["AMZN_BRAKET_HP_FILE"]).read_text())
    sweeps, tolerance = int(hyperparameters["sweeps"]), float(hyperparameters["tolerance"])
    channel = Path(os.environ["AMZN_BRAKET_INPUT_DIR"]) / "hamiltonian"
    problem = json.loads(next(channel.glob("*.json")).read_text())
    device = AwsDevice(os.environ["AMZN_BRAKET_DEVICE_ARN"])
    print(f"{problem['molecule']} in {problem['basis']} at {problem['bond_length_angstrom']} A on {device.name}")

    generator = random.Random(int(hyperparameters["seed"]))
    angles = [generator.uniform(-2, 2) for _ in EXCITATIONS]
    tasks = 0

    def energy(trial):
        nonlocal tasks
        tasks += 1
        return measure_energy(device, problem, trial)

    best = energy(angles)
    for sweep in range(sweeps):
        before = best
        for index in range(len(angles)):
            angles[index], best = minimise(energy, angles, index, best)
        log_metric(metric_name="energy", value=best, iteration_number=sweep)
        save_job_checkpoint({"angles": angles, "energy": best, "sweep": sweep}, checkpoint_file_suffix="last")
        if before - best < tolerance:
            break

    restored = load_job_checkpoint(job, checkpoint_file_suffix="last")
    save_job_result({"energy": restored["energy"], "angles": restored["angles"], "sweeps": sweep + 1, "tasks": tasks})
    print(f"Energy {best:.10f} hartree after {tasks} quantum tasks")


def minimise(energy, angles, index, here):
    """The angle of least energy along one coordinate, and that energy: E is a sinusoid of period 2 pi in each angle."""

    def shifted(shift):
        return energy([*angles[:index], angles[index] + shift, *angles[index + 1 :]])

    up, down = shifted(math.pi / 2), shifted(-math.pi / 2)
    mean = (up + down) / 2
    phase = math.atan2(here - mean, (up - down) / 2)
    amplitude = math.hypot(here - mean, (up - down) / 2)
    return angles[index] - math.pi / 2 - phase, mean - amplitude


def measure_energy(device, problem, angles):
    """The energy of the ansatz at these angles: one quantum task, every term of the Hamiltonian read from one state."""
    circuit = ansatz(problem["reference_state"], angles)
    constant, weights = 0.0, []
    for weight, string in problem["terms"]:
        paulis = parse(string)
        if not paulis:
            constant += weight
            continue
        observable = FACTORS[paulis[0][0]]()
        for letter, _ in paulis[1:]:
            observable = observable @ FACTORS[letter]()
        circuit.expectation(observable, target=[qubit for _, qubit in paulis])
        weights.append(weight)
    values = device.run(circuit, shots=0).result().values
    return constant + sum(weight * value for weight, value in zip(weights, values, strict=True))


def ansatz(reference, angles):
    circuit = Circuit()
    for qubit, occupied in enumerate(reference):
        circuit.x(qubit) if occupied else circuit.i(qubit)
    for string, angle in zip(EXCITATIONS, angles, strict=True):
        add_rotation(circuit, parse(string), angle)
    return circuit


def add_rotation(circuit, paulis, angle):
    """exp(-i angle/2 P) for a Pauli string P: basis changes, a ladder of CNOTs, one rotation, and back."""
    qubits = [qubit for _, qubit in paulis]
    for letter, qubit in paulis:
        if letter == "X":
            circuit.h(qubit)
        elif letter == "Y":
            circuit.rx(qubit, math.pi / 2)
    for control, target in pairwise(qubits):
        circuit.cnot(control, target)
    circuit.rz(qubits[-1], angle)
    for control, target in reversed(list(pairwise(qubits))):
        circuit.cnot(control, target)
    for letter, qubit in paulis:
        if letter == "X":
            circuit.h(qubit)
        elif letter == "Y":
            circuit.rx(qubit, -math.pi / 2)


def parse(string):
    """``"Y0 Z1"`` -> [("Y", 0), ("Z", 1)]"""
    return [(factor[0], int(factor[1:])) for factor in string.split()]


if __name__ == "__main__":
    main()
