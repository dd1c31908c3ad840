"""What devices and job instances cost: Amazon's published figures for QPUs, nothing for what this machine computes,
and over both the operator's price file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from braketeer.devices.listed import LISTED, Listed
from braketeer.domain import spending
from braketeer.domain.spending import UNITS_OF_A_USD, Price

# Amazon's fee for a task is the same on every QPU (https://aws.amazon.com/braket/pricing/).
QPU_TASK = 3 * UNITS_OF_A_USD // 10

# The most that a price may be, in USD: what a task can cost then is a database integer.
_MOST = {"per_task": 1_000_000, "per_shot": 100, "per_minute": 10_000}
_MOST_OF_AN_INSTANCE = 10_000


class PriceFileError(ValueError):
    """A price file that cannot be used. The text names the file, the line, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What the operator has set: for devices by ARN, those of ``per_task``, ``per_shot``, ``per_minute`` that were
    named; for instance types the price of one instance a minute. Units of 1e-10 USD.
    """

    devices: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)

    def of_device(self, listed: Listed, document: Mapping[str, Any]) -> Price:
        """The price of a device; what the operator has not named is as its capability document says."""
        return replace(_published(listed, document), **self.devices.get(listed.arn, {}))

    def of_instance(self, instance_type: str) -> int:
        """Of one instance a minute; nothing unless the operator has set it."""
        return self.instances.get(instance_type, 0)


def _published(listed: Listed, document: Mapping[str, Any]) -> Price:
    """A QPU's price at Amazon's: the task's fee, and for a shot what its document says. Simulators are free here."""
    if listed.region is None:
        return Price()
    cost = document["service"].get("deviceCost", {"price": 0, "unit": "shot"})
    return Price(per_task=QPU_TASK, per_shot=spending.units(Decimal(str(cost["price"]))))


def price_of(members: Mapping[str, Any]) -> Price:
    """The price of a device that names its own ``per_task``, ``per_shot``, ``per_minute`` in USD. ValueError."""
    if not isinstance(members, Mapping) or not set(members) <= set(_MOST):
        raise ValueError(f"there are {', '.join(_MOST)}, and nothing else")
    found = {}
    for name, price in members.items():
        most = _MOST[name]
        wanted = f"'{name}' must be a number of USD from 0 to {most}, with at most ten places"
        if isinstance(price, bool) or not isinstance(price, int | float | Decimal):
            raise ValueError(wanted)
        try:
            found[name] = spending.units(Decimal(str(price)))
        except ValueError:
            raise ValueError(wanted) from None
        if found[name] > most * UNITS_OF_A_USD:
            raise ValueError(wanted)
    return Price(**found)


def device_cost(listed: Listed, price: Price) -> dict[str, Any]:
    """``service.deviceCost`` of the capability document, which has room for one figure: of a QPU that of a shot, of a
    simulator that of a minute, and another only where that is zero.
    """
    figures = {"shot": price.per_shot, "minute": price.per_minute, "task": price.per_task}
    usual = "shot" if listed.region else "minute"
    unit = next((unit for unit in (usual, *figures) if figures[unit]), usual)
    return {"price": float(spending.usd(figures[unit])), "unit": unit}


def price_name(listed: Listed) -> str:
    """The name that braket.tracking.tracker looks a device up by in the price list; some QPUs share one."""
    name = listed.arn.rpartition("/")[2]
    if listed.region is None:
        return name.upper()
    if "2000Q" in name:
        return "2000Q"
    if "Advantage_system" in name:
        return "Advantage_system"
    return name.replace("Ibex", "IBEX")


