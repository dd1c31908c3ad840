"""Qiskit: an entangled state of five qubits, run through qiskit-braket-provider.

eval "$(braketeer env)"; python examples/jobs/qiskit_ghz.py
"""

from pathlib import Path

from braket.jobs import save_job_result

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"


def main(shots: int = 1000):
    save_job_result({"counts": counts(shots)})


def counts(shots: int, qubits: int = 5) -> dict[str, int]:
    from qiskit import QuantumCircuit
    from qiskit_braket_provider import BraketProvider

    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    backend = BraketProvider().get_backend("SV1")
    return {bits: int(count) for bits, count in backend.run(circuit, shots=shots).result().get_counts().items()}


if __name__ == "__main__":
    from braket.aws import AwsQuantumJob

    job = AwsQuantumJob.create(
        SV1,
        source_module=str(Path(__file__)),
        entry_point="qiskit_ghz:main",
        hyperparameters={"shots": 1000},
        wait_until_complete=True,
    )
    print("in a job  ", job.result()["counts"])
    print("outside it", counts(1000))
