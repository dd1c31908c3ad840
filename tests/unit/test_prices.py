"""Prices: one for each device, the same wherever a client reads it, and the operator's file."""

import io
import json
import warnings
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from braketeer.devices.catalogue import Catalogue
from braketeer.devices.documents import load as load_document
from braketeer.devices.listed import LISTED
from braketeer.devices.prices import PriceFileError, Prices, load
from braketeer.domain import spending
from braketeer.domain.lifecycles import TaskStatus
from braketeer.domain.spending import Price
from braketeer.services.price_list import PriceList

ROOT = Path(__file__).parents[2]
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
OLD = "arn:aws:braket:::device/qpu/d-wave/Advantage_system"
# Every device at a price of its own, but for the annealers, which share a name in the price list.
EACH = {
    listed.arn: (
        {"per_task": 11 * 10**8, "per_shot": 17}
        if "Advantage" in listed.arn
        else {"per_task": (number + 1) * 10**7, "per_shot": number * 10**5 + 1, "per_minute": number * 10**9 + 7}
    )
    for number, listed in enumerate(LISTED)
}
CATALOGUES = {"published": Catalogue(2**30), "set": Catalogue(2**30, Prices(EACH, {"ml.m5.large": 5}))}


@pytest.fixture(params=CATALOGUES)
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    return CATALOGUES[request.param]


