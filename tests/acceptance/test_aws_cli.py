"""The real AWS CLI (version 1, which pip installs): every option of ``aws braket create-job``, and its skeletons."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.aws_cli import AwsCli
from tests.services import BELL, ROLE, SV1, RunningService, openqasm

SCRIPT = "import json, os\nprint('hyperparameters', open(os.environ['AMZN_BRAKET_HP_FILE']).read())\n"
BUCKET = "cli-bucket"


def aws(service: RunningService, *words: str) -> Any:
    return AwsCli(service)(*words)


def refused(service: RunningService, *words: str) -> str:
    return AwsCli(service).refused(*words)


@pytest.fixture
def code(service: RunningService, tmp_path: Path) -> str:
    """The S3 location of a script and, beside it, of an input file."""
    script, data = tmp_path / "script.py", tmp_path / "data.json"
    script.write_text(SCRIPT)
    data.write_text('{"a": 1}')
    aws(service, "s3", "mb", f"s3://{BUCKET}")
    aws(service, "s3", "cp", str(script), f"s3://{BUCKET}/code/script.py")
    aws(service, "s3", "cp", str(data), f"s3://{BUCKET}/input/data.json")
    return f"s3://{BUCKET}/code/script.py"


def expected(code: str, name: str) -> dict[str, Any]:
    """What get-job must say of a job that was created with every option."""
    return {
        "jobName": name,
        "roleArn": ROLE,
        "algorithmSpecification": {
            "scriptModeConfig": {"entryPoint": "script", "s3Uri": code, "compressionType": "NONE"}
        },
        "deviceConfig": {"device": SV1},
        "inputDataConfig": [
            {
                "channelName": "input",
                "contentType": "application/json",
                "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/input/data.json"}},
            }
        ],
        "outputDataConfig": {"s3Path": f"s3://{BUCKET}/output", "kmsKeyId": "key-1"},
        "checkpointConfig": {"s3Uri": f"s3://{BUCKET}/checkpoints", "localPath": "/opt/jobs/checkpoints"},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 5, "instanceCount": 1},
        "hyperParameters": {"layers": "2", "rate": "0.1"},
        "stoppingCondition": {"maxRuntimeInSeconds": 100},
        "tags": {"team": "blue", "stage": "test"},
    }


def check(service: RunningService, arn: str, wanted: dict[str, Any]) -> None:
    job = service.wait_for_job(arn)
    assert job["status"] == "COMPLETED", job
    assert {name: job[name] for name in wanted} == wanted
    assert any('"layers": "2"' in line or '"layers":"2"' in line for line in service.job_log(arn))


def test_every_option_in_shorthand(service: RunningService, code: str) -> None:
    answer = aws(
        service,
        *("braket", "create-job", "--job-name", "shorthand", "--role-arn", ROLE),
        *("--client-token", str(uuid.uuid4())),
        "--algorithm-specification",
        f"scriptModeConfig={{entryPoint=script,s3Uri={code},compressionType=NONE}}",
        *("--device-config", f"device={SV1}"),
        "--input-data-config",
        "channelName=input,contentType=application/json,"
        f"dataSource={{s3DataSource={{s3Uri=s3://{BUCKET}/input/data.json}}}}",
        *("--output-data-config", f"s3Path=s3://{BUCKET}/output,kmsKeyId=key-1"),
        *("--checkpoint-config", f"s3Uri=s3://{BUCKET}/checkpoints,localPath=/opt/jobs/checkpoints"),
        *("--instance-config", "instanceType=ml.m5.large,volumeSizeInGb=5,instanceCount=1"),
        *("--hyper-parameters", "layers=2,rate=0.1"),
        *("--stopping-condition", "maxRuntimeInSeconds=100"),
        *("--tags", "team=blue,stage=test"),
    )
    check(service, answer["jobArn"], expected(code, "shorthand"))


def test_every_option_in_json(service: RunningService, code: str) -> None:
    wanted = expected(code, "in-json")
    options = [
        part
        for name, value in wanted.items()
        for part in (f"--{kebab(name)}", value if isinstance(value, str) else json.dumps(value))
    ]
    check(service, aws(service, "braket", "create-job", *options)["jobArn"], wanted)


def test_cli_input_json_filled_from_the_skeleton(service: RunningService, code: str, tmp_path: Path) -> None:
    skeleton = aws(service, "braket", "create-job", "--generate-cli-skeleton")
    wanted = expected(code, "from-skeleton")
    assert set(wanted) <= set(skeleton)
    filled = wanted | {"clientToken": str(uuid.uuid4()), "associations": []}
    assert set(filled) == set(skeleton)
    path = tmp_path / "job.json"
    path.write_text(json.dumps(filled))
    arn = aws(service, "braket", "create-job", "--cli-input-json", f"file://{path}")["jobArn"]
    check(service, arn, wanted)
    # The same file again carries the same token: the same job.
    assert aws(service, "braket", "create-job", "--cli-input-json", f"file://{path}")["jobArn"] == arn


def test_associations_are_refused_in_the_words_of_the_service(service: RunningService, code: str) -> None:
    said = refused(
        service,
        *("braket", "create-job", "--job-name", "reserved", "--role-arn", ROLE),
        "--algorithm-specification",
        f"scriptModeConfig={{entryPoint=script,s3Uri={code},compressionType=NONE}}",
        *("--device-config", f"device={SV1}", "--output-data-config", f"s3Path=s3://{BUCKET}/output"),
        *("--instance-config", "instanceType=ml.m5.large,volumeSizeInGb=5"),
        "--associations",
        "arn=arn:aws:braket:us-east-1:000000000000:reservation/x,type=RESERVATION_TIME_WINDOW_ARN",
    )
    assert "ValidationException" in said
    assert "Braket Direct is not supported for" in said


def test_a_task_from_creation_to_result(service: RunningService, tmp_path: Path) -> None:
    aws(service, "s3", "mb", f"s3://{BUCKET}")
    (tmp_path / "action.json").write_text(openqasm(BELL))
    arn = aws(
        service,
        *("braket", "create-quantum-task", "--device-arn", SV1, "--shots", "20"),
        *("--output-s3-bucket", BUCKET, "--output-s3-key-prefix", "tasks"),
        *("--action", f"file://{tmp_path / 'action.json'}", "--tags", "a=b"),
    )["quantumTaskArn"]
    task = service.wait_for_task(arn)
    assert task["status"] == "COMPLETED"
    shown = aws(
        service, "braket", "get-quantum-task", "--quantum-task-arn", arn, "--additional-attribute-names", "QueueInfo"
    )
    assert shown["queueInfo"]["position"] == "None"
    aws(service, "s3", "cp", f"s3://{BUCKET}/{shown['outputS3Directory']}/results.json", str(tmp_path / "r.json"))
    assert len(json.loads((tmp_path / "r.json").read_text())["measurements"]) == 20
    found = aws(
        service, "braket", "search-quantum-tasks", "--filters", f"name=quantumTaskArn,operator=EQUAL,values={arn}"
    )
    assert [item["quantumTaskArn"] for item in found["quantumTasks"]] == [arn]


def test_tags(service: RunningService) -> None:
    arn = service.create_task(tags={"kept": "1"})
    aws(service, "braket", "tag-resource", "--resource-arn", arn, "--tags", json.dumps({"with space": "ä/+", "x": "y"}))
    aws(service, "braket", "untag-resource", "--resource-arn", arn, "--tag-keys", "kept", "x")
    shown = aws(service, "braket", "list-tags-for-resource", "--resource-arn", arn)
    assert shown == {"tags": {"with space": "ä/+"}}


def kebab(name: str) -> str:
    return "".join("-" + letter.lower() if letter.isupper() else letter for letter in name)
