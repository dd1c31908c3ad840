"""VQE with the decorator: the least energy of two coupled spins, found by parameter shifts on SV1.

eval "$(braketeer env)"; python examples/jobs/vqe.py
"""

from math import pi, sqrt

from braket.aws import AwsDevice
from braket.circuits import Circuit, FreeParameter, Observable
from braket.jobs import InstanceConfig, hybrid_job
from braket.jobs.metrics import log_metric

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
EXACT = -sqrt(5)  # of Z Z + X I + I X


@hybrid_job(device=SV1, wait_until_complete=True, instance_config=InstanceConfig(instanceType="ml.m5.large"))
def minimise(steps: int, rate: float) -> dict:
    device = AwsDevice(SV1)
    angles = [FreeParameter(f"a{n}") for n in range(4)]
    ansatz = Circuit().ry(0, angles[0]).ry(1, angles[1]).cnot(0, 1).ry(0, angles[2]).ry(1, angles[3])

    def energies(points: list[list[float]]) -> list[float]:
        """Of all points at once: one batch of tasks."""
        circuits = []
        for point in points:
            circuit = ansatz.make_bound_circuit({f"a{n}": value for n, value in enumerate(point)})
            circuit.expectation(Observable.Z() @ Observable.Z(), target=[0, 1])
            circuit.expectation(Observable.X(), target=0).expectation(Observable.X(), target=1)
            circuits.append(circuit)
        return [
            sum(result.values) for result in device.run_batch(circuits, shots=0, poll_interval_seconds=0.1).results()
        ]

    point = [0.1, 0.4, -0.3, 0.2]
    for step in range(steps):
        shifted = [[a + s * pi / 2 * (n == m) for m, a in enumerate(point)] for n in range(4) for s in (1, -1)]
        energy, *around = energies([point, *shifted])
        log_metric("energy", value=energy, iteration_number=step)
        gradient = [(around[2 * n] - around[2 * n + 1]) / 2 for n in range(4)]
        point = [a - rate * g for a, g in zip(point, gradient, strict=True)]
    return {"energy": energies([point])[0], "angles": point}


if __name__ == "__main__":
    job = minimise(steps=15, rate=0.4)
    result = job.result()
    print(job.arn)
    print(f"energy {result['energy']:.6f}, exact {EXACT:.6f}")
