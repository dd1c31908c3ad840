"""The catalogue: every device of the SDK's enum, with a document that the SDK reads and that is true here."""

from __future__ import annotations

import warnings
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.aws import AwsDevice
    from braket.devices import Devices
    from braket.schema_common import BraketSchemaBase

from braketeer.devices.catalogue import Catalogue, Device
from braketeer.devices.listed import DM1, RYDBERG, STABILIZER, SV1, TN1, DeviceStatus
from braketeer.devices.simulators import most_density_qubits, most_qubits, run_memory_bytes
from braketeer.quantum.noise import CHANNELS

GIB = 2**30
ACTIONS = {"braket.ir.openqasm.program", "braket.ir.jaqcd.program", "braket.ir.openqasm.program_set"}
CATALOGUE = Catalogue(task_memory_bytes=17 * GIB)
ARNS = [device.arn for device in CATALOGUE]


SCHEMA_CLASSES = {
    "amazon": "GateModelSimulatorDeviceCapabilities",
    "aqt": "AqtDeviceCapabilities",
    "braketeer": "GateModelSimulatorDeviceCapabilities",
    "d-wave": "DwaveDeviceCapabilities",
    "ionq": "IonqDeviceCapabilities",
    "iqm": "IqmDeviceCapabilities",
    "oqc": "OqcDeviceCapabilities",
    "quera": "QueraDeviceCapabilities",
    "rigetti": "RigettiDeviceCapabilities",
    "xanadu": "XanaduDeviceCapabilities",
}


def _device(arn: str) -> Device:
    device = CATALOGUE.get(arn)
    assert device is not None
    return device


def _properties(arn: str) -> Any:
    return BraketSchemaBase.parse_raw_schema(_device(arn).capabilities)


def test_every_device_of_the_sdk_is_there_and_our_own() -> None:
    makers = [value for name, value in vars(Devices).items() if name.startswith("_") and isinstance(value, type)]
    assert sorted(ARNS) == sorted([STABILIZER, RYDBERG, *(arn.value for maker in makers for arn in maker)])
    assert len(ARNS) == 31
    assert [device.arn for device in CATALOGUE if device.unlisted] == [STABILIZER, RYDBERG]


@pytest.mark.parametrize("arn", ARNS)
def test_the_sdk_reads_the_document(arn: str) -> None:
    device, properties = _device(arn), _properties(arn)
    # No other class describes an analog device.
    assert type(properties).__name__ == SCHEMA_CLASSES["quera" if arn == RYDBERG else arn.split("/")[-2]]
    assert properties.service.shotsRange == device.shots_range
    assert "Braketeer" in properties.service.deviceDocumentation.summary


@pytest.mark.parametrize("arn", ARNS)
def test_nothing_in_a_document_leads_to_another_host(arn: str) -> None:
    assert "http" not in _device(arn).capabilities


@pytest.mark.parametrize("arn", [arn for arn in ARNS if "qpu" in arn])
def test_a_qpu_is_labelled_as_none(arn: str) -> None:
    assert "not the QPU itself" in _device(arn).document["service"]["deviceDocumentation"]["summary"]


@pytest.mark.parametrize("arn", [arn for arn in ARNS if "qpu" in arn])
def test_gate_calibrations_are_none_for_the_sdk_and_nothing_is_fetched(arn: str) -> None:
    stand_in: Any = SimpleNamespace(properties=_properties(arn))
    assert AwsDevice.refresh_gate_calibrations(stand_in) is None


def test_an_emulation_is_open_at_all_hours_until_the_recorded_windows_are_asked_for() -> None:
    cepheus = _device(Devices.Rigetti.Cepheus1108Q.value)
    assert _properties(cepheus.arn).service.executionWindows[0].executionDay == "Everyday"
    assert len(_properties(cepheus.arn).service.executionWindows) == 1
    recorded = BraketSchemaBase.parse_raw_schema(cepheus.capabilities_with(recorded_windows=True))
    assert [str(window.windowStartHour) for window in recorded.service.executionWindows] == [
        "00:00:00",
        "09:00:00",
        "21:00:00",
    ]
    assert (len(cepheus.windows()), len(cepheus.windows(recorded_windows=True))) == (1, 3)


