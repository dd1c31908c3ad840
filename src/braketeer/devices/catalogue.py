"""The catalogue of devices. Nothing is read from disk until a device is asked for what its document says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import orjson

from braketeer.devices import constructed, recorded, simulators
from braketeer.devices.listed import DM1, LISTED, STABILIZER, SV1, TN1, DeviceType, Listed
from braketeer.devices.prices import Prices, device_cost
from braketeer.domain.lifecycles import DeviceStatus
from braketeer.domain.scheduling import DeviceRow
from braketeer.domain.spending import Price
from braketeer.quantum.circuit import Limits

OPENQASM = "braket.ir.openqasm.program"
JAQCD = "braket.ir.jaqcd.program"
_NOISE = "braket_noise_"


class Catalogue:
    """Every device, by ARN and in a fixed order: simulators, QPUs of today, retired ones.

    ``task_memory_bytes`` is what one worker process may use for a task; SV1's qubit count follows from it. ``prices``
    are what the operator has set.
    """

    def __init__(self, task_memory_bytes: int, prices: Prices | None = None) -> None:
        self.task_memory_bytes = task_memory_bytes
        self.prices = prices or Prices()
        self._devices = {listed.arn: Device(listed, task_memory_bytes, self.prices) for listed in LISTED}

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __len__(self) -> int:
        return len(self._devices)

    def get(self, arn: str) -> Device | None:
        """The device of this ARN, whatever the region of the caller."""
        return self._devices.get(arn)

    def computing(self) -> list[Device]:
        """The devices whose tasks this version computes."""
        return [device for device in self if device.computes]

    def limits(self, arn: str) -> Limits:
        """What a computing device takes; LookupError for any other ARN."""
        device = self._devices[arn]
        if device.limits is None:
            raise LookupError(f"{arn} takes no OpenQASM programs")
        return device.limits


@dataclass(frozen=True)
class Device:
    """A device as GetDevice describes it. What stems from its document is read once, when first asked for."""

    listed: Listed
    task_memory_bytes: int
    prices: Prices = field(compare=False)

    @property
    def arn(self) -> str:
        return self.listed.arn

    @property
    def name(self) -> str:
        return self.listed.name

    @property
    def provider(self) -> str:
        return self.listed.provider

    @property
    def region(self) -> str | None:
        """The one region a QPU answers in; None for simulators, which answer in all."""
        return self.listed.region

    @property
    def default_status(self) -> DeviceStatus:
        """The status that holds unless the operator has set another (store/devices.py)."""
        return self.listed.status

    def row(self, status: str | None) -> DeviceRow:
        """The device as the scheduler sees it, with the status that the operator has set, if any."""
        return self._row if status is None else replace(self._row, status=DeviceStatus(status))

    @cached_property
    def _row(self) -> DeviceRow:
        return DeviceRow(self.arn, self.default_status, concurrency=None if self.is_simulator else 1)

    @property
    def type(self) -> DeviceType:
        return DeviceType.SIMULATOR if self.is_simulator else DeviceType.QPU

    @property
    def is_simulator(self) -> bool:
        return self.listed.region is None

    @property
    def computes(self) -> bool:
        """Whether this version runs tasks of the device."""
        return self.arn in (SV1, DM1, TN1, STABILIZER)

    @property
    def unlisted(self) -> bool:
        """Whether SearchDevices passes it over until the operator has switched it on."""
        return self.listed.unlisted

    def is_in(self, region: str) -> bool:
        return self.region is None or self.region == region

    @property
    def document(self) -> dict[str, Any]:
        """The capability document, of the schema class that its braketSchemaHeader names. Not to be changed."""
        return self._priced_document[0]

    @property
    def price(self) -> Price:
        """What a task of this device costs."""
        return self._priced_document[1]

    @cached_property
    def _priced_document(self) -> tuple[dict[str, Any], Price]:
        found = self._unpriced_document()
        price = self.prices.of_device(self.listed, found)
        found["service"]["deviceCost"] = device_cost(self.listed, price)
        return found, price

    def _unpriced_document(self) -> dict[str, Any]:
        if self.listed.document is None:
            return constructed.document(self.listed)
        if self.is_simulator:
            return simulators.document(self.listed, self.task_memory_bytes)
        return recorded.document(self.listed)

    @cached_property
    def capabilities(self) -> str:
        """The document as GetDevice answers it: a string that holds JSON."""
        return orjson.dumps(self.document).decode()

    @property
    def shots_range(self) -> tuple[int, int]:
        """Fewest and most shots of a task, both allowed."""
        fewest, most = self.document["service"]["shotsRange"]
        return fewest, most

    @cached_property
    def limits(self) -> Limits | None:
        """What the quantum room may accept for this device; None where it takes no OpenQASM programs."""
        actions = self.document["action"]
        action = actions.get(OPENQASM)
        if action is None:
            return None
        results = action["supportedResultTypes"]
        noise = _noise(actions)
        return Limits(
            device_arn=self.arn,
            max_qubits=self.document["paradigm"]["qubitCount"],
            result_kinds_exact=frozenset(_kind(result["name"]) for result in results if result["minShots"] == 0),
            result_kinds_sampled=frozenset(_kind(result["name"]) for result in results if result["maxShots"] > 0),
            operations=frozenset(action["supportedOperations"]),
            all_measured=action.get("requiresAllQubitsMeasurement", False),
            noise=noise,
            max_density_qubits=simulators.most_density_qubits(self.task_memory_bytes) if noise else 0,
            method="stabilizer" if self.arn == STABILIZER else "tensor_network" if self.arn == TN1 else "state",
            dynamic=self.arn in (SV1, DM1),
            actions=frozenset(actions),
        )


def _noise(actions: dict[str, Any]) -> frozenset[str]:
    """The channels of OpenQASM's pragmas and the one that JAQCD alone has."""
    pragmas = actions[OPENQASM].get("supportedPragmas") or ()
    found = {name.removeprefix(_NOISE) for name in pragmas if name.startswith(_NOISE)}
    if "multi_qubit_pauli_channel" in actions.get(JAQCD, {}).get("supportedOperations", ()):
        found.add("two_qubit_pauli_channel")
    return frozenset(found)


def _kind(name: str) -> str:
    """``DensityMatrix`` -> ``density_matrix``, as pragmas and the circuit write it."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")
