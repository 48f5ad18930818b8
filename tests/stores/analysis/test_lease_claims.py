import multiprocessing
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.facts.analysis import MessageRetry
from schema.tables.app import Message
from schema.tables.base import UtcDateTime
from schema.tables.operations import Lease
from stores.analysis import leases, messages
from stores.database import connect

MINUTE = timedelta(minutes=1)

DAY = timedelta(days=1)


@pytest.fixture
def connection(engine):
    """A transaction that is rolled back."""
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def claim(engine):
    """Claim and commit; return the claim."""

    def _claim(limit=10, duration=MINUTE, languages=("en",), start=None):
        with engine.begin() as connection:
            return leases.claim(
                connection,
                languages=languages,
                limit=limit,
                owner="test",
                duration=duration,
                start=start,
            )

    return _claim


@pytest.fixture
def chunks(engine):
    """Plan chunks of the waiting messages; return the start and size of each."""

    def _chunks(limit=10, chunk_size=10, languages=("en",)):
        with engine.begin() as connection:
            return leases.waiting_chunks(
                connection, languages=languages, limit=limit, chunk_size=chunk_size
            )

    return _chunks


@pytest.fixture
def state(engine):
    """Return a message's state."""

    def _state(message_id):
        with engine.connect() as connection:
            return messages.get(connection, message_id).audio_processing_state

    return _state


@pytest.fixture
def lease(engine):
    """Return a message's lease row, or None."""

    def _lease(message_id):
        with engine.connect() as connection:
            query = sa.select(Lease.__table__).where(Lease.message_id == message_id)
            return connection.execute(query).one_or_none()

    return _lease


@pytest.fixture
def expire(engine):
    """Make all leases expire some minutes ago."""

    def _expire(minutes=1):
        with engine.begin() as connection:
            past = sa.func.now() - timedelta(minutes=minutes)
            connection.execute(sa.update(Lease).values(leased_until=past))

    return _expire


def ids(claim):
    return [message.message_id for message in claim.messages]


# Claiming


def test_a_claim_returns_what_the_analysis_needs(claim, add_message):
    message_id = add_message(
        "ja", content="こんにちは", audio_format="wav", audio_sample_rate=16000, audio_channels=2
    )
    (message,) = claim(languages=["ja"]).messages
    assert message.message_id == message_id
    assert message.storage_key == f"audio/user/conversation/{message_id}.wav"
    assert (message.text, message.language) == ("こんにちは", "ja")
    assert (message.audio_format, message.sample_rate_hz, message.channels) == ("wav", 16000, 2)
    assert (message.attempts, message.crashes) == (0, 0)


def test_the_oldest_messages_are_claimed_first_and_ties_by_id(claim, add_message):
    instant = datetime(2025, 1, 1, tzinfo=UTC)
    add_message(id="young", timestamp=instant + MINUTE)
    add_message(id="b", timestamp=instant)
    add_message(id="a", timestamp=instant)
    assert ids(claim(limit=2)) == ["a", "b"]
    assert ids(claim(limit=2)) == ["young"]


def test_a_claimed_message_is_analyzing_under_the_claims_token(claim, add_message, state, lease):
    message_id = add_message()
    token = claim().token
    assert state(message_id) == "analyzing"
    assert lease(message_id).token == token
    assert lease(message_id).owner == "test"


def test_claiming_nothing_returns_none(claim):
    assert claim() is None


@pytest.mark.parametrize(
    "columns",
    [
        *({"audio_processing_state": state} for state in ("pending", "uploading", "analyzing")),
        *({"audio_processing_state": state} for state in ("analyzed", "failed", None)),
        {"audio_storage_key": None},
        {"audio_deleted_at": datetime(2025, 1, 1, tzinfo=UTC)},
        {"role": "assistant"},
        {"role": "system"},
    ],
    ids=str,
)
def test_only_uploaded_audio_of_learners_that_still_exists_is_claimed(
    claim, chunks, add_message, columns
):
    add_message(**columns)
    assert chunks() == []
    assert claim() is None


