"""HTTP as the bucket's client speaks it: direct, in time, and never elsewhere.

boto3's own transport cannot bound a request's wall time, uses proxies that the environment names,
and reads an answer of any length. This one replaces it, as a handler of the client's event
`before-send`.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

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


class UnexpectedAnswer(Exception):
    """An answer that no S3 server gives; the message says what is odd about it."""


class _Connection(HTTPConnection):
    def _new_conn(self) -> TimedSocket:
        return _connected(self)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> TimedSocket:
        return _connected(self)


def _connected(connection: HTTPConnection) -> TimedSocket:
    try:
        return connect(connection.host, connection.port, timeout_seconds=CONNECT_SECONDS)
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Transport:
    """Sends requests over pooled connections; thread-safe."""

    def __init__(self, *, ca_file: str, max_connections: int, call_seconds: float) -> None:
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

    def send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Send a request and return its answer; the body of a downloaded object is still unread.

        Raises:
            UnexpectedAnswer: If the server redirects.
        """
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
            if 300 <= answer.status < 400:
                answer.close()
                message = f"it redirects to another address (HTTP {answer.status})"
                raise UnexpectedAnswer(message)
            unread = request.stream_output and answer.status < 300
            raw = answer if unread else _Body(answer.read())
        headers = cast("HTTPHeaders", answer.headers)
        return AWSResponse(request.url, answer.status, headers, raw)


@dataclass(frozen=True, slots=True)
class _Body:
    """An answer's body that has been read, as botocore reads one."""

    data: bytes

    def stream(self) -> Iterator[bytes]:
        yield self.data
