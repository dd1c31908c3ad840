"""Operations on single objects: put, get, head, delete, copy, tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import NotImplementedHere, ServiceError
from braketeer.domain.s3_errors import InvalidArgument, InvalidRequest, MalformedXML, NoSuchVersion, PreconditionFailed
from braketeer.objects.checksums import DEFAULT_ALGORITHM
from braketeer.services.s3 import conditions, encryption, integrity
from braketeer.services.s3.details import from_request, tag_set, tags_of_set, to_answer
from braketeer.services.s3.names import check_key
from braketeer.services.s3.shared import (
    NULL_VERSION,
    Answer,
    Operations,
    Request,
    at_key,
    at_new_key,
    moment,
    owner,
    page_size,
    quoted,
)
from braketeer.store.objects import Content, Details, StoredObject

_MOST_DELETED = 1000
_OVERRIDES = {  # query parameters of a GET that replace headers of the answer
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}


class ObjectOperations(Operations):
    async def put_object(self, caller: Caller, request: Request) -> Answer:
        bucket, key = at_new_key(request)
        meant = integrity.of_request(request)
        content = await self._objects.put(
            bucket,
            key,
            request.get("Body") or b"",
            owner=owner(caller, request),
            details=from_request(request),
            condition=conditions.of_write(request),
            algorithms=(meant.algorithm or DEFAULT_ALGORITHM,),
            verify=meant.verify,
            encryption=await encryption.asked(self._objects.keys, caller, request),
            announced=integrity.announced_length(request),
        )
        return {"ETag": quoted(content.etag), **content.checksums, **encryption.told(content.encryption)}

    async def get_object(self, caller: Caller, request: Request) -> Answer:
        encryption.refuse_keys_for_reading(request)
        opened = await self._objects.get(*at_key(request), owner=owner(caller, request))
        stored = opened.stored
        if conditions.is_not_modified(request, stored):
            return _not_modified(stored)
        span = conditions.span(request, stored)
        answer = _described(request, stored, span)
        answer["Body"] = await opened.read(span.start if span else 0, answer["ContentLength"])
        return answer

    async def head_object(self, caller: Caller, request: Request) -> Answer:
        encryption.refuse_keys_for_reading(request)
        stored = await self._objects.find(*at_key(request), owner=owner(caller, request))
        if conditions.is_not_modified(request, stored):
            return _not_modified(stored)
        return _described(request, stored, conditions.span(request, stored))

    async def get_object_attributes(self, caller: Caller, request: Request) -> Answer:
        stored = await self._objects.find(*at_key(request), owner=owner(caller, request))
        wanted, content = set(request.get("ObjectAttributes") or ()), stored.content
        answer: Answer = {"LastModified": moment(stored.modified_at)}
        if "ETag" in wanted:
            answer["ETag"] = content.etag
        if "Checksum" in wanted and content.checksums:
            answer["Checksum"] = dict(content.checksums)
        if "ObjectParts" in wanted and conditions.part_count(stored) is not None:
            answer["ObjectParts"] = _parts(request, content)
        if "StorageClass" in wanted:
            answer["StorageClass"] = "STANDARD"
        if "ObjectSize" in wanted:
            answer["ObjectSize"] = content.size
        return answer

    async def delete_object(self, caller: Caller, request: Request) -> Answer:
        """Deleting what is not there is no error."""
        bucket, key = at_key(request)
        _refuse_further_conditions(request, "IfMatchLastModifiedTime", "IfMatchSize")
        condition = conditions.of_match(request.get("IfMatch"))
        await self._objects.delete(bucket, key, owner=owner(caller, request), condition=condition)
        return {}

    async def delete_objects(self, caller: Caller, request: Request) -> Answer:
        """Each key on its own: what cannot be deleted is among the Errors."""
        asked = request["Delete"]
        keys = asked.get("Objects") or []
        if not 1 <= len(keys) <= _MOST_DELETED:
            raise MalformedXML()
        for one in keys:
            check_key(one["Key"])
            _refuse_further_conditions(one, "LastModifiedTime", "Size")
        real = [one for one in keys if one.get("VersionId", NULL_VERSION) == NULL_VERSION]
        wanted = [(one["Key"], conditions.of_match(one.get("ETag"))) for one in real]
        outcomes = await self._objects.delete_many(request["Bucket"], wanted, owner=owner(caller, request))
        deleted, errors = [], [_unknown_version(one) for one in keys if one not in real]
        for one, problem in zip(real, outcomes, strict=True):
            if problem is None:
                deleted.append({"Key": one["Key"]})
            elif isinstance(problem, ServiceError):
                # In S3's words: those of the JSON services end in Exception.
                code = problem.code.removesuffix("Exception")
                errors.append({"Key": one["Key"], "Code": code, "Message": problem.message})
            else:
                raise problem
        answer: Answer = {} if asked.get("Quiet") or not deleted else {"Deleted": deleted}
        return answer | ({"Errors": errors} if errors else {})

    async def copy_object(self, caller: Caller, request: Request) -> Answer:
        """The source must be the caller's too. Bytes are shared, not moved; the ETag and the checksums stay."""
        target = at_new_key(request)
        source = copy_source(request["CopySource"])
        account = owner(caller, request)
        owner(caller, request, "ExpectedSourceBucketOwner")
        new = from_request(request)
        new_metadata = _directive(request, "MetadataDirective") == "REPLACE"
        new_tags = _directive(request, "TaggingDirective") == "REPLACE"
        wanted = await encryption.asked(self._objects.keys, caller, request)
        if source == target and not new_metadata and not new_tags and wanted is None:
            raise InvalidRequest(
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
        algorithm = request.get("ChecksumAlgorithm")
        if algorithm is not None:
            integrity.check_algorithm(algorithm)

        def details(old: Details) -> Details:
            described = new if new_metadata else old
            return Details(described.headers, described.user_metadata, new.tags if new_tags else old.tags)

        made = await self._objects.copy(
            source,
            target,
            owner=account,
            details=details,
            condition=conditions.of_write(request),
            algorithm=algorithm,
            encryption=wanted,
            check=lambda stored: check_source(request, stored),
        )
        result = copied(made.content, made.modified_at)
        return {"CopyObjectResult": result, **encryption.told(made.content.encryption)}

    async def get_object_tagging(self, caller: Caller, request: Request) -> Answer:
        stored = await self._objects.find(*at_key(request), owner=owner(caller, request))
        return {"TagSet": tag_set(stored.details.tags)}

    async def put_object_tagging(self, caller: Caller, request: Request) -> Answer:
        bucket, key = at_key(request)
        tags = tags_of_set(request["Tagging"])
        await self._objects.set_tags(bucket, key, tags, owner=owner(caller, request))
        return {}

    async def delete_object_tagging(self, caller: Caller, request: Request) -> Answer:
        bucket, key = at_key(request)
        await self._objects.set_tags(bucket, key, {}, owner=owner(caller, request))
        return {}


def _parts(request: Request, content: Content) -> Answer:
    """The parts of a multipart object, a page of them where they have checksums of their own, as S3 has it."""
    answer: Answer = {"TotalPartsCount": len(content.files)}
    if any(file.checksums is None for file in content.files):
        return answer
    most, after = page_size(request, "MaxParts"), request.get("PartNumberMarker", 0)
    if after < 0:
        raise InvalidArgument("PartNumberMarker must not be negative", "PartNumberMarker", after)
    shown = list(enumerate(content.files, 1))[after : after + most]
    last = shown[-1][0] if shown else after
    parts = [{"PartNumber": number, "Size": file.size, **(file.checksums or {})} for number, file in shown]
    truncated = bool(shown) and last < len(content.files)
    return answer | {
        "PartNumberMarker": after,
        "NextPartNumberMarker": last,
        "MaxParts": most,
        "IsTruncated": truncated,
        "Parts": parts,
    }


def _refuse_further_conditions(request: Mapping[str, Any], *members: str) -> None:
    """Conditions that S3 has for directory buckets only: better refused than not looked at."""
    for member in members:
        if request.get(member) is not None:
            raise NotImplementedHere(f"The condition {member} is for directory buckets: use If-Match with an ETag")


def copy_source(text: str) -> tuple[str, str]:
    """(bucket, key) of ``x-amz-copy-source``: ``[/]bucket/key[?versionId=null]``, percent-encoded."""
    path, _, version = text.partition("?versionId=")
    try:
        bucket, slash, key = unquote(path, errors="strict").removeprefix("/").partition("/")
    except UnicodeDecodeError:
        bucket = slash = key = ""
    if not bucket or not slash or not key:
        raise InvalidArgument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", text
        )
    check_key(key)
    if version not in ("", NULL_VERSION):
        raise NoSuchVersion("The specified version does not exist.", Key=key, VersionId=version)
    return bucket, key


