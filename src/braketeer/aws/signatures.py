"""Who sent a request: AWS signatures verified by signing it again.

The canonical forms are botocore's own (``botocore.auth``), so a client and this verifier cannot differ by our mistake.
Forms: SigV4 in the Authorization header, SigV4 in the query (presigned), and for S3 the older presigned form, which is
what boto3 makes by default for a custom endpoint.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from botocore.auth import HmacV1Auth, S3SigV4Auth, SigV4Auth
from botocore.compat import HTTPHeaders
from botocore.credentials import ReadOnlyCredentials

from braketeer.aws.errors import refused
from braketeer.aws.messages import Request
from braketeer.aws.payload import UNSIGNED
from braketeer.domain.accounts import AccessKey
from braketeer.domain.errors import ServiceError

SKEW = timedelta(minutes=15)
LONGEST_PRESIGN = 7 * 24 * 3600
_ALGORITHM = "AWS4-HMAC-SHA256"
_TIME = "%Y%m%dT%H%M%SZ"
_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_EMPTY_HASH = sha256(b"").hexdigest()
_HEADER = re.compile(r"[A-Za-z0-9._-]+")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
# Headers of AWS that may be added after signing: the token is compared itself, the hash is part of what is signed.
_MAY_BE_UNSIGNED = frozenset({"x-amz-security-token", "x-amz-content-sha256", "x-amz-user-agent"})


class MalformedClaim(ValueError):
    """A request says it is signed but does not say it properly."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says about its sender; nothing in it is proven before ``verify``.

    ``timestamp`` is in SigV4's form; ``expires`` is seconds after it (SigV4) or epoch seconds (the older form).
    """

    form: Literal["header", "query", "older query"]
    key_id: str
    date: str
    region: str
    service: str
    signature: str
    timestamp: str = ""
    signed_headers: tuple[str, ...] = ()
    expires: int = 0
    token: str | None = None


def read_claim(request: Request) -> Claim | None:
    """The claim in a request's header or query; None for an anonymous request, MalformedClaim for a broken one."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _from_header(authorization, request)
    parameters = dict(request.parameters) if "Amz-" in request.query or "AWSAccessKeyId" in request.query else {}
    if "X-Amz-Algorithm" in parameters or "X-Amz-Signature" in parameters:
        return _from_query(parameters)
    if "AWSAccessKeyId" in parameters:
        return _from_older_query(parameters)
    return None


def announced_payload(claim: Claim, request: Request) -> str | None:
    """What the signature says about the body: for S3 its hash or one of its special words; None means the body's hash.

    S3 demands the header, except in presigned requests, whose body is unsigned unless they say otherwise.
    """
    if claim.service != "s3":
        return None
    header = request.headers.get("x-amz-content-sha256")
    if claim.form == "header":
        if header is None:
            message = "Missing required header for this request: x-amz-content-sha256"
            raise ServiceError(message, code="InvalidRequest")
        return header
    if header is not None and "x-amz-content-sha256" in claim.signed_headers:
        return header
    return request.parameter("X-Amz-Content-Sha256") or UNSIGNED


def verify(claim: Claim, request: Request, payload: str, key: AccessKey | None, now: float) -> AccessKey:
    """The key that signed the request; a 403 in the service's own words if the claim is not true.

    ``payload`` is the SHA-256 of the body in hex, or what S3's header announces instead. ``now`` is epoch seconds of
    real time. Checked in this order: the key exists, the time is right, everything needed is signed, the session token
    is the key's, the signature is right, the key has not expired.
    """
    if key is None:
        raise refused("unknown key", claim.service)
    _check_time(claim, datetime.fromtimestamp(now, UTC))
    if claim.form != "older query":
        _check_coverage(claim, request)
    if key.session_token is not None or claim.token is not None:
        given, own = (claim.token or "").encode(), (key.session_token or "").encode()
        if not hmac.compare_digest(given, own):
            # Without any token, AWS does not know a temporary key at all.
            raise refused("wrong token" if claim.token else "unknown key", claim.service)
    signatures = (
        _older_signatures(claim, request, key)
        if claim.form == "older query"
        else _signatures(claim, request, payload, key)
    )
    if not any(hmac.compare_digest(own.encode(), claim.signature.encode()) for own in signatures):
        raise refused("mismatch", claim.service)
    if key.expires_at is not None and key.expires_at <= now:
        raise refused("expired token", claim.service)
    return key


def older_query_headers(request: Request) -> dict[str, str]:
    """The headers that the older presigned form carries in the query: AWS's own, and the content's type and hash."""
    given = {name.lower(): value for name, value in request.parameters if _HEADER.fullmatch(name)}
    return {k: v for k, v in given.items() if k.startswith("x-amz-") or k in ("content-md5", "content-type")}


