"""The reconciliation's steps, on real Postgres and a real bucket."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from schema.errors.reconciliation import (
    InventoryLost,
    ListingIncomplete,
    ListingOutdated,
    ListingOvertaken,
)
from schema.errors.storage import RecordingsMissing, StorageDenied, StorageUnavailable, WrongBucket
from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, FindingKind
from stores.bucket.audio_bucket import MARKER_KEY
from stores.deletion import ledger
from stores.reconciliation import comparison
from tasks.reconciliation import listing
from tasks.reconciliation.findings import check_chunk, compare, finish_reconciliation, queue_orphans
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tasks.resources import database, storage
from tasks.resources.database import in_transaction
from tests.support.faulty_bucket import answered, calling_before
from tests.tasks.conftest import ALL_ARE_OLD, NONE_IS_OLD

pytestmark = pytest.mark.usefixtures("stage")

NOW = sa.text("SELECT now() AT TIME ZONE 'UTC'")


@pytest.fixture
def record(put, add_message):
    """Add a message with its object; return its key."""

    def _record(key, data=b"data", **columns):
        put(key, data)
        add_message(audio_storage_key=key, audio_size_bytes=len(data), **columns)
        return key

    return _record


@pytest.fixture
def do(engine):
    def _do(statement, **values):
        with engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    return _do


@pytest.fixture
def small_pages(monkeypatch):
    """Two objects a page, two pages a chunk."""
    monkeypatch.setattr("stores.bucket.listing.KEYS_PER_PAGE", 2)
    monkeypatch.setattr(listing, "PAGES_PER_CHUNK", 2)


def found(report):
    return {finding.kind: finding.examples for finding in report.findings}


def delete_object(key):
    storage.bucket().client.delete_object(Bucket=storage.bucket().name, Key=key)


# What is found


def test_where_bucket_and_messages_agree_nothing_is_found(record, reconcile, rows):
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
    assert compared[0].findings == 0  # nor is the bucket asked about each of them
    assert found(reconcile()) == {FindingKind.OBJECT_WITHOUT_ROW: ("audio/1",)}


def test_only_the_audio_prefix_is_looked_at(put, add_message, reconcile):
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


# While others work


@pytest.fixture
def during_listing(faulty_bucket):
    """Let something happen while the second page is asked for."""

    def _during_listing(work):
        faulty_bucket.on(
            lambda request: "continuation-token" in request.query,
            calling_before(lambda _: work()),
            times=1,
        )

    return _during_listing


def test_an_upload_behind_the_listings_back_is_no_loss(
    record, reconcile, small_pages, during_listing, rows, monkeypatch
):
    for number in range(1, 5):
        record(f"audio/{number}")
    during_listing(lambda: record("audio/0"))
    compared = spy_on_compare(monkeypatch)
    report = reconcile()
    assert compared[0].missing == 1  # it did look lost
    assert report.objects == 4
    assert report.findings == ()


def test_a_deletion_behind_the_listings_back_leaves_no_orphan(
    record, reconcile, small_pages, during_listing, do, monkeypatch
):
    for number in range(1, 7):
        record(f"audio/{number}", id=f"message-of-{number}")

    def work():
        for key in ("audio/1", "audio/2"):
            delete_object(key)
        do("UPDATE messages SET audio_deleted_at = now() WHERE audio_storage_key = 'audio/1'")
        do("DELETE FROM messages WHERE audio_storage_key = 'audio/2'")

    during_listing(work)
    compared = spy_on_compare(monkeypatch)
    report = reconcile(repair=True)
    assert compared[0].findings == 2  # they did look like orphans
    assert report.findings == ()


def test_an_object_replaced_behind_the_listings_back_has_no_other_size(
    record, put, reconcile, small_pages, during_listing, do
):
    for number in range(1, 5):
        record(f"audio/{number}")

    def work():
        put("audio/1", b"longer")
        do("UPDATE messages SET audio_size_bytes = 6 WHERE audio_storage_key = 'audio/1'")

    during_listing(work)
    assert reconcile().findings == ()


def test_an_object_put_again_behind_the_listings_back_is_young_again(
    put, reconcile, small_pages, rows, do
):
    put("audio/1")
    run = begin_reconciliation.fn()
    list_chunk.fn(run)
    do("UPDATE audio_ops.bucket_inventory SET modified_at = '2020-01-01'")
    comparison = compare.fn(run, older_than=datetime(2021, 1, 1, tzinfo=UTC))
    assert comparison.findings == 1
    check_chunk.fn(run, after=0, older_than=datetime(2021, 1, 1, tzinfo=UTC))
    assert queue_orphans.fn(run) == 0
    assert finish_reconciliation.fn(run, comparison).findings == ()


@pytest.fixture
def intend(engine):
    """Begin deletions, as the sweep does."""

    def _intend(*keys):
        deletions = [IntendedDeletion(key, None, DeletionReason.RETENTION) for key in keys]
        with engine.begin() as connection:
            ledger.intend(connection, deletions)

    return _intend


def test_an_object_on_its_way_to_deletion_is_neither_lost_nor_an_orphan(
    record, put, add_message, reconcile, intend, monkeypatch
):
    for number in range(3):
        record(f"audio/{number}")
    add_message(audio_storage_key="audio/half-deleted")
    put("audio/orphan")
    intend("audio/half-deleted", "audio/orphan")
    compared = spy_on_compare(monkeypatch)
    assert reconcile().findings == ()
    assert compared[0].findings == 0


def test_a_deletion_that_begins_after_the_comparison_is_no_loss(record, add_message, intend):
    for number in range(3):
        record(f"audio/{number}")
    add_message(audio_storage_key="audio/half-deleted")
    run = begin_reconciliation.fn()
    list_chunk.fn(run)
    comparison = compare.fn(run, older_than=ALL_ARE_OLD)
    intend("audio/half-deleted")
    check_chunk.fn(run, after=0, older_than=ALL_ARE_OLD)
    assert comparison.findings == 1
    assert finish_reconciliation.fn(run, comparison).findings == ()


def spy_on_compare(monkeypatch):
    compared = []
    real = comparison.compare

    def spy(*arguments, **options):
        compared.append(real(*arguments, **options))
        return compared[-1]

    monkeypatch.setattr(comparison, "compare", spy)
    return compared


# Interruptions

LIST_IN_A_PROCESS = """
from stores.bucket import listing
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
listing.KEYS_PER_PAGE = 2
list_chunk.fn(begin_reconciliation.fn())
"""


def test_a_killed_listing_goes_on_where_it_was(record, reconcile, faulty_bucket, rows):
    keys = [record(f"audio/{number}") for number in range(8)]
    doomed = []
    faulty_bucket.on(
        lambda _: faulty_bucket.count("ListObjectsV2") == 3,
        calling_before(lambda _: doomed[0].kill()),
        times=1,
    )
    doomed.append(subprocess.Popen([sys.executable, "-c", LIST_IN_A_PROCESS]))
    assert doomed[0].wait(60) == -9
    assert rows("SELECT last_key, objects FROM audio_ops.reconciliation") == [(keys[3], 4)]
    faulty_bucket.requests.clear()
    report = reconcile()
    assert report.objects == 8
    assert report.findings == ()
    [request] = [r for r in faulty_bucket.requests if r.operation == "ListObjectsV2"]
    assert request.query["start-after"] == keys[3]


def interrupted():
    """Begin, list a page or two, and give up."""
    run = begin_reconciliation.fn()
    list_chunk.fn(run)
    return run


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audio_ops.reconciliation SET started_at = now() - interval '25 hours'",
        "UPDATE audio_ops.reconciliation SET bucket = 'another'",
        "UPDATE audio_ops.reconciliation"
        " SET bucket = 'https://another.example.org/' || split_part(bucket, '/', 4)",
        "UPDATE audio_ops.reconciliation SET prefix = 'another/'",
        "DELETE FROM audio_ops.bucket_inventory",  # as a crash of the server does
        "TRUNCATE audio_ops.bucket_inventory",
    ],
)
def test_what_cannot_go_on_begins_anew(record, reconcile, small_pages, do, rows, change):
    for number in range(6):
        record(f"audio/{number}")
    interrupted()
    do(change)
    put_later = record("audio/00")  # only a new listing sees it
    report = reconcile()
    assert report.objects == 7
    assert report.findings == ()
    assert put_later
    assert rows("SELECT count(*) FROM audio_ops.reconciliation") == [(1,)]


def test_a_run_interrupted_after_its_listing_compares_anew(record, put, reconcile, faulty_bucket):
    record("audio/1")
    put("audio/orphan")
    run = interrupted()
    compare.fn(run, older_than=ALL_ARE_OLD)
    report = reconcile()
    assert found(report) == {FindingKind.OBJECT_WITHOUT_ROW: ("audio/orphan",)}
    assert faulty_bucket.count("ListObjectsV2") == 1


def test_earlier_findings_stay_until_a_later_reconciliation_is_finished(put, reconcile, rows):
    put("audio/1")
    reconcile()
    interrupted()
    assert rows("SELECT storage_key FROM audio_ops.reconciliation_finding") == [("audio/1",)]


@pytest.mark.parametrize(
    ("loss", "left"),
    [
        ("DELETE FROM audio_ops.bucket_inventory WHERE storage_key = 'audio/0'", 2),
        ("TRUNCATE audio_ops.bucket_inventory", 0),
    ],
)
def test_a_listing_lost_in_between_is_not_taken_for_an_empty_bucket(
    record, reconcile, do, rows, loss, left
):
    for number in range(3):
        record(f"audio/{number}")
    run = interrupted()
    do(loss)
    with pytest.raises(InventoryLost) as error:
        compare.fn(run, older_than=ALL_ARE_OLD)
    assert (error.value.found, error.value.listed) == (left, 3)
    assert rows("SELECT * FROM audio_ops.reconciliation_finding") == []
    assert reconcile().findings == ()


def test_a_listing_lost_while_it_is_compared_is_noticed(record, do):
    for number in range(3):
        record(f"audio/{number}")
    run = interrupted()

    def erase(_connection, _cursor, statement, *_):
        if "object_of_deleted_row" in statement and "INSERT" in statement:
            do("DELETE FROM audio_ops.bucket_inventory WHERE storage_key = 'audio/0'")

    sa.event.listen(database.engine(), "before_cursor_execute", erase)
    with pytest.raises(InventoryLost):
        compare.fn(run, older_than=ALL_ARE_OLD)


def test_a_listing_that_stopped_half_way_is_not_compared(record, small_pages, rows):
    for number in range(6):
        record(f"audio/{number}")
    run = interrupted()
    with pytest.raises(ListingIncomplete) as error:
        compare.fn(run, older_than=ALL_ARE_OLD)
    assert error.value.objects == 4
    assert rows("SELECT * FROM audio_ops.reconciliation_finding") == []
    assert list_chunk.fn(run).objects == 6


def test_a_listing_of_another_server_s_bucket_of_that_name_is_not_taken_up(
    record, reconcile, small_pages, faulty_bucket, monkeypatch
):
    for number in range(6):
        record(f"audio/{number}")
    interrupted()
    there = faulty_bucket.direct.client.meta.endpoint_url
    monkeypatch.setenv("TIGRIS_ENDPOINT", there)
    storage.bucket.cache_clear()
    record("audio/00")  # only a new listing sees it
    assert reconcile().objects == 7


def test_a_run_that_was_overtaken_writes_nothing_more(record, reconcile, small_pages, rows):
    for number in range(9):
        record(f"audio/{number}")
    overtaken = interrupted()
    newer = interrupted()
    for step in (
        lambda: list_chunk.fn(overtaken),
        lambda: compare.fn(overtaken, older_than=ALL_ARE_OLD),
        lambda: finish_reconciliation.fn(overtaken, None),
    ):
        with pytest.raises(ListingOvertaken):
            step()
    assert list_chunk.fn(newer).objects == 9
    assert reconcile().findings == ()


def test_a_page_written_twice_counts_once(record, rows):
    # The answer to a COMMIT can be lost, and the transaction is repeated.
    record("audio/1")
    run = begin_reconciliation.fn()
    real = in_transaction

    def twice(*arguments, **options):
        real(*arguments, **options)
        return real(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "in_transaction", twice)
        assert list_chunk.fn(run).objects == 1
        comparison = compare.fn(run, older_than=ALL_ARE_OLD)
        check_chunk.fn(run, after=0, older_than=ALL_ARE_OLD)
        assert finish_reconciliation.fn(run, comparison).objects == 1
    assert rows("SELECT finished_at IS NOT NULL FROM audio_ops.reconciliation") == [(True,)]


# Faults


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
    # With the right bucket, the next run does not go on with this listing.
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


def test_a_listing_from_before_the_bucket_was_filled_is_told_from_another_bucket(
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


def test_half_of_the_recordings_missing_is_still_taken_for_true(record, add_message, reconcile):
    record("audio/there")
    add_message(audio_storage_key="audio/lost")
    assert found(reconcile()) == {FindingKind.ROW_WITHOUT_OBJECT: ("audio/lost",)}


@pytest.mark.parametrize("operation", ["ListObjectsV2", "HeadObject"])
def test_a_bucket_that_breaks_off_costs_only_a_second_run(
    record, put, reconcile, faulty_bucket, operation
):
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
def test_what_is_refused_is_not_taken_for_missing(
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


# Repair


def test_repair_queues_old_orphans_with_what_is_known_of_them(
    record, put, reconcile, rows, add_user, add_conversation
):
    learner = add_user()
    conversation = add_conversation(user_id=learner)
    put("audio/orphan", b"12345")
    record(
        "audio/deleted",
        id="deleted",
        conversation_id=conversation,
        audio_deleted_at=datetime(2025, 11, 1, tzinfo=UTC),
    )
    record("audio/alive")
    report = reconcile(repair=True)
    assert [finding.queued for finding in report.findings] == [1, 1]
    queued = rows(
        "SELECT storage_key, source, size_bytes, message_id, conversation_id, user_id"
        " FROM audio_ops.orphan_object ORDER BY storage_key"
    )
    assert queued == [
        ("audio/deleted", "reconciliation", 4, "deleted", conversation, learner),
        ("audio/orphan", "reconciliation", 5, None, None, None),
    ]
    assert storage.bucket().head("audio/orphan")  # the sweep deletes, not this


def test_without_repair_nothing_is_queued(put, reconcile, rows):
    put("audio/orphan")
    reconcile()
    assert rows("SELECT * FROM audio_ops.orphan_object") == []


def test_a_young_orphan_is_not_queued(put, reconcile, rows):
    put("audio/orphan")
    reconcile(repair=True, older_than=NONE_IS_OLD)
    assert rows("SELECT * FROM audio_ops.orphan_object") == []


def test_an_orphan_that_a_message_names_meanwhile_is_not_queued(put, add_message, rows):
    put("audio/orphan")
    run = begin_reconciliation.fn()
    list_chunk.fn(run)
    compare.fn(run, older_than=ALL_ARE_OLD)
    check_chunk.fn(run, after=0, older_than=ALL_ARE_OLD)
    add_message(audio_storage_key="audio/orphan", audio_processing_state="uploading")
    assert queue_orphans.fn(run) == 0
    assert rows("SELECT * FROM audio_ops.orphan_object") == []


def test_an_orphan_in_the_queue_keeps_what_is_known_of_it(put, reconcile, rows, do):
    put("audio/orphan")
    do(
        "INSERT INTO audio_ops.orphan_object (storage_key, source, message_id)"
        " VALUES ('audio/orphan', 'message_deleted', 'gone')"
    )
    [finding] = reconcile(repair=True).findings
    assert finding.queued == 1
    assert rows("SELECT source, message_id FROM audio_ops.orphan_object") == [
        ("message_deleted", "gone")
    ]


def test_an_object_of_several_deleted_messages_is_queued_as_nobodys(
    put, add_message, rows, reconcile
):
    put("audio/shared")
    for message_id in ("first", "second"):
        add_message(
            id=message_id,
            audio_storage_key="audio/shared",
            audio_deleted_at=datetime(2025, 11, 1, tzinfo=UTC),
        )
    reconcile(repair=True)
    assert rows("SELECT storage_key, message_id, user_id FROM audio_ops.orphan_object") == [
        ("audio/shared", None, None)
    ]
