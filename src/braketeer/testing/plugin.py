"""Fixtures for tests of programs that use Braket; pytest finds them wherever Braketeer is installed.

def test_my_experiment(braketeer):  # boto3, the SDK, PennyLane: all find the service by the environment
    device = AwsDevice("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
    assert device.run(my_circuit(), shots=100).result().measurement_counts
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # every pytest run loads this file
    from braketeer.testing.service import Clock, Faults, Reservations, Service


@pytest.fixture(scope="session")
def braketeer_service() -> Iterator[Service]:
    """A service of this session's own, on a free port and a virtual clock, with a fixed seed; stopped at the end."""
    from braketeer.testing.service import running  # noqa: PLC0415

    with running() as service:
        yield service


@pytest.fixture
def braketeer(braketeer_service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The service, empty, and the environment that leads every AWS client to it. What the test leaves is forgotten."""
    for name in braketeer_service.cleared:
        monkeypatch.delenv(name, raising=False)
    for name, value in braketeer_service.variables.items():
        monkeypatch.setenv(name, value)
    if "boto3" in sys.modules:  # its default session keeps the keys that it first found
        monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    yield braketeer_service
    braketeer_service.reset()


@pytest.fixture
def braketeer_clock(braketeer: Service) -> Clock:
    """Service time: ``now()`` and ``advance("2h")``."""
    return braketeer.clock


@pytest.fixture
def braketeer_faults(braketeer: Service) -> Faults:
    """Faults on purpose: ``add(operation="CreateQuantumTask", error="ThrottlingException", next=3)``."""
    return braketeer.faults


@pytest.fixture
def reservation(braketeer: Service) -> Reservations:
    """Reservations: ``reservation(device_arn, duration="1h")``, from now on unless ``start`` says otherwise."""
    return braketeer.reservations
