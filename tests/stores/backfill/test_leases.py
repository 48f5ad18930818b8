from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from schema.facts.backfill import Rescored, RescoredMessage
from schema.facts.quality import BrokenRule
from schema.states import BackfillOutcome
from stores.analysis import analyses
from stores.backfill import backfills
from stores.backfill import leases as backfill_leases
from stores.quality import quarantine
from tests.support.backfilling import RELEASE, analysis

MINUTE = timedelta(minutes=1)
ANALYZED, FAILED = BackfillOutcome.ANALYZED, BackfillOutcome.FAILED


@pytest.fixture
def claim(engine):
    """Claim and commit; return the claim."""

    def _claim(backfill_id, limit=10, duration=MINUTE, canary=False):
        with engine.begin() as connection:
            return backfill_leases.claim(
                connection,
                backfill_id,
                RELEASE,
                limit=limit,
                owner="test",
                duration=duration,
                canary=canary,
            )

    return _claim


@pytest.fixture
def held(engine):
    """What a lease still holds, by message."""

    def _held(claim):
        with engine.begin() as connection:
            return backfill_leases.lock_held(connection, claim.token, RELEASE)

    return _held


@pytest.fixture
def write(engine):
    """Write new analyses for all messages of a claim."""

    def _write(claim, accuracy=80, fluency=90):
        ids = [message.message_id for message in claim.messages]
        with engine.begin() as connection:
            backfill_leases.lock_held(connection, claim.token, RELEASE)
            backfill_leases.keep_previous(connection, claim.token, ids)
            records = [
                analysis(
                    id_, accuracy, fluency, analysis_version="2.0", analysis_model_version="en-new"
                )
                for id_ in ids
            ]
            analyses.upsert(connection, records)
            backfill_leases.finish(
                connection, claim.token, [(id_, ANALYZED, None, 4000, 50) for id_ in ids]
            )

    return _write


@pytest.fixture
def progress(engine):
    def _progress(backfill_id, **options):
        with engine.connect() as connection:
            return backfill_leases.progress(connection, backfill_id, **options)

    return _progress


@pytest.fixture
def execute(engine):
    def _execute(statement, **arguments):
        with engine.begin() as connection:
            connection.execute(sa.text(statement), arguments)

    return _execute


def ids(claim):
    return [message.message_id for message in claim.messages]


def test_a_claim_takes_the_sample_first_and_tells_what_the_analysis_needs(
    add_scored, freeze, claim, engine
):
    found = {add_scored() for _ in range(5)}
    number = freeze(canary_size=2, approved_by=None)
    sample = claim(number, canary=True)
    assert len(sample.messages) == 2
    assert claim(number, canary=True) is None
    assert claim(number) is None  # nobody has approved it
    with engine.begin() as connection:
        assert backfill_leases.wait_for(connection, number) is None
        backfills.approve(connection, number, approved_by="Mori")
    rest = claim(number)
    assert {*ids(sample), *ids(rest)} == found
    message = rest.messages[0]
    assert message.storage_key.endswith(f"{message.message_id}.wav")
    assert (message.text, message.language, message.attempts) == ("Hello world", "en", 0)
    assert claim(number) is None


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
        assert backfill_leases.wait_for(connection, number) is None


def test_nothing_is_claimed_before_all_is_selected(add_scored, freeze, claim, execute):
    add_scored()
    number = freeze()
    execute("UPDATE audio_ops.backfill SET frozen_at = NULL")
    assert claim(number) is None


def test_what_a_killed_worker_held_is_taken_over_when_its_lease_ends(
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
        assert backfill_leases.renew(connection, first.token, MINUTE) == 1
    assert claim(number) is None
    with engine.begin() as connection:
        assert backfill_leases.release(connection, first.token) == 1
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
        # Uploaded anew and analysed live, or tried in vain, while we analysed the old recording.
        ("UPDATE messages SET audio_storage_key = 'audio/user/conversation/anew.wav'", LIVE),
        ("UPDATE messages SET audio_processing_state = 'failed'", LIVE),
        ("UPDATE message_audio_analysis SET analyzed_at = analyzed_at + interval '1 s'", LIVE),
        ("DELETE FROM message_audio_analysis", LIVE),
    ],
)
def test_what_changed_meanwhile_is_not_written_over(
    add_scored, freeze, claim, held, execute, change, fate
):
    message_id = add_scored()
    claimed = claim(freeze())
    execute(change)
    assert held(claimed) == {message_id: fate}


