"""What a job's process sees: environment variables and the JSON files of /opt/ml/input/config. Pure.

Names and values: the SDK's local jobs (``braket/jobs/local/local_job_container_setup.py``) and the SageMaker training
toolkit's environment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from braketeer.domain.jobs import DEFAULT_CHECKPOINT_PATH
from braketeer.domain.s3_places import Place
from braketeer.work.job_folder import JobSpec

PORT = 7777  # where the hosts of a job meet, as SageMaker's own launchers have it
LONGEST_VARIABLE = 128 * 1024 - 64  # what Linux takes as one string


@dataclass(frozen=True, slots=True)
class SeenPaths:
    """Folders under the names by which the job knows them: real ones without a sandbox."""

    ml: str = "/opt/ml"
    braket: str = "/opt/braket"
    checkpoints: str = DEFAULT_CHECKPOINT_PATH
    home: str = "/home/job"
    temporary: str = "/tmp"  # noqa: S108 - a folder of the job's own


def addresses(spec: JobSpec) -> dict[str, str]:
    """An address of each host's own. All lead to this machine, so jobs that share its network need not meet."""
    digest = hashlib.sha256(spec.job_id.encode()).digest()
    block = f"127.{1 + digest[0] % 254}.{digest[1]}"
    return {host: f"{block}.{number}" for number, host in enumerate(spec.hosts, 1)}


def etc_hosts(spec: JobSpec, more: Mapping[str, str], of_the_machine: str) -> str:
    """The file /etc/hosts of the job: its hosts by name, and ``more`` names."""
    lines = [f"{address}\t{name}" for name, address in {**addresses(spec), **more}.items()]
    return "\n".join([of_the_machine.rstrip("\n"), *lines, ""])


def environment(spec: JobSpec, endpoint: str, host: str, paths: SeenPaths, cpus: int, path: str) -> dict[str, str]:
    """Every variable of a host's process; nothing is inherited. ``endpoint`` is the service, ``path`` its PATH."""
    variables = {
        "PATH": path,
        "HOME": paths.home,
        "TMPDIR": paths.temporary,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "TRUE",
        "BRAKETEER_JOB_ID": spec.job_id,
    }
    return (
        variables | _aws(spec, endpoint) | _braket(spec, paths) | _sagemaker(spec, host, paths, cpus) | _meeting(spec)
    )


def configuration(spec: JobSpec, host: str) -> dict[str, Any]:
    """The files of a host's /opt/ml/input/config: name to content."""
    return {
        "hyperparameters.json": _hyperparameters(spec),
        "inputdataconfig.json": _input_data_config(spec),
        "resourceconfig.json": _resource_config(spec, host),
    }


def arguments(spec: JobSpec) -> list[str]:
    """The hyperparameters as the toolkit gives them on the command line: ``--name value``."""
    return [word for name, value in _hyperparameters(spec).items() for word in (f"--{name}", value.replace("\0", " "))]


def _aws(spec: JobSpec, endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_ACCESS_KEY_ID": spec.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": spec.credentials.secret_access_key,
        "AWS_SESSION_TOKEN": spec.credentials.session_token,
        # The SDK would ask the cloud's metadata address for credentials and wait for nobody's answer.
        "AWS_EC2_METADATA_DISABLED": "true",
        "BRAKET_PRICE_OFFERS_URL": f"{endpoint}/_braketeer/prices.csv",
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


def _meeting(spec: JobSpec) -> dict[str, str]:
    """How several hosts find each other, for those who cannot look names up (there is no sandbox)."""
    if spec.host_count == 1:
        return {}
    found = addresses(spec)
    return {
        "MASTER_ADDR": found[spec.hosts[0]],
        "MASTER_PORT": str(PORT),
        "BRAKETEER_HOST_ADDRESSES": json.dumps(found),
    }


def _sagemaker(spec: JobSpec, host: str, paths: SeenPaths, cpus: int) -> dict[str, str]:
    hyperparameters = _hyperparameters(spec)
    channels = {name: f"{paths.ml}/input/data/{name}" for name in _input_data_config(spec)}
    resources = _resource_config(spec, host)
    interface = resources["network_interface_name"]
    training = {
        "channel_input_dirs": channels,
        "current_host": host,
        "hosts": resources["hosts"],
        "hyperparameters": hyperparameters,
        "input_config_dir": f"{paths.ml}/input/config",
        "input_data_config": _input_data_config(spec),
        "input_dir": f"{paths.ml}/input",
        "is_master": host == spec.hosts[0],
        "job_name": _training_job_name(spec),
        "log_level": 20,
        "master_hostname": spec.hosts[0],
        "model_dir": f"{paths.ml}/model",
        "module_name": "braket_container",
        "network_interface_name": interface,
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
        "SM_CURRENT_HOST": host,
        "SM_NETWORK_INTERFACE_NAME": interface,
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


def _resource_config(spec: JobSpec, host: str) -> dict[str, Any]:
    kind = spec.request["instanceConfig"]["instanceType"]
    group = {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": spec.hosts}
    return {
        "current_host": host,
        "current_instance_type": kind,
        "current_group_name": "homogeneousCluster",
        "hosts": spec.hosts,
        "instance_groups": [group],
        # What several hosts bind to must be there: they meet on this machine's own interface.
        "network_interface_name": "eth0" if spec.host_count == 1 else "lo",
    }


def _training_job_name(spec: JobSpec) -> str:
    return f"BraketJob-{spec.account}-{spec.job_id}"


def _can_be_set(name: str, value: str) -> bool:
    """Whether the system takes it as an environment variable; 100 long hyperparameters in one are too long."""
    return "=" not in name and "\0" not in name + value and len(name.encode()) + len(value.encode()) < LONGEST_VARIABLE
