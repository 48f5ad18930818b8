"""The tombstone of an erased learner, and other messages that share a key."""

from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from stores.analysis import analyses
from stores.deletion import erasure
from tests.support.erasing import LATER, analysis


@pytest.fixture
def entomb(engine):
    def _entomb(user_id, reason="request 7"):
        with engine.begin() as connection:
            return erasure.begin(connection, user_id, reason)

    return _entomb


def test_a_learner_is_known_by_any_table(connection, engine, add_user, add_conversation, entomb):
    assert not erasure.is_known(connection, uuid4())
    known, erased, orphaned = add_user(), uuid4(), uuid4()
    entomb(erased)
    with engine.begin() as writer:
        writer.execute(
            sa.text(
                "INSERT INTO audio_ops.orphan_object (storage_key, source, user_id)"
                " VALUES ('audio/x', 'reconciliation', :user_id)"
            ),
            {"user_id": orphaned},
        )
    assert all(erasure.is_known(connection, user_id) for user_id in (known, erased, orphaned))


def test_a_second_tombstone_is_the_first_one_opened_again(connection, entomb):
    user_id = uuid4()
    first = entomb(user_id)
    erasure.complete(connection, user_id)
    connection.commit()
    assert entomb(user_id, "request 8") == first
    (row,) = connection.execute(sa.text("SELECT * FROM audio_ops.erased_learner")).all()
    assert (row.reason, row.completed_at) == ("request 7", None)


@pytest.mark.parametrize(
    "columns",
    [
        {"audio_storage_key": "audio/back.wav"},
        {"audio_storage_key": None, "audio_url": "https://bucket.example/"},
    ],
    ids=["key", "url"],
)
def test_new_data_is_found_only_for_erased_learners(
    connection, add_message, add_user, add_conversation, entomb, columns
):
    user_id = add_user()
    conversation = add_conversation(user_id=user_id)
    add_message(conversation_id=conversation, **columns)
    add_message(conversation_id=conversation, **columns)
    add_message(conversation_id=conversation, audio_storage_key=None)
    add_message(conversation_id=conversation, audio_deleted_at=LATER)
    add_message(**columns)
    assert erasure.revived(connection, limit=10) == []
    entomb(user_id)
    assert erasure.revived(connection, limit=10) == [user_id]


def test_an_analysis_that_is_back_is_found(
    connection, add_message, add_user, add_conversation, entomb
):
    user_id = add_user()
    message_id = add_message(
        conversation_id=add_conversation(user_id=user_id), audio_storage_key=None
    )
    entomb(user_id)
    assert erasure.revived(connection, limit=10) == []
    analyses.create(connection, analysis(message_id))
    assert erasure.revived(connection, limit=10) == [user_id]


@pytest.mark.parametrize("erased", [0, 3])
def test_looking_for_what_is_back_reads_the_messages_of_erased_learners_alone(
    connection, add_message, add_user, add_conversation, entomb, erased
):
    for _ in range(5):
        add_message(conversation_id=add_conversation())
    for _ in range(erased):
        user_id = add_user()
        add_message(conversation_id=add_conversation(user_id=user_id))
        entomb(user_id)
    connection.execute(sa.text("SET LOCAL enable_nestloop = off"))  # whatever the estimates
    explained = connection.execute(
        sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {erasure._REVIVED.text}"),
        {"limit": 10},
    ).scalar_one()
    reads = [
        node["Actual Loops"]
        for node in _nodes(explained[0]["Plan"])
        if node.get("Relation Name") == "messages"
    ]
    assert reads == [erased]


def _nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def test_a_key_is_used_by_others_while_their_message_lives(
    connection, add_message, add_user, add_conversation
):
    user_id = add_user()
    own = add_conversation(user_id=user_id)
    guests = add_conversation(user_id=None, guest_id="browser")
    add_message(conversation_id=own, audio_storage_key="audio/own")
    add_message(audio_storage_key="audio/other")
    add_message(conversation_id=guests, audio_storage_key="audio/guest")
    add_message(audio_storage_key="audio/deleted", audio_deleted_at=LATER)
    keys = ["audio/own", "audio/other", "audio/guest", "audio/deleted", "audio/nobody"]
    used = erasure.used_by_others(connection, user_id, keys)
    assert used == {"audio/other", "audio/guest"}


