"""Accounts, keys, quotas and the audit, as an operator types them and as their users feel them."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from braketeer.cli.problems import Problem
from braketeer.cli.service import access
from tests import processes
from tests.acceptance.foreign_requests import job_request, task_request
from tests.services import RunningService, running, until

CALLERS = 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    settings = {"BRAKETEER_JOB_GRACE_SECONDS": "1", "BRAKETEER_TASK_SLOTS": "1"}
    with running(tmp_path_factory.mktemp("accounts"), **settings) as started:
        yield started


def braketeer(service: RunningService, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    here = {**clean, "BRAKETEER_DATA_DIR": str(service.data_dir), **environment}
    return processes.run(["braketeer", *arguments], here, timeout=60)


def told(done: subprocess.CompletedProcess[str]) -> Any:
    """What a command has printed as JSON."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line with which a command was refused."""
    assert done.returncode != 0, done.stdout
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def opened(service: RunningService, name: str, **more: Any) -> dict[str, Any]:
    """A new account with its key."""
    answer = service.access.call("POST", "accounts", {"accounts": [{"name": name, **more}]})
    account: dict[str, Any] = answer["accounts"][0]
    return account


def new_key(service: RunningService, account: str, **more: Any) -> dict[str, Any]:
    key: dict[str, Any] = service.access.call("POST", "keys", {"account": account, **more})
    return key


def client(service: RunningService, name: str, key: dict[str, Any], **more: Any) -> Any:
    return service.client(
        name,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        config={"max_pool_connections": CALLERS},
        **more,
    )


