"""The wrong bucket, and a bucket that does not answer."""

import pytest

from schema.errors.reconciliation import (
    ListingOutdated,
)
from schema.errors.storage import RecordingsMissing, StorageDenied, StorageUnavailable, WrongBucket
from schema.states import FindingKind
from stores.bucket.audio_bucket import MARKER_KEY
from tasks.reconciliation.listing import begin_reconciliation
from tasks.resources import storage
from tests.support.faulty_bucket import answered
from tests.support.reconciling import found, interrupted

pytestmark = pytest.mark.usefixtures("stage")


def test_without_the_marker_nothing_is_listed(record, faulty_bucket):
    record("audio/1")
    storage.bucket().delete_many([MARKER_KEY])
    with pytest.raises(WrongBucket):
        begin_reconciliation.fn()
    assert faulty_bucket.count("ListObjectsV2") == 0


def test_a_bucket_without_the_recordings_is_rather_another_one(
    record, put, add_message, reconcile, rows
):
    record("audio/there")
    put("audio/orphan")
    for number in range(2):
        add_message(audio_storage_key=f"audio/lost-{number}")
    with pytest.raises(RecordingsMissing) as error:
        reconcile(repair=True)
    assert (error.value.missing, error.value.rows) == (2, 3)
    assert rows("SELECT * FROM audio_ops.orphan_object") == []
    # With the right bucket, the next run does not resume this listing.
    put("audio/lost-0")
    put("audio/lost-1")
    assert found(reconcile()) == {FindingKind.OBJECT_WITHOUT_ROW: ("audio/orphan",)}


def test_a_bucket_filled_after_a_run_on_it_while_empty_lacks_nothing(
    record, add_message, reconcile
):
    for number in range(3):
        add_message(audio_storage_key=f"audio/{number}", audio_size_bytes=4)
    with pytest.raises(RecordingsMissing):
        reconcile()
    for number in range(3):
        storage.bucket().put(f"audio/{number}", b"data", "audio/wav")
    report = reconcile()
    assert (report.objects, report.rows) == (3, 3)
    assert report.findings == ()


def test_a_listing_of_nothing_is_not_taken_up(add_message, put, reconcile):
    interrupted()  # complete, of no objects
    for number in range(3):
        add_message(audio_storage_key=put(f"audio/{number}"), audio_size_bytes=4)
    report = reconcile()
    assert (report.objects, report.findings) == (3, ())


def test_a_listing_from_before_the_bucket_was_filled_is_no_sign_of_another_bucket(
    record, put, add_message, reconcile
):
    record("audio/0")
    interrupted()
    for number in range(1, 5):
        add_message(audio_storage_key=put(f"audio/{number}"), audio_size_bytes=4)
    with pytest.raises(ListingOutdated) as error:
        reconcile()
    assert (error.value.missing, error.value.found, error.value.sampled) == (4, 4, 4)
    report = reconcile()
    assert (report.objects, report.findings) == (5, ())


def test_half_of_the_recordings_missing_is_still_plausible(record, add_message, reconcile):
    record("audio/there")
    add_message(audio_storage_key="audio/lost")
    assert found(reconcile()) == {FindingKind.ROW_WITHOUT_OBJECT: ("audio/lost",)}


@pytest.mark.parametrize("operation", ["ListObjectsV2", "HeadObject"])
def test_a_failing_bucket_costs_only_a_second_run(record, put, reconcile, faulty_bucket, operation):
    record("audio/1")
    put("audio/orphan")
    faulty_bucket.on(
        lambda request: request.operation == operation and request.key != MARKER_KEY,
        answered(503, "SlowDown"),
    )
    with pytest.raises(StorageUnavailable):
        reconcile()
    faulty_bucket.heal()
    assert found(reconcile()) == {FindingKind.OBJECT_WITHOUT_ROW: ("audio/orphan",)}


@pytest.mark.parametrize("operation", ["ListObjectsV2", "HeadObject"])
def test_a_refused_request_does_not_count_as_missing(
    record, add_message, reconcile, faulty_bucket, operation
):
    record("audio/1")
    add_message(audio_storage_key="audio/2")
    faulty_bucket.on(
        lambda request: request.operation == operation and request.key != MARKER_KEY,
        answered(403, "AccessDenied"),
    )
    with pytest.raises(StorageDenied):
        reconcile()
