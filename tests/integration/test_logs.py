"""The log service on a database: what the SDK's readers get, and where its pages begin and end."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from sqlalchemy import func, select

from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, Caller, Role
from braketeer.domain.errors import ServiceError
from braketeer.domain.turns import Turns
from braketeer.services.logs import Logs, filters, queries, query_runs
from braketeer.store import deletions, log_cleaning, log_queries, log_scans, logs
from braketeer.store.database import Database
from braketeer.store.tables import log_events

T = TypeVar("T")
GROUP = "/aws/braket/jobs"
STREAM = "my-job/6f3c9a52-0000-4000-8000-000000000001/algo-1-1700000000000"
NOW = 1_700_000_000_500
DAY = 24 * 3600 * 1000
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

    async def _answer(self, method: str, request: dict[str, Any]) -> Any:
        """The answer; of a query that runs, the one when it has ended (it would end with this event loop)."""
        while True:
            answer = await getattr(self.service, method)(self.caller, request)
            if method != "get_query_results" or answer["status"] != "Running":
                return answer

    def __getattr__(self, method: str) -> Any:
        operation = next(name for name in MODEL.operation_names if xform_name(name) == method)
        shape = MODEL.operation_model(operation)

        def call(**request: Any) -> dict[str, Any]:
            assert not ParamValidator().validate(request, shape.input_shape).has_errors()
            try:
                answer = _run(self._answer(method, request))
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
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
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
    events = [{"timestamp": NOW - 2, "message": "one"}, {"timestamp": NOW - 1, "message": "two"}]
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


def test_what_is_too_old_or_too_new_is_told_and_the_rest_is_kept(client: Client) -> None:
    client.create_log_group(logGroupName="mine")
    client.create_log_stream(logGroupName="mine", logStreamName="s")
    place = {"logGroupName": "mine", "logStreamName": "s"}
    times = [NOW - 14 * DAY - 1, NOW - 14 * DAY, NOW - 13 * DAY - 2]
    old = client.put_log_events(**place, logEvents=[{"timestamp": t, "message": str(t)} for t in times])
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    new = client.put_log_events(**place, logEvents=[{"timestamp": t, "message": str(t)} for t in (NOW, NOW + DAY)])
    assert new["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    assert _messages(client.get_log_events(**place)) == [str(t) for t in (*times[1:], NOW)]
    client.put_retention_policy(logGroupName="mine", retentionInDays=1)
    late = client.put_log_events(**place, logEvents=[{"timestamp": NOW - DAY - 1, "message": "x"}])
    assert late["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}


def test_a_long_message_of_a_client_stays_whole(client: Client) -> None:
    client.create_log_group(logGroupName="mine")
    client.create_log_stream(logGroupName="mine", logStreamName="s")
    long = "x" * (2**18 - 26)
    place = {"logGroupName": "mine", "logStreamName": "s"}
    client.put_log_events(**place, logEvents=[{"timestamp": NOW, "message": long}])
    assert _messages(client.get_log_events(**place)) == [long]
    longer = [{"timestamp": NOW, "message": long + "x"}]
    assert _refused(client.put_log_events, **place, logEvents=longer) == "InvalidParameterException"


# --- the end of groups, streams and events


def _clean(database: Database) -> None:
    _run(log_cleaning.clean(database, NOW))


def _rows(database: Database) -> int:
    return int(
        database.read_now(lambda connection: connection.execute(select(func.count(log_events.c.id))).scalar_one())
    )


def test_a_deleted_stream_is_gone_at_once_and_its_events_later(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_cleaning, "MOST_AT_ONCE", 3)
    _log(database, *((n, "old") for n in range(10)))
    _log(database, (1, "kept"), stream="other")
    client.delete_log_stream(logGroupName=GROUP, logStreamName=STREAM)
    missing = "ResourceNotFoundException"
    assert _refused(client.get_log_events, logGroupName=GROUP, logStreamName=STREAM) == missing
    assert _refused(client.delete_log_stream, logGroupName=GROUP, logStreamName=STREAM) == missing
    assert _messages(client.filter_log_events(logGroupName=GROUP)) == ["kept"]
    _log(database, (1, "new"))  # a running job makes it again
    _clean(database)
    assert _messages(client.get_log_events(logGroupName=GROUP, logStreamName=STREAM)) == ["new"]
    assert _rows(database) == 2


def test_a_group_of_many_streams_is_deleted_in_short_writes(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "STREAMS_AT_ONCE", 3)
    for stream in range(10):
        _log(database, (1, "old"), stream=f"s{stream}")

    def delete() -> bool | None:
        return database.write_now(lambda tx: logs.delete_group(tx.connection, DEFAULT_ACCOUNT_ID, GROUP))

    assert delete() is False
    assert len(client.describe_log_streams(logGroupName=GROUP)["logStreams"]) == 7
    client.delete_log_group(logGroupName=GROUP)
    assert delete() is None
    client.create_log_group(logGroupName=GROUP)
    assert client.describe_log_streams(logGroupName=GROUP)["logStreams"] == []
    monkeypatch.setattr(log_cleaning, "STREAMS_AT_ONCE", 2)
    monkeypatch.setattr(log_cleaning, "STREAMS_FOUND_AT_ONCE", 4)
    _clean(database)
    assert _rows(database) == 0
    assert database.read_now(log_cleaning.deleted_streams) == []


def test_a_write_of_the_cleaning_is_short(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many streams and events have to go."""
    monkeypatch.setattr(log_cleaning, "MOST_AT_ONCE", 5)
    for stream in range(4):
        _log(database, *((n, "old") for n in range(7)), (NOW, "new"), stream=f"s{stream}")
    database.write_now(lambda tx: logs.change_group(tx.connection, DEFAULT_ACCOUNT_ID, GROUP, retention_days=1))
    streams = database.read_now(lambda connection: log_cleaning.expired_streams(connection, NOW, 0))
    assert len(streams) == 4
    done = database.write_now(lambda tx: log_cleaning.remove_expired(tx.connection, streams, NOW))
    assert (done, _rows(database)) == (0, 32 - 5)
    done = database.write_now(lambda tx: log_cleaning.remove_expired(tx.connection, streams, NOW))
    assert (done, _rows(database)) == (1, 32 - 10)
    database.write_now(lambda tx: logs.change_group(tx.connection, DEFAULT_ACCOUNT_ID, GROUP, retention_days=None))
    done = database.write_now(lambda tx: log_cleaning.remove_expired(tx.connection, streams, NOW))
    assert (done, _rows(database)) == (4, 32 - 10)


