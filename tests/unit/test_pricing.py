"""The Price List service, as botocore's model has it, over the products of the price list."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import botocore
import botocore.session
import pytest
from botocore.validate import ParamValidator

from braketeer.devices.catalogue import Catalogue
from braketeer.domain.accounts import Caller, Role
from braketeer.domain.errors import ServiceError
from braketeer.services.price_list import PriceList, regions
from braketeer.services.pricing import Pricing

MODEL = botocore.session.Session().get_service_model("pricing")
CALLER = Caller("000000000000", "us-east-1", "AKIATEST", Role.VIEWER, "request", endpoint="http://here:1")
PRICE_LIST = PriceList(Catalogue(2**30))
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def call(operation: str, **request: Any) -> Any:
    method = getattr(Pricing(PRICE_LIST, bytes(32)), botocore.xform_name(operation))
    answer = asyncio.run(method(CALLER, request))
    report = ParamValidator().validate(answer, MODEL.operation_model(operation).output_shape)
    assert not report.has_errors(), report.generate_report()
    return answer


def refused(operation: str, **request: Any) -> str:
    with pytest.raises(ServiceError) as caught:
        call(operation, **request)
    assert caught.value.status == 400
    assert caught.value.code in {shape.name for shape in MODEL.operation_model(operation).error_shapes}
    return caught.value.code


def found(*filters: tuple[str, str, str]) -> list[Any]:
    asked = [{"Type": kind, "Field": name, "Value": value} for kind, name, value in filters]
    answer = call("GetProducts", ServiceCode="AmazonBraket", Filters=asked, MaxResults=100)
    return [json.loads(text)["product"] for text in answer["PriceList"]]


def test_one_product_for_each_filter_that_scripts_use() -> None:
    shot = found(
        ("TERM_MATCH", "deviceName", "Aquila"),
        ("EQUALS", "RegionCode", "us-east-1"),
        ("CONTAINS", "productFamily", "Task-Shot"),
    )
    assert [product["productFamily"] for product in shot] == ["Quantum Task-Shot"]
    assert shot[0]["attributes"]["location"] == "US East (N. Virginia)"
    families = {product["productFamily"] for product in found(("ANY_OF", "deviceName", "Garnet,Emerald"))}
    assert len(families) == 4
    others = found(("ANY_OF", "deviceName", "Garnet,Emerald"), ("NONE_OF", "deviceName", "Garnet"))
    assert {product["attributes"]["deviceName"] for product in others} == {"Emerald"}
    simulators = found(("EQUALS", "version", "SV1"), ("EQUALS", "regionCode", "eu-west-2"))
    assert {product["attributes"]["operation"] for product in simulators} == {"CompleteTask", "Managed-Jobs"}
    assert found(("TERM_MATCH", "colour", "red")) == []


def test_pages_hold_everything_once() -> None:
    skus, more = [], {}
    while True:
        page = call("GetProducts", ServiceCode="AmazonBraket", MaxResults=77, **more)
        skus += [json.loads(text)["product"]["sku"] for text in page["PriceList"]]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert skus == [product.sku for product in PRICE_LIST.products]


def test_attribute_values_are_those_of_the_products() -> None:
    values = call("GetAttributeValues", ServiceCode="AmazonBraket", AttributeName="regionCode", MaxResults=10_000)
    assert [value["Value"] for value in values["AttributeValues"]] == sorted(regions())
    (service,) = call("DescribeServices")["Services"]
    for name in service["AttributeNames"]:
        assert call("GetAttributeValues", ServiceCode="AmazonBraket", AttributeName=name)["AttributeValues"]


def test_price_lists_are_of_dollars_and_of_today() -> None:
    asked = {"ServiceCode": "AmazonBraket", "EffectiveDate": NOW, "CurrencyCode": "USD"}
    page = call("ListPriceLists", **asked, MaxResults=10)
    assert len(page["PriceLists"]) == 10
    # A client pages with the time of each of its calls.
    later = asked | {"EffectiveDate": NOW.replace(day=2)}
    assert call("ListPriceLists", **later, NextToken=page["NextToken"])["PriceLists"]
    arn = page["PriceLists"][0]["PriceListArn"]
    url = call("GetPriceListFileUrl", PriceListArn=arn, FileFormat="csv")["Url"]
    assert url == "http://here:1/_braketeer/prices.csv"
    for other in ({"CurrencyCode": "EUR"}, {"EffectiveDate": NOW.replace(year=2000)}, {"RegionCode": "mars"}):
        assert call("ListPriceLists", **asked | other)["PriceLists"] == []


def test_what_is_not_there_is_refused_by_its_name() -> None:
    ours = {"ServiceCode": "AmazonBraket"}
    for operation in ("DescribeServices", "GetProducts"):
        assert refused(operation, ServiceCode="AmazonEC2") == "NotFoundException"
        assert refused(operation, **ours, FormatVersion="v2") == "InvalidParameterException"
        assert refused(operation, **ours, NextToken="ä") == "InvalidNextTokenException"
    assert refused("GetAttributeValues", **ours, AttributeName="colour") == "NotFoundException"
    arn = "arn:aws:pricing:::price-list/aws/AmazonBraket/USD/20260101000000/"
    assert refused("GetPriceListFileUrl", PriceListArn=arn + "x", FileFormat="csv") == "ResourceNotFoundException"
    missing = refused("GetPriceListFileUrl", PriceListArn=arn + "us-east-1", FileFormat="json")
    assert missing == "InvalidParameterException"
