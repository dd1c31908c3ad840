"""For every operation that is served, what one account may try on another's: a line an operation, so that a new one
needs a line here before the tests pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session

from tests.services import BELL, SV1, openqasm

MARK = "owners-secret-4711"
GROUP = f"/{MARK}/group"
ROLE_NAME = "AmazonBraketJobsExecutionRole"


@dataclass(frozen=True, slots=True)
class Owned:
    """What the owner has; nobody else may see or change any of it. ``others_*`` belong to who tries."""

    account: str
    bucket: str
    task: str
    running_job: str
    job_token: str
    client_token: str
    page_token: str
    spending_limit: str
    upload_id: str
    query_id: str
    log_record: str
    key_id: str
    others_account: str
    others_bucket: str

    def renumbered(self, arn: str) -> str:
        """The ARN with the account of who tries in it."""
        return arn.replace(self.account, self.others_account)


@dataclass(frozen=True, slots=True)
class Try:
    """Requests that reach for the owner's things.

    ``refused`` are the error codes of which each request must meet one; none means that it is answered, with nothing
    of the owner's in the answer. ``writes``: whether the owner's own viewer must be refused.
    """

    requests: Callable[[Owned], list[dict[str, Any]]]
    refused: tuple[str, ...] = ()
    writes: bool = False


def reads(requests: Callable[[Owned], list[dict[str, Any]]], *refused: str) -> Try:
    return Try(requests, refused)


def writes(requests: Callable[[Owned], list[dict[str, Any]]], *refused: str) -> Try:
    return Try(requests, refused, writes=True)


def nothing(_: Owned) -> list[dict[str, Any]]:
    """The operation names nothing that could be somebody's."""
    return [{}]


def task_request(bucket: str, **more: Any) -> dict[str, Any]:
    program = {"deviceArn": SV1, "shots": 1, "action": openqasm(BELL)}
    return {**program, "outputS3Bucket": bucket, "outputS3KeyPrefix": "p", **more}


def job_request(account: str, bucket: str, **more: Any) -> dict[str, Any]:
    code = {"entryPoint": "script", "s3Uri": f"s3://{bucket}/script.py", "compressionType": "NONE"}
    return {
        "jobName": "try",
        "roleArn": f"arn:aws:iam::{account}:role/service-role/{ROLE_NAME}",
        "algorithmSpecification": {"scriptModeConfig": code},
        "deviceConfig": {"device": SV1},
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        "outputDataConfig": {"s3Path": f"s3://{bucket}/output"},
        **more,
    }


def either(name: str, arn: Callable[[Owned], str], **more: Any) -> Callable[[Owned], list[dict[str, Any]]]:
    """The owner's ARN as it is, and with the number of who tries in it."""
    return lambda o: [{name: arn(o), **more}, {name: o.renumbered(arn(o)), **more}]


def bucket(**more: Any) -> Callable[[Owned], list[dict[str, Any]]]:
    return lambda o: [{"Bucket": o.bucket, **more}]


def key(**more: Any) -> Callable[[Owned], list[dict[str, Any]]]:
    return bucket(Key="object", **more)


def upload(**more: Any) -> Callable[[Owned], list[dict[str, Any]]]:
    """The owner's upload, in its bucket and as if it were one of the other's."""
    return lambda o: [
        {"Bucket": where, "Key": "upload", "UploadId": o.upload_id, **more} for where in (o.bucket, o.others_bucket)
    ]


def group(**more: Any) -> Callable[[Owned], list[dict[str, Any]]]:
    return lambda o: [{"logGroupName": GROUP, **more}]


def group_arn(o: Owned) -> str:
    return f"arn:aws:logs:us-east-1:{o.account}:log-group:{GROUP}"


def filled(service: str, operation: str, **more: Any) -> Callable[[Owned], list[dict[str, Any]]]:
    """The least that the operation's model asks for, on the owner's bucket and object."""

    def value(shape: Any) -> Any:
        if shape.type_name == "structure":
            names = shape.required_members or list(shape.members)[: 1 if shape.is_tagged_union else 0]
            return {name: value(shape.members[name]) for name in names}
        if shape.type_name == "list":
            return [value(shape.member)]
        if shape.type_name == "string":
            return (shape.enum or ["x" * max(1, shape.metadata.get("min", 1))])[0]
        return {"boolean": True, "blob": b"x", "timestamp": 0, "map": {}}.get(shape.type_name, 1)

    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    request = value(shape) | more
    own = {"Bucket": "bucket", "Key": "object"}
    return lambda o: [request | {name: o.bucket if name == "Bucket" else own[name] for name in own if name in request}]


