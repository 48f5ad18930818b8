"""Deadlines: a bound on the wall time of requests to the bucket.

An HTTP client's timeouts start anew with every byte, so a server that sends one byte a second never
exceeds them. Inside `deadline`, each step on a connection (name lookup, connect, TLS handshake,
every send and receive) gets only the time that is left. Nothing continues after it.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

_Addresses = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]


# Closing discards what is not sent yet. Otherwise the system goes on sending a request that was
# given up, or whose process was killed; without a network, for minutes.
_DISCARD = struct.pack("ii", 1, 0)


class DeadlineExceeded(Exception):
    """The time is over; not an `OSError`, which layers between would take for a passing fault."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"no complete answer within {self.seconds:.3g} s"


class Deadline:
    """A point in time, and the deadlines around it that may come earlier."""

    def __init__(self, seconds: float, outer: "Deadline | None") -> None:
        self._seconds = seconds
        self._started_at = time.monotonic()
        self._outer = outer

    def allow(self, seconds: float) -> None:
        """Allow at least so many seconds in total; the deadlines around it still hold."""
        self._seconds = max(self._seconds, seconds)

    def seconds_left(self) -> float:
        """Return the time left.

        Raises:
            DeadlineExceeded: If there is none.
        """
        left = self._started_at + self._seconds - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(self._seconds)
        return left if self._outer is None else min(left, self._outer.seconds_left())


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """Bound the wall time of all requests that the current thread makes inside the block.

    Deadlines nest; the earliest holds. A request that exceeds one is broken off, its connection is
    closed, and the bucket's methods raise `StorageUnavailable`.
    """
    bound = Deadline(seconds, _current.get())
    token = _current.set(bound)
    try:
        yield bound
    finally:
        _current.reset(token)


def seconds_left() -> float | None:
    """Return the time left of the current deadline; None if there is no deadline.

    Raises:
        DeadlineExceeded: If there is none left.
    """
    bound = _current.get()
    return None if bound is None else bound.seconds_left()


def allows(seconds: float) -> bool:
    """Return whether more than so many seconds are left."""
    try:
        left = seconds_left()
    except DeadlineExceeded:
        return False
    return left is None or left > seconds


@contextmanager
def _in_time(sock: socket.socket) -> Iterator[None]:
    """Give one blocking call on a socket no more than the time that is left."""
    usual = sock.gettimeout()
    left = seconds_left()
    if left is None:
        yield
        return
    sock.settimeout(left if usual is None else min(usual, left))
    try:
        yield
    except TimeoutError:
        seconds_left()  # raises if it was the deadline
        raise
    finally:
        if sock.fileno() != -1:
            sock.settimeout(usual)


class TimedSocket(socket.socket):
    """A socket that keeps to the current deadline."""

    def connect(self, address: Any, /) -> None:  # noqa: ANN401 - as the base class
        """Connect in time."""
        with _in_time(self):
            super().connect(address)

    def recv_into(self, *args: Any, **options: Any) -> int:  # noqa: ANN401 - as the base class
        """Receive in time; what `makefile` returns reads with it, too."""
        with _in_time(self):
            return super().recv_into(*args, **options)

    def sendall(self, *args: Any) -> None:  # noqa: ANN401 - as the base class
        """Send in time."""
        with _in_time(self):
            super().sendall(*args)


class TimedTlsSocket(ssl.SSLSocket):
    """A TLS socket that keeps to the current deadline, in its handshake as well."""

    def do_handshake(self, block: bool = False) -> None:
        """Complete the handshake in time."""
        with _in_time(self):
            super().do_handshake(block)

    def recv_into(self, *args: Any, **options: Any) -> int:  # noqa: ANN401 - as the base class
        """Receive in time."""
        with _in_time(self):
            return super().recv_into(*args, **options)

    def send(self, *args: Any) -> int:  # noqa: ANN401 - as the base class
        """Send in time; `sendall` calls it until all is sent."""
        with _in_time(self):
            return super().send(*args)


_lookups: dict[tuple[str, int], "Future[_Addresses]"] = {}
_lookups_lock = threading.Lock()


def connect(
    host: str, port: int, *, timeout_seconds: float, check: Callable[[str], None]
) -> TimedSocket:
    """Return a connection to the first of a host's addresses that accepts one.

    Args:
        host: Name or IP address.
        port: TCP port.
        timeout_seconds: For each address.
        check: Called with an IP address before it is connected to; raises if it must not be.

    Raises:
        OSError: If none does, each within `timeout_seconds`; `socket.gaierror` if the name has no
            address.
        DeadlineExceeded: If the current deadline comes first.
    """
    refusal: OSError | None = None
    for family, kind, protocol, _, address in _addresses(host, port):
        check(address[0])
        sock = TimedSocket(family, kind, protocol)
        try:
            sock.settimeout(timeout_seconds)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
            sock.connect(address)
        except OSError as error:
            sock.close()
            refusal = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise refusal or OSError("the name has no addresses")


def _addresses(host: str, port: int) -> _Addresses:
    """Look a name up in time.

    The system's resolver knows no deadline, so it runs in a thread: one for each name at a time,
    which all who wait for this name share.
    """
    with _lookups_lock:
        lookup = _lookups.get((host, port))
        if lookup is None:
            lookup = _lookups[host, port] = Future()
            threading.Thread(
                target=_look_up, args=(host, port, lookup), name=f"lookup-{host}", daemon=True
            ).start()
    try:
        return lookup.result(seconds_left())
    except TimeoutError:
        seconds_left()  # raises: nothing else limits the wait
        raise


def _look_up(host: str, port: int, lookup: "Future[_Addresses]") -> None:
    try:
        addresses: _Addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except Exception as error:  # noqa: BLE001 - those who wait raise it
        outcome = partial(lookup.set_exception, error)
    else:
        outcome = partial(lookup.set_result, addresses)
    with _lookups_lock:
        del _lookups[host, port]
    outcome()
