"""What a job's requirements.txt files ask for: installed once for an account, in the sandbox, or a clear refusal."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from braketeer.work import sandbox
from tests.integration.job_host import JobHost, archive, until

MEMORY = 400 << 20


def wheel(name: str, body: str, version: str = "1.0", requires: str = "") -> bytes:
    """A package with one module, as a wheel file."""
    data, info = io.BytesIO(), f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(data, "w") as packed:
        packed.writestr(f"{name}.py", body)
        packed.writestr(f"{info}/METADATA", metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")
    return data.getvalue()


@pytest.fixture(scope="module", params=["bubblewrap", "bubblewrap-user", "none"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobHost]:
    if request.param != "none" and not sandbox.probe().isolates:
        pytest.skip(f"no sandbox here: {sandbox.probe().reason}")
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("UV_")}
    os.environ["UV_OFFLINE"] = "1"  # as an operator would say it; tests need no index
    started = JobHost(tmp_path_factory.mktemp("host"), request.param, memory_bytes=MEMORY).start()
    yield started
    started.close()
    del os.environ["UV_OFFLINE"]
    os.environ.update(before)


def layers(host: JobHost) -> list[Path]:
    top = host.folder / "data" / "job-packages" / "000000000000"
    return sorted(path for path in top.iterdir() if path.is_dir()) if top.exists() else []


def test_any_number_of_requirements_files_is_installed_once(host: JobHost) -> None:
    source = archive(
        {
            "script.py": (
                "import subprocess, sys, first, second\n"
                "print(first.WORD, second.WORD, first.__file__)\n"
                "print(subprocess.run([sys.executable, '-c', 'import first'], check=True).returncode, 'below')\n"
            ),
            "requirements.txt": "./deep/first-1.0-py3-none-any.whl\n",
            "deep/requirements.txt": "numpy\n./deep/second-1.0-py3-none-any.whl  # a comment\n",
            "deep/first-1.0-py3-none-any.whl": wheel("first", "WORD = 'one'"),
            "deep/second-1.0-py3-none-any.whl": wheel("second", "WORD = 'two'", requires="first"),
        }
    )
    for _ in range(2):
        job_id = host.create(source)
        job = host.ended(job_id)
        assert (job["status"], job["failure_reason"]) == ("COMPLETED", None), host.log(job_id)
        assert any(line.startswith("one two ") for line in host.log(job_id))
        assert "0 below" in host.log(job_id)
    found = layers(host)
    assert len(found) == 1
    assert {path.name for path in found[0].glob("*.py")} == {"first.py", "second.py"}
    assert not (found[0] / "numpy").exists(), "what the environment has is not installed again"
    assert [line for line in host.log(job_id) if "Installing" in line] == [], (
        "the second job uses the first one's layer"
    )


def test_what_the_environment_has_needs_no_index(host: JobHost) -> None:
    before = len(layers(host))
    job_id = host.create(archive({"script.py": "import numpy", "requirements.txt": "numpy>=1\n\n# nothing else\n"}))
    assert host.ended(job_id)["status"] == "COMPLETED", host.log(job_id)
    assert len(layers(host)) == before + 1


def test_what_cannot_be_had_fails_the_job_with_the_reason(host: JobHost) -> None:
    before = layers(host)
    source = archive({"script.py": "print('never')", "requirements.txt": "no-such-package-anywhere==7\n"})
    job = host.ended(host.create(source))
    assert job["status"] == "FAILED"
    assert job["failure_reason"].startswith("requirements.txt cannot be installed: ")
    assert "no-such-package-anywhere" in job["failure_reason"]
    assert layers(host) == before


def built_by(code: str, more: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """A source whose requirement is a package in it that this code builds; no index is asked for a builder."""
    system = '[build-system]\nrequires = []\nbuild-backend = "maker"\nbackend-path = ["."]\n'
    project = '[project]\nname = "built"\nversion = "1.0"\n'
    return archive(
        {
            "script.py": "print('never')",
            "requirements.txt": "./package\n",
            "package/pyproject.toml": system + project,
            "package/maker.py": f"def build_wheel(*_):\n    import os, time\n    {code}\n",
            **more,
        }
    )


def test_a_package_builds_without_sight_of_the_service(host: JobHost) -> None:
    if host.folder_is_seen:
        pytest.skip("without a sandbox a job's code sees what the service does")
    secret = host.folder / "data" / "secret.key"
    assert secret.exists()
    job = host.ended(host.create(built_by(f"raise SystemExit('eyes: ' + str(os.path.exists({str(secret)!r})))")))
    assert job["status"] == "FAILED"
    assert "eyes: False" in job["failure_reason"]


def test_a_package_is_built_with_a_hosts_memory(host: JobHost) -> None:
    job = host.ended(host.create(built_by(f"taken = b'x' * {2 * MEMORY}; time.sleep(60)")), 50)
    assert job["status"] == "FAILED"
    assert "of memory" in job["failure_reason"]


TRAPS = """
import base64, os, zipfile
work = os.path.dirname(os.environ["HOME"])
secret, victim = {secret!r}, {victim!r}
for trap, target in (("new.txt", victim), ("packages", secret)):
    try:
        if trap == "packages":
            os.rename(os.path.join(work, trap), os.path.join(work, "moved"))
        os.symlink(target, os.path.join(work, trap))
    except OSError:
        pass

