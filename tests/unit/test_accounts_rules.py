"""Who may do what, and what accounts may be called."""

from dataclasses import replace

import pytest

from braketeer.domain import audit
from braketeer.domain.accounts import Caller, Role, authorise, checked_name, checked_number, checked_role
from braketeer.domain.errors import AccessDeniedException, ValidationException

USER = Caller("123456789012", "us-east-1", "AKIA", Role.USER, "request-1", user_agent="x" * 500)


@pytest.mark.parametrize("name", ["a", "class-5b.ann", "ann@school.example", "9lives", "x" * 64, "12345678901"])
def test_names_are_words_and_addresses(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " ann", "ann smith", "-a", ".a", "a/b", "a\n", "a\0", "x" * 65, "ünal", "123456789012"]
)
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(ValidationException, match="cannot be an account's name"):
        checked_name(name)


@pytest.mark.parametrize(
    "number", ["", "12345678901", "1234567890123", "12345678901a", "١٢٣٤٥٦٧٨٩٠١٢", "123456789012\n"]
)
def test_what_cannot_be_a_number(number: str) -> None:
    with pytest.raises(ValidationException):
        checked_number(number)


def test_roles_have_three_names() -> None:
    assert [checked_role(role.value) for role in Role] == list(Role)
    with pytest.raises(ValidationException, match="operator, user, viewer"):
        checked_role("admin")


def test_only_operators_reach_the_operators_api() -> None:
    authorise(replace(USER, role=Role.OPERATOR), "braketeer", "ListAccounts")
    for role in (Role.USER, Role.VIEWER):
        with pytest.raises(AccessDeniedException, match="operator"):
            authorise(replace(USER, role=role), "braketeer", "ListAccounts")


def test_a_jobs_key_makes_no_keys() -> None:
    authorise(USER, "sts", "AssumeRole")
    job = replace(USER, job_id="job-1")
    authorise(job, "braket", "CreateQuantumTask")
    for operation in ("AssumeRole", "GetFederationToken", "GetSessionToken"):
        with pytest.raises(AccessDeniedException):
            authorise(job, "sts", operation)


def test_a_jobs_code_does_not_lift_the_limit_that_is_to_stop_it() -> None:
    job = replace(USER, job_id="job-1")
    authorise(job, "braket", "SearchSpendingLimits")
    for operation in ("CreateSpendingLimit", "UpdateSpendingLimit", "DeleteSpendingLimit"):
        authorise(USER, "braket", operation)
        with pytest.raises(AccessDeniedException, match=f"hybrid job may not perform braket:{operation}"):
            authorise(job, "braket", operation)


def test_the_audit_keeps_what_changes_something_and_what_makes_keys() -> None:
    assert all(map(audit.is_kept, ("CreateQuantumTask", "PutObject", "DeleteObjects", "AssumeRole", "GetSessionToken")))
    assert not any(map(audit.is_kept, ("GetObject", "SearchJobs", "HeadBucket", "StartQuery", "GetCallerIdentity")))


@pytest.mark.parametrize(
    ("request_members", "outcome", "about"),
    [
        ({"deviceArn": "d", "outputS3Bucket": "b"}, {"quantumTaskArn": "t"}, "t"),
        ({"deviceArn": "d"}, {}, "d"),
        ({"Bucket": "b", "Key": "k/e/y"}, {"RoleName": "r"}, "b/k/e/y"),
        ({"Bucket": "b", "Delete": {}}, {}, "b"),
        ({"logGroupName": "g", "logStreamName": "s"}, {}, "g:s"),
        ({"accounts": [{"name": "a"}, {"name": "b"}, 5]}, {"accounts": []}, "a,b"),
        ({"account": "a"}, {"id": "AKIA1"}, "AKIA1"),
        ({"filters": []}, {}, None),
        ({"Bucket": 5, "name": ["x"]}, {}, None),
        ({"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}]}}, {}, "b/k"),
        ({"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "l"}]}}, {}, "b (2 keys): k, l"),
        ({"Bucket": "b", "Delete": {"Objects": [7, {"Key": 7}]}}, {}, "b"),
        ({"Bucket": "b", "Delete": "all"}, {}, "b"),
    ],
)
def test_what_a_line_is_about(
    request_members: dict[str, object], outcome: dict[str, object], about: str | None
) -> None:
    assert audit.resource(request_members, outcome) == about


def test_a_line_about_many_keys_says_how_many() -> None:
    objects = [{"Key": f"{number} {'k' * 100}"} for number in range(1000)]
    about = audit.resource({"Bucket": "b", "Delete": {"Objects": objects}}, {})
    assert about is not None
    assert about.startswith(f"b (1000 keys): {objects[0]['Key']}, {objects[1]['Key']}, ")
    assert len(about) == 512


def test_a_line_is_bounded() -> None:
    about = audit.resource({"Bucket": "b", "Key": "k" * 1024}, {})
    line = audit.line(
        at="t", caller=USER, service="s3", operation="PutObject", resource=about, status=200, error=None, source="::1"
    )
    assert len(line["resource"]) == 512
    assert len(line["agent"]) == 120
    assert (line["account"], line["key"], line["role"]) == ("123456789012", "AKIA", "user")
