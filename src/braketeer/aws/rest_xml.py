"""The rest-xml protocol as S3 speaks it, S3's own departures from its model included."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from botocore.model import OperationModel

from braketeer.aws import xml_values
from braketeer.aws.errors import UnknownOperation
from braketeer.aws.json_values import text_of
from braketeer.aws.messages import Answer, Request
from braketeer.aws.model import Api
from braketeer.aws.rest import places, read_places, write_places
from braketeer.aws.routes import Match
from braketeer.aws.xml_values import DECLARATION, element, escaped, readable
from braketeer.domain.errors import ServiceError

# Root elements that the model does not tell, from the response syntax of S3's API reference.
_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
}
# What a listing with encoding-type=url percent-encodes.
_URL_ENCODED = frozenset(
    {"Key", "Prefix", "Delimiter", "StartAfter", "Marker", "NextMarker", "KeyMarker", "NextKeyMarker"}
)


def find(api: Api, request: Request) -> Match:
    """The operation of method, path and query; a bucket in the host name counts as the path's first part."""
    path = f"/{request.bucket}{request.path}" if request.bucket else request.path
    if match := api.routes.find(request, path):
        return match
    raise UnknownOperation(
        "The specified method is not allowed against this resource.", code="MethodNotAllowed", status=405
    )


def parse(match: Match, request: Request) -> dict[str, Any]:
    """The members of a request whose body has been read; a streaming body is not among them."""
    shape = match.operation.input_shape
    if shape is None:
        return {}
    members = read_places(shape, request, match.labels)
    where = places(shape)
    if where.payload and not match.operation.has_streaming_input and request.body:
        payload = shape.members[where.payload]
        if payload.type_name == "structure":
            document = xml_values.parse_document(request.body)
            members[where.payload] = xml_values.read(payload, document, where.payload)
        else:
            members[where.payload] = text_of(request.body) if payload.type_name == "string" else request.body
    elif where.body and not where.payload and request.body:
        members |= xml_values.read(shape, xml_values.parse_document(request.body), "")
    _drop_transfer_coding(members)
    return members


def serialise(api: Api, operation: OperationModel, members: dict[str, Any], request_id: str) -> Answer:
    """The answer with an operation's members."""
    answer = Answer(operation.http.get("responseCode", 200), _request_ids(request_id))
    shape = operation.output_shape
    if shape is None:
        return answer
    if members.get("EncodingType") == "url":
        members = _url_encoded(members)
    write_places(shape, members, answer)
    where = places(shape)
    if where.payload:
        payload, value = shape.members[where.payload], members.get(where.payload)
        if payload.type_name == "structure":
            name = payload.serialization.get("name", where.payload)
            content = xml_values.write_members(payload, value or {})
            _put_document(answer, element(name, content, api.namespace))
        else:
            answer.headers.setdefault("content-type", "binary/octet-stream")
            answer.body = value.encode() if isinstance(value, str) else value or b""
    elif operation.name == "GetBucketLocation":
        region = escaped(members.get("LocationConstraint") or "")
        _put_document(answer, element("LocationConstraint", region, api.namespace))
    elif where.body:
        content = xml_values.write_members(shape, {n: v for n, v in members.items() if n in where.in_body})
        root = _ROOTS.get(operation.name, f"{operation.name}Result")
        _put_document(answer, element(root, content, api.namespace))
    return answer


def error_answer(api: Api, error: ServiceError, request: Request, request_id: str) -> Answer:
    """The answer with an error as S3's ``Error`` document; HEAD and 304 have none."""
    answer = Answer(error.status, {"content-type": "application/xml", **_request_ids(request_id)})
    if request.method != "HEAD" and error.status != 304:
        further = "".join(
            element(name, readable(str(value))) for name, value in error.members.items() if value is not None
        )
        answer.body = (
            f"{DECLARATION}<Error><Code>{escaped(api.error_name(error))}</Code>"
            f"<Message>{readable(error.message)}</Message>{further}<Resource>{readable(request.path)}</Resource>"
            f"<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>"
        ).encode()
    return answer


def _request_ids(request_id: str) -> dict[str, str]:
    return {"x-amz-request-id": request_id, "x-amz-id-2": request_id}


def _put_document(answer: Answer, document: str) -> None:
    answer.headers["content-type"] = "application/xml"
    answer.body = (DECLARATION + document).encode()


def _drop_transfer_coding(members: dict[str, Any]) -> None:
    """``aws-chunked`` is how the body travelled, not how the object is encoded: S3 does not keep it."""
    if "ContentEncoding" in members:
        codings = [c.strip() for c in members["ContentEncoding"].split(",")]
        kept = ",".join(c for c in codings if c and c.lower() != "aws-chunked")
        if kept:
            members["ContentEncoding"] = kept
        else:
            del members["ContentEncoding"]


def _url_encoded(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _url_encoded(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_url_encoded(item, name) for item in value]
    return quote(value, safe="/") if name in _URL_ENCODED and isinstance(value, str) else value
