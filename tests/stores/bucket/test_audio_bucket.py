import base64
import hashlib
import logging
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSResponse
from pydantic import SecretStr

from local.addresses import S3Address
from policy.bucket import BUCKET_LIMITS
from schema.errors.storage import (
    InvalidKey,
    ObjectMissing,
    ObjectTooLarge,
    StorageDenied,
    StorageUnavailable,
    WrongBucket,
)
from stores.bucket import audio_bucket
from stores.bucket.access import BucketAccess
from stores.bucket.audio_bucket import MARKER_KEY, MAX_KEYS_PER_DELETE, open_bucket
from stores.bucket.transport import Transport
from tests.support.faulty_server import BODY, FaultyServer

KEY = "audio/user-1/conversation-1/message-1_1700000000000.wav"
SECRET = "a-secret-nobody-may-see"


def access(endpoint, region):
    return BucketAccess("bucket-1", endpoint, region, SecretStr("key"), SecretStr(SECRET))


@pytest.fixture
def impatient(monkeypatch):
    """No backoff between attempts."""
    monkeypatch.setattr(audio_bucket, "_FIRST_PAUSE_SECONDS", 0)


@pytest.fixture
def faulty(impatient):
    """Return a bucket on a server with scripted answers."""
    servers = []

    def _faulty(*script):
        server = FaultyServer(script)
        servers.append(server)
        bucket = S3Address(server.endpoint, "key", SecretStr(SECRET)).bucket("b")
        return bucket, server

    yield _faulty
    for server in servers:
        server.shutdown()
        server.server_close()


# Objects, on both servers


def test_an_uploaded_object_can_be_downloaded(bucket):
    data = bytes(range(256)) * 800
    bucket.put(KEY, data, "audio/wav")
    assert bucket.get(KEY, max_bytes=len(data)) == data


def test_an_empty_object_is_an_object(bucket):
    bucket.put(KEY, b"", "audio/wav")
    assert bucket.get(KEY, max_bytes=0) == b""


@pytest.mark.parametrize(
    "key", ["a b+c%20d?e#f.wav", "audio/日本語/ü.wav", "x" * 1024, "a//b", "a'\"&<>.wav"]
)
def test_odd_keys_come_back_under_their_own_name(bucket, key):
    bucket.put(key, b"data", "audio/wav")
    assert bucket.get(key, max_bytes=10) == b"data"
    assert bucket.delete_many([key]).deleted == (key,)
    assert bucket.head(key) is None


def test_the_type_is_kept(bucket):
    bucket.put(KEY, b"data", "audio/mpeg")
    assert bucket.client.head_object(Bucket=bucket.name, Key=KEY)["ContentType"] == "audio/mpeg"


def test_head_returns_the_size(bucket):
    bucket.put(KEY, b"data", "audio/wav")
    facts = bucket.head(KEY)
    assert (facts.key, facts.size_bytes) == (KEY, 4)


def test_head_of_a_missing_object_is_none(bucket):
    assert bucket.head(KEY) is None


def test_a_missing_object_is_reported_as_missing(bucket):
    with pytest.raises(ObjectMissing) as error:
        bucket.get(KEY, max_bytes=10)
    assert error.value.key == KEY


def test_an_object_of_exactly_the_limit_is_read_and_one_byte_more_is_not(bucket):
    bucket.put(KEY, b"12345", "audio/wav")
    assert bucket.get(KEY, max_bytes=5) == b"12345"
    with pytest.raises(ObjectTooLarge) as error:
        bucket.get(KEY, max_bytes=4)
    assert (error.value.size_bytes, error.value.limit_bytes) == (5, 4)


def test_1001_keys_go_in_two_calls_and_all_are_confirmed(bucket):
    keys = [f"many/{number}.wav" for number in range(MAX_KEYS_PER_DELETE + 1)]
    for key in (keys[0], keys[-1]):
        bucket.put(key, b"data", "audio/wav")
    sizes = []
    bucket.client.meta.events.register(
        "provide-client-params.s3.DeleteObjects",
        lambda params, **_: sizes.append(len(params["Delete"]["Objects"])),
    )
    report = bucket.delete_many(keys)
    assert report.deleted == tuple(keys)
    assert not report.failed
    assert sizes == [1000, 1]
    assert bucket.head(keys[0]) is None
    assert bucket.head(keys[-1]) is None


def test_a_key_given_twice_is_deleted_once(bucket):
    bucket.put(KEY, b"data", "audio/wav")
    assert bucket.delete_many([KEY, KEY]).deleted == (KEY,)


def test_deleting_nothing_sends_no_request(faulty):
    bucket, server = faulty()
    assert bucket.delete_many([]).deleted == ()
    assert server.requests == 0


# The marker, on both servers


def test_the_marker_is_made_once(s3_address):
    bucket = s3_address.bucket("made-once")
    first, second = bucket.create_with_marker(), bucket.create_with_marker()
    assert (first.bucket_created, first.marker_written) == (True, True)
    assert (second.bucket_created, second.marker_written) == (False, False)
    bucket.verify_marker()


