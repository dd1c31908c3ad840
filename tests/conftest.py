"""Fixtures that several rings share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgresql import Cluster, binaries, cluster
from tests.services import RunningService, running


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
