"""A claim takes the oldest messages that wait and that the engine can analyse."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from stores.analysis import leases
from tests.stores.analysis.conftest import MINUTE, ids


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


@pytest.mark.parametrize("learner", ["ja", "en", None], ids=["Japanese", "English", "guest"])
def test_a_claim_says_which_language_the_learner_reads(
    engine, claim, add_user, add_conversation, add_message, learner
):
    user_id = learner and add_user()
    with engine.begin() as connection:
        native_language = sa.text("UPDATE users SET native_language_id = :language")
        connection.execute(native_language, {"language": learner})
    add_message(conversation_id=add_conversation(user_id=user_id))
    (message,) = claim().messages
    assert message.native_language == learner


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
