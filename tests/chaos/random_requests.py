"""Requests that nobody would send on purpose, made by chance from botocore's models.

Request number ``n`` of a seed is always the same request (but for the names of what exists, see ``Known``), so one
that does harm can be made again alone. Values are sound, at a bound, or of a wrong type; then bodies, targets and
headers may be mangled on top. Whatever comes out is signed afterwards, so that it goes past authentication.
"""

from __future__ import annotations

import base64
import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

# Things to send where a text is expected: bounds of other people's parsers.
TEXTS = (
    *("", " ", "\0", "\n", "-1", "null", "None", "NaN", "%00", "%2F", "..", "../../etc/passwd", "\ud800", "\U0001f600"),
    *("ä" * 300, "x" * 70_000, "9" * 400, "${jndi}", "'; --", "<a>&b;", "arn:aws:braket", "a/b//c/", "\\", '"', "*"),
)
NUMBERS = (0, -1, 1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308, math.nan, math.inf)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": ""}, {"a": {"b": []}}, "x", 7)
HEADERS = (
    *(("Content-Type", value) for value in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "")),
    *(("Content-Type", value) for value in ("application/cbor", "multipart/form-data", "application/json; charset=x")),
    *(("Content-Encoding", value) for value in ("gzip", "aws-chunked", "br")),
    *(("Accept", "text/html"), ("Accept-Encoding", "br"), ("Expect", "100-continue"), ("Connection", "close")),
    *(("Range", value) for value in ("bytes=5-2", "bytes=-0", "lines=1", "bytes=0-0,5-6", "bytes=" + "9" * 99 + "-")),
    *((name, value) for name in ("If-Match", "If-None-Match") for value in ('"x"', "*", "", '"' * 9)),
    *((name, "yesterday") for name in ("If-Modified-Since", "If-Unmodified-Since", "Date")),
    *(("Content-MD5", value) for value in ("AAAA", "ä", "1B2M2Y8AsgTpgAmY7PhCfg==")),
    *(("x-amz-copy-source", value) for value in ("", "/", "nobody/nothing", "%ff/%ff", "fuzz-bucket", "?versionId=1")),
    *(("x-amz-checksum-crc32", value) for value in ("AAAAAA==", "AAAA", "ä")),
    *(("x-amz-sdk-checksum-algorithm", value) for value in ("CRC32", "SHA1", "none")),
    *(("x-amz-decoded-content-length", value) for value in ("0", "-1", "x")),
    *(("x-amz-target", value) for value in ("", "Logs_20140328.StartQuery", "a.b.c", "\u00e9")),
    *(("x-amz-tagging", "a=1&a=2"), ("x-amz-acl", "public"), ("x-amz-meta-" + "m" * 3000, "1"), ("x-amz-meta-ä", "ö")),
    *(("X-Forwarded-Host", "evil"), ("Host", "bucket.localhost"), ("Host", ""), ("Cookie", "c" * 9000)),
    *(("User-Agent", "ä" * 500), ("braket-trackers", "1"), ("X-HTTP-Method-Override", "DELETE"), ("Origin", "null")),
)
TAILS = (
    "/",
    "//",
    "/..",
    "/./x",
    "%",
    "%zz",
    "%ff",
    "%00",
    "%252F",
    "?",
    "??a",
    "?a=%ff",
    "&",
    "#x",
    ";a=b",
    "\\",
    "+",
)
# What moves data, and so has most to get wrong.
OFTEN = {
    *("CreateQuantumTask", "CreateJob", "SearchQuantumTasks", "TagResource", "CreateSpendingLimit"),
    *("PutObject", "GetObject", "HeadObject", "CopyObject", "ListObjectsV2", "UploadPart", "UploadPartCopy"),
    *("CompleteMultipartUpload", "DeleteObjects", "PutLogEvents", "GetLogEvents", "FilterLogEvents", "StartQuery"),
}
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "BREW")


