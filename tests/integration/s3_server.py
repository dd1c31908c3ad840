"""The S3 service behind the gateway, on a port of its own, for tests that talk to it as clients do.

As a program (``python -m tests.integration.s3_server FOLDER``) it prints its address and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import uvicorn
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from braketeer.aws.gateway import Gateway
from braketeer.domain.accounts import AccessKey, Role
from braketeer.domain.clock import SystemClock
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.services.s3 import S3
from braketeer.store.database import Database
from braketeer.store.secrets import Secrets
from braketeer.store.tables import metadata

KEYS = {
    "AKIAOWNER": AccessKey("AKIAOWNER", "owner-secret", "000000000000", Role.OPERATOR),
    "AKIAOTHER": AccessKey("AKIAOTHER", "other-secret", "111111111111", Role.USER),
    "AKIAVIEWER": AccessKey("AKIAVIEWER", "viewer-secret", "000000000000", Role.VIEWER),
}


def client_of(
    url: str,
    key_id: str = "AKIAOWNER",
    region: str = "us-east-1",
    verify: Path | None = None,
    style: str = "auto",
    signature: str = "s3v4",
) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=KEYS[key_id].secret,
        verify=None if verify is None else str(verify),
        config=Config(retries={"max_attempts": 0}, signature_version=signature, s3={"addressing_style": style}),
    )


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def body(s3: Any, bucket: str, key: str, **options: Any) -> bytes:
    data: bytes = s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read()
    return data


def raw_answer(
    url: str, method: str, target: str, headers: dict[str, str] | None = None, data: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a signed request that boto3 would not send."""
    request = AWSRequest(method, f"{url}{target}", headers or {}, data)
    key = KEYS["AKIAOWNER"]
    S3SigV4Auth(Credentials(key.id, key.secret), "s3", "us-east-1").add_auth(request)
    with closing(http.client.HTTPConnection(urlsplit(url).netloc)) as connection:
        connection.request(method, target, data, dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


async def find_key(key_id: str) -> AccessKey | None:
    return KEYS.get(key_id)


class S3Server:
    """Serves ``folder`` in a thread from ``with`` to its end; ``url`` is where, ``certificate`` its file if ``tls``.

    ``database_url`` names a database with the newest schema; without one, SQLite in the folder is used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tls: bool = False,
        database_url: str | None = None,
        hosts: tuple[str, ...] = ("localhost",),
    ) -> None:
        self._folder = folder
        self._hosts = hosts
        self._database_url = database_url or f"sqlite:///{folder / 'braketeer.db'}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.certificate = folder / "certificate.pem" if tls else None
        self.url = ""

    def __enter__(self) -> S3Server:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def _serve(self) -> None:
        database = Database(self._database_url)
        await database.write(lambda tx: metadata.create_all(tx.connection))
        clock = SystemClock()
        objects = EmbeddedObjects(database, self._folder / "objects", clock, Secrets(b"0" * 43 + b"="))
        app: Any = Gateway({"s3": S3(database, objects, clock)}, find_key, hosts=self._hosts)
        options: dict[str, Any] = {}
        if self.certificate is not None:
            options = {"ssl_certfile": self.certificate, "ssl_keyfile": write_certificate(self.certificate)}
        config = uvicorn.Config(app, "127.0.0.1", 0, log_level="warning", lifespan="off", access_log=False, **options)
        self._server = uvicorn.Server(config)
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
        scheme = "https" if self.certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        self._ready.set()
        await serving
        objects.close()
        database.close()


def write_certificate(path: Path) -> Path:
    """A certificate for 127.0.0.1, signed by itself; returns the file of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(addresses, critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path = path.with_suffix(".key")
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return key_path


if __name__ == "__main__":
    with S3Server(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        threading.Event().wait()
