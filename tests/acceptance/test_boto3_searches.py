"""boto3's paginators and every filter: small pages while rows come in, tokens that nobody can make or carry elsewhere.

Each test has a region of its own: a search sees only the region that it was signed for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.loaders import Loader

from tests.services import BELL, GARNET, ROLE, SV1, RunningService, openqasm, refusal_code, running

BUCKET = "searches"
SLEEPS = b"import time\ntime.sleep(300)\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that runs one job at a time, so that the others wait."""
    settings = {"BRAKETEER_JOB_SLOTS": "1", "BRAKETEER_JOB_GRACE_SECONDS": "0"}
    with running(tmp_path_factory.mktemp("searches"), **settings) as started:
        started.client("s3").create_bucket(Bucket=BUCKET)
        started.client("s3").put_object(Bucket=BUCKET, Key="sleeps.py", Body=SLEEPS)
        yield started


def create_task(braket: Any, **more: Any) -> str:
    request = {"deviceArn": SV1, "shots": 1, "outputS3Bucket": BUCKET, "outputS3KeyPrefix": "t"}
    return braket.create_quantum_task(action=openqasm(BELL), **(request | more))["quantumTaskArn"]


def create_job(braket: Any, name: str = "job", device: str = SV1) -> str:
    return braket.create_job(
        jobName=name,
        roleArn=ROLE,
        algorithmSpecification={
            "scriptModeConfig": {
                "entryPoint": "sleeps",
                "s3Uri": f"s3://{BUCKET}/sleeps.py",
                "compressionType": "NONE",
            }
        },
        deviceConfig={"device": device},
        instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        outputDataConfig={"s3Path": f"s3://{BUCKET}/jobs"},
    )["jobArn"]


# Paginator: the operation, how a row is made, and where its ARN is shown.
ROWS: dict[str, tuple[str, Callable[[Any], str], str]] = {
    "SearchQuantumTasks": ("search_quantum_tasks", create_task, "quantumTaskArn"),
    "SearchJobs": ("search_jobs", create_job, "jobArn"),
}
PAGINATED = {"SearchDevices", "SearchSpendingLimits", *ROWS}


def test_these_are_boto3s_paginators() -> None:
    assert set(Loader().load_service_model("braket", "paginators-1")["pagination"]) == PAGINATED


@pytest.mark.parametrize("name", ROWS)
def test_pages_stay_as_they_were_while_rows_come_in(service: RunningService, name: str) -> None:
    operation, create, arn = ROWS[name]
    braket = service.client("braket", "eu-west-1")
    there = [create(braket) for _ in range(5)]
    seen: list[list[str]] = []
    pages = braket.get_paginator(operation).paginate(filters=[], PaginationConfig={"PageSize": 2})
    for page in pages:
        seen.append([row[arn] for row in page[pages.result_keys[0].expression]])
        create(braket)
    newest_first = there[::-1]
    assert seen == [newest_first[:2], newest_first[2:4], newest_first[4:]]


@pytest.mark.parametrize("name", ROWS)
def test_boto3_goes_on_where_it_stopped(service: RunningService, name: str) -> None:
    operation, create, arn = ROWS[name]
    braket = service.client("braket", "eu-west-2")
    there = [create(braket) for _ in range(4)][::-1]
    paginator = braket.get_paginator(operation)
    wanted = [{"name": "createdAt", "operator": "GTE", "values": ["2026-01-01"]}]
    first = paginator.paginate(filters=wanted, PaginationConfig={"MaxItems": 3, "PageSize": 2}).build_full_result()
    key = paginator.result_keys[0].expression
    rest = paginator.paginate(filters=wanted, PaginationConfig={"StartingToken": first["NextToken"]})
    found = [row[arn] for row in first[key]] + [row[arn] for row in rest.build_full_result()[key]]
    assert found == there


def test_spending_limits_page_by_page(service: RunningService) -> None:
    """An account has one limit a device, whatever the region, so there are not enough for the tests above."""
    braket = service.client("braket", "eu-west-3")
    search = braket.search_spending_limits
    devices = [SV1, SV1.replace("sv1", "dm1"), GARNET, GARNET.replace("Garnet", "Emerald")]
    devices += ["arn:aws:braket:us-east-1::device/qpu/quera/Aquila"]
    there = [create_limit(braket, device) for device in devices[:4]][::-1]
    seen = []
    for page in braket.get_paginator("search_spending_limits").paginate(PaginationConfig={"PageSize": 2}):
        seen.append([limit["spendingLimitArn"] for limit in page["spendingLimits"]])
        if len(seen) == 1:
            created_meanwhile = create_limit(braket, devices[4])
    assert seen == [there[:2], there[2:]]
    assert service.client("braket", "eu-west-1").search_spending_limits()["spendingLimits"] == []

    of_two = [where("deviceArn", "EQUAL", devices[0], devices[2])]
    assert [limit["deviceArn"] for limit in search(filters=of_two)["spendingLimits"]] == [devices[2], devices[0]]
    assert search(filters=[*of_two, where("deviceArn", "EQUAL", devices[1])])["spendingLimits"] == []
    token = search(maxResults=1)["nextToken"]
    assert search(maxResults=5, nextToken=token, filters=[])["spendingLimits"][0]["spendingLimitArn"] == there[0]
    assert refusal_code(search, filters=of_two, nextToken=token) == INVALID
    assert refusal_code(service.client("braket", "eu-west-1").search_spending_limits, nextToken=token) == INVALID
    assert refusal_code(braket.search_jobs, filters=[], nextToken=token) == INVALID
    assert refusal_code(search, nextToken=token[:-2]) == INVALID
    for filters in ([where("status", "EQUAL", "x")], [where("deviceArn", "LT", "x")], [where("deviceArn", "EQUAL")]):
        unchecked = service.client("braket", "eu-west-3", config={"parameter_validation": False})
        assert refusal_code(unchecked.search_spending_limits, filters=filters) == INVALID
        assert refusal_code(unchecked.search_spending_limits, maxResults=101) == INVALID
        assert refusal_code(unchecked.search_spending_limits, maxResults=0) == INVALID
    for arn in (*there, created_meanwhile):
        braket.delete_spending_limit(spendingLimitArn=arn)


