"""The catalogue of devices. Nothing is read from disk until a device is asked for what its document says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import orjson

from braketeer.devices import analog, constructed, device_parameters, emulation, recorded, simulators
from braketeer.devices.added import Added
from braketeer.devices.listed import LISTED, DeviceType, Listed
from braketeer.devices.prices import Prices, device_cost
from braketeer.domain.lifecycles import DeviceStatus
from braketeer.domain.scheduling import DeviceRow
from braketeer.domain.spending import Price
from braketeer.domain.windows import ALL_HOURS, Window, windows_of
from braketeer.quantum.circuit import AHS, JAQCD, OPENQASM, PROGRAM_SET, Limits

_NOISE = "braket_noise_"


class Catalogue:
    """Every device, by ARN and in a fixed order: simulators, QPUs of today, retired ones.

    ``task_memory_bytes`` is what one worker process may use for a task; SV1's qubit count follows from it. ``prices``
    are what the operator has set; without ``qpu_noise`` emulated QPUs make no errors.
    """

    def __init__(self, task_memory_bytes: int, prices: Prices | None = None, *, qpu_noise: bool = True) -> None:
        self.task_memory_bytes = task_memory_bytes
        self.prices = prices or Prices()
        self._listed = {
            listed.arn: Device(listed, task_memory_bytes, self.prices, qpu_noise=qpu_noise) for listed in LISTED
        }
        self._devices = self._listed

    def put_added(self, added: Iterable[Added]) -> None:
        """The devices that the operator has added, instead of those before; they come last.

        A device that is as before stays the same object, with what was made of its document.
        """
        new = {one.listed.arn: one for one in added if one.listed.arn not in self._listed}
        before = {device.arn: device.added for device in self.driven()}
        if list(new.items()) == list(before.items()):
            return
        same = {arn: self._devices[arn] for arn, one in new.items() if before.get(arn) == one}
        made = {arn: Device(one.listed, self.task_memory_bytes, self.prices, one) for arn, one in new.items()}
        self._devices = self._listed | made | same

    @property
    def devices(self) -> Mapping[str, Device]:
        """Every device by its ARN; another object after every change."""
        return self._devices

    def named(self, name: str) -> Device | None:
        """The device of an ARN, or of a name such as ``SV1`` or ``Forte-1`` (upper and lower case are one)."""
        by_name = (device for device in self if device.name.lower() == name.lower())
        return self.get(name) or next(by_name, None)

    def driven(self) -> list[Device]:
        """The devices whose tasks a driver runs."""
        return [device for device in self if device.added is not None]

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __len__(self) -> int:
        return len(self._devices)

    def get(self, arn: str) -> Device | None:
        """The device of this ARN, whatever the region of the caller."""
        return self._devices.get(arn)

    def usual_status(self, arn: str) -> str:
        """The status of a device for which the operator has set none; OFFLINE for one that is not there any more."""
        device = self.get(arn)
        return (DeviceStatus.OFFLINE if device is None else device.default_status).value

    def computing(self) -> list[Device]:
        """The devices whose tasks this version computes."""
        return [device for device in self if device.computes]

    def limits(self, arn: str, device_parameters: str | None = None) -> Limits:
        """What a computing device takes from a task with these parameters; LookupError for any other ARN."""
        limits = self._devices[arn].limits_with(device_parameters)
        if limits is None:
            raise LookupError(f"{arn} takes no OpenQASM programs")
        return limits


@dataclass(frozen=True)
class Device:
    """A device as GetDevice describes it. What stems from its document is read once, when first asked for."""

    listed: Listed
    task_memory_bytes: int
    prices: Prices = field(compare=False)
    added: Added | None = field(default=None, compare=False)
    qpu_noise: bool = True

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

    def row(
        self, status: str, recorded_windows: bool | None, back_at: int | None, changes_at: tuple[int, ...]
    ) -> DeviceRow:
        """The device as the scheduler sees it, with the status that holds and the windows that the operator wants."""
        windows = self.windows(recorded_windows) if self.keeps_windows(recorded_windows) else None
        return DeviceRow(self.arn, DeviceStatus(status), windows, self.concurrency, back_at, changes_at)

    @property
    def concurrency(self) -> int | None:
        """Tasks that are on it at once; None where only slots and memory say so."""
        if self.added is not None:
            return self.added.concurrency
        return None if self.is_simulator else 1

    @property
    def type(self) -> DeviceType:
        return DeviceType.SIMULATOR if self.is_simulator else DeviceType.QPU

    @property
    def is_simulator(self) -> bool:
        return self.listed.region is None

    @property
    def computes(self) -> bool:
        """Whether this version runs tasks of the device."""
        return self.listed.method is not None

    @property
    def unlisted(self) -> bool:
        """Whether SearchDevices passes it over until the operator has switched it on."""
        return self.listed.unlisted

    def is_in(self, region: str) -> bool:
        return self.region is None or self.region == region

    @property
    def document(self) -> dict[str, Any]:
        """The capability document, of the schema class that its braketSchemaHeader names. Not to be changed.

        Its execution windows are the recorded ones of a QPU; which of them hold, the operator says: ``windows``.
        """
        return self._priced_document[0]

    @property
    def price(self) -> Price:
        """What a task of this device costs."""
        return self._priced_document[1]

    @cached_property
    def _priced_document(self) -> tuple[dict[str, Any], Price]:
        found = self._unpriced_document()
        price = self.added.price if self.added is not None else self.prices.of_device(self.listed, found)
        found["service"]["deviceCost"] = device_cost(self.listed, price)
        return found, price

    def _unpriced_document(self) -> dict[str, Any]:
        if self.added is not None:
            return {**self.added.document, "service": dict(self.added.document["service"])}
        if self.listed.document is None:
            return constructed.document(self.listed)
        if self.is_simulator:
            return simulators.document(self.listed, self.task_memory_bytes)
        return recorded.document(self.listed)

    @property
    def capabilities(self) -> str:
        """The document as GetDevice answers it while the operator has set nothing: a string that holds JSON."""
        return self.capabilities_with(None)

    def capabilities_with(self, recorded_windows: bool | None) -> str:
        """The same, with the windows that hold then (as for ``windows``)."""
        return self._recorded_capabilities if self.keeps_windows(recorded_windows) else self._open_capabilities

    @cached_property
    def _recorded_capabilities(self) -> str:
        return orjson.dumps(self.document).decode()

    @cached_property
    def _open_capabilities(self) -> str:
        service = {**self.document["service"], "executionWindows": ALL_HOURS}
        return orjson.dumps({**self.document, "service": service}).decode()

    def windows(self, recorded_windows: bool | None = None) -> tuple[Window, ...]:
        """When tasks run. ``recorded_windows`` is what the operator has set: whether those of the document hold."""
        recorded = self.document["service"].get("executionWindows") or ALL_HOURS
        return windows_of(recorded if self.keeps_windows(recorded_windows) else ALL_HOURS)

    def keeps_windows(self, recorded_windows: bool | None) -> bool:
        """An emulation is open at all hours unless told otherwise; a device that has a driver keeps its own."""
        return self.added is not None if recorded_windows is None else recorded_windows

    @property
    def shots_range(self) -> tuple[int, int]:
        """Fewest and most shots of a task, both allowed."""
        fewest, most = self.document["service"]["shotsRange"]
        return fewest, most

    @cached_property
    def limits(self) -> Limits | None:
        """What the quantum room may accept for this device; None where it takes no programs that are computed."""
        actions = self.document["action"]
        if AHS in actions:
            memory_bytes = self.task_memory_bytes - simulators.HEADROOM_BYTES
            return analog.limits(self.listed, self.document, memory_bytes, noise=self.qpu_noise)
        action = actions.get(OPENQASM)
        if action is None:
            return None
        results = action["supportedResultTypes"]
        noise = _noise(actions)
        target = emulation.target(self.listed, self.document, self.task_memory_bytes, noise=self.qpu_noise)
        program_set = actions.get(PROGRAM_SET) or {"maximumExecutables": 0, "maximumTotalShots": 0}
        return Limits(
            device_arn=self.arn,
            max_qubits=self.document["paradigm"]["qubitCount"],
            result_kinds_exact=frozenset(_kind(result["name"]) for result in results if result["minShots"] == 0),
            result_kinds_sampled=frozenset(_kind(result["name"]) for result in results if result["maxShots"] > 0),
            operations=frozenset(action["supportedOperations"]) | (frozenset() if target is None else target.native),
            all_measured=action.get("requiresAllQubitsMeasurement", False),
            noise=noise,
            max_density_qubits=simulators.most_density_qubits(self.task_memory_bytes) if noise or target else 0,
            method=self.listed.method or "state",
            dynamic=self.is_simulator and self.listed.method == "state",
            actions=frozenset(actions),
            most_executables=program_set["maximumExecutables"],
            most_set_shots=program_set["maximumTotalShots"],
            modifiers=None if target is None else frozenset(each["name"] for each in action["supportedModifiers"]),
            target=target,
        )

    def limits_with(self, parameters: str | None) -> Limits | None:
        """``limits`` for a task with these device parameters, a JSON text. ValidationException where it is none."""
        limits = self.limits
        if limits is None or limits.target is None or not device_parameters.disables_rewiring(parameters):
            return limits
        return replace(limits, rewiring=False)

    def check_parameters(self, parameters: str | None, shots: int) -> None:
        """ValidationException for device parameters that a QPU does not honour; simulators have none that matter."""
        if not self.is_simulator and self.added is None:
            device_parameters.check(parameters, self.document, shots)


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
