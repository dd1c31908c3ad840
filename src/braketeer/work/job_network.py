"""A job's way to its service, and where it is the only one.

A job keeps for life the address that it was started with; its service may be restarted on another port. So it is given
an address of the runner's own, and the runner passes on every connection to where the service is just then. While the
service is away, connections wait.

In a network of its own (a Linux network namespace) a job sees nothing but that address, which there is the service's
own: no database, no other job, no port of the machine.
"""

from __future__ import annotations

import array
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

MOST_CONNECTIONS = 256
PATIENCE_SECONDS = 45.0  # less than the minute that AWS SDKs wait for an answer
START_SECONDS = 20.0
_PAUSE_SECONDS = 0.1
_CHUNK = 64 * 1024
HOLDER = Path(__file__).with_name("job_network_holder.py")


class NetworkError(Exception):
    """No network of its own can be made here. The text is meant for the job's owner."""


@dataclass(frozen=True, slots=True)
class Way:
    """``endpoint`` is what the job is told, ``names`` are for its /etc/hosts, ``entering`` goes before its command."""

    endpoint: str
    names: dict[str, str]
    entering: list[str]


def shared(endpoint: str, find: Callable[[], str]) -> Way:
    """A way in the machine's own network. ``find`` tells where the service is now.

    Where the address is no plain one of this machine it is given as it is: its name belongs to its certificate, and
    whoever set it keeps it.
    """
    place = urlsplit(endpoint)
    if place.scheme != "http" or place.hostname not in ("127.0.0.1", "::1", "localhost"):
        return Way(endpoint, {}, [])
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    Forwarder(listener, find)
    return Way(f"http://127.0.0.1:{listener.getsockname()[1]}", {}, [])


def own(endpoint: str, find: Callable[[], str], *, as_user: bool) -> Way:
    """A way in a network of the job's own, where the service has the address that it has here. NetworkError.

    ``as_user``: in a user namespace, as whoever is not root must.
    """
    place = urlsplit(endpoint)
    name, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
    address = name if _is_loopback(name) else "127.0.0.1"
    names = {} if name in ("localhost", address) else {name: address}
    if _is_address(name) and name != address:
        raise NetworkError(f"A job in a network of its own cannot reach {endpoint}: set a name as the public address")
    listener, entering = _namespace(address, port, as_user=as_user)
    Forwarder(listener, find)
    return Way(endpoint, names, entering)


def problem(*, as_user: bool) -> str:
    """Why no job can have a network of its own here; "" where one can. Tried until it has succeeded once."""
    try:
        _try(as_user=as_user)
    except NetworkError as trouble:
        return str(trouble)
    return ""


@lru_cache(maxsize=2)  # which forgets what has failed: a moment's trouble must not open the network for good
def _try(*, as_user: bool) -> None:
    listener, _ = _namespace("127.0.0.1", 1024, as_user=as_user)
    listener.close()


class Forwarder:
    """Passes on each connection to the service, in threads; nothing is looked at."""

    def __init__(self, listener: socket.socket, find: Callable[[], str]) -> None:
        self._listener = listener
        self._find = find
        self._places = threading.Semaphore(MOST_CONNECTIONS)
        threading.Thread(target=self._accept, name="forwarder", daemon=True).start()

    def _accept(self) -> None:
        while True:
            self._places.acquire()
            try:
                client, _ = self._listener.accept()
            except OSError:
                self._places.release()
                time.sleep(_PAUSE_SECONDS)  # no descriptor is left; a connection will end
                continue
            threading.Thread(target=self._serve, args=(client,), name="forwarding", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, contextlib.suppress(OSError):
                service = self._connect(client)
                if service is not None:
                    with service:
                        answers = threading.Thread(target=_copy, args=(service, client), daemon=True)
                        answers.start()
                        _copy(client, service)
                        answers.join()
        finally:
            self._places.release()

    def _connect(self, client: socket.socket) -> socket.socket | None:
        """A connection to the service, once it is there; None when it stays away, or the client has left."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            place = urlsplit(self._find())
            port = place.port or (443 if place.scheme == "https" else 80)
            try:
                service = socket.create_connection((place.hostname or "", port), timeout=5)
            except OSError:
                if time.monotonic() > deadline or _has_left(client):
                    return None
                time.sleep(_PAUSE_SECONDS)
                continue
            service.settimeout(None)
            for end in (service, client):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return service


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Until the source has no more; then the target is told so."""
    buffer = bytearray(_CHUNK)
    with contextlib.suppress(OSError):
        while taken := source.recv_into(buffer):
            target.sendall(memoryview(buffer)[:taken])
        target.shutdown(socket.SHUT_WR)
        return
    for end in (source, target):  # one side broke off: so does the other
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _has_left(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def _namespace(address: str, port: int, *, as_user: bool) -> tuple[socket.socket, list[str]]:
    """A socket that listens in a new network, and what puts a command into that network.

    A process of ours that starts in it makes the socket and hands it out; the network lasts as long as the socket.
    """
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("nsenter"):
        raise NetworkError("A network of a job's own needs Linux with unshare and nsenter")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    unshare = ["unshare", *(["--user", "--map-root-user"] if as_user else []), "--net", "--"]
    with ours, theirs:
        holder = subprocess.Popen(
            [*unshare, sys.executable, "-I", "-S", os.fspath(HOLDER), str(theirs.fileno()), address, str(port)],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        ours.settimeout(START_SECONDS)
        try:
            listener = _received(ours)
            kinds = ("user", "net") if as_user else ("net",)
            kept = [os.open(f"/proc/{holder.pid}/ns/{kind}", os.O_RDONLY) for kind in kinds]
        except OSError as trouble:
            holder.kill()
            words = (holder.communicate()[1] or b"").decode(errors="replace").strip().splitlines()
            raise NetworkError(f"No network of its own can be made here: {(words or [str(trouble)])[-1]}") from trouble
        ours.send(b"seen")
        holder.communicate()
    entered = [f"--{kind}=/proc/{os.getpid()}/fd/{number}" for kind, number in zip(kinds, kept, strict=True)]
    return listener, ["nsenter", *entered, *(["--preserve-credentials"] if as_user else []), "--"]


def _received(channel: socket.socket) -> socket.socket:
    _, ancillary, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4))
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            return socket.socket(fileno=array.array("i", data[:4])[0])
    raise ConnectionError("no socket was handed out")


def _is_address(name: str) -> bool:
    return name.replace(".", "").isdigit() or ":" in name


def _is_loopback(name: str) -> bool:
    return name == "::1" or (_is_address(name) and name.startswith("127."))
