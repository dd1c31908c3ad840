"""The price list: what Amazon's offer file of Braket holds, with the prices of this service's devices."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

import botocore

from braketeer.devices.catalogue import Catalogue, Device
from braketeer.devices.prices import price_name
from braketeer.domain.spending import usd

SERVICE_CODE = "AmazonBraket"
EFFECTIVE = datetime(2026, 1, 1, tzinfo=UTC)
VERSION = f"{EFFECTIVE:%Y%m%d%H%M%S}"
# What Amazon's files call the terms of on-demand use, and their one rate.
OFFER_TERM_CODE = "JRTCKXETXF"
RATE = "6YS6EN2CT7"

DISCLAIMER = "Prices of this Braketeer service. They are not the prices of Amazon Braket."
COLUMNS = (
    "SKU",
    "OfferTermCode",
    "RateCode",
    "TermType",
    "PriceDescription",
    "EffectiveDate",
    "StartingRange",
    "EndingRange",
    "Unit",
    "PricePerUnit",
    "Currency",
    "Product Family",
    "serviceCode",
    "Location",
    "Location Type",
    "usageType",
    "operation",
    "Device Name",
    "DeviceName",
    "Region Code",
    "Version",
    "serviceName",
)


@dataclass(frozen=True, slots=True)
class Product:
    """One line of the list: what a unit of something costs in a region, in units of 1e-10 USD.

    ``name_column`` is where the CSV names the device: Amazon's spellings differ between tasks alone (``DeviceName``),
    tasks of jobs (``Device Name``) and simulators (``Version``).
    """

    region: str
    family: str
    name_column: str
    name: str
    unit: str
    price: int
    operation: str = ""

    @property
    def sku(self) -> str:
        """Sixteen letters and digits that stay the same while prices change."""
        identity = f"{self.region}/{self.family}/{self.name_column}/{self.name}/{self.unit}/{self.operation}"
        return base64.b32encode(hashlib.sha256(identity.encode()).digest())[:16].decode()

    @property
    def price_text(self) -> str:
        return f"{usd(self.price):.10f}"

    @property
    def description(self) -> str:
        return f"${self.price_text} per {self.unit.removesuffix('s')} on {self.name}: {self.family}"


class PriceList:
    """The products of a catalogue, in a fixed order, and the CSV file that the SDK's Tracker reads."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._made = _Made(catalogue, catalogue.devices)

    @property
    def products(self) -> list[Product]:
        """For every look-up of braket.tracking.tracker exactly one: a simulator in every AWS region, a QPU in its own;
        tasks alone and tasks of hybrid jobs; QPUs per task and per shot, simulators per minute. What a device costs
        beside that (a simulator per task, say) has products of its own, which the Tracker does not ask for.
        """
        return self._current().products

    @property
    def csv(self) -> str:
        """Five lines about the file, the line of column names, then the prices (braket.tracking.pricing.Pricing)."""
        return self._current().csv

    def _current(self) -> _Made:
        """Made anew once the operator has added a device, or taken one away."""
        if self._made.devices is not self._catalogue.devices:
            self._made = _Made(self._catalogue, self._catalogue.devices)
        return self._made


class _Made:
    """The list as it is with these devices, each form of it made when it is first asked for."""

    def __init__(self, catalogue: Catalogue, devices: Mapping[str, Device]) -> None:
        self._catalogue = catalogue
        self.devices = devices

    @cached_property
    def products(self) -> list[Product]:
        devices = self.devices.values()
        return [
            *(product for device in devices if device.is_simulator for product in _of_simulator(device)),
            *_of_qpus(device for device in devices if not device.is_simulator),
            *_of_instances(self._catalogue),
        ]

    @cached_property
    def csv(self) -> str:
        text = io.StringIO()
        preamble = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        preamble.writerows(
            [
                ["FormatVersion", "v1.0"],
                ["Disclaimer", DISCLAIMER],
                ["Publication Date", f"{EFFECTIVE:%Y-%m-%dT%H:%M:%SZ}"],
                ["Version", VERSION],
                ["OfferCode", SERVICE_CODE],
            ]
        )
        writer = csv.DictWriter(text, COLUMNS, restval="", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(product) for product in self.products)
        return text.getvalue()


@cache
def regions() -> dict[str, str]:
    """Every region that botocore knows, with what it is called: a simulator may be used in any."""
    partitions = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())["partitions"]
    return {
        region: about.get("description", region)
        for partition in partitions
        for region, about in partition["regions"].items()
        if not region.endswith("-global")
    }


def _row(product: Product) -> dict[str, str]:
    return {
        "SKU": product.sku,
        "OfferTermCode": OFFER_TERM_CODE,
        "RateCode": f"{product.sku}.{OFFER_TERM_CODE}.{RATE}",
        "TermType": "OnDemand",
        "PriceDescription": product.description,
        "EffectiveDate": f"{EFFECTIVE:%Y-%m-%d}",
        "StartingRange": "0",
        "EndingRange": "Inf",
        "Unit": product.unit,
        "PricePerUnit": product.price_text,
        "Currency": "USD",
        "Product Family": product.family,
        "serviceCode": SERVICE_CODE,
        "Location": regions().get(product.region, product.region),
        "Location Type": "AWS Region",
        "operation": product.operation,
        "Region Code": product.region,
        "serviceName": "Amazon Braket",
        product.name_column: product.name,
    }


def _of_simulator(device: Device) -> Iterator[Product]:
    name, price = price_name(device.listed), device.price
    for region in regions():
        for family, operation in (
            ("Simulator Task", "CompleteTask"),
            ("Braket Managed Jobs Simulator Task", "Managed-Jobs"),
        ):
            yield Product(region, family, "Version", name, "minutes", price.per_minute, operation)
        if price.per_task:
            yield from _in_and_out_of_jobs(region, name, "Simulator Task Request", "tasks", price.per_task)
        if price.per_shot:
            yield from _in_and_out_of_jobs(region, name, "Simulator Task-Shot", "shots", price.per_shot)


def _of_qpus(devices: Iterable[Device]) -> Iterator[Product]:
    # Several QPUs may have one name in the list, and then one price: a second line would be one too many.
    places = {(str(device.region), price_name(device.listed)): device.price for device in devices}
    for (region, name), price in places.items():
        yield Product(region, "Quantum Task", "DeviceName", name, "tasks", price.per_task)
        yield Product(region, "Quantum Task-Shot", "DeviceName", name, "shots", price.per_shot)
        yield Product(region, "Braket Managed Jobs QPU Task", "Device Name", name, "tasks", price.per_task)
        yield Product(region, "Braket Managed Jobs QPU Task Shot", "Device Name", name, "shots", price.per_shot)
        if price.per_minute:
            yield from _in_and_out_of_jobs(region, name, "Quantum Task-Time", "minutes", price.per_minute)


def _in_and_out_of_jobs(region: str, name: str, family: str, unit: str, price: int) -> Iterator[Product]:
    yield Product(region, family, "DeviceName", name, unit, price)
    yield Product(region, f"Braket Managed Jobs {family}", "Device Name", name, unit, price)


def _of_instances(catalogue: Catalogue) -> Iterator[Product]:
    for name, price in catalogue.prices.instances.items():
        for region in regions():
            yield Product(region, "Braket Managed Jobs Instance", "Version", name, "minutes", price, "Managed-Jobs")
