"""A request that was given up does not arrive later from the sender's own buffers."""

import socket
import threading

import pytest
from pydantic import SecretStr

from policy.bucket import BUCKET_LIMITS
from stores.bucket.access import BucketAccess
from stores.bucket.audio_bucket import open_bucket
from stores.bucket.deadline import deadline

KEYS = [f"audio/{number:0>900}.wav" for number in range(1000)]  # 1 MB as a request


@pytest.fixture
def slow_server():
    """A server that accepts a connection and reads nothing until it is told to."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    received, may_read, ended = bytearray(), threading.Event(), threading.Event()

    def serve():
        connection, _ = listener.accept()
        may_read.wait(timeout=30)
        try:
            while data := connection.recv(65536):
                received.extend(data)
        except ConnectionResetError:
            pass
        finally:
            connection.close()
            ended.set()

    threading.Thread(target=serve, daemon=True).start()

    def read_on():
        may_read.set()
        assert ended.wait(timeout=30)
        return bytes(received)

    yield listener.getsockname()[1], read_on
    listener.close()


def test_a_deletion_that_was_given_up_never_arrives_whole(slow_server):
    port, read_on = slow_server
    access = BucketAccess(
        name="bucket",
        endpoint=f"http://127.0.0.1:{port}",
        region="auto",
        access_key_id=SecretStr("key"),
        secret_access_key=SecretStr("secret"),
    )
    bucket = open_bucket(access, limits=BUCKET_LIMITS)
    with deadline(0.5):
        assert bucket.delete_many(KEYS).broken
    assert b"</Delete>" not in read_on()