def test_messages_of_erased_learners_are_skipped(
    engine, claim, chunks, add_message, add_conversation
):
    add_message("en")
    waiting = add_message("ja")
    guests = add_message(conversation_id=add_conversation(user_id=None, guest_id="browser"))
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO audio_ops.erased_learner (user_id, reason)"
                " SELECT user_id, '' FROM conversations WHERE target_language_id = 'en'"
                " AND user_id IS NOT NULL"
            )
        )
    assert [chunk.size for chunk in chunks(languages=["en", "ja"])] == [2]
    assert ids(claim()) == [guests]
    assert ids(claim(languages=["ja"])) == [waiting]


def test_only_messages_in_the_languages_of_the_engine_are_claimed(claim, chunks, add_message):
    english, japanese, german = add_message("en"), add_message("ja"), add_message("de")
    assert [chunk.size for chunk in chunks(languages=["en", "de"])] == [2]
    assert ids(claim(languages=["en", "de"])) == [english, german]
    assert ids(claim(languages=frozenset({"ja"}))) == [japanese]


@pytest.mark.parametrize("language", ["EN", "en-GB", "en_US", "en-GB-oxendict", " en "])
def test_a_language_of_some_country_is_the_language(claim, add_message, language):
    message_id = add_message(language)
    assert ids(claim()) == [message_id]


def test_messages_without_an_engine_are_counted_and_keep_waiting(
    engine, claim, add_message, add_conversation, state
):
    waiting = [add_message(language) for language in ("ja", "ko", "ja", "ja-JP", "en", "en-GB")]
    add_message("ja", role="assistant")
    add_message("ja", audio_deleted_at=datetime(2025, 1, 1, tzinfo=UTC))
    assert len(claim().messages) == 2
    with engine.begin() as connection:
        assert leases.count_uncovered(connection, ["en"]) == {"ja": 3, "ko": 1}
        assert leases.count_uncovered(connection, ["en", "ja"]) == {"ko": 1}
    assert {state(message_id) for message_id in waiting[:4]} == {"uploaded"}
    assert ids(claim(languages=["en", "ja"])) == [waiting[0], waiting[2], waiting[3]]


def test_an_empty_language_filter_takes_nothing(claim, add_message):
    add_message()
    assert claim(languages=[]) is None


def test_a_claim_that_rolls_back_leaves_the_messages(engine, claim, add_message):
    message_id = add_message()
    with engine.connect() as connection:
        assert leases.claim(connection, languages=["en"], limit=1, owner="dies", duration=MINUTE)
    assert ids(claim()) == [message_id]


# Chunks


def test_chunks_have_a_start_and_a_size(claim, chunks, add_message):
    english = []
    for _ in range(5):
        add_message("ja")
        english.append(add_message("en"))
    found = chunks(chunk_size=2)
    assert [chunk.start.message_id for chunk in found] == english[::2]
    assert [chunk.size for chunk in found] == [2, 2, 1]
    assert chunks(limit=3, chunk_size=2) == [found[0], replace(found[1], size=1)]
    assert [chunk.size for chunk in chunks(chunk_size=1)] == [1] * 5
    claimed = [ids(claim(limit=chunk.size, start=chunk.start)) for chunk in reversed(found)]
    assert claimed == [english[4:], english[2:4], english[:2]]


def test_a_claim_makes_up_for_what_others_took_with_what_waits_behind(claim, chunks, add_message):
    first, second, third = (add_message() for _ in range(3))
    start = chunks()[0].start
    assert ids(claim(limit=1)) == [first]
    assert ids(claim(limit=2, start=start)) == [second, third]


