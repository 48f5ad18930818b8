"""What a reconciliation finds, on real Postgres and a real bucket."""

from datetime import UTC, datetime

import pytest

from schema.states import FindingKind
from stores.bucket.audio_bucket import MARKER_KEY
from tasks.resources import storage
from tests.support.reconciling import delete_object, found, spy_on_compare
from tests.tasks.conftest import NONE_IS_OLD

pytestmark = pytest.mark.usefixtures("stage")


def test_no_findings_if_bucket_and_messages_agree(record, reconcile, rows):
    for number in range(3):
        record(f"audio/{number}")
    report = reconcile()
    assert (report.objects, report.size_bytes, report.rows) == (3, 12, 3)
    assert report.findings == ()
    assert rows("SELECT * FROM audio_ops.bucket_inventory") == []


def test_an_empty_bucket_without_rows_agrees(reconcile):
    assert reconcile().findings == ()


def test_each_disagreement_is_found_as_what_it_is(record, put, add_message, reconcile, rows):
    for number in range(4):
        record(f"audio/good-{number}")
    add_message(id="lost", audio_storage_key="audio/lost", audio_size_bytes=7)
    put("audio/orphan", b"12345")
    record("audio/deleted", id="deleted", audio_deleted_at=datetime(2025, 11, 1, tzinfo=UTC))
    record("audio/size", id="size")
    put("audio/size", b"123456")
    report = reconcile()
    assert found(report) == {
        FindingKind.ROW_WITHOUT_OBJECT: ("audio/lost",),
        FindingKind.OBJECT_WITHOUT_ROW: ("audio/orphan",),
        FindingKind.OBJECT_OF_DELETED_ROW: ("audio/deleted",),
        FindingKind.SIZE_DIFFERENCE: ("audio/size",),
    }
    assert [finding.size_bytes for finding in report.findings] == [7, 5, 4, 6]
    assert {finding.queued for finding in report.findings} == {0}
    stored = rows(
        "SELECT storage_key, message_id, row_bytes, object_bytes, checked_at IS NOT NULL"
        " FROM audio_ops.reconciliation_finding ORDER BY storage_key"
    )
    assert stored == [
        ("audio/deleted", "deleted", None, 4, True),
        ("audio/lost", "lost", 7, None, True),
        ("audio/orphan", None, None, 5, True),
        ("audio/size", "size", 4, 6, True),
    ]


def test_a_row_that_claims_no_object_yet_or_no_more_is_no_finding(add_message, reconcile):
    add_message(audio_storage_key=None)
    add_message(audio_processing_state="pending")
    add_message(audio_processing_state="uploading")
    add_message(audio_processing_state=None)
    add_message(audio_deleted_at=datetime(2025, 11, 1, tzinfo=UTC))
    add_message(timestamp=datetime(2100, 1, 1, tzinfo=UTC))  # after the listing began
    report = reconcile()
    assert report.findings == ()
    assert report.rows == 0


def test_an_unknown_size_is_no_difference(record, reconcile, do):
    record("audio/1")
    do("UPDATE messages SET audio_size_bytes = NULL")
    assert reconcile().findings == ()


@pytest.mark.parametrize("state", ["pending", "uploading", "uploaded", "failed"])
def test_an_object_that_any_live_row_names_is_no_orphan(record, reconcile, state):
    record("audio/1", audio_processing_state=state)
    assert reconcile().findings == ()


def test_objects_younger_than_the_floor_are_no_orphans(put, reconcile, monkeypatch):
    put("audio/1")
    compared = spy_on_compare(monkeypatch)
    assert reconcile(older_than=NONE_IS_OLD).findings == ()
    assert compared[0].findings == 0  # and no HEAD request for each of them
    assert found(reconcile()) == {FindingKind.OBJECT_WITHOUT_ROW: ("audio/1",)}


def test_only_the_audio_prefix_is_compared(put, add_message, reconcile):
    put("other/1")
    add_message(audio_storage_key="other/2")
    report = reconcile(repair=True)
    assert (report.objects, report.rows, report.elsewhere) == (0, 0, 1)
    assert report.findings == ()
    assert storage.bucket().head(MARKER_KEY)


def test_a_shared_object_lives_as_long_as_one_of_its_rows(record, add_message, reconcile, do):
    record("audio/shared", id="first")
    add_message(id="second", audio_storage_key="audio/shared", audio_size_bytes=4)
    do("UPDATE messages SET audio_deleted_at = '2025-11-01' WHERE id = 'first'")
    assert reconcile().findings == ()
    do("UPDATE messages SET audio_deleted_at = '2025-11-01' WHERE id = 'second'")
    [finding] = reconcile().findings
    assert (finding.kind, finding.count) == (FindingKind.OBJECT_OF_DELETED_ROW, 1)


def test_a_lost_object_is_found_for_each_of_its_rows(record, add_message, reconcile):
    for number in range(3):
        record(f"audio/{number}")
    for message_id in ("first", "second"):
        add_message(id=message_id, audio_storage_key="audio/lost")
    [finding] = reconcile().findings
    assert (finding.kind, finding.count) == (FindingKind.ROW_WITHOUT_OBJECT, 2)


ODD_KEYS = ["audio//x", "audio/a b+%20&<'\"`|.wav", "audio/日本語😀", "audio/\n", "audio/\x01\x7f"]


def test_odd_keys_are_compared_as_they_are(record, put, add_message, reconcile):
    for key in ODD_KEYS:
        record(key)
    assert reconcile().findings == ()


def test_odd_orphans_are_found_and_only_what_every_server_can_delete_is_queued(
    put, reconcile, rows
):
    for key in ODD_KEYS:
        put(key)
    [finding] = reconcile(repair=True).findings
    assert set(finding.examples) == set(ODD_KEYS)
    assert finding.queued == 3
    queued = {key for (key,) in rows("SELECT storage_key FROM audio_ops.orphan_object")}
    assert queued == set(ODD_KEYS[:3])


def test_a_row_with_an_odd_key_and_no_object_is_found(record, add_message, reconcile):
    record("audio/1")
    record("audio/2")
    add_message(audio_storage_key="audio/../lost")
    assert found(reconcile()) == {FindingKind.ROW_WITHOUT_OBJECT: ("audio/../lost",)}


def test_in_a_versioned_bucket_what_is_deleted_counts_as_gone(record, reconcile):
    bucket = storage.bucket()
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )
    for number in range(3):
        record(f"audio/{number}")
    bucket.delete_many(["audio/1"])
    assert found(reconcile()) == {FindingKind.ROW_WITHOUT_OBJECT: ("audio/1",)}


def test_many_pages_and_chunks_are_one_listing(record, put, reconcile, small_pages):
    for number in range(11):
        record(f"audio/{number:02}")
    put("audio/05x")
    report = reconcile()
    assert report.objects == 12
    assert found(report) == {FindingKind.OBJECT_WITHOUT_ROW: ("audio/05x",)}


def test_a_later_reconciliation_replaces_the_findings(put, reconcile, rows):
    put("audio/1")
    reconcile()
    put("audio/2")
    delete_object("audio/1")
    assert found(reconcile()) == {FindingKind.OBJECT_WITHOUT_ROW: ("audio/2",)}
    assert rows("SELECT storage_key FROM audio_ops.reconciliation_finding") == [("audio/2",)]
