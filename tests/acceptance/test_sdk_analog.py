"""Analog Hamiltonian simulation through the unmodified amazon-braket-sdk: our simulator and the emulated Aquila."""

import pytest
from botocore.exceptions import ClientError
from braket.ahs import AnalogHamiltonianSimulation, AtomArrangement, DrivingField, LocalDetuning, SiteType
from braket.aws import AwsDevice
from braket.timings import TimeSeries

from tests.services import RunningService

pytestmark = pytest.mark.xdist_group("service")
SIMULATOR = "arn:aws:braket:::device/quantum-simulator/braketeer/ahs"
AQUILA = "arn:aws:braket:us-east-1::device/qpu/quera/Aquila"
PAIR = AtomArrangement().add((0, 0)).add((5e-6, 0)).add((50e-6, 0), SiteType.VACANT)


def series(*points: tuple[float, float]) -> TimeSeries:
    return TimeSeries.from_lists(*map(list, zip(*points, strict=True)))


def pulse(end: float = 0.5e-6, strongest: float = 5.6e6) -> DrivingField:
    amplitude = series((0, 0), (0.1e-6, strongest), (end - 0.1e-6, strongest), (end, 0))
    return DrivingField(amplitude, series((0, 0), (end, 0)), series((0, 0), (end, 0)))


def test_results_and_counts(client_environment: RunningService) -> None:
    program = AnalogHamiltonianSimulation(PAIR, pulse())
    for arn in (SIMULATOR, AQUILA):
        device = AwsDevice(arn)
        assert device.is_available
        task = device.run(program.discretize(device), shots=500)
        result = task.result()
        counts = result.get_counts()
        assert sum(counts.values()) == len(result.measurements) == 500
        # Five micrometres apart, the two are hardly ever excited together; Aquila misreads some.
        assert counts.get("rre", 0) < (1 if arn == SIMULATOR else 60)
        assert counts["gre"] > 100 < counts["rge"]
        assert result.additional_metadata.action == program.discretize(device).to_ir()
        metadata = task.metadata()
        assert metadata["actionMetadata"]["actionType"] == "braket.ir.ahs.program"
        assert (metadata["status"], metadata["numSuccessfulShots"]) == ("COMPLETED", 500)


def test_local_detuning_keeps_an_atom_where_it_is(client_environment: RunningService) -> None:
    device = AwsDevice(SIMULATOR)
    shift = LocalDetuning.from_lists([0, 0.5e-6], [1e9, 1e9], [0, 1, 0])
    counts = device.run(AnalogHamiltonianSimulation(PAIR, pulse() + shift), shots=300).result().get_counts()
    assert set(counts) == {"gge", "rge"}


def test_what_a_device_refuses(client_environment: RunningService) -> None:
    aquila, simulator = AwsDevice(AQUILA), AwsDevice(SIMULATOR)
    long = AnalogHamiltonianSimulation(PAIR, pulse(end=5e-6))
    with pytest.raises(ClientError, match=r"ValidationException.* lasts 0.000005 s; 0.000004 s is the most"):
        aquila.run(long.discretize(aquila), shots=10)
    near = AtomArrangement().add((0, 0)).add((3e-6, 0))
    with pytest.raises(ClientError, match=r"ValidationException.* sites must be at least 0.000004 m from each other"):
        aquila.run(AnalogHamiltonianSimulation(near, pulse()).discretize(aquila), shots=10)
    with pytest.raises(ClientError, match=r"ValidationException.* no multiple of the resolution 400"):
        aquila.run(AnalogHamiltonianSimulation(PAIR, pulse(strongest=5.6e6 + 1)), shots=10)
    with pytest.raises(ClientError, match=r"ValidationException.*between 1 and 1000"):
        aquila.run(AnalogHamiltonianSimulation(PAIR, pulse()).discretize(aquila), shots=1001)
    spread = AtomArrangement()
    for place in range(60):
        spread.add((20e-6 * (place % 10), 20e-6 * (place // 10)))
    with pytest.raises(ClientError, match=r"ValidationException.* The state of 60 atoms cannot be held here"):
        simulator.run(AnalogHamiltonianSimulation(spread, pulse()), shots=10)


def test_the_simulator_answers_without_being_listed(service: RunningService) -> None:
    braket = service.client("braket")
    assert braket.get_device(deviceArn=SIMULATOR)["deviceStatus"] == "ONLINE"
    assert SIMULATOR not in {device["deviceArn"] for device in braket.search_devices(filters=[])["devices"]}