@pytest.mark.parametrize(("change", "fate"), CHANGES)
def test_what_changed_since_it_was_selected_is_not_even_analysed(
    add_scored, freeze, claim, execute, items, change, fate
):
    add_scored()
    number = freeze()
    execute(change)
    claimed = claim(number)
    assert len(claimed.messages) + claimed.passed_over == 1
    assert [item.outcome for item in items(number)] == [fate]


def test_deleted_messages_are_counted_as_gone(add_scored, freeze, claim, held, execute, progress):
    message_id = add_scored()
    number = freeze()
    claimed = claim(number)
    execute("DELETE FROM messages WHERE id = :id", id=message_id)
    assert held(claimed) == {}
    found = progress(number)
    assert (found.selected, found.open, found.done) == (1, 0, 1)
    assert found.outcomes == {BackfillOutcome.GONE: 1}


def test_progress_tells_outcomes_causes_and_what_it_took(
    add_scored, freeze, claim, write, progress, engine
):
    for _ in range(3):
        add_scored()
    number = freeze(canary_size=1)
    write(claim(number, canary=True))
    other = claim(number, limit=1)
    with engine.begin() as connection:
        done = [(ids(other)[0], FAILED, "no_speech", None, None)]
        backfill_leases.finish(connection, other.token, done)
    with engine.begin() as connection:
        assert backfill_leases.count_open(connection, number) == 1
    found = progress(number)
    assert found.outcomes == {ANALYZED: 1, FAILED: 1}
    assert (found.open, found.done, found.causes) == (1, 2, {"no_speech": 1})
    assert (found.audio_seconds, found.cpu_seconds) == (4, 0.05)
    assert (progress(number, canary=True).selected, progress(number, canary=True).open) == (1, 0)


def test_scores_before_and_after_stand_side_by_side(
    add_scored, add_message, freeze, claim, write, engine
):
    message_id = add_scored(accuracy=60, fluency=70)
    add_message(audio_processing_state="analyzed")  # nothing to compare with
    number = freeze()
    write(claim(number), accuracy=80, fluency=65)
    with engine.connect() as connection:
        assert backfill_leases.rescored(connection, number) == [
            Rescored("en", "accuracy", 60, 80, 1),
            Rescored("en", "fluency", 70, 65, 1),
        ]
        (found,) = backfill_leases.most_changed(connection, number, limit=10)
    assert found == RescoredMessage(message_id, 60, 80, 70, 65)


def test_analyses_that_break_rules_since_the_backfill_began_are_counted(
    add_scored, freeze, claim, write, engine
):
    for _ in range(2):
        add_scored()
    number = freeze()
    write(claim(number))
    with engine.begin() as connection:
        quarantine.set_aside(connection, [BrokenRule("message-0", "quick_scores", "odd")])
        quarantine.set_aside(connection, [BrokenRule("message-1", "url_expiry", "odd")])
        rules = {"quick_scores", "timings_in_text"}
        assert backfill_leases.broken_rules(connection, number, rules) == {"quick_scores": 1}


def test_an_app_that_deletes_messages_finds_its_items_by_index(add_scored, freeze, engine):
    for _ in range(3):
        add_scored()
    freeze()
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(
            sa.text("EXPLAIN DELETE FROM audio_ops.backfill_item WHERE message_id = 'message-1'")
        ).scalars()
        assert "backfill_item_message_id_idx" in "\n".join(plan)


def test_a_message_put_back_waits_and_keeps_its_counters(
    add_scored, freeze, claim, execute, engine
):
    message_id = add_scored()
    number = freeze()
    first = claim(number)
    with engine.begin() as connection:
        backfill_leases.put_back(connection, first.token, [(message_id, MINUTE, 2, 1)])
        wait = backfill_leases.wait_for(connection, number)
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
            return backfill_leases.wait_for(connection, number)

    first = claim(number, limit=1)
    assert wait() <= timedelta(0)  # the second is there
    second = claim(number, limit=1)
    assert timedelta(seconds=50) < wait() <= MINUTE
    write(first)
    write(second)
    assert wait() is None


def test_another_lease_finishes_nothing(add_scored, freeze, claim, progress, engine):
    message_id = add_scored()
    number = freeze()
    claim(number)
    with engine.begin() as connection:
        backfill_leases.finish(connection, uuid4(), [(message_id, ANALYZED, None, 1, 1)])
        backfill_leases.put_back(connection, uuid4(), [(message_id, MINUTE, 9, 9)])
    assert progress(number).open == 1
    with engine.connect() as connection:
        assert backfills.get(connection, number).selected == 1
