"""Server-side encryption: what requests ask for, and what answers tell.

Codes and texts follow the S3 user guide, "Protecting data with encryption", and the API reference.
"""

from __future__ import annotations

from typing import Any

from braketeer.domain.accounts import Caller
from braketeer.domain.encryption import AES256, DEFAULT_KMS_KEY, KMS, Encryption, ForeignKey, kms_key_arn
from braketeer.domain.errors import NotImplementedHere, ServiceError
from braketeer.domain.s3_errors import AccessDenied, InvalidArgument, InvalidRequest
from braketeer.objects.encryption import Keys
from braketeer.services.s3.shared import Answer, Request, owner

CLIENTS_KEYS = "Keys that a client brings with each request (SSE-C) are not available: ask for AES256 or aws:kms"
_OF_CLIENTS = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5", "CopySourceSSECustomerAlgorithm")


async def asked(keys: Keys, caller: Caller, request: Request) -> Encryption | None:
    """The encryption that a request asks for; None where it leaves that to the bucket.

    The bucket must be the caller's: for a request that is refused no key is made. Raises NoSuchBucket, AccessDenied.
    """
    refuse_keys_of_clients(request)
    if request.get("SSEKMSEncryptionContext"):
        raise NotImplementedHere("Encryption contexts (x-amz-server-side-encryption-context) are not available")
    algorithm, name = request.get("ServerSideEncryption"), request.get("SSEKMSKeyId")
    if algorithm is None and name is None:
        return None
    owner(caller, request)
    return await named(keys, caller, request["Bucket"], algorithm, name, bool(request.get("BucketKeyEnabled")))


async def named(
    keys: Keys, caller: Caller, bucket: str, algorithm: str | None, name: str | None, bucket_key: bool
) -> Encryption:
    """The encryption with that algorithm and, for KMS, the key of that name; S3's own one without a name.

    ``bucket`` is the caller's bucket for which it is meant.
    """
    if name is not None and algorithm != KMS:
        raise InvalidArgument(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : "
            "aws:kms",
            "x-amz-server-side-encryption",
            algorithm,
        )
    if algorithm == AES256:
        return await keys.named(caller.account, AES256, bucket=bucket)
    if algorithm != KMS:
        raise NotImplementedHere(f"The encryption {algorithm} is not available: ask for AES256 or aws:kms")
    try:
        arn = kms_key_arn(name or DEFAULT_KMS_KEY, caller.account, caller.region)
    except ForeignKey:
        raise AccessDenied(f"The key {name} belongs to another account") from None
    except ValueError:
        raise ServiceError(f"Invalid keyId '{str(name)[:200]}'", code="KMS.NotFoundException") from None
    return await keys.named(caller.account, KMS, arn, bucket_key=bucket_key, bucket=bucket)


def told(encryption: Encryption | None) -> Answer:
    """The members of an answer that tell how an object is encrypted; none where it is not."""
    if encryption is None:
        return {}
    answer: dict[str, Any] = {"ServerSideEncryption": encryption.algorithm}
    if encryption.key_arn is not None:
        answer["SSEKMSKeyId"] = encryption.key_arn
        if encryption.bucket_key:
            answer["BucketKeyEnabled"] = True
    return answer


def refuse_keys_of_clients(request: Request) -> None:
    """Where an object is stored: raises NotImplemented for SSE-C."""
    if any(request.get(member) for member in _OF_CLIENTS):
        raise NotImplementedHere(CLIENTS_KEYS)


def refuse_keys_for_reading(request: Request) -> None:
    """Where an object is read: no object here was stored with a key that a client would have to bring."""
    if any(request.get(member) for member in _OF_CLIENTS):
        raise InvalidRequest("The encryption parameters are not applicable to this object.")
