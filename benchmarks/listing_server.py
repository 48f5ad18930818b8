"""A bucket that only lists its objects: `python -m benchmarks.listing_server OBJECTS`.

It implements enough of S3 for the reconciliation: ListObjectsV2, HEAD, and GET of an object's
beginning, which is silence. It prints its port.
"""

import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from stores.bucket.audio_bucket import MARKER, MARKER_KEY

SIZE_BYTES = 240_000
MODIFIED_AT = datetime(2025, 3, 1, tzinfo=UTC)
# As long as real ones, and sorted by number. `benchmarks.reconcile` builds the same in SQL.
KEY = (
    "audio/00000000-0000-4000-8000-{user:012}/conversation-{conversation:08}/"
    "message-{number:010}_1760000000000.wav"
)

_BEGINNING = bytes(64 * 1024)
_OBJECT = (
    "<Contents><Key>{key}</Key><LastModified>2025-03-01T00:00:00.000Z</LastModified>"
    f"<ETag>&quot;0&quot;</ETag><Size>{SIZE_BYTES}</Size></Contents>"
)


def key(number: int) -> str:
    """Return the key of one object."""
    return KEY.format(user=number // 500, conversation=number // 50, number=number)


def number(of_key: str) -> int:
    """Return the number in a key."""
    return int(of_key.rpartition("message-")[2].partition("_")[0])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    objects: int  # in the bucket

    def do_GET(self) -> None:
        _, _, wanted = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
        if wanted == MARKER_KEY:
            self._send_marker()
        elif wanted and number(wanted) >= self.objects:
            self._send_missing()
        elif wanted:
            self._send_beginning()
        else:
            self._send_listing()

    def _send_marker(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(MARKER)))
        self.send_header("ETag", '"0"')
        self.end_headers()
        self.wfile.write(MARKER)

    def _send_missing(self) -> None:
        body = b"<Error><Code>NoSuchKey</Code></Error>"
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_beginning(self) -> None:
        self.send_response(206)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", str(len(_BEGINNING)))
        self.send_header("Content-Range", f"bytes 0-{len(_BEGINNING) - 1}/{SIZE_BYTES}")
        self.send_header("Content-Type", "audio/pcm16")
        self.end_headers()
        self.wfile.write(_BEGINNING)

    def _send_listing(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        after = query.get("start-after")
        first = int(query.get("continuation-token", 0)) or (number(after) + 1 if after else 0)
        last = min(first + int(query["max-keys"]), self.objects)
        objects = "".join(_OBJECT.format(key=key(one)) for one in range(first, last))
        more = (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
            if last < self.objects
            else "<IsTruncated>false</IsTruncated>"
        )
        body = f"<ListBucketResult>{more}{objects}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        _, _, wanted = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
        there = wanted == MARKER_KEY or number(wanted) < self.objects
        self.send_response(200 if there else 404)
        self.send_header("Content-Length", str(SIZE_BYTES))
        self.send_header("Last-Modified", MODIFIED_AT.strftime("%a, %d %b %Y %H:%M:%S GMT"))
        self.send_header("ETag", '"0"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


if __name__ == "__main__":
    _Handler.objects = int(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