def test_old_queries_are_forgotten_in_short_writes(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletions, "AT_ONCE", 3)
    week = log_queries.KEPT_MS
    for number in range(8):
        made = NOW - week - number if number else NOW - week
        database.write_now(
            lambda tx, number=number, made=made: log_queries.add(  # type: ignore[misc]
                tx.connection, f"q{number}", DEFAULT_ACCOUNT_ID, {"query": "q", "groups": ["g"]}, made
            )
        )
    assert len(client.describe_queries()["queries"]) == 8  # whoever adds one does not clean up
    forget = [database.write_now(lambda tx: log_queries.forget_old(tx.connection, NOW)) for _ in range(3)]
    assert forget == [True, True, False]
    assert [query["queryId"] for query in client.describe_queries()["queries"]] == ["q0"]


def test_a_deleted_group_comes_back_empty(database: Database, client: Client) -> None:
    _log(database, (1, "old"))
    _log(database, (1, "old"), stream="other")
    client.delete_log_group(logGroupName=GROUP)
    assert client.describe_log_groups()["logGroups"] == []
    assert _refused(client.delete_log_group, logGroupName=GROUP) == "ResourceNotFoundException"
    client.create_log_group(logGroupName=GROUP)
    assert client.describe_log_streams(logGroupName=GROUP)["logStreams"] == []
    client.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
    _clean(database)
    assert _rows(database) == 0
    assert len(client.describe_log_streams(logGroupName=GROUP)["logStreams"]) == 1


