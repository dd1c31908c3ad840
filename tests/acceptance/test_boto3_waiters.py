"""Every waiter that boto3 has for an operation that is served: it waits, and it sees what it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import UnknownServiceError, WaiterError
from botocore.loaders import DataNotFoundError, Loader
from botocore.waiter import WaiterModel

from braketeer.domain.accounts import JOBS_ROLE_NAME
from braketeer.services.ecr import Ecr
from braketeer.services.iam import Iam
from braketeer.services.logs import Logs
from braketeer.services.s3 import S3
from braketeer.services.sts import Sts
from tests.services import RunningService

SERVED: dict[str, Any] = {"s3": S3, "iam": Iam, "logs": Logs, "ecr": Ecr, "sts": Sts}


def waiters(service: str) -> dict[str, str]:
    """botocore's waiters of a service, and the operation that each one asks."""
    try:
        model = WaiterModel(Loader().load_service_model(service, "waiters-2"))
    except (DataNotFoundError, UnknownServiceError):
        return {}
    return {name: model.get_waiter(name).operation for name in model.waiter_names}


def test_these_are_the_waiters_of_what_is_served() -> None:
    from botocore import xform_name

    found = {
        (service, name)
        for service, methods in SERVED.items()
        for name, operation in waiters(service).items()
        if hasattr(methods, xform_name(operation))
    }
    assert waiters("braket") == {}
    s3 = {("s3", name) for name in ("BucketExists", "BucketNotExists", "ObjectExists", "ObjectNotExists")}
    assert found == {*s3, ("iam", "RoleExists"), ("iam", "UserExists")}


def sees(client: Any, waiter: str, make_it_so: Callable[[], object], **what: Any) -> None:
    """The waiter gives up while it is not so, and ends once it is."""
    patience = {"Delay": 1, "MaxAttempts": 60}
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        client.get_waiter(waiter).wait(**what, WaiterConfig={"Delay": 0, "MaxAttempts": 2})
    later = threading.Timer(0.3, make_it_so)
    later.start()
    client.get_waiter(waiter).wait(**what, WaiterConfig=patience)
    later.join()


def test_buckets_and_objects_appear_and_go(service: RunningService) -> None:
    s3 = service.client("s3")
    bucket, thing = {"Bucket": "waited-for"}, {"Bucket": "waited-for", "Key": "a key"}
    sees(s3, "bucket_exists", lambda: s3.create_bucket(**bucket), **bucket)
    sees(s3, "object_exists", lambda: s3.put_object(**thing, Body=b"x"), **thing)
    sees(s3, "object_not_exists", lambda: s3.delete_object(**thing), **thing)
    sees(s3, "bucket_not_exists", lambda: s3.delete_bucket(**bucket), **bucket)


@pytest.mark.parametrize("kind", ["role", "user"])
def test_the_jobs_role_and_the_callers_user_exist(service: RunningService, kind: str) -> None:
    waiter = service.client("iam").get_waiter(f"{kind}_exists")
    member = f"{kind.title()}Name"
    waiter.wait(**{member: {"role": JOBS_ROLE_NAME, "user": service.access.access_key_id}[kind]})
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        waiter.wait(**{member: "nobody"}, WaiterConfig={"Delay": 0, "MaxAttempts": 2})