@pytest.mark.parametrize("region", ["auto", "us-east-1"])
def test_the_default_regions_will_do_on_servers_of_one_region(s3_address, region):
    bucket = open_bucket(s3_address.access(f"default-{region}", region), BUCKET_LIMITS)
    assert bucket.create_with_marker().bucket_created
    bucket.verify_marker()


@pytest.mark.parametrize("region", ["eu-west-1", "eu-central-1"])
def test_a_bucket_is_made_in_its_region(moto_address, region):
    # moto only: Swift accepts only its configured region.
    bucket = open_bucket(moto_address.access(f"in-{region}", region), BUCKET_LIMITS)
    assert bucket.create_with_marker().bucket_created
    location = bucket.client.get_bucket_location(Bucket=bucket.name)
    assert location["LocationConstraint"] == region


@pytest.mark.parametrize(
    ("endpoint", "region", "signed_for", "constraint"),
    [
        ("https://fly.storage.tigris.dev", "auto", "auto", None),
        ("https://t3.storage.dev", "auto", "auto", None),
        ("https://s3.example.org", "auto", "us-east-1", None),
        (None, "us-east-1", "us-east-1", None),
        (None, "eu-west-1", "eu-west-1", "eu-west-1"),
    ],
)
def test_a_request_to_make_a_bucket_names_the_region_as_its_server_wants_it(
    monkeypatch, endpoint, region, signed_for, constraint
):
    sent = []

    def refuse(_, request, **__):
        sent.append(request)
        refusal = b"<Error><Code>NoSuchBucket</Code></Error>"
        return AWSResponse(request.url, 404, {}, SimpleNamespace(stream=lambda: [refusal]))

    monkeypatch.setattr(Transport, "send", refuse)
    bucket = open_bucket(access(endpoint, region), BUCKET_LIMITS)
    with pytest.raises(WrongBucket):
        bucket.create_with_marker()
    assert [request.method for request in sent] == ["HEAD", "PUT"]
    for request in sent:
        assert f"/{signed_for}/s3/aws4_request" in request.headers["Authorization"].decode()
    named = re.findall("<LocationConstraint>(.*)</LocationConstraint>", str(sent[1].body))
    assert named == ([constraint] if constraint else [])


def test_a_bucket_without_marker_is_the_wrong_one(bucket):
    bucket.delete_many([MARKER_KEY])
    with pytest.raises(WrongBucket) as error:
        bucket.verify_marker()
    assert error.value.bucket == bucket.name


def test_a_bucket_that_does_not_exist_is_the_wrong_one(bucket):
    nowhere = replace(bucket, name="nowhere")
    with pytest.raises(WrongBucket):
        nowhere.verify_marker()
    with pytest.raises(WrongBucket):
        nowhere.put(KEY, b"data", "audio/wav")
    with pytest.raises(WrongBucket):
        nowhere.get(KEY, max_bytes=10)


def test_deleting_from_a_bucket_that_does_not_exist_confirms_nothing(bucket):
    report = replace(bucket, name="nowhere").delete_many([KEY])
    assert report.deleted == ()
    assert "storage init" in str(report.broken)


# Swift only from here: moto checks neither signatures nor expiry nor digests.


def test_a_wrong_secret_is_denied_and_not_repeated_in_the_error(swift_address, swift_bucket):
    thief = replace(swift_address, secret_access_key=SecretStr(SECRET)).bucket(swift_bucket.name)
    with pytest.raises(StorageDenied) as error:
        thief.get(KEY, max_bytes=10)
    assert error.value.code == "SignatureDoesNotMatch"
    assert SECRET not in str(error.value)
    assert SECRET not in repr(thief)


def test_a_denied_deletion_confirms_nothing(swift_address, swift_bucket):
    swift_bucket.put(KEY, b"data", "audio/wav")
    thief = replace(swift_address, secret_access_key=SecretStr(SECRET)).bucket(swift_bucket.name)
    report = thief.delete_many([KEY])
    assert report.deleted == ()
    assert "SignatureDoesNotMatch" in str(report.broken)
    assert swift_bucket.head(KEY) is not None


def test_a_body_changed_on_the_way_is_refused(swift_bucket):
    # Swift only: moto accepts any digest.
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    swift_bucket.client.meta.events.register_last(
        "provide-client-params.s3.PutObject",
        lambda params, **_: {**params, "ContentMD5": wrong},
    )
    with pytest.raises(StorageDenied) as error:
        swift_bucket.put(KEY, b"data", "audio/wav")
    assert error.value.code == "BadDigest"
    assert swift_bucket.head(KEY) is None


# Faults


def test_a_body_that_ends_early_is_read_again(faulty):
    bucket, server = faulty("cut", "cut", "ok")
    assert bucket.get(KEY, max_bytes=100) == BODY
    assert server.requests == 3


def test_a_body_that_always_ends_early_is_given_up(faulty):
    bucket, server = faulty(*["cut"] * 5)
    with pytest.raises(StorageUnavailable):
        bucket.get(KEY, max_bytes=100)
    assert server.requests == 5


