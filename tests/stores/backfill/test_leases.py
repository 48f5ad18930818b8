from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from schema.facts.analysis import MessageRetry
from schema.states import BackfillOutcome
from stores.backfill import backfills, leases

MINUTE = timedelta(minutes=1)


def ids(claim):
    return [message.message_id for message in claim.messages]


def test_a_claim_takes_the_sample_first_and_returns_what_the_analysis_needs(
    add_scored, freeze, claim, engine
):
    found = {add_scored() for _ in range(5)}
    number = freeze(canary_size=2, approved_by=None)
    sample = claim(number, canary=True)
    assert len(sample.messages) == 2
    assert claim(number, canary=True) is None
    assert claim(number) is None  # it is not approved
    with engine.begin() as connection:
        assert leases.time_until_claimable(connection, number) is None
        backfills.approve(connection, number, approved_by="Mori")
    rest = claim(number)
    assert {*ids(sample), *ids(rest)} == found
    message = rest.messages[0]
    assert message.storage_key.endswith(f"{message.message_id}.wav")
    assert (message.text, message.language, message.attempts) == ("Hello world", "en", 0)
    assert message.native_language == "en"
    assert claim(number) is None


def test_a_backfill_speaks_the_language_that_learners_read_now(add_scored, freeze, claim, execute):
    add_scored()
    number = freeze()
    execute("UPDATE users SET native_language_id = 'ko'")
    (message,) = claim(number).messages
    assert message.native_language == "ko"


def test_messages_stay_as_they_are_for_the_app_while_they_are_analysed(
    add_scored, freeze, claim, engine
):
    message_id = add_scored()
    claim(freeze())
    with engine.connect() as connection:
        state = sa.text("SELECT audio_processing_state FROM messages WHERE id = :id")
        assert connection.execute(state, {"id": message_id}).scalar_one() == "analyzed"


def test_no_two_workers_get_the_same_message(add_scored, freeze, claim):
    found = {add_scored() for _ in range(60)}
    number = freeze()

    def work(_):
        taken = []
        while claimed := claim(number, limit=4):
            taken += ids(claimed)
        return taken

    with ThreadPoolExecutor(4) as threads:
        counts = Counter(id_ for taken in threads.map(work, range(4)) for id_ in taken)
    assert set(counts) == found
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("ending", ["stopped_at", "undone_at", "released_at"])
def test_nothing_is_claimed_of_what_is_stopped_undone_or_released(
    add_scored, freeze, claim, execute, engine, ending
):
    add_scored()
    number = freeze()
    execute(f"UPDATE audio_ops.backfill SET {ending} = now()")
    assert claim(number) is None
    with engine.begin() as connection:
        assert leases.time_until_claimable(connection, number) is None


def test_nothing_is_claimed_before_all_is_selected(add_scored, freeze, claim, execute):
    add_scored()
    number = freeze()
    execute("UPDATE audio_ops.backfill SET frozen_at = NULL")
    assert claim(number) is None


def test_messages_of_a_killed_worker_are_taken_over_when_its_lease_expires(
    add_scored, freeze, claim, held, engine
):
    message_id = add_scored()
    number = freeze()
    first = claim(number, duration=timedelta(0))
    second = claim(number)
    assert ids(second) == [message_id]
    assert held(first) == {}
    assert held(second) == {message_id: None}


def test_a_lease_is_renewed_and_given_back(add_scored, freeze, claim, engine):
    add_scored()
    number = freeze()
    first = claim(number, duration=timedelta(0))
    with engine.begin() as connection:
        assert leases.renew(connection, first.token, MINUTE) == 1
    assert claim(number) is None
    with engine.begin() as connection:
        assert leases.release(connection, first.token) == 1
    assert claim(number) is not None


GONE, LIVE, NEWER = BackfillOutcome.GONE, BackfillOutcome.LIVE, BackfillOutcome.NEWER
CHANGES = [
    ("UPDATE messages SET audio_deleted_at = now()", GONE),
    ("UPDATE messages SET audio_storage_key = NULL", GONE),
    (
        "INSERT INTO audio_ops.deletion_ledger (storage_key, key_sha256, reason)"
        " SELECT audio_storage_key, sha256(convert_to(audio_storage_key, 'UTF8')), 'retention'"
        " FROM messages",
        GONE,
    ),
    (
        "INSERT INTO audio_ops.erased_learner (user_id, reason)"
        " SELECT user_id, 'request 3' FROM conversations",
        GONE,
    ),
    ("UPDATE messages SET audio_processing_state = 'uploaded'", LIVE),
    ("UPDATE messages SET audio_processing_state = 'analyzing'", LIVE),
    ("UPDATE message_audio_analysis SET analysis_version = '2.0.1'", NEWER),
    ("UPDATE message_audio_analysis SET analyzed_at = now() + interval '1 hour'", LIVE),
    ("UPDATE messages SET audio_url = 'https://bucket.example.org/a'", None),
]


@pytest.mark.parametrize(
    ("change", "fate"),
    [
        *CHANGES,
        # Uploaded again, and analysed or failed live, while we analysed the old recording.
        ("UPDATE messages SET audio_storage_key = 'audio/user/conversation/anew.wav'", LIVE),
        ("UPDATE messages SET audio_processing_state = 'failed'", LIVE),
        ("UPDATE message_audio_analysis SET analyzed_at = analyzed_at + interval '1 s'", LIVE),
        ("DELETE FROM message_audio_analysis", LIVE),
    ],
)
def test_a_message_that_changed_since_its_claim_is_not_overwritten(
    add_scored, freeze, claim, held, execute, change, fate
):
    message_id = add_scored()
    claimed = claim(freeze())
    execute(change)
    assert held(claimed) == {message_id: fate}


@pytest.mark.parametrize(("change", "fate"), CHANGES)
def test_a_message_that_changed_since_its_selection_is_not_analysed(
    add_scored, freeze, claim, execute, items, change, fate
):
    add_scored()
    number = freeze()
    execute(change)
    claimed = claim(number)
    assert len(claimed.messages) + claimed.passed_over == 1
    assert [item.outcome for item in items(number)] == [fate]


def test_a_released_message_waits_and_keeps_its_counters(
    add_scored, freeze, claim, execute, engine
):
    message_id = add_scored()
    number = freeze()
    first = claim(number)
    with engine.begin() as connection:
        leases.put_back(connection, first.token, [MessageRetry(message_id, MINUTE, 2, 1)])
        wait = leases.time_until_claimable(connection, number)
        assert timedelta(seconds=50) < wait <= MINUTE
    assert claim(number) is None
    execute("UPDATE audio_ops.backfill_item SET available_at = now()")
    (message,) = claim(number).messages
    assert (message.attempts, message.crashes) == (2, 1)


def test_how_long_to_wait_for_work(add_scored, freeze, claim, write, engine):
    for _ in range(2):
        add_scored()
    number = freeze()

    def wait():
        with engine.connect() as connection:
            return leases.time_until_claimable(connection, number)

    first = claim(number, limit=1)
    assert wait() <= timedelta(0)  # the second is available
    second = claim(number, limit=1)
    assert timedelta(seconds=50) < wait() <= MINUTE
    write(first)
    write(second)
    assert wait() is None