def create_limit(braket: Any, device: str) -> str:
    return braket.create_spending_limit(deviceArn=device, spendingLimit="1")["spendingLimitArn"]


def test_devices_come_page_by_page(service: RunningService) -> None:
    braket = service.client("braket", "eu-north-1")
    everything = [device["deviceArn"] for device in braket.search_devices(filters=[])["devices"]]
    pages = list(braket.get_paginator("search_devices").paginate(filters=[], PaginationConfig={"PageSize": 2}))
    assert [device["deviceArn"] for page in pages for device in page["devices"]] == everything
    assert {len(page["devices"]) for page in pages[:-1]} == {2}
    wanted = [{"name": "deviceArn", "values": [GARNET, SV1]}, {"name": "deviceArn", "values": [GARNET, "x"]}]
    assert [device["deviceArn"] for device in braket.search_devices(filters=wanted)["devices"]] == [GARNET]


INVALID = ("ValidationException", 400)


@pytest.mark.parametrize("name", ROWS)
def test_a_token_belongs_to_its_search(service: RunningService, name: str) -> None:
    operation, create, _ = ROWS[name]
    braket = service.client("braket", "ap-south-1")
    for _ in range(3):
        create(braket)
    search = getattr(braket, operation)
    token = search(filters=[], maxResults=1)["nextToken"]
    assert search(filters=[], maxResults=2, nextToken=token)
    recent = [{"name": "createdAt", "operator": "GT", "values": ["2026-01-01"]}]
    assert refusal_code(search, filters=recent, maxResults=1, nextToken=token) == INVALID
    elsewhere = getattr(service.client("braket", "ap-south-2"), operation)
    assert refusal_code(elsewhere, filters=[], maxResults=1, nextToken=token) == INVALID
    for other in {"search_quantum_tasks", "search_jobs", "search_devices"} - {operation}:
        assert refusal_code(getattr(braket, other), filters=[], maxResults=1, nextToken=token) == INVALID
    flipped = ("A" if token[20] != "A" else "B").join((token[:20], token[21:]))
    for made_up in ("", "x", token[:-4], token + "AAAA", flipped, token[::-1], "\u00e4", token + "\n"):
        assert refusal_code(search, filters=[], maxResults=1, nextToken=made_up) == INVALID


@pytest.mark.parametrize("operation", ["search_devices", "search_quantum_tasks", "search_jobs"])
def test_bounds_of_a_search(service: RunningService, operation: str) -> None:
    search = getattr(service.client("braket", "sa-east-1", config={"parameter_validation": False}), operation)
    name = {"name": "deviceArn", "values": ["x"]} | ({} if operation == "search_devices" else {"operator": "EQUAL"})
    for size in (1, 100):
        assert search(filters=[], maxResults=size)
    for size in (0, -1, 101):
        assert refusal_code(search, filters=[], maxResults=size) == INVALID
    assert search(filters=[name] * 10)
    assert search(filters=[name | {"values": ["x" * 256] * 10}])
    for filters in (
        [name] * 11,
        [name | {"values": []}],
        [name | {"values": ["x"] * 11}],
        [name | {"values": [""]}],
        [name | {"values": ["x" * 257]}],
        [name | {"name": ""}],
        [name | {"name": "shots"}],
        [{"values": ["x"]}],
        None,
    ):
        assert refusal_code(search, filters=filters)[1] == 400


def where(name: str, operator: str, *values: str) -> dict[str, Any]:
    return {"name": name, "operator": operator, "values": list(values)}


def times(rows: list[dict[str, Any]]) -> list[str]:
    """When each row was made, in ISO 8601 with milliseconds, as the service writes it."""
    return [row["createdAt"].isoformat(timespec="milliseconds").replace("+00:00", "Z") for row in rows]