@pytest.mark.parametrize("fault", ["reset", (503, "SlowDown"), (500, "InternalError"), "page"])
def test_a_passing_fault_is_retried(faulty, fault):
    bucket, server = faulty(fault, fault, "ok")
    assert bucket.get(KEY, max_bytes=100) == BODY
    assert server.requests == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("reset", "ProtocolError"), ((503, "SlowDown"), "SlowDown"), ("page", "502")],
)
def test_a_lasting_fault_is_named(faulty, fault, reason):
    bucket, server = faulty(*[fault] * 5)
    with pytest.raises(StorageUnavailable) as error:
        bucket.get(KEY, max_bytes=100)
    assert reason in str(error.value)
    assert server.requests == 5


def test_a_server_that_is_away_is_unavailable(impatient, faulty):
    bucket, server = faulty()
    server.shutdown()
    server.server_close()
    with pytest.raises(StorageUnavailable) as error:
        bucket.head(KEY)
    assert error.value.reason == "NewConnectionError"


def test_a_refusal_is_not_retried(faulty):
    bucket, server = faulty((403, "AccessDenied"))
    with pytest.raises(StorageDenied) as error:
        bucket.get(KEY, max_bytes=100)
    assert error.value.code == "AccessDenied"
    assert server.requests == 1


def test_a_too_large_body_is_not_requested_again(faulty):
    bucket, server = faulty("ok")
    with pytest.raises(ObjectTooLarge):
        bucket.get(KEY, max_bytes=len(BODY) - 1)
    assert server.requests == 1


def answer(bucket, operation, response):
    """Stub one operation without a request."""
    bucket.client.meta.events.register(
        f"before-call.s3.{operation}", lambda **_: (type("R", (), {"status_code": 200}), response)
    )


def test_only_confirmed_keys_count_as_deleted(faulty):
    bucket, _ = faulty()
    denied = {"Key": "b", "Code": "AccessDenied", "Message": "no"}
    answer(bucket, "DeleteObjects", {"Deleted": [{"Key": "a"}], "Errors": [denied]})
    report = bucket.delete_many(["a", "b", "c"])
    assert report.deleted == ("a",)
    assert report.failed == {"b": "AccessDenied", "c": "NotConfirmed"}


@pytest.mark.usefixtures("impatient")
def test_a_call_that_fails_keeps_what_was_confirmed_before(bucket, monkeypatch):
    keys = [str(number) for number in range(3)]
    monkeypatch.setattr(audio_bucket, "MAX_KEYS_PER_DELETE", 1)
    calls = []

    def fail_after_the_first(**_):
        calls.append(1)
        if len(calls) > 1:
            error = {"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
            return type("R", (), {"status_code": 503}), error
        return None

    bucket.client.meta.events.register("before-call.s3.DeleteObjects", fail_after_the_first)
    report = bucket.delete_many(keys)
    assert report.deleted == ("0",)
    assert list(report.failed) == ["1", "2"]
    assert report.failed["2"] == "StorageUnavailable"
    assert "SlowDown" in str(report.broken)


# Keys and settings


@pytest.mark.parametrize(
    "key", ["", "x" * 1025, "ü" * 513, "a\nb", "a\x00b", "../a", "a/../b", "a/..", "./a", "\x7f"]
)
def test_keys_that_some_server_would_change_are_refused(faulty, key):
    bucket, server = faulty()
    calls = [
        lambda: bucket.put(key, b"", "audio/wav"),
        lambda: bucket.get(key, max_bytes=1),
        lambda: bucket.head(key),
        lambda: bucket.delete_many(["fine", key]),
    ]
    for call in calls:
        with pytest.raises(InvalidKey):
            call()
    assert server.requests == 0


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("https://fly.storage.tigris.dev", "https://bucket-1.fly.storage.tigris.dev/"),
        ("https://t3.storage.dev", "https://bucket-1.t3.storage.dev/"),
        ("https://s3.example.org", "https://s3.example.org/bucket-1/"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/bucket-1/"),
        ("http://[::1]:9000", "http://[::1]:9000/bucket-1/"),
        ("http://localhost:9000", "http://localhost:9000/bucket-1/"),
        ("http://minio:9000", "http://minio:9000/bucket-1/"),
        (None, "https://bucket-1.s3.eu-central-1.amazonaws.com/"),
    ],
)
def test_the_bucket_is_addressed_as_its_endpoint_can_resolve(endpoint, address):
    bucket = open_bucket(access(endpoint, "eu-central-1"), BUCKET_LIMITS)
    parameters = {"Bucket": bucket.name, "Key": "k"}
    url = bucket.client.generate_presigned_url("get_object", Params=parameters)
    assert url.partition("?")[0] == f"{address}k"
    assert access(endpoint, "eu-central-1").objects_address() == address


def test_loopback_is_reached_past_a_proxy(faulty, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: no server
    bucket, _ = faulty("ok")
    assert bucket.get(KEY, max_bytes=100) == BODY


def test_the_secret_is_not_logged(faulty, caplog):
    bucket, _ = faulty("ok")
    with caplog.at_level(logging.DEBUG):
        bucket.get(KEY, max_bytes=100)
    assert caplog.text
    assert SECRET not in caplog.text
