"""Requests to delete that arrive late: given up, or sent by a process that is killed or stopped."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from schema.states import HoldScope
from tasks.resources import storage
from tests.support.faulty_bucket import answered, lost_request
from tests.support.sweeping import DAY, is_in_bucket
from tests.tasks.holds.conftest import END_SESSIONS, IN_FLIGHT_SECONDS

pytestmark = pytest.mark.slow

MESSAGE = HoldScope.MESSAGE
REQUEST_SECONDS = 1.0
UPGRADE = (
    "INSERT INTO subscriptions (user_id, stripe_subscription_id, stripe_price_id, current_tier)"
    " SELECT user_id, 'sub_1', 'price', 'premium' FROM conversations"
)
# The sweep in a separate process; with an argument more it stops itself after its first proof.
SWEEP = f"""
import os, signal, sys
from datetime import datetime, timedelta
from policy.sweep import SweepRules
from stores.deletion import holds
from tasks import deletion
from tasks.sweep.planning import plan_sweep
from tasks.sweep.sweep_retention import SweepCursor, sweep_chunk

deletion.REQUEST_SECONDS = {REQUEST_SECONDS}
prove = holds.prove_kept_out

def prove_and_stop(connection):
    prove(connection)
    holds.prove_kept_out = prove
    os.kill(os.getpid(), signal.SIGSTOP)

if len(sys.argv) > 2:
    holds.prove_kept_out = prove_and_stop
rules = SweepRules(datetime.fromisoformat(sys.argv[1]), timedelta(days=7), soft_delete=True)
plan = plan_sweep.fn(rules)
sweep_chunk.fn(SweepCursor(allowance=plan.objects), rules, page_size=2, pages=100)
"""


@pytest.fixture
def request_seconds():
    return REQUEST_SECONDS


@pytest.fixture
def sweep_process(rules):
    """Start a sweep in a separate process."""
    started = []

    def _start(*options):
        command = [sys.executable, "-c", SWEEP, rules.as_of.isoformat(), *options]
        started.append(subprocess.Popen(command))
        return started[0]

    yield _start
    for process in started:
        process.kill()
        process.wait(timeout=30)


@pytest.mark.parametrize("goes_on", [True, False], ids=["arrives later", "is lost"])
def test_the_request_of_a_killed_sweep_may_still_arrive(
    record, sweep_process, held_request, place, stored, entries, sweep, goes_on
):
    message_id = record()
    process = sweep_process()
    held_request.arrived.wait(timeout=30)
    process.kill()
    process.wait(timeout=30)
    settle = held_request.go_on if goes_on else held_request.drop
    placed, *_ = place(MESSAGE, message_id, settle)
    assert (placed.protected, placed.already_deleted) == ((0, 1) if goes_on else (1, 0))
    assert is_in_bucket(stored(message_id).audio_storage_key) is not goes_on
    assert entries() == [("retention", "deleted" if goes_on else "withdrawn", message_id)]
    assert sweep().objects == 0


def test_a_sweep_stopped_between_proof_and_request_sends_nothing_after_its_deadline(
    record, sweep_process, engine, faulty_bucket, place, stored
):
    message_id = record()
    process = sweep_process("stop")
    os.waitpid(process.pid, os.WUNTRACED)
    with engine.connect() as connection:
        assert connection.scalar(END_SESSIONS) == 1
    placed, *_ = place(MESSAGE, message_id)
    assert placed.protected == 1
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=60) == 0
    assert faulty_bucket.count("DeleteObjects") == 0
    assert is_in_bucket(stored(message_id).audio_storage_key)


def test_a_request_that_was_given_up_may_still_arrive_while_the_session_lives(
    record, sweep, all_held, place, stored, entries
):
    message_id = record()
    assert "within 1 s" in sweep().broken
    placed, *_ = place(MESSAGE, message_id, all_held.go_on)
    assert (placed.protected, placed.already_deleted) == (0, 1)
    assert not is_in_bucket(stored(message_id).audio_storage_key)
    assert entries() == [("retention", "deleted", message_id)]


def test_an_intent_withdrawn_before_its_request_arrived_is_looked_at_again(
    record, sweep, all_held, place, run_sql, stored, entries
):
    message_id = record()
    assert sweep().broken
    run_sql(UPGRADE)
    assert sweep().objects == 0
    assert entries() == [("retention", "withdrawn", message_id)]
    placed, *_ = place(MESSAGE, message_id, all_held.go_on)
    assert (placed.protected, placed.already_deleted) == (0, 1)
    assert stored(message_id).audio_deleted_at
    assert [state for _, state, _ in entries()] == ["withdrawn", "deleted"]


def test_a_withdrawal_of_some_time_ago_does_not_delay_a_hold(
    record, sweep, faulty_bucket, place, run_sql, monkeypatch
):
    message_id = record()
    faulty_bucket.on("DeleteObjects", lost_request)
    assert sweep().broken
    run_sql(UPGRADE)
    sweep()
    threading.Event().wait(IN_FLIGHT_SECONDS)
    assert place(MESSAGE, message_id)[2] == []


@pytest.mark.parametrize(
    "fault", [answered(503, "SlowDown"), answered(403, "Forbidden"), lost_request]
)
def test_a_bucket_that_does_not_say_leaves_the_number_unknown_and_the_hold_in_force(
    record, sweep, faulty_bucket, place, stored, entries, fault
):
    message_id = record()
    faulty_bucket.on("DeleteObjects", lost_request)
    assert sweep().broken
    faulty_bucket.on("HeadObject", fault)
    placed, effect, _ = place(MESSAGE, message_id)
    assert (placed.protected, placed.already_deleted, placed.unknown) == (0, 0, 1)
    assert "unknown whether 1 more recording is left" in effect
    assert entries() == [("retention", "intended", message_id)]
    faulty_bucket.heal()
    assert sweep().withdrawn == 0
    assert is_in_bucket(stored(message_id).audio_storage_key)
    placed, effect, _ = place(MESSAGE, message_id)
    assert (placed.protected, placed.unknown) == (1, 0)
    assert effect.startswith("Nothing changed: the same hold has been in force since")


def test_another_environments_bucket_is_no_proof_of_a_deletion(
    record, sweep, faulty_bucket, place, monkeypatch, stored, now
):
    message_id = record()
    key = "audio/user/c/alive.wav"
    record(audio_storage_key=key, audio_retention_expires_at=now + 9 * DAY)
    faulty_bucket.on("DeleteObjects", lost_request)
    assert sweep().broken
    monkeypatch.setenv("TIGRIS_BUCKET_NAME", "another-environment")
    storage.bucket.cache_clear()
    storage.bucket().create_with_marker()
    placed, *_ = place(MESSAGE, message_id)
    assert (placed.protected, placed.unknown) == (0, 1)
    assert stored(message_id).audio_deleted_at is None
