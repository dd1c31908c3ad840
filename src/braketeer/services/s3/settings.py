"""Settings of buckets. A setting is accepted when it says what is so, and refused when it would only be remembered.

What S3 answers about settings that were never made, and the names of those errors, follow its API reference.
"""

from __future__ import annotations

from typing import NoReturn

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import NotImplementedHere, ServiceError
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

    # Never made, so that there is none: as S3 answers about a fresh bucket.

    async def get_bucket_versioning(self, caller: Caller, request: Request) -> Answer:
        """An empty answer says that versioning was never switched on."""
        await self._bucket(caller, request)
        return {}

    async def get_bucket_logging(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def get_bucket_notification_configuration(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def get_bucket_accelerate_configuration(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def get_bucket_encryption(self, caller: Caller, request: Request) -> Answer:
        await self._none(
            caller,
            request,
            "ServerSideEncryptionConfigurationNotFoundError",
            "The server side encryption configuration was not found",
        )

    async def get_bucket_policy(self, caller: Caller, request: Request) -> Answer:
        await self._none(caller, request, "NoSuchBucketPolicy", "The bucket policy does not exist")

    async def get_bucket_policy_status(self, caller: Caller, request: Request) -> Answer:
        await self._none(caller, request, "NoSuchBucketPolicy", "The bucket policy does not exist")

    async def get_bucket_lifecycle_configuration(self, caller: Caller, request: Request) -> Answer:
        message = "The lifecycle configuration does not exist"
        await self._none(caller, request, "NoSuchLifecycleConfiguration", message)

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

    # Taking away what was never there.

    async def delete_bucket_encryption(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def delete_bucket_policy(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def delete_bucket_lifecycle(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    async def delete_bucket_cors(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {}

    # Refused: it would be remembered and not done.

    async def put_bucket_encryption(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "Objects are stored as they are: server-side encryption is not available")

    async def put_bucket_policy(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(
            caller, request, "Bucket policies are not evaluated: the owning account has access, and nobody else"
        )

    async def put_bucket_lifecycle_configuration(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "Lifecycle rules are not carried out: objects stay until they are deleted")

    async def put_bucket_versioning(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "Versioning is not available: an object has one version, the last one")

    async def put_bucket_cors(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "CORS rules are not available")

    async def put_bucket_website(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "Static websites are not available")

    async def put_bucket_replication(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "Replication is not available")

    async def put_bucket_logging(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "Access logs of buckets are not available")

    async def put_bucket_notification_configuration(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "Bucket notifications are not available")

    async def put_object_lock_configuration(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "Object lock is not available")

    async def delete_public_access_block(self, caller: Caller, request: Request) -> Answer:
        await self._refuse(caller, request, "Public access is always blocked")

    async def _set_tags(self, caller: Caller, request: Request, tags: dict[str, str]) -> None:
        bucket = await self._bucket(caller, request)
        await self._database.write(lambda tx: rows.set_tags(tx.connection, bucket.name, tags))

    async def _none(self, caller: Caller, request: Request, code: str, message: str) -> NoReturn:
        bucket = await self._bucket(caller, request)
        raise ServiceError(message, code=code, status=404, BucketName=bucket.name)

    async def _refuse(self, caller: Caller, request: Request, reason: str) -> NoReturn:
        await self._bucket(caller, request)
        raise NotImplementedHere(reason)


def _only_the_owner(caller: Caller) -> Answer:
    grantee = {"Type": "CanonicalUser", **person(caller.account)}
    return {"Owner": person(caller.account), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


def _refuse_grants(request: Request) -> None:
    refuse_what_is_not_kept(request)
    if request.get("AccessControlPolicy"):
        raise ServiceError("The bucket does not allow ACLs", code="AccessControlListNotSupported")
