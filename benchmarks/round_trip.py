"""``device.run(bell, shots=1000).result()`` through the whole service, beside LocalSimulator in process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from time import process_time

from benchmarks.figures import Figure, median, milliseconds, percentile
from tests.services import SV1, running


def measure() -> list[Figure]:
    from braket.aws import AwsDevice
    from braket.circuits import Circuit
    from braket.devices import LocalSimulator

    bell = Circuit().h(0).cnot(0, 1)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        os.environ.update(service.access.variables())
        device = AwsDevice(SV1)
        there = milliseconds(lambda: device.run(bell, shots=1000).result(), 100)
        before = process_time()
        milliseconds(lambda: device.run(bell, shots=1000).result(), 50, warm_up=0)
        clients_own = (process_time() - before) * 1000 / 50
        batch = milliseconds(lambda: device.run_batch([bell] * 50, shots=100).results(), 3, 1)
    here = milliseconds(lambda: LocalSimulator().run(bell, shots=1000).result(), 100)
    return [
        Figure("device.run(bell, shots=1000).result() through the service, p50", median(there), "ms", 30),
        Figure("of that, the client's own CPU, mean", clients_own, "ms"),
        Figure("the same, p95", percentile(there, 95), "ms"),
        Figure("the same with LocalSimulator in process, p50", median(here), "ms"),
        Figure("service / LocalSimulator", median(there) / median(here), "x"),
        Figure("run_batch of 50 bell tasks with results", median(batch), "ms"),
    ]
