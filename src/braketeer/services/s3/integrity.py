"""Whether the bytes that came are the bytes that were meant: Content-MD5 and the ``x-amz-checksum-*`` headers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from braketeer.domain.errors import ServiceError
from braketeer.domain.s3_errors import BadDigest, InvalidDigest, InvalidRequest
from braketeer.objects.checksums import Digests, algorithms, is_algorithm, is_well_formed, member
from braketeer.services.s3.shared import Request

_TRAILER = "x-amz-checksum-"


@dataclass(frozen=True, slots=True)
class Integrity:
    """The checksum that a request names (None: none), and a check of the complete body."""

    algorithm: str | None
    verify: Callable[[Digests], None]


def of_request(request: Request) -> Integrity:
    """What a request with a body says about it. The value may come behind the body, as a trailing header."""
    given = named_checksums(request)
    if len(given) > 1:
        raise InvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    algorithm = next(iter(given), request.get("ChecksumAlgorithm"))
    if algorithm is not None:
        check_algorithm(algorithm)
    md5 = _md5(request.get("ContentMD5"))
    body = request.get("Body")

    def verify(digests: Digests) -> None:
        if md5 is not None and digests.md5() != md5:
            raise BadDigest("The Content-MD5 you specified did not match what we received.")
        for name, value in {**given, **_trailing(body)}.items():
            if name != algorithm:
                raise InvalidRequest(f"The trailing checksum {name} was not announced by x-amz-sdk-checksum-algorithm")
            if digests.values()[member(name)] != value:
                raise BadDigest(f"The {name} you specified did not match the calculated checksum.")

    return Integrity(algorithm, verify)


def announced_length(request: Request) -> int | None:
    """The size of the request's body, decoded; None where there is no body.

    Raises MissingContentLength (411), as S3 does, for a body that does not say how long it will be: there would be no
    room to refuse it for before it was all there.
    """
    length: int | None = request.get("ContentLength")
    if length is None and request.get("Body"):
        message = "You must provide the Content-Length HTTP header."
        raise ServiceError(message, code="MissingContentLength", status=411)
    return length


def named_checksums(members: Any) -> dict[str, str]:
    """{"CRC32": value} of the ``Checksum*`` members that are there. Raises InvalidRequest for what is no checksum."""
    given = {name: members[member(name)] for name in algorithms() if members.get(member(name)) is not None}
    for name, value in given.items():
        if not is_well_formed(name, value):
            raise InvalidRequest(f"Value for x-amz-checksum-{name.lower()} header is invalid.")
    return given


def check_algorithm(name: str) -> None:
    if not is_algorithm(name):
        raise InvalidRequest(
            f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            f"[{', '.join(algorithms())}]"
        )


def _trailing(body: Any) -> dict[str, str]:
    trailers: dict[str, str] = getattr(body, "trailers", {})
    found = {}
    for header, value in trailers.items():
        name = header.removeprefix(_TRAILER).upper()
        if header.startswith(_TRAILER) and is_algorithm(name):
            if not is_well_formed(name, value):
                raise InvalidRequest(f"Value for {header} trailing header is invalid.")
            found[name] = value
    return found


def _md5(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 16:
        raise InvalidDigest("The Content-MD5 you specified was invalid.")
    return raw


def unsupported_checksum_type(kind: str, algorithm: str) -> ServiceError:
    return InvalidRequest(f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.")
