"""Operations on buckets. Their names are unique over all accounts; a bucket belongs to the account that created it."""

from __future__ import annotations

import base64
from collections.abc import Callable

from sqlalchemy import Connection

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import NotImplementedHere
from braketeer.domain.s3_errors import BucketAlreadyExists, BucketAlreadyOwnedByYou, InvalidArgument
from braketeer.services.s3.details import checked_tags, refuse_what_is_not_kept
from braketeer.services.s3.names import HOME_REGION, check_bucket, region_of_new_bucket
from braketeer.services.s3.shared import Answer, Operations, Request, moment, owner, page_size, person
from braketeer.store import buckets as rows
from braketeer.store.buckets import Bucket
from braketeer.store.database import Transaction

_MOST_BUCKETS = 10_000
_MOST_TAGS = 50


class BucketOperations(Operations):
    async def create_bucket(self, caller: Caller, request: Request) -> Answer:
        """Creating one's own bucket again is 200 in us-east-1 and 409 elsewhere, as S3 has it."""
        check_bucket(request["Bucket"])
        refuse_what_is_not_kept(request)
        if request.get("ObjectLockEnabledForBucket"):
            raise NotImplementedHere("Object lock is not available")
        if request.get("ObjectOwnership", "BucketOwnerEnforced") != "BucketOwnerEnforced":
            raise NotImplementedHere("The bucket owner owns every object: other object ownership is not available")
        if request.get("BucketNamespace", "global") != "global":
            raise NotImplementedHere("Bucket names are unique over all accounts: other namespaces are not available")
        asked = request.get("CreateBucketConfiguration") or {}
        if asked.get("Location") or asked.get("Bucket"):
            raise NotImplementedHere("Directory buckets are not available")
        region = region_of_new_bucket(caller.region, asked.get("LocationConstraint"))
        tags = checked_tags([(tag.get("Key", ""), tag.get("Value", "")) for tag in asked.get("Tags") or []], _MOST_TAGS)
        wanted = Bucket(request["Bucket"], caller.account, region, tags, self._clock.now_ms())
        there = await self._database.write(lambda tx: rows.create(tx.connection, wanted))
        if there is not wanted:
            _refuse_second_creation(there, wanted)
        return {"Location": f"/{wanted.name}"}

    async def list_buckets(self, caller: Caller, request: Request) -> Answer:
        limit = page_size(request, "MaxBuckets", _MOST_BUCKETS)
        prefix, region = request.get("Prefix", ""), request.get("BucketRegion")
        after = _name_of_token(request.get("ContinuationToken"))
        found = await self._database.read(
            lambda c: rows.of_account(c, caller.account, prefix=prefix, after=after, region=region, limit=limit + 1)
        )
        shown = found[:limit]
        answer: Answer = {
            "Buckets": [
                {"Name": bucket.name, "CreationDate": moment(bucket.created_at), "BucketRegion": bucket.region}
                for bucket in shown
            ],
            "Owner": person(caller.account),
        }
        if prefix:
            answer["Prefix"] = prefix
        if shown and len(found) > limit:
            answer["ContinuationToken"] = base64.urlsafe_b64encode(shown[-1].name.encode()).decode()
        return answer

    async def head_bucket(self, caller: Caller, request: Request) -> Answer:
        bucket = await self._bucket(caller, request)
        return {"BucketRegion": bucket.region, "AccessPointAlias": False}

    async def get_bucket_location(self, caller: Caller, request: Request) -> Answer:
        """us-east-1 is told by an empty LocationConstraint."""
        bucket = await self._bucket(caller, request)
        return {} if bucket.region == HOME_REGION else {"LocationConstraint": bucket.region}

    async def delete_bucket(self, caller: Caller, request: Request) -> Answer:
        """Unfinished uploads do not keep a bucket; objects do (BucketNotEmpty)."""
        await self._objects.remove_bucket(request["Bucket"], owner=owner(caller, request))
        return {}

    async def _bucket(self, caller: Caller, request: Request) -> Bucket:
        account = owner(caller, request)
        return await self._database.read(lambda connection: rows.owned(connection, request["Bucket"], account))

    async def _set(self, bucket: Bucket, change: Callable[[Connection, str], None]) -> None:
        """Change the row of the bucket with that name, which must still be that account's: the lock keeps it so."""

        def write(tx: Transaction) -> None:
            rows.owned(tx.connection, bucket.name, bucket.account, lock=True)
            change(tx.connection, bucket.name)

        await self._database.write(write)


def _refuse_second_creation(there: Bucket, wanted: Bucket) -> None:
    if there.account != wanted.account:
        raise BucketAlreadyExists(
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again.",
            BucketName=wanted.name,
        )
    if (there.region, wanted.region) != (HOME_REGION, HOME_REGION):
        raise BucketAlreadyOwnedByYou(
            "Your previous request to create the named bucket succeeded and you already own it.",
            BucketName=wanted.name,
        )


def _name_of_token(token: str | None) -> str:
    try:
        return base64.b64decode(token or "", altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        raise InvalidArgument("The continuation token provided is incorrect", "continuation-token", token) from None
