"""Toy services behind a real gateway and a real HTTP server, for tests of the front door alone."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import uvicorn
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from braketeer.aws.connections import BoundedHttp
from braketeer.aws.gateway import Gateway
from braketeer.domain.accounts import AccessKey, Caller, Role
from braketeer.domain.errors import ValidationException
from braketeer.domain.s3_errors import NoSuchBucket, NoSuchKey

KEYS = {
    key.id: key
    for key in (
        AccessKey("AKIDOPERATOR", "secret", "000000000000", Role.OPERATOR),
        AccessKey("AKIDVIEWER", "secret", "000000000000", Role.VIEWER),
    )
}
TASK = "arn:aws:braket:us-west-2:000000000000:quantum-task/3fa85f64-5717-4562-b3fc-2c963f66afa6"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)

Members = dict[str, Any]


class ToyBraket:
    """Remembers what it was asked; some names of a bucket make it fail."""

    def __init__(self) -> None:
        self.asked: list[tuple[Caller, Members]] = []

    async def create_quantum_task(self, caller: Caller, request: Members) -> Members:
        self.asked.append((caller, request))
        if request["outputS3Bucket"] == "programset":
            failures = [{"programIndex": 0, "inputsIndex": 1, "errors": ["no"]}]
            members = {"reason": "ProgramSetValidationFailed", "programSetValidationFailures": failures}
            raise ValidationException("The program set is wrong", **members)
        if request["outputS3Bucket"] == "fault":
            raise ZeroDivisionError("a secret of the inside")
        if request["outputS3Bucket"] == "strange":
            return {"noSuchMember": 1}
        return {"quantumTaskArn": TASK}

    async def get_quantum_task(self, caller: Caller, request: Members) -> Members:
        self.asked.append((caller, request))
        return {
            "quantumTaskArn": request["quantumTaskArn"],
            "status": "COMPLETED",
            "deviceArn": "d",
            "deviceParameters": "{}",
            "shots": 10,
            "outputS3Bucket": "b",
            "outputS3Directory": "d",
            "createdAt": MOMENT,
            "endedAt": None,
            "tags": {"é": "ü"},
        }

    async def untag_resource(self, caller: Caller, request: Members) -> None:
        self.asked.append((caller, request))

    async def update_spending_limit(self, caller: Caller, request: Members) -> Members:
        self.asked.append((caller, request))
        return {}


class ToyS3:
    """Objects in a dict; the bucket ``missing`` is not there."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], tuple[bytes, Members]] = {}

    async def create_bucket(self, caller: Caller, request: Members) -> Members:
        return {"Location": f"/{request['Bucket']}"}

    async def get_bucket_location(self, caller: Caller, request: Members) -> Members:
        return {"LocationConstraint": "eu-west-1"}

    async def list_buckets(self, caller: Caller, request: Members) -> Members:
        return {"Buckets": [{"Name": "one", "CreationDate": MOMENT}], "Owner": {"ID": "me"}}

    async def put_object(self, caller: Caller, request: Members) -> Members:
        if request["Bucket"] == "missing":
            raise NoSuchBucket("missing")
        data = b"".join([piece async for piece in request["Body"]])
        known = {name: value for name, value in request.items() if name != "Body"}
        self.objects[request["Bucket"], request["Key"]] = data, known | {"trailers": request["Body"].trailers}
        return {"ETag": f'"{hashlib.md5(data).hexdigest()}"'}

    async def get_object(self, caller: Caller, request: Members) -> Members:
        data, known = self.found(request)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 65536):
                yield data[start : start + 65536]

        if request.get("Range") == "bytes=0-4":
            headers = {"X-Toy": "yes"}
            return {
                "Body": data[:5],
                "ContentRange": f"bytes 0-4/{len(data)}",
                "__status__": 206,
                "__headers__": headers,
            }
        return {"Body": pieces(), "ContentLength": len(data), "LastModified": MOMENT, "Metadata": known.get("Metadata")}

    async def head_object(self, caller: Caller, request: Members) -> Members:
        return {"ContentLength": len(self.found(request)[0]), "LastModified": MOMENT}

    async def list_objects_v2(self, caller: Caller, request: Members) -> Members:
        keys = sorted(key for bucket, key in self.objects if bucket == request["Bucket"])
        contents = [{"Key": key, "Size": 1, "LastModified": MOMENT} for key in keys]
        return {"Name": request["Bucket"], "Contents": contents, "EncodingType": request.get("EncodingType")}

    async def copy_object(self, caller: Caller, request: Members) -> Members:
        return {"CopyObjectResult": {"ETag": '"x"', "LastModified": MOMENT}}

    async def create_multipart_upload(self, caller: Caller, request: Members) -> Members:
        return {"Bucket": request["Bucket"], "Key": request["Key"], "UploadId": "upload"}

    async def complete_multipart_upload(self, caller: Caller, request: Members) -> Members:
        parts = request["MultipartUpload"]["Parts"]
        return {"ETag": "".join(part["ETag"] for part in parts), "Key": str([part["PartNumber"] for part in parts])}

    async def delete_objects(self, caller: Caller, request: Members) -> Members:
        return {"Deleted": [{"Key": entry["Key"]} for entry in request["Delete"]["Objects"]]}

    def found(self, request: Members) -> tuple[bytes, Members]:
        try:
            return self.objects[request["Bucket"], request["Key"]]
        except KeyError:
            raise NoSuchKey(request["Key"]) from None