@pytest.fixture
def claim_plan(engine):
    """Claim one message from a position on; return Postgres' plan with actual row counts.

    The plan must not depend on the small number of rows.
    """

    def _claim_plan(start):
        arguments = {
            "languages": ["en"],
            "said_at": start and start.said_at,
            "first_id": start.message_id if start else "",
            "limit": 1,
            "token": uuid4(),
            "owner": "test",
            "duration": MINUTE,
        }
        explain = sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {leases._CLAIM.text}")
        with engine.connect() as connection:
            connection.execute(sa.text("SET enable_seqscan = off"))
            connection.execute(sa.text("SET enable_sort = off"))
            said_at = sa.bindparam("said_at", type_=UtcDateTime)
            return connection.execute(explain.bindparams(said_at), arguments).scalar_one()

    return _claim_plan


def _through_our_index(plan):
    nodes, walks = [plan[0]["Plan"]], []
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        walks += [node] if node.get("Index Name") == "audio_ops_messages_waiting_idx" else []
    return walks


def test_old_backlog_is_claimed_through_our_index(claim_plan, add_message):
    add_message()
    assert _through_our_index(claim_plan(None))


def test_a_claim_reads_nothing_in_front_of_its_start(claim_plan, chunks, add_message):
    for _ in range(20):
        add_message("ja")
    add_message("en")
    (walk,) = _through_our_index(claim_plan(None))
    assert walk["Actual Rows"] == 21
    (walk,) = _through_our_index(claim_plan(chunks()[0].start))
    assert walk["Actual Rows"] == 1
    assert walk.get("Rows Removed by Filter", 0) == 0


def test_rows_that_another_worker_is_claiming_are_skipped(engine, claim, add_message):
    first, second = add_message(), add_message()
    with engine.begin() as connection:
        held = leases.claim(connection, languages=["en"], limit=1, owner="other", duration=MINUTE)
        assert ids(held) == [first]
        assert ids(claim()) == [second]


def _drain(url):
    """Claim in small batches until nothing is left; return all claimed messages."""
    engine = connect(url)
    claimed = []
    while True:
        with engine.begin() as connection:
            claim = leases.claim(
                connection, languages=["en"], limit=7, owner="drain", duration=MINUTE
            )
        if claim is None:
            engine.dispose()
            return claimed
        claimed += ids(claim)


def test_claimers_in_several_processes_and_threads_never_share_a_message(
    engine, database_url, add_conversation
):
    conversation_id = add_conversation()
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key,"
                " audio_processing_state) SELECT n, :conversation_id, 'user', 'a', n, 'uploaded'"
                " FROM generate_series(1, 1000) AS n"
            ),
            {"conversation_id": conversation_id},
        )
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as processes, ThreadPoolExecutor(4) as threads:
        claims = [pool.submit(_drain, database_url) for pool in (processes, threads) * 3]
        claimed = Counter(message_id for claim in claims for message_id in claim.result())
    assert len(claimed) == 1000
    assert set(claimed.values()) == {1}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