def _groups_to_search(o: Owned) -> list[dict[str, Any]]:
    terms = {"startTime": 0, "endTime": 2**33, "queryString": "fields @message"}
    return [{"logGroupNames": [GROUP], **terms}, {"logGroupIdentifiers": [group_arn(o)], **terms}]


def _copies(o: Owned, **more: Any) -> list[dict[str, Any]]:
    """From the owner's bucket into one's own, and from one's own into the owner's."""
    taken = {"Bucket": o.others_bucket, "Key": "taken", "CopySource": {"Bucket": o.bucket, "Key": "object"}}
    given = {"Bucket": o.bucket, "Key": "object", "CopySource": {"Bucket": o.others_bucket, "Key": "object"}}
    return [{**taken, **more}, {**given, **more}]


_NOT_FOUND = "ResourceNotFoundException"
_DENIED = ("AccessDenied", "403")  # an answer to HEAD has no body to name the error in
_NO_UPLOAD = ("AccessDenied", "NoSuchUpload")
_TAGS = [{"Key": "a", "Value": "b"}]


BRAKET = {
    "GetDevice": reads(lambda o: [{"deviceArn": SV1}]),
    "SearchDevices": reads(lambda o: [{"filters": []}]),
    "CreateQuantumTask": writes(
        lambda o: [
            task_request(o.bucket),
            task_request(o.bucket, clientToken=o.client_token),
            task_request(o.others_bucket, jobToken=o.job_token),
        ],
        "ValidationException",
    ),
    "GetQuantumTask": reads(either("quantumTaskArn", lambda o: o.task), _NOT_FOUND),
    "CancelQuantumTask": writes(either("quantumTaskArn", lambda o: o.task), _NOT_FOUND),
    "SearchQuantumTasks": reads(
        lambda o: [
            {"filters": []},
            {"filters": [{"name": "quantumTaskArn", "operator": "EQUAL", "values": [o.task]}]},
            {"filters": [{"name": "jobArn", "operator": "EQUAL", "values": [o.running_job]}]},
        ]
    ),
    "CreateJob": writes(
        lambda o: [
            job_request(o.others_account, o.bucket),
            job_request(o.account, o.others_bucket),
            job_request(o.others_account, o.others_bucket, checkpointConfig={"s3Uri": f"s3://{o.bucket}/checkpoints"}),
        ],
        "ValidationException",
    ),
    "GetJob": reads(either("jobArn", lambda o: o.running_job), _NOT_FOUND),
    "CancelJob": writes(either("jobArn", lambda o: o.running_job), _NOT_FOUND),
    "SearchJobs": reads(
        lambda o: [
            {"filters": []},
            {"filters": [{"name": "jobArn", "operator": "EQUAL", "values": [o.running_job]}]},
        ]
    ),
    "TagResource": writes(
        lambda o: [
            {"resourceArn": arn, "tags": {"a": "b"}}
            for mine in (o.task, o.running_job, o.spending_limit)
            for arn in (mine, o.renumbered(mine))
        ],
        _NOT_FOUND,
    ),
    "UntagResource": writes(
        lambda o: [
            {"resourceArn": arn, "tagKeys": ["note"]}
            for mine in (o.task, o.running_job, o.spending_limit)
            for arn in (mine, o.renumbered(mine))
        ],
        _NOT_FOUND,
    ),
    "ListTagsForResource": reads(
        lambda o: [
            {"resourceArn": arn}
            for mine in (o.task, o.running_job, o.spending_limit)
            for arn in (mine, o.renumbered(mine))
        ],
        _NOT_FOUND,
    ),
    "CreateSpendingLimit": writes(lambda o: [{"deviceArn": SV1, "spendingLimit": "5", "clientToken": o.client_token}]),
    "UpdateSpendingLimit": writes(
        either("spendingLimitArn", lambda o: o.spending_limit, spendingLimit="9999"), _NOT_FOUND
    ),
    "DeleteSpendingLimit": writes(either("spendingLimitArn", lambda o: o.spending_limit), _NOT_FOUND),
    "SearchSpendingLimits": reads(
        lambda o: [{}, {"filters": [{"name": "deviceArn", "operator": "EQUAL", "values": [SV1]}]}]
    ),
}

