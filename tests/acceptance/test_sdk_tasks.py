"""Quantum tasks through the unmodified amazon-braket-sdk."""

import math

import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsQuantumTask
from braket.circuits import Circuit, FreeParameter, Observable
from braket.devices import Devices
from braket.ir.openqasm import Program
from braket.tracking import Tracker

from tests.services import GARNET, SV1, RunningService

BELL = Circuit().h(0).cnot(0, 1)


@pytest.fixture
def sv1(client_environment: RunningService) -> AwsDevice:
    return AwsDevice(SV1)


def test_a_bell_pair_is_measured(sv1: AwsDevice) -> None:
    result = sv1.run(BELL, shots=1000).result()
    assert set(result.measurement_counts) == {"00", "11"}
    assert sum(result.measurement_counts.values()) == 1000
    assert 380 < result.measurement_counts["00"] < 620  # beyond 7 standard deviations on either side


def test_results_without_shots_are_exact(sv1: AwsDevice) -> None:
    circuit = Circuit().rx(0, 0.7).cnot(0, 1)
    circuit.expectation(Observable.Z() @ Observable.Z(), target=[0, 1])
    circuit.expectation(Observable.Z(), target=0).variance(Observable.Z(), target=1)
    circuit.probability(target=[1]).amplitude(state=["00", "11"])
    values = sv1.run(circuit, shots=0).result().values
    assert values[0] == pytest.approx(1)
    assert values[1] == pytest.approx(math.cos(0.7))
    assert values[2] == pytest.approx(1 - math.cos(0.7) ** 2)
    assert values[3] == pytest.approx([math.cos(0.35) ** 2, math.sin(0.35) ** 2])
    assert values[4]["00"] == pytest.approx(math.cos(0.35))
    assert values[4]["11"] == pytest.approx(-1j * math.sin(0.35))


def test_results_with_shots_come_from_the_same_measurements(sv1: AwsDevice) -> None:
    circuit = Circuit().h(0).cnot(0, 1)
    circuit.expectation(Observable.X() @ Observable.X(), target=[0, 1]).sample(Observable.X(), target=0)
    result = sv1.run(circuit, shots=50).result()
    assert result.values[0] == 1
    assert set(result.values[1]) <= {1, -1}
    assert len(result.values[1]) == 50


def test_free_parameters_are_bound_through_inputs(sv1: AwsDevice) -> None:
    theta = FreeParameter("theta")
    circuit = Circuit().rx(0, theta / 2 + 0.1).expectation(Observable.Z(), target=0)
    for value in (0.3, -1.2):
        found = sv1.run(circuit, shots=0, inputs={"theta": value}).result().values[0]
        assert found == pytest.approx(math.cos(value / 2 + 0.1))


def test_a_batch_of_fifty(sv1: AwsDevice) -> None:
    circuits = [Circuit().ry(0, 0.1 * k).expectation(Observable.Z(), target=0) for k in range(50)]
    results = sv1.run_batch(circuits, shots=0).results()
    assert [result.values[0] for result in results] == pytest.approx([math.cos(0.1 * k) for k in range(50)])


def test_a_task_is_found_again_by_its_arn(sv1: AwsDevice) -> None:
    task = sv1.run(BELL, shots=10, tags={"team": "blue"})
    task.result()
    again = AwsQuantumTask(task.id)
    assert again.state() == "COMPLETED"
    assert sum(again.result().measurement_counts.values()) == 10
    metadata = again.metadata()
    assert metadata["tags"] == {"team": "blue"}
    assert metadata["actionMetadata"] == {"actionType": "braket.ir.openqasm.program"}
    assert again.queue_position().queue_position is None
    assert "COMPLETED" in again.queue_position().message


def test_a_program_that_cannot_run_says_where(sv1: AwsDevice) -> None:
    with pytest.raises(ClientError) as refusal:
        sv1.run(Program(source="OPENQASM 3.0;\nqubit[2] q;\nhadamard q[0];"), shots=10)
    assert refusal.value.response["Error"]["Code"] == "ValidationException"
    assert "line 3, column 1" in refusal.value.response["Error"]["Message"]


def test_a_program_that_looks_at_its_own_measurements(sv1: AwsDevice) -> None:
    """Teleportation, corrected by what was measured, with a reset before the qubit is used again."""
    source = """OPENQASM 3.0;
qubit[3] q;
bit[2] m;
output bit here;
ry(2.0) q[0];
h q[1];
cnot q[1], q[2];
cnot q[0], q[1];
h q[0];
m[0] = measure q[0];
m[1] = measure q[1];
reset q[0];
if (m[1]) x q[2];
if (m[0]) z q[2];
ry(-2.0) q[2];
here = measure q[2];
"""
    result = sv1.run(Program(source=source), shots=200).result()
    counts = result.measurement_counts
    assert {bits[2] for bits in counts} == {"0"}
    assert {bits[:2] for bits in counts} == {"00", "01", "10", "11"}


def test_reservations_are_refused_as_braket_refuses_them(sv1: AwsDevice) -> None:
    arn = "arn:aws:braket:us-east-1:000000000000:reservation/0b1cff4b-5f5a-4f2e-8a4d-0a0a0a0a0a0a"
    with pytest.raises(ClientError, match="Braket Direct is not supported for"):
        sv1.run(BELL, shots=10, reservation_arn=arn)
    with pytest.raises(ClientError, match="Reservation arn is invalid"):
        AwsDevice(GARNET).run(BELL, shots=10, reservation_arn=arn)


def test_every_device_of_the_sdk_answers(client_environment: RunningService) -> None:
    arns = [
        device.value for provider in vars(Devices).values() if hasattr(provider, "__members__") for device in provider
    ]
    assert SV1 in arns
    for arn in arns:
        device = AwsDevice(arn)
        assert device.arn == arn
        assert device.status in {"ONLINE", "OFFLINE", "RETIRED"}
        assert device.properties.service.shotsRange[1] >= 1
        assert device.queue_depth().jobs == "0 (None)" or device.queue_depth().jobs.isdigit()


def test_devices_are_listed_once_each(client_environment: RunningService) -> None:
    devices = AwsDevice.get_devices()
    arns = [device.arn for device in devices]
    assert len(arns) == len(set(arns))
    assert {"SV1", "DM1", "Garnet", "Aquila"} <= {device.name for device in devices}
    assert [device.name for device in AwsDevice.get_devices(statuses=["ONLINE"], types=["SIMULATOR"])] == ["DM1", "SV1"]


def test_an_unknown_device_is_not_found(client_environment: RunningService) -> None:
    with pytest.raises(ValueError, match="not found"):
        AwsDevice("arn:aws:braket:::device/quantum-simulator/amazon/sv9")


def test_the_tracker_finds_prices_of_zero(sv1: AwsDevice) -> None:
    with Tracker() as tracker:
        sv1.run(BELL, shots=10).result()
    assert tracker.simulator_tasks_cost() == 0
    assert tracker.quantum_tasks_statistics()[SV1]["tasks"] == {"COMPLETED": 1}
