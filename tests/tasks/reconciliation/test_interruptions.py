"""Reconciliations that are interrupted, overtaken, or lose their listing."""

import subprocess
import sys

import pytest
import sqlalchemy as sa

from schema.errors.reconciliation import (
    InventoryLost,
    ListingIncomplete,
    ListingOvertaken,
)
from schema.states import FindingKind
from tasks.reconciliation import listing
from tasks.reconciliation.findings import check_chunk, compare, finish_reconciliation
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tasks.resources import database, storage
from tasks.resources.database import in_transaction
from tests.support.faulty_bucket import calling_before
from tests.support.reconciling import found, interrupted
from tests.tasks.conftest import ALL_ARE_OLD

pytestmark = pytest.mark.usefixtures("stage")


LIST_IN_A_PROCESS = """
from stores.bucket import listing
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
listing.KEYS_PER_PAGE = 2
list_chunk.fn(begin_reconciliation.fn())
"""


@pytest.mark.slow
def test_a_killed_listing_resumes_where_it_stopped(record, reconcile, faulty_bucket, rows):
    keys = [record(f"audio/{number}") for number in range(8)]
    processes = []
    faulty_bucket.on(
        lambda _: faulty_bucket.count("ListObjectsV2") == 3,
        calling_before(lambda _: processes[0].kill()),
        times=1,
    )
    processes.append(subprocess.Popen([sys.executable, "-c", LIST_IN_A_PROCESS]))
    assert processes[0].wait(60) == -9
    assert rows("SELECT last_key, objects FROM audio_ops.reconciliation") == [(keys[3], 4)]
    faulty_bucket.requests.clear()
    report = reconcile()
    assert report.objects == 8
    assert report.findings == ()
    [request] = [r for r in faulty_bucket.requests if r.operation == "ListObjectsV2"]
    assert request.query["start-after"] == keys[3]


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
        # Cleared by hand, with the record of it: complete or not, behind a key or not.
        "WITH gone AS (DELETE FROM audio_ops.bucket_inventory)"
        " UPDATE audio_ops.reconciliation SET objects = 0, size_bytes = 0, listed_at = now()",
        "WITH gone AS (DELETE FROM audio_ops.bucket_inventory) UPDATE audio_ops.reconciliation"
        " SET objects = 0, size_bytes = 0, last_key = NULL, listed_at = now()",
        "WITH gone AS (DELETE FROM audio_ops.bucket_inventory)"
        " UPDATE audio_ops.reconciliation SET objects = 0, size_bytes = 0",
        # As many objects as were listed, but others.
        "UPDATE audio_ops.bucket_inventory SET storage_key = 'audio/9'"
        " WHERE storage_key = 'audio/3'",
        "UPDATE audio_ops.bucket_inventory SET size_bytes = 5 WHERE storage_key = 'audio/1'",
        "UPDATE audio_ops.reconciliation SET last_key = 'audio/9'",
    ],
)
def test_a_listing_that_cannot_be_resumed_starts_over(
    record, reconcile, small_pages, do, rows, change
):
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


def test_a_run_interrupted_after_its_listing_repeats_the_comparison(
    record, put, reconcile, faulty_bucket
):
    record("audio/1")
    put("audio/orphan")
    run = interrupted()
    compare.fn(run, older_than=ALL_ARE_OLD)
    report = reconcile()
    assert found(report) == {FindingKind.OBJECT_WITHOUT_ROW: ("audio/orphan",)}
    assert faulty_bucket.count("ListObjectsV2") == 1


@pytest.mark.parametrize("lost", ["TRUNCATE", "DELETE FROM"])
def test_a_complete_listing_whose_inventory_is_lost_is_not_resumed(
    record, reconcile, do, rows, lost
):
    for number in range(6):
        record(f"audio/{number}")
    interrupted()
    assert rows("SELECT listed_at IS NOT NULL FROM audio_ops.reconciliation") == [(True,)]
    do(f"{lost} audio_ops.bucket_inventory")
    report = reconcile()
    assert (report.objects, report.rows, report.findings) == (6, 6, ())


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
def test_a_lost_listing_does_not_count_as_an_empty_bucket(record, reconcile, do, rows, loss, left):
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
