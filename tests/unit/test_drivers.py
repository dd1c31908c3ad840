"""Devices of the operator's: what their files may say, and how drivers are found."""

from __future__ import annotations

import json
import re
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from braketeer.cli import doctor
from braketeer.devices import drivers
from braketeer.devices.added import DefinitionError, added, checked
from braketeer.devices.catalogue import Catalogue
from braketeer.devices.listed import SV1
from braketeer.domain.spending import UNITS_OF_A_USD
from braketeer.services.price_list import PriceList

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.task_result import GateModelTaskResult

ARN = "arn:aws:braket:eu-north-1::device/qpu/lab/Mirror"
DOCUMENT = {
    "braketSchemaHeader": {"name": "braket.device_schema.iqm.iqm_device_capabilities", "version": "1"},
    "service": {
        "shotsRange": [1, 1000],
        "executionWindows": [{"executionDay": "Monday", "windowStartHour": "09:00:00", "windowEndHour": "10:00:00"}],
        "deviceDocumentation": {"imageUrl": "https://lab.example/logo.png", "summary": "A mirror"},
    },
    "action": {"braket.ir.openqasm.program": {"version": ["1.0"], "actionType": "braket.ir.openqasm.program"}},
    "pulse": {"nativeGateCalibrationsRef": "https://lab.example/calibrations"},
}
FILE = {"arn": ARN, "name": "Mirror", "provider": "Our lab", "driver": "toy", "document": DOCUMENT}


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def test_a_file_of_a_device_gets_its_defaults() -> None:
    found = checked({**FILE, "options": {"secret": "s"}})
    assert (found["status"], found["concurrency"], found["refresh_seconds"]) == ("ONLINE", 1, 60)
    assert "options" not in found
    assert found["document"]["deviceParameters"] == {}


def test_a_device_without_windows_is_open_and_says_so() -> None:
    for windows in ({}, {"executionWindows": []}):
        document = checked({**FILE, "document": {**DOCUMENT, "service": {"shotsRange": [1, 2], **windows}}})["document"]
        assert [window["executionDay"] for window in document["service"]["executionWindows"]] == ["Everyday"]


def test_links_of_a_document_are_left_out() -> None:
    document = checked(FILE)["document"]
    assert document["service"]["deviceDocumentation"] == {"summary": "A mirror"}
    assert document["pulse"] == {}
    assert "imageUrl" in FILE["document"]["service"]["deviceDocumentation"]  # what was given stays as it is


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arn": "arn:aws:braket:::device/qpu/lab/Mirror"}, "'arn' must be"),
        ({"arn": "arn:aws:braket:us-east-1::device/quantum-simulator/lab/x"}, "'arn' must be"),
        ({"arn": None}, "'arn' must be a text"),
        ({"name": ""}, "'name' must be a text"),
        ({"name": "a\nb"}, "'name' must be a text"),
        ({"status": "UP"}, "'status' must be one of ONLINE, OFFLINE, RETIRED"),
        ({"concurrency": 0}, "'concurrency' must be a whole number from 1 to 32"),
        ({"concurrency": True}, "'concurrency' must be"),
        ({"refresh_seconds": "1"}, "'refresh_seconds' must be"),
        ({"options": ["a"]}, "'options' must be a table"),
        ({"prices": {"per_task": -1}}, "'per_task' must be a number of USD"),
        ({"prices": {"per_month": 1}}, "'prices': there are per_task, per_shot, per_minute"),
        ({"prices": {"per_shot": "free"}}, "'per_shot' must be a number"),
        ({"colour": "red"}, "Unknown members: colour"),
        ({"document": "a path"}, "'document' must be a capability document"),
        ({"document": {**DOCUMENT, "braketSchemaHeader": {}}}, "no braketSchemaHeader"),
        ({"document": {**DOCUMENT, "action": {}}}, "no 'action'"),
        ({"document": {**DOCUMENT, "service": None}}, "no 'service'"),
        ({"document": {**DOCUMENT, "service": {"shotsRange": [1]}}}, "service.shotsRange"),
        ({"document": {**DOCUMENT, "service": {"shotsRange": [2, 1]}}}, "service.shotsRange"),
        ({"document": {**DOCUMENT, "service": {"shotsRange": [1, 2**62]}}}, "service.shotsRange.*1000000"),
        ({"document": {**DOCUMENT, "action": {"x" * 65: {}}}}, "'action' have at most 64"),
        ({"document": {**DOCUMENT, "deep": _nested(400)}}, "'document' is nested more than 100"),
        ({"options": {"deep": _nested(900)}}, "'options' is nested more than 100"),
        (
            {"document": {**DOCUMENT, "service": {"shotsRange": [1, 2], "executionWindows": 5}}},
            "executionWindows must be a list",
        ),
        (
            {"document": {**DOCUMENT, "service": {"shotsRange": [1, 2], "executionWindows": [{"executionDay": "x"}]}}},
            "An execution window has",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words.replace("(", r"\(")):
        checked({**FILE, **change})


