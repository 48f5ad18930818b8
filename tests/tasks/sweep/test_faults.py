"""The sweep with a failing bucket: the next sweep repeats unconfirmed deletions."""

import pytest
import sqlalchemy as sa

from policy.runs import MOST_REFUSED_ROWS
from tasks.sweep.recordings import REFUSED_ROW
from tasks.sweep.sweep_retention import SweepCursor, sweep_chunk
from tests.support.faulty_bucket import (
    Response,
    answered,
    cut_short,
    lost_answer,
    lost_request,
    refused,
)
from tests.support.sweeping import DAY, is_in_bucket

_FAILURES = sa.text(
    "SELECT message_id, attempts, last_error FROM audio_ops.deletion_ledger"
    " WHERE attempts > 0 ORDER BY id"
)


@pytest.fixture
def failures(engine):
    """Read the failed attempts from the ledger."""

    def _failures():
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(_FAILURES)]

    return _failures


def confirms_nothing(exchange):
    """Answer 200 with an empty result and delete nothing."""
    exchange.send(Response(200, [("Content-Type", "application/xml")], b"<DeleteResult/>"))


def is_there(faulty_bucket, key):
    """Look the object up without the proxy."""
    return faulty_bucket.direct.head(key) is not None


def converged(ids):
    return [("retention", "deleted", message_id) for message_id in ids]


def test_only_what_the_bucket_confirmed_counts_as_deleted(
    record, stored, sweep, entries, failures, faulty_bucket
):
    ids = [record() for _ in range(3)]
    keys = [stored(message_id).audio_storage_key for message_id in ids]
    faulty_bucket.on("DeleteObjects", refused({keys[1]}), times=1)
    report = sweep()
    assert (report.objects, report.failed, report.broken) == (2, {"AccessDenied": 1}, None)
    for message_id, key, gone in zip(ids, keys, [True, False, True], strict=True):
        assert (stored(message_id).audio_deleted_at is not None) is gone
        assert is_there(faulty_bucket, key) is not gone
    assert failures() == [(ids[1], 1, "AccessDenied")]
    assert sweep().objects == 1
    assert entries() == converged(ids)


def test_an_answer_that_confirms_nothing_deletes_nothing(
    record, stored, sweep, entries, faulty_bucket
):
    message_id = record()
    faulty_bucket.on("DeleteObjects", confirms_nothing, times=1)
    report = sweep()
    assert (report.objects, report.failed) == (0, {"NotConfirmed": 1})
    assert not stored(message_id).audio_deleted_at
    assert entries() == [("retention", "intended", message_id)]
    assert sweep().objects == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (answered(503, "SlowDown"), "SlowDown"),
        (answered(403, "ExpiredToken"), "ExpiredToken"),
        (answered(404, "NoSuchBucket"), "no marker"),
        (lost_request, "delete objects"),
        (lost_answer, "delete objects"),
        (cut_short, "delete objects"),
    ],
    ids=["503", "expired", "404", "lost request", "lost answer", "cut short"],
)
def test_a_failed_request_ends_the_sweep_and_the_next_sweep_continues(
    record, stored, sweep, entries, failures, faulty_bucket, fault, said
):
    ids = [record(due_for=days * DAY) for days in (3, 2, 1)]
    faulty_bucket.on("DeleteObjects", fault)
    report = sweep(page_size=2)
    assert report.objects == 0
    assert report.failed.total() == 2
    assert said in report.broken
    assert not any(stored(message_id).audio_deleted_at for message_id in ids)
    assert [failed[:2] for failed in failures()] == [(ids[0], 1), (ids[1], 1)]
    later = stored(ids[2])
    assert later.audio_url  # the next page was not reached
    assert is_there(faulty_bucket, later.audio_storage_key)
    faulty_bucket.heal()
    assert sweep(page_size=2).objects == 3
    assert not any(is_there(faulty_bucket, stored(id_).audio_storage_key) for id_ in ids)
    assert entries() == converged(ids)


