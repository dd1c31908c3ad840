"""What a job gets of the machine, and which interpreter runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from braketeer.domain.clients import python_minor
from braketeer.work import job_settings
from braketeer.work.job_instances import INSTANCES, instance
from braketeer.work.job_settings import JobSettings, interpreter, room
from braketeer.work.sandbox import SandboxChoice

GIB = 2**30


def request(instance_type: str = "ml.m5.large", **more: Any) -> dict[str, Any]:
    return {
        "instanceConfig": {"instanceType": instance_type, "volumeSizeInGb": 1},
        "algorithmSpecification": {},
        **more,
    }


def test_every_instance_type_of_the_model_has_its_room_and_no_other_is_there() -> None:
    shapes = Loader().load_service_model("braket", "service-2")["shapes"]
    assert set(INSTANCES) == set(shapes["InstanceType"]["enum"])
    assert len(INSTANCES) == 58
    assert [name for name, has in INSTANCES.items() if bool(has.gpus) != name.startswith(("ml.p", "ml.g"))] == []
    assert all(has.memory_gib / has.vcpus >= 1.6 for has in INSTANCES.values())
    assert instance("ml.of-a-newer-model.large").vcpus == 2


def test_a_job_has_no_more_than_its_instances_and_no_more_than_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    small = room(request("ml.t3.large"), 100 * GIB)
    assert (small.hosts, small.cpus, small.host_memory_bytes, small.memory_bytes) == (1, 2, 8 * GIB, 8 * GIB)
    large = room(request("ml.m5.24xlarge"), 100 * GIB)
    assert (large.cpus, large.host_memory_bytes) == (0, 100 * GIB)
    several = {"instanceType": "ml.t3.2xlarge", "volumeSizeInGb": 1, "instanceCount": 4}
    found = room({"instanceConfig": several}, 100 * GIB)
    assert (found.hosts, found.host_memory_bytes, found.memory_bytes) == (4, 32 * GIB, 100 * GIB)


def test_a_gpu_that_is_not_there_is_told() -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    assert room(request("ml.p3.8xlarge"), GIB).warning == (
        "ml.p3.8xlarge has 4 GPUs, this machine has none: the job runs on the CPU."
    )
    assert room(request("ml.c5.xlarge"), GIB).warning is None


def test_which_interpreter_runs_a_job() -> None:
    settings = JobSettings(
        folder=Path("jobs"),
        endpoint="",
        slots=1,
        sandbox=SandboxChoice("none", ""),
        python="/usual",
        pythons={12: "/twelve"},
        images={"*/lab/qiskit:*": "/qiskit"},
    )

    def of(image: str | None = None, **more: Any) -> str | None:
        return interpreter(settings, request(**more) | {"algorithmSpecification": {"containerImage": {"uri": image}}})

    registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    assert of(f"{registry}/lab/qiskit:2") == "/qiskit"
    assert of(f"{registry}/lab/other:2") is None
    assert of(f"{registry}/amazon-braket-base-jobs:latest", clientPython=12) == "/twelve"
    assert of(f"{registry}/amazon-braket-base-jobs:latest", clientPython=13) == "/usual"
    assert of() == "/usual"
    assert not job_settings.is_built_in(f"{registry}/lab/other:2")


@pytest.mark.parametrize(
    ("user_agent", "minor"),
    [
        ("Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6 md/arch#x86_64 lang/python#3.12.3 md/pyimpl#CPython", 12),
        ("aws-cli/1.46.3 Python/3.11.7 Linux/6", 11),
        ("aws-sdk-js/3.900.0 lang/js", None),
        ("lang/python#2.7.18 lang/python#3.x", None),
        ("", None),
    ],
)
def test_a_client_tells_its_python(user_agent: str, minor: int | None) -> None:
    assert python_minor(user_agent) == minor
