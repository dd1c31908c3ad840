"""DM1, adjoint gradients and the stabilizer device through the unmodified amazon-braket-sdk."""

import math

import numpy as np
import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsDevice
from braket.circuits import Circuit, FreeParameter, Observable
from braket.devices import Devices

from tests.services import SV1, RunningService

pytestmark = pytest.mark.xdist_group("service")
STABILIZER = "arn:aws:braket:::device/quantum-simulator/braketeer/stabilizer"


@pytest.fixture
def dm1(client_environment: RunningService) -> AwsDevice:
    return AwsDevice(Devices.Amazon.DM1)


def test_exact_values_after_noise(dm1: AwsDevice) -> None:
    assert dm1.is_available
    circuit = Circuit().x(0).bit_flip(0, 0.2).h(1).phase_damping(1, 0.36)
    circuit.density_matrix(target=[0]).expectation(Observable.X(), target=1).probability(target=[0])
    values = dm1.run(circuit, shots=0).result().values
    pairs = np.asarray(values[0])  # the SDK leaves them as they came: [real, imaginary]
    assert pairs[..., 0] == pytest.approx(np.diag([0.2, 0.8]))
    assert values[1] == pytest.approx(0.8)
    assert values[2] == pytest.approx([0.2, 0.8])


def test_shots_after_noise(dm1: AwsDevice) -> None:
    counts = dm1.run(Circuit().x(0).amplitude_damping(0, 0.25), shots=2000).result().measurement_counts
    assert 360 < counts["0"] < 640  # beyond 7 standard deviations on either side


def test_more_qubits_than_a_density_matrix_has(dm1: AwsDevice) -> None:
    circuit = Circuit().x(range(17)).bit_flip(3, 0.5)
    with pytest.raises(ClientError, match="density matrix of all 17 qubits"):
        dm1.run(Circuit().add_circuit(circuit).expectation(Observable.Z(), target=0), shots=0)
    counts = dm1.run(circuit, shots=30).result().measurement_counts
    assert set(counts) == {"1" * 17, "1110" + "1" * 13}


def test_sv1_takes_no_noise(client_environment: RunningService) -> None:
    with pytest.raises(ClientError, match="noise"):
        AwsDevice(SV1).run(Circuit().x(0).bit_flip(0, 0.2), shots=10)


def test_an_adjoint_gradient(client_environment: RunningService) -> None:
    alpha, beta = FreeParameter("alpha"), FreeParameter("beta")
    circuit = Circuit().rx(0, 2 * alpha).ry(1, alpha + beta).zz(0, 1, beta)
    observable = 2 * Observable.Z() @ Observable.I() + 0.5 * Observable.Z() @ Observable.Z()
    circuit.adjoint_gradient(observable, [[0, 1], [0, 1]], parameters=["alpha", "beta"])
    (value,) = AwsDevice(SV1).run(circuit, shots=0, inputs={"alpha": 0.3, "beta": 0.4}).result().values
    cos, sin = math.cos, math.sin
    assert value["expectation"] == pytest.approx(2 * cos(0.6) + 0.5 * cos(0.6) * cos(0.7))
    assert value["gradient"]["beta"] == pytest.approx(-0.5 * cos(0.6) * sin(0.7))
    assert value["gradient"]["alpha"] == pytest.approx(-4 * sin(0.6) - sin(0.6) * cos(0.7) - 0.5 * cos(0.6) * sin(0.7))


def test_a_thousand_qubits_on_the_stabilizer_device(client_environment: RunningService) -> None:
    pytest.importorskip("stim", reason="no wheel of stim for this platform")
    device = AwsDevice(STABILIZER)
    assert device.provider_name == "Braketeer"
    circuit = Circuit().h(0)
    for qubit in range(999):
        circuit.cnot(qubit, qubit + 1)
    measurements = device.run(circuit, shots=20).result().measurements
    assert measurements.shape == (20, 1000)
    assert (measurements == measurements[:, :1]).all()
    with pytest.raises(ClientError, match="is not Clifford"):
        device.run(Circuit().rx(0, 0.3), shots=10)
    assert device.arn not in {found.arn for found in AwsDevice.get_devices(types=["SIMULATOR"])}
