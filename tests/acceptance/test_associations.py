"""Associations with a reservation: accepted, stored, returned, on tasks and jobs."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, DirectReservation
from braket.circuits import Circuit

from tests.reservations import HOUR_MS, MINE, PREFIX, association, book
from tests.services import GARNET, SV1, RunningService, running

PAST, GARNETS = (PREFIX + name for name in ("past", "garnet"))
FOREIGN = "arn:aws:braket:us-east-1:111111111111:reservation/theirs"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service whose SV1 may be reserved, with reservations of several kinds."""
    with running(tmp_path_factory.mktemp("reservations")) as started:
        started.stop()
        book(started.data_dir, MINE)
        book(started.data_dir, PAST, start_ms=-2 * HOUR_MS, end_ms=-HOUR_MS)
        book(started.data_dir, GARNETS, device=GARNET)
        book(started.data_dir, FOREIGN, account="111111111111", start_ms=HOUR_MS, end_ms=2 * HOUR_MS)
        yield started.start()


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
