"""A proxy before the test's real S3 server that misbehaves where a test asks for it.

Everything else it passes on as it came, so signatures stay valid. Faults go by request:

    faulty_bucket.on("DeleteObjects", refused({"audio/a.wav"}), times=1)
    faulty_bucket.on(lambda request: request.key.startswith("audio/u/"), answered(403, "Denied"))
    faulty_bucket.on("DeleteObjects", lost_answer)        # deleted, but nobody heard
    faulty_bucket.on("ListObjectsV2", calling_before(lambda request: add_message()))

The client tries a passing fault five times; each try counts as one of `times`.
"""

import http.client
import socket
import struct
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest

from stores.bucket import audio_bucket
from stores.bucket.audio_bucket import AudioBucket
from tasks.resources import storage

# Of one connection, so never passed on; `Expect` is answered by this server itself.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}
OPERATIONS = {  # (method, about an object, sub-resource) → the operation's name
    ("GET", True, None): "GetObject",
    ("HEAD", True, None): "HeadObject",
    ("PUT", True, None): "PutObject",
    ("DELETE", True, None): "DeleteObject",
    ("HEAD", False, None): "HeadBucket",
    ("PUT", False, None): "CreateBucket",
    ("POST", False, "delete"): "DeleteObjects",
    ("GET", False, "list-type"): "ListObjectsV2",
    ("GET", False, "versions"): "ListObjectVersions",
    ("GET", False, "versioning"): "GetBucketVersioning",
}
SUB_RESOURCES = [name for *_, name in OPERATIONS if name]


@dataclass(frozen=True)
class Request:
    """One request as the bucket sees it."""

    method: str
    key: str  # decoded; empty if the request is about the bucket
    query: dict[str, str]
    deletions: tuple[tuple[str, str | None], ...]  # key and version id, of DeleteObjects alone

    @property
    def operation(self) -> str:
        """The S3 API's name of it; empty for what no test has needed yet."""
        named = next((name for name in SUB_RESOURCES if name in self.query), None)
        return OPERATIONS.get((self.method, bool(self.key), named), "")

    @property
    def deleted_keys(self) -> tuple[str, ...]:
        return tuple(key for key, _ in self.deletions)