@pytest.mark.parametrize(
    "fault", [answered(503, "SlowDown"), lost_answer], ids=["503", "lost answer"]
)
def test_a_fault_that_passes_is_not_even_reported(record, sweep, entries, faulty_bucket, fault):
    message_id = record()
    faulty_bucket.on("DeleteObjects", fault, times=3)
    report = sweep()
    assert (report.objects, report.failed, report.broken) == (1, {}, None)
    assert entries() == converged([message_id])


def test_undeletable_pages_starve_no_others(
    record, stored, sweep, entries, failures, faulty_bucket
):
    """More than a page of them, at the head of the queue, night after night."""
    denied = [record(due_for=5 * DAY) for _ in range(7)]
    others = [record() for _ in range(4)]
    keys = {stored(message_id).audio_storage_key for message_id in denied}
    faulty_bucket.on("DeleteObjects", refused(keys))
    report = sweep(page_size=3)
    assert (report.objects, report.failed) == (4, {"AccessDenied": 7})
    assert all(stored(message_id).audio_deleted_at for message_id in others)
    new = record()
    report = sweep(page_size=3)
    assert (report.objects, report.failed) == (1, {"AccessDenied": 7})
    assert failures() == [(message_id, 2, "AccessDenied") for message_id in denied]
    faulty_bucket.heal()
    assert sweep(page_size=3).objects == 7
    assert sorted(entries()) == sorted(converged([*denied, *others, new]))


def test_an_orphan_that_is_not_confirmed_stays_in_the_queue(
    add_orphan, queue, sweep, entries, faulty_bucket
):
    kept, gone = add_orphan("one"), add_orphan("two")
    faulty_bucket.on("DeleteObjects", refused({kept}), times=1)
    report = sweep()
    assert (report.orphans, report.failed) == (1, {"AccessDenied": 1})
    assert queue() == {kept: None}
    assert not is_there(faulty_bucket, gone)
    assert sweep().orphans == 1
    assert entries() == [("orphan", "deleted", "one"), ("orphan", "deleted", "two")]


@pytest.mark.parametrize("column", ["audio_url", "audio_deleted_at"], ids=["intent", "confirm"])
def test_a_row_that_the_apps_rules_forbid_to_write_keeps_no_other_from_its_end(
    record, stored, sweep, run_sql, column
):
    ids = [record() for _ in range(5)]
    run_sql(
        "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'not this one'; END $$"
    )
    run_sql(
        f"CREATE TRIGGER forbid BEFORE UPDATE OF {column} ON messages FOR EACH ROW"
        f" WHEN (OLD.id = '{ids[2]}' AND NEW.{column} IS DISTINCT FROM OLD.{column})"
        " EXECUTE FUNCTION forbid()"
    )
    report = sweep()
    assert (report.objects, report.failed) == (4, {REFUSED_ROW: 1})
    left = [message_id for message_id in ids if stored(message_id).audio_deleted_at is None]
    assert left == [ids[2]]
    run_sql("DROP TRIGGER forbid ON messages")
    assert sweep().objects == 1


def test_a_forbidden_prefix_of_a_bucket_with_versions_keeps_no_other_from_its_end(
    record, sweep, faulty_bucket
):
    bucket = faulty_bucket.direct
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )
    record(due_for=9 * DAY, audio_storage_key="audio/denied/a.wav")
    for _ in range(4):
        record()
    faulty_bucket.on(
        lambda request: request.query.get("prefix", "").startswith("audio/denied/"),
        answered(403, "AccessDenied"),
    )
    report = sweep(page_size=2)
    assert (report.objects, report.failed, report.broken) == (4, {"AccessDenied": 1}, None)


def test_a_ledger_that_takes_nothing_ends_the_sweep(record, stored, rules, run_sql):
    ids = [record() for _ in range(20)]
    run_sql(
        "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$"
    )
    run_sql(
        "CREATE TRIGGER forbid BEFORE INSERT ON audio_ops.deletion_ledger FOR EACH ROW"
        " EXECUTE FUNCTION forbid()"
    )
    report, cursor = sweep_chunk.fn(SweepCursor(allowance=20), rules, page_size=10, pages=10)
    assert report.broken
    assert (report.failed, report.objects) == ({REFUSED_ROW: MOST_REFUSED_ROWS}, 0)
    assert not cursor.ended
    assert all(is_in_bucket(stored(message_id).audio_storage_key) for message_id in ids)
