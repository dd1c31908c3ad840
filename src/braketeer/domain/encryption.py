"""Encryption at rest as S3 names it, and what a key of KMS may be called. Pure; objects/encryption.py encrypts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

AES256 = "AES256"  # a key of the account that has no name
KMS = "aws:kms"  # a key of the account that the client names
DEFAULT_KMS_KEY = "alias/aws/s3"  # S3's own, where a client asks for KMS without naming a key

_ARN = re.compile(r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<name>(?:key|alias)/.+)")
_NAME = re.compile(r"(?:key/|alias/)?[A-Za-z0-9][A-Za-z0-9/_-]{0,255}")


class ForeignKey(ValueError):
    """The key is one of another account."""


@dataclass(frozen=True, slots=True)
class Encryption:
    """What an object is encrypted with: S3's name of the algorithm, the row of the key, what clients are told of it.

    ``key_arn`` is None for AES256. ``bucket_key`` is what the client asked for and reads again; nothing hangs on it.
    """

    algorithm: str
    key_id: str
    key_arn: str | None = None
    bucket_key: bool = False

    @classmethod
    def of_row(cls, row: Mapping[str, Any] | None) -> Self | None:
        return None if row is None else cls(**row)

    def to_row(self) -> dict[str, Any]:
        return asdict(self)


def kms_key_arn(name: str, account: str, region: str) -> str:
    """The ARN of a key that ``account`` names in ``region``: by its id, ``alias/...`` or an ARN.

    Any well-formed name is a key of the account's own. Raises ForeignKey for an ARN of another account, ValueError for
    what names no key.
    """
    if (match := _ARN.fullmatch(name)) is not None:
        if match["account"] != account:
            raise ForeignKey(f"The key {name} belongs to another account")
        if _NAME.fullmatch(match["name"]):
            return name
    elif _NAME.fullmatch(name):
        named = name if name.startswith(("key/", "alias/")) else f"key/{name}"
        return f"arn:aws:kms:{region}:{account}:{named}"
    raise ValueError(f"'{name[:200]}' is neither the id, nor an alias, nor the ARN of a key")