def check_source(request: Request, stored: StoredObject) -> None:
    """The ``x-amz-copy-source-if-*`` conditions: a source that is "not modified" is refused as well."""
    if conditions.is_not_modified(request, stored, "CopySource"):
        raise PreconditionFailed("x-amz-copy-source-If-None-Match or If-Modified-Since")


def copied(content: Content, modified_at: int) -> dict[str, Any]:
    """The members of a copy's result."""
    return {"ETag": quoted(content.etag), "LastModified": moment(modified_at), **content.checksums}


def _described(request: Request, stored: StoredObject, span: conditions.Span | None) -> Answer:
    """The members of a GET or HEAD of the whole object or a span of it.

    A span comes without the object's checksum, which would make clients refuse the bytes; a part with its own.
    """
    answer = to_answer(stored)
    for parameter, header in _OVERRIDES.items():
        if request.get(parameter) is not None:
            answer[header] = request[parameter]
    size = stored.content.size
    answer["ContentLength"] = size if span is None else span.length
    if span is not None:
        answer |= {"__status__": 206, "ContentRange": span.header(size)}
    if request.get("PartNumber") is not None and (count := conditions.part_count(stored)) is not None:
        answer["PartsCount"] = count
    if request.get("ChecksumMode") == "ENABLED":
        answer |= stored.content.checksums if span is None else _checksums_of_part(request, stored)
    return answer


def _checksums_of_part(request: Request, stored: StoredObject) -> Answer:
    """Those of the part that was asked for by its number, if it has some."""
    number = request.get("PartNumber")
    if number is None or conditions.part_count(stored) is None:
        return {}
    checksums = stored.content.files[number - 1].checksums
    return {} if checksums is None else {**checksums, "ChecksumType": stored.content.checksums["ChecksumType"]}


def _not_modified(stored: StoredObject) -> Answer:
    whole = to_answer(stored)
    kept: Mapping[str, Any] = {name: whole[name] for name in ("ETag", "LastModified", "CacheControl") if name in whole}
    return {"__status__": 304, **kept}


def _directive(request: Request, name: str) -> str:
    value: str = request.get(name, "COPY")
    if value not in ("COPY", "REPLACE"):
        raise InvalidArgument(f"Unknown {name}", name, value)
    return value


def _unknown_version(one: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Key": one["Key"],
        "VersionId": one["VersionId"],
        "Code": "NoSuchVersion",
        "Message": "The specified version does not exist.",
    }
