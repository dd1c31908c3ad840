"""What a request says about an object beside its bytes, and how an answer gives it back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from braketeer.domain.errors import NotImplementedHere, ServiceError
from braketeer.domain.s3_errors import InvalidArgument
from braketeer.services.s3.encryption import told
from braketeer.services.s3.names import utf8
from braketeer.services.s3.shared import Answer, Request, moment, quoted
from braketeer.store.objects import Details, StoredObject

DEFAULT_TYPE = "binary/octet-stream"

_TEXTS = (
    "ContentType",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "WebsiteRedirectLocation",
)
_MOST_METADATA = 2048  # bytes, keys and values together
_MOST_TAGS = 10
_PRIVATE = ("private", "bucket-owner-full-control")  # canned ACLs that give nothing to anybody else

# Members that promise what is not kept here.
_REFUSED = {
    "ObjectLockMode": "Object lock is not available",
    "ObjectLockRetainUntilDate": "Object lock is not available",
    "ObjectLockLegalHoldStatus": "Object lock is not available",
    "WriteOffsetBytes": "Appending to objects is not available",
}
_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


def refuse_what_is_not_kept(request: Request) -> None:
    """Raise NotImplemented for a promise that is not kept here, and as S3 does for access lists and storage classes."""
    for member, reason in _REFUSED.items():
        if request.get(member):
            raise NotImplementedHere(reason)
    if request.get("ACL", "private") not in _PRIVATE or any(request.get(member) for member in _GRANTS):
        raise ServiceError("The bucket does not allow ACLs", code="AccessControlListNotSupported")
    if request.get("StorageClass", "STANDARD") != "STANDARD":
        raise ServiceError(
            "The storage class you specified is not valid: there is only STANDARD",
            code="InvalidStorageClass",
            StorageClassRequested=request["StorageClass"],
        )


def from_request(request: Request) -> Details:
    """Headers, user metadata and tags of a request that stores an object."""
    refuse_what_is_not_kept(request)
    headers: dict[str, Any] = {member: request[member] for member in _TEXTS if request.get(member)}
    headers.setdefault("ContentType", DEFAULT_TYPE)
    if (expires := request.get("Expires")) is not None:
        headers["Expires"] = int(expires.timestamp()) if isinstance(expires, datetime) else str(expires)
    metadata = {key.lower(): value for key, value in (request.get("Metadata") or {}).items()}
    size = sum(len(utf8(key, "Metadata")) + len(utf8(value, "Metadata")) for key, value in metadata.items())
    if size > _MOST_METADATA:
        raise ServiceError(
            "Your metadata headers exceed the maximum allowed metadata size",
            code="MetadataTooLarge",
            Size=str(size),
            MaxSizeAllowed=str(_MOST_METADATA),
        )
    return Details(headers, metadata, tags_of_header(request.get("Tagging", "")))


def to_answer(stored: StoredObject) -> Answer:
    """The members of GetObject and HeadObject that tell about the whole object, checksums aside."""
    details = stored.details
    answer: Answer = {
        "ContentType": DEFAULT_TYPE,
        **details.headers,
        "AcceptRanges": "bytes",
        "ETag": quoted(stored.content.etag),
        "LastModified": moment(stored.modified_at),
        "Metadata": dict(details.user_metadata),
        **told(stored.content.encryption),
    }
    if isinstance(expires := details.headers.get("Expires"), int):
        answer["Expires"] = datetime.fromtimestamp(expires, UTC)
    if details.tags:
        answer["TagCount"] = len(details.tags)
    return answer


def tags_of_header(text: str) -> dict[str, str]:
    """The tags of ``x-amz-tagging``, written like a query string."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        raise InvalidArgument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag "
            "name duplicates.",
            "x-amz-tagging",
            text,
        ) from None
    return checked_tags(pairs, _MOST_TAGS)


def tags_of_set(tagging: Mapping[str, Any], most: int = _MOST_TAGS) -> dict[str, str]:
    """The tags of a ``Tagging`` member."""
    return checked_tags([(tag.get("Key", ""), tag.get("Value", "")) for tag in tagging.get("TagSet") or []], most)


def tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def checked_tags(pairs: list[tuple[str, str]], most: int) -> dict[str, str]:
    """Tags by key. Raises InvalidTag, or BadRequest where there are too many."""
    if len(pairs) > most:
        raise ServiceError(f"There can be at most {most} tags", code="BadRequest")
    tags: dict[str, str] = {}
    for key, value in pairs:
        utf8(key, "TagKey")
        utf8(value, "TagValue")
        if not 1 <= len(key) <= 128 or key.startswith("aws:"):
            raise ServiceError("The TagKey you have provided is invalid", code="InvalidTag", TagKey=key)
        if len(value) > 256:
            raise ServiceError("The TagValue you have provided is invalid", code="InvalidTag", TagKey=key)
        if key in tags:
            raise ServiceError("Cannot provide multiple Tags with the same key", code="InvalidTag", TagKey=key)
        tags[key] = value
    return tags
