"""Settings of buckets that say what is so anyway: they are accepted, and refused when they say anything else.

What S3 answers about settings that were never made, and the names of those errors, follow its API reference.
"""

from __future__ import annotations

from typing import NoReturn

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import NotImplementedHere, ServiceError
from braketeer.domain.s3_errors import InvalidRequest
from braketeer.services.s3.buckets import BucketOperations
from braketeer.services.s3.details import refuse_what_is_not_kept, tag_set, tags_of_set
from braketeer.services.s3.shared import Answer, Request, at_key, owner, person
from braketeer.store import buckets as rows

_PUBLIC_ACCESS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_MOST_TAGS = 50


class SettingOperations(BucketOperations):
    # Tags are kept.

    async def get_bucket_tagging(self, caller: Caller, request: Request) -> Answer:
        bucket = await self._bucket(caller, request)
        if not bucket.tags:
            raise ServiceError("The TagSet does not exist", code="NoSuchTagSet", status=404, BucketName=bucket.name)
        return {"TagSet": tag_set(bucket.tags)}

    async def put_bucket_tagging(self, caller: Caller, request: Request) -> Answer:
        await self._set_tags(caller, request, tags_of_set(request["Tagging"], _MOST_TAGS))
        return {}

    async def delete_bucket_tagging(self, caller: Caller, request: Request) -> Answer:
        await self._set_tags(caller, request, {})
        return {}

    # True of every bucket here, so that saying it is accepted: nothing is public, the owner owns every object.

    async def get_bucket_acl(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return _only_the_owner(caller)

    async def put_bucket_acl(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        _refuse_grants(request)
        return {}

    async def get_object_acl(self, caller: Caller, request: Request) -> Answer:
        await self._objects.find(*at_key(request), owner=owner(caller, request))
        return _only_the_owner(caller)

    async def put_object_acl(self, caller: Caller, request: Request) -> Answer:
        await self._objects.find(*at_key(request), owner=owner(caller, request))
        _refuse_grants(request)
        return {}

    async def get_public_access_block(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {"PublicAccessBlockConfiguration": dict.fromkeys(_PUBLIC_ACCESS, True)}

    async def put_public_access_block(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        asked = request["PublicAccessBlockConfiguration"]
        if not all(asked.get(name) for name in _PUBLIC_ACCESS):
            raise NotImplementedHere("Public access is always blocked: all four settings can only be true")
        return {}

    async def get_bucket_ownership_controls(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}

    async def put_bucket_ownership_controls(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        rules = request["OwnershipControls"].get("Rules") or []
        if [rule.get("ObjectOwnership") for rule in rules] != ["BucketOwnerEnforced"]:
            raise NotImplementedHere("The bucket owner owns every object: other object ownership is not available")
        return {}

    async def get_bucket_request_payment(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {"Payer": "BucketOwner"}

    async def put_bucket_request_payment(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        if request["RequestPaymentConfiguration"].get("Payer") != "BucketOwner":
            raise NotImplementedHere("Nobody pays for requests: the payer can only be BucketOwner")
        return {}

    async def get_bucket_versioning(self, caller: Caller, request: Request) -> Answer:
        """An empty answer says that versioning was never switched on."""
        await self._bucket(caller, request)
        return {}

    async def put_bucket_versioning(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        asked = request["VersioningConfiguration"]
        if asked.get("Status") != "Suspended" or asked.get("MFADelete", "Disabled") != "Disabled":
            raise NotImplementedHere("Versioning is not available: an object has one version, the last one")
        return {}

    async def get_bucket_accelerate_configuration(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def put_bucket_accelerate_configuration(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        if request["AccelerateConfiguration"].get("Status") != "Suspended":
            raise NotImplementedHere("Transfer acceleration is not available: there is one endpoint")
        return {}

    async def get_bucket_abac(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {"AbacStatus": {"Status": "Disabled"}}

    async def put_bucket_abac(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        if request["AbacStatus"].get("Status") != "Disabled":
            raise NotImplementedHere("Access is not decided by tags")
        return {}

    # Never made, so that there is none: as S3 answers about a fresh bucket.

    async def get_bucket_logging(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def put_bucket_logging(self, caller: Caller, request: Request) -> Answer:
        """Switching off what is off is accepted."""
        await self._bucket(caller, request)
        if request["BucketLoggingStatus"].get("LoggingEnabled"):
            raise NotImplementedHere("Access logs of buckets are not available")
        return {}

    async def get_bucket_notification_configuration(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def put_bucket_notification_configuration(self, caller: Caller, request: Request) -> Answer:
        """Switching off what is off is accepted."""
        await self._bucket(caller, request)
        if any(value != [] for value in request["NotificationConfiguration"].values()):
            raise NotImplementedHere("Bucket notifications are not available")
        return {}

    async def get_bucket_cors(self, caller: Caller, request: Request) -> Answer:
        await self._none(caller, request, "NoSuchCORSConfiguration", "The CORS configuration does not exist")

    async def get_bucket_website(self, caller: Caller, request: Request) -> Answer:
        message = "The specified bucket does not have a website configuration"
        await self._none(caller, request, "NoSuchWebsiteConfiguration", message)

    async def get_bucket_replication(self, caller: Caller, request: Request) -> Answer:
        message = "The replication configuration was not found"
        await self._none(caller, request, "ReplicationConfigurationNotFoundError", message)

    async def get_object_lock_configuration(self, caller: Caller, request: Request) -> Answer:
        message = "Object Lock configuration does not exist for this bucket"
        await self._none(caller, request, "ObjectLockConfigurationNotFoundError", message)

    async def get_object_retention(self, caller: Caller, request: Request) -> Answer:
        await self._objects.find(*at_key(request), owner=owner(caller, request))
        raise InvalidRequest("Bucket is missing Object Lock Configuration")

    async def get_object_legal_hold(self, caller: Caller, request: Request) -> Answer:
        await self._objects.find(*at_key(request), owner=owner(caller, request))
        raise InvalidRequest("Bucket is missing Object Lock Configuration")

    async def restore_object(self, caller: Caller, request: Request) -> Answer:
        await self._objects.find(*at_key(request), owner=owner(caller, request))
        raise ServiceError(
            "Restore is not allowed for the object's current storage class", code="InvalidObjectState", status=403
        )

    # Taking away what was never there.

    async def delete_bucket_website(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def delete_bucket_replication(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def delete_bucket_cors(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def _set_tags(self, caller: Caller, request: Request, tags: dict[str, str]) -> None:
        bucket = await self._bucket(caller, request)
        await self._set(bucket, lambda c, name: rows.set_tags(c, name, tags))

    async def _none(self, caller: Caller, request: Request, code: str, message: str) -> NoReturn:
        bucket = await self._bucket(caller, request)
        raise ServiceError(message, code=code, status=404, BucketName=bucket.name)


def _only_the_owner(caller: Caller) -> Answer:
    grantee = {"Type": "CanonicalUser", **person(caller.account)}
    return {"Owner": person(caller.account), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


def _refuse_grants(request: Request) -> None:
    refuse_what_is_not_kept(request)
    if request.get("AccessControlPolicy"):
        raise ServiceError("The bucket does not allow ACLs", code="AccessControlListNotSupported")
