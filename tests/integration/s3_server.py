"""The S3 service behind the gateway, on a port of its own, for tests that talk to it as clients do.

As a program (``python -m tests.integration.s3_server FOLDER``) it prints its address and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
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
from braketeer.store.tables import metadata

KEYS = {
    "AKIAOWNER": AccessKey("AKIAOWNER", "owner-secret", "000000000000", Role.OPERATOR),
    "AKIAOTHER": AccessKey("AKIAOTHER", "other-secret", "111111111111", Role.USER),
    "AKIAVIEWER": AccessKey("AKIAVIEWER", "viewer-secret", "000000000000", Role.VIEWER),
}


async def find_key(key_id: str) -> AccessKey | None:
    return KEYS.get(key_id)


class S3Server:
    """Serves ``folder`` in a thread from ``with`` to its end; ``url`` is where, ``certificate`` its file if ``tls``."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self._folder = folder
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
        database = Database(f"sqlite:///{self._folder / 'braketeer.db'}")
        await database.write(lambda tx: metadata.create_all(tx.connection))
        clock = SystemClock()
        objects = EmbeddedObjects(database, self._folder / "objects", clock)
        app: Any = Gateway({"s3": S3(database, objects, clock)}, find_key)
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