def test_a_program_sets_bounds_are_those_of_the_document() -> None:
    limits = CATALOGUE.limits(SV1)
    assert (limits.most_executables, limits.most_set_shots) == (100, 200_000)
    garnet = _device(Devices.IQM.Garnet.value).limits
    assert garnet is not None
    assert (garnet.most_executables, garnet.most_set_shots) == (100, 200_000)
    assert CATALOGUE.limits(TN1).most_executables == 0


def test_a_device_is_found_by_its_name() -> None:
    assert CATALOGUE.named("sv1") is CATALOGUE.named(SV1) is _device(SV1)
    assert CATALOGUE.named("forte-1") is _device(Devices.IonQ.Forte1.value)
    assert CATALOGUE.named("forte") is None


def test_statuses_before_the_operator_sets_any() -> None:
    statuses = {device.arn: device.default_status.value for device in CATALOGUE}
    assert (statuses[SV1], statuses[DM1], statuses[TN1]) == ("ONLINE", "ONLINE", "RETIRED")
    makers = [value for name, value in vars(Devices).items() if name.startswith("_") and isinstance(value, type)]
    for maker in makers:
        for member in maker:
            if "/qpu/" in member.value:
                # The enum marks retired devices by an underscore.
                assert statuses[member.value] == ("RETIRED" if member.name.startswith("_") else "ONLINE")


def test_a_qpu_is_in_its_region_and_a_simulator_in_all() -> None:
    garnet = _device(Devices.IQM.Garnet.value)
    assert garnet.is_in("eu-north-1")
    assert not garnet.is_in("us-east-1")
    assert _device(SV1).is_in("ap-south-2")
    assert _device("arn:aws:braket:::device/qpu/rigetti/Aspen-8").region == "us-west-1"


@pytest.mark.parametrize(
    ("memory", "qubits"),
    [
        (0, 1),
        (GIB, 24),
        (16 * GIB, 28),
        (24 * GIB, 29),
        (run_memory_bytes(20), 20),
        (run_memory_bytes(20) - 1, 19),
        (2**50, 34),
    ],
)
def test_sv1_has_the_qubits_that_fit_twice_into_memory(memory: int, qubits: int) -> None:
    assert most_qubits(memory) == qubits
    found = Catalogue(memory).limits(SV1)
    assert found.max_qubits == qubits


def test_sv1_says_what_it_takes() -> None:
    properties, limits = _properties(SV1), CATALOGUE.limits(SV1)
    actions = {action.value: taken for action, taken in properties.action.items()}
    assert set(actions) == limits.actions == ACTIONS
    assert actions["braket.ir.openqasm.program_set"].maximumExecutables == 100
    action = actions["braket.ir.openqasm.program"]
    assert {"cv", "gpi", "prx", "GPhase", "U"} <= set(action.supportedOperations)
    assert "braket_unitary_matrix" in action.supportedPragmas
    assert not set(action.supportedPragmas) & set(action.forbiddenPragmas)
    assert properties.service.shotsRange == (0, 100_000)
    assert properties.service.getTaskPollIntervalMillis == 20
    assert limits.result_kinds_exact == {"expectation", "variance", "probability", "amplitude", "adjoint_gradient"}
    assert limits.result_kinds_sampled == {"expectation", "variance", "probability", "sample"}
    assert limits.operations == set(action.supportedOperations)
    assert limits.all_measured
    assert (limits.noise, limits.max_density_qubits, limits.method) == (frozenset(), 0, "state")


def test_dm1_says_what_it_takes() -> None:
    properties, limits = _properties(DM1), CATALOGUE.limits(DM1)
    assert {action.value for action in properties.action} == limits.actions == ACTIONS
    action = properties.action["braket.ir.openqasm.program"]
    assert not set(action.supportedPragmas) & set(action.forbiddenPragmas)
    assert limits.noise == {*CHANNELS, "kraus"}
    assert {f"braket_noise_{name}" for name in limits.noise - {"two_qubit_pauli_channel"}} < set(
        action.supportedPragmas
    )
    assert limits.result_kinds_exact == {"expectation", "variance", "probability", "density_matrix"}
    assert limits.result_kinds_sampled == {"expectation", "variance", "probability", "sample"}
    assert (limits.max_qubits, limits.max_density_qubits) == (17, 14)
    assert "up to 14 qubits" in properties.service.deviceDocumentation.summary