@dataclass(frozen=True)
class Draft:
    """A request before it is signed. ``target`` is raw; ``sent`` is how much of the body will really travel."""

    number: int
    service: str
    operation: OperationModel
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    chunked: bool = False
    sent: int | None = None
    done: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        text = f"#{self.number} {self.service} {self.operation.name} {self.done}: {self.method} {self.target[:200]!r}"
        return f"{text} {[(name, value[:80]) for name, value in self.headers]} {self.body[:400]!r}"


class Known:
    """Names of things that exist, by the member that takes one, so that requests get further than the first check.

    A member for which nothing is known that helps (an empty sequence) is mostly left out.
    """

    def __init__(self, names: Mapping[str, Sequence[Any]]) -> None:
        self._names = {name.lower(): tuple(values) for name, values in names.items()}

    def hinders(self, name: str) -> bool:
        return self._names.get(name.lower()) == ()

    def of(self, name: str) -> tuple[Any, ...]:
        return self._names.get(name.lower(), ())


class Maker:
    """Makes request after request; ``services`` are weights by name, the first requests go through every operation.

    ``served`` are the methods that each service has. ``braketeer`` is the operator's API.
    """

    def __init__(self, seed: int, services: Mapping[str, int], served: Mapping[str, set[str]], known: Known) -> None:
        models = {name: model_of(name) for name in services}
        self._operations = {
            name: [model.operation_model(operation) for operation in model.operation_names]
            for name, model in models.items()
        }
        self._served = {
            name: [operation for operation in operations if xform_name(operation.name) in served[name]]
            for name, operations in self._operations.items()
        }
        self._all = [(name, operation) for name, operations in self._operations.items() for operation in operations]
        self._seed = seed
        self._weights = services
        self._known = known

    def make(self, number: int) -> Draft:
        dice = random.Random(f"{self._seed}/{number}")
        if number < len(self._all):
            service, operation = self._all[number]
        else:
            (service,) = dice.choices(list(self._weights), list(self._weights.values()))
            served, every = self._served[service], self._operations[service]
            often = [operation for operation in served if operation.name in OFTEN]
            operation = dice.choice(dice.choices((served, often, every), (50, 40, 10))[0] or every)
        values = Values(dice, self._known, dice.choice((0, 0, 0, 0.02, 0.1, 0.5)))
        given = values.structure(operation.input_shape, 0) if operation.input_shape else {}
        draft = replace(written(number, service, operation, given), done=(f"strange {values.strangeness}",))
        for mangle, share in ((_body, 0.15), (_target, 0.1), (_headers, 0.15), (_method, 0.03), (_transfer, 0.06)):
            if dice.random() < share:
                draft = mangle(dice, draft)
        return draft


def model_of(service: str) -> ServiceModel:
    """botocore's model of a service, or one of the operator's API."""
    if service != "braketeer":
        return ServiceModel(Loader().load_service_model(service, "service-2"), service)
    shapes: dict[str, Any] = {kind: {"type": kind} for kind in ("string", "integer")}
    shapes["quotas"] = {"type": "map", "key": {"shape": "string"}, "value": {"shape": "integer"}}
    members = {name: {"shape": kind} for name, kind in (("name", "string"), ("id", "string"), ("quotas", "quotas"))}
    shapes["account"] = {"type": "structure", "members": members, "required": ["name"]}
    shapes["accounts"] = {"type": "list", "member": {"shape": "account"}}
    operations = {}
    for name, method, path, takes in OPERATORS:
        places = {
            member: {"location": "uri" if f"{{{member}}}" in path else "querystring", "locationName": member}
            for member in takes
            if method == "GET" or f"{{{member}}}" in path
        }
        shapes[f"{name}Request"] = {
            "type": "structure",
            "members": {member: {"shape": kind, **places.get(member, {})} for member, kind in takes.items()},
            "required": list(takes),
        }
        http = {"method": method, "requestUri": f"/_braketeer/{path}"}
        operations[name] = {"name": name, "http": http, "input": {"shape": f"{name}Request"}}
    metadata = {"protocol": "rest-json", "apiVersion": "1", "endpointPrefix": service, "signingName": service}
    return ServiceModel({"metadata": metadata, "operations": operations, "shapes": shapes}, service)