class ChunkSignatures:
    """The signatures of an ``aws-chunked`` body: each is made over the one before it, the first over the request's."""

    def __init__(self, claim: Claim, key: AccessKey) -> None:
        self._signer = SigV4Auth(_credentials(key), claim.service, claim.region)
        self._request: Any = SimpleNamespace(context={"timestamp": claim.timestamp})
        self._previous = claim.signature

    def chunk(self, digest: str) -> str:
        return self._sign("AWS4-HMAC-SHA256-PAYLOAD", f"{_EMPTY_HASH}\n{digest}")

    def trailer(self, digest: str) -> str:
        return self._sign("AWS4-HMAC-SHA256-TRAILER", digest)

    def _sign(self, kind: str, digests: str) -> str:
        scope = self._signer.credential_scope(self._request)
        text = "\n".join([kind, self._request.context["timestamp"], scope, self._previous, digests])
        self._previous = str(self._signer.signature(text, self._request))
        return self._previous


def _from_header(authorization: str, request: Request) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != _ALGORITHM:
        raise MalformedClaim(f"Unsupported authorization {algorithm[:40]!r}: please use {_ALGORITHM}.")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    timestamp = request.headers.get("x-amz-date") or _from_http_date(request.headers.get("date"))
    if missing or not timestamp:
        lacks = [f"Authorization header requires '{name}' parameter." for name in missing]
        lacks += (
            []
            if timestamp
            else ["Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."]
        )
        raise MalformedClaim(" ".join(lacks))
    key_id, date, region, service = _scope(parts["Credential"])
    return Claim(
        "header",
        key_id,
        date,
        region,
        service,
        parts["Signature"],
        timestamp,
        tuple(parts["SignedHeaders"].lower().split(";")),
        token=request.headers.get("x-amz-security-token"),
    )


def _from_query(parameters: dict[str, str]) -> Claim:
    needed = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    missing = [f"X-Amz-{name}" for name in needed if not parameters.get(f"X-Amz-{name}")]
    if missing:
        raise MalformedClaim(f"A presigned request requires the query parameters {', '.join(missing)}.")
    expires = parameters["X-Amz-Expires"]
    if not re.fullmatch("[0-9]{1,6}", expires) or not 1 <= int(expires) <= LONGEST_PRESIGN:
        raise MalformedClaim(f"X-Amz-Expires must be a number of seconds from 1 to {LONGEST_PRESIGN}.")
    if parameters["X-Amz-Algorithm"] != _ALGORITHM:
        raise MalformedClaim(f"X-Amz-Algorithm only supports {_ALGORITHM}.")
    key_id, date, region, service = _scope(parameters["X-Amz-Credential"])
    return Claim(
        "query",
        key_id,
        date,
        region,
        service,
        parameters["X-Amz-Signature"],
        parameters["X-Amz-Date"],
        tuple(parameters["X-Amz-SignedHeaders"].lower().split(";")),
        int(expires),
        parameters.get("X-Amz-Security-Token"),
    )


def _from_older_query(parameters: dict[str, str]) -> Claim:
    expires, signature = parameters.get("Expires", ""), parameters.get("Signature")
    if not signature or not re.fullmatch("[0-9]{1,11}", expires):
        raise MalformedClaim("A presigned request requires the query parameters AWSAccessKeyId, Expires and Signature.")
    lower = {name.lower(): value for name, value in parameters.items()}
    return Claim(
        "older query",
        parameters["AWSAccessKeyId"],
        "",
        "us-east-1",
        "s3",
        signature,
        expires=int(expires),
        token=lower.get("x-amz-security-token"),
    )