def test_the_sample_is_of_living_others_only(
    connection, add_message, add_user, add_conversation, entomb, noon
):
    user_id, gone = add_user(), add_user()
    entomb(gone)
    live = {"audio_processing_state": "analyzed", "audio_retention_expires_at": LATER}
    for conversation in (add_conversation(user_id=user_id), add_conversation(user_id=gone)):
        add_message(conversation_id=conversation, **live)
    add_message(**live | {"audio_deleted_at": LATER})
    add_message(**live | {"audio_processing_state": "uploading"})
    add_message(**live | {"audio_retention_expires_at": noon})
    add_message(**live, audio_storage_key="audio/live")
    sample = erasure.sample_of_others(connection, user_id, as_of=noon, limit=10)
    assert sample == ["audio/live"]


@pytest.mark.parametrize(
    ("newest_first", "timestamp"),
    [(True, "2026-01-05 12:00:00.000001"), (False, "2026-01-05 12:00:00")],
)
def test_a_selection_in_progress_goes_on_beside_the_message_that_it_forgets(
    engine, add_message, add_user, add_conversation, newest_first, timestamp
):
    user_id = add_user()
    message_id = add_message(conversation_id=add_conversation(user_id=user_id))
    backfill = sa.text(
        "INSERT INTO audio_ops.backfill"
        " (fingerprint, selection, reason, engine_version, selected, frozen_to)"
        " VALUES ('f', :selection, 'r', '2', 1, :frozen_to) RETURNING id"
    ).bindparams(sa.bindparam("selection", type_=JSONB), sa.bindparam("frozen_to", type_=JSONB))
    reached = {"timestamp": "2026-01-05 12:00:00", "id": message_id}
    selection = {"conversation_ids": [], "newest_first": newest_first}
    with engine.begin() as connection:
        connection.execute(backfill, {"selection": selection, "frozen_to": reached})
        erasure.forget_listed(connection, user_id, folder=f"audio/{user_id}/")
        now = connection.execute(sa.text("SELECT frozen_to FROM audio_ops.backfill")).scalar_one()
    assert now == {"timestamp": timestamp, "id": ""}


# Tombstones are kept


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audio_ops.erased_learner",
        "TRUNCATE audio_ops.erased_learner",
        "UPDATE audio_ops.erased_learner SET user_id = gen_random_uuid()",
        "UPDATE audio_ops.erased_learner SET receipt = gen_random_uuid()",
        "UPDATE audio_ops.erased_learner SET reason = 'another'",
        "UPDATE audio_ops.erased_learner SET requested_at = now() - interval '1 year'",
    ],
)
def test_not_even_the_owner_can_remove_or_rewrite_a_tombstone(engine, add_user, statement):
    with engine.begin() as connection:
        erasure.begin(connection, add_user(), "request 7")
    refused = pytest.raises(sa.exc.DatabaseError, match=r"kept|only the time")
    with engine.connect() as owner, refused:
        owner.exec_driver_sql(statement)


def test_the_database_says_when_an_erasure_was_completed(engine, add_user):
    user_id = add_user()
    with engine.begin() as connection:
        erasure.begin(connection, user_id, "request 7")
        connection.exec_driver_sql(
            "UPDATE audio_ops.erased_learner SET completed_at = '2020-01-01'"
        )
        completed_at, now = connection.execute(
            sa.text("SELECT completed_at, now() FROM audio_ops.erased_learner")
        ).one()
        assert completed_at >= now
        erasure.begin(connection, user_id, "request 8")
        assert (
            connection.scalar(sa.text("SELECT completed_at FROM audio_ops.erased_learner")) is None
        )