def build_wheel(folder, *_):
    with open(os.path.join(folder, "built-1.0-py3-none-any.whl"), "wb") as file:
        file.write(base64.b64decode({wheel!r}))
    return "built-1.0-py3-none-any.whl"
"""


def test_a_package_that_is_built_leads_the_runner_nowhere(host: JobHost) -> None:
    if host.folder_is_seen:
        pytest.skip("without a sandbox a job's code sees what the service does")
    secret, victim = host.folder / "data", host.folder / "data" / "victim"
    victim.write_text("untouched")
    built = base64.b64encode(wheel("built", "WORD = 'built'"))
    maker = TRAPS.format(secret=str(secret), victim=str(victim), wheel=built)
    script = "import built, os\nprint(built.WORD, sorted(os.listdir(os.path.dirname(built.__file__))))\n"
    job_id = host.create(built_by("", {"script.py": script, "package/maker.py": maker}))
    job = host.ended(job_id)
    assert (job["status"], job["failure_reason"]) == ("COMPLETED", None), host.log(job_id)
    assert any(line.startswith("built [") for line in host.log(job_id))
    assert victim.read_text() == "untouched"
    assert not any(layer.is_symlink() for layer in layers(host))


def test_a_job_is_cancelled_while_its_packages_are_built(host: JobHost) -> None:
    many = "[open(os.path.join(os.environ['TMPDIR'], name), 'w').close() for name in [*map(str, range(10_000)), 'all']]"
    job_id = host.create(built_by(f"{many}; time.sleep(300)"))
    top = host.folder / "data" / "job-packages"
    until(lambda: list(top.glob("*/.*/room/all")), bool)
    host.cancel(job_id)
    assert host.ended(job_id, 20)["status"] == "CANCELLED"
    until(lambda: marked(job_id), lambda found: not found, 10)
    assert [path.name for path in layers(host) if path.name.startswith(".")] == [], "nothing half built is left"


def marked(job_id: str) -> list[str]:
    """The processes of a job, by their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"BRAKETEER_JOB_ID={job_id}".encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def test_a_layer_is_made_by_one_job_though_several_want_it(host: JobHost) -> None:
    before = len(layers(host))
    source = archive(
        {
            "script.py": "import third",
            "requirements.txt": "./third-1.0-py3-none-any.whl\n",
            "third-1.0-py3-none-any.whl": wheel("third", ""),
        }
    )
    jobs = [host.create(source) for _ in range(3)]
    assert {host.ended(job_id)["status"] for job_id in jobs} == {"COMPLETED"}
    assert len(layers(host)) == before + 1
    assert sum("Installing requirements.txt" in host.log(job_id) for job_id in jobs) == 1
