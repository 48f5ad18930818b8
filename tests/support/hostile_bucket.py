"""A bucket's server that answers as a test wants, byte by byte, over raw sockets.

    hostile_bucket["audio/a.wav"] = dripping(b"HTTP/1.1 200 OK\r\n\r\n")
    hostile_bucket["?versioning"] = saying(b"<html>Log in</html>")

A behaviour is a function of the connection, called when a request has been read; the connection is
closed afterwards, as whole answers announce: a client that tried it again would sometimes see only
that it is closed. It is found by the query's first name, or by the key; objects in `objects` and
the marker are served properly.
"""

import hashlib
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import SecretStr

from schema.facts.bucket import BucketLimits
from stores.bucket.access import BucketAccess
from stores.bucket.audio_bucket import MARKER, MARKER_KEY, AudioBucket, open_bucket
from tests.support.certificates import Certificate

Behaviour = Callable[[socket.socket], None]
LIMITS = BucketLimits(call_seconds=0.5, least_bytes_per_second=1000.0)
NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code></Error>"


class HostileBucket:
    """The server; `requests` holds what it was asked."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.objects: dict[str, bytes] = {MARKER_KEY: MARKER}
        self.etag_is_md5 = False
        self.requests: list[bytes] = []
        self.bodies: list[bytes] = []
        self.behaviours: dict[str, Behaviour] = {}
        self.on_connecting: Behaviour | None = None  # before TLS and any request
        self._certificate = self.trusted = certificate
        self._closed = Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.endpoint = f"{'https' if certificate else 'http'}://localhost:{self.port}"
        Thread(target=self._accept, daemon=True).start()

    def __setitem__(self, name: str, behaviour: Behaviour) -> None:
        self.behaviours[name] = behaviour

    def bucket(self, limits: BucketLimits = LIMITS) -> AudioBucket:
        """Return the bucket, by our own client."""
        return open_bucket(
            BucketAccess(
                name="b",
                endpoint=self.endpoint,
                region="auto",
                access_key_id=SecretStr("key"),
                secret_access_key=SecretStr("secret"),
                ca_file=self.trusted and self.trusted.path,
            ),
            limits,
        )

    def close(self) -> None:
        self._closed.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            with suppress(OSError):
                connection, _ = self._listener.accept()
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self.on_connecting:
                self.on_connecting(connection)
            if self._certificate:
                connection = self._certificate.server_context().wrap_socket(
                    connection, server_side=True
                )
            with connection:
                while request := _read_request(connection):
                    self.requests.append(request[0])
                    self.bodies.append(request[1])
                    if not self._answer(connection, request[0]):
                        return

    def _answer(self, connection: socket.socket, request: bytes) -> bool:
        """Answer a request; return whether the connection stays open."""
        method, target, _ = request.split(b"\r\n", 1)[0].decode().split(" ")
        url = urlsplit(target)
        _, _, key = url.path.removeprefix("/").partition("/")
        name = "?" + url.query.partition("&")[0].partition("=")[0] if url.query else unquote(key)
        if behaviour := self.behaviours.get(name):
            behaviour(connection)
            return False
        status, body, headers = "404 Not Found", NO_SUCH_KEY, {}
        if (data := self.objects.get(unquote(key))) is not None:
            status, body = "200 OK", data
            if self.etag_is_md5:
                headers["ETag"] = f'"{hashlib.md5(data).hexdigest()}"'
        sent = b"" if method == "HEAD" else body
        connection.sendall(answer(status, sent, length=len(body), Connection=None, **headers))
        return True


def answer(
    status: str = "200 OK",
    body: bytes = b"",
    *,
    length: int | None = None,
    **headers: str | None,
) -> bytes:
    """Return a whole answer; headers in snake case, None leaves one out."""
    usual: dict[str, str | None] = {
        "Content_Length": str(len(body) if length is None else length),
        "Last_Modified": "Mon, 01 Dec 2025 12:00:00 GMT",
        "ETag": '"e"',
        "Connection": "close",
        **headers,
    }
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in usual.items() if value]
    return "\r\n".join([*lines, "", ""]).encode() + body


def saying(body: bytes, status: str = "200 OK", **headers: str | None) -> Behaviour:
    """Answer with a body."""
    return sending(answer(status, body, **headers))


def sending(data: bytes) -> Behaviour:
    """Send these bytes, then close."""
    return lambda connection: connection.sendall(data)


def dripping(data: bytes, *, pause_seconds: float = 0.05) -> Behaviour:
    """Send byte after byte, so slowly that no read ever waits long; never come to an end."""

    def behave(connection: socket.socket) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause_seconds)
        silent(connection)

    return behave


def silent(connection: socket.socket) -> None:
    """Say nothing until the client hangs up."""
    connection.settimeout(60)
    while connection.recv(4096):
        pass


def _read_request(connection: socket.socket) -> tuple[bytes, bytes] | None:
    """Return a request's head and body; None at the end of the connection."""
    data = connection.recv(65536)
    while data and b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    announced = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    while len(body) < int(announced[1] if announced else 0):
        body += connection.recv(65536)
    return (head, body) if head else None


@pytest.fixture
def hostile_bucket():
    """A server without TLS."""
    server = HostileBucket()
    yield server
    server.close()
