"""Money, with unmodified clients: spending limits, what the Tracker and ``braketeer cost`` say, the price list."""

import contextlib
import csv
import json
import os
import subprocess
import threading
import urllib.error
import urllib.request
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from braketeer.devices.catalogue import Catalogue
from braketeer.devices.prices import load
from tests import processes
from tests.postgresql import Cluster
from tests.services import BELL, GARNET, ROLE, SV1, RunningService, has_ended, openqasm, refusal, running, until

ARIA = "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1"
# About a second of work.
HEAVY = (
    "OPENQASM 3.0;\nqubit[24] q;\n"
    + "".join(
        f"h q[{i}];\ncnot q[{i}], q[{(i + 1) % 24}];\nrx(0.{i + 1}) q[{i}];\n" for _ in range(6) for i in range(24)
    )
    + "#pragma braket result probability q[0]\n"
)
# A task on SV1 is at least three seconds of a minute: 3 USD.
PRICES = f'[devices."{SV1}"]\nper_minute = 60\n[instances]\n"ml.m5.large" = 0.6\n'


@dataclass
class Account:
    """An account of a test's own, so that its limit on SV1 is its own."""

    service: RunningService
    name: str
    access_key_id: str
    secret_access_key: str

    def client(self, name: str, region: str = "us-east-1", **options: Any) -> Any:
        keys = {"aws_access_key_id": self.access_key_id, "aws_secret_access_key": self.secret_access_key}
        return self.service.client(name, region, **keys, **options)

    def bucket(self) -> str:
        """An output bucket of the account; not to be asked for by many threads at once."""
        self.client("s3").create_bucket(Bucket=f"money-{self.name}")
        return f"money-{self.name}"

    def task(self, braket: Any, source: str = BELL, shots: int = 10, **more: Any) -> str:
        return braket.create_quantum_task(
            deviceArn=SV1,
            shots=shots,
            outputS3Bucket=f"money-{self.name}",
            outputS3KeyPrefix="t",
            action=openqasm(source),
            **more,
        )["quantumTaskArn"]

    def end_of(self, arn: str) -> str:
        """The status that a task or a job has in the end."""
        braket = self.client("braket")
        if ":job/" in arn:
            answer = until(lambda: braket.get_job(jobArn=arn), has_ended, 120)
        else:
            answer = until(lambda: braket.get_quantum_task(quantumTaskArn=arn), has_ended)
        return str(answer["status"])

    def spends(self) -> tuple[Decimal, Decimal]:
        """Queued and spent on SV1."""
        (limit,) = self.client("braket").search_spending_limits()["spendingLimits"]
        return Decimal(limit["queuedSpend"]), Decimal(limit["totalSpend"])


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("prices") / "prices.toml"
    file.write_text(PRICES)
    return file


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, prices: Path) -> Iterator[RunningService]:
    environment = {"BRAKETEER_PRICES": str(prices), "BRAKETEER_TASK_SLOTS": "1", "BRAKETEER_JOB_GRACE_SECONDS": "1"}
    with running(tmp_path_factory.mktemp("money"), **environment) as started:
        yield started


@pytest.fixture
def account(service: RunningService) -> Account:
    name = uuid.uuid4().hex
    (made,) = service.access.call("POST", "accounts", {"accounts": [{"name": name}]})["accounts"]
    account = Account(service, name, made["access_key_id"], made["secret_access_key"])
    account.bucket()
    return account


def cost(service: RunningService, arn: str) -> Any:
    """What ``braketeer cost`` prints for programs."""
    return json.loads(braketeer("cost", arn, "--json", "--data-dir", str(service.data_dir)).stdout)


