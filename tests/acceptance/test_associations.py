"""Associations with a reservation: accepted, stored, returned, on tasks and jobs. Windows are not enforced yet."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, DirectReservation
from braket.circuits import Circuit

from braketeer.domain.associations import Reservation
from braketeer.store import devices, reservations
from braketeer.store.database import opened
from tests.services import ACCOUNT, GARNET, SV1, RunningService, running

PREFIX = f"arn:aws:braket:us-east-1:{ACCOUNT}:reservation/"
MINE, PAST, GARNETS = (PREFIX + name for name in ("mine", "past", "garnet"))
FOREIGN = "arn:aws:braket:us-east-1:111111111111:reservation/theirs"
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service whose SV1 may be reserved, with reservations of several kinds."""
    folder: Path = tmp_path_factory.mktemp("reservations")
    with running(folder) as started:
        started.stop()
        now = time.time_ns() // 1_000_000
        with opened(f"sqlite:///{folder / 'braketeer.db'}") as database:

            def book(tx) -> None:
                devices.put(tx.connection, SV1, devices.DeviceState("ONLINE", True), now)
                for arn, account, device, start, end in (
                    (MINE, ACCOUNT, SV1, -HOUR_MS, HOUR_MS),
                    (PAST, ACCOUNT, SV1, -2 * HOUR_MS, -HOUR_MS),
                    (GARNETS, ACCOUNT, GARNET, -HOUR_MS, HOUR_MS),
                    (FOREIGN, "111111111111", SV1, -HOUR_MS, HOUR_MS),
                ):
                    row = Reservation(arn, account, device, now + start, now + end, "ACTIVE")
                    reservations.add(tx.connection, row, now)

            database.write_now(book)
        yield started.start()


def association(arn: str) -> list[dict[str, str]]:
    return [{"arn": arn, "type": "RESERVATION_TIME_WINDOW_ARN"}]


def test_a_task_keeps_its_association(service: RunningService) -> None:
    arn = service.create_task(associations=association(MINE))
    task = service.wait_for_task(arn)
    assert task["status"] == "COMPLETED"
    assert task["associations"] == association(MINE)
    assert "associations" not in service.wait_for_task(service.create_task())


def test_a_job_keeps_its_association_and_tells_its_script(service: RunningService) -> None:
    script = "import os\nprint({k: v for k, v in os.environ.items() if 'RESERVATION' in k})\n"
    arn = service.create_job(script, associations=association(MINE))
    job = service.wait_for_job(arn)
    assert job["status"] == "COMPLETED"
    assert job["associations"] == association(MINE)
    told = {
        "AMZN_BRAKET_RESERVATION_DEVICE_ARN": SV1,
        "AMZN_BRAKET_RESERVATION_TIME_WINDOW_ARN": MINE,
    }
    assert [eval(line) for line in service.job_log(arn) if line.startswith("{'AMZN")] == [told]


@pytest.mark.parametrize("arn", [PAST, GARNETS, FOREIGN, PREFIX + "unknown"])
def test_other_reservations_are_invalid(service: RunningService, arn: str) -> None:
    for create in (
        lambda: service.create_task(associations=association(arn)),
        lambda: service.create_job("", associations=association(arn)),
    ):
        with pytest.raises(ClientError, match="Reservation arn is invalid") as refused:
            create()
        assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_the_sdks_reservation_context(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in service.access.variables().items():
        monkeypatch.setenv(name, value)
    device = AwsDevice(SV1)
    with DirectReservation(device, reservation_arn=MINE):
        task = device.run(Circuit().h(0), shots=5)
    task.result()
    assert task.metadata()["associations"] == association(MINE)