S3 = {
    "ListBuckets": reads(lambda o: [{}, {"Prefix": MARK[:6]}]),
    "CreateBucket": writes(bucket(), "BucketAlreadyExists"),
    "HeadBucket": reads(bucket(), *_DENIED),
    "DeleteBucket": writes(bucket(), *_DENIED),
    "GetBucketLocation": reads(bucket(), *_DENIED),
    "ListObjects": reads(bucket(), *_DENIED),
    "ListObjectsV2": reads(bucket(), *_DENIED),
    "ListObjectVersions": reads(bucket(), *_DENIED),
    "ListMultipartUploads": reads(bucket(), *_DENIED),
    **{
        f"GetBucket{name}": reads(bucket(), *_DENIED)
        for name in (
            *("AccelerateConfiguration", "Acl", "Cors", "Encryption", "LifecycleConfiguration", "Logging"),
            *("NotificationConfiguration", "OwnershipControls", "Policy", "PolicyStatus", "Replication"),
            *("RequestPayment", "Tagging", "Versioning", "Website"),
        )
    },
    "GetObjectLockConfiguration": reads(bucket(), *_DENIED),
    "GetPublicAccessBlock": reads(bucket(), *_DENIED),
    **{
        f"DeleteBucket{name}": writes(bucket(), *_DENIED)
        for name in ("Cors", "Encryption", "Lifecycle", "Policy", "Tagging")
    },
    "DeletePublicAccessBlock": writes(bucket(), *_DENIED),
    "PutBucketAcl": writes(bucket(ACL="private"), *_DENIED),
    "PutBucketCors": writes(
        bucket(CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}), *_DENIED
    ),
    "PutBucketEncryption": writes(
        bucket(
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            }
        ),
        *_DENIED,
    ),
    "PutBucketLifecycleConfiguration": writes(
        bucket(
            LifecycleConfiguration={
                "Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]
            }
        ),
        *_DENIED,
    ),
    "PutBucketLogging": writes(bucket(BucketLoggingStatus={}), *_DENIED),
    "PutBucketNotificationConfiguration": writes(bucket(NotificationConfiguration={}), *_DENIED),
    "PutBucketOwnershipControls": writes(
        bucket(OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}), *_DENIED
    ),
    "PutBucketPolicy": writes(bucket(Policy=json.dumps({"Version": "2012-10-17", "Statement": []})), *_DENIED),
    "PutBucketReplication": writes(
        bucket(
            ReplicationConfiguration={
                "Role": "r",
                "Rules": [{"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::b"}}],
            }
        ),
        *_DENIED,
    ),
    "PutBucketTagging": writes(bucket(Tagging={"TagSet": _TAGS}), *_DENIED),
    "PutBucketVersioning": writes(bucket(VersioningConfiguration={"Status": "Suspended"}), *_DENIED),
    "PutBucketWebsite": writes(bucket(WebsiteConfiguration={"IndexDocument": {"Suffix": "i"}}), *_DENIED),
    "PutObjectLockConfiguration": writes(bucket(ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}), *_DENIED),
    "PutPublicAccessBlock": writes(
        bucket(PublicAccessBlockConfiguration={"BlockPublicAcls": True}),
        *_DENIED,
    ),
    "GetObject": reads(key(), *_DENIED),
    "HeadObject": reads(key(), *_DENIED),
    "GetObjectAcl": reads(key(), *_DENIED),
    "GetObjectAttributes": reads(key(ObjectAttributes=["ETag", "ObjectSize"]), *_DENIED),
    "GetObjectTagging": reads(key(), *_DENIED),
    "PutObject": writes(
        lambda o: [
            {"Bucket": o.bucket, "Key": "object", "Body": b"mine"},
            {"Bucket": o.bucket, "Key": "new", "Body": b"x" * 200_000, "IfNoneMatch": "*"},
        ],
        *_DENIED,
    ),
    "PutObjectAcl": writes(key(ACL="private"), *_DENIED),
    "PutObjectTagging": writes(key(Tagging={"TagSet": _TAGS}), *_DENIED),
    "DeleteObject": writes(key(), *_DENIED),
    "DeleteObjects": writes(bucket(Delete={"Objects": [{"Key": "object"}]}), *_DENIED),
    "DeleteObjectTagging": writes(key(), *_DENIED),
    "CopyObject": writes(_copies, *_DENIED),
    "CreateMultipartUpload": writes(key(), *_DENIED),
    "UploadPart": writes(upload(PartNumber=1, Body=b"mine"), *_NO_UPLOAD),
    "UploadPartCopy": writes(lambda o: _copies(o, UploadId=o.upload_id, PartNumber=1), *_NO_UPLOAD),
    "ListParts": reads(upload(), *_NO_UPLOAD),
    "CompleteMultipartUpload": writes(
        upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"0123456789abcdef0123456789abcdef"'}]}),
        *_NO_UPLOAD,
    ),
    "AbortMultipartUpload": writes(upload(), *_NO_UPLOAD),
}

