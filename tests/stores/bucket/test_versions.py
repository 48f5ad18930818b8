"""Versions of objects, on both servers."""

import pytest

from schema.errors.storage import StorageUnavailable
from stores.bucket.versions import delete_versions, keeps_versions, list_versions
from tasks.resources import storage
from tests.support.faulty_bucket import answered, refused

KEY = "audio/user/conversation/message.wav"


@pytest.fixture
def versioned(bucket):
    """A bucket with versioning enabled."""
    set_versioning(bucket, "Enabled")
    return bucket


def set_versioning(bucket, status):
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": status}
    )


def put(bucket, key, data=b"data"):
    bucket.put(key, data, "audio/wav")


def listed(bucket, prefix):
    return [version for page in list_versions(bucket, prefix) for version in page]


def test_a_bucket_reports_whether_it_keeps_versions(bucket):
    assert not keeps_versions(bucket)
    set_versioning(bucket, "Enabled")
    assert keeps_versions(bucket)
    set_versioning(bucket, "Suspended")
    assert keeps_versions(bucket)  # those it has


@pytest.mark.usefixtures("stage")
def test_a_bucket_without_versioning_support_keeps_no_versions(faulty_bucket):
    faulty_bucket.on("GetBucketVersioning", answered(501, "NotImplemented"))
    assert not keeps_versions(storage.bucket())
    faulty_bucket.heal()
    faulty_bucket.on("GetBucketVersioning", answered(503, "SlowDown"))
    with pytest.raises(StorageUnavailable):
        keeps_versions(storage.bucket())


def test_every_version_and_marker_is_listed(versioned):
    put(versioned, KEY, b"1")
    put(versioned, KEY, b"22")
    versioned.delete_many([KEY])
    put(versioned, KEY, b"333")
    put(versioned, "other/key")
    versions = listed(versioned, "audio/")
    assert {version.key for version in versions} == {KEY}
    assert sorted(version.size_bytes for version in versions) == [0, 1, 2, 3]
    assert [version.size_bytes for version in versions if version.is_delete_marker] == [0]
    assert len({version.version_id for version in versions}) == 4


def test_a_deletion_in_a_versioned_bucket_leaves_the_audio_and_one_of_versions_does_not(versioned):
    put(versioned, KEY)
    versioned.delete_many([KEY])
    assert versioned.head(KEY) is None
    versions = listed(versioned, KEY)
    assert [version.is_delete_marker for version in versions].count(False) == 1
    report = delete_versions(versioned, versions)
    assert (report.deleted, dict(report.failed), report.broken) == ((KEY,), {}, None)
    assert listed(versioned, KEY) == []


def test_an_object_of_an_unversioned_bucket_is_one_version(bucket):
    put(bucket, KEY)
    [version] = listed(bucket, KEY)
    assert (version.key, version.version_id, version.size_bytes) == (KEY, "null", 4)
    assert delete_versions(bucket, [version]).deleted == (KEY,)
    assert bucket.head(KEY) is None


def test_deleting_versions_again_is_confirmed_again(versioned):
    put(versioned, KEY)
    versions = listed(versioned, KEY)
    assert delete_versions(versioned, versions).deleted == (KEY,)
    assert delete_versions(versioned, versions).deleted == (KEY,)


def test_more_versions_than_a_page_are_all_listed_and_deleted(moto_address):
    bucket = moto_address.bucket("versions")  # as fast as memory
    bucket.create_with_marker()
    set_versioning(bucket, "Enabled")
    for number in range(1001):
        put(bucket, f"audio/{number // 3}", b"")
    pages = list(list_versions(bucket, "audio/"))
    assert len(pages) == 2
    versions = [version for page in pages for version in page]
    assert len(set(versions)) == 1001
    assert len(delete_versions(bucket, versions).deleted) == 334
    assert listed(bucket, "audio/") == []


def test_no_version_has_no_page(versioned):
    assert list(list_versions(versioned, "audio/")) == []
    assert delete_versions(versioned, []).deleted == ()


def test_keys_that_xml_cannot_carry_are_deleted_too(swift_bucket):
    # Swift only: moto's listing of them is invalid XML.
    set_versioning(swift_bucket, "Enabled")
    keys = ["audio/\x01", "audio/fine", "audio/\n"]
    for key in keys * 2:  # our own client refuses to upload them
        swift_bucket.client.put_object(Bucket=swift_bucket.name, Key=key, Body=b"")
    report = delete_versions(swift_bucket, listed(swift_bucket, "audio/"))
    assert set(report.deleted) == set(keys)
    assert listed(swift_bucket, "audio/") == []


# Faults


@pytest.fixture
def stage_bucket(faulty_bucket):
    bucket = storage.bucket()
    set_versioning(bucket, "Enabled")
    for key in ("a", "b", "b"):
        put(bucket, key)
    return bucket


def test_a_key_counts_as_deleted_only_if_every_version_is_confirmed(faulty_bucket, stage_bucket):
    def leave_one_out(parsed, **_):
        entries = parsed["Deleted"]
        entries.remove(next(entry for entry in entries if entry["Key"] == "b"))

    stage_bucket.client.meta.events.register("after-call.s3.DeleteObjects", leave_one_out)
    report = delete_versions(stage_bucket, listed(stage_bucket, "a") + listed(stage_bucket, "b"))
    assert report.deleted == ("a",)
    assert report.failed == {"b": "NotConfirmed"}


def test_refused_keys_are_named_and_stay(faulty_bucket, stage_bucket):
    faulty_bucket.on("DeleteObjects", refused({"b"}))
    versions = listed(stage_bucket, "a") + listed(stage_bucket, "b")
    report = delete_versions(stage_bucket, versions)
    assert report.deleted == ("a",)
    assert report.failed == {"b": "AccessDenied"}
    assert len(listed(stage_bucket, "b")) == 2


def test_a_call_that_fails_keeps_what_was_confirmed_before(
    faulty_bucket, stage_bucket, monkeypatch
):
    monkeypatch.setattr("stores.bucket.versions.MAX_KEYS_PER_DELETE", 1)
    faulty_bucket.on(lambda request: "b" in request.deleted_keys, answered(503, "SlowDown"))
    versions = listed(stage_bucket, "a") + listed(stage_bucket, "b")
    report = delete_versions(stage_bucket, versions)
    assert report.deleted == ("a",)
    assert report.failed == {"b": "StorageUnavailable"}
    assert report.broken.reason == "SlowDown"
    assert faulty_bucket.count("DeleteObjects") == 1 + 5  # none after the failed one


def test_an_interrupted_list_of_versions_does_not_count_as_complete(faulty_bucket, stage_bucket):
    faulty_bucket.on("ListObjectVersions", answered(503, "SlowDown"))
    with pytest.raises(StorageUnavailable):
        listed(stage_bucket, "")