@pytest.fixture
def tracker(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK's tracker, reading our price list."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braket.tracking import pricing, tracker

    class Body(io.BytesIO):
        auto_close = True

    class Server:
        """Stands for the HTTP client that the SDK fetches the price list with."""

        def request(self, *_: Any, **__: Any) -> io.BytesIO:
            return Body(PriceList(catalogue).csv.encode())

    monkeypatch.setattr(pricing, "_http_client", lambda _: Server())
    monkeypatch.setattr(tracker, "price_search", pricing.Pricing().price_search)
    return tracker


def test_what_is_published_is_the_default() -> None:
    prices = {device.name: device.price for device in CATALOGUES["published"]}
    assert prices["SV1"] == prices["DM1"] == prices["TN1"] == Price()
    assert prices["Garnet"] == Price(per_task=3 * 10**9, per_shot=14_500_000)
    for listed in LISTED:
        if listed.region and listed.document:
            recorded = load_document(listed.document)["service"]["deviceCost"]
            assert spending.usd(prices[listed.name].per_shot) == Decimal(str(recorded["price"]))
            assert (recorded["unit"], prices[listed.name].per_task) == ("shot", 3 * 10**9)


def test_every_device_says_its_price_in_its_document(catalogue: Catalogue) -> None:
    for device in catalogue:
        told = json.loads(device.capabilities)["service"]["deviceCost"]
        figures = {"task": device.price.per_task, "shot": device.price.per_shot, "minute": device.price.per_minute}
        assert spending.units(Decimal(str(told["price"]))) == figures[told["unit"]]
        assert told["unit"] == ("minute" if device.is_simulator else "shot") or not figures["shot"]


@pytest.mark.parametrize("of_a_job", [False, True])
def test_the_tracker_says_what_a_task_costs(catalogue: Catalogue, tracker: Any, of_a_job: bool) -> None:
    """The Tracker knows time on simulators, tasks and shots on QPUs; a price beside that is told in other lines."""
    for device in catalogue:
        shots, seconds = 123, 61.7
        details = {
            "device": device.arn,
            "shots": shots,
            "status": "COMPLETED",
            "job_task": of_a_job,
            "billed_duration": timedelta(seconds=seconds),
        }
        price = device.price
        if device.is_simulator:
            known, ask = Price(per_minute=price.per_minute), tracker._get_simulator_task_cost
        else:
            known, ask = Price(price.per_task, price.per_shot), tracker._get_qpu_task_cost
        ours = spending.cost(known, shots, TaskStatus.COMPLETED, round(seconds * 1000))
        for region in ("us-east-1", "eu-central-1", "us-gov-west-1") if device.is_simulator else (device.region,):
            told = ask(f"arn:aws:braket:{region}:000000000000:quantum-task/1", details)
            assert abs(told - spending.usd(ours)) <= Decimal("5e-11"), device.arn


def test_skus_are_unique_and_prices_are_all_there(catalogue: Catalogue) -> None:
    products = PriceList(catalogue).products
    assert len({product.sku for product in products}) == len(products)
    of_sv1 = {(product.family, product.price) for product in products if product.name == "SV1"}
    sv1 = catalogue.get(SV1)
    assert sv1 is not None
    assert ("Simulator Task", sv1.price.per_minute) in of_sv1
    assert any(price == sv1.price.per_task for family, price in of_sv1 if "Request" in family) == bool(
        sv1.price.per_task
    )


def test_a_file_sets_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(
        f"""
        [devices."{GARNET}"]
        per_shot = 0.0000000001
        [devices]
        "{SV1}" = {{ per_minute = 60, per_task = 0.5 }}
        [instances]
        "ml.m5.large" = 0.25
        """
    )
    catalogue = Catalogue(2**30, load(file))
    prices = {device.arn: device.price for device in catalogue}
    assert prices[GARNET] == Price(per_task=3 * 10**9, per_shot=1)
    assert prices[SV1] == Price(per_task=5 * 10**9, per_minute=60 * 10**10)
    assert prices["arn:aws:braket:us-east-1::device/qpu/quera/Aquila"].per_shot == 10**8
    assert catalogue.prices.of_instance("ml.m5.large") == 25 * 10**8
    assert catalogue.prices.of_instance("ml.m5.xlarge") == 0


def test_the_example_is_amazons_price_list() -> None:
    catalogue = Catalogue(2**30, load(ROOT / "examples" / "prices.toml"))
    prices = {device.name: device.price for device in catalogue}
    assert prices["SV1"] == Price(per_minute=75 * 10**7)
    published = {device.name: device.price for device in CATALOGUES["published"] if not device.is_simulator}
    assert {name: prices[name] for name in published} == published


HEAD = f'# prices\n\n[devices."{SV1}"]\n'
WRONG = [
    ("x = 1", "line 1: 'x' is not known"),
    ('[devices]\n"arn:x" = {}', "line 2: there is no device 'arn:x'"),
    (HEAD + "per_minut = 1", "line 4: 'per_minut' is not known; there are per_task, per_shot, per_minute"),
    (HEAD + "\n\nper_minute = -1", "line 6: 'per_minute' must be a number of USD from 0 to 10000"),
    (HEAD + 'per_task = "0.3"', "line 4: 'per_task' must be a number"),
    (HEAD + "per_task = true", "line 4: 'per_task' must be a number"),
    (HEAD + "per_task = nan", "line 4: 'per_task' must be a number"),
    (HEAD + "per_task = inf", "line 4: 'per_task' must be a number"),
    (HEAD + "per_task = 0.00000000001", "line 4: 'per_task' must be a number of USD from 0 to 1000000, with at most"),
    (HEAD + "per_shot = 100.01", "line 4: 'per_shot' must be a number of USD from 0 to 100"),
    (HEAD + "per_shot = 1e999999999", "line 4: 'per_shot' must be a number"),
    ("devices = 3", "line 1: 'devices' must be a table"),
    (f'[devices]\n"{SV1}" = 3', f"line 2: '{SV1}' must be a table"),
    ('[instances]\n\n"ml.m5.tiny" = 1', "line 3: there is no instance type 'ml.m5.tiny'"),
    ('[instances]\n"ml.m5.large" = []', "line 2: 'ml.m5.large' must be a number"),
    (f'[devices."{OLD}3"]\nper_shot = 1', "line 1: "),
    ("[devices\n", "line 1"),
    ("a = " + "[" * 5000, "not TOML"),
    ("\udcff", "not TOML in UTF-8"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_a_mistake_is_told_with_its_line(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PriceFileError) as caught:
        load(file)
    assert reason in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match=r"no-such-file\.toml cannot be read: No such file"):
        load(tmp_path / "no-such-file.toml")
