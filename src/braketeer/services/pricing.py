"""AWS Price List Service: the price list of this service's devices, asked for instead of downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from braketeer.domain import pagination
from braketeer.domain.accounts import Caller
from braketeer.domain.errors import ServiceError, ValidationException
from braketeer.services.price_list import (
    EFFECTIVE,
    OFFER_TERM_CODE,
    RATE,
    SERVICE_CODE,
    VERSION,
    PriceList,
    Product,
    regions,
)

T = TypeVar("T")

FORMAT_VERSION = "aws_v1"
DEFAULT_PAGE = 100
ATTRIBUTES = (
    "deviceName",
    "location",
    "locationType",
    "operation",
    "productFamily",
    "regionCode",
    "servicecode",
    "servicename",
    "termType",
    "version",
)
_ARN = f"arn:aws:pricing:::price-list/aws/{SERVICE_CODE}/USD/{VERSION}/"


class Pricing:
    """One service is listed: AmazonBraket. ``page_key`` signs page tokens. Errors have the names of the model."""

    def __init__(self, price_list: PriceList, page_key: bytes) -> None:
        self._price_list = price_list
        self._page_key = page_key

    async def describe_services(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The service and the attributes that its products can be searched by."""
        _check_format(request)
        if "ServiceCode" in request:
            _require_service(request)
        page = self._page("DescribeServices", request, [{"ServiceCode": SERVICE_CODE, "AttributeNames": ATTRIBUTES}])
        return {"Services": page.pop("items"), "FormatVersion": FORMAT_VERSION, **page}

    async def get_attribute_values(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Every value of an attribute, in the order of the alphabet."""
        _require_service(request)
        name = request["AttributeName"]
        if name not in ATTRIBUTES:
            raise _not_found(f"{SERVICE_CODE} has no attribute {name[:64]}; it has {', '.join(ATTRIBUTES)}")
        values = sorted({_attributes(product).get(name, "") for product in self._price_list.products} - {""})
        page = self._page("GetAttributeValues", request, [{"Value": value} for value in values])
        return {"AttributeValues": page.pop("items"), **page}

    async def get_products(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The products that all filters let through, each as the JSON text that Amazon's bulk files hold for one."""
        _check_format(request)
        _require_service(request)
        filters = request.get("Filters") or []
        found = [product for product in self._price_list.products if _matches(_attributes(product), filters)]
        page = self._page("GetProducts", request, found)
        listed = [orjson.dumps(_document(product)).decode() for product in page.pop("items")]
        return {"FormatVersion": FORMAT_VERSION, "PriceList": listed, **page}

    async def list_price_lists(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A list for each region; behind all of them is the one file, which has every region's prices."""
        _require_service(request)
        wanted = request.get("RegionCode")
        known = request["CurrencyCode"] == "USD" and request["EffectiveDate"] >= EFFECTIVE
        lists = [
            {"PriceListArn": f"{_ARN}{region}", "RegionCode": region, "CurrencyCode": "USD", "FileFormats": ["csv"]}
            for region in regions()
            if known and wanted in (None, region)
        ]
        page = self._page("ListPriceLists", request | {"EffectiveDate": None}, lists)
        return {"PriceLists": page.pop("items"), **page}

    async def get_price_list_file_url(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Where the CSV file is; it is open to everybody."""
        arn, form = request["PriceListArn"], request["FileFormat"]
        if arn not in {f"{_ARN}{region}" for region in regions()}:
            raise ServiceError(f"There is no price list {arn[:300]}", code="ResourceNotFoundException", status=400)
        if form.lower() != "csv":
            raise _invalid(f"Price lists are served as csv, not as '{form}'")
        return {"Url": f"{caller.endpoint}/_braketeer/prices.csv"}

    def _page(self, operation: str, request: Mapping[str, Any], items: Sequence[T]) -> dict[str, Any]:
        """``items`` of this page, and ``NextToken`` where there are more; a token holds for its own search only."""
        asked = {name: value for name, value in request.items() if name not in ("NextToken", "MaxResults")}
        search = orjson.dumps([operation, asked], option=orjson.OPT_SORT_KEYS).decode()
        start = 0
        if (token := request.get("NextToken")) is not None:
            try:
                place = pagination.open(self._page_key, token)
            except ValidationException as problem:
                raise _invalid_token(problem.message) from None
            if place.get("search") != search:
                raise _invalid_token("The NextToken belongs to another search")
            start = int(place["start"])
        end = start + (request.get("MaxResults") or DEFAULT_PAGE)
        page: dict[str, Any] = {"items": items[start:end]}
        if end < len(items):
            page["NextToken"] = pagination.sign(self._page_key, {"search": search, "start": end})
        return page


def _attributes(product: Product) -> dict[str, str]:
    """What a product can be found by; an attribute that it does not have is empty or missing."""
    of_simulator = product.name_column == "Version"
    return {
        "servicecode": SERVICE_CODE,
        "servicename": "Amazon Braket",
        "productFamily": product.family,
        "regionCode": product.region,
        "location": regions().get(product.region, product.region),
        "locationType": "AWS Region",
        "operation": product.operation,
        "termType": "OnDemand",
        "version" if of_simulator else "deviceName": product.name,
    }


def _matches(attributes: Mapping[str, str], filters: Iterable[Mapping[str, str]]) -> bool:
    by_name = {name.lower(): value for name, value in attributes.items()}
    return all(_TESTS[item["Type"]](by_name.get(item["Field"].lower(), ""), item["Value"]) for item in filters)


_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "TERM_MATCH": lambda has, wanted: has == wanted,
    "EQUALS": lambda has, wanted: has == wanted,
    "CONTAINS": lambda has, wanted: wanted in has,
    "ANY_OF": lambda has, wanted: has in wanted.split(","),
    "NONE_OF": lambda has, wanted: has not in wanted.split(","),
}


def _document(product: Product) -> dict[str, Any]:
    sku, since = product.sku, f"{EFFECTIVE:%Y-%m-%dT%H:%M:%SZ}"
    term, rate = f"{sku}.{OFFER_TERM_CODE}", f"{sku}.{OFFER_TERM_CODE}.{RATE}"
    attributes = _attributes(product)
    family = attributes.pop("productFamily")
    dimension = {
        "unit": product.unit,
        "beginRange": "0",
        "endRange": "Inf",
        "description": product.description,
        "appliesTo": [],
        "rateCode": rate,
        "pricePerUnit": {"USD": product.price_text},
    }
    terms = {
        "priceDimensions": {rate: dimension},
        "sku": sku,
        "effectiveDate": since,
        "offerTermCode": OFFER_TERM_CODE,
        "termAttributes": {},
    }
    return {
        "product": {"productFamily": family, "attributes": attributes, "sku": sku},
        "serviceCode": SERVICE_CODE,
        "terms": {"OnDemand": {term: terms}},
        "version": VERSION,
        "publicationDate": since,
    }


def _check_format(request: Mapping[str, Any]) -> None:
    if request.get("FormatVersion", FORMAT_VERSION) != FORMAT_VERSION:
        raise _invalid(f"The FormatVersion is {FORMAT_VERSION}")


def _require_service(request: Mapping[str, Any]) -> None:
    if request["ServiceCode"] != SERVICE_CODE:
        raise _not_found(f"There is no service {request['ServiceCode'][:64]} in this price list, only {SERVICE_CODE}")


def _not_found(message: str) -> ServiceError:
    return ServiceError(message, code="NotFoundException")


def _invalid(message: str) -> ServiceError:
    return ServiceError(message, code="InvalidParameterException")


def _invalid_token(message: str) -> ServiceError:
    return ServiceError(message, code="InvalidNextTokenException")
