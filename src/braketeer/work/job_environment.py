"""What a job's process sees: environment variables and the JSON files of /opt/ml/input/config. Pure.

Names and values: the SDK's local jobs (``braket/jobs/local/local_job_container_setup.py``) and the SageMaker training
toolkit's environment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from braketeer.domain.jobs import DEFAULT_CHECKPOINT_PATH
from braketeer.domain.s3_places import Place
from braketeer.work.job_folder import JobSpec

HOST = "algo-1"
NETWORK_INTERFACE = "eth0"
LONGEST_VARIABLE = 128 * 1024 - 64  # what Linux takes as one string


@dataclass(frozen=True, slots=True)
class SeenPaths:
    """Folders under the names by which the job knows them: real ones without a sandbox."""

    ml: str = "/opt/ml"
    braket: str = "/opt/braket"
    checkpoints: str = DEFAULT_CHECKPOINT_PATH
    home: str = "/home/job"
    temporary: str = "/tmp"  # noqa: S108 - a folder of the job's own


def environment(spec: JobSpec, paths: SeenPaths, cpus: int, path: str) -> dict[str, str]:
    """Every variable of the job's process; nothing is inherited. ``path`` is its PATH."""
    variables = {
        "PATH": path,
        "HOME": paths.home,
        "TMPDIR": paths.temporary,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "TRUE",
        "BRAKETEER_JOB_ID": spec.job_id,
    }
    return variables | _aws(spec) | _braket(spec, paths) | _sagemaker(spec, paths, cpus)


def configuration(spec: JobSpec) -> dict[str, Any]:
    """The files of /opt/ml/input/config: name to content."""
    return {
        "hyperparameters.json": _hyperparameters(spec),
        "inputdataconfig.json": _input_data_config(spec),
        "resourceconfig.json": _resource_config(spec),
    }


def arguments(spec: JobSpec) -> list[str]:
    """The hyperparameters as the toolkit gives them on the command line: ``--name value``."""
    return [word for name, value in _hyperparameters(spec).items() for word in (f"--{name}", value.replace("\0", " "))]


def _aws(spec: JobSpec) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": spec.endpoint,
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_ACCESS_KEY_ID": spec.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": spec.credentials.secret_access_key,
        "AWS_SESSION_TOKEN": spec.credentials.session_token,
        # The SDK would ask the cloud's metadata address for credentials and wait for nobody's answer.
        "AWS_EC2_METADATA_DISABLED": "true",
        "BRAKET_PRICE_OFFERS_URL": f"{spec.endpoint}/_braketeer/prices.csv",
    }


def _braket(spec: JobSpec, paths: SeenPaths) -> dict[str, str]:
    request = spec.request
    script = request["algorithmSpecification"].get("scriptModeConfig") or {}
    output = Place.parse(request["outputDataConfig"]["s3Path"])
    device = request["deviceConfig"]["device"]
    variables = {
        "AMZN_BRAKET_JOB_NAME": spec.job_name,
        "AMZN_BRAKET_JOB_TOKEN": spec.job_token,
        "AMZN_BRAKET_DEVICE_ARN": device,
        "AMZN_BRAKET_JOB_RESULTS_DIR": f"{paths.braket}/model",
        "AMZN_BRAKET_CHECKPOINT_DIR": paths.checkpoints,
        "AMZN_BRAKET_OUT_S3_BUCKET": output.bucket,
        "AMZN_BRAKET_TASK_RESULTS_S3_URI": f"s3://{output.bucket}/jobs/{spec.job_name}/tasks",
        "AMZN_BRAKET_JOB_RESULTS_S3_PATH": (output / "output").key,
        "AMZN_BRAKET_SCRIPT_S3_URI": script.get("s3Uri", ""),
        "AMZN_BRAKET_SCRIPT_ENTRY_POINT": script.get("entryPoint", ""),
    }
    if script.get("compressionType"):
        variables["AMZN_BRAKET_SCRIPT_COMPRESSION_TYPE"] = script["compressionType"]
    if _hyperparameters(spec):
        variables["AMZN_BRAKET_HP_FILE"] = f"{paths.braket}/input/config/hyperparameters.json"
    if request.get("inputDataConfig"):
        variables["AMZN_BRAKET_INPUT_DIR"] = f"{paths.braket}/input/data"
    for association in request.get("associations") or []:
        if association["type"] == "RESERVATION_TIME_WINDOW_ARN":
            variables["AMZN_BRAKET_RESERVATION_DEVICE_ARN"] = device
            variables["AMZN_BRAKET_RESERVATION_TIME_WINDOW_ARN"] = association["arn"]
    return variables