def time_filters(stamps: list[str]) -> list[tuple[list[dict[str, Any]], list[int]]]:
    """Filters on createdAt, and which of four rows, by age, they find."""
    second, third = stamps[1], stamps[2]
    return [
        ([where("createdAt", "LT", third)], [0, 1]),
        ([where("createdAt", "LTE", third)], [0, 1, 2]),
        ([where("createdAt", "EQUAL", third)], [2]),
        ([where("createdAt", "EQUAL", third, second)], [1, 2]),
        ([where("createdAt", "GT", third)], [3]),
        ([where("createdAt", "GTE", third)], [2, 3]),
        ([where("createdAt", "BETWEEN", second, third)], [1, 2]),
        ([where("createdAt", "BETWEEN", third, second)], []),
        ([where("createdAt", "GT", second), where("createdAt", "LT", stamps[3])], [2]),
        ([where("createdAt", "GTE", second.replace("Z", "+00:00"))], [1, 2, 3]),
        ([where("createdAt", "GTE", "2000-01-01")], [0, 1, 2, 3]),
        ([where("createdAt", "LT", "946684800")], []),
    ]


def check(search: Any, key: str, arn: str, arns: list[str], filters: list[dict[str, Any]], expected: list[int]) -> None:
    found = [row[arn] for row in search(filters=filters)[key]]
    assert found == [arns[age] for age in reversed(expected)], filters


def test_every_filter_of_tasks(service: RunningService) -> None:
    braket = service.client("braket", "ca-central-1")
    arns = []
    for _ in range(4):
        arns.append(create_task(braket))
        time.sleep(0.002)  # so that no two have one time
    tasks = [service.wait_for_task(arn) for arn in arns]
    cases = [
        *time_filters(times(tasks)),
        ([where("quantumTaskArn", "EQUAL", arns[1])], [1]),
        ([where("quantumTaskArn", "EQUAL", arns[1], arns[3], "unknown")], [1, 3]),
        ([where("deviceArn", "EQUAL", SV1)], [0, 1, 2, 3]),
        ([where("deviceArn", "EQUAL", GARNET)], []),
        ([where("status", "EQUAL", "COMPLETED", "FAILED")], [0, 1, 2, 3]),
        ([where("status", "EQUAL", "CANCELLED")], []),
        ([where("jobArn", "EQUAL", arns[0].replace("quantum-task", "job"))], []),
        ([where("status", "EQUAL", "COMPLETED"), where("quantumTaskArn", "EQUAL", arns[2])], [2]),
    ]
    for filters, expected in cases:
        check(braket.search_quantum_tasks, "quantumTasks", "quantumTaskArn", arns, filters, expected)


def test_every_filter_of_jobs(service: RunningService) -> None:
    braket = service.client("braket", "ca-west-1")
    arns = []
    for name, device in (("alpha", SV1), ("beta-1", SV1), ("beta-2", "local:none/none"), ("gamma", SV1)):
        arns.append(create_job(braket, name, device))
        time.sleep(0.002)
    jobs = [braket.get_job(jobArn=arn) for arn in arns]
    braket.cancel_job(jobArn=arns[3])
    service.wait_for_job(arns[3])
    cases = [
        *time_filters(times(jobs)),
        ([where("jobArn", "EQUAL", arns[1], arns[0])], [0, 1]),
        ([where("jobName", "EQUAL", "alpha", "gamma")], [0, 3]),
        ([where("jobName", "CONTAINS", "eta-")], [1, 2]),
        ([where("jobName", "CONTAINS", "BETA")], []),
        ([where("jobName", "CONTAINS", "%")], []),
        ([where("deviceArn", "EQUAL", "local:none/none")], [2]),
        ([where("deviceArn", "CONTAINS", "/sv1")], [0, 1, 3]),
        ([where("status", "EQUAL", "CANCELLED")], [3]),
        ([where("status", "EQUAL", "QUEUED", "RUNNING"), where("jobName", "CONTAINS", "beta")], [1, 2]),
    ]
    for filters, expected in cases:
        check(braket.search_jobs, "jobs", "jobArn", arns, filters, expected)
    for arn in arns[:3]:
        braket.cancel_job(jobArn=arn)


@pytest.mark.parametrize(
    "filters",
    [
        [where("createdAt", "CONTAINS", "2026")],
        [where("createdAt", "BETWEEN", "2026-01-01")],
        [where("createdAt", "BETWEEN", "2026-01-01", "2026-01-02", "2026-01-03")],
        [where("createdAt", "LT", "2026-01-01", "2026-01-02")],
        [where("createdAt", "LT", "yesterday")],
        [where("status", "LT", "QUEUED")],
        [where("jobArn", "CONTAINS", "x")],
        [where("jobName", "BETWEEN", "a", "b")],
        [where("shots", "EQUAL", "1")],
        [where("deviceArn", "LIKE", "x")],
    ],
)
def test_filters_that_mean_nothing_are_refused(service: RunningService, filters: list[dict[str, Any]]) -> None:
    braket = service.client("braket")
    assert refusal_code(braket.search_jobs, filters=filters) == INVALID
    assert refusal_code(braket.search_quantum_tasks, filters=filters) == INVALID
