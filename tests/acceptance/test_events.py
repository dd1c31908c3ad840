"""Events of real work: read by the command line, sent to webhooks, signed, at least once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from braketeer.cli.problems import Problem
from tests.services import RunningService, running, until


@dataclass
class Receiver:
    """A web server of the user's. ``answers`` are the statuses of the next requests; then 204."""

    server: ThreadingHTTPServer
    answers: list[int] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    endless: bool = False  # it says more than its status, and never comes to an end
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    def statuses(self, arn: str) -> list[str]:
        return [event["detail"]["status"] for event in self.taken if event["resources"] == [arn]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = found.answers.pop(0) if found.answers else 204
            if found.endless:
                status = 200
            if status in (200, 204):
                found.taken.append(json.loads(body))
            self.send_response(status)
            self.send_header("location", f"{found.url}/elsewhere")
            self.send_header("content-length", "1000" if found.endless else "0")
            self.end_headers()
            if found.endless:
                found.gone.wait()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Receiver(server)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            found.gone.set()
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


def add(service: RunningService, receiver: Receiver, **more: Any) -> dict[str, Any]:
    return dict(service.access.call("POST", "webhooks", {"url": receiver.url} | more))


def test_a_task_is_told_from_its_first_state_to_its_last_and_signed(
    service: RunningService, receiver: Receiver
) -> None:
    hook = add(service, receiver)
    receiver.answers = [204, 500, 302]  # what a receiver does not take is sent again, and no redirect is followed
    task = service.wait_for_task(service.create_task())
    arn = task["quantumTaskArn"]
    until(lambda: receiver.statuses(arn), lambda statuses: "COMPLETED" in statuses)
    assert receiver.statuses(arn) == ["QUEUED", "RUNNING", "COMPLETED"]
    last = receiver.taken[-1]
    assert (last["source"], last["detail-type"]) == ("aws.braket", "Braket Task State Change")
    assert (last["account"], last["region"]) == ("000000000000", "us-east-1")
    assert last["detail"]["outputS3Directory"] == task["outputS3Directory"]
    assert last["detail"]["endedAt"][:19] == f"{task['endedAt']:%Y-%m-%dT%H:%M:%S}"
    secret = base64.b64decode(hook["secret"].removeprefix("whsec_"))
    ids = []
    for headers, body in receiver.requests:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        assert json.loads(body)["id"] == headers["webhook-id"]
        ids.append(headers["webhook-id"])
    assert ids[1:4] == [ids[1]] * 3  # the same event has the same id however often it is sent
    assert len(set(ids)) == 3
    service.access.call("DELETE", f"webhooks/{hook['id']}")


def test_one_sees_what_it_asked_for_only(service: RunningService, receiver: Receiver) -> None:
    service.access.call("POST", "accounts", {"accounts": [{"name": "alice"}]})
    hooks = [add(service, receiver, kinds=["job"]), add(service, receiver, account="alice")]
    service.wait_for_task(service.create_task())
    arn = service.create_job("print('done')")
    service.wait_for_job(arn)
    until(lambda: receiver.statuses(arn), lambda statuses: "COMPLETED" in statuses)
    assert receiver.statuses(arn) == ["QUEUED", "RUNNING", "COMPLETED"]
    assert {event["detail-type"] for event in receiver.taken} == {"Braket Job State Change"}
    for hook in hooks:
        service.access.call("DELETE", f"webhooks/{hook['id']}")


def test_an_answer_without_an_end_is_an_answer(service: RunningService, receiver: Receiver) -> None:
    receiver.endless = True
    hook = add(service, receiver)
    arn = service.wait_for_task(service.create_task())["quantumTaskArn"]
    until(lambda: receiver.statuses(arn), lambda statuses: "COMPLETED" in statuses, 9)
    assert receiver.statuses(arn) == ["QUEUED", "RUNNING", "COMPLETED"]
    service.access.call("DELETE", f"webhooks/{hook['id']}")


def test_the_command_follows(service: RunningService) -> None:
    command = [sys.executable, "-m", "braketeer", "events", "--data-dir", str(service.data_dir), "--json"]
    with subprocess.Popen([*command, "--follow", "--after", "now"], stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        try:
            arns = []
            seen: list[dict[str, Any]] = []
            reader = threading.Thread(target=lambda: seen.extend(json.loads(line) for line in follower.stdout or ()))
            reader.start()
            while not seen:  # it may not have asked for its place yet
                arns.append(service.wait_for_task(service.create_task())["quantumTaskArn"])
            until(lambda: seen, lambda events: any(e["detail"]["status"] == "COMPLETED" for e in events))
            assert {event["resources"][0] for event in seen} <= set(arns)
        finally:
            follower.terminate()
        reader.join()
    kept = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    statuses = [json.loads(line)["detail"]["status"] for line in kept if arns[-1] in line]
    assert statuses == ["QUEUED", "RUNNING", "COMPLETED"]


def test_nothing_is_lost_when_the_service_is_killed(tmp_path: Path, receiver: Receiver) -> None:
    service = RunningService(tmp_path).start()
    try:
        add(service, receiver)
        receiver.answers = [503] * 2
        arn = service.wait_for_task(service.create_task())["quantumTaskArn"]
        until(lambda: receiver.answers, lambda answers: len(answers) < 2)
        service.kill()
        assert "COMPLETED" not in receiver.statuses(arn)
        service.start()
        until(lambda: receiver.statuses(arn), lambda statuses: "COMPLETED" in statuses)
        assert list(dict.fromkeys(receiver.statuses(arn))) == ["QUEUED", "RUNNING", "COMPLETED"]
    finally:
        service.stop()


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"url": "ftp://host/"}, "http or https"),
        ({"url": "http://"}, "http or https"),
        ({"url": "http://host:port/"}, "http or https"),
        ({"url": "http://host/a b"}, "http or https"),
        ({"url": "http://host/" + "a" * 2048}, "http or https"),
        ({}, "'url' must be a string"),
        ({"url": "http://host/", "kinds": ["planet"]}, "'kinds' must be a list"),
        ({"url": "http://host/", "kinds": []}, "'kinds' must be a list"),
        ({"url": "http://host/", "account": "nobody"}, "no account 'nobody'"),
        ({"url": "http://host/", "secret": "mine"}, "Unknown members: secret"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused(service: RunningService, request_: dict[str, Any], says: str) -> None:
    with pytest.raises(Problem, match=says):
        service.access.call("POST", "webhooks", request_)


@pytest.mark.parametrize("query", ["after=x", "limit=-1", "limit=1001", "wait=99", "limit=a"])
def test_a_question_that_cannot_be_is_refused(service: RunningService, query: str) -> None:
    with pytest.raises(Problem, match=r"place among events|whole number"):
        service.access.call("GET", f"events?{query}")
