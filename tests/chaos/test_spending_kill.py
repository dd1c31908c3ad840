"""A spending limit's sums are those of its tasks, however often the service is killed among creates and cancels."""

import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.services import BELL, SV1, RunningService, has_ended, openqasm, until


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    prices = tmp_path / "prices.toml"
    prices.write_text(f'[devices."{SV1}"]\nper_task = 0.3\nper_shot = 0.001\nper_minute = 4\n')
    service = RunningService(tmp_path, environment={"BRAKETEER_PRICES": str(prices)}).start()
    try:
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.stop()


def test_the_sums_survive_kills(service: RunningService) -> None:
    service.client("s3").create_bucket(Bucket="results")
    service.client("braket").create_spending_limit(deviceArn=SV1, spendingLimit="60")
    over = threading.Event()

    def create_and_cancel(number: int) -> None:
        """Every other task is cancelled at once; whether it was in time, only the service knows."""
        braket = service.client("braket")
        while not over.is_set():
            try:
                arn = braket.create_quantum_task(
                    deviceArn=SV1,
                    shots=number,
                    outputS3Bucket="results",
                    outputS3KeyPrefix="t",
                    action=openqasm(BELL),
                )["quantumTaskArn"]
                if number % 2:
                    braket.cancel_quantum_task(quantumTaskArn=arn)
            except ClientError:
                time.sleep(0.01)  # refused: the limit is reached, or the task has ended
            except BotoCoreError:
                time.sleep(0.05)  # killed; it comes back on the same port

    workers = [threading.Thread(target=create_and_cancel, args=(number,)) for number in range(1, 5)]
    for worker in workers:
        worker.start()
    try:
        for seconds in (0.7, 0.3, 0.5):
            time.sleep(seconds)
            service.kill()
            service.start()
        time.sleep(0.5)
    finally:
        over.set()
        for worker in workers:
            worker.join()

    braket = service.client("braket")
    pages = braket.get_paginator("search_quantum_tasks").paginate(filters=[])
    tasks = [task for page in pages for task in page["quantumTasks"]]
    for task in tasks:
        until(lambda task=task: braket.get_quantum_task(quantumTaskArn=task["quantumTaskArn"]), has_ended)
    costs = [service.access.call("GET", f"costs/{quote(task['quantumTaskArn'], safe='')}") for task in tasks]
    (limit,) = braket.search_spending_limits()["spendingLimits"]
    assert (limit["queuedSpend"], Decimal(limit["totalSpend"])) == ("0", sum(Decimal(each["cost"]) for each in costs))
    ends = {each["status"] for each in costs}
    assert "COMPLETED" in ends
    assert all((Decimal(each["cost"]) > 0) == (each["status"] == "COMPLETED") for each in costs)