class ToySts:
    async def get_caller_identity(self, caller: Caller, request: Members) -> Members:
        return {"Account": caller.account, "Arn": f"arn:aws:iam::{caller.account}:user/x", "UserId": caller.region}


class ToyIam:
    async def list_roles(self, caller: Caller, request: Members) -> Members:
        role = {"Path": request["PathPrefix"], "RoleName": "R&<", "RoleId": "i", "Arn": "a", "CreateDate": MOMENT}
        return {"Roles": [role], "IsTruncated": False}

    async def tag_role(self, caller: Caller, request: Members) -> None:
        assert request["Tags"] == [{"Key": "a", "Value": "b c"}, {"Key": "é", "Value": ""}]


class ToyLogs:
    async def get_log_events(self, caller: Caller, request: Members) -> Members:
        events = [{"timestamp": request["startTime"], "message": "é", "ingestionTime": 1}]
        return {"events": events, "nextForwardToken": "f/1"}


class Toys:
    """The services, and where they listen."""

    def __init__(self) -> None:
        self.braket, self.s3 = ToyBraket(), ToyS3()
        self.endpoint = ""
        self.certificate: str | None = None
        self.clients: list[Any] = []

    def client(self, service: str, key: str = "AKIDOPERATOR", secret: str = "secret", **config: Any) -> Any:
        """A boto3 client that the server closes before itself: it would wait for open TLS connections."""
        client = boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-west-2",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            verify=self.certificate,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )
        self.clients.append(client)
        return client


async def find_key(key_id: str) -> AccessKey | None:
    return KEYS.get(key_id)


@contextlib.contextmanager
def serving(certificates: Path | None = None) -> Iterator[Toys]:
    """The toys on a free port until the context ends; with a folder for certificates, over TLS."""
    toys = Toys()
    services = {"braket": toys.braket, "s3": toys.s3, "sts": ToySts(), "iam": ToyIam(), "logs": ToyLogs()}
    options: dict[str, Any] = {}
    if certificates is not None:
        toys.certificate = str(write_certificate(certificates))
        options = {"ssl_certfile": toys.certificate, "ssl_keyfile": str(certificates / "key.pem")}
    gateway = Gateway(services, find_key, max_body=1024 * 1024)
    server = uvicorn.Server(
        uvicorn.Config(gateway, log_level="critical", lifespan="off", http=BoundedHttp, ws="none", **options)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        toys.endpoint = f"http{'s' if certificates else ''}://localhost:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield toys
        finally:
            for client in toys.clients:
                client.close()
            server.should_exit = True
            thread.join()


def write_certificate(folder: Path) -> Path:
    """A certificate for localhost that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path
