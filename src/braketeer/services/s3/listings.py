"""Listings of a bucket's objects: three forms of one walk over the keys in order."""

from __future__ import annotations

import base64

from braketeer.domain.accounts import Caller
from braketeer.domain.s3_errors import InvalidArgument
from braketeer.objects.embedded import Page
from braketeer.services.s3.names import utf8
from braketeer.services.s3.shared import (
    NULL_VERSION,
    Answer,
    Operations,
    Request,
    moment,
    owner,
    page_size,
    person,
    quoted,
)
from braketeer.store.object_keys import Listed, behind, just_after


class ListingOperations(Operations):
    async def list_objects_v2(self, caller: Caller, request: Request) -> Answer:
        token, start = request.get("ContinuationToken"), request.get("StartAfter", "")
        from_key = _from_marker(request, start) if token is None else _key_of_token(token)
        page = await self._page(caller, request, "MaxKeys", from_key)
        answer = _answer(request, page, "MaxKeys")
        answer["KeyCount"] = len(page.entries)
        for name in ("ContinuationToken", "StartAfter"):
            if request.get(name):
                answer[name] = request[name]
        if page.next_key is not None and page.entries:
            answer["NextContinuationToken"] = base64.urlsafe_b64encode(page.next_key.encode()).decode()
        owner_too = {"Owner": person(caller.account)} if request.get("FetchOwner") else {}
        return _with_entries(answer, page, "Contents", owner_too)

    async def list_objects(self, caller: Caller, request: Request) -> Answer:
        page = await self._page(caller, request, "MaxKeys", _from_marker(request, request.get("Marker", "")))
        answer = _answer(request, page, "MaxKeys")
        answer["Marker"] = request.get("Marker", "")
        if answer["IsTruncated"]:
            answer["NextMarker"] = page.entries[-1].key
        return _with_entries(answer, page, "Contents", {"Owner": person(caller.account)})

    async def list_object_versions(self, caller: Caller, request: Request) -> Answer:
        """Every object has one version, ``null``, as in a bucket whose versioning was never switched on."""
        marker = request.get("VersionIdMarker")
        if marker and not request.get("KeyMarker"):
            message = "A version-id marker cannot be specified without a key marker."
            raise InvalidArgument(message, "version-id-marker", marker)
        page = await self._page(caller, request, "MaxKeys", _from_marker(request, request.get("KeyMarker", "")))
        answer = _answer(request, page, "MaxKeys")
        answer["KeyMarker"] = request.get("KeyMarker", "")
        if answer["IsTruncated"]:
            answer |= {"NextKeyMarker": page.entries[-1].key, "NextVersionIdMarker": NULL_VERSION}
        more = {"VersionId": NULL_VERSION, "IsLatest": True, "Owner": person(caller.account)}
        return _with_entries(answer, page, "Versions", more)

    async def _page(self, caller: Caller, request: Request, limit: str, from_key: str | None) -> Page:
        for name in ("Prefix", "Delimiter"):
            utf8(request.get(name, ""), name)
        size = page_size(request, limit)
        # With nothing to show, or nothing behind the marker, the bucket is still looked up: it may not be there.
        nothing = from_key is None or not size
        page = await self._objects.page(
            request["Bucket"],
            owner=owner(caller, request),
            prefix=request.get("Prefix", ""),
            delimiter=request.get("Delimiter", ""),
            from_key=from_key or "",
            limit=0 if nothing else size,
        )
        return Page((), None) if nothing else page


def _from_marker(request: Request, marker: str) -> str | None:
    """The first key behind a marker; a marker that is a common prefix stands for all keys that have it."""
    utf8(marker, "marker")
    if not marker:
        return ""
    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    if delimiter and marker.startswith(prefix) and marker.find(delimiter, len(prefix)) == len(marker) - len(delimiter):
        return behind(marker)
    return just_after(marker)


def _key_of_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise InvalidArgument("The continuation token provided is incorrect", "continuation-token", token) from None


def _answer(request: Request, page: Page, limit: str) -> Answer:
    answer: Answer = {
        "Name": request["Bucket"],
        "Prefix": request.get("Prefix", ""),
        limit: page_size(request, limit),
        "IsTruncated": page.next_key is not None and bool(page.entries),
    }
    for name in ("Delimiter", "EncodingType"):
        if request.get(name):
            answer[name] = request[name]
    return answer


def _with_entries(answer: Answer, page: Page, member: str, more: Answer) -> Answer:
    """Put the entries into the answer; a kind of which there are none is left out, as S3 does."""
    found = [_object(entry) | more for entry in page.entries if entry.etag is not None]
    prefixes = [{"Prefix": entry.key} for entry in page.entries if entry.etag is None]
    if found:
        answer[member] = found
    if prefixes:
        answer["CommonPrefixes"] = prefixes
    return answer


def _object(entry: Listed) -> Answer:
    checksums = entry.checksums or {}
    item: Answer = {
        "Key": entry.key,
        "LastModified": moment(entry.modified_at),
        "ETag": quoted(entry.etag or ""),
        "Size": entry.size,
        "StorageClass": "STANDARD",
    }
    algorithms = [name.removeprefix("Checksum") for name in checksums if name != "ChecksumType"]
    if algorithms:
        item |= {"ChecksumAlgorithm": algorithms, "ChecksumType": checksums["ChecksumType"]}
    return item
