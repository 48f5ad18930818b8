"""Servers that answer slowly enough to satisfy every timeout of an HTTP client."""

import socket
import threading
import time

import pytest

from schema.errors.storage import StorageUnavailable
from schema.facts.bucket import BucketLimits
from stores.bucket import audio_bucket
from stores.bucket.deadline import DeadlineExceeded, deadline, seconds_left
from stores.bucket.listing import list_objects
from stores.bucket.object_beginning import read_beginning
from stores.bucket.versions import keeps_versions, list_versions
from tests.support.certificates import make_certificate
from tests.support.hostile_bucket import HostileBucket, answer, dripping, sending, silent

KEY = "audio/u/c/m_1.wav"
SLOW_HEAD = b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 4000
MOST_SECONDS = 5.0  # the limit of a call is half a second; the machine may be busy


@pytest.fixture
def in_time():
    """Run a call that must fail within its limit."""

    def _in_time(call):
        started = time.monotonic()
        with pytest.raises(StorageUnavailable, match=r"within 0\.5 s"):
            call()
        assert 0.45 < time.monotonic() - started < MOST_SECONDS

    return _in_time


CALLS = {
    "GetObject": lambda bucket: bucket.get(KEY, max_bytes=10),
    "HeadObject": lambda bucket: bucket.head(KEY),
    "GetObject, the beginning": lambda bucket: read_beginning(bucket, KEY),
    "PutObject": lambda bucket: bucket.put(KEY, b"", "audio/wav"),
    "DeleteObject": lambda bucket: bucket.client.delete_object(Bucket="b", Key=KEY),
    "ListObjectsV2": lambda bucket: next(list_objects(bucket, "audio/")),
    "ListObjectVersions": lambda bucket: next(list_versions(bucket, "audio/")),
    "GetBucketVersioning": keeps_versions,
}


@pytest.mark.parametrize("name", [name for name in CALLS if name != "DeleteObject"])
@pytest.mark.parametrize("behaviour", [silent, dripping(SLOW_HEAD), dripping(answer(length=9))])
def test_every_call_ends_in_time(hostile_bucket, in_time, name, behaviour):
    for target in (KEY, "?list-type", "?versions", "?versioning"):
        hostile_bucket[target] = behaviour
    in_time(lambda: CALLS[name](hostile_bucket.bucket()))
    assert len(hostile_bucket.requests) == 1


def test_a_request_without_a_callers_deadline_has_that_of_a_call(hostile_bucket):
    hostile_bucket[KEY] = dripping(SLOW_HEAD)
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        CALLS["DeleteObject"](hostile_bucket.bucket())
    assert time.monotonic() - started < MOST_SECONDS


def test_a_deletion_that_took_too_long_is_not_repeated(hostile_bucket):
    hostile_bucket["?delete"] = dripping(SLOW_HEAD)
    started = time.monotonic()
    report = hostile_bucket.bucket().delete_many([KEY])
    assert time.monotonic() - started < MOST_SECONDS
    assert "within 0.5 s" in report.broken.reason
    assert len(hostile_bucket.requests) == 1


def test_a_callers_earlier_deadline_holds(hostile_bucket):
    hostile_bucket[KEY] = silent
    started = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"within 0\.2 s"), deadline(0.2):
        hostile_bucket.bucket().head(KEY)
    assert time.monotonic() - started < MOST_SECONDS


def test_of_nested_deadlines_the_earliest_holds():
    with deadline(100), deadline(1000) as inner:
        inner.allow(5000)
        assert seconds_left() <= 100
    assert seconds_left() is None


