"""Multipart uploads: an object sent in parts, which becomes visible when it is completed."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import NotImplementedHere
from braketeer.domain.s3_errors import InvalidArgument, InvalidRequest, MalformedXML
from braketeer.objects.checksums import checksum_type, member
from braketeer.objects.uploads import Claims, NamedPart, in_thread_if_many
from braketeer.services.s3 import conditions, encryption, integrity
from braketeer.services.s3.details import from_request
from braketeer.services.s3.names import utf8
from braketeer.services.s3.objects import check_source, copied, copy_source
from braketeer.services.s3.shared import (
    Answer,
    Operations,
    Request,
    at_key,
    at_new_key,
    moment,
    owner,
    page_size,
    person,
    quoted,
)
from braketeer.store.object_keys import just_after
from braketeer.store.objects import Content
from braketeer.store.uploads import Part, Upload

_MOST_PARTS = 10_000


class MultipartOperations(Operations):
    async def create_multipart_upload(self, caller: Caller, request: Request) -> Answer:
        bucket, key = at_new_key(request)
        algorithm, kind = request.get("ChecksumAlgorithm"), request.get("ChecksumType")
        if algorithm is not None:
            integrity.check_algorithm(algorithm)
            chosen = checksum_type(algorithm, kind)
            if chosen is None:
                raise integrity.unsupported_checksum_type(str(kind), algorithm)
            kind = chosen
        elif kind is not None:
            raise InvalidRequest(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        upload = await self._objects.uploads.create(
            bucket,
            key,
            owner=owner(caller, request),
            details=from_request(request),
            algorithm=algorithm,
            checksum_type=kind,
            encryption=await encryption.asked(self._objects.keys, caller, request),
        )
        told = encryption.told(upload.encryption)
        return {"Bucket": bucket, "Key": key, "UploadId": upload.id, **_checksum_of(upload), **told}

    async def upload_part(self, caller: Caller, request: Request) -> Answer:
        number = _number(request)
        encryption.refuse_keys_of_clients(request)
        meant = integrity.of_request(request)
        upload = await self._upload(caller, request)
        if upload.algorithm is not None and meant.algorithm not in (None, upload.algorithm):
            raise InvalidRequest(
                f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.lower()}, actual checksum "
                f"Type: {str(meant.algorithm).lower()}"
            )
        part = await self._objects.uploads.put_part(
            upload,
            number,
            request.get("Body") or b"",
            owner=owner(caller, request),
            algorithms=(meant.algorithm,) if meant.algorithm else (),
            verify=meant.verify,
            announced=integrity.announced_length(request),
        )
        shown = _shown(part, meant.algorithm or upload.algorithm)
        return {"ETag": quoted(part.etag), **shown, **encryption.told(upload.encryption)}

    async def upload_part_copy(self, caller: Caller, request: Request) -> Answer:
        number = _number(request)
        encryption.refuse_keys_of_clients(request)
        upload = await self._upload(caller, request)
        owner(caller, request, "ExpectedSourceBucketOwner")
        opened = await self._objects.get(*copy_source(request["CopySource"]), owner=caller.account)
        check_source(request, opened.stored)
        span = conditions.copied_span(request.get("CopySourceRange"), opened.stored.content.size)
        body = await opened.read(span.start, span.length)
        part = await self._objects.uploads.put_part(upload, number, body, owner=caller.account, announced=span.length)
        content = Content(part.file.size, part.etag, _shown(part, upload.algorithm))
        return {"CopyPartResult": copied(content, part.modified_at), **encryption.told(upload.encryption)}

    async def complete_multipart_upload(self, caller: Caller, request: Request) -> Answer:
        bucket, key = at_key(request)
        claims = Claims(
            {member(name): value for name, value in _whole_checksums(request).items()},
            request.get("ChecksumType"),
            request.get("MpuObjectSize"),
        )
        parts = (request.get("MultipartUpload") or {}).get("Parts") or []
        content = await self._objects.uploads.complete(
            bucket,
            key,
            request["UploadId"],
            await in_thread_if_many(parts, lambda parts: [_named(part) for part in parts]),
            owner=owner(caller, request),
            condition=conditions.of_write(request),
            claims=claims,
        )
        return {
            "Location": f"{caller.endpoint}/{bucket}/{quote(key, safe='/')}",
            "Bucket": bucket,
            "Key": key,
            "ETag": quoted(content.etag),
            **content.checksums,
            **encryption.told(content.encryption),
        }

    async def abort_multipart_upload(self, caller: Caller, request: Request) -> Answer:
        bucket, key = at_key(request)
        if request.get("IfMatchInitiatedTime") is not None:
            raise NotImplementedHere("The condition IfMatchInitiatedTime is for directory buckets")
        await self._objects.uploads.abort(bucket, key, request["UploadId"], owner=owner(caller, request))
        return {}

    async def list_parts(self, caller: Caller, request: Request) -> Answer:
        bucket, key = at_key(request)
        limit, marker = page_size(request, "MaxParts"), request.get("PartNumberMarker", 0)
        upload, found = await self._objects.uploads.parts(
            bucket, key, request["UploadId"], owner=owner(caller, request), after=marker, limit=limit + 1
        )
        shown = found[:limit]
        answer: Answer = {
            "Bucket": bucket,
            "Key": key,
            "UploadId": upload.id,
            "PartNumberMarker": marker,
            "NextPartNumberMarker": shown[-1].number if shown else 0,
            "MaxParts": limit,
            "IsTruncated": bool(shown) and len(found) > limit,
            "Initiator": person(caller.account),
            "Owner": person(caller.account),
            "StorageClass": "STANDARD",
            **_checksum_of(upload),
        }
        if shown:
            answer["Parts"] = [
                {
                    "PartNumber": part.number,
                    "LastModified": moment(part.modified_at),
                    "ETag": quoted(part.etag),
                    "Size": part.file.size,
                    **_shown(part, upload.algorithm),
                }
                for part in shown
            ]
        return answer

    async def list_multipart_uploads(self, caller: Caller, request: Request) -> Answer:
        limit = page_size(request, "MaxUploads")
        entries = await self._unfinished(caller, request, limit + 1)
        shown, truncated = entries[:limit], limit < len(entries)
        answer: Answer = {
            "Bucket": request["Bucket"],
            "KeyMarker": request.get("KeyMarker", ""),
            "UploadIdMarker": request.get("UploadIdMarker", ""),
            "Prefix": request.get("Prefix", ""),
            "MaxUploads": limit,
            "IsTruncated": truncated and bool(shown),
        }
        for name in ("Delimiter", "EncodingType"):
            if request.get(name):
                answer[name] = request[name]
        if answer["IsTruncated"]:
            last = shown[-1]
            answer["NextKeyMarker"] = last.key if isinstance(last, Upload) else last
            answer["NextUploadIdMarker"] = last.id if isinstance(last, Upload) else ""
        uploads = [
            {
                "Key": upload.key,
                "UploadId": upload.id,
                "Initiated": moment(upload.created_at),
                "StorageClass": "STANDARD",
                "Owner": person(caller.account),
                "Initiator": person(caller.account),
                **_checksum_of(upload),
            }
            for upload in shown
            if isinstance(upload, Upload)
        ]
        prefixes = [{"Prefix": entry} for entry in shown if isinstance(entry, str)]
        return answer | ({"Uploads": uploads} if uploads else {}) | ({"CommonPrefixes": prefixes} if prefixes else {})

    async def _upload(self, caller: Caller, request: Request) -> Upload:
        bucket, key = at_key(request)
        return await self._objects.uploads.find(bucket, key, request["UploadId"], owner=owner(caller, request))

    async def _unfinished(self, caller: Caller, request: Request, limit: int) -> list[Upload | str]:
        """Uploads, and common prefixes (as text), in order from the markers on; at most ``limit``."""
        for name in ("Prefix", "Delimiter", "KeyMarker", "UploadIdMarker"):
            utf8(request.get(name, ""), name)
        prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
        after_key, after_id = request.get("KeyMarker", ""), request.get("UploadIdMarker", "")
        # A key marker alone stands for all uploads of that key, and one that is a common prefix for all with it.
        marker = _common_prefix(after_key, prefix, delimiter)
        skipped = marker if marker == after_key else None
        if after_key and not after_id:
            after_key = just_after(after_key)
        entries: list[Upload | str] = []
        while True:
            found = await self._objects.uploads.unfinished(
                request["Bucket"],
                owner=owner(caller, request),
                prefix=prefix,
                after_key=after_key,
                after_id=after_id,
                limit=1000,
            )
            for upload in found:
                common = _common_prefix(upload.key, prefix, delimiter)
                entry: Upload | str = upload if common is None else common
                if common is not None and (common == skipped or (entries and entries[-1] == common)):
                    continue
                entries.append(entry)
                if len(entries) >= limit:
                    return entries
            if len(found) < 1000:
                return entries
            after_key, after_id = found[-1].key, found[-1].id


def _number(request: Request) -> int:
    number: int = request["PartNumber"]
    if not 1 <= number <= _MOST_PARTS:
        message = f"Part number must be an integer between 1 and {_MOST_PARTS}, inclusive"
        raise InvalidArgument(message, "partNumber", number)
    return number


def _named(part: dict[str, Any]) -> NamedPart:
    if part.get("PartNumber") is None or part.get("ETag") is None:
        raise MalformedXML()
    checksums = {member(name): value for name, value in integrity.named_checksums(part).items()}
    return NamedPart(part["PartNumber"], part["ETag"].strip('"'), checksums)


def _whole_checksums(request: Request) -> dict[str, str]:
    """Checksums of the whole object; a composite one may end in "-" and the number of parts."""
    plain = {
        name: value.partition("-")[0] if name.startswith("Checksum") and isinstance(value, str) else value
        for name, value in request.items()
    }
    return integrity.named_checksums(plain)


def _checksum_of(upload: Upload) -> Answer:
    if upload.algorithm is None:
        return {}
    return {"ChecksumAlgorithm": upload.algorithm, "ChecksumType": upload.checksum_type}


def _shown(part: Part, algorithm: str | None) -> dict[str, str]:
    """The checksum of a part that a client sees: the one that was asked for, if any."""
    name = member(algorithm) if algorithm is not None else ""
    return {name: part.checksums[name]} if name in part.checksums else {}


def _common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter or not key.startswith(prefix):
        return None
    at = key.find(delimiter, len(prefix))
    return None if at < 0 else key[: at + len(delimiter)]
