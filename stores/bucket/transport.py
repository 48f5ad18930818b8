"""HTTP as the bucket's client speaks it: direct, in time, and never elsewhere.

boto3's own transport cannot bound a request's wall time, uses proxies that the environment names,
and reads an answer of any length. This one replaces it, as a handler of the client's event
`before-send`.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from stores.bucket.access import address_refusal
from stores.bucket.answers import (
    MAX_DOCUMENT_BYTES,
    UnexpectedAnswer,
    check_document,
    is_error_document,
)
from stores.bucket.deadline import (
    TimedSocket,
    TimedTlsSocket,
    connect,
    deadline,
    seconds_left,
)

if TYPE_CHECKING:
    from botocore.compat import HTTPHeaders

CONNECT_SECONDS = 5.0  # for each address of the server
READ_SECONDS = 30.0  # without a single byte


class AddressRefused(Exception):
    """The endpoint's name resolves to an address that is never asked; the message says why."""


class _Connection(HTTPConnection):
    def _new_conn(self) -> TimedSocket:
        return _connected(self, tls=False)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> TimedSocket:
        return _connected(self, tls=True)


def _connected(connection: HTTPConnection, *, tls: bool) -> TimedSocket:
    def check(address: str) -> None:
        if refusal := address_refusal(address, tls=tls):
            raise AddressRefused(refusal)

    try:
        return connect(
            connection.host, connection.port, timeout_seconds=CONNECT_SECONDS, check=check
        )
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Transport:
    """Sends requests over pooled connections; thread-safe."""

    def __init__(self, *, ca_file: Path, max_connections: int, call_seconds: float) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = TimedTlsSocket
        context.load_verify_locations(ca_file)
        self._call_seconds = call_seconds
        self._manager = PoolManager(
            maxsize=max_connections,
            timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            ssl_context=context,
        )
        self._manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        """Send a request and return its answer; the body of a downloaded object is still unread.

        Raises:
            AddressRefused: If the server is where no bucket is asked.
            UnexpectedAnswer: If it redirects, or answers with anything but S3's XML.
        """
        operation = event_name.rpartition(".")[2]
        url = urlsplit(request.url)
        # Without a caller's deadline, its own.
        with nullcontext() if seconds_left() else deadline(self._call_seconds):
            answer = self._manager.connection_from_url(request.url).urlopen(
                request.method,
                f"{url.path or '/'}?{url.query}" if url.query else url.path or "/",
                body=cast("bytes | IO[bytes] | None", request.body),
                headers=dict(request.headers.items()),
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                raw = _body(answer, operation, request)
            except BaseException:
                answer.close()
                raise
        headers = cast("HTTPHeaders", answer.headers)
        return AWSResponse(request.url, answer.status, headers, raw)


@dataclass(frozen=True, slots=True)
class _Document:
    """An answer's body that has been read, in the form in which botocore asks for it."""

    data: bytes

    def stream(self) -> Iterator[bytes]:
        yield self.data


def _body(
    answer: BaseHTTPResponse, operation: str, request: AWSPreparedRequest
) -> BaseHTTPResponse | _Document:
    """Return the checked body of an answer, or that of an object to be read by the caller."""
    if not 200 <= answer.status < 300 and answer.status < 400:
        message = f"HTTP {answer.status}; only the configured address is asked"
        raise UnexpectedAnswer(message)
    if request.stream_output and answer.status < 300:
        # A cache may answer with a part of an object, or with none.
        expected = 206 if "Range" in request.headers else 200
        if answer.status != expected:
            message = f"HTTP {answer.status} in place of {expected}"
            raise UnexpectedAnswer(message)
        return answer
    body = answer.read(MAX_DOCUMENT_BYTES + 1)
    if len(body) > MAX_DOCUMENT_BYTES:
        message = f"its answer has more than {MAX_DOCUMENT_BYTES} bytes"
        raise UnexpectedAnswer(message)
    if answer.status < 300:
        check_document(operation, body)
    elif not is_error_document(body):
        body = b""  # a proxy's page: the status says all that is known
    return _Document(body)
