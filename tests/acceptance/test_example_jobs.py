"""The jobs of examples/jobs run as their pages say, with the unmodified SDK, PennyLane and Qiskit."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from braket.aws import AwsQuantumJob

from tests.services import SV1, RunningService

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "jobs"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not part of this package")


@pytest.fixture
def service(client_environment: RunningService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningService:
    monkeypatch.chdir(tmp_path)  # the SDK leaves archives in the current directory
    return client_environment


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed (dependency group frameworks)")


def example(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # the decorator looks the function's module up
    specification.loader.exec_module(module)
    return module


def run(service: RunningService, name: str, hyperparameters: dict[str, Any], **more: Any) -> AwsQuantumJob:
    source = str(EXAMPLES / f"{name}.py")
    job = AwsQuantumJob.create(
        SV1, source_module=source, entry_point=f"{name}:main", hyperparameters=hyperparameters, **more
    )
    ended = service.wait_for_job(job.arn)
    assert ended["status"] == "COMPLETED", (ended.get("failureReason"), service.job_log(job.arn)[-30:])
    return job


def test_vqe_by_the_decorator(service: RunningService) -> None:
    module = example("vqe")
    job = module.minimise(steps=10, rate=0.4)
    assert job.result()["energy"] == pytest.approx(module.EXACT, abs=0.05)
    energies = job.metrics()["energy"]
    assert len(energies) == 10
    assert energies[-1] < energies[0]


def test_qaoa_goes_on_from_the_checkpoints_of_an_earlier_job(service: RunningService) -> None:
    first = run(service, "qaoa", {"rounds": 2})
    second = run(service, "qaoa", {"rounds": 1, "earlier": first.name}, copy_checkpoints_from_job=first.arn)
    assert (first.result()["round"], second.result()["round"]) == (2, 3)
    assert second.result()["mean_cut"] > 2.5
    assert second.result()["best_cut"] == example("qaoa").BEST


@needs("pennylane")
@pytest.mark.filterwarnings("ignore")
def test_pennylane_inside_and_outside_a_job(service: RunningService) -> None:
    inside = run(service, "pennylane_rotation", {"steps": 8}).result()
    energy, angles = example("pennylane_rotation").descend(SV1, 8)
    assert inside["energy"] == pytest.approx(energy)
    assert inside["angles"] == pytest.approx(angles)
    assert energy < -0.99


@needs("qiskit")
@pytest.mark.filterwarnings("ignore")
def test_qiskit_inside_and_outside_a_job(service: RunningService) -> None:
    inside = run(service, "qiskit_ghz", {"shots": 200}).result()["counts"]
    outside = example("qiskit_ghz").counts(200)
    for counts in (inside, outside):
        assert set(counts) == {"00000", "11111"}
        assert sum(counts.values()) == 200
