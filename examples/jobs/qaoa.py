"""QAOA for a maximal cut, with checkpoints: a second job goes on where the first one has stopped.

eval "$(braketeer env)"; python examples/jobs/qaoa.py
"""

import os
from pathlib import Path

from braket.aws import AwsDevice
from braket.circuits import Circuit
from braket.jobs import load_job_checkpoint, save_job_checkpoint, save_job_result
from braket.jobs.metrics import log_metric

EDGES = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)]  # a square with a diagonal: the best cut has four edges
BEST = 4
SHOTS = 500


def main(rounds: int, earlier: str = ""):
    """``earlier`` names the job whose checkpoint this one goes on from."""
    device = AwsDevice(os.environ["AMZN_BRAKET_DEVICE_ARN"])
    state = load_job_checkpoint(earlier) if earlier else {"round": 0, "gamma": 0.3, "beta": 0.3, "width": 0.2}
    first = state["round"]
    for number in range(first, first + rounds):
        gamma, beta, width = state["gamma"], state["beta"], state["width"]
        around = [(gamma, beta)] + [(gamma + s * width, beta) for s in (1, -1)]
        around += [(gamma, beta + s * width) for s in (1, -1)]
        batch = device.run_batch([circuit(*point) for point in around], shots=SHOTS, poll_interval_seconds=0.1)
        cuts = [mean_cut(result.measurement_counts) for result in batch.results()]
        best = max(range(len(cuts)), key=cuts.__getitem__)
        if best == 0:
            width /= 2
        state = {"round": number + 1, "gamma": around[best][0], "beta": around[best][1], "width": width}
        log_metric("cut", value=cuts[best], iteration_number=number)
        save_job_checkpoint(state)
    counts = device.run(circuit(state["gamma"], state["beta"]), shots=SHOTS).result().measurement_counts
    save_job_result({**state, "mean_cut": mean_cut(counts), "best_cut": max(map(cut, counts))})


def circuit(gamma: float, beta: float) -> Circuit:
    made = Circuit().h(range(4))
    for one, other in EDGES:
        made.zz(one, other, 2 * gamma)
    return made.rx(range(4), 2 * beta)


def cut(bits: str) -> int:
    return sum(bits[one] != bits[other] for one, other in EDGES)


def mean_cut(counts: dict) -> float:
    return sum(cut(bits) * count for bits, count in counts.items()) / sum(counts.values())


if __name__ == "__main__":
    from braket.aws import AwsQuantumJob

    settings = {
        "device": "arn:aws:braket:::device/quantum-simulator/amazon/sv1",
        "source_module": str(Path(__file__)),
        "entry_point": "qaoa:main",
        "wait_until_complete": True,
    }
    first = AwsQuantumJob.create(hyperparameters={"rounds": 4}, **settings)
    more = {"rounds": 4, "earlier": first.name}
    second = AwsQuantumJob.create(hyperparameters=more, copy_checkpoints_from_job=first.arn, **settings)
    for job in (first, second):
        result = job.result()
        print(f"round {result['round']}: mean cut {result['mean_cut']:.2f}, best {result['best_cut']} of {BEST}")
