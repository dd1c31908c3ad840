"""The log service on a database: what the SDK's readers get, and where its pages begin and end."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, Caller, Role
from braketeer.domain.errors import ServiceError
from braketeer.services.logs import Logs
from braketeer.store import logs
from braketeer.store.database import Database
from braketeer.store.tables import metadata

T = TypeVar("T")
GROUP = "/aws/braket/jobs"
STREAM = "my-job/6f3c9a52-0000-4000-8000-000000000001/algo-1-1700000000000"
NOW = 1_700_000_000_500
CALLER = Caller(DEFAULT_ACCOUNT_ID, "us-east-1", "AKIATEST", Role.USER, "request-1")
MODEL = botocore.session.Session().get_service_model("logs")


class StillClock:
    def now_ms(self) -> int:
        return NOW


class Client:
    """boto3's side of the service: keyword arguments in, ClientError for errors, answers checked against the model."""

    def __init__(self, service: Logs, caller: Caller = CALLER) -> None:
        self.service = service
        self.caller = caller

    def __getattr__(self, method: str) -> Any:
        operation = next(name for name in MODEL.operation_names if xform_name(name) == method)
        shape = MODEL.operation_model(operation)

        def call(**request: Any) -> dict[str, Any]:
            assert not ParamValidator().validate(request, shape.input_shape).has_errors()
            try:
                answer = _run(getattr(self.service, method)(self.caller, request))
            except ServiceError as error:
                assert error.code in {shape.error_code or shape.name for shape in MODEL.error_shapes}
                answered = {"Error": {"Code": error.code, "Message": error.message}, **error.members}
                raise ClientError(answered, operation) from error
            if shape.output_shape is not None:
                report = ParamValidator().validate(answer, shape.output_shape)
                assert not report.has_errors(), report.generate_report()
            return answer

        return call


def _run(work: Awaitable[T]) -> T:
    async def wait() -> T:
        return await work

    return asyncio.run(wait())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/braketeer.db")
    database.write_now(lambda tx: metadata.create_all(tx.connection))
    yield database
    database.close()


@pytest.fixture
def client(database: Database) -> Client:
    return Client(Logs(database, StillClock(), b"a key"))


def _log(database: Database, *events: tuple[int, str], stream: str = STREAM, account: str = DEFAULT_ACCOUNT_ID) -> None:
    database.write_now(lambda tx: logs.append(tx.connection, account, GROUP, stream, events, NOW))