def test_an_added_device_in_the_catalogue() -> None:
    catalogue = Catalogue(2**30)
    count, prices = len(catalogue), PriceList(catalogue)
    assert "Mirror" not in prices.csv
    one = added(checked({**FILE, "prices": {"per_task": 0.3, "per_shot": 0.001}}))
    catalogue.put_added([one])
    device = catalogue.get(ARN)
    assert device is not None
    assert len(catalogue) == count + 1
    assert catalogue.named("mirror") is device
    assert catalogue.driven() == [device]
    assert (device.region, device.is_in("us-east-1"), device.shots_range) == ("eu-north-1", False, (1, 1000))
    assert (device.price.per_task, device.price.per_shot) == (3 * UNITS_OF_A_USD // 10, UNITS_OF_A_USD // 1000)
    assert device.document["service"]["deviceCost"] == {"price": 0.001, "unit": "shot"}
    assert device not in catalogue.computing()
    # Its own windows hold unless the operator says otherwise.
    assert [window.days for window in device.windows()] == [frozenset({0})]
    assert len(device.windows(recorded_windows=False)[0].days) == 7
    assert '"Monday"' in device.capabilities
    assert '"Everyday"' in device.capabilities_with(recorded_windows=False)
    # It is in the price list, and a look at the same rows changes nothing.
    assert f'"{UNITS_OF_A_USD // 1000 / UNITS_OF_A_USD:.10f}"' in prices.csv
    assert {product.price for product in prices.products if product.name == "Mirror"} == {3 * 10**9, 10**7}
    catalogue.put_added([added(checked({**FILE, "prices": {"per_task": 0.3, "per_shot": 0.001}}))])
    assert catalogue.get(ARN) is device
    catalogue.put_added([])
    assert [product for product in prices.products if product.name == "Mirror"] == []
    assert (catalogue.get(ARN), len(catalogue)) == (None, count)


def test_a_device_of_the_list_cannot_be_replaced() -> None:
    catalogue = Catalogue(2**30)
    sv1 = catalogue.get(SV1)
    catalogue.put_added([added(checked({**FILE, "arn": SV1}))])
    assert catalogue.get(SV1) is sv1


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[None]:
    """A driver that is installed, one whose module is not there, and one whose module is a program that ends."""
    info = tmp_path / "some_driver-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-driver\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[braketeer.drivers]\nsome = tests.toy_driver:Toy\nbroken = nothing_there:Driver\nleaving = leaving:Driver\n"
    )
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)")
    sys.path.append(str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))


@pytest.mark.usefixtures("installed")
def test_a_driver_is_found_by_its_entry_point_or_its_place() -> None:
    assert drivers.names() == ["broken", "leaving", "some"]
    assert drivers.load("some") is drivers.load("tests.toy_driver:Toy")
    for name, words in (
        ("none", "no driver 'none'.*there are: broken, leaving, some"),
        ("broken", "cannot be loaded: ModuleNotFoundError"),
        ("leaving", "cannot be loaded: SystemExit: 3"),
        ("tests.toy_driver:Nothing", "cannot be loaded: AttributeError"),
        ("tests.forgetful_driver:Driver", "cannot be loaded: KeyError"),
    ):
        with pytest.raises(drivers.NoDriver, match=words):
            drivers.load(name)


def test_the_driver_in_the_documentation_is_one() -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "drivers.md"
    if not page.exists():
        pytest.skip("the documentation is not part of this package")
    (source,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    found: dict[str, Any] = {}
    exec(compile(source, str(page), "exec"), found)
    driver: drivers.Driver = found["Coins"]({"bits": 3})
    action = {"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}, "source": "OPENQASM 3;"}
    with pytest.raises(drivers.Refused, match="none"):
        driver.validate(drivers.Task("", "", ARN, 5, json.dumps(action), "{}"))
    action["source"] = "OPENQASM 3; bit b; qubit q; b = measure q;"
    task = drivers.Task("id", "arn", ARN, 5, json.dumps(action), "{}")
    driver.validate(task)
    outcome = driver.run(task, None)
    assert isinstance(outcome, drivers.Finished)
    result = GateModelTaskResult.parse_raw(json.dumps(outcome.result))
    assert (len(result.measurements), len(result.measurements[0]), outcome.successful_shots) == (5, 3, 5)
    assert (driver.status(), driver.calibration()) == ("ONLINE", None)
    # The file of a device on that page is one, too.
    examples = re.findall(r"```toml\n(arn.*?)```", page.read_text(), re.DOTALL)
    assert [checked({**tomllib.loads(text), "document": DOCUMENT})["name"] for text in examples] == [
        "Sparrow",
        "RealGarnet",
    ]


@pytest.mark.usefixtures("installed")
def test_doctor_lists_the_drivers_that_are_there() -> None:
    found = [(finding.state, finding.text) for finding in doctor._drivers()]
    assert found[-1] == ("ok", "some is installed")
    assert found[0][0] == "note"
    assert found[0][1].startswith("The driver 'broken' cannot be loaded: ModuleNotFoundError")
