"""Errors of object storage, with the codes and statuses of the S3 API reference ("Error responses").

S3 writes further members of an error (``BucketName``, ``Key``, ...) as elements beside Code and Message.
"""

# The names are the codes on the wire.

from __future__ import annotations

from braketeer.domain.errors import ServiceError


class NoSuchBucket(ServiceError):
    status = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The specified bucket does not exist", BucketName=bucket)


class NoSuchKey(ServiceError):
    status = 404

    def __init__(self, key: str) -> None:
        super().__init__("The specified key does not exist.", Key=key)


class NoSuchVersion(ServiceError):
    """Buckets have no versions: every object has the one version ``null``."""

    status = 404


class NoSuchUpload(ServiceError):
    status = 404

    def __init__(self, upload_id: str) -> None:
        super().__init__(
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
            "completed.",
            UploadId=upload_id,
        )


class AccessDenied(ServiceError):
    status = 403

    def __init__(self, message: str = "Access Denied") -> None:
        super().__init__(message)


class BucketAlreadyExists(ServiceError):
    status = 409


class BucketAlreadyOwnedByYou(ServiceError):
    status = 409


class BucketNotEmpty(ServiceError):
    status = 409


class PreconditionFailed(ServiceError):
    status = 412

    def __init__(self, condition: str) -> None:
        super().__init__("At least one of the pre-conditions you specified did not hold", Condition=condition)


class InvalidRange(ServiceError):
    status = 416

    def __init__(self, requested: str, size: int) -> None:
        super().__init__("The requested range is not satisfiable", RangeRequested=requested, ActualObjectSize=str(size))


class InvalidArgument(ServiceError):
    def __init__(self, message: str, name: str, value: object) -> None:
        super().__init__(message, ArgumentName=name, ArgumentValue=str(value))


class InvalidRequest(ServiceError):
    """The request is well formed but cannot mean anything."""


class MalformedXML(ServiceError):
    def __init__(self) -> None:
        super().__init__("The XML you provided was not well-formed or did not validate against our published schema")


class InvalidPart(ServiceError):
    """A part of a completion was never uploaded, or was replaced, or has another checksum."""


class InvalidPartOrder(ServiceError):
    """The parts of a completion are not in ascending order."""


class EntityTooSmall(ServiceError):
    """A part that is not the last has less than 5 MiB."""


class EntityTooLarge(ServiceError):
    """More than 5 GiB in one body."""


class BadDigest(ServiceError):
    """The body that arrived is not the one that was summed."""


class InvalidDigest(ServiceError):
    """A Content-MD5 that is no MD5."""


class KeyTooLongError(ServiceError):
    """A key has at most 1024 bytes of UTF-8."""


class InvalidBucketName(ServiceError):
    def __init__(self, bucket: str) -> None:
        super().__init__("The specified bucket is not valid.", BucketName=bucket)


class InsufficientStorage(ServiceError):
    """The disk is full, or a file-size limit is reached. Sending the request again does not help."""

    status = 507