@dataclass(frozen=True)
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Exchange:
    """One request on its way; what a fault has in its hands."""

    def __init__(self, request: Request, proxy: "FaultyBucket", handler: "_Handler", body: bytes):
        self.request = request
        self.proxy = proxy
        self._handler = handler
        self._body = body

    def forward(self) -> Response:
        """Ask the real server."""
        handler = self._handler
        upstream = urlsplit(self.proxy.direct.client.meta.endpoint_url)
        connection = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=60)
        try:
            connection.putrequest(
                handler.command, handler.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in handler.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(self._body)
            answer = connection.getresponse()
            return Response(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def send(self, response: Response, *, body_bytes: int | None = None) -> None:
        """Answer; with `body_bytes` break off after so many of the announced body's."""
        handler = self._handler
        handler.send_response_only(response.status)
        for name, value in response.headers:
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                handler.send_header(name, value)
        if handler.command == "HEAD":
            length = {name.lower(): value for name, value in response.headers}
            handler.send_header("Content-Length", length.get("content-length", "0"))
        elif response.status != http.HTTPStatus.NO_CONTENT:
            handler.send_header("Content-Length", str(len(response.body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(response.body[:body_bytes])
        if body_bytes is not None:
            handler.close_connection = True

    def reset(self) -> None:
        """Break the connection off without an answer."""
        linger = struct.pack("ii", 1, 0)  # close sends RST instead of FIN
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._handler.connection.close()
        self._handler.close_connection = True


Fault = Callable[[Exchange], None]


def answered(status: int, code: str) -> Fault:
    """Answer with an S3 error; the real server hears nothing."""
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return lambda exchange: exchange.send(
        Response(status, [("Content-Type", "application/xml")], body)
    )


def refused(keys: Collection[str], code: str = "AccessDenied") -> Fault:
    """Answer DeleteObjects with 200 and an error for each of `keys`; delete the others."""

    def fault(exchange: Exchange) -> None:
        direct, wanted = exchange.proxy.direct, exchange.request.deletions
        others = [_identifier(key, version) for key, version in wanted if key not in keys]
        answer: dict[str, Any] = {}
        if others:  # the body is signed, so a shorter one is sent by our own client
            answer = direct.client.delete_objects(Bucket=direct.name, Delete={"Objects": others})
        errors = [
            {**_identifier(key, version), "Code": code, "Message": code}
            for key, version in wanted
            if key in keys
        ]
        body = "".join(
            [
                "<DeleteResult>",
                *(_element("Deleted", entry) for entry in answer.get("Deleted", [])),
                *(_element("Error", entry) for entry in answer.get("Errors", []) + errors),
                "</DeleteResult>",
            ]
        )
        exchange.send(Response(200, [("Content-Type", "application/xml")], body.encode()))

    return fault


def lost_request(exchange: Exchange) -> None:
    """Reset the connection before the server hears of it."""
    exchange.reset()


def lost_answer(exchange: Exchange) -> None:
    """Let the server do it, then reset the connection before its answer."""
    exchange.forward()
    exchange.reset()


def cut_short(exchange: Exchange) -> None:
    """Pass on half of the answer's body, then close."""
    response = exchange.forward()
    exchange.send(response, body_bytes=len(response.body) // 2)


def calling_before(function: Callable[[Request], object]) -> Fault:
    """Call `function`, and only then pass the request on."""

    def fault(exchange: Exchange) -> None:
        function(exchange.request)
        exchange.send(exchange.forward())

    return fault


def calling_after(function: Callable[[Request], object]) -> Fault:
    """Let the server do it, call `function`, and only then pass the answer on.

    `lambda _: event.wait(30)` makes the client hang until the test sets the event.
    """

    def fault(exchange: Exchange) -> None:
        response = exchange.forward()
        function(exchange.request)
        exchange.send(response)

    return fault


@dataclass
class _Rule:
    matches: Callable[[Request], bool]
    fault: Fault
    left: int | None  # None: for ever


class FaultyBucket:
    """The proxy: `on` tells it how to fail, `requests` is what it was asked.

    Args:
        direct: The same bucket past the proxy.
    """

    def __init__(self, direct: AudioBucket) -> None:
        self.direct = direct
        self.requests: list[Request] = []
        self._rules: list[_Rule] = []
        self._lock = Lock()
        self._server = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def on(
        self, which: str | Callable[[Request], bool], fault: Fault, *, times: int | None = None
    ) -> None:
        """Let `fault` happen to the next `times` requests, all by default.

        Args:
            which: An operation's name such as `DeleteObjects`, or a test of the request.
            fault: What happens to them; the first that fits a request is taken.
            times: How many requests it happens to.
        """
        matches = which if callable(which) else lambda request: request.operation == which
        with self._lock:
            self._rules.append(_Rule(matches, fault, times))

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._rules.clear()

    def count(self, operation: str) -> int:
        """Count the requests so far, tries again included."""
        return sum(request.operation == operation for request in list(self.requests))

    def close(self) -> None:
        self._server.close()

    def take(self, request: Request) -> Fault | None:
        """Note a request; return what shall happen to it."""
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if rule.left != 0 and rule.matches(request):
                    rule.left = rule.left and rule.left - 1
                    return rule.fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultyBucket) -> None:
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away: tests kill them."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        for kept_alive in list(self._open):
            with suppress(OSError):
                kept_alive.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        _, _, key = url.path.removeprefix("/").partition("/")
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        deletions = _deletions(body) if self.command == "POST" and "delete" in query else ()
        request = Request(self.command, unquote(key), query, deletions)
        exchange = Exchange(request, self.server.proxy, self, body)
        if fault := self.server.proxy.take(request):
            fault(exchange)
        else:
            exchange.send(exchange.forward())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one  # noqa: N815 - the base's names

    def log_message(self, *_: object) -> None:
        pass


def _identifier(key: str, version: str | None) -> dict[str, str]:
    return {"Key": key} if version is None else {"Key": key, "VersionId": version}


def _deletions(body: bytes) -> tuple[tuple[str, str | None], ...]:
    objects = ElementTree.fromstring(body).findall("{*}Object")
    return tuple((one.findtext("{*}Key", ""), one.findtext("{*}VersionId")) for one in objects)


def _element(name: str, facts: dict[str, Any]) -> str:
    inner = "".join(f"<{fact}>{escape(str(value))}</{fact}>" for fact, value in facts.items())
    return f"<{name}>{inner}</{name}>"


@pytest.fixture
def faulty_bucket(stage, monkeypatch):
    """The stage's bucket behind a proxy that fails as scripted; no pauses between tries."""
    monkeypatch.setattr(audio_bucket, "_FIRST_PAUSE_SECONDS", 0)
    proxy = FaultyBucket(storage.bucket())
    monkeypatch.setenv("TIGRIS_ENDPOINT", proxy.endpoint)
    storage.bucket.cache_clear()
    yield proxy
    proxy.close()
