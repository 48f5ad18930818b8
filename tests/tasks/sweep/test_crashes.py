"""A sweep killed at any step: the next one completes it, with one ledger entry per object."""

import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa

from stores.deletion import ledger
from tasks.resources import storage
from tasks.sweep import orphans, recordings
from tests.support.faulty_bucket import answered, calling_after, calling_before
from tests.support.sessions import wait_for_a_blocked_session
from tests.support.sweeping import DAY, is_in_bucket

# The sweep in a separate process, in the environment of the test.
SWEEP = """
import sys
from datetime import datetime, timedelta
from policy.sweep import SweepRules
from tasks.sweep.planning import plan_sweep
from tasks.sweep.sweep_retention import SweepCursor, settle_broken_runs, sweep_chunk

rules = SweepRules(datetime.fromisoformat(sys.argv[1]), timedelta(days=7), soft_delete=True)
plan = plan_sweep.fn(rules)
settle_broken_runs.fn(rules)
sweep_chunk.fn(SweepCursor(allowance=plan.objects), rules, page_size=2, pages=100)
"""
UPGRADE = (
    "INSERT INTO subscriptions (user_id, stripe_subscription_id, stripe_price_id, current_tier)"
    " SELECT user_id, 'sub_1', 'price', 'premium' FROM conversations"
)


class KilledSweep:
    """A sweep in a separate process; each way to die is a fault for `faulty_bucket.on`."""

    def __init__(self, rules):
        self._command = [sys.executable, "-c", SWEEP, rules.as_of.isoformat()]

    def run(self):
        self._process = subprocess.Popen(self._command)
        self._process.wait(timeout=60)

    def kill(self):
        """kill -9, and wait until it is dead."""
        self._process.kill()
        self._process.wait(timeout=30)

    def dies_before_the_deletion(self, exchange):
        self.kill()
        exchange.reset()

    def dies_after_the_deletion(self, exchange):
        exchange.forward()
        self.kill()
        exchange.reset()


@pytest.fixture
def killed_sweep(rules):
    killed_sweep = KilledSweep(rules)
    yield killed_sweep
    killed_sweep.kill()


class Died(BaseException):
    """Ends a sweep as abruptly as a signal."""


BEFORE, AFTER = (
    "_delete",
    "record_outcome",
)  # the step at which it dies: before or after the deletion


@pytest.fixture
def break_off(sweep, monkeypatch):
    """Interrupt a sweep with two rows per page in this process, faster than killing another."""

    def die(*_):
        raise Died

    def _break_off(step):
        with monkeypatch.context() as patch:
            patch.setattr(recordings, step, die)
            patch.setattr(orphans, step, die)
            with pytest.raises(Died):
                sweep(page_size=2)

    return _break_off


@pytest.fixture
def ids(record):
    """Four due messages: two pages of the killed sweep."""
    return [record(due_for=(9 - number) * DAY) for number in range(4)]


def deletions(ids, state="deleted"):
    return [("retention", state, message_id) for message_id in ids]


def gone(stored, ids):
    return [not is_in_bucket(stored(message_id).audio_storage_key) for message_id in ids]


def marked_deleted(stored, ids):
    return [stored(message_id).audio_deleted_at is not None for message_id in ids]


@pytest.mark.slow
def test_killed_after_the_intent(killed_sweep, ids, sweep, stored, entries, faulty_bucket):
    faulty_bucket.on("DeleteObjects", killed_sweep.dies_before_the_deletion)
    killed_sweep.run()
    assert entries() == deletions(ids[:2], "intended")
    assert gone(stored, ids) == marked_deleted(stored, ids) == [False] * 4
    assert [stored(id_).audio_url is None for id_ in ids] == [True, True, False, False]
    faulty_bucket.heal()
    assert sweep().objects == 4
    assert gone(stored, ids) == marked_deleted(stored, ids) == [True] * 4
    assert entries() == deletions(ids)


@pytest.mark.slow
def test_killed_after_the_deletion(killed_sweep, ids, sweep, stored, entries, faulty_bucket):
    faulty_bucket.on("DeleteObjects", killed_sweep.dies_after_the_deletion)
    killed_sweep.run()
    assert entries() == deletions(ids[:2], "intended")
    assert gone(stored, ids) == [True, True, False, False]
    assert marked_deleted(stored, ids) == [False] * 4
    faulty_bucket.heal()
    assert sweep().objects == 4
    assert gone(stored, ids) == marked_deleted(stored, ids) == [True] * 4
    assert entries() == deletions(ids)


@pytest.mark.slow
def test_killed_with_the_confirmation_written_but_not_committed(
    killed_sweep, ids, engine, sweep, stored, entries, faulty_bucket
):
    def kill_while_it_waits():
        wait_for_a_blocked_session(engine)
        killed_sweep.kill()

    killer = threading.Thread(target=kill_while_it_waits)
    with engine.connect() as writer:  # of the ledger: the killed sweep waits for it
        writer.execute(sa.select(sa.func.pg_advisory_lock(ledger.ADVISORY_LOCK)))
        killer.start()
        killed_sweep.run()
        killer.join()
        writer.execute(sa.select(sa.func.pg_advisory_unlock(ledger.ADVISORY_LOCK)))
    assert gone(stored, ids) == [True, True, False, False]
    assert marked_deleted(stored, ids) == [False] * 4
    assert sweep().objects == 4
    assert marked_deleted(stored, ids) == [True] * 4
    assert entries() == deletions(ids)


