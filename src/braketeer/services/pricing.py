"""The price list that the SDK's Tracker reads, in the form of AWS's offer files; everything costs nothing here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import botocore

from braketeer.devices.catalogue import Catalogue, Device

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


def price_list_csv(catalogue: Catalogue) -> str:
    """Five lines about the file, the line of column names, then the prices (braket.tracking.pricing.Pricing).

    For every look-up of braket.tracking.tracker there is exactly one line: a simulator in every AWS region, a QPU in
    its own; tasks alone and tasks of hybrid jobs; QPUs per task and per shot, simulators per minute.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", quoting=csv.QUOTE_ALL, lineterminator="\n")
    preamble = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    preamble.writerows(
        [
            ["FormatVersion", "v1.0"],
            ["Disclaimer", "Prices of Braketeer on this machine: zero. They are not the prices of Amazon Braket."],
            ["Publication Date", "2026-01-01T00:00:00Z"],
            ["Version", "20260101000000"],
            ["OfferCode", "AmazonBraket"],
        ]
    )
    writer.writeheader()
    for number, row in enumerate(_rows(catalogue)):
        writer.writerow(
            {
                "SKU": f"BRAKETEER{number:07d}",
                "TermType": "OnDemand",
                "PriceDescription": "Free of charge",
                "EffectiveDate": "2026-01-01",
                "StartingRange": "0",
                "EndingRange": "Inf",
                "PricePerUnit": "0.0000000000",
                "Currency": "USD",
                "serviceCode": "AmazonBraket",
                "Location Type": "AWS Region",
                "serviceName": "Amazon Braket",
                **row,
            }
        )
    return text.getvalue()


def _rows(catalogue: Catalogue) -> Iterator[dict[str, str]]:
    for device in catalogue:
        if device.is_simulator:
            yield from _simulator_rows(device)
    yield from _qpu_rows(device for device in catalogue if not device.is_simulator)


def _simulator_rows(device: Device) -> Iterator[dict[str, str]]:
    for region in _regions():
        # The SDK asks for the end of the ARN in capitals.
        common = {"Region Code": region, "Version": device.name.upper(), "Unit": "minutes"}
        yield {**common, "Product Family": "Simulator Task", "operation": "CompleteTask"}
        yield {**common, "Product Family": "Braket Managed Jobs Simulator Task", "operation": "Managed-Jobs"}


def _qpu_rows(devices: Iterable[Device]) -> Iterator[dict[str, str]]:
    # Several devices may have one price name: a second line would be one too many.
    places = dict.fromkeys((str(device.region), _price_name(device)) for device in devices)
    for region, name in places:
        # The two spellings of the column are AWS's: one for tasks alone, one for those of jobs.
        for column, task, shot in (
            ("DeviceName", "Quantum Task", "Quantum Task-Shot"),
            ("Device Name", "Braket Managed Jobs QPU Task", "Braket Managed Jobs QPU Task Shot"),
        ):
            yield {"Region Code": region, column: name, "Product Family": task, "Unit": "tasks"}
            yield {"Region Code": region, column: name, "Product Family": shot, "Unit": "shots"}


def _price_name(device: Device) -> str:
    """The name that braket.tracking.tracker._get_qpu_task_cost looks a QPU up by."""
    name = device.arn.rpartition("/")[2]
    if "2000Q" in name:
        return "2000Q"
    if "Advantage_system" in name:
        return "Advantage_system"
    return name.replace("Ibex", "IBEX")


@cache
def _regions() -> list[str]:
    """Every region that botocore knows: a simulator may be used in any."""
    partitions = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())["partitions"]
    return [region for partition in partitions for region in partition["regions"] if not region.endswith("-global")]