def _messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def _refused(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


# --- reading a stream


def test_the_sdk_reads_every_line_once_while_the_job_goes_on(database: Database, client: Client, capsys: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braket.aws.aws_session import AwsSession
        from braket.jobs.logs import ColorWrap, flush_log_streams

    session = SimpleNamespace(logs_client=client)
    session.get_log_events = lambda *args, **kwargs: AwsSession.get_log_events(session, *args, **kwargs)
    session.describe_log_streams = lambda *args, **kwargs: AwsSession.describe_log_streams(session, *args, **kwargs)
    names: list[str] = []
    positions: dict[str, Any] = {}

    def flush() -> str:
        flush_log_streams(
            session, GROUP, STREAM.rpartition("/")[0], names, positions, 1, True, ColorWrap(), ["RUNNING", "RUNNING"]
        )
        return str(capsys.readouterr().out)

    assert flush() == "."  # no group yet: the SDK prints a dot and goes on
    _log(database, (1, "one"), (5, "two"), (5, "three"))
    assert flush() == "one\ntwo\nthree\n"
    assert flush() == ""
    _log(database, (5, "in the same millisecond"), (6, "four"))
    assert flush() == "in the same millisecond\nfour\n"


def test_reading_forward_ends_with_an_empty_page_and_the_same_token(database: Database, client: Client) -> None:
    _log(database, *((10 + number // 3, f"line {number}") for number in range(10)))
    read, token, request = [], None, {"logGroupName": GROUP, "logStreamName": STREAM, "startFromHead": True, "limit": 4}
    for _ in range(3):
        answer = client.get_log_events(**request, **({"nextToken": token} if token else {}))
        read += _messages(answer)
        token = answer["nextForwardToken"]
    assert read == [f"line {number}" for number in range(10)]
    end = client.get_log_events(**request, nextToken=token)
    assert (end["events"], end["nextForwardToken"]) == ([], token)
    _log(database, (13, "late"))
    assert _messages(client.get_log_events(**request, nextToken=token)) == ["late"]


def test_a_token_of_an_empty_stream_finds_what_comes_later(database: Database, client: Client) -> None:
    _log(database)
    empty = client.get_log_events(logGroupName=GROUP, logStreamName=STREAM, startFromHead=True)
    _log(database, (0, "at time zero"))
    later = client.get_log_events(logGroupName=GROUP, logStreamName=STREAM, nextToken=empty["nextForwardToken"])
    assert (empty["events"], _messages(later)) == ([], ["at time zero"])


def test_without_start_from_head_the_tail_comes_first_and_pages_lead_back(database: Database, client: Client) -> None:
    _log(database, *((number, f"line {number}") for number in range(7)))
    request = {"logGroupName": GROUP, "logStreamName": STREAM, "limit": 3}
    tail = client.get_log_events(**request)
    before = client.get_log_events(**request, nextToken=tail["nextBackwardToken"])
    first = client.get_log_events(**request, nextToken=before["nextBackwardToken"])
    start = client.get_log_events(**request, nextToken=first["nextBackwardToken"])
    assert _messages(tail) == ["line 4", "line 5", "line 6"]
    assert _messages(before) == ["line 1", "line 2", "line 3"]
    assert _messages(first) == ["line 0"]
    assert (start["events"], start["nextBackwardToken"]) == ([], first["nextBackwardToken"])
    forward_again = client.get_log_events(**request, nextToken=start["nextForwardToken"])
    assert _messages(forward_again) == ["line 0", "line 1", "line 2"]


def test_from_the_end_the_way_back_begins_with_the_last_event(database: Database, client: Client) -> None:
    _log(database, (1, "one"), (2, "two"))
    request = {"logGroupName": GROUP, "logStreamName": STREAM}
    token = client.get_log_events(**request, startFromHead=True)["nextForwardToken"]
    end = client.get_log_events(**request, nextToken=token)
    assert _messages(client.get_log_events(**request, nextToken=end["nextBackwardToken"])) == ["one", "two"]


def test_start_time_is_inclusive_and_end_time_is_not(database: Database, client: Client) -> None:
    _log(database, (1, "one"), (2, "two"), (3, "three"))
    request = {"logGroupName": GROUP, "logStreamName": STREAM, "startFromHead": True}
    assert _messages(client.get_log_events(**request, startTime=2)) == ["two", "three"]
    assert _messages(client.get_log_events(**request, startTime=2, endTime=3)) == ["two"]
    assert _messages(client.get_log_events(**request, startTime=2**70)) == []


def test_a_page_holds_a_mebibyte_at_most_but_one_event_at_least(database: Database, client: Client) -> None:
    _log(database, *((number, "x" * 60_000) for number in range(40)))
    request = {"logGroupName": GROUP, "logStreamName": STREAM, "startFromHead": True}
    answer = client.get_log_events(**request)
    assert len(answer["events"]) == 2**20 // 60_026
    read, token = 0, None
    while events := (answer := client.get_log_events(**request, **({"nextToken": token} if token else {})))["events"]:
        read, token = read + len(events), answer["nextForwardToken"]
    assert read == 40


@pytest.mark.parametrize("token", ["nonsense", "f/1", "f/1/-2", "x/1/2", "f/1/2/3", f"f/{10**30}/1"])
def test_a_foreign_token_is_refused(database: Database, client: Client, token: str) -> None:
    _log(database, (1, "one"))
    code = _refused(client.get_log_events, logGroupName=GROUP, logStreamName=STREAM, nextToken=token)
    assert code == "InvalidParameterException"


def test_messages_that_no_database_takes_are_kept_as_well_as_can_be(database: Database, client: Client) -> None:
    _log(database, (1, "a\0b"), (2, "half a pair: \ud83d"), (3, "\U0001f600" * 70_000), (4, ""))
    answer = client.get_log_events(logGroupName=GROUP, logStreamName=STREAM, startFromHead=True)
    found = _messages(answer)
    assert found[:2] == ["a\ufffdb", "half a pair: ?"]
    assert all(len(message.encode()) <= 2**18 for message in found)
    assert "".join(found[2:-1]) == "\U0001f600" * 70_000
    assert found[-1] == " "  # the model allows no empty message


# --- finding streams and groups


def test_streams_are_found_by_prefix_and_paged(database: Database, client: Client) -> None:
    for name in ("job/a/algo-1", "job/a/algo-2", "job/b/algo-1", "Job/a/algo-1", "job/a%/algo-1"):
        _log(database, (7, "x"), stream=name)
    found = client.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="job/a/")
    assert [stream["logStreamName"] for stream in found["logStreams"]] == ["job/a/algo-1", "job/a/algo-2"]
    assert found["logStreams"][0]["firstEventTimestamp"] == 7
    names, request = [], {"logGroupName": GROUP, "limit": 2, "descending": True}
    token: dict[str, str] = {}
    while True:
        page = client.describe_log_streams(**request, **token)
        names += [stream["logStreamName"] for stream in page["logStreams"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert names == ["job/b/algo-1", "job/a/algo-2", "job/a/algo-1", "job/a%/algo-1", "Job/a/algo-1"]
    wrong_listing = {"logGroupName": GROUP, "limit": 2, **token}
    assert _refused(client.describe_log_streams, **wrong_listing) == "InvalidParameterException"


def test_streams_by_last_event(database: Database, client: Client) -> None:
    for name, time in (("a", 3), ("b", 9), ("c", 3), ("d", 5)):
        _log(database, (time, "x"), stream=name)
    _log(database, stream="empty")
    request = {"logGroupName": GROUP, "orderBy": "LastEventTime", "descending": True, "limit": 2}
    names, token = [], {}
    for _ in range(3):
        page = client.describe_log_streams(**request, **token)
        names += [stream["logStreamName"] for stream in page["logStreams"]]
        token = {"nextToken": page.get("nextToken", "")}
    assert names == ["b", "d", "c", "a", "empty"]
    code = _refused(client.describe_log_streams, **request, logStreamNamePrefix="a")
    assert code == "InvalidParameterException"


def test_first_and_last_event_times_of_a_stream_hold_whatever_the_order_of_arrival(
    database: Database, client: Client
) -> None:
    _log(database, (50, "b"), (60, "c"))
    _log(database, (10, "a"))
    (stream,) = client.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (10, 60)


def test_groups_are_listed_by_prefix_and_part(database: Database, client: Client) -> None:
    _log(database, (1, "x"))
    client.create_log_group(logGroupName="mine")
    client.create_log_group(logGroupName="Mine_too")
    names = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
    assert names == [GROUP, "Mine_too", "mine"]
    by_part = client.describe_log_groups(logGroupNamePattern="ine")["logGroups"]
    assert [group["logGroupName"] for group in by_part] == ["Mine_too", "mine"]
    page = client.describe_log_groups(limit=1)
    rest = client.describe_log_groups(limit=2, nextToken=page["nextToken"])
    assert [group["logGroupName"] for group in rest["logGroups"]] == ["Mine_too", "mine"]


def test_another_account_sees_nothing(database: Database, client: Client) -> None:
    _log(database, (1, "mine"))
    stranger = Client(client.service, Caller("111111111111", "us-east-1", "AKIAOTHER", Role.USER, "request-2"))
    assert stranger.describe_log_groups()["logGroups"] == []
    missing = "ResourceNotFoundException"
    assert _refused(stranger.describe_log_streams, logGroupName=GROUP) == missing
    assert _refused(stranger.get_log_events, logGroupName=GROUP, logStreamName=STREAM) == missing
    assert _refused(stranger.filter_log_events, logGroupName=GROUP) == missing
    mine = client.start_query(logGroupName=GROUP, startTime=0, endTime=1, queryString="fields @message")
    assert _refused(stranger.get_query_results, queryId=mine["queryId"]) == missing


# --- writing


def test_a_client_may_write_its_own_stream(client: Client) -> None:
    client.create_log_group(logGroupName="mine")
    client.create_log_stream(logGroupName="mine", logStreamName="s")
    events = [{"timestamp": 1, "message": "one"}, {"timestamp": 2, "message": "two"}]
    client.put_log_events(logGroupName="mine", logStreamName="s", logEvents=events)
    assert _messages(client.get_log_events(logGroupName="mine", logStreamName="s")) == ["one", "two"]
    backwards = events[::-1]
    refused = _refused(client.put_log_events, logGroupName="mine", logStreamName="s", logEvents=backwards)
    assert refused == "InvalidParameterException"
    exists = "ResourceAlreadyExistsException"
    assert _refused(client.create_log_group, logGroupName="mine") == exists
    assert _refused(client.create_log_stream, logGroupName="mine", logStreamName="s") == exists
    assert _refused(client.create_log_stream, logGroupName="no", logStreamName="s") == "ResourceNotFoundException"
    assert (
        _refused(client.put_log_events, logGroupName="mine", logStreamName="no", logEvents=events)
        == "ResourceNotFoundException"
    )


# --- searching


def test_filter_finds_terms_across_streams_in_the_order_of_time(database: Database, client: Client) -> None:
    _log(database, (1, "loss=1 step"), (4, "Loss=2 step"), (6, "error step"), stream="a")
    _log(database, (2, "loss=3 step"), (3, "quiet"), stream="b")

    def find(pattern: str, **more: Any) -> list[str]:
        return _messages(client.filter_log_events(logGroupName=GROUP, filterPattern=pattern, **more))

    assert find("loss") == ["loss=1 step", "loss=3 step"]
    assert find('"loss=1 step"') == ["loss=1 step"]
    assert find("step -error") == ["loss=1 step", "loss=3 step", "Loss=2 step"]
    assert find("?quiet ?error") == ["quiet", "error step"]
    assert find("", startTime=2, endTime=4) == ["loss=3 step", "quiet", "Loss=2 step"]
    assert find("", logStreamNamePrefix="b") == ["loss=3 step", "quiet"]
    assert find("", logStreamNames=["b"], startFromHead=False) == ["quiet", "loss=3 step"]
    code = _refused(client.filter_log_events, logGroupName=GROUP, filterPattern="{ $.a = 1 }")
    assert code == "InvalidParameterException"


def test_filter_pages_without_gaps(database: Database, client: Client) -> None:
    _log(database, *((number // 4, f"n{number}") for number in range(11)))
    found, token = [], {}
    while True:
        page = client.filter_log_events(logGroupName=GROUP, limit=3, **token)
        found += _messages(page)
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert found == [f"n{number}" for number in range(11)]


def test_the_sdk_gets_the_metrics_of_one_job(database: Database, client: Client) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braket.jobs.metrics_data.cwl_insights_metrics_fetcher import CwlInsightsMetricsFetcher

    second = 1_700_000_000
    for name in ("my-job/one", "my-job/one-more", "other/one"):
        _log(
            database,
            (second * 1000, f"Metrics - timestamp={second}; loss=0.5; iteration_number=0; {name}=1;"),
            (second * 1000 + 400, "hello"),
            (second * 1000 + 999, "Metrics - loss=0.25; iteration_number=1;"),
            stream=f"{name}/algo-1",
        )
    fetcher = CwlInsightsMetricsFetcher(SimpleNamespace(logs_client=client))
    metrics = fetcher.get_metrics_for_job(
        "my-job", job_start_time=second, job_end_time=second, stream_prefix="my-job/one"
    )
    assert metrics["loss"] == [0.5, 0.25]
    assert metrics["timestamp"] == [second, "2023-11-14 22:13:20.999"]


def test_a_query_survives_a_restart_and_pages(database: Database, client: Client) -> None:
    _log(database, *((number, f"n{number}") for number in range(5)))
    query = "fields @message, @logStream | filter @message like 'n' | sort @timestamp desc | limit 4"
    started = client.start_query(logGroupNames=[GROUP], startTime=0, endTime=1, queryString=query)
    again = Client(Logs(database, StillClock(), b"a key"))
    first = again.get_query_results(queryId=started["queryId"], maxItems=3)
    rest = again.get_query_results(queryId=started["queryId"], maxItems=3, nextToken=first["nextToken"])
    rows = [{cell["field"]: cell["value"] for cell in row} for row in first["results"] + rest["results"]]
    assert [row["@message"] for row in rows] == ["n4", "n3", "n2", "n1"]
    assert list(rows[0]) == ["@message", "@logStream", "@ptr"]
    assert rows[0]["@logStream"] == STREAM
    assert (first["status"], "nextToken" in rest) == ("Complete", False)
    assert first["statistics"]["recordsMatched"] == first["statistics"]["recordsScanned"] == 5
    assert _refused(again.stop_query, queryId=started["queryId"]) == "InvalidParameterException"
    assert _refused(again.stop_query, queryId="unknown") == "ResourceNotFoundException"


def test_a_search_heeds_capitals_and_anchors(database: Database, client: Client) -> None:
    _log(database, (1, "Metrics - a"), (2, "metrics - b"), (3, "no Metrics"), (4, "100% _x"), (5, "100x _x"))

    def find(condition: str) -> list[str]:
        query = f"fields @message | filter @message {condition}"
        started = client.start_query(logGroupName=GROUP, startTime=0, endTime=1, queryString=query)
        return [row[0]["value"] for row in client.get_query_results(queryId=started["queryId"])["results"]]

    assert find("like /Metrics/") == ["Metrics - a", "no Metrics"]
    assert find("like /^Metrics/") == ["Metrics - a"]
    assert find("like /Metrics$/") == ["no Metrics"]
    assert find("like /^no Metrics$/") == ["no Metrics"]
    assert find("like /100%/") == ["100% _x"]
    assert find("= 'metrics - b'") == ["metrics - b"]
    assert find("not like /_x/ and @message != 'metrics - b'") == ["Metrics - a", "no Metrics"]
    assert find("like /- a/ or @message like /- b/") == ["Metrics - a", "metrics - b"]


def test_a_query_that_ends_before_it_starts_reaches_to_the_present(database: Database, client: Client) -> None:
    _log(database, (NOW, "in service time, ahead of the client's clock"))
    started = client.start_query(logGroupName=GROUP, startTime=NOW // 1000, endTime=5, queryString="fields @message")
    assert len(client.get_query_results(queryId=started["queryId"])["results"]) == 1


def test_what_cannot_be_queried_is_refused(database: Database, client: Client) -> None:
    _log(database, (1, "x"))
    times = {"startTime": 0, "endTime": 1}
    malformed = _refused(client.start_query, logGroupName=GROUP, queryString="stats count(*)", **times)
    assert malformed == "MalformedQueryException"
    assert _refused(client.start_query, queryString="fields @message", **times) == "InvalidParameterException"
    unknown = _refused(client.start_query, logGroupName="no", queryString="fields @message", **times)
    assert unknown == "ResourceNotFoundException"
