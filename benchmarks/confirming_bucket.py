"""An empty S3 server that confirms every deletion, for measurements without a bucket.

It prints its address, and exits at the end of its standard input:
`python -m benchmarks.confirming_bucket`
"""

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

_KEYS = re.compile(rb"<Key>[^<]+</Key>")


class Confirming(BaseHTTPRequestHandler):
    """Answers DeleteObjects and GetBucketVersioning."""

    protocol_version = "HTTP/1.1"  # keeps connections open
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Confirm the deletion of all keys in the request."""
        keys = _KEYS.findall(self.rfile.read(int(self.headers["Content-Length"])))
        deleted = b"".join(b"<Deleted>" + key + b"</Deleted>" for key in keys)
        self._answer(b"<DeleteResult>" + deleted + b"</DeleteResult>")

    def do_GET(self) -> None:
        """Answer that versioning is off."""
        self._answer(b"<VersioningConfiguration/>")

    def _answer(self, answer: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Confirming)
    Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