@pytest.mark.slow
def test_killed_on_a_later_page_keeps_what_was_done(
    killed_sweep, ids, sweep, stored, entries, faulty_bucket
):
    later = stored(ids[2]).audio_storage_key
    faulty_bucket.on(
        lambda r: later in r.deleted_keys, killed_sweep.dies_after_the_deletion, times=1
    )
    killed_sweep.run()
    assert marked_deleted(stored, ids) == [True, True, False, False]
    assert sweep().objects == 2
    assert gone(stored, ids) == marked_deleted(stored, ids) == [True] * 4
    assert entries() == deletions(ids)


def test_an_interrupted_deletion_of_an_orphan_is_confirmed(
    break_off, add_orphan, sweep, queue, entries
):
    add_orphan("orphan")
    break_off(AFTER)
    assert entries() == [("orphan", "intended", "orphan")]
    assert sweep().orphans == 1
    assert queue() == {}
    assert entries() == [("orphan", "deleted", "orphan")]


def test_a_sweep_that_dies_three_times_in_a_row_converges(break_off, ids, sweep, stored, entries):
    for step in (BEFORE, AFTER, BEFORE):
        break_off(step)
    assert sweep().objects == 4
    assert marked_deleted(stored, ids) == [True] * 4
    assert entries() == deletions(ids)


# Changes before the next sweep


@pytest.mark.parametrize("change", ["hold", "upgrade"])
def test_an_intent_is_withdrawn_if_the_recording_is_needed_again(
    break_off, ids, hold, run_sql, sweep, stored, entries, change
):
    break_off(BEFORE)
    change_mind(change, ids, hold, run_sql)
    assert sweep().objects == 0
    assert gone(stored, ids) == marked_deleted(stored, ids) == [False] * 4
    assert entries() == deletions(ids[:2], "withdrawn")


@pytest.mark.parametrize("change", ["hold", "upgrade"])
def test_a_deleted_recording_is_marked_even_if_it_is_needed_again(
    break_off, ids, hold, run_sql, sweep, stored, entries, change
):
    """A deleted recording must not appear as held or as withdrawn."""
    break_off(AFTER)
    change_mind(change, ids, hold, run_sql)
    assert sweep().objects == 0
    assert gone(stored, ids) == marked_deleted(stored, ids) == [True, True, False, False]
    assert entries() == deletions(ids[:2])


def change_mind(change, ids, hold, run_sql):
    if change == "hold":
        for message_id in ids:
            hold(message_id)
    else:
        run_sql(UPGRADE)


@pytest.mark.parametrize("uploaded", [False, True])
def test_a_new_recording_survives_the_intents_of_a_broken_run(
    break_off, ids, run_sql, sweep, stored, entries, uploaded
):
    break_off(AFTER)
    run_sql("UPDATE messages SET audio_processing_state = 'uploading'")
    if uploaded:
        for message_id in ids:
            storage.bucket().put(stored(message_id).audio_storage_key, b"new", "audio/wav")
    assert sweep().objects == 0
    assert marked_deleted(stored, ids) == [False] * 4
    assert entries() == deletions(ids[:2], "withdrawn" if uploaded else "deleted")


def test_an_intent_stays_open_while_the_buckets_state_is_unknown(
    break_off, ids, hold, sweep, stored, entries, faulty_bucket
):
    break_off(AFTER)
    for message_id in ids:
        hold(message_id)
    denied = stored(ids[0]).audio_storage_key
    faulty_bucket.on(lambda r: r.key == denied, answered(403, "Forbidden"), times=1)
    sweep()
    assert sorted(state for _, state, _ in entries()) == ["deleted", "intended"]
    sweep()
    assert entries() == deletions(ids[:2])


def test_messages_deleted_after_a_broken_run_leave_no_object_behind(
    break_off, ids, run_sql, sweep, stored, queue, entries
):
    keys = [stored(message_id).audio_storage_key for message_id in ids]
    break_off(BEFORE)
    run_sql("DELETE FROM messages")
    assert sweep().orphans == 4
    assert not any(is_in_bucket(key) for key in keys)
    assert queue() == {}
    assert entries() == [*deletions(ids[:2]), *(("orphan", "deleted", id_) for id_ in ids[2:])]


# The database


@pytest.mark.parametrize("hook", [calling_before, calling_after])
def test_a_session_that_ends_while_the_bucket_deletes_is_made_up_for_in_the_same_run(
    ids, engine, sweep, stored, entries, faulty_bucket, hook
):
    end_all = sa.text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND state = 'idle in transaction'"
    )

    def end_session(_):
        with engine.connect() as connection:
            assert connection.scalar(end_all) == 1

    faulty_bucket.on("DeleteObjects", hook(end_session), times=1)
    assert sweep(page_size=2).objects == 4
    assert marked_deleted(stored, ids) == [True] * 4
    assert entries() == deletions(ids)