def _scope(credential: str) -> tuple[str, str, str, str]:
    """Key, date, region and service of ``AKID/20260101/us-east-1/braket/aws4_request``."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts) or not _REGION.fullmatch(parts[2]):
        raise MalformedClaim("Credential must have the form key/date/region/service/aws4_request.")
    return parts[0], parts[1], parts[2], parts[3]


def _from_http_date(text: str | None) -> str | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).strftime(_TIME)
    except (ValueError, TypeError, OverflowError, IndexError):  # the first and last years of the calendar overflow
        return None


def _check_time(claim: Claim, now: datetime) -> None:
    if claim.form == "older query":
        if now.timestamp() > claim.expires:
            raise refused("expired", "s3")
        return
    try:
        signed = _moment(claim.timestamp)
    except ValueError:
        message = f"The request's date {claim.timestamp[:40]!r} must have the form YYYYMMDD'T'HHMMSS'Z'."
        raise refused("incomplete", claim.service, message) from None
    if claim.date != claim.timestamp[:8]:
        message = f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {claim.timestamp}"
        raise refused("mismatch", claim.service, message)
    lasts = timedelta(seconds=claim.expires) if claim.form == "query" else SKEW
    # What is added to is our own time: the first and last years of the calendar have no room for that.
    if now - lasts > signed:
        message = (
            f"Signature expired: {claim.timestamp} is now earlier than {(now - lasts).strftime(_TIME)} "
            f"({now.strftime(_TIME)} - {lasts.total_seconds() / 60:.0f} min.)"
        )
        reason: Literal["expired", "skew"] = "expired" if claim.form == "query" else "skew"
        raise refused(reason, claim.service, None if claim.service == "s3" else message)
    if now + SKEW < signed:
        message = (
            f"Signature not yet current: {claim.timestamp} is still later than {(now + SKEW).strftime(_TIME)} "
            f"({now.strftime(_TIME)} + 15 min.)"
        )
        raise refused("skew", claim.service, None if claim.service == "s3" else message)


def _moment(timestamp: str) -> datetime:
    """``20260101T000000Z`` as a time; ValueError for anything else. strptime takes twenty times as long."""
    if not _TIMESTAMP.fullmatch(timestamp):
        raise ValueError("not a timestamp")
    date = int(timestamp[:4]), int(timestamp[4:6]), int(timestamp[6:8])
    return datetime(*date, int(timestamp[9:11]), int(timestamp[11:13]), int(timestamp[13:15]), tzinfo=UTC)


def _check_coverage(claim: Claim, request: Request) -> None:
    """What decides about the request must be signed: the host and AWS's own headers, as S3 demands too."""
    signed = frozenset(claim.signed_headers)
    needed = {name for name in request.headers if name.startswith("x-amz-")} - _MAY_BE_UNSIGNED | {"host"}
    if unsigned := sorted(needed - signed):
        if claim.service == "s3":
            message = f"There were headers present in the request which were not signed: {', '.join(unsigned)}"
            raise ServiceError(message, code="AccessDenied", status=403)
        raise refused("mismatch", claim.service, f"Headers must be signed: {', '.join(unsigned)}")
    if not all(name in request.headers for name in signed):
        raise refused("mismatch", claim.service)


class _SignedHeaders(dict[str, str]):
    def get_all(self, name: str) -> list[str]:
        return [self[name]]


class _Signer(SigV4Auth):
    """botocore's signer over the headers that the client chose to sign; it remembers the keys of the day."""

    def headers_to_sign(self, request: Any) -> Any:
        return request.chosen

    def signature(self, string_to_sign: str, request: Any) -> str:
        key = _key_of_the_day(self.credentials.secret_key, self.credential_scope(request))
        # Not hmac.digest: it lets go of the interpreter, and getting it back costs ten times the digest.
        return hmac.new(key, string_to_sign.encode(), "sha256").hexdigest()


class _S3Signer(_Signer, S3SigV4Auth):
    """S3 neither normalises the path nor encodes it again."""


@lru_cache(maxsize=1024)
def _key_of_the_day(secret: str, scope: str) -> bytes:
    """SigV4's signing key: the same for a day of one key in one region and service, which is a ``scope``."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _signatures(claim: Claim, request: Request, payload: str, key: AccessKey) -> Iterator[str]:
    """The signatures that may be right, one after the other: over the target as it was sent, as botocore does it, then
    over its meaning encoded AWS's way, as clients do that send it encoded otherwise."""
    kind = _S3Signer if claim.service == "s3" else _Signer
    signer = kind(_credentials(key), claim.service, claim.region)
    text: Any = SimpleNamespace(
        method=request.method,
        params=None,
        headers={"X-Amz-Content-SHA256": payload},
        chosen=_SignedHeaders((name, request.headers[name]) for name in claim.signed_headers),
        context={"timestamp": claim.timestamp},
    )
    query = "&".join(pair for pair in request.query.split("&") if not pair.startswith("X-Amz-Signature="))
    text.url = f"http://host{request.path}?{query}"
    yield signer.signature(signer.string_to_sign(text, signer.canonical_request(text)), text)
    text.params = [pair for pair in request.parameters if pair[0] != "X-Amz-Signature"]
    path = quote(unquote(request.path), safe="/~") if claim.service == "s3" else request.path
    text.url = f"http://host{path}"
    yield signer.signature(signer.string_to_sign(text, signer.canonical_request(text)), text)


class _OlderSigner(HmacV1Auth):
    """botocore's signer of the older form, with the expiry of the request instead of one of its own."""

    def __init__(self, key: AccessKey, expires: int) -> None:
        super().__init__(_credentials(key))
        self._expires = expires

    def _get_date(self) -> str:
        return str(self._expires)


def _older_signatures(claim: Claim, request: Request, key: AccessKey) -> Iterator[str]:
    headers: Any = HTTPHeaders()
    for name, value in (older_query_headers(request) | request.headers).items():
        if name.startswith("x-amz-") or name in ("content-md5", "content-type"):
            headers[name] = value
    path = f"/{request.bucket}{request.path}" if request.bucket else request.path
    split = urlsplit(f"http://host{request.path}?{request.query}")
    yield _OlderSigner(key, claim.expires).get_signature(request.method, split, headers, auth_path=path)


def _credentials(key: AccessKey) -> ReadOnlyCredentials:
    return ReadOnlyCredentials(key.id, key.secret, key.session_token)
