"""Hybrid jobs: their start, with and without requirements; many at once; a loop of tasks inside one."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, median
from tests.services import RunningService, running

FIRST_LINE = "import time\nprint('first line at', time.time())\n"
IMPORTS = """
import time
began = time.perf_counter()
import braket.aws
print("imports took", time.perf_counter() - began)
"""
LOOP = """
import time
from braket.aws import AwsDevice
from braket.circuits import Circuit
device = AwsDevice("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
circuit = lambda angle: Circuit().h(range(4)).cnot(0, 1).cnot(1, 2).cnot(2, 3).rx(3, angle)
device.run(circuit(0.5), shots=100).result()
began = time.perf_counter()
for n in range(200):
    device.run(circuit(n / 100), shots=100).result()
print("iterations in a second", 200 / (time.perf_counter() - began))
"""
AT_ONCE = 20


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        plain = [_start(service) for _ in range(8)]
        source = _with_requirements(service)
        first, *warm = [_start(service, **source) for _ in range(9)]
        return [
            Figure("CreateJob to the first line of its script, p50", median(plain), "ms", note=_sandbox(service)),
            Figure("the same with a requirements.txt, which an earlier job had too, p50", median(warm), "ms", goal=400),
            Figure("the first job with that requirements.txt, which is installed", first, "ms"),
            Figure("of a job's time: `import braket.aws`", 1000 * _number(service, IMPORTS, "imports took"), "ms"),
            _at_once(service),
            Figure(
                "200 SV1 tasks of 4 qubits one after the other inside a job",
                _number(service, LOOP, "iterations in a second"),
                "/s",
                goal=50,
                at_least=True,
            ),
        ]


def _start(service: RunningService, **source: Any) -> float:
    """Milliseconds from the job's creation to its script's first line."""
    arn = service.create_job(FIRST_LINE, **source)
    job = service.wait_for_job(arn)
    assert job["status"] == "COMPLETED", job.get("failureReason")
    return (_printed(service, arn, "first line at") - job["createdAt"].timestamp()) * 1000


def _at_once(service: RunningService) -> Figure:
    """From the first CreateJob to the end of the last job; all must end right."""
    began = time.perf_counter()
    arns = [service.create_job(FIRST_LINE, f"job-{number}") for number in range(AT_ONCE)]
    ended = [service.wait_for_job(arn, 300)["status"] for arn in arns]
    assert set(ended) == {"COMPLETED"}, ended
    return Figure(f"{AT_ONCE} jobs created at once, until all have ended right", time.perf_counter() - began, "s")


def _number(service: RunningService, script: str, before: str) -> float:
    arn = service.create_job(script)
    job = service.wait_for_job(arn, 300)
    assert job["status"] == "COMPLETED", job.get("failureReason")
    return _printed(service, arn, before)


def _printed(service: RunningService, arn: str, before: str) -> float:
    line = next(line for line in service.job_log(arn) if line.startswith(before))
    return float(re.findall(r"[\d.]+", line)[0])


def _with_requirements(service: RunningService) -> dict[str, Any]:
    """CreateJob's member for a source whose requirements.txt names a package in the source: no index is asked."""
    from tests.integration.test_job_packages import wheel

    s3, data = service.client("s3"), io.BytesIO()
    s3.create_bucket(Bucket="results")
    files = {
        "script.py": FIRST_LINE.encode() + b"import measured\n",
        "requirements.txt": b"./measured-1.0-py3-none-any.whl\n",
        "measured-1.0-py3-none-any.whl": wheel("measured", ""),
    }
    with tarfile.open(fileobj=data, mode="w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    s3.put_object(Bucket="results", Key="measured.tar.gz", Body=data.getvalue())
    code = {"entryPoint": "script", "s3Uri": "s3://results/measured.tar.gz", "compressionType": "GZIP"}
    return {"algorithmSpecification": {"scriptModeConfig": code}}


def _sandbox(service: RunningService) -> str:
    from braketeer.cli.service import is_healthy

    return f"sandbox: {(is_healthy(service.access.endpoint) or {}).get('sandbox')}"