@given(limits=st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_bites_of_any_size_take_each_message_once_in_order(engine, add_message, limits):
    with engine.begin() as connection:
        connection.execute(sa.delete(Message))
    expected = [add_message() for _ in range(15)]
    claimed = []
    with engine.connect() as connection:
        for limit in limits:
            claim = leases.claim(
                connection, languages=["en"], limit=limit, owner="test", duration=MINUTE
            )
            claimed += [] if claim is None else ids(claim)
    assert claimed == expected[: sum(limits)]


# Holding


def test_renewing_moves_the_end_of_every_message_still_held(engine, claim, add_message, lease):
    kept, lost = add_message(), add_message()
    token = claim().token
    before = lease(kept).leased_until
    with engine.begin() as connection:
        connection.execute(sa.delete(Message).where(Message.id == lost))
        assert leases.renew(connection, token, timedelta(hours=1)) == 1
    assert lease(kept).leased_until > before + timedelta(minutes=50)


def test_a_stranger_renews_nothing(connection, claim, add_message):
    add_message()
    claim()
    assert leases.renew(connection, uuid4(), MINUTE) == 0


def test_the_holder_may_write_until_someone_takes_over(
    connection, engine, claim, add_message, expire
):
    message_id = add_message()
    mine = claim().token
    expire()
    assert leases.lock_held(connection, mine, [message_id]) == {message_id}  # late, but ours
    connection.rollback()
    with engine.begin() as other:
        assert leases.recover_stale(other, limit=10, unleased_age=DAY) == 1
    assert leases.lock_held(connection, mine, [message_id]) == set()
    connection.rollback()
    theirs = claim().token
    assert leases.lock_held(connection, mine, [message_id]) == set()
    assert leases.lock_held(connection, theirs, [message_id]) == {message_id}


def test_a_message_deleted_since_its_claim_is_not_held(connection, engine, claim, add_message):
    kept, deleted = add_message(), add_message()
    token = claim().token
    with engine.begin() as app:
        app.execute(sa.delete(Message).where(Message.id == deleted))
    assert leases.lock_held(connection, token, [kept, deleted]) == {kept}


def test_a_message_that_the_app_set_to_another_state_is_not_held(
    connection, engine, claim, add_message
):
    message_id = add_message()
    token = claim().token
    with engine.begin() as app:
        app.execute(sa.update(Message).values(audio_processing_state="failed"))
    assert leases.lock_held(connection, token, [message_id]) == set()


def test_a_writer_that_waits_for_a_takeover_sees_it(engine, claim, add_message, expire):
    """The takeover is not committed yet: the writer must wait and is then refused."""
    message_id = add_message()
    mine = claim().token
    expire()
    held = []

    def write():
        with engine.begin() as connection:
            held.append(leases.lock_held(connection, mine, [message_id]))

    with engine.begin() as other:
        assert leases.recover_stale(other, limit=10, unleased_age=DAY) == 1
        assert leases.claim(other, languages=["en"], limit=1, owner="other", duration=MINUTE)
        writer = threading.Thread(target=write)
        writer.start()
        _wait_for_a_blocked_session(engine)
    writer.join()
    assert held == [set()]


def test_a_lease_locked_by_its_writer_cannot_be_taken_over(engine, claim, add_message, expire):
    message_id = add_message()
    mine = claim().token
    expire()
    with engine.begin() as writer:
        assert leases.lock_held(writer, mine, [message_id]) == {message_id}
        with engine.begin() as other:
            assert leases.recover_stale(other, limit=10, unleased_age=DAY) == 0


def _wait_for_a_blocked_session(engine):
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(waiting):
            connection.execute(sa.text("SELECT pg_sleep(0.01)"))


# Releasing


def test_released_messages_wait_again_with_their_counters(engine, claim, add_message, state, lease):
    message_id = add_message()
    token = claim().token
    with engine.begin() as connection:
        leases.put_back(connection, token, [MessageRetry(message_id, timedelta(0), 2, 1)])
    token = claim().token
    with engine.begin() as connection:
        assert leases.release(connection, token) == 1
    assert state(message_id) == "uploaded"
    assert lease(message_id).token is None
    (message,) = claim().messages
    assert (message.attempts, message.crashes) == (2, 1)


def test_releasing_leaves_the_messages_of_others(engine, claim, add_message, state):
    add_message()
    mine = claim().token
    theirs = add_message()
    claim()
    with engine.begin() as connection:
        assert leases.release(connection, mine) == 1
    assert state(theirs) == "analyzing"


def test_a_released_message_waits_for_its_backoff(engine, claim, add_message, state):
    paused, ready = add_message(), add_message()
    token = claim().token
    with engine.begin() as connection:
        retries = [
            MessageRetry(paused, timedelta(hours=1), 1, 0),
            MessageRetry(ready, timedelta(0), 3, 2),
        ]
        assert leases.put_back(connection, token, retries) == 2
    assert state(paused) == state(ready) == "uploaded"
    (message,) = claim().messages
    assert message.message_id == ready
    assert (message.attempts, message.crashes) == (3, 2)


def test_chunks_leave_out_messages_that_wait_out_a_pause(engine, claim, chunks, add_message):
    paused = add_message()
    token = claim().token
    ready = add_message()
    with engine.begin() as connection:
        leases.put_back(connection, token, [MessageRetry(paused, timedelta(hours=1), 1, 0)])
    assert [(chunk.start.message_id, chunk.size) for chunk in chunks()] == [(ready, 1)]


def test_a_stale_token_puts_nothing_back(engine, claim, add_message, state, expire):
    message_id = add_message()
    mine = claim().token
    expire()
    with engine.begin() as connection:
        leases.recover_stale(connection, limit=10, unleased_age=DAY)
    claim()
    with engine.begin() as connection:
        assert leases.put_back(connection, mine, [MessageRetry(message_id, MINUTE, 1, 0)]) == 0
    assert state(message_id) == "analyzing"


def test_putting_nothing_back_is_fine(connection):
    assert leases.put_back(connection, uuid4(), []) == 0


# Recovering


def test_only_leases_that_ended_are_recovered(engine, claim, add_message, state, expire):
    ended = add_message()
    claim()
    expire()
    running = add_message()
    claim()
    with engine.begin() as connection:
        assert leases.recover_stale(connection, limit=10, unleased_age=DAY) == 1
    assert (state(ended), state(running)) == ("uploaded", "analyzing")


def test_recovering_counts_no_failed_try(engine, claim, add_message, expire):
    add_message()
    claim()
    expire()
    with engine.begin() as connection:
        leases.recover_stale(connection, limit=10, unleased_age=DAY)
    (message,) = claim().messages
    assert (message.attempts, message.crashes) == (0, 0)


def test_no_more_than_the_limit_are_recovered_at_once(engine, claim, add_message, expire):
    for _ in range(5):
        add_message()
    claim()
    expire()
    with engine.begin() as connection:
        recovered = [leases.recover_stale(connection, limit=2, unleased_age=DAY) for _ in range(4)]
    assert recovered == [2, 2, 1, 0]


def test_analyzing_without_a_lease_is_recovered_once_old(engine, add_message, state):
    with engine.connect() as connection:
        now = connection.scalar(sa.select(sa.func.now()))
    old = add_message(audio_processing_state="analyzing", timestamp=now - timedelta(hours=25))
    new = add_message(audio_processing_state="analyzing", timestamp=now - timedelta(hours=23))
    with engine.begin() as connection:
        assert leases.recover_stale(connection, limit=10, unleased_age=DAY) == 1
    assert (state(old), state(new)) == ("uploaded", "analyzing")


def test_a_tutors_turn_in_analysis_is_left_alone(engine, add_message, state):
    theirs = add_message(
        role="assistant",
        audio_processing_state="analyzing",
        timestamp=datetime(2020, 1, 1, tzinfo=UTC),
    )
    with engine.begin() as connection:
        assert leases.recover_stale(connection, limit=10, unleased_age=DAY) == 0
    assert state(theirs) == "analyzing"


def test_a_held_lease_on_an_old_message_is_no_reason_to_recover_it(engine, claim, add_message):
    add_message(timestamp=datetime(2020, 1, 1, tzinfo=UTC))
    claim()
    with engine.begin() as connection:
        assert leases.recover_stale(connection, limit=10, unleased_age=DAY) == 0


def test_recoverers_at_once_recover_each_message_once(engine, claim, add_message, expire):
    for _ in range(50):
        add_message()
    claim(limit=50)
    expire()

    def recover(_):
        with engine.begin() as connection:
            return leases.recover_stale(connection, limit=20, unleased_age=DAY)

    with ThreadPoolExecutor(5) as threads:
        first = list(threads.map(recover, range(5)))
    with engine.begin() as connection:
        rest = leases.recover_stale(connection, limit=50, unleased_age=DAY)
    assert sum(first) + rest == 50


def test_deleting_a_message_deletes_its_lease(engine, claim, add_message, lease):
    message_id = add_message()
    claim()
    with engine.begin() as app:
        app.execute(sa.delete(Message))
    assert lease(message_id) is None