# Operations that are refused, or empty, whoever asks, once the bucket is known to be one's own.
_READS_OF_WHAT_IS_NOT_HERE = (
    *(f"GetBucket{name}Configuration" for name in ("Analytics", "IntelligentTiering", "Inventory", "Metadata")),
    *("GetBucketAbac", "GetBucketMetadataTableConfiguration", "GetBucketMetricsConfiguration", "GetObjectAnnotation"),
    *("GetObjectLegalHold", "GetObjectRetention", "GetObjectTorrent"),
    *(f"ListBucket{name}Configurations" for name in ("Analytics", "IntelligentTiering", "Inventory", "Metrics")),
    "ListObjectAnnotations",
)
_WRITES_OF_WHAT_IS_NOT_HERE = (
    *("CreateBucketMetadataConfiguration", "CreateBucketMetadataTableConfiguration", "CreateSession"),
    *(f"DeleteBucket{name}Configuration" for name in ("Analytics", "IntelligentTiering", "Inventory", "Metadata")),
    *("DeleteBucketMetadataTableConfiguration", "DeleteBucketMetricsConfiguration", "DeleteBucketOwnershipControls"),
    *("DeleteBucketReplication", "DeleteBucketWebsite", "DeleteObjectAnnotation", "PutBucketAbac"),
    *(f"PutBucket{name}Configuration" for name in ("Accelerate", "Analytics", "IntelligentTiering", "Inventory")),
    *("PutBucketMetricsConfiguration", "PutBucketRequestPayment", "PutObjectAnnotation", "PutObjectLegalHold"),
    *("PutObjectRetention", "RestoreObject", "SelectObjectContent"),
    *(f"UpdateBucketMetadata{name}TableConfiguration" for name in ("Annotation", "Inventory", "Journal")),
)
S3 |= {name: reads(filled("s3", name), *_DENIED, "NotImplemented") for name in _READS_OF_WHAT_IS_NOT_HERE}
S3 |= {name: writes(filled("s3", name), *_DENIED, "NotImplemented") for name in _WRITES_OF_WHAT_IS_NOT_HERE}
S3["RenameObject"] = writes(filled("s3", "RenameObject", RenameSource="/x/object"), *_DENIED, "NotImplemented")
S3["UpdateObjectEncryption"] = writes(
    filled(
        "s3",
        "UpdateObjectEncryption",
        ObjectEncryption={"SSEKMS": {"KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/x"}},
    ),
    *_DENIED,
    "NotImplemented",
)
S3["ListDirectoryBuckets"] = reads(nothing, "UnknownOperationException")  # signed for s3express
S3["WriteGetObjectResponse"] = writes(lambda o: [])  # to a route of Object Lambda, which names no bucket

STS = {
    "GetCallerIdentity": reads(nothing),
    "GetAccessKeyInfo": reads(lambda o: [{"AccessKeyId": o.key_id}], "ValidationError"),
    "AssumeRole": reads(
        lambda o: [
            {"RoleArn": f"arn:aws:iam::{o.account}:role/service-role/{ROLE_NAME}", "RoleSessionName": "somebody"}
        ],
        "AccessDenied",
    ),
    "GetSessionToken": reads(nothing),
    "GetFederationToken": reads(lambda o: [{"Name": "somebody"}], "NotImplemented"),
    "DecodeAuthorizationMessage": reads(
        lambda o: [{"EncodedMessage": MARK}], "InvalidAuthorizationMessageException", "NotImplemented"
    ),
}