def braketeer(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return processes.run(["braketeer", *arguments], {**os.environ, **environment}, timeout=60)


# --- the four operations


def test_the_life_of_a_limit(account: Account) -> None:
    braket = account.client("braket")
    start, end = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    period = {"startAt": start, "endAt": end}
    created = braket.create_spending_limit(
        deviceArn=SV1, spendingLimit="10.50", timePeriod=period, tags={"team": "a"}, clientToken="token"
    )
    arn = created["spendingLimitArn"]
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    again = {"deviceArn": SV1, "spendingLimit": "10.50", "timePeriod": period, "tags": {"team": "a"}}
    assert braket.create_spending_limit(**again, clientToken="token")["spendingLimitArn"] == arn
    assert refusal(braket.create_spending_limit, **again)[:2] == ("ValidationException", 400)
    assert refusal(braket.create_spending_limit, deviceArn=ARIA, spendingLimit="1")[:2] == (
        "DeviceRetiredException",
        410,
    )
    (found,) = braket.search_spending_limits()["spendingLimits"]
    assert (found["timePeriod"], found["spendingLimit"], found["tags"]) == (period, "10.50", {"team": "a"})
    assert (found["queuedSpend"], found["totalSpend"]) == ("0", "0")
    assert isinstance(found["createdAt"], datetime)

    braket.tag_resource(resourceArn=arn, tags={"team": "b", "more": "c"})
    braket.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert braket.list_tags_for_resource(resourceArn=arn)["tags"] == {"more": "c"}

    braket.update_spending_limit(spendingLimitArn=arn, spendingLimit="1")
    (found,) = braket.search_spending_limits(
        filters=[{"name": "deviceArn", "operator": "EQUAL", "values": [SV1, GARNET]}]
    )["spendingLimits"]
    assert (found["timePeriod"], found["spendingLimit"], found["tags"]) == (period, "1", {"more": "c"})
    assert "time window" in refusal(account.task, braket=braket)[2]

    braket.delete_spending_limit(spendingLimitArn=arn)
    assert braket.search_spending_limits()["spendingLimits"] == []
    for call in (braket.delete_spending_limit, braket.update_spending_limit):
        assert refusal(call, spendingLimitArn=arn)[:2] == ("ResourceNotFoundException", 404)
    assert refusal(braket.list_tags_for_resource, resourceArn=arn)[:2] == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize("end", ["253402300799.9999", "253402300799.99999999", "253402300800", "1e300"])
def test_a_limit_ends_within_the_years_that_can_be_written(account: Account, end: str) -> None:
    """Years with five digits are refused at once; a moment that is nearly one of them can be shown again."""
    braket = account.client("braket")
    sent = []

    def write(params: dict[str, Any], **_: Any) -> None:
        sent.append(params["body"].replace(b"4102444800", end.encode()))
        params["body"] = sent[-1]

    braket.meta.events.register("before-call.braket.CreateSpendingLimit", write)
    period = {"startAt": 0, "endAt": 4102444800}
    if end == "253402300799.9999":
        braket.create_spending_limit(deviceArn=SV1, spendingLimit="0", timePeriod=period)
        (found,) = braket.search_spending_limits()["spendingLimits"]
        shown = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
        assert abs(found["timePeriod"]["endAt"] - shown) < timedelta(milliseconds=1)  # boto3 reads a float
        assert "9999-12-31T23:59:59.999Z" in refusal(account.task, braket=braket)[2]
    else:
        refused = refusal(braket.create_spending_limit, deviceArn=SV1, spendingLimit="0", timePeriod=period)
        assert refused[:2] == ("ValidationException", 400)
        assert braket.search_spending_limits()["spendingLimits"] == []
    assert end.encode() in sent[0]


def test_times_are_numbers_in_a_period_and_texts_elsewhere(account: Account) -> None:
    """What other clients than boto3 insist on."""
    endpoint = account.service.access.endpoint

    def send(path: str, document: Any) -> Any:
        request = AWSRequest("POST", f"{endpoint}{path}", {"content-type": "application/json"}, json.dumps(document))
        SigV4Auth(Credentials(account.access_key_id, account.secret_access_key), "braket", "us-east-1").add_auth(
            request
        )
        sent = urllib.request.Request(request.url, request.body, dict(request.headers), method="POST")
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return json.load(answer)

    period = {"startAt": 1893456000, "endAt": 1893542400.5}
    send("/spending-limit", {"clientToken": "t", "deviceArn": SV1, "spendingLimit": "7", "timePeriod": period})
    (found,) = send("/spending-limits", {})["spendingLimits"]
    assert found["timePeriod"] == period
    assert len(found["createdAt"]) == len("2026-01-01T00:00:00.000Z") == len(found["updatedAt"])


def test_a_viewer_reads_limits_and_changes_none(service: RunningService, account: Account) -> None:
    arn = account.client("braket").create_spending_limit(deviceArn=SV1, spendingLimit="1")["spendingLimitArn"]
    key = service.access.call("POST", "keys", {"account": account.name, "role": "viewer"})
    viewer = Account(service, account.name, key["access_key_id"], key["secret_access_key"]).client("braket")
    assert len(viewer.search_spending_limits()["spendingLimits"]) == 1
    assert refusal(viewer.create_spending_limit, deviceArn=GARNET, spendingLimit="1")[0] == "AccessDeniedException"
    assert refusal(viewer.update_spending_limit, spendingLimitArn=arn)[0] == "AccessDeniedException"
    assert refusal(viewer.delete_spending_limit, spendingLimitArn=arn)[0] == "AccessDeniedException"
    other = service.client("braket")
    assert arn not in str(other.search_spending_limits())
    assert refusal(other.delete_spending_limit, spendingLimitArn=arn)[0] == "ResourceNotFoundException"


def test_limits_by_the_aws_cli(account: Account) -> None:
    def aws(*arguments: str) -> Any:
        environment = account.service.access.environment() | {
            "AWS_ACCESS_KEY_ID": account.access_key_id,
            "AWS_SECRET_ACCESS_KEY": account.secret_access_key,
        }
        done = processes.run(["aws", "braket", *arguments], environment, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    period = "startAt=2030-01-01T00:00:00Z,endAt=2031-01-01T00:00:00Z"
    arn = aws("create-spending-limit", "--device-arn", SV1, "--spending-limit", "5", "--time-period", period)
    limit = ["--spending-limit-arn", arn["spendingLimitArn"]]
    aws("update-spending-limit", *limit, "--spending-limit", "6.25")
    filters = f"name=deviceArn,operator=EQUAL,values={SV1}"
    (found,) = aws("search-spending-limits", "--filters", filters)["spendingLimits"]
    assert (found["spendingLimit"], found["deviceArn"]) == ("6.25", SV1)
    aws("delete-spending-limit", *limit)
    assert aws("search-spending-limits")["spendingLimits"] == []


# --- what tasks do to a limit


def test_of_forty_creates_at_once_exactly_those_that_fit_are_accepted(account: Account) -> None:
    account.client("braket").create_spending_limit(deviceArn=SV1, spendingLimit="33")
    clients = [account.client("braket") for _ in range(8)]
    gate = threading.Barrier(8)

    def create(worker: int) -> list[str]:
        gate.wait()
        outcomes = []
        for _ in range(5):
            try:
                outcomes.append(account.task(clients[worker]))
            except ClientError as refused:
                outcomes.append(refused.response["Error"]["Message"])
        return outcomes

    with ThreadPoolExecutor(8) as pool:
        outcomes = [outcome for found in pool.map(create, range(8)) for outcome in found]
    made = [outcome for outcome in outcomes if outcome.startswith("arn:")]
    (limit,) = account.client("braket").search_spending_limits()["spendingLimits"]
    start = limit["timePeriod"]["startAt"].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    words = (
        "Attempted to spend over the spending limit or outside the spending limit time window. Spending limit: 33, "
        f"current spend: 33.0000000000, estimated cost: 3.0000000000, start time: {start}Z, "
        "end time: 2125-12-30T00:00:00.000Z"
    )
    assert len(made) == 11
    assert set(outcomes) - set(made) == {words}
    assert sum(account.spends()) == 33
    assert {account.end_of(arn) for arn in made} == {"COMPLETED"}
    assert account.spends() == (0, 33)


def test_a_cancel_gives_the_money_back(account: Account) -> None:
    braket = account.client("braket")
    braket.create_spending_limit(deviceArn=SV1, spendingLimit="12")
    arns = [account.task(braket, HEAVY, 0) for _ in range(4)]
    assert "current spend: 12.0000000000" in refusal(account.task, braket=braket)[2]
    for arn in arns[2:]:
        braket.cancel_quantum_task(quantumTaskArn=arn)
    until(account.spends, lambda spends: sum(spends) <= 6)
    arns.append(account.task(braket))
    assert [account.end_of(arn) for arn in arns] == ["COMPLETED", "COMPLETED", "CANCELLED", "CANCELLED", "COMPLETED"]
    costs = [Decimal(cost(account.service, arn)["cost"]) for arn in arns]
    assert account.spends() == (0, sum(costs))
    assert all(each >= 3 for each in (*costs[:2], costs[4]))
    assert costs[2:4] == [0, 0]


def test_a_create_that_is_sent_again_is_charged_once(account: Account) -> None:
    braket = account.client("braket")
    limit = braket.create_spending_limit(deviceArn=SV1, spendingLimit="3")["spendingLimitArn"]
    assert account.task(braket, clientToken="t") == account.task(braket, clientToken="t")
    assert sum(account.spends()) == 3
    refusal(account.task, braket=braket, clientToken="u")  # what is refused leaves no token behind
    braket.update_spending_limit(spendingLimitArn=limit, spendingLimit="6")
    account.task(braket, clientToken="u")
    assert sum(account.spends()) == 6


def test_tasks_of_jobs_count_and_a_job_knows_its_cost(account: Account) -> None:
    braket, s3, bucket = account.client("braket"), account.client("s3"), account.bucket()
    limit = braket.create_spending_limit(deviceArn=SV1, spendingLimit="7")["spendingLimitArn"]
    script = f"""
import json, os, boto3
request = dict(deviceArn={SV1!r}, shots=5, outputS3Bucket={bucket!r}, outputS3KeyPrefix="j", action={openqasm(BELL)!r})
braket = boto3.client("braket")
for _ in range(2):
    arn = braket.create_quantum_task(**request, jobToken=os.environ["AMZN_BRAKET_JOB_TOKEN"])["quantumTaskArn"]
    while braket.get_quantum_task(quantumTaskArn=arn)["status"] != "COMPLETED":
        pass
try:
    braket.create_quantum_task(**request, jobToken=os.environ["AMZN_BRAKET_JOB_TOKEN"])
except braket.exceptions.ValidationException as refused:
    print(refused)
"""
    s3.put_object(Bucket=bucket, Key="code/script.py", Body=script.encode())
    code = {"entryPoint": "script", "s3Uri": f"s3://{bucket}/code/script.py", "compressionType": "NONE"}
    role = ROLE.replace("000000000000", limit.split(":")[4])
    arn = braket.create_job(
        jobName="spending",
        roleArn=role,
        algorithmSpecification={"scriptModeConfig": code},
        deviceConfig={"device": SV1},
        instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        outputDataConfig={"s3Path": f"s3://{bucket}/out"},
    )["jobArn"]
    assert account.end_of(arn) == "COMPLETED"
    assert account.spends() == (0, 6)
    found = cost(account.service, arn)
    ran = Decimal(found["instances"]["billed_ms"]) * Decimal("0.6") / 60_000
    assert found["tasks"] == {"count": 2, "unfinished": 0, "cost": "6.0000000000", "estimate_of_unfinished": "0"}
    assert abs(Decimal(found["cost"]) - 6 - ran) < Decimal("1e-9")
    assert found["instances"]["billed_ms"] == braket.get_job(jobArn=arn)["billableDuration"]
    shown = cost(account.service, limit)
    assert (shown["status"], shown["total_spend"], shown["remaining"]) == ("active", "6.0000000000", "1.0000000000")


# --- the same figures everywhere


def test_the_tracker_and_the_command_say_the_same(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in service.access.variables().items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braket.aws import AwsDevice
        from braket.circuits import Circuit
        from braket.ir.openqasm import Program
        from braket.tracking import Tracker, pricing, tracker

    pool = urllib3.PoolManager()  # the SDK leaves its own open
    monkeypatch.setattr(pricing, "_http_client", lambda _: pool)
    monkeypatch.setattr(tracker, "price_search", pricing.Pricing().price_search)
    with Tracker() as tracked:
        device = AwsDevice(SV1)
        found = [device.run(Circuit().h(0).cnot(0, 1), shots=10), device.run(Program(source=HEAVY), shots=0)]
        for task in found:
            task.result()
    costs = [cost(service, task.id) for task in found]
    assert tracked.simulator_tasks_cost() == sum(Decimal(each["cost"]) for each in costs)
    pool.clear()
    assert (costs[0]["billed_ms"], costs[0]["cost"]) == (3000, "3.0000000000")
    ran = found[1].result().additional_metadata.simulatorMetadata.executionDuration
    assert costs[1]["billed_ms"] == max(ran, 3000)
    assert device.properties.service.deviceCost.price == 60
    assert costs[0]["price"] == {"per_task": "0", "per_shot": "0", "per_minute": "60.0000000000"}


def test_the_command_explains_to_people(service: RunningService) -> None:
    arn = service.create_task()
    assert service.wait_for_task(arn)["status"] == "COMPLETED"
    done = braketeer("cost", "--data-dir", str(service.data_dir), arn)
    assert done.returncode == 0, done.stderr
    assert "price:      3 s at 60.00 USD a minute\n" in done.stdout
    assert done.stdout.endswith("cost:       3.00 USD\n")
    gone = braketeer("cost", "--data-dir", str(service.data_dir), arn[:-1])
    assert (gone.returncode, "There is no quantum task" in gone.stderr) == (1, True)


def test_costs_are_the_operators_to_see(account: Account) -> None:
    braket = account.client("braket")
    arn = account.task(braket)
    for key in ((account.access_key_id, account.secret_access_key), None):
        url = f"{account.service.access.endpoint}/_braketeer/costs/{quote(arn, safe='')}"
        request = AWSRequest("GET", url)
        if key is not None:
            SigV4Auth(Credentials(*key), "braketeer", "us-east-1").add_auth(request)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.headers)), timeout=30)
        assert refused.value.code == 403
        refused.value.close()


