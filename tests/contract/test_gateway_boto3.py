"""Unmodified boto3 against the gateway: every protocol, both ways of addressing buckets, with and without TLS."""

from __future__ import annotations

import io
import os
import socket
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from tests.contract.toys import MOMENT, TASK, Toys, serving

CREATE = {"deviceArn": "d", "shots": 10, "outputS3Bucket": "bucket", "outputS3KeyPrefix": "tasks", "action": '{"a": 1}'}


@pytest.fixture(autouse=True)
def buckets_in_host_names_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """``bucket.localhost`` leads to this machine everywhere but in some resolvers."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more: resolve("localhost" if str(host).endswith(".localhost") else host, *more),
    )


def error_of(call: Any, **members: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as error:
        call(**members)
    return error.value.response


def test_a_braket_request_arrives_as_it_was_sent(toys: Toys) -> None:
    sent = CREATE | {"clientToken": "t", "tags": {"é ": "ü\n"}, "experimentalCapabilities": {"enabled": "ALL"}}
    answer = toys.client("braket").create_quantum_task(**sent)
    caller, received = toys.braket.asked[-1]
    assert answer["quantumTaskArn"] == TASK
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert answer["ResponseMetadata"]["RequestId"] == caller.request_id
    assert received == sent
    assert (caller.account, caller.region, caller.key_id) == ("000000000000", "us-west-2", "AKIDOPERATOR")
    assert caller.endpoint == toys.endpoint
    assert "Boto3" in caller.user_agent


def test_an_arn_in_the_path_and_repeated_query_keys(toys: Toys) -> None:
    braket = toys.client("braket")
    answer = braket.get_quantum_task(quantumTaskArn=TASK, additionalAttributeNames=["QueueInfo"])
    assert toys.braket.asked[-1][1] == {"quantumTaskArn": TASK, "additionalAttributeNames": ["QueueInfo"]}
    assert answer["createdAt"] == MOMENT
    assert "endedAt" not in answer
    assert answer["tags"] == {"é": "ü"}
    keys = ["a b", "é/+%&=", ""]
    braket.untag_resource(resourceArn=TASK, tagKeys=keys)
    assert toys.braket.asked[-1][1] == {"resourceArn": TASK, "tagKeys": keys}


def test_times_in_a_request(toys: Toys) -> None:
    arn = "arn:aws:braket:us-west-2:000000000000:spending-limit/x"
    period = {"startAt": datetime(2026, 2, 1, 0, 0, 0, 500000, UTC), "endAt": datetime(2027, 1, 1, tzinfo=UTC)}
    toys.client("braket").update_spending_limit(spendingLimitArn=arn, timePeriod=period)
    assert toys.braket.asked[-1][1]["timePeriod"] == period


def test_a_large_program(toys: Toys) -> None:
    action = '{"source": "' + "x" * 500_000 + '"}'
    toys.client("braket").create_quantum_task(**CREATE | {"action": action})
    assert toys.braket.asked[-1][1]["action"] == action


def test_a_body_beyond_the_bound_is_refused(toys: Toys) -> None:
    response = error_of(toys.client("braket").create_quantum_task, **CREATE | {"action": "x" * 2_000_000})
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert response["Error"]["Code"] == "RequestEntityTooLarge"


def test_what_breaks_the_model_is_named(toys: Toys) -> None:
    bad = {"outputS3Bucket": "b" * 64, "associations": [{"arn": "x", "type": "y"}]}
    response = error_of(toys.client("braket").create_quantum_task, **CREATE | bad)
    assert response["Error"]["Code"] == "ValidationException"
    message = response["Error"]["Message"]
    assert message.startswith("3 validation errors detected: ")
    assert (
        "at 'outputS3Bucket' failed to satisfy constraint: Member must have length less than or equal to 63" in message
    )
    assert "at 'associations.1.member.type'" in message
    assert response["message"] == message


def test_members_of_an_error_reach_the_client(toys: Toys) -> None:
    response = error_of(toys.client("braket").create_quantum_task, **CREATE | {"outputS3Bucket": "programset"})
    assert response["message"] == "The program set is wrong"
    assert response["reason"] == "ProgramSetValidationFailed"
    assert response["programSetValidationFailures"] == [{"programIndex": 0, "inputsIndex": 1, "errors": ["no"]}]


@pytest.mark.parametrize("bucket", ["fault", "strange"])
def test_a_fault_of_a_service_tells_nothing_of_the_inside(toys: Toys, bucket: str, caplog: Any) -> None:
    response = error_of(toys.client("braket").create_quantum_task, **CREATE | {"outputS3Bucket": bucket})
    assert response["Error"]["Code"] == "InternalServiceException"
    assert response["ResponseMetadata"]["RequestId"] in response["Error"]["Message"]
    assert "secret" not in response["Error"]["Message"]
    assert response["ResponseMetadata"]["RequestId"] in caplog.text
    assert "Traceback" in caplog.text


def test_an_operation_that_is_not_there_is_named(toys: Toys) -> None:
    response = error_of(toys.client("braket").get_device, deviceArn="d")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "GetDevice" in response["Error"]["Message"]
    response = error_of(toys.client("s3").get_bucket_website, Bucket="one")
    assert response["Error"]["Code"] == "NotImplemented"
    assert "GetBucketWebsite" in response["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("cloudwatch", "list_metrics"),
        ("ec2", "describe_vpcs"),
        ("sagemaker", "list_models"),
        ("lambda", "list_functions"),
    ],
)
def test_a_service_that_is_not_there_is_named(toys: Toys, service: str, operation: str) -> None:
    response = error_of(getattr(toys.client(service), operation))
    assert response["Error"]["Code"] == "UnknownOperationException"
    assert "it serves braket, iam, logs, s3, sts" in response["Error"]["Message"]


def test_the_role_of_a_key_decides(toys: Toys) -> None:
    viewer = toys.client("braket", key="AKIDVIEWER")
    assert viewer.get_quantum_task(quantumTaskArn=TASK)["status"] == "COMPLETED"
    response = error_of(viewer.create_quantum_task, **CREATE)
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("AccessDeniedException", 403)


@pytest.mark.parametrize(
    ("service", "operation", "members", "codes"),
    [
        ("braket", "get_quantum_task", {"quantumTaskArn": TASK}, "json"),
        ("logs", "describe_log_groups", {}, "json"),
        ("iam", "list_roles", {}, "query"),
        ("s3", "get_object", {"Bucket": "b", "Key": "k"}, "s3"),
    ],
)
def test_who_is_not_proven_is_refused(toys: Toys, service: str, operation: str, members: Any, codes: str) -> None:
    clients = [
        toys.client(service, signature_version=UNSIGNED),
        toys.client(service, secret="wrong"),
        toys.client(service, key="AKIDNOBODY"),
    ]
    expected = {
        "json": ["MissingAuthenticationTokenException", "InvalidSignatureException", "UnrecognizedClientException"],
        "query": ["MissingAuthenticationToken", "SignatureDoesNotMatch", "InvalidClientTokenId"],
        "s3": ["AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId"],
    }
    for client, code in zip(clients, expected[codes], strict=True):
        response = error_of(getattr(client, operation), **members)
        status = 400 if service == "logs" else 403
        assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_the_query_protocol(toys: Toys) -> None:
    identity = toys.client("sts").get_caller_identity()
    assert (identity["Account"], identity["UserId"]) == ("000000000000", "us-west-2")
    (role,) = toys.client("iam").list_roles(PathPrefix="/service-role/")["Roles"]
    assert (role["RoleName"], role["Path"]) == ("R&<", "/service-role/")
    assert role["CreateDate"] == MOMENT
    toys.client("iam").tag_role(RoleName="r", Tags=[{"Key": "a", "Value": "b c"}, {"Key": "é", "Value": ""}])
    response = error_of(toys.client("iam").tag_role, RoleName="r" * 65, Tags=[])
    assert response["Error"]["Code"] == "ValidationError"


def test_the_json_protocol(toys: Toys) -> None:
    logs = toys.client("logs")
    answer = logs.get_log_events(logGroupName="/a", logStreamName="b", startTime=1700000000123)
    assert answer["events"] == [{"timestamp": 1700000000123, "message": "é", "ingestionTime": 1}]
    response = error_of(logs.get_log_events, logGroupName="?", logStreamName="b")
    assert response["Error"]["Code"] == "InvalidParameterException"


def test_twenty_megabytes_up_and_down(toys: Toys) -> None:
    s3, data = toys.client("s3"), os.urandom(20 * 1024 * 1024)
    s3.put_object(Bucket="bucket", Key="k/a b+c/é~//..", Body=data, Metadata={"x": "y"}, ContentType="text/plain")
    kept, known = toys.s3.objects["bucket", "k/a b+c/é~//.."]
    assert kept == data
    assert (known["ContentLength"], known["ContentType"]) == (len(data), "text/plain")
    answer = s3.get_object(Bucket="bucket", Key="k/a b+c/é~//..")
    assert answer["Body"].read() == data
    assert answer["Metadata"] == {"x": "y"}
    assert answer["LastModified"] == MOMENT.replace(microsecond=0)


def test_uploads_over_tls_come_in_chunks_with_a_trailing_checksum(tmp_path: Path) -> None:
    with serving(tmp_path) as toys:
        s3, data = toys.client("s3"), os.urandom(3 * 1024 * 1024)
        s3.put_object(Bucket="bucket", Key="key", Body=io.BytesIO(data), ContentEncoding="gzip")
        kept, known = toys.s3.objects["bucket", "key"]
        assert kept == data
        assert known["ContentEncoding"] == "gzip"
        assert known["ContentLength"] == len(data)
        assert list(known["trailers"]) == ["x-amz-checksum-crc32"]
        s3.put_object(Bucket="bucket", Key="key", Body=io.BytesIO(b""))
        kept, known = toys.s3.objects["bucket", "key"]
        assert kept == b""
        assert "ContentEncoding" not in known


def test_buckets_in_the_host_name(toys: Toys) -> None:
    s3 = toys.client("s3", s3={"addressing_style": "virtual"})
    s3.put_object(Bucket="virtual", Key="a/b", Body=b"data")
    assert toys.s3.objects["virtual", "a/b"][0] == b"data"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="virtual")["Contents"]] == ["a/b"]


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_presigned_urls(toys: Toys, version: str, style: str) -> None:
    s3 = toys.client("s3", signature_version=version, s3={"addressing_style": style})
    members = {"Bucket": "bucket", "Key": "presigned é", "ContentType": "text/x", "Metadata": {"q": "z"}}
    url = s3.generate_presigned_url("put_object", Params=members)
    headers = {"content-type": "text/x"} | ({"x-amz-meta-q": "z"} if version == "s3v4" else {})
    request = urllib.request.Request(url, b"abc", headers, method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    kept, known = toys.s3.objects["bucket", "presigned é"]
    assert (kept, known["Metadata"]) == (b"abc", {"q": "z"})
    with urllib.request.urlopen(
        s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "presigned é"})
    ) as answer:
        assert answer.read() == b"abc"


def test_what_s3_does_otherwise(toys: Toys) -> None:
    s3 = toys.client("s3")
    assert (
        s3.create_bucket(Bucket="made", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})["Location"]
        == "/made"
    )
    assert s3.get_bucket_location(Bucket="made")["LocationConstraint"] == "eu-west-1"
    assert s3.list_buckets()["Buckets"] == [{"Name": "one", "CreationDate": MOMENT}]
    key = "a\tb &<>é+%20"
    s3.put_object(Bucket="made", Key=key, Body=b"x")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="made")["Contents"]] == [key]
    assert s3.copy_object(Bucket="made", Key="c", CopySource="made/x")["CopyObjectResult"]["LastModified"] == MOMENT
    assert s3.create_multipart_upload(Bucket="made", Key="m")["UploadId"] == "upload"
    parts = [{"ETag": '"1"', "PartNumber": 1}, {"ETag": '"2"', "PartNumber": 2}]
    done = s3.complete_multipart_upload(Bucket="made", Key="m", UploadId="upload", MultipartUpload={"Parts": parts})
    assert (done["ETag"], done["Key"]) == ('"1""2"', "[1, 2]")
    names = [{"Key": "a b"}, {"Key": "é&<"}]
    assert s3.delete_objects(Bucket="made", Delete={"Objects": names})["Deleted"] == names
    ranged = s3.get_object(Bucket="made", Key=key, Range="bytes=0-4")
    assert ranged["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert ranged["ResponseMetadata"]["HTTPHeaders"]["x-toy"] == "yes"


def test_errors_of_s3(toys: Toys) -> None:
    s3 = toys.client("s3")
    response = error_of(s3.get_object, Bucket="made", Key="nothing")
    assert response["Error"] | {"Message": ""} == {
        "Code": "NoSuchKey", "Message": "", "Key": "nothing", "Resource": "/made/nothing"}  # fmt: skip
    response = error_of(s3.head_object, Bucket="made", Key="nothing")
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("404", 404)
    response = error_of(s3.put_object, Bucket="missing", Key="k", Body=b"x" * 5_000_000)
    assert response["Error"]["Code"] == "NoSuchBucket"
    response = error_of(s3.list_objects_v2, Bucket="made", EncodingType="base64")
    assert response["Error"]["Code"] == "InvalidArgument"


SERVED = "it serves braket, iam, logs, s3, sts"


@pytest.mark.parametrize(
    ("service", "operation", "members"),
    [
        ("sagemaker", "list_models", {}),
        ("cloudwatch", "put_metric_data", {"Namespace": "a", "MetricData": [{"MetricName": "x", "Value": 1.0}]}),
        ("ec2", "describe_vpcs", {}),
        ("dynamodb", "list_tables", {}),
        ("sqs", "list_queues", {}),
        ("secretsmanager", "list_secrets", {}),
        ("kms", "list_keys", {}),
        ("events", "list_rules", {}),
        ("lambda", "list_functions", {}),
        ("stepfunctions", "list_state_machines", {}),
        ("sns", "list_topics", {}),
        ("route53", "list_hosted_zones", {}),
        ("cloudfront", "list_distributions", {}),
    ],
)
def test_every_protocol_says_what_is_served(toys: Toys, service: str, operation: str, members: dict[str, Any]) -> None:
    """JSON 1.0 and 1.1, EC2's XML, forms, rest-json and rest-xml: the client's own parser reads the words."""
    client = toys.client(service)
    response = error_of(getattr(client, operation), **members)
    assert response["Error"]["Code"] == "UnknownOperationException"
    assert (
        response["Error"]["Message"] == f"Braketeer does not serve {client.meta.service_model.signing_name!r}; {SERVED}"
    )
    assert response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)


@pytest.mark.parametrize(
    ("service", "operation", "members", "code", "named"),
    [
        ("logs", "describe_query_definitions", {}, "UnsupportedOperationException", "it has GetLogEvents"),
        ("iam", "get_account_summary", {}, "NotImplemented", "it has ListRoles, TagRole"),
        ("braket", "search_jobs", {"filters": []}, "UnsupportedOperationException", "it has CreateQuantumTask, Get"),
        ("s3", "get_bucket_website", {"Bucket": "a"}, "NotImplemented", "PutObject"),
    ],
)
def test_an_operation_that_is_not_there_is_named_with_those_that_are(
    toys: Toys, service: str, operation: str, members: dict[str, Any], code: str, named: str
) -> None:
    response = error_of(getattr(toys.client(service), operation), **members)
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, 501)
    assert named in response["Error"]["Message"]


@pytest.mark.parametrize(
    ("operation", "token"),
    [
        ("assume_role_with_web_identity", {"RoleSessionName": "ab", "WebIdentityToken": "abcd"}),
        (
            "assume_role_with_saml",
            {"PrincipalArn": "arn:aws:iam::000000000000:saml-provider/x", "SAMLAssertion": "abcd"},
        ),
    ],
)
def test_unsigned_operations_are_refused_by_name(toys: Toys, operation: str, token: dict[str, str]) -> None:
    sts = toys.client("sts")
    response = error_of(getattr(sts, operation), RoleArn="arn:aws:iam::000000000000:role/x", **token)
    assert response["Error"]["Code"] == "NotImplemented"
    assert sts.meta.method_to_api_mapping[operation] in response["Error"]["Message"]
    unsigned = toys.client("sts", signature_version=UNSIGNED)
    assert error_of(unsigned.get_caller_identity)["Error"]["Code"] == "MissingAuthenticationToken"
