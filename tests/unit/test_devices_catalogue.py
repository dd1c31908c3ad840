"""The catalogue: every device of the SDK's enum, with a document that the SDK reads and that is true here."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.devices import Devices
    from braket.schema_common import BraketSchemaBase

from braketeer.devices.catalogue import Catalogue, Device
from braketeer.devices.listed import DM1, SV1, TN1
from braketeer.devices.simulators import most_qubits, run_memory_bytes

GIB = 2**30
CATALOGUE = Catalogue(task_memory_bytes=17 * GIB)
ARNS = [device.arn for device in CATALOGUE]


SCHEMA_CLASSES = {
    "amazon": "GateModelSimulatorDeviceCapabilities",
    "aqt": "AqtDeviceCapabilities",
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


def test_every_device_of_the_sdk_is_there_and_no_other() -> None:
    makers = [value for name, value in vars(Devices).items() if name.startswith("_") and isinstance(value, type)]
    assert sorted(ARNS) == sorted(arn.value for maker in makers for arn in maker)
    assert len(ARNS) == 29


@pytest.mark.parametrize("arn", ARNS)
def test_the_sdk_reads_the_document(arn: str) -> None:
    device, properties = _device(arn), _properties(arn)
    assert type(properties).__name__ == SCHEMA_CLASSES[arn.split("/")[-2]]
    assert properties.service.shotsRange == device.shots_range
    assert "Braketeer" in properties.service.deviceDocumentation.summary


@pytest.mark.parametrize("arn", ARNS)
def test_nothing_in_a_document_leads_to_another_host(arn: str) -> None:
    assert "http" not in _device(arn).capabilities


@pytest.mark.parametrize("arn", [arn for arn in ARNS if "qpu" in arn])
def test_a_qpu_is_labelled_as_none(arn: str) -> None:
    assert "not the QPU itself" in _device(arn).document["service"]["deviceDocumentation"]["summary"]


def test_statuses_before_the_operator_sets_any() -> None:
    statuses = {device.arn: device.default_status.value for device in CATALOGUE}
    assert (statuses[SV1], statuses[DM1], statuses[TN1]) == ("ONLINE", "OFFLINE", "RETIRED")
    makers = [value for name, value in vars(Devices).items() if name.startswith("_") and isinstance(value, type)]
    for maker in makers:
        for member in maker:
            if "/qpu/" in member.value:
                # The enum marks retired devices by an underscore.
                assert statuses[member.value] == ("RETIRED" if member.name.startswith("_") else "OFFLINE")


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
    assert [action.value for action in properties.action] == ["braket.ir.openqasm.program"]
    action = next(iter(properties.action.values()))
    assert {"cv", "gpi", "prx", "GPhase", "U"} <= set(action.supportedOperations)
    assert "braket_unitary_matrix" in action.supportedPragmas
    assert not set(action.supportedPragmas) & set(action.forbiddenPragmas)
    assert properties.service.shotsRange == (0, 100_000)
    assert properties.service.getTaskPollIntervalMillis == 20
    assert limits.result_kinds_exact == {"expectation", "variance", "probability", "amplitude"}
    assert limits.result_kinds_sampled == {"expectation", "variance", "probability", "sample"}
    assert limits.operations == set(action.supportedOperations)
    assert limits.all_measured


def test_only_computing_devices_have_limits_to_run_by() -> None:
    assert CATALOGUE.computing_arns() == [SV1]
    assert _device(Devices.QuEra.Aquila.value).limits is None
    with pytest.raises(LookupError):
        CATALOGUE.limits("arn:aws:braket:::device/quantum-simulator/amazon/sv2")


def test_a_document_is_read_when_it_is_asked_for() -> None:
    catalogue = Catalogue(GIB)
    cepheus = catalogue.get(Devices.Rigetti.Cepheus1108Q.value)
    assert cepheus is not None
    assert "document" not in vars(cepheus)
    assert len(cepheus.capabilities) > 400_000
    assert cepheus.capabilities is cepheus.capabilities