def _sagemaker(spec: JobSpec, paths: SeenPaths, cpus: int) -> dict[str, str]:
    hyperparameters = _hyperparameters(spec)
    channels = {name: f"{paths.ml}/input/data/{name}" for name in _input_data_config(spec)}
    resources = _resource_config(spec)
    training = {
        "channel_input_dirs": channels,
        "current_host": HOST,
        "hosts": resources["hosts"],
        "hyperparameters": hyperparameters,
        "input_config_dir": f"{paths.ml}/input/config",
        "input_data_config": _input_data_config(spec),
        "input_dir": f"{paths.ml}/input",
        "is_master": True,
        "job_name": _training_job_name(spec),
        "log_level": 20,
        "master_hostname": HOST,
        "model_dir": f"{paths.ml}/model",
        "module_name": "braket_container",
        "network_interface_name": NETWORK_INTERFACE,
        "num_cpus": cpus,
        "num_gpus": 0,
        "output_data_dir": f"{paths.ml}/output/data",
        "output_dir": f"{paths.ml}/output",
        "resource_config": resources,
        "user_entry_point": "braket_container.py",
    }
    variables = {
        "TRAINING_JOB_NAME": _training_job_name(spec),
        "SAGEMAKER_PROGRAM": "braket_container.py",
        "SM_HOSTS": json.dumps(resources["hosts"]),
        "SM_CURRENT_HOST": HOST,
        "SM_NETWORK_INTERFACE_NAME": NETWORK_INTERFACE,
        "SM_HPS": json.dumps(hyperparameters),
        "SM_USER_ENTRY_POINT": "braket_container.py",
        "SM_USER_ARGS": json.dumps(arguments(spec)),
        "SM_MODULE_NAME": "braket_container",
        "SM_CHANNELS": json.dumps(sorted(channels)),
        "SM_INPUT_DIR": f"{paths.ml}/input",
        "SM_INPUT_CONFIG_DIR": f"{paths.ml}/input/config",
        "SM_INPUT_DATA_CONFIG": json.dumps(_input_data_config(spec)),
        "SM_MODEL_DIR": f"{paths.ml}/model",
        "SM_OUTPUT_DIR": f"{paths.ml}/output",
        "SM_OUTPUT_DATA_DIR": f"{paths.ml}/output/data",
        "SM_NUM_CPUS": str(cpus),
        "SM_NUM_GPUS": "0",
        "SM_RESOURCE_CONFIG": json.dumps(resources),
        "SM_TRAINING_ENV": json.dumps(training),
    }
    variables |= {f"SM_CHANNEL_{name.upper()}": folder for name, folder in channels.items()}
    variables |= {f"SM_HP_{name.upper()}": value for name, value in hyperparameters.items()}
    return {name: value for name, value in variables.items() if _can_be_set(name, value)}


def _hyperparameters(spec: JobSpec) -> Mapping[str, str]:
    return spec.request.get("hyperParameters") or {}


def _input_data_config(spec: JobSpec) -> dict[str, dict[str, str]]:
    config = {}
    for channel in spec.request.get("inputDataConfig") or []:
        content = {"ContentType": channel["contentType"]} if channel.get("contentType") else {}
        config[channel["channelName"]] = {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            **content,
        }
    return config


def _resource_config(spec: JobSpec) -> dict[str, Any]:
    kind = spec.request["instanceConfig"]["instanceType"]
    group = {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": kind,
        "current_group_name": "homogeneousCluster",
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": NETWORK_INTERFACE,
    }


def _training_job_name(spec: JobSpec) -> str:
    return f"BraketJob-{spec.account}-{spec.job_id}"


def _can_be_set(name: str, value: str) -> bool:
    """Whether the system takes it as an environment variable; 100 long hyperparameters in one are too long."""
    return "=" not in name and "\0" not in name + value and len(name.encode()) + len(value.encode()) < LONGEST_VARIABLE
