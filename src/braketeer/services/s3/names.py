"""What a bucket, a key and a region may be called (S3 user guide: "Bucket naming rules", "Object key names")."""

from __future__ import annotations

import re

from braketeer.domain.errors import ServiceError
from braketeer.domain.s3_errors import InvalidArgument, InvalidBucketName, KeyTooLongError

HOME_REGION = "us-east-1"  # the one region that a LocationConstraint does not name

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+){1,3}-\d{1,2}")
LONGEST_KEY = 1024  # bytes
# The service stores results below a task's outputS3KeyPrefix, which may have 1024 characters itself: such keys can be
# read, listed and deleted, but no client can put an object there.
LONGEST_RESULT_KEY = 4 * 1024 + 64


def check_bucket(name: str) -> None:
    """Raises InvalidBucketName."""
    if (
        not _BUCKET.fullmatch(name)
        or ".." in name
        or _ADDRESS.fullmatch(name)
        or name.startswith(_RESERVED_STARTS)
        or name.endswith(_RESERVED_ENDS)
    ):
        raise InvalidBucketName(name)


def check_key(key: str, longest: int = LONGEST_RESULT_KEY) -> None:
    """Raises KeyTooLongError, or InvalidArgument for what is no text or holds a NUL (which nothing here can store).

    ``longest`` is LONGEST_KEY bytes where an object is to be put, more where it is only read.
    """
    size = len(utf8(key, "Key"))
    if size > longest:
        raise KeyTooLongError("Your key is too long", Size=str(size), MaxSizeAllowed=str(longest))


def utf8(text: str, argument: str) -> bytes:
    """The bytes of a text that can be stored. Raises InvalidArgument."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{argument} is not UTF-8", argument, ascii(text)) from None
    if b"\0" in encoded:
        raise InvalidArgument(f"{argument} holds a NUL character", argument, ascii(text))
    return encoded


def region_of_new_bucket(endpoint_region: str, constraint: str | None) -> str:
    """Where a bucket is created by a request to one region's endpoint. Raises as S3 does where the two contradict.

    The endpoint of us-east-1 creates buckets anywhere; any other only in its own region, which must be named.
    """
    if constraint is None:
        if endpoint_region != HOME_REGION:
            raise _illegal("unspecified", "The unspecified location constraint")
        return HOME_REGION
    region = "eu-west-1" if constraint == "EU" else constraint
    if not _REGION.fullmatch(region) or region == HOME_REGION:
        raise ServiceError(
            "The specified location-constraint is not valid",
            code="InvalidLocationConstraint",
            LocationConstraint=constraint,
        )
    if endpoint_region not in (HOME_REGION, region):
        raise _illegal(constraint, f"The {constraint} location constraint")
    return region


def _illegal(constraint: str, subject: str) -> ServiceError:
    return ServiceError(
        f"{subject} is incompatible for the region specific endpoint this request was sent to.",
        code="IllegalLocationConstraintException",
        LocationConstraint=constraint,
    )