def load(path: Path) -> Prices:
    """The operator's price file, in TOML; PriceFileError for anything in it that is not understood.

    ::

        [devices."arn:aws:braket:::device/quantum-simulator/amazon/sv1"]
        per_minute = 0.075

        [instances]
        "ml.m5.large" = 0.00192
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text, parse_float=Decimal)
    except OSError as problem:
        raise PriceFileError(f"The price file {path} cannot be read: {problem.strerror or problem}") from problem
    except (ValueError, RecursionError) as problem:
        raise PriceFileError(f"The price file {path} is not TOML in UTF-8: {problem}") from problem
    return _Reader(path, text).read(content)


class _Reader:
    """Checks what a price file says, and tells the line of what is wrong."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = {place: number for number, place in _places(text)}

    def read(self, content: Mapping[str, Any]) -> Prices:
        for name in content:
            if name not in ("devices", "instances"):
                raise self._wrong((name,), f"'{name}' is not known; there are [devices.\"ARN\"] and [instances]")
        prices = Prices(self._devices(content.get("devices", {})), self._instances(content.get("instances", {})))
        self._check_shared_names(prices)
        return prices

    def _devices(self, given: Any) -> dict[str, dict[str, int]]:
        known = {listed.arn for listed in LISTED}
        found: dict[str, dict[str, int]] = {}
        for arn, prices in self._table(("devices",), given):
            if arn not in known:
                raise self._wrong(("devices", arn), f"there is no device '{arn}'")
            found[arn] = {}
            for name, price in self._table(("devices", arn), prices):
                if name not in _MOST:
                    raise self._wrong(("devices", arn, name), f"'{name}' is not known; there are {', '.join(_MOST)}")
                found[arn][name] = self._amount(("devices", arn, name), price, _MOST[name])
        return found

    def _instances(self, given: Any) -> dict[str, int]:
        known = _instance_types() if given else ()
        found = {}
        for name, price in self._table(("instances",), given):
            if name not in known:
                raise self._wrong(("instances", name), f"there is no instance type '{name}'")
            found[name] = self._amount(("instances", name), price, _MOST_OF_AN_INSTANCE)
        return found

    def _table(self, place: tuple[str, ...], given: Any) -> Iterable[tuple[str, Any]]:
        if not isinstance(given, dict):
            raise self._wrong(place, f"'{place[-1]}' must be a table")
        return given.items()

    def _amount(self, place: tuple[str, ...], given: Any, most: int) -> int:
        wanted = f"'{place[-1]}' must be a number of USD from 0 to {most}, with at most ten places"
        if isinstance(given, bool) or not isinstance(given, int | Decimal):
            raise self._wrong(place, wanted)
        try:
            amount = spending.units(Decimal(given))
        except ValueError:
            raise self._wrong(place, wanted) from None
        if amount > most * UNITS_OF_A_USD:
            raise self._wrong(place, wanted)
        return amount

    def _check_shared_names(self, prices: Prices) -> None:
        """The price list has one line for all QPUs of one name and region, so they cannot cost differently."""
        first: dict[tuple[str | None, str], Listed] = {}
        for listed in LISTED:
            other = first.setdefault((listed.region, price_name(listed)), listed)
            if prices.devices.get(listed.arn, {}) != prices.devices.get(other.arn, {}):
                arn = listed.arn if listed.arn in prices.devices else other.arn
                reason = f"{listed.arn} and {other.arn} have one name in the price list and must have one price"
                raise self._wrong(("devices", arn), reason)

    def _wrong(self, place: tuple[str, ...], reason: str) -> PriceFileError:
        while place and place not in self._lines:
            place = place[:-1]
        line = f"line {self._lines[place]}: " if place else ""
        return PriceFileError(f"The price file {self._path}, {line}{reason}")


def _places(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The line of each table and key of a TOML text, as far as a line says it alone; the first place of each last."""
    table: tuple[str, ...] = ()
    found: list[tuple[int, tuple[str, ...]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            said = tomllib.loads(line)
        except (ValueError, RecursionError):
            continue
        path = _path(said)
        if line.lstrip().startswith("["):
            table = path
        elif path:
            path = (*table, *path)
        found += [(number, path[:depth]) for depth in range(len(path), 0, -1)]
    return reversed(found)


def _path(said: Any) -> tuple[str, ...]:
    """``{"a": {"b": 1}}`` -> ("a", "b"): the keys that one line of TOML names."""
    if isinstance(said, dict) and len(said) == 1:
        ((name, inner),) = said.items()
        return (name, *_path(inner))
    return ()


def _instance_types() -> frozenset[str]:
    from botocore.loaders import Loader  # noqa: PLC0415 - every process of a driver would wait for it

    model = Loader().load_service_model("braket", "service-2")
    return frozenset(model["shapes"]["InstanceType"]["enum"])
