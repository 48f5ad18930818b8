"""A request that was given up does not arrive later from the sender's own buffers."""

import socket
import subprocess
import sys
import threading
import time

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
    received = bytearray()
    connected, may_read, ended = threading.Event(), threading.Event(), threading.Event()

    def serve():
        connection, _ = listener.accept()
        connected.set()
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

    yield listener.getsockname()[1], connected, read_on
    listener.close()


# In a separate process, which waits for the answer.
DELETE = """
import sys
from tests.stores.bucket.test_given_up_requests import KEYS, bucket_at
bucket_at(int(sys.argv[1])).delete_many(KEYS)
"""


def bucket_at(port):
    access = BucketAccess(
        name="bucket",
        endpoint=f"http://127.0.0.1:{port}",
        region="auto",
        access_key_id=SecretStr("key"),
        secret_access_key=SecretStr("secret"),
    )
    return open_bucket(access, limits=BUCKET_LIMITS)


def test_a_deletion_that_was_given_up_never_arrives_whole(slow_server):
    port, connected, read_on = slow_server
    bucket = bucket_at(port)
    with deadline(1):
        assert bucket.delete_many(KEYS).broken
    assert connected.is_set()
    assert b"</Delete>" not in read_on()


def test_a_deletion_of_a_killed_process_never_arrives_whole(slow_server):
    port, connected, read_on = slow_server
    process = subprocess.Popen([sys.executable, "-c", DELETE, str(port)])
    assert connected.wait(timeout=60)
    time.sleep(0.5)  # until it waits for the answer
    process.kill()
    process.wait(timeout=30)
    assert b"</Delete>" not in read_on()
