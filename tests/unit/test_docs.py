"""The documentation is complete: every setting, command, dependency and operation that exists is in it."""

import tomllib
from dataclasses import fields
from itertools import chain
from pathlib import Path

import pytest
from botocore.loaders import Loader

from braketeer.cli import app
from braketeer.config import Settings
from braketeer.server import Service

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / "docs").exists(), reason="the documentation is not part of this package")


def text(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_setting_is_described() -> None:
    page = text("docs/settings.md")
    variables = [item.metadata.get("variable", "BRAKETEER_DATA_DIR") for item in fields(Settings)]
    assert [variable for variable in variables if f"`{variable}`" not in page] == []


def test_every_command_is_described() -> None:
    commands = [command.name or command.callback.__name__ for command in app.registered_commands]
    for group in app.registered_groups:
        commands += [
            f"{group.name} {command.name or command.callback.__name__}"
            for command in group.typer_instance.registered_commands
        ]
    pages = text("README.md") + "".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    assert [name for name in commands if name != "version" and f"braketeer {name}" not in pages] == []


def test_every_braket_operation_is_described() -> None:
    page = text("docs/compatibility.md")
    operations = Loader().load_service_model("braket", "service-2")["operations"]
    assert len(operations) == 17
    assert [name for name in operations if name not in page] == []


def test_every_s3_operation_is_described() -> None:
    page = text("docs/s3.md")
    operations = Loader().load_service_model("s3", "service-2")["operations"]
    served = [name for name, operation in operations.items() if not operation.get("deprecated")]
    assert [name for name in served if name not in page] == []


def test_every_dependency_is_justified() -> None:
    page = text("docs/architecture.md")
    project = tomllib.loads(text("pyproject.toml"))["project"]
    declared = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = [requirement.split(">")[0].split("=")[0].split(";")[0].strip() for requirement in declared]
    assert [name for name in names if name not in page] == []


def test_every_test_data_set_names_its_origin_and_licence() -> None:
    for folder in (ROOT / "tests" / "data").iterdir():
        page = (folder / "README.md").read_text()
        assert "this project" in page or "commit" in page, folder
        assert "Apache-2.0" in page or "licence" in page.lower(), folder


def test_every_request_of_the_operators_api_is_described(tmp_path: Path) -> None:
    service = Service(Settings(data_dir=tmp_path), "http://127.0.0.1:1")
    routes = service.routes()
    service.objects.close()
    service.database.close()
    pages = "".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    assert [f"{route.method} {route.path}" for route in routes if f"{route.method} {route.path}" not in pages] == []
