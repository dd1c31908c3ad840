"""Encryption, policies and lifecycle rules of buckets: kept where they are carried out or true anyway, else refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from braketeer.domain import object_lifecycles
from braketeer.domain.accounts import Caller
from braketeer.domain.bucket_policies import check_policy
from braketeer.domain.encryption import AES256
from braketeer.domain.errors import NotImplementedHere, ServiceError
from braketeer.domain.s3_errors import MalformedXML
from braketeer.services.s3 import encryption
from braketeer.services.s3.buckets import BucketOperations
from braketeer.services.s3.shared import Answer, Request
from braketeer.store import buckets as rows
from braketeer.store.buckets import Bucket

_EVERY_SIZE = "all_storage_classes_128K"  # of transitions, of which there are none


class RuleOperations(BucketOperations):
    async def put_bucket_encryption(self, caller: Caller, request: Request) -> Answer:
        """From now on, objects that are put or copied here are encrypted so, unless their request says how."""
        bucket = await self._bucket(caller, request)
        rules = request["ServerSideEncryptionConfiguration"].get("Rules") or []
        if len(rules) != 1:
            raise MalformedXML()
        blocked = (rules[0].get("BlockedEncryptionTypes") or {}).get("EncryptionType") or ["SSE-C"]
        if blocked != ["SSE-C"]:
            raise NotImplementedHere(encryption.CLIENTS_KEYS)
        default = rules[0].get("ApplyServerSideEncryptionByDefault") or {"SSEAlgorithm": AES256}
        wanted = await encryption.named(
            self._objects.keys,
            caller,
            bucket.name,
            default.get("SSEAlgorithm"),
            default.get("KMSMasterKeyID"),
            bool(rules[0].get("BucketKeyEnabled")),
        )
        await self._set(bucket, lambda c, name: rows.set_encryption(c, name, wanted))
        return {}

    async def get_bucket_encryption(self, caller: Caller, request: Request) -> Answer:
        """Without a default nothing is encrypted, and this says so: S3 itself would answer AES256."""
        bucket = await self._bucket(caller, request)
        if (kept := bucket.encryption) is None:
            raise ServiceError(
                "The server side encryption configuration was not found",
                code="ServerSideEncryptionConfigurationNotFoundError",
                status=404,
                BucketName=bucket.name,
            )
        default = {"SSEAlgorithm": kept.algorithm}
        if kept.key_arn is not None:
            default["KMSMasterKeyID"] = kept.key_arn
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": kept.bucket_key}
        return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}

    async def delete_bucket_encryption(self, caller: Caller, request: Request) -> Answer:
        """New objects are stored as they are again; those that are encrypted stay so."""
        bucket = await self._bucket(caller, request)
        await self._set(bucket, lambda c, name: rows.set_encryption(c, name, None))
        return {}

    async def put_bucket_policy(self, caller: Caller, request: Request) -> Answer:
        """Kept to the letter, if it allows what is allowed anyway."""
        bucket = await self._bucket(caller, request)
        check_policy(request["Policy"], bucket.name, bucket.account)
        await self._set(bucket, lambda c, name: rows.set_policy(c, name, request["Policy"]))
        return {}

    async def get_bucket_policy(self, caller: Caller, request: Request) -> Answer:
        return {"Policy": _policy(await self._bucket(caller, request))}

    async def get_bucket_policy_status(self, caller: Caller, request: Request) -> Answer:
        """No policy that is kept opens a bucket to everybody."""
        _policy(await self._bucket(caller, request))
        return {"PolicyStatus": {"IsPublic": False}}

    async def delete_bucket_policy(self, caller: Caller, request: Request) -> Answer:
        bucket = await self._bucket(caller, request)
        await self._set(bucket, lambda c, name: rows.set_policy(c, name, None))
        return {}

    async def put_bucket_lifecycle_configuration(self, caller: Caller, request: Request) -> Answer:
        """What is over its time goes with the next round of housekeeping, at most an hour later."""
        bucket = await self._bucket(caller, request)
        size = request.get("TransitionDefaultMinimumObjectSize", _EVERY_SIZE)
        kept = {
            "rules": object_lifecycles.checked((request.get("LifecycleConfiguration") or {}).get("Rules") or []),
            "size": size,
        }
        await self._set(bucket, lambda c, name: rows.set_lifecycle(c, name, kept))
        return {"TransitionDefaultMinimumObjectSize": size}

    async def get_bucket_lifecycle_configuration(self, caller: Caller, request: Request) -> Answer:
        bucket = await self._bucket(caller, request)
        if bucket.lifecycle is None:
            raise ServiceError(
                "The lifecycle configuration does not exist",
                code="NoSuchLifecycleConfiguration",
                status=404,
                BucketName=bucket.name,
            )
        rules = [_shown(rule) for rule in bucket.lifecycle["rules"]]
        return {"Rules": rules, "TransitionDefaultMinimumObjectSize": bucket.lifecycle["size"]}

    async def delete_bucket_lifecycle(self, caller: Caller, request: Request) -> Answer:
        bucket = await self._bucket(caller, request)
        await self._set(bucket, lambda c, name: rows.set_lifecycle(c, name, None))
        return {}


def _policy(bucket: Bucket) -> str:
    if bucket.policy is None:
        message = "The bucket policy does not exist"
        raise ServiceError(message, code="NoSuchBucketPolicy", status=404, BucketName=bucket.name)
    return bucket.policy


def _shown(rule: dict[str, Any]) -> dict[str, Any]:
    expiration = rule.get("Expiration") or {}
    if "Date" in expiration:
        return rule | {"Expiration": {"Date": datetime.fromisoformat(expiration["Date"])}}
    return rule
