"""Fixtures that several rings share."""

from __future__ import annotations

import asyncio
import functools
import warnings
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest

from tests.durations import SECONDS
from tests.postgresql import Cluster, binaries, cluster
from tests.services import RunningService, running

# A new client reads the model of its service, a tenth of a second each time, and tests make thousands of clients.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that take long come first, so that the two processes of ``make test`` end together."""
    if hasattr(config, "workerinput"):
        names = {item.path: item.path.relative_to(Path(__file__).parent).as_posix() for item in items}
        items.sort(key=lambda item: -SECONDS.get(names[item.path], 0))  # stable: a file's tests stay in their order


@pytest.fixture(autouse=True)
def no_event_loop_is_left() -> Iterator[None]:
    """The SDK makes an event loop for its thread and leaves it open; a later test would be blamed for that."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            return
    if not loop.is_running():
        asyncio.set_event_loop(None)
        loop.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL server for all tests of a worker."""
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed here (Debian: apt-get install postgresql)")
    with cluster(programs) as started:
        yield started


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One real service process for all acceptance tests of a worker; every test uses names of its own in it."""
    with running(tmp_path_factory.mktemp("service"), BRAKETEER_JOB_GRACE_SECONDS="1") as started:
        yield started


@pytest.fixture
def client_environment(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> RunningService:
    """The environment of an unmodified client, as ``braketeer env`` prints it."""
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in service.access.variables().items():
        monkeypatch.setenv(name, value)
    return service
