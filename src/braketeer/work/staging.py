"""Lays out /opt/ml before a script starts: its code, its inputs, its checkpoints, its configuration.

All of it is done by the trusted runner, so nothing here follows a link or believes a name.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from braketeer.domain.s3_places import Place
from braketeer.work.job_archives import BadArchive, is_archive, unpack
from braketeer.work.job_storage import NotThere, Storage, StorageError

HARNESS = Path(__file__).with_name("harness.py")
LARGEST_MANIFEST = 16 << 20


class StagingError(Exception):
    """The job cannot start. The text becomes its failureReason."""


def stage(request: Mapping[str, Any], storage: Storage, ml: Path, checkpoints: Path, most_bytes: int) -> None:
    """Make ``ml`` what the container contract calls /opt/ml; StagingError says what is missing or wrong.

    ``request`` holds CreateJob's members. Checkpoints of an earlier run at ``checkpointConfig.s3Uri`` are brought to
    ``checkpoints``.
    """
    for folder in ("code/customer_code/original", "code/customer_code/extracted", "code/additional_setup"):
        (ml / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("input/config", "input/data", "model", "output/data", "additional_setup"):
        (ml / folder).mkdir(parents=True, exist_ok=True)
    checkpoints.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HARNESS, ml / "code/braket_container.py")
    script = request["algorithmSpecification"].get("scriptModeConfig")
    if script:  # else the job's image runs its own entry point
        stage_code(script, storage, ml / "code/customer_code", most_bytes)
    for channel in request.get("inputDataConfig") or []:
        stage_channel(channel, storage, ml / "input/data")
    uri = (request.get("checkpointConfig") or {}).get("s3Uri")
    if uri:
        restore_checkpoints(uri, storage, checkpoints)


def stage_code(script: Mapping[str, Any], storage: Storage, folder: Path, most_bytes: int) -> None:
    """Download the script or archive to ``original/`` and put its content into ``extracted/``.

    GZIP unpacks a tar or zip archive; NONE copies the file; without a word the content decides.
    """
    uri, compression = script["s3Uri"], (script.get("compressionType") or "").upper()
    place = _place(uri, "The script")
    name = place.key.rpartition("/")[2]
    if not name or name in {".", ".."}:
        raise StagingError(f"The script's S3 address {uri} names no file")
    original = folder / "original" / name
    _download(storage, place, original, "The script")
    if compression in {"GZIP", "ZIP"} or (not compression and is_archive(original)):
        try:
            unpack(original, folder / "extracted", most_bytes)
        except BadArchive as problem:
            raise StagingError(f"The script's archive {uri} was refused: {problem}") from problem
    else:
        shutil.copyfile(original, folder / "extracted" / name)


def stage_channel(channel: Mapping[str, Any], storage: Storage, data: Path) -> None:
    """Bring one input channel to ``data/{channelName}``.

    Where all matching keys lie below ``{prefix}/``, the prefix is a folder and its content comes directly into the
    channel. Else everything that begins with the prefix keeps its own name (as the SDK's local jobs do). A single
    object that is a manifest, as SageMaker's ManifestFile has it, stands for the objects that it names.
    """
    name = channel["channelName"]
    uri = channel["dataSource"]["s3DataSource"]["s3Uri"]
    place = _place(uri, f"Channel '{name}'")
    target = data / name
    if name in {".", ".."} or "/" in name:
        raise StagingError(f"'{name}' cannot be the name of a channel")
    try:
        target.mkdir()
    except FileExistsError:
        raise StagingError(f"There are two channels named '{name}'") from None
    files = {key: path for key, path in channel_paths(place.key, _keys(storage, place)).items() if path}
    if not files:
        raise StagingError(f"No data found for channel '{name}': nothing at {uri}")
    for key, path in files.items():
        _download(storage, Place(place.bucket, key), target / _safe(path, key), f"Channel '{name}'")
    if list(files) == [place.key] and place.key.rpartition("/")[2].rpartition(".")[2] == "manifest":
        _stage_manifest(name, target / files[place.key], storage)


def _stage_manifest(channel: str, manifest: Path, storage: Storage) -> None:
    """Put what a manifest names in its place: ``[{"prefix": "s3://bucket/some/"}, "relative/path", ...]``."""
    what = f"The manifest of channel '{channel}'"
    try:
        if manifest.stat().st_size > LARGEST_MANIFEST:
            raise ValueError(f"it is larger than {LARGEST_MANIFEST >> 20} MiB")
        head, *paths = json.loads(manifest.read_bytes())
        place = _place(head["prefix"], what)
        if not all(isinstance(path, str) for path in paths):
            raise ValueError("what comes after the prefix must be names")
    except (ValueError, LookupError, TypeError) as problem:
        form = '[{"prefix": "s3://bucket/some/"}, "relative/path", ...]'
        raise StagingError(f"{what} is not of the form {form}: {problem}") from problem
    manifest.unlink()
    for path in paths:
        _download(storage, Place(place.bucket, place.key + path), manifest.parent / _safe(path, path), what)


def channel_paths(prefix: str, keys: list[str]) -> dict[str, str]:
    """Each key's path below its channel; folder markers (keys that end in a slash) are left out."""
    is_folder = prefix.endswith("/") or not prefix or all(key.startswith(f"{prefix}/") for key in keys)
    top = prefix.rstrip("/") + "/" if is_folder and prefix else prefix.rpartition("/")[0] + "/" if "/" in prefix else ""
    return {key: key.removeprefix(top) for key in keys if not key.endswith("/")}


def restore_checkpoints(uri: str, storage: Storage, folder: Path) -> None:
    """Bring what lies at the checkpoints' S3 address to ``folder``. Nothing there is no error: it is a first run."""
    place = _place(uri, "The checkpoints")
    prefix = place.key.rstrip("/") + "/" if place.key else ""
    for key in _keys(storage, Place(place.bucket, prefix)):
        if not key.endswith("/"):
            path = _safe(key.removeprefix(prefix), key)
            _download(storage, Place(place.bucket, key), folder / path, "The checkpoints")


def write_configuration(ml: Path, files: Mapping[str, Any]) -> None:
    """The JSON files of /opt/ml/input/config, by name."""
    for name, content in files.items():
        (ml / "input/config" / name).write_text(json.dumps(content))


def _place(uri: str, what: str) -> Place:
    try:
        return Place.parse(uri)
    except ValueError as problem:
        raise StagingError(f"{what}: {problem}") from problem


def _keys(storage: Storage, place: Place) -> list[str]:
    try:
        return storage.keys(place)
    except NotThere:
        return []
    except StorageError as problem:
        raise StagingError(str(problem)) from problem


def _download(storage: Storage, place: Place, target: Path, what: str) -> None:
    try:
        storage.download(place, target)
    except NotThere as problem:
        raise StagingError(f"{what} cannot be downloaded. {problem}") from problem
    except StorageError as problem:
        raise StagingError(f"{what}: {problem}") from problem
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as problem:
        raise StagingError(f"{what}: {place} is both a file and a folder of others") from problem
    except OSError as problem:
        raise StagingError(f"{what}: {place} cannot be written: {problem.strerror}") from problem


def _safe(path: str, key: str) -> str:
    """A path below the target, from a key that anybody may have chosen."""
    parts = [part for part in path.split("/") if part]
    if not parts or {".", ".."} & set(parts) or "\0" in path:
        raise StagingError(f"The key '{key}' cannot be a file's path")
    return "/".join(parts)
