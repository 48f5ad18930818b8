"""Listings, on both servers as far as each supports them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schema.errors.storage import StorageDenied, StorageUnavailable, WrongBucket
from stores.bucket.listing import list_objects
from tasks.resources import storage
from tests.support.faulty_bucket import answered, cut_short

ODD_KEYS = [  # in the order of their bytes
    "audio//double",
    "audio/a b+c%20d?e#f.wav",
    "audio/a&<>'\".wav",
    "audio/ü.wav",
    "audio/日本語.wav",
    "audio/\uffee.wav",
    "audio/😀.wav",
]


def put_all(bucket, keys, data=b"data"):
    for key in keys:
        bucket.put(key, data, "audio/wav")


def keys_of(pages):
    return [listed.key for page in pages for listed in page]


def test_only_what_begins_with_the_prefix_is_listed_and_never_the_marker(bucket):
    put_all(bucket, ["audio/1", "audio", "other/1", "audio/2"])
    assert keys_of(list_objects(bucket, "audio/")) == ["audio/1", "audio/2"]


def test_an_empty_listing_has_no_page(bucket):
    assert list(list_objects(bucket, "audio/")) == []


def test_a_listing_contains_size_and_time(bucket):
    put_all(bucket, ["audio/1"], b"12345")
    [[listed]] = list_objects(bucket, "audio/")
    assert listed.size_bytes == 5
    assert listed.modified_at.utcoffset() == timedelta(0)
    assert abs(listed.modified_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_odd_keys_are_listed_as_they_are_in_the_order_of_their_bytes(bucket):
    put_all(bucket, reversed(ODD_KEYS))
    assert keys_of(list_objects(bucket, "audio/")) == ODD_KEYS
    assert sorted(ODD_KEYS, key=str.encode) == ODD_KEYS


@pytest.mark.parametrize("after", ODD_KEYS)
def test_a_listing_continues_after_any_key(bucket, after):
    put_all(bucket, ODD_KEYS)
    behind = ODD_KEYS[ODD_KEYS.index(after) + 1 :]
    assert keys_of(list_objects(bucket, "audio/", after=after)) == behind


def test_keys_with_control_characters_are_listed(swift_bucket):
    # Swift only: moto does not escape them, so its XML is invalid.
    keys = ["audio/\x01", "audio/\n", "audio/\x7f"]
    for key in keys:  # our own client refuses to upload them
        swift_bucket.client.put_object(Bucket=swift_bucket.name, Key=key, Body=b"")
    assert keys_of(list_objects(swift_bucket, "audio/")) == keys
    assert keys_of(list_objects(swift_bucket, "audio/", after=keys[1])) == keys[2:]


def test_1001_objects_come_in_two_pages(moto_address):
    bucket = moto_address.bucket("pages")  # as fast as memory
    bucket.create_with_marker()
    keys = [f"audio/{number:04}" for number in range(1001)]
    put_all(bucket, keys)
    pages = list(list_objects(bucket, "audio/"))
    assert [len(page) for page in pages] == [1000, 1]
    assert keys_of(pages) == keys


def entry(key):
    return {"Key": key, "Size": 1, "LastModified": datetime(2025, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    "answers",
    [
        [{"Contents": [entry("b"), entry("a")], "IsTruncated": False}],
        [{"Contents": [entry("a"), entry("a")], "IsTruncated": False}],
        [{"Contents": [entry("a")], "IsTruncated": True}],
        [{"Contents": [entry("a")], "IsTruncated": True, "NextContinuationToken": "t"}] * 2,
        [{"Contents": [entry("0")], "IsTruncated": False}],  # not after the requested key
    ],
    ids=["out of order", "twice", "more, but not where", "the same page again", "before"],
)
def test_an_unreliable_listing_does_not_count_as_complete(bucket, answers):
    left = list(answers)
    bucket.client.meta.events.register(
        "before-call.s3.ListObjectsV2",
        lambda **_: (type("R", (), {"status_code": 200}), left.pop(0)),
    )
    with pytest.raises(StorageUnavailable, match="list objects"):
        list(list_objects(bucket, "", after="1"))


def test_a_bucket_that_does_not_exist_is_not_an_empty_one(bucket):
    with pytest.raises(WrongBucket):
        list(list_objects(replace(bucket, name="nowhere"), "audio/"))


@pytest.fixture
def stage_bucket(faulty_bucket):
    bucket = storage.bucket()
    put_all(bucket, ["audio/1", "audio/2"])
    return bucket


@pytest.mark.parametrize("fault", [answered(503, "SlowDown"), cut_short], ids=["503", "cut"])
def test_a_listing_with_passing_faults_is_complete(faulty_bucket, stage_bucket, fault):
    faulty_bucket.on("ListObjectsV2", fault, times=4)
    assert keys_of(list_objects(stage_bucket, "audio/")) == ["audio/1", "audio/2"]


@pytest.mark.parametrize("fault", [answered(503, "SlowDown"), cut_short], ids=["503", "cut"])
def test_a_listing_with_lasting_faults_is_given_up(faulty_bucket, stage_bucket, fault):
    faulty_bucket.on("ListObjectsV2", fault)
    with pytest.raises(StorageUnavailable):
        list(list_objects(stage_bucket, "audio/"))


def test_a_refused_listing_is_denied(faulty_bucket, stage_bucket):
    faulty_bucket.on("ListObjectsV2", answered(403, "AccessDenied"))
    with pytest.raises(StorageDenied):
        list(list_objects(stage_bucket, "audio/"))
