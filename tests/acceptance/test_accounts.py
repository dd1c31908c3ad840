"""What proves nothing: ARNs of other regions and partitions, temporary keys without their token or after their job.

What one account can do to another's is in test_foreign.py.
"""

from tests.services import RunningService, refusal_code


def test_an_arn_of_another_partition_or_region_opens_nothing(service: RunningService) -> None:
    task = service.create_task(tags={"secret": "yes"})
    mine, elsewhere = service.client("braket"), service.client("braket", "us-west-2")
    assert mine.list_tags_for_resource(resourceArn=task)["tags"] == {"secret": "yes"}
    foreign = task.replace("arn:aws:", "arn:aws-cn:")
    assert refusal_code(mine.tag_resource, resourceArn=foreign, tags={"a": "b"}) == ("ResourceNotFoundException", 404)
    for arn in (task, task.replace("us-east-1", "us-west-2")):
        assert refusal_code(elsewhere.get_quantum_task, quantumTaskArn=arn) == ("ResourceNotFoundException", 404)
        assert refusal_code(elsewhere.cancel_quantum_task, quantumTaskArn=arn) == ("ResourceNotFoundException", 404)
        assert refusal_code(elsewhere.list_tags_for_resource, resourceArn=arn) == ("ResourceNotFoundException", 404)


def test_a_temporary_key_is_nothing_without_its_token(service: RunningService) -> None:
    key = service.client("sts").get_session_token()["Credentials"]
    half = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    assert service.client("sts", **half, aws_session_token=key["SessionToken"]).get_caller_identity()
    assert refusal_code(service.client("sts", **half).get_caller_identity) == ("InvalidClientTokenId", 403)
    forged = service.client("sts", **half, aws_session_token="x" * len(key["SessionToken"]))
    assert refusal_code(forged.get_caller_identity)[1] == 403


def test_a_jobs_key_dies_with_the_job(service: RunningService) -> None:
    names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    script = f"import os\nprint('|'.join(['key', *(os.environ[name] for name in {names})]))\n"
    job = service.create_job(script)
    assert service.wait_for_job(job)["status"] == "COMPLETED"
    line = next(line for line in service.job_log(job) if line.startswith("key|"))
    _, key, secret, token = line.split("|")
    sts = service.client("sts", aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token)
    assert refusal_code(sts.get_caller_identity)[1] == 403