def test_streams_are_deleted_cleaned_and_written_at_once(database: Database, client: Client) -> None:
    """No writer fails, and no event is left without a stream that somebody can read."""

    def write(number: int) -> None:
        _log(database, *((number * 10 + n, "x") for n in range(10)))

    def delete(_: int) -> None:
        database.write_now(lambda tx: logs.delete_stream(tx.connection, DEFAULT_ACCOUNT_ID, GROUP, STREAM))

    def clean(_: int) -> None:
        _clean(database)

    with ThreadPoolExecutor(6) as threads:
        work = [threads.submit(do, number) for number in range(40) for do in (write, delete, clean)]
        for future in work:
            future.result()
    write(99)
    _clean(database)
    read, token = 0, {}
    request = {"logGroupName": GROUP, "logStreamName": STREAM, "startFromHead": True}
    while events := (page := client.get_log_events(**request, **token))["events"]:
        read, token = read + len(events), {"nextToken": page["nextForwardToken"]}
    assert read == _rows(database) >= 10


def test_a_retention_is_kept(database: Database, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_cleaning, "MOST_AT_ONCE", 2)
    _log(database, *((NOW - days * DAY, f"{days} days old") for days in range(12, -1, -1)))
    _log(database, (NOW - 10 * DAY, "x"), stream="all of it")
    client.put_retention_policy(logGroupName=GROUP, retentionInDays=5)
    (group,) = client.describe_log_groups()["logGroups"]
    assert group["retentionInDays"] == 5
    _clean(database)
    left = _messages(client.get_log_events(logGroupName=GROUP, logStreamName=STREAM))
    assert left == [f"{days} days old" for days in range(5, -1, -1)]
    streams = {
        stream["logStreamName"]: stream for stream in client.describe_log_streams(logGroupName=GROUP)["logStreams"]
    }
    assert streams[STREAM]["firstEventTimestamp"] == NOW - 5 * DAY
    assert "firstEventTimestamp" not in streams["all of it"]
    client.delete_retention_policy(logGroupName=GROUP)
    assert "retentionInDays" not in client.describe_log_groups()["logGroups"][0]
    assert _refused(client.put_retention_policy, logGroupName=GROUP, retentionInDays=4) == "InvalidParameterException"
    missing = "ResourceNotFoundException"
    assert _refused(client.put_retention_policy, logGroupName="no", retentionInDays=5) == missing