def code_of(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as refusal:
        call()
    answer = refusal.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def all_at_once(call: Callable[[int], Any]) -> Counter[tuple[str, int]]:
    """How twenty callers at the same time fared."""

    def attempt(number: int) -> tuple[str, int]:
        try:
            call(number)
        except ClientError as error:
            return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        return "done", 0

    with ThreadPoolExecutor(CALLERS) as threads:
        return Counter(threads.map(attempt, range(CALLERS)))


class KeptConnection:
    """One connection of plain HTTP, kept alive, on which requests are signed with a key."""

    def __init__(self, service: RunningService, key: dict[str, Any]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        self._credentials = Credentials(key["access_key_id"], key["secret_access_key"])
        self._socket: Any = None

    def ask(
        self,
        method: str = "POST",
        path: str = "/jobs",
        body: bytes = b'{"filters": []}',
        name: str = "braket",
        sent: bytes | None = None,
    ) -> tuple[int, str, dict[str, Any]]:
        """Status, error code and JSON of an answer; fails where the connection was not kept."""
        assert self._connection.sock is self._socket
        raw = AWSRequest(method, f"http://127.0.0.1:{self._connection.port}{path}", {}, body)
        SigV4Auth(self._credentials, name, "us-east-1").add_auth(raw)
        self._connection.request(method, path, body if sent is None else sent, dict(raw.headers))
        answer = self._connection.getresponse()
        content = json.loads(answer.read() or b"{}")
        self._socket = self._connection.sock
        return answer.status, answer.headers.get("x-amzn-ErrorType", ""), content

    def close(self) -> None:
        self._connection.close()


# --- Accounts


def test_a_class_of_thirty_from_a_file(service: RunningService, tmp_path: Path) -> None:
    names = [f"pupil-{number:02}" for number in range(30)]
    file = tmp_path / "class.csv"
    file.write_text("name,quotas\n" + "".join(f"{name},tasks_queued=50\n" for name in names))
    pupils = told(braketeer(service, "account", "create", "--from", str(file)))
    assert [pupil["name"] for pupil in pupils] == names
    assert len({pupil["account"] for pupil in pupils}) == 30

    for pupil in pupils:
        connection = KeptConnection(service, pupil)
        assert connection.ask()[0] == 200
        connection.close()
    assert client(service, "sts", pupils[9]).get_caller_identity()["Account"] == pupils[9]["account"]
    kept = json.loads((service.data_dir / "credentials.json").read_bytes())
    assert set(names) < set(kept)
    assert (service.data_dir / "credentials.json").stat().st_mode & 0o777 == 0o600
    printed = braketeer(service, "env", "--account", "pupil-07").stdout
    assert f"export AWS_ACCESS_KEY_ID={pupils[7]['access_key_id']}\n" in printed
    listed = told(braketeer(service, "account", "list", "--json"))
    assert {one["name"] for one in listed} == {*names, "default"} | {one["name"] for one in listed}
    assert next(one for one in listed if one["name"] == "pupil-00")["quotas"]["tasks_queued"] == 50


def test_a_class_with_one_wrong_line_is_no_class(service: RunningService, tmp_path: Path) -> None:
    opened(service, "taken")
    before = told(braketeer(service, "account", "list", "--json"))
    file = tmp_path / "class.txt"
    for wrong, said in (("taken", "3 of 3"), ("not a name", "cannot be"), ("new-1", "Two of the accounts")):
        file.write_text(f"new-1\nnew-2\n{wrong}\n")
        assert said in refused(braketeer(service, "account", "create", "--from", str(file)))
    assert told(braketeer(service, "account", "list", "--json")) == before
    assert "new-1" not in json.loads((service.data_dir / "credentials.json").read_bytes())


def test_a_list_to_hand_out(service: RunningService, tmp_path: Path) -> None:
    file = tmp_path / "class.txt"
    file.write_text("handed-1,,viewer\nhanded-2\n")
    done = braketeer(service, "account", "create", "--from", str(file), "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["name"], row["role"]) for row in rows] == [("handed-1", "viewer"), ("handed-2", "user")]
    assert client(service, "sts", rows[1]).get_caller_identity()["Account"] == rows[1]["account"]


def test_one_account_by_name_and_number(service: RunningService) -> None:
    made = told(braketeer(service, "account", "create", "solo", "--id", "123456789012", "--quota", "jobs_running=3"))
    assert (made["account"], made["name"], made["role"]) == ("123456789012", "solo", "user")
    assert "already" in refused(braketeer(service, "account", "create", "solo"))
    assert "already" in refused(braketeer(service, "account", "create", "other-solo", "--id", "123456789012"))
    assert "12 digits" in refused(braketeer(service, "account", "create", "x", "--id", "12"))
    assert "There is no quota" in refused(braketeer(service, "account", "create", "x", "--quota", "coffee=1"))
    changed = told(braketeer(service, "account", "quota", "solo", "jobs_running=none", "storage_bytes=5", "--json"))
    assert changed["quotas"] == {"tasks_queued": None, "jobs_running": None, "storage_bytes": 5}
    assert "no account" in refused(braketeer(service, "account", "quota", "nobody", "jobs_running=1"))
    assert "solo" in braketeer(service, "account", "list").stdout


def test_an_account_without_a_user_key_has_no_environment(service: RunningService) -> None:
    assert "no credentials of account 'nobody'" in refused(braketeer(service, "env", "--account", "nobody"))
    made = opened(service, "rekeyed")
    braketeer(service, "key", "revoke", made["access_key_id"])
    assert "no credentials" in refused(braketeer(service, "env", "--account", "rekeyed"))
    key = told(braketeer(service, "key", "create", "--account", "rekeyed"))
    assert key["access_key_id"] in braketeer(service, "env", "--account", "rekeyed").stdout


def test_usage_counts_what_was_done(service: RunningService) -> None:
    made = opened(service, "worker")
    s3, braket = client(service, "s3", made), client(service, "braket", made)
    s3.create_bucket(Bucket="workers")
    s3.put_object(Bucket="workers", Key="k", Body=b"x" * 1000)
    arns = [braket.create_quantum_task(**task_request("workers"))["quantumTaskArn"] for _ in range(3)]
    for arn in arns:
        until(lambda arn=arn: braket.get_quantum_task(quantumTaskArn=arn)["status"], lambda each: each == "COMPLETED")
    used = told(braketeer(service, "account", "usage", "worker", "--json"))
    assert (used["tasks"], used["shots"], used["jobs"], used["tasks_queued"]) == ({"COMPLETED": 3}, 3, {}, 0)
    stored = sum(each["Size"] for each in s3.list_objects_v2(Bucket="workers")["Contents"])
    assert used["storage_bytes"] == stored > 1000
    assert used in told(braketeer(service, "account", "usage", "--json"))
    assert "worker" in braketeer(service, "account", "usage").stdout


# --- Keys


def test_a_revoked_key_is_refused_at_the_very_next_request(service: RunningService) -> None:
    """On connections that were open and in use, and with it what it has issued; each of twenty keys in turn."""
    opened(service, "fickle")
    for _ in range(CALLERS):
        key = new_key(service, "fickle")
        session = client(service, "sts", key).get_session_token()["Credentials"]
        connection = KeptConnection(service, key)
        try:
            assert connection.ask()[0] == 200
            ended = service.access.call("DELETE", f"keys/{key['id']}")["revoked"]
            status, error, _ = connection.ask()
            assert (status, error) == (403, "UnrecognizedClientException")
        finally:
            connection.close()
        assert ended == 2
        braket = service.client(
            "braket",
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )
        assert code_of(lambda braket=braket: braket.search_jobs(filters=[]))[1] == 403


def test_keys_end_by_themselves(service: RunningService) -> None:
    lasting = told(braketeer(service, "key", "create", "--account", "default", "--expires", "1h"))
    assert client(service, "sts", lasting).get_caller_identity()["Account"] == "000000000000"
    key = told(braketeer(service, "key", "create", "--account", "default", "--expires", "1s"))
    sts = client(service, "sts", key)
    until(time.time, lambda now: now > _ends(key) + 0.1)
    assert code_of(sts.get_caller_identity) == ("ExpiredToken", 403)
    listed = told(braketeer(service, "key", "list", "--account", "default", "--json"))
    assert [one["status"] for one in listed if one["id"] == key["id"]] == ["expired"]
    assert "span" in refused(braketeer(service, "key", "create", "--account", "default", "--expires", "soon"))


def _ends(key: dict[str, Any]) -> float:
    from datetime import datetime

    return datetime.fromisoformat(key["expires_at"]).timestamp()


def test_several_keys_and_roles(service: RunningService) -> None:
    opened(service, "team")
    viewer = told(braketeer(service, "key", "create", "--account", "team", "--role", "viewer"))
    assert code_of(lambda: client(service, "s3", viewer).create_bucket(Bucket="by-viewer")) == ("AccessDenied", 403)
    assert client(service, "braket", viewer).search_jobs(filters=[])["jobs"] == []
    done = braketeer(service, "key", "list", "--account", "team", "--json")
    assert sorted(one["role"] for one in told(done)) == ["user", "viewer"]
    assert viewer["secret_access_key"] not in done.stdout
    assert "is no role" in refused(braketeer(service, "key", "create", "--account", "team", "--role", "root"))
    assert "no account" in refused(braketeer(service, "key", "create", "--account", "nobody"))
    assert "no key" in refused(braketeer(service, "key", "revoke", "AKIANOBODY"))
    assert "Revoked" in braketeer(service, "key", "revoke", viewer["id"]).stdout
    assert len(told(braketeer(service, "key", "list", "--account", "team", "--json"))) == 1
    everything = told(braketeer(service, "key", "list", "--account", "team", "--all", "--json"))
    assert [one["status"] for one in everything if one["id"] == viewer["id"]] == ["revoked"]


def test_the_last_operators_key_stays(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        first = service.access.access_key_id
        assert "last key that can operate" in refused(braketeer(service, "key", "revoke", first))
        second = told(braketeer(service, "key", "create", "--account", "default", "--role", "operator"))
        assert first in braketeer(service, "key", "revoke", first).stdout
        # In credentials.json the other one has taken the place of the revoked key, which is how keys are rotated.
        assert service.access.access_key_id == second["access_key_id"]
        assert [one["id"] for one in told(braketeer(service, "key", "list", "--json"))] == [second["id"]]
        # One that ends by itself, or that is for something else, takes nobody's place: then there is none.
        opened(service, "ann")
        others = told(braketeer(service, "key", "create", "--account", "ann", "--role", "operator"))
        for more in (["--role", "operator", "--expires", "1h"], ["--role", "user"]):
            told(braketeer(service, "key", "create", "--account", "default", *more))
        assert second["id"] in braketeer(service, "key", "revoke", second["id"]).stdout
        assert "no credentials" in refused(braketeer(service, "key", "list"))
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{service.port}",
            "AWS_ACCESS_KEY_ID": others["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": others["secret_access_key"],
        }
        third = told(braketeer(service, "key", "create", "--account", "default", "--role", "operator", **variables))
        assert service.access.access_key_id == third["access_key_id"]


# --- Quotas


def test_queued_tasks_stop_at_the_quota_to_the_last_one(service: RunningService) -> None:
    made = opened(service, "queuer", quotas={"tasks_queued": 5})
    braket = client(service, "braket", made)
    client(service, "s3", made).create_bucket(Bucket="queuers")
    assert service.process is not None
    workers = psutil.Process(service.process.pid).children(recursive=True)
    for worker in workers:
        worker.suspend()
    try:
        blocking = braket.create_quantum_task(**task_request("queuers"))["quantumTaskArn"]
        until(lambda: braket.get_quantum_task(quantumTaskArn=blocking)["status"], lambda status: status == "RUNNING")
        fared = all_at_once(lambda _: braket.create_quantum_task(**task_request("queuers")))
        assert fared == {("done", 0): 5, ("ServiceQuotaExceededException", 402): CALLERS - 5}
        with pytest.raises(ClientError, match="You have exceeded the service quota of 5 queued quantum tasks"):
            braket.create_quantum_task(**task_request("queuers"))
        waiting = braket.search_quantum_tasks(filters=[{"name": "status", "operator": "EQUAL", "values": ["QUEUED"]}])
        braket.cancel_quantum_task(quantumTaskArn=waiting["quantumTasks"][0]["quantumTaskArn"])
        braket.create_quantum_task(**task_request("queuers"))  # there is room again
        # Other accounts are none the worse.
        assert service.create_task(bucket="queuers-neighbour")
    finally:
        for worker in workers:
            worker.resume()
    ended = until(
        lambda: [task["status"] for task in braket.search_quantum_tasks(filters=[])["quantumTasks"]],
        lambda statuses: not {"QUEUED", "RUNNING"} & set(statuses),
    )
    assert Counter(ended) == {"COMPLETED": 6, "CANCELLED": 1}


def test_jobs_stop_at_the_quota_until_one_has_ended(service: RunningService) -> None:
    made = opened(service, "jobber", quotas={"jobs_running": 2})
    braket, s3 = client(service, "braket", made), client(service, "s3", made)
    s3.create_bucket(Bucket="jobbers")
    s3.put_object(Bucket="jobbers", Key="script.py", Body=b"import time; time.sleep(300)")

    def create(_: int) -> str:
        return str(braket.create_job(**job_request(made["account"], "jobbers"))["jobArn"])

    assert all_at_once(create) == {("done", 0): 2, ("ServiceQuotaExceededException", 402): CALLERS - 2}
    [one, other] = [job["jobArn"] for job in braket.search_jobs(filters=[])["jobs"]]
    braket.cancel_job(jobArn=one)
    until(lambda: braket.get_job(jobArn=one)["status"], lambda status: status == "CANCELLED")
    assert create(0)
    service.access.call("PUT", "accounts/jobber/quotas", {"quotas": {"jobs_running": 0}})
    braket.cancel_job(jobArn=other)
    assert code_of(lambda: create(0)) == ("ServiceQuotaExceededException", 402)
    for job in braket.search_jobs(filters=[])["jobs"]:
        if job["status"] in ("QUEUED", "RUNNING"):
            braket.cancel_job(jobArn=job["jobArn"])


def test_bytes_stop_at_the_quota(service: RunningService) -> None:
    made = opened(service, "hoarder", quotas={"storage_bytes": 1000})
    s3 = client(service, "s3", made)
    s3.create_bucket(Bucket="hoarders")
    fared = all_at_once(lambda number: s3.put_object(Bucket="hoarders", Key=f"k{number}", Body=b"x" * 90))
    assert fared == {("done", 0): 11, ("ServiceQuotaExceededException", 402): CALLERS - 11}
    kept = s3.list_objects_v2(Bucket="hoarders")["Contents"]
    assert sum(each["Size"] for each in kept) == 990
    s3.put_object(Bucket="hoarders", Key=kept[0]["Key"], Body=b"x" * 100)  # in place of 90
    large = {"Bucket": "hoarders", "Key": "large", "Body": b"x" * 200_000}
    assert code_of(lambda: s3.put_object(**large)) == ("ServiceQuotaExceededException", 402)
    s3.delete_object(Bucket="hoarders", Key=kept[1]["Key"])
    s3.put_object(Bucket="hoarders", Key="again", Body=b"x" * 90)


def test_a_result_that_does_not_fit_fails_the_task_with_the_reason(service: RunningService) -> None:
    made = opened(service, "cramped", quotas={"storage_bytes": 10})
    braket = client(service, "braket", made)
    client(service, "s3", made).create_bucket(Bucket="cramped")
    arn = braket.create_quantum_task(**task_request("cramped"))["quantumTaskArn"]
    task = until(
        lambda: braket.get_quantum_task(quantumTaskArn=arn), lambda each: each["status"] in ("COMPLETED", "FAILED")
    )
    assert task["status"] == "FAILED"
    assert "exceeded the service quota of 10 bytes" in task["failureReason"]


def test_a_job_whose_results_do_not_fit_says_so(service: RunningService) -> None:
    made = opened(service, "verbose", quotas={"storage_bytes": 100_000})
    braket, s3 = client(service, "braket", made), client(service, "s3", made)
    s3.create_bucket(Bucket="verbose")
    script = "import os\nfolder = os.environ['AMZN_BRAKET_JOB_RESULTS_DIR']\n"
    script += "with open(f'{folder}/large', 'wb') as file:\n    file.write(os.urandom(300_000))\n"
    s3.put_object(Bucket="verbose", Key="script.py", Body=script.encode())
    arn = braket.create_job(**job_request(made["account"], "verbose"))["jobArn"]
    job = until(lambda: braket.get_job(jobArn=arn), lambda each: each["status"] in ("COMPLETED", "FAILED"))
    assert job["status"] == "FAILED"
    assert "exceeded the service quota of 100000 bytes" in job["failureReason"]


def test_the_services_quotas_hold_for_all(tmp_path: Path) -> None:
    with running(tmp_path, BRAKETEER_QUOTA_STORAGE_BYTES="100", BRAKETEER_QUOTA_JOBS_RUNNING="0") as service:
        s3 = service.client("s3")
        s3.create_bucket(Bucket="small")
        put = {"Bucket": "small", "Key": "k", "Body": b"x" * 101}
        assert code_of(lambda: s3.put_object(**put)) == ("ServiceQuotaExceededException", 402)
        service.access.call("PUT", "accounts/default/quotas", {"quotas": {"storage_bytes": 101}})
        s3.put_object(**put)


# --- The operator's API


def test_only_operators_operate(service: RunningService) -> None:
    made = opened(service, "curious")
    viewer, operator = new_key(service, "curious", role="viewer"), new_key(service, "curious", role="operator")
    for key in (made, viewer):
        environment = {"AWS_ACCESS_KEY_ID": key["access_key_id"], "AWS_SECRET_ACCESS_KEY": key["secret_access_key"]}
        environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{service.port}"
        for command in (["account", "list"], ["key", "list"], ["account", "create", "x"], ["audit"]):
            assert "needs a key of role operator" in refused(braketeer(service, *command, **environment))
    connection = KeptConnection(service, operator)
    try:
        assert connection.ask("GET", "/_braketeer/accounts", b"", "braketeer")[0] == 200
        status, error, _ = connection.ask("GET", "/_braketeer/accounts", b"", "braket")
        assert (status, error) == (403, "InvalidSignatureException")
    finally:
        connection.close()


def test_a_jobs_key_neither_operates_nor_makes_keys(service: RunningService) -> None:
    script = """
import os, boto3, urllib.error, urllib.request
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
session = boto3.session.Session()
for call, more in (("assume_role", {"RoleArn": "ROLE", "RoleSessionName": "mine"}), ("get_session_token", {})):
    try:
        getattr(session.client("sts"), call)(**more)
        print("KEY MADE")
    except Exception as error:
        print("refused:", call, error.response["Error"]["Code"])
url = os.environ["AWS_ENDPOINT_URL"] + "/_braketeer/keys"
signed = AWSRequest("GET", url)
SigV4Auth(session.get_credentials(), "braketeer", "us-east-1").add_auth(signed)
try:
    print("OPERATED", urllib.request.urlopen(urllib.request.Request(url, headers=dict(signed.headers))).read())
except urllib.error.HTTPError as error:
    print("refused: keys", error.headers["x-amzn-ErrorType"])
"""
    role = "arn:aws:iam::000000000000:role/service-role/AmazonBraketJobsExecutionRole"
    job = service.create_job(script.replace("ROLE", role))
    assert service.wait_for_job(job)["status"] == "COMPLETED"
    refusals = [line for line in service.job_log(job) if line.startswith(("refused:", "KEY", "OPERATED"))]
    assert refusals == [
        "refused: assume_role AccessDenied",
        "refused: get_session_token AccessDenied",
        "refused: keys AccessDeniedException",
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("GET", "nowhere", b"", 404, "UnknownOperationException"),
        ("GET", "", b"", 404, "UnknownOperationException"),
        ("GET", "accounts/", b"", 404, "UnknownOperationException"),
        ("GET", "accounts/a/quotas/more", b"", 404, "UnknownOperationException"),
        ("DELETE", "accounts", b"", 405, "MethodNotAllowed"),
        ("POST", "health", b"", 405, "MethodNotAllowed"),
        ("POST", "accounts", b"{", 400, "ValidationException"),
        ("POST", "accounts", b"[]", 400, "ValidationException"),
        ("POST", "accounts", b"\xff", 400, "ValidationException"),
        ("POST", "accounts", b"[" * 100_000, 400, "ValidationException"),
        ("POST", "accounts", b"", 400, "ValidationException"),
        ("POST", "accounts", b'{"accounts": []}', 400, "ValidationException"),
        ("POST", "accounts", b'{"accounts": [5]}', 400, "ValidationException"),
        ("POST", "accounts", b'{"accounts": [{"name": 5}]}', 400, "ValidationException"),
        ("POST", "accounts", b'{"accounts": [{"name": "a\\u0000"}]}', 400, "ValidationException"),
        ("POST", "accounts", b'{"accounts": [{"name": "a", "colour": "red"}]}', 400, "ValidationException"),
        ("POST", "accounts", b'{"accounts": [{"name": "a", "quotas": []}]}', 400, "ValidationException"),
        ("POST", "accounts", b'{"accounts": [{"name": "a"}], "more": 1}', 400, "ValidationException"),
        ("PUT", "accounts/default/quotas", b'{"quotas": {"tasks_queued": -1}}', 400, "ValidationException"),
        ("PUT", "accounts/default/quotas", b"{}", 400, "ValidationException"),
        ("PUT", "accounts/no%20body/quotas", b'{"quotas": {}}', 404, "ResourceNotFoundException"),
        ("PUT", "accounts/%ff/quotas", b'{"quotas": {}}', 400, "ValidationException"),
        ("PUT", "accounts/a%00b/quotas", b'{"quotas": {}}', 400, "ValidationException"),
        ("GET", "usage/nobody", b"", 404, "ResourceNotFoundException"),
        ("POST", "keys", b'{"account": "default", "role": 7}', 400, "ValidationException"),
        ("POST", "keys", b'{"account": "default", "expires_in": 0}', 400, "ValidationException"),
        ("POST", "keys", b'{"account": "default", "expires_in": 1e999}', 400, "ValidationException"),
        ("POST", "keys", b'{"account": "default", "expires_in": true}', 400, "ValidationException"),
        ("POST", "keys", b"{}", 400, "ValidationException"),
        ("POST", "keys", b'{"account": "a\\u0000"}', 400, "ValidationException"),
        ("GET", "keys?account=nobody", b"", 404, "ResourceNotFoundException"),
        ("GET", "keys?account=%00", b"", 400, "ValidationException"),
        ("GET", "keys?account=%ff", b"", 404, "ResourceNotFoundException"),
        ("DELETE", "keys/%2e%2e", b"", 404, "ResourceNotFoundException"),
        ("GET", "audit?since=yesterday", b"", 400, "ValidationException"),
        ("GET", "audit?limit=0", b"", 400, "ValidationException"),
        ("GET", "audit?cursor=../../etc/passwd:0", b"", 400, "ValidationException"),
        ("GET", "audit?cursor=2020-01-01.jsonl:x", b"", 400, "ValidationException"),
    ],
)
def test_bad_requests_are_answered_as_such(
    service: RunningService, method: str, path: str, body: bytes, status: int, error: str
) -> None:
    operator = {
        "access_key_id": service.access.access_key_id,
        "secret_access_key": service.access.secret_access_key,
    }
    connection = KeptConnection(service, operator)
    try:
        answered = connection.ask(method, f"/_braketeer/{path}", body, "braketeer")
        assert answered[:2] == (status, error)
        assert answered[2]["__type"] == error
        assert answered[2]["message"]
        assert connection.ask("GET", "/_braketeer/keys", b"", "braketeer")[0] == 200
    finally:
        connection.close()


def test_who_is_not_proven_learns_nothing(service: RunningService) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    answers = []
    for path in ("accounts", "nowhere", "keys/AKIA"):
        connection.request("GET", f"/_braketeer/{path}")
        answer = connection.getresponse()
        answers.append((answer.status, answer.headers["x-amzn-ErrorType"], answer.read()))
    connection.close()
    assert answers[0][:2] == (403, "MissingAuthenticationTokenException")
    assert len(set(answers)) == 1
    stranger = KeptConnection(service, {"access_key_id": "AKIANOBODY", "secret_access_key": "x"})
    assert stranger.ask("GET", "/_braketeer/keys", b"", "braketeer")[:2] == (403, "UnrecognizedClientException")
    stranger.close()
    forged = {"access_key_id": service.access.access_key_id, "secret_access_key": "x"}
    forger = KeptConnection(service, forged)
    assert forger.ask("GET", "/_braketeer/keys", b"", "braketeer")[:2] == (403, "InvalidSignatureException")
    forger.close()
    operator = {"access_key_id": forged["access_key_id"], "secret_access_key": service.access.secret_access_key}
    tampered = KeptConnection(service, operator)
    wanted, sent = b'{"account": "default", "role": "viewer"}', b'{"account": "default", "role": "holder"}'
    assert tampered.ask("POST", "/_braketeer/keys", wanted, "braketeer", sent)[0] == 403
    tampered.close()


def test_a_body_beyond_all_bounds_is_refused(service: RunningService) -> None:
    with pytest.raises(Problem, match="at most"):
        service.access.call("POST", "accounts", {"accounts": ["x" * 5_000_000]})
    assert service.access.call("GET", "accounts")["accounts"]


def test_commands_without_a_service_say_so(service: RunningService, tmp_path: Path) -> None:
    environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    assert "is it running?" in refused(braketeer(service, "account", "list", **environment))


# --- The audit


def test_every_change_leaves_a_line_and_reading_leaves_none(service: RunningService) -> None:
    made = opened(service, "audited")
    viewer = new_key(service, "audited", role="viewer")
    s3, braket = client(service, "s3", made), client(service, "braket", made)
    s3.create_bucket(Bucket="audited")
    s3.put_object(Bucket="audited", Key="a/key", Body=b"x")
    s3.get_object(Bucket="audited", Key="a/key")
    arn = braket.create_quantum_task(**task_request("audited", tags={"a": "b"}))["quantumTaskArn"]
    braket.search_quantum_tasks(filters=[])
    code_of(lambda: braket.tag_resource(resourceArn=arn.replace("a", "b"), tags={"x": "y"}))
    code_of(lambda: client(service, "s3", viewer).delete_object(Bucket="audited", Key="a/key"))
    client(service, "sts", made).get_session_token()
    lines = [
        json.loads(line)
        for line in braketeer(service, "audit", "--account", "audited", "--json").stdout.split("\n")[:-1]
    ]
    seen = [(line["service"], line["operation"], line["resource"], line["status"], line["error"]) for line in lines]
    assert seen == [
        ("s3", "CreateBucket", "audited", 200, None),
        ("s3", "PutObject", "audited/a/key", 200, None),
        ("braket", "CreateQuantumTask", arn, 201, None),
        ("braket", "TagResource", arn.replace("a", "b"), 404, "ResourceNotFoundException"),
        ("s3", "DeleteObject", "audited/a/key", 403, "AccessDeniedException"),
        ("sts", "GetSessionToken", None, 200, None),
    ]
    assert {line["account"] for line in lines} == {made["account"]}
    assert [line["role"] for line in lines].count("viewer") == 1
    assert {line["source"] for line in lines} == {"127.0.0.1"}
    assert "Boto3" in lines[0]["agent"]
    since = lines[3]["at"]
    later = braketeer(service, "audit", "--account", "audited", "--since", since).stdout.splitlines()
    assert len(later) == 3
    assert "TagResource" in later[0]
    mine = json.loads(braketeer(service, "audit", "--account", "default", "--json").stdout.splitlines()[-1])
    assert (mine["service"], mine["operation"], mine["resource"]) == ("braketeer", "CreateKey", viewer["id"])


def test_the_audit_can_be_followed(service: RunningService) -> None:
    made = opened(service, "followed")
    command = [sys.executable, "-m", "braketeer", "audit", "--account", "followed", "--follow", "--json"]
    following = subprocess.Popen(
        [*command, "--data-dir", str(service.data_dir)], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert following.stdout is not None
        for number in range(3):
            client(service, "s3", made).create_bucket(Bucket=f"followed-{number}")
            assert json.loads(following.stdout.readline())["resource"] == f"followed-{number}"
    finally:
        following.kill()
        following.communicate()


def test_lines_outlive_a_killed_service(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        s3 = service.client("s3")
        for number in range(20):
            s3.create_bucket(Bucket=f"killed-{number}")
        service.kill()
        service.start()
        buckets = {line["resource"] for line in service.access.call("GET", "audit")["lines"]}
        assert {f"killed-{number}" for number in range(20)} <= buckets
        [file] = (tmp_path / "audit").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        with file.open("ab") as torn:  # what a crash may leave
            torn.write(b'{"at": "20')
        service.kill()
        service.start()
        service.client("s3").create_bucket(Bucket="after-the-torn-line")
        page = service.access.call("GET", "audit")
        assert page["lines"][-1]["resource"] == "after-the-torn-line"
        again = service.access.call("GET", f"audit?cursor={page['cursor']}")
        assert (again["lines"], again["complete"]) == ([], True)
        assert access(tmp_path, None).call("GET", "audit?limit=5")["complete"] is False