IAM = {
    "GetRole": reads(lambda o: [{"RoleName": ROLE_NAME}]),
    "ListRoles": reads(lambda o: [{}]),
    "ListAttachedRolePolicies": reads(lambda o: [{"RoleName": ROLE_NAME}]),
    "ListRolePolicies": reads(lambda o: [{"RoleName": ROLE_NAME}]),
    "GetRolePolicy": reads(lambda o: [{"RoleName": ROLE_NAME, "PolicyName": MARK}], "NoSuchEntity"),
    "ListRoleTags": reads(lambda o: [{"RoleName": ROLE_NAME}]),
    "GetUser": reads(lambda o: [{"UserName": o.key_id}], "NoSuchEntity"),
    "CreateRole": writes(lambda o: [{"RoleName": "mine", "AssumeRolePolicyDocument": "{}"}], "NotImplemented"),
    "AttachRolePolicy": writes(
        lambda o: [{"RoleName": ROLE_NAME, "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}],
        "NotImplemented",
    ),
}

ECR = {
    "BatchGetImage": reads(
        lambda o: [
            {
                "registryId": o.account,
                "repositoryName": "amazon-braket-base-jobs",
                "imageIds": [{"imageTag": "latest"}],
            }
        ]
    ),
    "GetAuthorizationToken": reads(nothing),
    "DescribeImages": reads(lambda o: [{"registryId": o.account, "repositoryName": "amazon-braket-base-jobs"}]),
    "DescribeRepositories": reads(
        lambda o: [{"registryId": o.account}, {"registryId": o.account, "repositoryNames": ["amazon-braket-base-jobs"]}]
    ),
    "GetDownloadUrlForLayer": reads(
        lambda o: [{"repositoryName": "amazon-braket-base-jobs", "layerDigest": "sha256:" + "0" * 64}],
        "LayersNotFoundException",
    ),
}

PRICING = {
    "DescribeServices": reads(nothing),
    "GetAttributeValues": reads(lambda o: [{"ServiceCode": "AmazonBraket", "AttributeName": "regionCode"}]),
    "GetProducts": reads(lambda o: [{"ServiceCode": "AmazonBraket", "MaxResults": 1}]),
    "ListPriceLists": reads(
        lambda o: [{"ServiceCode": "AmazonBraket", "EffectiveDate": 2**31, "CurrencyCode": "USD", "MaxResults": 1}]
    ),
    "GetPriceListFileUrl": reads(
        lambda o: [{"PriceListArn": "arn:aws:pricing:::price-list/aws/x/USD/1/us-east-1", "FileFormat": "csv"}],
        _NOT_FOUND,
    ),
}

LOGS = {
    "DescribeLogGroups": reads(lambda o: [{}, {"logGroupNamePrefix": GROUP}]),
    "DescribeLogStreams": reads(
        lambda o: [{"logGroupName": GROUP}, {"logGroupIdentifier": group_arn(o)}],
        _NOT_FOUND,
        "InvalidParameterException",
    ),
    "GetLogEvents": reads(group(logStreamName="stream", startFromHead=True), _NOT_FOUND),
    "FilterLogEvents": reads(group(), _NOT_FOUND),
    "GetLogRecord": reads(lambda o: [{"logRecordPointer": o.log_record}], _NOT_FOUND, "InvalidParameterException"),
    "StartQuery": reads(_groups_to_search, _NOT_FOUND, "InvalidParameterException"),
    "GetQueryResults": reads(lambda o: [{"queryId": o.query_id}], _NOT_FOUND),
    "StopQuery": reads(lambda o: [{"queryId": o.query_id}], _NOT_FOUND),
    "DescribeQueries": reads(lambda o: [{}, {"logGroupName": GROUP}]),
    "ListTagsLogGroup": reads(group(), _NOT_FOUND),
    "ListTagsForResource": reads(either("resourceArn", group_arn), _NOT_FOUND),
    "CreateLogGroup": writes(lambda o: [{"logGroupName": "/others/group"}]),
    "CreateLogStream": writes(group(logStreamName="mine"), _NOT_FOUND),
    "PutLogEvents": writes(group(logStreamName="stream", logEvents=[{"timestamp": 2**40, "message": "m"}]), _NOT_FOUND),
    "DeleteLogGroup": writes(group(), _NOT_FOUND),
    "DeleteLogStream": writes(group(logStreamName="stream"), _NOT_FOUND),
    "PutRetentionPolicy": writes(group(retentionInDays=1), _NOT_FOUND),
    "DeleteRetentionPolicy": writes(group(), _NOT_FOUND),
    "TagLogGroup": writes(group(tags={"a": "b"}), _NOT_FOUND),
    "UntagLogGroup": writes(group(tags=["note"]), _NOT_FOUND),
    "TagResource": writes(either("resourceArn", group_arn, tags={"a": "b"}), _NOT_FOUND),
    "UntagResource": writes(either("resourceArn", group_arn, tagKeys=["note"]), _NOT_FOUND),
}

TRIES: Mapping[str, Mapping[str, Try]] = {
    "braket": BRAKET,
    "s3": S3,
    "sts": STS,
    "iam": IAM,
    "ecr": ECR,
    "logs": LOGS,
    "pricing": PRICING,
}
