"""A proxy before Postgres that loses the answer to a COMMIT: done, but nobody heard."""

import socket
import struct
import threading
from contextlib import suppress

CUT = "cut the next commit"  # a session that says this loses the answer to its next COMMIT


class CuttingProxy:
    """Passes everything on until a session asks to be cut.

    Args:
        port: Of Postgres, on loopback.
    """

    def __init__(self, port):
        self._upstream = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                session = _Session(self, client, server)
                for direction in (session.pass_queries, session.pass_answers):
                    threading.Thread(target=direction, daemon=True).start()


class _Session:
    def __init__(self, proxy, client, server):
        self._proxy = proxy
        self._client, self._server = client, server
        self._is_armed = self._is_cut = False

    def pass_queries(self):
        with suppress(OSError):
            while data := self._client.recv(65536):
                if self._is_armed and b"COMMIT\0" in data:
                    self._is_cut = True
                self._is_armed = self._is_armed or CUT.encode() in data
                self._server.sendall(data)
        self._end()

    def pass_answers(self):
        with suppress(OSError):
            while data := self._server.recv(65536):
                if self._is_cut:  # by now Postgres has committed
                    self._proxy.cuts += 1
                    break
                self._client.sendall(data)
        self._end()

    def _end(self):
        linger = struct.pack("ii", 1, 0)  # close sends RST instead of FIN
        with suppress(OSError):
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