def test_the_price_list_service_has_the_prices_of_the_file(service: RunningService, prices: Path) -> None:
    pricing = service.client("pricing")
    (described,) = pricing.describe_services(ServiceCode="AmazonBraket")["Services"]
    assert {"deviceName", "regionCode", "productFamily"} <= set(described["AttributeNames"])
    names = pricing.get_attribute_values(ServiceCode="AmazonBraket", AttributeName="version")["AttributeValues"]
    assert {"SV1", "DM1", "TN1"} <= {name["Value"] for name in names}
    pages = pricing.get_paginator("get_products").paginate(
        ServiceCode="AmazonBraket", PaginationConfig={"PageSize": 100}
    )
    products = [json.loads(text) for page in pages for text in page["PriceList"]]

    def price(product: Any) -> tuple[str, str]:
        (term,) = product["terms"]["OnDemand"].values()
        (dimension,) = term["priceDimensions"].values()
        return product["product"]["sku"], dimension["pricePerUnit"]["USD"]

    url = f"{service.access.endpoint}/_braketeer/prices.csv"
    with urllib.request.urlopen(url, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    rows = list(csv.DictReader(lines[5:]))
    assert sorted(map(price, products)) == sorted((row["SKU"], row["PricePerUnit"]) for row in rows)
    filters = {"regionCode": "eu-north-1", "deviceName": "Garnet", "productFamily": "Quantum Task-Shot"}
    wanted = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters.items()]
    (product,) = pricing.get_products(ServiceCode="AmazonBraket", Filters=wanted)["PriceList"]
    garnet = Catalogue(2**30, load(prices)).get(GARNET)
    assert garnet is not None
    assert Decimal(price(json.loads(product))[1]) * 10**10 == garnet.price.per_shot

    listed = pricing.list_price_lists(
        ServiceCode="AmazonBraket", CurrencyCode="USD", EffectiveDate=datetime.now(UTC), RegionCode="eu-north-1"
    )["PriceLists"]
    assert [one["FileFormats"] for one in listed] == [["csv"]]
    assert pricing.get_price_list_file_url(PriceListArn=listed[0]["PriceListArn"], FileFormat="csv")["Url"] == url
    # Where the SDK looks unless it is told otherwise, for those who send that name here.
    offers = f"{service.access.endpoint}/offers/v1.0/aws/AmazonBraket/current/index.csv"
    with urllib.request.urlopen(offers, timeout=30) as answer:
        assert answer.read().decode().splitlines() == lines

    other = {"Type": "TERM_MATCH", "Field": "deviceName", "Value": "No such device"}
    assert pricing.get_products(ServiceCode="AmazonBraket", Filters=[other])["PriceList"] == []
    assert refusal(pricing.get_products, ServiceCode="AmazonEC2")[:2] == ("NotFoundException", 400)
    token = pricing.get_products(ServiceCode="AmazonBraket", MaxResults=1)["NextToken"]
    for wrong in ("x", token):
        code = refusal(pricing.get_products, ServiceCode="AmazonBraket", NextToken=wrong, Filters=[other])[0]
        assert code == "InvalidNextTokenException"


