"""The reconciliation while others upload and delete."""

from datetime import UTC, datetime

import pytest

from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason
from stores.deletion import ledger
from tasks.reconciliation.findings import check_chunk, compare, finish_reconciliation, queue_orphans
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tests.support.faulty_bucket import calling_before
from tests.support.reconciling import delete_object, spy_on_compare
from tests.tasks.conftest import ALL_ARE_OLD

pytestmark = pytest.mark.usefixtures("stage")


@pytest.fixture
def during_listing(faulty_bucket):
    """Run a change while the second page is being requested."""

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
    assert compared[0].missing == 1  # it looked lost
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
    assert compared[0].findings == 2  # they looked like orphans
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
