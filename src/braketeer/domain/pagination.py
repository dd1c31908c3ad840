"""Page tokens that only this service can have made: a place in a listing, readable by nobody, alterable by nobody."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from braketeer.domain.errors import ValidationException

_SIGNATURE_BYTES = 16


def sign(key: bytes, payload: dict[str, Any]) -> str:
    """An opaque token of URL-safe letters that ``open`` turns back into ``payload`` (anything that JSON holds)."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_signature(key, body) + body).rstrip(b"=").decode()


def open(key: bytes, token: str) -> dict[str, Any]:
    """The payload of a token that ``sign`` made with the same key; ValidationException for anything else."""
    try:
        content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        content = b""
    signature, body = content[:_SIGNATURE_BYTES], content[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(key, body)):
        raise ValidationException("The nextToken is not valid")
    payload: dict[str, Any] = json.loads(body)
    return payload


def _signature(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"page token\0" + body, hashlib.sha256)[:_SIGNATURE_BYTES]
