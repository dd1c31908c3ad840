"""``braketeer demo``: the main job, from an empty data directory to the ground state energy of hydrogen."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
import time
import uuid
from functools import reduce
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from braketeer.cli import service
from braketeer.cli.aws import aws_command
from braketeer.cli.problems import Problem

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
SWEEPS = 20
TOLERANCE = 1e-6  # hartree; a thousandth of what chemists call chemical accuracy
MOST_SECONDS = 300.0
FOLDER = Path(__file__).parent / "demo_job"


def demo() -> None:
    """Start a service, create a hybrid job with the real AWS CLI, show its progress and outcome, stop the service."""
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    with service.started() as (access, data_dir), tempfile.TemporaryDirectory(prefix="braketeer-demo-") as scratch:
        console.print(f"[bold]Braketeer[/] answers the Amazon Braket API at {access.endpoint} (data in {data_dir})")
        job = _Job(access, Path(scratch), console)
        job.create()
        status = job.follow()
        energy = job.result().get("energy") if status == "COMPLETED" else None
        job.show_artefacts()
    exact = exact_energy(json.loads((FOLDER / "h2_sto3g.json").read_text()))
    if not isinstance(energy, float):
        raise Problem(f"The job ended as {status} without an energy")
    error = abs(energy - exact)
    right = error < TOLERANCE
    console.print(f"Energy from quantum tasks  {energy:.10f} hartree")
    console.print(f"Exact (diagonalisation)    {exact:.10f} hartree")
    colour = "green" if right else "red"
    seconds = time.monotonic() - began
    console.print(f"[{colour}]Difference {error:.1e} hartree[/], in {seconds:.1f} s with start and stop")
    if not right:
        raise Problem("The energy is wrong")


class _Job:
    """The demo's hybrid job: the AWS CLI creates it and fetches its result; botocore watches it meanwhile."""

    def __init__(self, access: service.Access, scratch: Path, console: Console) -> None:
        import botocore.session

        self._access = access
        self._scratch = scratch
        self._console = console
        self._bucket = "amazon-braket-demo"
        self._name = "vqe-hydrogen"
        self._arn = ""
        session = botocore.session.Session()
        session.set_credentials(access.access_key_id, access.secret_access_key)
        self._braket: Any = session.create_client("braket", service.REGION, endpoint_url=access.endpoint)
        self._logs: Any = session.create_client("logs", service.REGION, endpoint_url=access.endpoint)

    def create(self) -> None:
        """Upload source and input, then ``aws braket create-job`` with every part that a job can have."""
        source = self._scratch / "source.tar.gz"
        with tarfile.open(source, "w:gz") as archive:
            archive.add(FOLDER / "vqe_h2.py", arcname="vqe_h2.py")
        uri = f"s3://{self._bucket}/jobs/{self._name}"
        self._aws("s3", "mb", f"s3://{self._bucket}")
        self._aws("s3", "cp", str(source), f"{uri}/script/source.tar.gz")
        self._aws("s3", "cp", str(FOLDER / "h2_sto3g.json"), f"{uri}/data/hamiltonian/h2_sto3g.json")
        answer = self._aws(
            *("braket", "create-job", "--job-name", self._name, "--client-token", str(uuid.uuid4())),
            *("--role-arn", "arn:aws:iam::000000000000:role/service-role/AmazonBraketJobsExecutionRole"),
            "--algorithm-specification",
            f"scriptModeConfig={{entryPoint=vqe_h2:main,s3Uri={uri}/script/source.tar.gz,compressionType=GZIP}}",
            *("--device-config", f"device={SV1}"),
            "--input-data-config",
            "channelName=hamiltonian,contentType=application/json,"
            f"dataSource={{s3DataSource={{s3Uri={uri}/data/hamiltonian/}}}}",
            *("--hyper-parameters", f"sweeps={SWEEPS},tolerance=1e-9,seed=8"),
            *("--output-data-config", f"s3Path={uri}/output"),
            *("--checkpoint-config", f"s3Uri={uri}/checkpoints,localPath=/opt/braket/checkpoints"),
            *("--instance-config", "instanceType=ml.m5.large,volumeSizeInGb=30,instanceCount=1"),
            *("--stopping-condition", "maxRuntimeInSeconds=240"),
            *("--tags", "project=demo,molecule=hydrogen"),
        )
        self._arn = json.loads(answer)["jobArn"]
        self._output = f"{uri}/output"
        self._console.print(f"Hybrid job {self._arn}")

    def follow(self) -> str:
        """Show events and metrics until the job has ended; returns its final status."""
        seen_events = 0
        sweeps = 0
        deadline = time.monotonic() + MOST_SECONDS
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            bar = progress.add_task("sweeps", total=SWEEPS)
            while True:
                job = self._braket.get_job(jobArn=self._arn)
                for event in job["events"][seen_events:]:
                    self._console.print(f"  {event['timeOfEvent']:%H:%M:%S} {event['eventType']}: {event['message']}")
                seen_events = len(job["events"])
                energies = self._energies()
                for sweep, energy in enumerate(energies[sweeps:], sweeps + 1):
                    self._console.print(f"           sweep {sweep:2}  energy {energy:.8f} hartree")
                    progress.update(bar, completed=sweep, description=f"energy {energy:.6f}")
                sweeps = len(energies)
                if job["status"] in ("COMPLETED", "FAILED", "CANCELLED"):
                    break
                if time.monotonic() > deadline:
                    raise Problem(f"The job is still {job['status']} after {MOST_SECONDS:.0f} s")
                time.sleep(0.1)
        if "failureReason" in job:
            self._console.print(f"[red]{job['failureReason']}[/]")
        return str(job["status"])

    def result(self) -> dict[str, Any]:
        """What ``save_job_result`` saved, out of model.tar.gz."""
        archive = self._scratch / "model.tar.gz"
        self._aws("s3", "cp", f"{self._output}/output/model.tar.gz", str(archive))
        with tarfile.open(archive) as content:
            member = content.extractfile("results.json")
            document = json.load(member if member is not None else io.BytesIO(b"{}"))
        data: dict[str, Any] = document.get("dataDictionary", {})
        self._console.print(f"{data.get('sweeps')} sweeps, {data.get('tasks')} quantum tasks on SV1")
        return data

    def show_artefacts(self) -> None:
        self._console.print("Artefacts in S3:")
        for line in self._aws("s3", "ls", "--recursive", f"s3://{self._bucket}/jobs/").splitlines():
            if "/tasks/" not in line:
                self._console.print(f"  s3://{self._bucket}/{line.split()[-1]}")

    def _energies(self) -> list[float]:
        """The metric ``energy`` of each iteration so far, out of the job's log."""
        group, prefix = "/aws/braket/jobs", f"{self._name}/{self._arn.rpartition('/')[2]}/"
        try:
            streams = self._logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        lines: list[str] = []
        for stream in streams:
            token: dict[str, str] = {}
            while True:
                page = self._logs.get_log_events(
                    logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True, **token
                )
                if not page["events"]:
                    break
                lines += [event["message"] for event in page["events"]]
                token = {"nextToken": page["nextForwardToken"]}
        metrics = [line for line in lines if line.startswith("Metrics - ") and "energy=" in line]
        return [float(line.split("energy=")[1].split(";")[0]) for line in metrics]

    def _aws(self, *arguments: str) -> str:
        """Run the AWS CLI, showing the command when it is Braket's."""
        if arguments[0] == "braket":
            self._console.print(f"$ aws {' '.join(arguments[:2])} --job-name {self._name} ...")
        done = subprocess.run(
            [*aws_command(), *arguments],
            env=self._access.environment() | {"AWS_PAGER": "", "AWS_DEFAULT_OUTPUT": "json"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Problem(f"aws {' '.join(arguments[:2])} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def exact_energy(problem: dict[str, Any]) -> float:
    """The least eigenvalue of the Hamiltonian in hartree, by dense diagonalisation."""
    import numpy as np

    matrices = {
        "I": np.eye(2, dtype=complex),
        "X": np.array([[0, 1], [1, 0]], dtype=complex),
        "Y": np.array([[0, -1j], [1j, 0]]),
        "Z": np.diag([1, -1]).astype(complex),
    }
    qubits = range(len(problem["reference_state"]))
    hamiltonian = 0
    for weight, string in problem["terms"]:
        letters = {int(factor[1:]): factor[0] for factor in string.split()}
        hamiltonian = hamiltonian + weight * reduce(np.kron, [matrices[letters.get(qubit, "I")] for qubit in qubits])
    return float(np.linalg.eigvalsh(hamiltonian)[0])
