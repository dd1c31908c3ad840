from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from braketeer.work.job_environment import SeenPaths, addresses, arguments, configuration, environment, etc_hosts
from braketeer.work.job_folder import Credentials, JobSpec

ENDPOINT = "http://127.0.0.1:4747"


def spec(**members: Any) -> JobSpec:
    request = {
        "algorithmSpecification": {"scriptModeConfig": {"entryPoint": "a:b", "s3Uri": "s3://code/a.tar.gz"}},
        "deviceConfig": {"device": "local:none/none"},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        "outputDataConfig": {"s3Path": "s3://bucket/jobs/out"},
        **members,
    }
    return JobSpec(
        job_id="id",
        job_arn="arn",
        job_name="name",
        job_token="token",
        account="000000000000",
        region="eu-west-2",
        endpoint="http://127.0.0.1:4747",
        credentials=Credentials("ASIA", "secret", "session"),
        request=request,
        python="/usr/bin/python3",
        sandbox="none",
        shown=[],
        hidden=[],
        run_seconds=1,
        grace_seconds=1,
        patience_seconds=1,
        memory_bytes=1,
        disk_bytes=1,
        most_processes=1,
    )


def test_the_variables_of_the_contract() -> None:
    seen = environment(
        spec(hyperParameters={"n": "1"}, inputDataConfig=[{"channelName": "x"}]),
        ENDPOINT,
        "algo-1",
        SeenPaths(),
        2,
        "/bin",
    )
    assert {
        "AMZN_BRAKET_JOB_NAME": "name",
        "AMZN_BRAKET_JOB_TOKEN": "token",
        "AMZN_BRAKET_DEVICE_ARN": "local:none/none",
        "AMZN_BRAKET_JOB_RESULTS_DIR": "/opt/braket/model",
        "AMZN_BRAKET_CHECKPOINT_DIR": "/opt/braket/checkpoints/",
        "AMZN_BRAKET_HP_FILE": "/opt/braket/input/config/hyperparameters.json",
        "AMZN_BRAKET_INPUT_DIR": "/opt/braket/input/data",
        "AMZN_BRAKET_OUT_S3_BUCKET": "bucket",
        "AMZN_BRAKET_TASK_RESULTS_S3_URI": "s3://bucket/jobs/name/tasks",
        "AMZN_BRAKET_JOB_RESULTS_S3_PATH": "jobs/out/output",
        "AMZN_BRAKET_SCRIPT_S3_URI": "s3://code/a.tar.gz",
        "AMZN_BRAKET_SCRIPT_ENTRY_POINT": "a:b",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4747",
        "AWS_REGION": "eu-west-2",
        "AWS_DEFAULT_REGION": "eu-west-2",
        "AWS_SESSION_TOKEN": "session",
        "BRAKET_PRICE_OFFERS_URL": "http://127.0.0.1:4747/_braketeer/prices.csv",
        "PATH": "/bin",
        "SM_CHANNEL_X": "/opt/ml/input/data/x",
    }.items() <= seen.items()
    assert "AMZN_BRAKET_RESERVATION_TIME_WINDOW_ARN" not in seen


def test_what_a_job_has_none_of_has_no_variable() -> None:
    seen = environment(spec(), ENDPOINT, "algo-1", SeenPaths(), 2, "/bin")
    assert "AMZN_BRAKET_HP_FILE" not in seen
    assert "AMZN_BRAKET_INPUT_DIR" not in seen


def test_the_printed_training_environment_holds_no_secret() -> None:
    seen = environment(spec(), ENDPOINT, "algo-1", SeenPaths(), 2, "/bin")
    assert json.loads(seen["SM_TRAINING_ENV"])["user_entry_point"] == "braket_container.py"
    printed = "".join(value for name, value in seen.items() if name.startswith("SM_"))
    assert not [secret for secret in ("ASIA", "secret", "session", "token") if secret in printed]


def test_a_hundred_of_the_longest_hyperparameters_can_be_given() -> None:
    """CreateJob admits 100 with 2,500 characters each; Linux takes 128 KiB as one variable."""
    many = {f"p{n}": "é" * 2500 for n in range(99)} | {"with=sign": "1", "zero": "a\0b"}
    given = spec(hyperParameters=many)
    seen = environment(given, ENDPOINT, "algo-1", SeenPaths(), 2, "/bin")
    assert all(len(f"{name}={value}".encode()) < 131072 and "\0" not in name + value for name, value in seen.items())
    assert seen["SM_HP_P7"] == many["p7"]
    assert configuration(given, "algo-1")["hyperparameters.json"] == many
    assert all("\0" not in word for word in arguments(given))


def test_the_files_of_input_config() -> None:
    files = configuration(spec(inputDataConfig=[{"channelName": "x", "contentType": "text/csv"}]), "algo-1")
    assert files["hyperparameters.json"] == {}
    assert files["inputdataconfig.json"]["x"]["ContentType"] == "text/csv"
    resources = files["resourceconfig.json"]
    assert (resources["current_host"], resources["hosts"], resources["network_interface_name"]) == (
        "algo-1",
        ["algo-1"],
        "eth0",
    )


def test_each_of_several_hosts_knows_itself_and_how_to_find_the_others() -> None:
    given = replace(spec(), host_count=3)
    found = addresses(given)
    assert list(found) == ["algo-1", "algo-2", "algo-3"]
    assert len(set(found.values())) == 3
    assert all(address.startswith("127.") for address in found.values())
    assert addresses(replace(given, job_id="another")) != found
    second = environment(given, ENDPOINT, "algo-2", SeenPaths(), 2, "/bin")
    assert (second["SM_CURRENT_HOST"], json.loads(second["SM_HOSTS"])) == ("algo-2", list(found))
    assert json.loads(second["SM_TRAINING_ENV"])["is_master"] is False
    assert (second["MASTER_ADDR"], json.loads(second["BRAKETEER_HOST_ADDRESSES"])) == (found["algo-1"], found)
    resources = configuration(given, "algo-2")["resourceconfig.json"]
    assert (resources["current_host"], resources["hosts"]) == ("algo-2", list(found))
    assert resources["network_interface_name"] == "lo"
    lines = etc_hosts(given, {"braket.example": "127.0.0.1"}, "127.0.0.1\tlocalhost\n").splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert f"{found['algo-2']}\talgo-2" in lines
    assert "127.0.0.1\tbraket.example" in lines