def test_a_price_file_with_a_mistake_ends_the_start(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(f'[devices."{SV1}"]\nper_minute = -1\n')
    done = braketeer("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), BRAKETEER_PRICES=str(file))
    assert done.returncode == 2
    assert (
        done.stderr.strip().splitlines()[-1].startswith(f"braketeer: prices (BRAKETEER_PRICES): The price file {file}")
    )
    assert "line 2: 'per_minute' must be a number of USD" in done.stderr


def test_a_limit_holds_through_two_services_on_one_database(postgresql: Cluster, tmp_path: Path, prices: Path) -> None:
    """PostgreSQL, where creates really are at the same time: the limit's row puts them one after the other."""
    with postgresql.database() as url, contextlib.ExitStack() as stack:
        environment = {"BRAKETEER_DATABASE": url, "BRAKETEER_PRICES": str(prices), "BRAKETEER_TASK_SLOTS": "1"}
        services = [stack.enter_context(running(tmp_path, **environment)) for _ in range(2)]
        services[0].client("s3").create_bucket(Bucket="results")
        services[0].client("braket").create_spending_limit(deviceArn=SV1, spendingLimit="33")
        clients = [service.client("braket") for service in services for _ in range(4)]
        gate = threading.Barrier(8)

        def create(braket: Any) -> list[str]:
            gate.wait()
            request = {"deviceArn": SV1, "shots": 10, "outputS3Bucket": "results", "outputS3KeyPrefix": "t"}
            made = []
            for _ in range(5):
                with contextlib.suppress(braket.exceptions.ValidationException):
                    made.append(braket.create_quantum_task(**request, action=openqasm(BELL))["quantumTaskArn"])
            return made

        with ThreadPoolExecutor(8) as pool:
            made = [arn for found in pool.map(create, clients) for arn in found]
        assert len(made) == 11
        assert {services[1].wait_for_task(arn)["status"] for arn in made} == {"COMPLETED"}
        (limit,) = clients[0].search_spending_limits()["spendingLimits"]
        assert (limit["queuedSpend"], limit["totalSpend"]) == ("0", "33.0000000000")
