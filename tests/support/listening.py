"""An HTTP server that remembers what is posted to it, as the far end of an alert."""

import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prefect


class Listener(ThreadingHTTPServer):
    """Takes any POST on a loopback port; asked for its version it is a Prefect server.

    Attributes:
        posts: The bodies of all POSTs with their paths, in the order of arrival.
        answer: Is called before a POST is answered; returns its status.
    """

    daemon_threads = True

    def __init__(self):
        self.posts = []
        self.answer: Callable[[], int] = lambda: 204
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def bodies(self, path):
        """Return the bodies posted to a path, as JSON."""
        return [json.loads(body) for post_path, body in self.posts if post_path == path]


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self):
        if self.path.endswith("/admin/version"):
            self._answer(200, json.dumps(prefect.__version__).encode())
        else:
            self._answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.posts.append((self.path, body))
        self._answer(self.server.answer())

    def _answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def listening():
    """Run a listener."""
    with Listener() as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield listener
        listener.shutdown()
        thread.join()
