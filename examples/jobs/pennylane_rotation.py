"""PennyLane: gradient descent on a device of its own, ``braket.aws.qubit``, with gradients computed by SV1.

eval "$(braketeer env)"; python examples/jobs/pennylane_rotation.py
"""

import os
from pathlib import Path

from braket.jobs import save_job_result
from braket.jobs.metrics import log_metric

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"


def main(steps: int = 15):
    energy, angles = descend(os.environ["AMZN_BRAKET_DEVICE_ARN"], steps)
    save_job_result({"energy": energy, "angles": angles})


def descend(device_arn: str, steps: int) -> tuple[float, list[float]]:
    """The least expectation of Z on the second of two entangled qubits; -1 is the least there is."""
    import pennylane as qml
    from pennylane import numpy as np

    device = qml.device("braket.aws.qubit", device_arn=device_arn, wires=2, shots=None)

    @qml.qnode(device, diff_method="device")
    def energy(angles):
        qml.RX(angles[0], wires=0)
        qml.CNOT(wires=[0, 1])
        qml.RY(angles[1], wires=1)
        return qml.expval(qml.PauliZ(1))

    angles = np.array([0.4, 0.6], requires_grad=True)
    optimiser = qml.GradientDescentOptimizer(stepsize=0.8)
    for step in range(steps):
        angles, value = optimiser.step_and_cost(energy, angles)
        log_metric("energy", value=float(value), iteration_number=step)
    return float(energy(angles)), [float(angle) for angle in angles]


if __name__ == "__main__":
    from braket.aws import AwsQuantumJob

    job = AwsQuantumJob.create(
        SV1,
        source_module=str(Path(__file__)),
        entry_point="pennylane_rotation:main",
        hyperparameters={"steps": 15},
        wait_until_complete=True,
    )
    print("in a job  ", job.result()["energy"])
    print("outside it", descend(SV1, 15)[0])
