"""Errors in the two protocols that none of our services speaks, so that clients of other services read why not.

Amazon EC2's XML has one more element around an error than the query protocol's; Smithy's rpc-v2-cbor, which clients of
CloudWatch speak, has CBOR.
"""

from __future__ import annotations

import struct

from braketeer.aws.messages import Answer, Request
from braketeer.aws.xml_values import DECLARATION, escaped
from braketeer.domain.errors import ServiceError

_CBOR = "rpc-v2-cbor"


def error_answer(error: ServiceError, service: str, request: Request, request_id: str) -> Answer | None:
    """The answer with an error for a client of ``service``; None where it reads one of our services' protocols."""
    if request.headers.get("smithy-protocol") == _CBOR:
        headers = {"content-type": "application/cbor", "smithy-protocol": _CBOR, "x-amzn-errortype": error.code}
        return Answer(error.status, headers, _cbor_map({"__type": error.code, "message": error.message}))
    if service == "ec2":
        content = f"<Code>{escaped(error.code)}</Code><Message>{escaped(error.message)}</Message>"
        document = f"<Response><Errors><Error>{content}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        return Answer(error.status, {"content-type": "text/xml"}, (DECLARATION + document).encode())
    return None


def _cbor_map(members: dict[str, str]) -> bytes:
    """A map of few texts to texts in CBOR (RFC 8949, section 3.1)."""
    texts = (text.encode() for pair in members.items() for text in pair)
    return bytes([0xA0 + len(members)]) + b"".join(b"\x7a" + struct.pack(">I", len(text)) + text for text in texts)
