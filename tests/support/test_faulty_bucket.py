"""The proxy that fails as scripted: what it does to our client, and what it leaves alone."""

import threading

import pytest

from schema.errors.storage import StorageDenied, StorageUnavailable, WrongBucket
from tasks.resources import storage
from tests.support.faulty_bucket import (
    answered,
    calling_after,
    calling_before,
    cut_short,
    lost_answer,
    lost_request,
    refused,
)

KEY = "audio/user/conversation/message.wav"


@pytest.fixture
def bucket(faulty_bucket):
    return storage.bucket()


def put_all(bucket, *keys):
    for key in keys:
        bucket.put(key, b"data", "audio/wav")


def test_what_no_fault_hits_passes_unchanged(faulty_bucket, bucket):
    assert bucket.client.meta.endpoint_url == faulty_bucket.endpoint
    assert faulty_bucket.direct.client.meta.endpoint_url != faulty_bucket.endpoint
    data = bytes(range(256)) * 1000
    for key in (KEY, "audio/日本語//a b+c%20d?e#f&<>'\".wav"):
        bucket.put(key, data, "audio/wav")
        assert bucket.get(key, max_bytes=len(data)) == data
        assert bucket.head(key).size_bytes == len(data)
        assert bucket.delete_many([key, "audio/none"]).deleted == (key, "audio/none")
        assert bucket.head(key) is None
    bucket.verify_marker()


def test_requests_are_noted_with_their_keys(faulty_bucket, bucket):
    bucket.put("a b", b"", "audio/wav")
    bucket.delete_many(["a b", "c&d"])
    put, delete = faulty_bucket.requests
    assert (put.operation, put.key) == ("PutObject", "a b")
    assert (delete.operation, delete.key) == ("DeleteObjects", "")
    assert delete.deleted_keys == ("a b", "c&d")
    assert faulty_bucket.count("DeleteObjects") == 1


def test_refused_keys_stay_and_the_others_go(faulty_bucket, bucket):
    put_all(bucket, "a", "b", "c")
    faulty_bucket.on("DeleteObjects", refused({"b"}), times=1)
    report = bucket.delete_many(["a", "b", "c"])
    assert set(report.deleted) == {"a", "c"}
    assert report.failed == {"b": "AccessDenied"}
    assert [bucket.head(key) is None for key in "abc"] == [True, False, True]
    assert bucket.delete_many(["b"]).deleted == ("b",)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (answered(503, "SlowDown"), "SlowDown"),
        (lost_request, "ProtocolError"),
        (lost_answer, "ProtocolError"),
    ],
)
def test_a_passing_fault_is_tried_again_and_a_lasting_one_named(
    faulty_bucket, bucket, fault, reason
):
    put_all(bucket, KEY)
    faulty_bucket.on("GetObject", fault, times=4)
    assert bucket.get(KEY, max_bytes=10) == b"data"
    faulty_bucket.on("GetObject", fault)
    with pytest.raises(StorageUnavailable, match=reason):
        bucket.get(KEY, max_bytes=10)
    faulty_bucket.heal()
    assert bucket.get(KEY, max_bytes=10) == b"data"


def test_a_body_is_cut_short_once(faulty_bucket, bucket):
    put_all(bucket, KEY)
    faulty_bucket.on("GetObject", cut_short, times=1)
    assert bucket.get(KEY, max_bytes=10) == b"data"
    assert faulty_bucket.count("GetObject") == 2


@pytest.mark.parametrize("code", ["ExpiredToken", "AccessDenied"])
def test_a_refusal_is_told_and_not_tried_again(faulty_bucket, bucket, code):
    faulty_bucket.on("DeleteObjects", answered(403, code))
    assert bucket.delete_many([KEY]).broken.code == code
    faulty_bucket.on("HeadObject", answered(403, code))
    with pytest.raises(StorageDenied):
        bucket.head(KEY)
    assert faulty_bucket.count("DeleteObjects") == 1


def test_one_prefix_can_be_refused(faulty_bucket, bucket):
    faulty_bucket.on(lambda request: request.key.startswith("audio/b/"), answered(403, "Denied"))
    put_all(bucket, "audio/a/1")
    with pytest.raises(StorageDenied):
        bucket.put("audio/b/1", b"data", "audio/wav")


def test_the_bucket_can_be_the_wrong_one(faulty_bucket, bucket):
    faulty_bucket.on(lambda request: request.key == ".kaiwa-audio", answered(404, "NoSuchKey"))
    with pytest.raises(WrongBucket):
        bucket.verify_marker()


def test_a_lost_answer_was_a_deletion_and_a_lost_request_was_none(faulty_bucket, bucket):
    put_all(bucket, "a", "b")
    faulty_bucket.on(lambda request: request.deleted_keys == ("a",), lost_answer)
    faulty_bucket.on(lambda request: request.deleted_keys == ("b",), lost_request)
    assert not bucket.delete_many(["a"]).deleted
    assert not bucket.delete_many(["b"]).deleted
    assert [faulty_bucket.direct.head(key) is None for key in "ab"] == [True, False]


def test_something_can_happen_before_a_request_and_before_its_answer(faulty_bucket, bucket):
    put_all(bucket, KEY)
    seen = []

    def look(request):
        seen.append(faulty_bucket.direct.head(request.deleted_keys[0]) is None)

    faulty_bucket.on("DeleteObjects", calling_before(look), times=1)
    bucket.delete_many([KEY])
    put_all(bucket, KEY)
    faulty_bucket.on("DeleteObjects", calling_after(look), times=1)
    bucket.delete_many([KEY])
    assert seen == [False, True]


def test_an_answer_hangs_until_it_is_released(faulty_bucket, bucket):
    put_all(bucket, KEY)
    arrived, release, answers = threading.Event(), threading.Event(), []
    faulty_bucket.on("HeadObject", calling_after(lambda _: arrived.set() or release.wait(30)))
    asking = threading.Thread(target=lambda: answers.append(bucket.head(KEY)))
    asking.start()
    assert arrived.wait(30)
    assert not answers
    release.set()
    asking.join()
    assert answers[0].key == KEY