def test_the_stabilizer_says_what_it_takes() -> None:
    properties, limits = _properties(STABILIZER), CATALOGUE.limits(STABILIZER)
    action = properties.action["braket.ir.openqasm.program"]
    assert not {"t", "cv", "ccnot"} & set(action.supportedOperations)
    assert {"h", "cnot", "rz", "ecr"} < set(action.supportedOperations)
    assert limits.noise == {name for name in CHANNELS if "damping" not in name} - {"two_qubit_pauli_channel"}
    assert limits.result_kinds_exact == {"expectation", "variance"}
    assert (limits.max_qubits, limits.method, limits.all_measured) == (4096, "stabilizer", False)


def test_tn1_says_what_it_takes() -> None:
    properties, limits = _properties(TN1), CATALOGUE.limits(TN1)
    assert properties.service.shotsRange == (1, 1000)
    assert limits.result_kinds_exact == frozenset()
    assert limits.result_kinds_sampled == {"expectation", "variance", "sample"}
    assert (limits.max_qubits, limits.method, limits.noise) == (50, "tensor_network", frozenset())


@pytest.mark.parametrize(("memory", "qubits"), [(0, 0), (GIB, 12), (17 * GIB, 14), (33 * GIB, 15), (2**60, 17)])
def test_dm1_is_exact_as_far_as_memory_goes(memory: int, qubits: int) -> None:
    assert most_density_qubits(memory) == qubits


def _is_of_today(device: Device) -> bool:
    return device.default_status == DeviceStatus.ONLINE


def test_only_computing_devices_have_limits_to_run_by() -> None:
    computing = [device.arn for device in CATALOGUE.computing()]
    assert computing[:5] == [SV1, DM1, TN1, STABILIZER, RYDBERG]
    assert set(computing[5:]) == {device.arn for device in CATALOGUE if "qpu" in device.arn and _is_of_today(device)}
    assert _device(next(arn for arn in ARNS if "d-wave" in arn)).limits is None
    with pytest.raises(LookupError):
        CATALOGUE.limits("arn:aws:braket:::device/quantum-simulator/amazon/sv2")


def test_a_document_is_read_when_it_is_asked_for() -> None:
    catalogue = Catalogue(GIB)
    cepheus = catalogue.get(Devices.Rigetti.Cepheus1108Q.value)
    assert cepheus is not None
    assert "document" not in vars(cepheus)
    assert len(cepheus.capabilities) > 200_000
    assert cepheus.capabilities is cepheus.capabilities


def test_aquila_has_figures_for_local_detuning() -> None:
    """The recorded document has placeholders there, such as a spacing of 20 cm."""
    local = _properties(Devices.QuEra.Aquila.value).paradigm.rydberg.rydbergLocal
    assert (local.spacingRadialMin, local.numberLocalDetuningSitesMax) == (Decimal("0.000005"), 200)
    assert local.detuningRange == (0, 125_000_000)


def test_the_simulator_of_rydberg_atoms_has_no_errors() -> None:
    properties, limits = _properties(RYDBERG), CATALOGUE.limits(RYDBERG)
    assert limits.actions == {"braket.ir.ahs.program"} == {action.value for action in properties.action}
    assert properties.service.shotsRange == (1, 100_000)
    performance = properties.paradigm.performance
    assert performance.rydberg.rydbergGlobal.rydbergDetectionError == performance.lattice.fillingErrorTypical == 0
    assert limits.analog is not None
    assert limits.analog.mistakes is None
    assert limits.analog.most_configurations(21) == 1 << 21
    small = Catalogue(task_memory_bytes=GIB).limits(RYDBERG).analog
    assert small is not None
    assert 400_000 < small.most_configurations(21) < 500_000