# The operator's API: name, method, path below /_braketeer/, members and their types.
OPERATORS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("CreateAccounts", "POST", "accounts", {"accounts": "accounts"}),
    ("ListAccounts", "GET", "accounts", {}),
    ("PutAccountQuotas", "PUT", "accounts/{name}/quotas", {"name": "string", "quotas": "quotas"}),
    ("ListUsage", "GET", "usage", {}),
    ("GetUsage", "GET", "usage/{name}", {"name": "string"}),
    ("CreateKey", "POST", "keys", {"account": "string", "role": "string", "expires_in": "integer"}),
    ("ListKeys", "GET", "keys", {"account": "string", "all": "string"}),
    ("RevokeKey", "DELETE", "keys/{id}", {"id": "string"}),
    ("ListAudit", "GET", "audit", {"account": "string", "since": "string", "cursor": "string", "limit": "integer"}),
    ("GetCost", "GET", "costs/{arn}", {"arn": "string"}),
)


class Values:
    """Values for shapes; ``strangeness`` is the share of them that are not what the model asks for."""

    def __init__(self, dice: random.Random, known: Known, strangeness: float) -> None:
        self._dice = dice
        self._known = known
        self.strangeness = strangeness

    def structure(self, shape: Any, depth: int) -> dict[str, Any]:
        """Required members and some of the others; strangely, required ones are missing and unknown ones there."""
        dice, found = self._dice, {}
        names = list(shape.members)
        if getattr(shape, "is_tagged_union", False):
            names = dice.sample(names, 1 if dice.random() >= self.strangeness else min(2, len(names)))
        for name in names:
            if self._known.hinders(name) and dice.random() < 0.9:
                continue
            required = name in shape.required_members
            if dice.random() < (1 - self.strangeness / 4 if required else min(0.35, 2 / len(names)) / (depth + 1)):
                found[name] = self._value(shape.members[name], name, depth + 1)
        if dice.random() < self.strangeness:
            found["Unknown"] = dice.choice(OTHERS)
        return found

    def _value(self, shape: Any, name: str, depth: int) -> Any:
        dice = self._dice
        if dice.random() < self.strangeness:
            return dice.choice((self._at_a_bound(shape), dice.choice(OTHERS), dice.choice(TEXTS), dice.choice(NUMBERS)))
        if known := self._known.of(name):
            return dice.choice(known)
        match shape.type_name:
            case "structure":
                return self.structure(shape, depth) if depth < 8 else {}
            case "list":
                return [self._value(shape.member, name, depth + 1) for _ in range(self._size(shape))]
            case "map":
                return {str(self._value(shape.key, name, depth)): self._value(shape.value, name, depth + 1)}
            case "string" | "character":
                enum = shape.metadata.get("enum")
                return dice.choice(enum) if enum else f"w{dice.randrange(10**6)}" + "x" * self._low(shape)
            case "blob":
                return dice.randbytes(dice.choice((0, 5, 300)))
            case "boolean":
                return dice.random() < 0.5
            case "timestamp":
                return dice.choice(("2026-01-01T00:00:00Z", 1767225600))
            case _:
                return max(self._low(shape), dice.choice((0, 1, 5, 100)))

    def _at_a_bound(self, shape: Any) -> Any:
        bound = self._dice.choice(
            [n for n in (shape.metadata.get("min"), shape.metadata.get("max")) if n is not None] or [3]
        )
        size = max(0, int(min(bound, 100_000)) + self._dice.choice((-1, 0, 1)))
        match shape.type_name:
            case "string":
                return self._dice.choice("aä/:") * size
            case "list":
                return ["a"] * min(size, 2000)
            case "map":
                return {f"k{place}": "v" for place in range(min(size, 2000))}
            case _:
                return size

    def _size(self, shape: Any) -> int:
        return min(max(self._low(shape), self._dice.choice((1, 1, 2))), 3)

    @staticmethod
    def _low(shape: Any) -> int:
        return int(shape.metadata.get("min") or 0)