def test_a_deadline_is_of_its_own_thread():
    seen = []
    with deadline(1):
        thread = threading.Thread(target=lambda: seen.append(seconds_left()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_the_time_for_a_body_grows_with_its_announced_size(hostile_bucket):
    body = b"x" * 30
    hostile_bucket[KEY] = dripping(answer(body=body))
    patient = BucketLimits(call_seconds=8.0, least_bytes_per_second=15.0)
    data = hostile_bucket.bucket(patient).get(KEY, max_bytes=100)  # its header alone takes 5 s
    assert data == body


def test_a_body_slower_than_the_least_rate_is_given_up(hostile_bucket):
    head = answer(length=1500)

    def behave(connection):
        connection.sendall(head)
        dripping(b"x" * 1500)(connection)

    hostile_bucket[KEY] = behave
    started = time.monotonic()
    with pytest.raises(StorageUnavailable, match="within 2 s"):
        hostile_bucket.bucket().get(KEY, max_bytes=2000)
    assert 1.9 < time.monotonic() - started < 2 + MOST_SECONDS


def test_repetitions_end_in_time(hostile_bucket, monkeypatch):
    monkeypatch.setattr(audio_bucket, "_FIRST_PAUSE_SECONDS", 0.001)
    hostile_bucket[KEY] = sending(b"")
    bucket = hostile_bucket.bucket()
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        bucket.ask("try for ever", lambda _: CALLS["DeleteObject"](bucket), tries=1_000_000)
    assert time.monotonic() - started < MOST_SECONDS
    assert len(hostile_bucket.requests) > 5


def test_a_pause_that_would_outlast_the_deadline_is_not_begun(hostile_bucket, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)  # a second
    hostile_bucket[KEY] = sending(b"")
    bucket = hostile_bucket.bucket()
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        bucket.head(KEY)
    assert time.monotonic() - started < 0.4
    assert len(hostile_bucket.requests) == 1


def test_what_must_not_be_repeated_is_not(hostile_bucket):
    hostile_bucket[KEY] = sending(b"")
    bucket = hostile_bucket.bucket()
    with pytest.raises(StorageUnavailable):
        bucket.ask("delete an object", lambda _: CALLS["DeleteObject"](bucket), tries=1)
    assert len(hostile_bucket.requests) == 1


def test_an_upload_that_the_server_does_not_read_ends_in_time(hostile_bucket):
    hostile_bucket.on_connecting = lambda _: time.sleep(60)
    started = time.monotonic()
    with pytest.raises(StorageUnavailable, match="within"):
        hostile_bucket.bucket(BucketLimits(1.0, 1e9)).put(KEY, bytes(64 * 2**20), "audio/wav")
    assert time.monotonic() - started < MOST_SECONDS


def test_a_name_that_is_not_looked_up_in_time_blocks_nobody(hostile_bucket, in_time, monkeypatch):
    lookups, answered = [], threading.Event()

    def hang(*_, **__):
        lookups.append(1)
        answered.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    bucket = hostile_bucket.bucket()
    in_time(lambda: bucket.head(KEY))
    in_time(lambda: bucket.head(KEY))
    assert len(lookups) == 1  # the second waited for the first one's thread
    answered.set()


def test_a_name_without_address_is_an_outage(hostile_bucket):
    hostile_bucket.endpoint = "http://bucket.invalid"
    with pytest.raises(StorageUnavailable):
        hostile_bucket.bucket().head(KEY)


@pytest.fixture
def tls_bucket(tmp_path, monkeypatch):
    """A hostile server with TLS that our client trusts."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.path))
    server = HostileBucket(certificate)
    yield server
    server.close()


def test_tls_works(tls_bucket):
    tls_bucket.objects[KEY] = b"data"
    assert tls_bucket.bucket().get(KEY, max_bytes=10) == b"data"


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_bucket, monkeypatch):
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(StorageUnavailable, match="SSLError"):
        tls_bucket.bucket().head(KEY)
    assert not tls_bucket.requests


def test_a_certificate_of_another_host_is_refused(tls_bucket):
    tls_bucket.endpoint = f"https://127.0.0.1:{tls_bucket.port}"
    with pytest.raises(StorageUnavailable, match="SSLError"):
        tls_bucket.bucket().head(KEY)
    assert not tls_bucket.requests


def test_a_handshake_that_never_ends_does_so_in_time(tls_bucket, in_time):
    tls_bucket.on_connecting = dripping(b"\x16\x03\x03\x40\x00" + b"\x02" * 4000)
    in_time(lambda: tls_bucket.bucket().head(KEY))


@pytest.mark.parametrize("name", ["GetObject", "HeadObject", "PutObject"])
def test_every_call_over_tls_ends_in_time(tls_bucket, in_time, name):
    tls_bucket[KEY] = dripping(SLOW_HEAD)
    in_time(lambda: CALLS[name](tls_bucket.bucket()))


def test_a_body_in_tls_records_of_one_byte_ends_in_time(tls_bucket, in_time):
    def behave(connection):
        connection.sendall(answer(length=9))
        dripping(b"x" * 8)(connection)

    tls_bucket[KEY] = behave
    with pytest.raises(StorageUnavailable, match="within"):
        tls_bucket.bucket().get(KEY, max_bytes=100)