def test_tags_of_a_group_by_arn_and_by_name(client: Client) -> None:
    client.create_log_group(logGroupName="mine", tags={"a": "1"})
    arn = client.describe_log_groups()["logGroups"][0]["logGroupArn"]
    client.tag_resource(resourceArn=arn, tags={"b": "2", "c": "3"})
    client.tag_log_group(logGroupName="mine", tags={"a": "one"})
    client.untag_resource(resourceArn=arn, tagKeys=["b"])
    client.untag_log_group(logGroupName="mine", tags=["no such"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "one", "c": "3"}
    assert client.list_tags_log_group(logGroupName="mine")["tags"] == {"a": "one", "c": "3"}
    many = {f"k{number}": "v" for number in range(49)}
    assert _refused(client.tag_resource, resourceArn=arn, tags=many) == "TooManyTagsException"
    missing = "ResourceNotFoundException"
    foreign = arn.replace(DEFAULT_ACCOUNT_ID, "111111111111")
    assert _refused(client.list_tags_for_resource, resourceArn=foreign) == missing
    assert (
        _refused(client.tag_resource, resourceArn="arn:aws:logs:us-east-1:1:destination:x", tags={"a": "b"}) == missing
    )
    assert _refused(client.filter_log_events, logGroupIdentifier=foreign) == missing


@pytest.mark.parametrize(
    "member", [{"kmsKeyId": "k"}, {"logGroupClass": "DELIVERY"}, {"deletionProtectionEnabled": True}]
)
def test_a_group_with_more_than_there_is_is_refused(client: Client, member: dict[str, Any]) -> None:
    assert _refused(client.create_log_group, logGroupName="mine", **member) == "InvalidParameterException"
    assert client.describe_log_groups()["logGroups"] == []


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


def test_a_filter_looks_at_so_much_at_once_and_says_where_to_go_on(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "MOST_LOOKED_AT", 20)
    monkeypatch.setattr(filters, "FIRST_STRETCH", 15)
    monkeypatch.setattr(log_scans, "FEWEST_IN_A_STRETCH", 15)
    expected = []
    for stream in range(4):
        events = [(n * 4 + stream, "wanted" if n % 35 == 34 else "noise") for n in range(stream, 100)]
        expected += [(time, f"s{stream}") for time, text in events if text == "wanted"]
        _log(database, *events, stream=f"s{stream}")
    for from_head, times in ((True, {}), (False, {}), (True, {"startTime": 130}), (False, {"endTime": 300})):
        found, empty, token = [], 0, {}
        asked = {"logGroupName": GROUP, "filterPattern": "wanted", "startFromHead": from_head, "limit": 3, **times}
        while True:
            page = client.filter_log_events(**asked, **token)
            found += [(event["timestamp"], event["logStreamName"]) for event in page["events"]]
            empty += not page["events"]
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        within = [each for each in expected if times.get("startTime", 0) <= each[0] <= times.get("endTime", 10_000)]
        assert found == sorted(within, reverse=not from_head)
        assert 0 < len(within) < empty
    assert _refused(client.filter_log_events, logGroupName="other", **token) == "InvalidParameterException"


def _filtered(client: Client, **asked: Any) -> tuple[list[str], int]:
    """The messages of all pages, and how many pages there were."""
    found, pages, token = [], 0, {}
    while True:
        page = client.filter_log_events(logGroupName=GROUP, **asked, **token)
        found += _messages(page)
        pages += 1
        if "nextToken" not in page:
            return found, pages
        token = {"nextToken": page["nextToken"]}


@pytest.mark.parametrize("from_head", [True, False])
@pytest.mark.parametrize("kind", ["apart", "at once", "overlapping"])
def test_a_page_takes_so_many_reads_however_many_streams_there_are(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch, kind: str, from_head: bool
) -> None:
    """Streams one after the other, streams that all begin and end in one millisecond, and streams side by side."""
    monkeypatch.setattr(filters, "MOST_READS", 4)
    monkeypatch.setattr(log_scans, "STREAMS_AT_ONCE", 3)
    monkeypatch.setattr(filters, "FIRST_STRETCH", 2)
    monkeypatch.setattr(log_scans, "FEWEST_IN_A_STRETCH", 2)
    times = {"apart": (10, 1), "at once": (0, 0), "overlapping": (1, 50)}[kind]
    events = []
    for stream in range(14):
        mine = [(100 + stream * times[0] + n * times[1], f"{stream}/{n}") for n in range(3)]
        _log(database, *mine, stream=f"s{stream}")
        events += mine
    expected = [text for _, text in sorted(events, key=lambda each: each[0])]
    reads = 0
    scan = log_scans.scan

    def counted(*given: Any, **more: Any) -> Any:
        nonlocal reads
        reads += 1
        return scan(*given, **more)

    monkeypatch.setattr(log_scans, "scan", counted)
    found, pages = _filtered(client, startFromHead=from_head)
    assert found == expected[:: 1 if from_head else -1]
    assert pages >= 14 // 4
    assert reads <= 4 * pages
    few = _filtered(client, startFromHead=from_head, filterPattern="2", limit=1)[0]
    assert few == [text for text in expected if "2" in text][:: 1 if from_head else -1]
    monkeypatch.setattr(filters, "MOST_SECONDS", 0.0)
    found, hasty = _filtered(client, startFromHead=from_head, logStreamNamePrefix="s1")
    assert found == [text for text in expected if text.startswith("1")][:: 1 if from_head else -1]
    assert hasty > len(found) // 3


def test_a_page_takes_no_streams_that_it_does_not_come_to(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_scans, "STREAMS_AT_ONCE", 2)
    for stream in range(30):
        _log(database, (stream, f"n{stream}"), stream=f"s{stream}")
    taken = []
    come = log_scans.streams_to_come

    def counted(*given: Any, **more: Any) -> Any:
        rows = come(*given, **more)
        taken.extend(rows)
        return rows

    monkeypatch.setattr(log_scans, "streams_to_come", counted)
    page = client.filter_log_events(logGroupName=GROUP, limit=3, startTime=5)
    assert _messages(page) == ["n5", "n6", "n7"]
    assert len(taken) <= 6


def test_a_page_of_a_filter_is_cut_at_a_mebibyte(database: Database, client: Client) -> None:
    for stream in range(2):
        _log(database, *((n, f"{n}/{stream}" + "x" * 60_000) for n in range(20)), stream=f"s{stream}")
    found, pages, token = [], 0, {}
    while True:
        page = client.filter_log_events(logGroupName=GROUP, **token)
        found += [message.partition("x")[0] for message in _messages(page)]
        pages += 1
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert found == [f"{n}/{stream}" for n in range(20) for stream in range(2)]
    assert pages == 3


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


def test_the_results_of_a_query_are_written_beside_the_requests(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: set[threading.Thread] = set()

    def result(*of: Any) -> list[dict[str, str]]:
        writers.add(threading.current_thread())
        return real(*of)

    real = queries._result
    monkeypatch.setattr(queries, "_result", result)
    _log(database, *((number, f"n{number}") for number in range(5)))
    started = client.start_query(logGroupName=GROUP, startTime=0, endTime=1, queryString="fields @message")
    assert len(client.get_query_results(queryId=started["queryId"])["results"]) == 5
    assert writers and threading.current_thread() not in writers


@pytest.mark.parametrize(("order", "limit"), [("asc", 7), ("desc", 7), ("asc", 10_000), ("desc", 3)])
def test_a_query_reads_in_stretches_and_keeps_the_first(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch, order: str, limit: int
) -> None:
    monkeypatch.setattr(query_runs, "FIRST_STRETCH", 2)
    monkeypatch.setattr(query_runs, "STREAMS_AT_ONCE", 2)
    monkeypatch.setattr(log_scans, "FEWEST_IN_A_STRETCH", 1)
    monkeypatch.setattr(log_scans, "MOST_IN_A_STRETCH", 3)
    wanted = []
    for stream in range(5):
        events = [(1000 + (n * 7 + stream * 3) % 40 * 1000, f"{stream}/{n}") for n in range(30)]
        _log(database, *sorted(events), stream=f"s{stream}")
        wanted += [(time, text) for time, text in events if "/1" in text and 5000 <= time <= 30_999]
    query = f"fields @message | filter @message like '/1' | sort @timestamp {order} | limit {limit}"
    started = client.start_query(logGroupName=GROUP, startTime=5, endTime=30, queryString=query)
    answer = client.get_query_results(queryId=started["queryId"])
    times = {text: time for time, text in wanted}
    found = [times[row[0]["value"]] for row in answer["results"]]
    assert found == sorted((time for time, _ in wanted), reverse=order == "desc")[:limit]
    assert answer["statistics"]["recordsMatched"] == len(wanted)


def test_a_query_that_runs_can_be_stopped_and_is_listed(database: Database, client: Client) -> None:
    _log(database, (1, "x"))
    service, asked = client.service, {"startTime": 0, "endTime": 1, "queryString": "fields @message"}

    async def start_and_stop() -> str:
        started = await service.start_query(CALLER, {"logGroupName": GROUP, **asked})
        assert await service.stop_query(CALLER, started) == {"success": True}
        return str(started["queryId"])

    stopped = _run(start_and_stop())
    answer = client.get_query_results(queryId=stopped)
    assert (answer["status"], answer["results"]) == ("Cancelled", [])
    done = client.start_query(logGroupName=GROUP, **asked)["queryId"]
    client.get_query_results(queryId=done)
    client.create_log_group(logGroupName="mine")
    assert {query["queryId"]: query["status"] for query in client.describe_queries()["queries"]} == {
        stopped: "Cancelled",
        done: "Complete",
    }
    assert [query["queryId"] for query in client.describe_queries(status="Complete")["queries"]] == [done]
    assert client.describe_queries(logGroupName="mine")["queries"] == []
    first = client.describe_queries(maxResults=1)
    rest = client.describe_queries(maxResults=1, nextToken=first["nextToken"])
    assert {page["queries"][0]["queryId"] for page in (first, rest)} == {stopped, done}
    assert "nextToken" not in rest
    stranger = Client(service, Caller("111111111111", "us-east-1", "AKIAOTHER", Role.USER, "request-2"))
    assert stranger.describe_queries()["queries"] == []
    assert _refused(stranger.stop_query, queryId=done) == "ResourceNotFoundException"


def test_only_so_many_queries_of_an_account_run_at_once(database: Database, client: Client) -> None:
    _log(database, (1, "x"))
    asked = {"logGroupName": GROUP, "startTime": 0, "endTime": 1, "queryString": "fields @message"}

    async def start_many(service: Logs) -> list[str]:
        # They cannot end meanwhile: each needs a read, and the loop is not given to anybody between.
        service._runs._turns = Turns(0)
        answers = await asyncio.gather(*(service.start_query(CALLER, asked) for _ in range(45)), return_exceptions=True)
        refused = [answer.code for answer in answers if isinstance(answer, ServiceError)]
        await service.close()
        return refused

    assert _run(start_many(client.service)) == ["LimitExceededException"] * 15
    assert client.start_query(**asked)


def test_queries_whose_results_are_asked_for_keep_to_the_limit_too(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _log(database, (1, "x"))
    asked = {"logGroupName": GROUP, "startTime": 0, "endTime": 1, "queryString": "fields @message"}
    kept = [client.start_query(**asked)["queryId"] for _ in range(3)]  # each ends with its event loop, unanswered
    monkeypatch.setattr(query_runs, "MOST_OF_AN_ACCOUNT", 2)
    again = Logs(database, StillClock(), b"a key")

    async def ask() -> list[str]:
        again._runs._turns = Turns(0)
        answers = [await again.get_query_results(CALLER, {"queryId": number}) for number in kept]
        assert len(again._runs._runs) == 2
        await again.close()
        again._runs._turns = Turns(1)
        return [answer["status"] for answer in answers]

    assert _run(ask()) == ["Running"] * 3
    assert [Client(again).get_query_results(queryId=number)["status"] for number in kept] == ["Complete"] * 3


def test_a_pointer_of_a_result_leads_to_its_record(database: Database, client: Client) -> None:
    _log(database, (1500, "one"))
    started = client.start_query(logGroupName=GROUP, startTime=0, endTime=9, queryString="fields @message")
    ((_, pointer),) = client.get_query_results(queryId=started["queryId"])["results"]
    record = client.get_log_record(logRecordPointer=pointer["value"])["logRecord"]
    assert (record["@message"], record["@timestamp"]) == ("one", "1970-01-01 00:00:01.500")
    stranger = Client(client.service, Caller("111111111111", "us-east-1", "AKIAOTHER", Role.USER, "request-2"))
    assert _refused(stranger.get_log_record, logRecordPointer=pointer["value"]) == "ResourceNotFoundException"
    assert _refused(client.get_log_record, logRecordPointer="nonsense") == "InvalidParameterException"


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
