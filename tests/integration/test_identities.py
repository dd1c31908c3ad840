"""STS and IAM on a database: who a caller is, what a temporary key is worth, and that botocore's models hold."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator
from cryptography.fernet import Fernet

from braketeer.domain.accounts import DEFAULT_ACCOUNT_ID, AccessKey, Caller, Role
from braketeer.domain.errors import ServiceError
from braketeer.services import sts
from braketeer.services.iam import Iam
from braketeer.services.sts import Sts
from braketeer.store import accounts
from braketeer.store.database import Database, Transaction
from braketeer.store.secrets import Secrets

SESSION = botocore.session.Session()
NOW = 1_700_000_000
OTHER = "111111111111"
ROLE = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/service-role/AmazonBraketJobsExecutionRole"


class StillClock:
    def now_ms(self) -> int:
        return NOW * 1000


@dataclass
class Desk:
    """The two services, and keys of an account; ``real`` is the real time in epoch seconds."""

    database: Database
    secrets: Secrets
    real: float = NOW

    def key(self, role: Role = Role.USER, account: str = DEFAULT_ACCOUNT_ID, **more: Any) -> Caller:
        def make(tx: Transaction) -> AccessKey:
            return accounts.create_key(tx.connection, self.secrets, account, role, NOW * 1000, **more)

        return self.caller(self.database.write_now(make))

    def caller(self, key: AccessKey) -> Caller:
        return Caller(key.account, "eu-west-2", key.id, key.role, "request-1", job_id=key.job_id)

    def caller_with(self, credentials: dict[str, Any]) -> Caller:
        """Who calls with temporary credentials, as the gateway finds out."""
        key = self.find(credentials["AccessKeyId"])
        assert key is not None
        assert (key.secret, key.session_token) == (credentials["SecretAccessKey"], credentials["SessionToken"])
        assert key.expires_at == credentials["Expiration"].timestamp()
        return self.caller(key)

    def find(self, key_id: str) -> AccessKey | None:
        return self.database.read_now(lambda connection: accounts.find_key(connection, self.secrets, key_id))

    def revoke(self, how: Callable[..., object], which: str) -> None:
        self.database.write_now(lambda tx: how(tx.connection, which, NOW * 1000))

    def sts(self, caller: Caller, operation: str, **request: Any) -> dict[str, Any]:
        service = Sts(self.database, self.secrets, StillClock(), lambda: self.real)
        return _call(service, "sts", operation, request, caller)

    def iam(self, caller: Caller, operation: str, **request: Any) -> dict[str, Any]:
        return _call(Iam(self.database), "iam", operation, request, caller)


def _call(service: object, model: str, operation: str, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    shape = SESSION.get_service_model(model).operation_model(operation)

    async def answer() -> Any:
        return await getattr(service, xform_name(operation))(caller, request)

    answered: dict[str, Any] = asyncio.run(answer())
    if shape.output_shape is not None:
        report = ParamValidator().validate(answered, shape.output_shape)
        assert not report.has_errors(), report.generate_report()
    return answered


def refusal(call: Any, *given: Any, **request: Any) -> tuple[str, int, str]:
    with pytest.raises(ServiceError) as caught:
        call(*given, **request)
    return caught.value.code, caught.value.status, caught.value.message


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    database = Database(database_url)
    secrets = Secrets(Fernet.generate_key())
    database.write_now(lambda tx: accounts.create_account(tx.connection, DEFAULT_ACCOUNT_ID, "default", 0))
    database.write_now(lambda tx: accounts.create_account(tx.connection, OTHER, "other", 0))
    yield Desk(database, secrets)
    database.close()


# --- who calls


def test_a_caller_learns_its_account_and_a_job_its_role(desk: Desk) -> None:
    user = desk.key()
    mine = desk.sts(user, "GetCallerIdentity")
    assert (mine["Account"], mine["Arn"]) == (DEFAULT_ACCOUNT_ID, f"arn:aws:iam::000000000000:user/{user.key_id}")
    job = desk.sts(desk.key(expires_at=NOW + 60, job_id="job-1"), "GetCallerIdentity")
    assert job["Arn"] == "arn:aws:sts::000000000000:assumed-role/AmazonBraketJobsExecutionRole/job-1"


def test_the_account_of_a_key_is_told_to_its_own_account_only(desk: Desk) -> None:
    user, stranger = desk.key(), desk.key(account=OTHER)
    assert desk.sts(user, "GetAccessKeyInfo", AccessKeyId=user.key_id) == {"Account": DEFAULT_ACCOUNT_ID}
    told = refusal(desk.sts, user, "GetAccessKeyInfo", AccessKeyId=stranger.key_id)
    assert told == refusal(desk.sts, user, "GetAccessKeyInfo", AccessKeyId="A" * 20)
    assert told[:2] == ("ValidationError", 400)


# --- temporary keys


def test_an_assumed_role_is_a_session_of_it(desk: Desk) -> None:
    answer = desk.sts(desk.key(), "AssumeRole", RoleArn=ROLE, RoleSessionName="me@work", DurationSeconds=900)
    session = desk.caller_with(answer["Credentials"])
    identity = desk.sts(session, "GetCallerIdentity")
    assert answer["Credentials"]["Expiration"].timestamp() == NOW + 900
    assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert identity["Arn"] == "arn:aws:sts::000000000000:assumed-role/AmazonBraketJobsExecutionRole/me@work"
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    (role,) = desk.iam(session, "ListRoles")["Roles"]
    assert identity["UserId"] == f"{role['RoleId']}:me@work"


def test_a_session_token_acts_as_the_same_user(desk: Desk) -> None:
    user = desk.key()
    session = desk.caller_with(desk.sts(user, "GetSessionToken")["Credentials"])
    assert desk.sts(session, "GetCallerIdentity") == desk.sts(user, "GetCallerIdentity")
    assert desk.iam(session, "GetUser") == desk.iam(user, "GetUser")
    key = desk.find(session.key_id)
    assert key is not None and key.expires_at == NOW + 43_200


@pytest.mark.parametrize(
    ("role", "becomes"), [(Role.OPERATOR, Role.USER), (Role.USER, Role.USER), (Role.VIEWER, Role.VIEWER)]
)
def test_a_temporary_key_is_worth_a_users_at_most(desk: Desk, role: Role, becomes: Role) -> None:
    mine = desk.key(role)
    assumed = desk.sts(mine, "AssumeRole", RoleArn=ROLE, RoleSessionName="ab")["Credentials"]
    token = desk.sts(mine, "GetSessionToken")["Credentials"]
    assert [desk.caller_with(credentials).role for credentials in (assumed, token)] == [becomes, becomes]


def test_a_chain_ends_with_its_first_key(desk: Desk) -> None:
    first = desk.key(expires_at=NOW + 2000, session=False)
    second = desk.caller_with(desk.sts(first, "GetSessionToken", DurationSeconds=3600)["Credentials"])
    third = desk.sts(second, "AssumeRole", RoleArn=ROLE, RoleSessionName="ab", DurationSeconds=3600)["Credentials"]
    desk.real += 1500
    fourth = desk.sts(desk.caller_with(third), "AssumeRole", RoleArn=ROLE, RoleSessionName="cd")["Credentials"]
    assert [c["Expiration"].timestamp() for c in (third, fourth)] == [NOW + 2000, NOW + 2000]


def test_revoking_a_key_revokes_what_came_of_it(desk: Desk) -> None:
    desk.key(Role.OPERATOR)
    first = desk.key()
    second = desk.caller_with(desk.sts(first, "AssumeRole", RoleArn=ROLE, RoleSessionName="ab")["Credentials"])
    third = desk.caller_with(desk.sts(second, "AssumeRole", RoleArn=ROLE, RoleSessionName="cd")["Credentials"])
    desk.database.write_now(lambda tx: accounts.revoke_key(tx.connection, first.key_id, NOW * 1000))
    assert [desk.find(caller.key_id) for caller in (first, second, third)] == [None, None, None]
    assert refusal(desk.sts, third, "AssumeRole", RoleArn=ROLE, RoleSessionName="ef")[1] == 403


def test_a_key_has_so_many_sessions_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sts, "MOST_SESSIONS", 3)
    user, asked = desk.key(), {"RoleArn": ROLE, "RoleSessionName": "ab", "DurationSeconds": 900}
    sessions = [desk.caller_with(desk.sts(user, "AssumeRole", **asked)["Credentials"]) for _ in range(3)]
    code, status, message = refusal(desk.sts, user, "AssumeRole", **asked)
    assert (code, status) == ("LimitExceeded", 400)
    assert "at most 3 temporary keys" in message
    assert refusal(desk.sts, user, "GetSessionToken")[0] == "LimitExceeded"
    assert desk.sts(sessions[0], "AssumeRole", **asked)  # its own count
    assert desk.sts(desk.key(), "AssumeRole", **asked)
    desk.revoke(accounts.revoke_key, sessions[1].key_id)
    assert desk.sts(user, "AssumeRole", **asked)
    desk.real += 900
    assert desk.sts(user, "AssumeRole", **asked)


def test_many_at_once_keep_to_the_number_of_sessions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sts, "MOST_SESSIONS", 5)
    user = desk.key()

    def ask(_: int) -> str:
        try:
            desk.sts(user, "AssumeRole", RoleArn=ROLE, RoleSessionName="ab")
        except ServiceError as refused:
            return refused.code
        return "done"

    with ThreadPoolExecutor(12) as threads:
        assert sorted(threads.map(ask, range(12))) == ["LimitExceeded"] * 7 + ["done"] * 5


def test_a_jobs_key_hands_its_job_on(desk: Desk) -> None:
    job = desk.key(expires_at=NOW + 7200, job_id="job-1")
    session = desk.caller_with(desk.sts(job, "AssumeRole", RoleArn=ROLE, RoleSessionName="ab")["Credentials"])
    again = desk.caller_with(desk.sts(session, "AssumeRole", RoleArn=ROLE, RoleSessionName="cd")["Credentials"])
    assert (session.job_id, again.job_id) == ("job-1", "job-1")
    ended = desk.database.write_now(lambda tx: accounts.revoke_job_keys(tx.connection, "job-1", NOW * 1000))
    assert sorted(ended) == sorted(caller.key_id for caller in (job, session, again))
    assert desk.find(again.key_id) is None


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"RoleArn": "arn:aws:iam::111111111111:role/Admin"}, ("AccessDenied", 403)),
        ({"RoleArn": "arn:aws:iam::000000000000:user/Admin"}, ("ValidationError", 400)),
        ({"RoleArn": "arn:aws:iam::000000000000:role/" + "x" * 65}, ("ValidationError", 400)),
        ({"RoleArn": "arn:aws:s3:::bucket-of-somebody"}, ("ValidationError", 400)),
        ({"Policy": "{}"}, ("NotImplemented", 501)),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}, ("NotImplemented", 501)),
        ({"SerialNumber": "GAHT12345678", "TokenCode": "123456"}, ("NotImplemented", 501)),
        ({"SourceIdentity": "me"}, ("NotImplemented", 501)),
        ({"ProvidedContexts": [{"ContextAssertion": "abcd"}]}, ("NotImplemented", 501)),
        ({"MinimumSessionTokenSize": 4096}, ("NotImplemented", 501)),
    ],
)
def test_a_role_that_cannot_be_assumed(desk: Desk, request_: dict[str, Any], told: tuple[str, int]) -> None:
    user = desk.key()
    asked = {"RoleArn": ROLE, "RoleSessionName": "ab", **request_}
    code, status, message = refusal(desk.sts, user, "AssumeRole", **asked)
    assert (code, status) == told
    if code == "AccessDenied":
        arn = f"arn:aws:iam::000000000000:user/{user.key_id}"
        assert message == f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {request_['RoleArn']}"
    else:
        assert next(iter(request_)) in message or request_.get("RoleArn", "tokens have") in message


def test_what_changes_nothing_here_is_taken(desk: Desk) -> None:
    more = {"Tags": [{"Key": "team", "Value": "blue"}], "TransitiveTagKeys": ["team"], "ExternalId": "from-a-form"}
    role = "arn:aws:iam::000000000000:role/any/Role+of_mine"
    answer = desk.sts(desk.key(), "AssumeRole", RoleArn=role, RoleSessionName="ab", **more)
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::000000000000:assumed-role/Role+of_mine/ab"


def test_what_a_session_may_not_ask(desk: Desk) -> None:
    user = desk.key()
    session = desk.caller_with(desk.sts(user, "GetSessionToken")["Credentials"])
    code, status, message = refusal(desk.sts, session, "GetSessionToken")
    assert (code, status, message) == ("AccessDenied", 403, "Cannot call GetSessionToken with session credentials")
    asked = {"RoleArn": ROLE, "RoleSessionName": "ab", "DurationSeconds": 3601}
    assert "1 hour session limit" in refusal(desk.sts, session, "AssumeRole", **asked)[2]
    assert desk.sts(user, "AssumeRole", **asked)
    assert refusal(desk.sts, user, "GetFederationToken", Name="me")[:2] == ("NotImplemented", 501)
    told = refusal(desk.sts, user, "DecodeAuthorizationMessage", EncodedMessage="abc")
    assert told[:2] == ("InvalidAuthorizationMessageException", 400)


# --- IAM


def test_the_jobs_role_is_found_where_the_sdk_looks(desk: Desk) -> None:
    user = desk.key()
    (role,) = desk.iam(user, "ListRoles", PathPrefix="/service-role/", MaxItems=1)["Roles"]
    assert role["Arn"] == ROLE
    pattern = SESSION.get_service_model("braket").shape_for("RoleArn").metadata["pattern"]
    assert re.fullmatch(pattern, role["Arn"])
    policy = json.loads(urllib.parse.unquote(role["AssumeRolePolicyDocument"]))
    assert policy["Statement"][0]["Principal"] == {"Service": "braket.amazonaws.com"}
    assert desk.iam(user, "ListRoles")["Roles"] == [role]
    assert desk.iam(user, "ListRoles", PathPrefix="/mine/")["Roles"] == []
    assert desk.iam(user, "GetRole", RoleName="AmazonBraketJobsExecutionRole")["Role"]["RoleId"] == role["RoleId"]
    assert refusal(desk.iam, user, "ListRoles", Marker="x")[0] == "InvalidInput"


def test_a_script_that_sets_an_account_up_finds_it_done(desk: Desk) -> None:
    user, name = desk.key(), "AmazonBraketJobsExecutionRole"
    made = refusal(desk.iam, user, "CreateRole", RoleName=name, AssumeRolePolicyDocument="{}")
    assert made == ("EntityAlreadyExists", 409, f"Role with name {name} already exists.")
    (policy,) = desk.iam(user, "ListAttachedRolePolicies", RoleName=name)["AttachedPolicies"]
    assert policy["PolicyArn"] == "arn:aws:iam::aws:policy/AmazonBraketJobsExecutionPolicy"
    assert desk.iam(user, "AttachRolePolicy", RoleName=name, PolicyArn=policy["PolicyArn"]) == {}
    (inline,) = desk.iam(user, "ListRolePolicies", RoleName=name)["PolicyNames"]
    document = desk.iam(user, "GetRolePolicy", RoleName=name, PolicyName=inline)["PolicyDocument"]
    assert "braket:*" in json.loads(urllib.parse.unquote(document))["Statement"][0]["Action"]
    assert desk.iam(user, "ListRoleTags", RoleName=name)["Tags"] == []


@pytest.mark.parametrize(
    ("operation", "request_", "told"),
    [
        ("GetRole", {"RoleName": "Admin"}, ("NoSuchEntity", 404)),
        ("ListAttachedRolePolicies", {"RoleName": "Admin"}, ("NoSuchEntity", 404)),
        ("ListRolePolicies", {"RoleName": "Admin"}, ("NoSuchEntity", 404)),
        ("GetRolePolicy", {"RoleName": "AmazonBraketJobsExecutionRole", "PolicyName": "x"}, ("NoSuchEntity", 404)),
        ("CreateRole", {"RoleName": "Admin", "AssumeRolePolicyDocument": "{}"}, ("NotImplemented", 501)),
        (
            "AttachRolePolicy",
            {"RoleName": "AmazonBraketJobsExecutionRole", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
            ("NotImplemented", 501),
        ),
        ("GetUser", {"UserName": "nobody"}, ("NoSuchEntity", 404)),
    ],
)
def test_what_iam_has_not(desk: Desk, operation: str, request_: dict[str, Any], told: tuple[str, int]) -> None:
    assert refusal(desk.iam, desk.key(), operation, **request_)[:2] == told


def test_a_user_is_a_lasting_key_of_the_account(desk: Desk) -> None:
    user, other, stranger = desk.key(), desk.key(), desk.key(account=OTHER)
    assert desk.iam(user, "GetUser", UserName=other.key_id)["User"]["Arn"].endswith(other.key_id)
    assert refusal(desk.iam, user, "GetUser", UserName=stranger.key_id)[0] == "NoSuchEntity"
    assumed = desk.sts(user, "AssumeRole", RoleArn=ROLE, RoleSessionName="ab")["Credentials"]
    session = replace(user, key_id=assumed["AccessKeyId"])
    assert refusal(desk.iam, session, "GetUser")[0] == "ValidationError"
    assert refusal(desk.iam, user, "GetUser", UserName=session.key_id)[0] == "NoSuchEntity"


def test_no_key_outlives_its_parent_whoever_is_first(desk: Desk) -> None:
    """Revocations and the end of a job against keys that are being issued at that moment."""
    desk.key(Role.OPERATOR)
    with ThreadPoolExecutor(4) as threads:
        for round_ in range(12):
            parent, job = desk.key(), desk.key(expires_at=NOW + 7200, job_id=f"job-{round_}")
            asked = {"RoleArn": ROLE, "RoleSessionName": "ab"}
            issued = [threads.submit(desk.sts, caller, "AssumeRole", **asked) for caller in (parent, job) * 3]
            ended = [
                threads.submit(desk.revoke, accounts.revoke_key, parent.key_id),
                threads.submit(desk.revoke, accounts.revoke_job_keys, f"job-{round_}"),
            ]
            for future in ended:
                future.result()
            for future in issued:
                try:
                    key_id = future.result()["Credentials"]["AccessKeyId"]
                except ServiceError as refused:
                    assert refused.status == 403
                else:
                    assert desk.find(key_id) is None
