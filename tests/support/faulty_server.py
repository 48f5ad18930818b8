"""An S3 server that misbehaves as scripted: one step of its script for each request."""

import socket
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

BODY = b"0123456789"


class FaultyServer(ThreadingHTTPServer):
    """Answers with the script's steps: `ok`, `cut`, `reset`, `page` or a status and S3 code."""

    daemon_threads = True

    def __init__(self, script):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = list(script)
        self.requests = 0
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests += 1
        step = self.server.script.pop(0)
        if step == "reset":
            linger = struct.pack("ii", 1, 0)  # close sends RST instead of FIN
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif step == "ok":
            self._send(200, BODY)
        elif step == "cut":
            self._send(200, BODY, sent=4)
        elif step == "page":
            self._send(502, b"<html>Bad Gateway")
        else:
            status, code = step
            self._send(status, f"<Error><Code>{code}</Code></Error>".encode())

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def _send(self, status, body, sent=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        self.wfile.write(body[:sent])
        self.close_connection = sent is not None

    def log_message(self, *_):
        pass
