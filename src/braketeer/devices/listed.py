"""The devices that the SDK's ``Devices`` enum names (amazon-braket-sdk 1.127.5), and our own: places and states."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from braketeer.domain.lifecycles import DeviceStatus
from braketeer.quantum.circuit import Method

_SIMULATOR = "arn:aws:braket:::device/quantum-simulator/amazon/"


class DeviceType(StrEnum):
    """Model enum DeviceType."""

    QPU = "QPU"
    SIMULATOR = "SIMULATOR"


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list. ``region`` is None for simulators, which are in every region.

    Old QPUs whose ARN names no region have the one they were reached in. ``document`` is a file of documents/, None
    where none was recorded (see constructed.py). ``unlisted`` devices show up in SearchDevices once the operator has
    switched them on; GetDevice and tasks know them always. ``method`` is how its tasks are computed here, None where
    they are not.
    """

    arn: str
    name: str
    provider: str
    status: DeviceStatus
    region: str | None
    document: str | None = None
    unlisted: bool = False
    method: Method | None = None


def _qpu(
    region: str,
    name: str,
    provider: str,
    status: DeviceStatus,
    document: str | None = None,
    *,
    regional: bool = True,
    method: Method | None = None,
) -> Listed:
    """``name`` is maker/device as the ARN ends; ``regional`` says whether the ARN names the region."""
    arn = f"arn:aws:braket:{region if regional else ''}::device/qpu/{name}"
    return Listed(arn, name.split("/")[1], provider, status, region, document, method=method)


_ONLINE, _OFFLINE, _RETIRED = DeviceStatus.ONLINE, DeviceStatus.OFFLINE, DeviceStatus.RETIRED

SV1 = _SIMULATOR + "sv1"
TN1 = _SIMULATOR + "tn1"
DM1 = _SIMULATOR + "dm1"
STABILIZER = "arn:aws:braket:::device/quantum-simulator/braketeer/stabilizer"
RYDBERG = "arn:aws:braket:::device/quantum-simulator/braketeer/ahs"

LISTED = (
    Listed(SV1, "SV1", "Amazon Braket", _ONLINE, None, "sv1-2022-06-22.json", method="state"),
    Listed(DM1, "DM1", "Amazon Braket", _ONLINE, None, "dm1.constructed.json", method="state"),
    Listed(TN1, "TN1", "Amazon Braket", _RETIRED, None, "tn1.constructed.json", method="tensor_network"),
    Listed(
        STABILIZER,
        "stabilizer",
        "Braketeer",
        _ONLINE,
        None,
        "sv1-2022-06-22.json",
        unlisted=True,
        method="stabilizer",
    ),
    Listed(RYDBERG, "ahs", "Braketeer", _ONLINE, None, "aquila.json", unlisted=True, method="analog"),
    _qpu("eu-north-1", "aqt/Ibex-Q1", "AQT", _ONLINE, method="state"),
    _qpu("eu-north-1", "iqm/Garnet", "IQM", _ONLINE, "garnet-2026-05-05.json", method="state"),
    _qpu("eu-north-1", "iqm/Emerald", "IQM", _ONLINE, "emerald-2025-11-06.json", method="state"),
    _qpu("us-east-1", "ionq/Forte-1", "IonQ", _ONLINE, method="state"),
    _qpu(
        "us-east-1",
        "ionq/Forte-Enterprise-1",
        "IonQ",
        _ONLINE,
        "forte-enterprise-1-2026-05-03.json",
        method="state",
    ),
    _qpu("us-east-1", "quera/Aquila", "QuEra", _ONLINE, "aquila.json", method="analog"),
    _qpu("us-west-1", "rigetti/Cepheus-1-108Q", "Rigetti", _ONLINE, "cepheus-1-108q-2026-05-05.json", method="state"),
    _qpu("us-east-1", "ionq/Harmony", "IonQ", _RETIRED),
    _qpu("us-east-1", "ionq/Aria-1", "IonQ", _RETIRED),
    _qpu("us-east-1", "ionq/Aria-2", "IonQ", _RETIRED),
    _qpu("eu-west-2", "oqc/Lucy", "Oxford", _RETIRED),
    _qpu("us-west-1", "rigetti/Aspen-8", "Rigetti", _RETIRED, regional=False),
    _qpu("us-west-1", "rigetti/Aspen-9", "Rigetti", _RETIRED, regional=False),
    _qpu("us-west-1", "rigetti/Aspen-10", "Rigetti", _RETIRED, regional=False),
    _qpu("us-west-1", "rigetti/Aspen-11", "Rigetti", _RETIRED, regional=False),
    _qpu("us-west-1", "rigetti/Aspen-M-1", "Rigetti", _RETIRED),
    _qpu("us-west-1", "rigetti/Aspen-M-2", "Rigetti", _RETIRED),
    _qpu("us-west-1", "rigetti/Aspen-M-3", "Rigetti", _RETIRED),
    _qpu("us-west-1", "rigetti/Ankaa-2", "Rigetti", _RETIRED),
    _qpu("us-west-1", "rigetti/Ankaa-3", "Rigetti", _RETIRED),
    _qpu("us-west-2", "d-wave/DW_2000Q_6", "D-Wave Systems", _RETIRED, regional=False),
    _qpu("us-west-2", "d-wave/Advantage_system1", "D-Wave Systems", _RETIRED, regional=False),
    _qpu("us-west-2", "d-wave/Advantage_system3", "D-Wave Systems", _RETIRED, regional=False),
    _qpu("us-west-2", "d-wave/Advantage_system4", "D-Wave Systems", _RETIRED, regional=False),
    _qpu("us-west-2", "d-wave/Advantage_system6", "D-Wave Systems", _RETIRED),
    _qpu("us-east-1", "xanadu/Borealis", "Xanadu", _RETIRED),
)
