"""Recordings arrive in bucket and database as the app would leave them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from local import moto
from local.demo.recordings import ANALYZED, FLAC, RAW_PCM16, UNTOUCHED, Learner, Recording
from local.demo.upload import upload
from local.moto import MotoServer
from local.ports import choose_ports
from schema.states import UserTier
from schema.tables.app import Conversation, Message, Subscription, User

NOW = datetime(2025, 10, 13, 12, tzinfo=UTC)
MAYA = Learner("Maya", UserTier.PREMIUM)
OLIVER = Learner("Oliver", None)
GUEST = Learner("Guest", UserTier.GUEST)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moto")
    server = MotoServer(folder)
    bucket = server.start(choose_ports(moto.SERVERS, folder / "ports.json")).bucket()
    bucket.create_with_marker()
    yield bucket
    server.stop()


def recording(learner=MAYA, text="Hello.", audio=b"\x01\x00" * 24_000, **other):
    defaults = {"encoding": RAW_PCM16, "duration_seconds": 1.0, "expected": ANALYZED}
    return Recording(learner=learner, text=text, audio=audio, **defaults | other)


def rows(engine, table):
    with engine.connect() as connection:
        return connection.execute(sa.select(table.__table__)).all()


def test_a_recording_is_stored_under_the_apps_key_and_declared_in_its_columns(engine, bucket):
    (message_id,) = upload(engine, bucket, [recording()], as_of=NOW)
    (message,) = rows(engine, Message)
    (conversation,) = rows(engine, Conversation)
    assert message.id == message_id
    assert re.fullmatch(
        rf"audio/{conversation.user_id}/{conversation.id}/{message_id}_\d{{13}}\.wav",
        message.audio_storage_key,
    )
    assert bucket.get(message.audio_storage_key, max_bytes=10**6) == b"\x01\x00" * 24_000
    assert message.audio_processing_state == "uploaded"
    assert (message.audio_format, message.audio_sample_rate, message.audio_channels) == (
        "pcm16",
        24_000,
        1,
    )
    assert (message.audio_duration_ms, message.audio_size_bytes) == (1_000, 48_000)


def test_audio_is_kept_as_long_as_the_learners_tier_promises(engine, bucket):
    upload(engine, bucket, [recording(MAYA), recording(OLIVER), recording(GUEST)], as_of=NOW)
    kept = [row.audio_retention_expires_at - row.timestamp for row in rows(engine, Message)]
    assert sorted(kept) == [timedelta(days=1), timedelta(days=30), timedelta(days=365)]


def test_only_those_who_pay_have_a_subscription_and_guests_have_no_account(engine, bucket):
    upload(engine, bucket, [recording(MAYA), recording(OLIVER), recording(GUEST)], as_of=NOW)
    assert sorted(user.display_name for user in rows(engine, User)) == ["Maya", "Oliver"]
    assert [one.current_tier for one in rows(engine, Subscription)] == ["premium"]
    conversations = rows(engine, Conversation)
    assert sum(conversation.user_id is None for conversation in conversations) == 1
    assert all((c.user_id is None) == (c.guest_id is not None) for c in conversations)


def test_a_learners_turns_share_a_conversation_in_their_order(engine, bucket):
    turns = [recording(text="One."), recording(OLIVER, "Between."), recording(text="Two.")]
    upload(engine, bucket, turns, as_of=NOW)
    messages = sorted(rows(engine, Message), key=lambda message: message.timestamp)
    maya = [message for message in messages if message.content != "Between."]
    assert [message.content for message in maya] == ["One.", "Two."]
    assert len({message.conversation_id for message in maya}) == 1
    assert all(message.timestamp <= NOW for message in messages)


def test_a_typed_message_has_no_audio_columns_and_a_missing_one_no_object(engine, bucket):
    typed = recording(text="Typed.", audio=None, expected=UNTOUCHED)
    missing = recording(text="Missing.", is_missing=True, encoding=FLAC)
    upload(engine, bucket, [typed, missing], as_of=NOW)
    messages = {message.content: message for message in rows(engine, Message)}
    assert messages["Typed."].audio_storage_key is None
    assert messages["Typed."].audio_processing_state == "pending"
    assert messages["Missing."].audio_processing_state == "uploaded"
    assert bucket.head(messages["Missing."].audio_storage_key) is None


def test_uploading_again_adds_messages_and_touches_none(engine, bucket):
    first = upload(engine, bucket, [recording()], as_of=NOW)
    before = rows(engine, Message)
    second = upload(engine, bucket, [recording()], as_of=NOW)
    assert first.keys().isdisjoint(second)
    assert set(before) < set(rows(engine, Message))