def written(number: int, service: str, operation: OperationModel, given: dict[str, Any]) -> Draft:
    """The request as its protocol writes it; values of wrong types are written as well as it goes."""
    protocol = operation.service_model.metadata["protocol"]
    if protocol == "query":
        pairs = [("Action", operation.name), ("Version", operation.service_model.api_version), *_flat("", given)]
        body = "&".join(f"{quote(key)}={quote(value, errors='replace')}" for key, value in pairs).encode()
        headers = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)
        return Draft(number, service, operation, "POST", "/", headers, body)
    if protocol == "json":
        target = f"{operation.service_model.metadata['targetPrefix']}.{operation.name}"
        headers = (("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", target))
        return Draft(number, service, operation, "POST", "/", headers, _json(given))
    return _rest(number, service, operation, given, xml=protocol == "rest-xml")


def _rest(number: int, service: str, operation: OperationModel, given: dict[str, Any], *, xml: bool) -> Draft:
    shape: Any = operation.input_shape
    target, headers, query, rest = operation.http["requestUri"], [], [], {}
    for name, value in given.items():
        member = shape.members.get(name)
        traits = member.serialization if member is not None else {}
        wire = traits.get("name", name)
        match traits.get("location"):
            case "uri":
                text = _text(value)
                label = quote(text, safe="/~" if f"{{{wire}+}}" in target else "", errors="replace") or "%20"
                target = re.sub(rf"\{{{wire}\+?\}}", lambda _, label=label: label, target)
            case "querystring":
                several = value if isinstance(value, list) else [value]
                query += [f"{quote(wire)}={quote(_text(item), errors='replace')}" for item in several]
            case "header":
                headers.append((wire, _text(value)))
            case "headers":
                pairs = value.items() if isinstance(value, dict) else [("x", value)]
                headers += [(wire + quote(str(key), errors="replace"), _text(item)) for key, item in pairs]
            case _:
                rest[name] = value
    target = re.sub(r"\{(\w+)\+?\}", "missing", target)
    if query:
        target += ("&" if "?" in target else "?") + "&".join(query)
    payload = shape.serialization.get("payload") if shape is not None else None
    body = _body_of(shape, payload, rest, xml=xml) if rest else b""
    if body:
        headers.append(("Content-Type", "application/xml" if xml else "application/json"))
    return Draft(number, service, operation, operation.http["method"], target, tuple(headers), body)


def _body_of(shape: Any, payload: str | None, rest: dict[str, Any], *, xml: bool) -> bytes:
    if payload is None:
        return (
            f"<{shape.name}>{''.join(_xml(shape, rest))}</{shape.name}>".encode(errors="replace")
            if xml
            else _json(rest)
        )
    value = rest.get(payload)
    if isinstance(value, bytes):
        return value
    if xml and isinstance(value, dict):
        member = shape.members[payload]
        root = member.serialization.get("name", payload)
        return f"<{root}>{''.join(_xml(member, value))}</{root}>".encode(errors="replace")
    return _text(value).encode(errors="replace")


def _json(value: Any) -> bytes:
    def other(item: Any) -> str:
        return base64.b64encode(item).decode()

    return json.dumps(value, default=other, ensure_ascii=True).encode()


def _xml(shape: Any, value: Any) -> Iterator[str]:
    """The content of an element."""
    members = getattr(shape, "members", {})
    if not isinstance(value, dict):
        yield escape(_text(value))
        return
    for name, item in value.items():
        member = members.get(name)
        wire = (member.serialization.get("name", name) if member is not None else name) or "Empty"
        start = f"<{wire} a={quoteattr('&')}>" if len(wire) > 40 else f"<{wire}>"
        if isinstance(item, list):
            inner = getattr(member, "member", None)
            if member is not None and member.serialization.get("flattened"):
                yield from (f"{start}{''.join(_xml(inner, part))}</{wire}>" for part in item)
            else:
                tag = inner.serialization.get("name", "member") if inner is not None else "member"
                parts = "".join(f"<{tag}>{''.join(_xml(inner, part))}</{tag}>" for part in item)
                yield f"{start}{parts}</{wire}>"
        else:
            yield f"{start}{''.join(_xml(member, item))}</{wire}>"


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """The form fields of a value: ``Tags.member.1.Key``."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), item)
    elif isinstance(value, list):
        for place, item in enumerate(value, 1):
            yield from _flat(f"{prefix}.member.{place}", item)
    else:
        yield prefix, _text(value)


def _text(value: Any) -> str:
    """A value where only text can stand."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _body(dice: random.Random, draft: Draft) -> Draft:
    """Bytes flipped, cut out, doubled, added, or another body altogether."""
    body = bytearray(draft.body)
    place = dice.randrange(len(body)) if body else 0
    kind = dice.choice(("flip", "cut", "end", "double", "insert", "deep", "other", "long"))
    match kind:
        case "flip" if body:
            for _ in range(dice.choice((1, 1, 5, 50))):
                body[dice.randrange(len(body))] = dice.randrange(256)
        case "cut":
            del body[place : place + dice.choice((1, 2, 10))]
        case "end":
            del body[place:]
        case "double":
            body *= 2
        case "deep":
            opening = dice.choice((b"[", b'{"a":', b"<a>", b"a.member.1.", b"("))
            body[place:place] = opening * dice.choice((40, 2000, 100_000))
        case "other":
            others = (
                b"null",
                b"[]",
                b'""',
                b"{}",
                b"\xff\xfe",
                b"{" * 9,
                b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
                b"\0",
            )
            body = bytearray(dice.choice(others))
        case "long":
            body += b" " * dice.choice((70_000, 300_000))
        case _:
            body[place:place] = dice.choice(
                (b"\0", b"\xc3", b'"', b"}", b"]]>", b"&#0;", b"\\ud800", b"1e999", b"%", b"&=")
            )
    return replace(draft, body=bytes(body), done=(*draft.done, f"body {kind}"))


def _target(dice: random.Random, draft: Draft) -> Draft:
    """Encodings, slashes and dots where none belong; very long targets."""
    target = draft.target
    place = dice.randrange(1, len(target) + 1)
    kind = dice.choice(("tail", "inside", "slashes", "decoded", "encoded", "long", "letters", "cut"))
    match kind:
        case "tail":
            target += dice.choice(TAILS)
        case "inside":
            target = target[:place] + dice.choice(TAILS) + target[place:]
        case "slashes":
            target = target.replace("/", dice.choice(("//", "/./", "/../", "%2F")))
        case "decoded":
            target = target.replace("%2F", "/").replace("%3A", ":")
        case "encoded":
            target = "/" + "".join(f"%{ord(letter):02x}" if letter.isalpha() else letter for letter in target[1:])
        case "long":
            target += dice.choice(("?", "/", "%41", "&a=b")) + "x" * dice.choice((5000, 60_000))
        case "letters":
            target = target.swapcase()
        case _:
            target = target[:place]
    target = target if target.startswith("/") else f"/{target}"
    return replace(draft, target=target, done=(*draft.done, f"target {kind}"))


def _headers(dice: random.Random, draft: Draft) -> Draft:
    added = tuple(dice.choice(HEADERS) for _ in range(dice.choice((1, 1, 2, 4))))
    kept = draft.headers if dice.random() < 0.8 else ()
    return replace(draft, headers=kept + added, done=(*draft.done, "headers"))


def _method(dice: random.Random, draft: Draft) -> Draft:
    return replace(draft, method=dice.choice(METHODS), done=(*draft.done, "method"))


def _transfer(dice: random.Random, draft: Draft) -> Draft:
    """A body in chunks, or one that ends before it should."""
    chunked = dice.random() < 0.5
    sent = dice.randrange(len(draft.body)) if draft.body and dice.random() < 0.6 else None
    return replace(draft, chunked=chunked, sent=sent, done=(*draft.done, f"chunked {chunked}, sent {sent}"))
