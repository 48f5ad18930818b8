"""Creating messages as the app does, on real Postgres."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from policy.configuration import DEFAULT_POLICY
from schema.errors.storage import InvalidKey
from schema.facts.messages import NewAudio, NewMessage
from stores import messages
from stores.analysis.messages import get

SENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "audio/user/conversation/m_1700000000000.wav"


@pytest.fixture
def create(engine, add_conversation):
    conversation_id = add_conversation()

    def _create(audio=None):
        with engine.begin() as connection:
            new = NewMessage("m", conversation_id, "user", "Hello world", SENT, audio)
            messages.create(connection, new)
            return get(connection, "m")

    return _create


def test_a_message_with_audio_waits_for_analysis(create):
    expires_at = SENT + timedelta(days=30)
    found = create(NewAudio(KEY, 240_000, expires_at, duration_ms=5000))
    assert (found.content, found.audio_storage_key) == ("Hello world", KEY)
    assert (found.audio_size_bytes, found.audio_duration_ms) == (240_000, 5000)
    assert (found.audio_format, found.audio_sample_rate, found.audio_channels) == (
        "pcm16",
        24_000,
        1,
    )
    assert found.audio_processing_state == "uploaded"
    assert found.audio_retention_expires_at == expires_at


def test_a_typed_message_waits_for_nothing(create):
    found = create()
    assert found.audio_storage_key is None
    assert found.audio_processing_state == "pending"


@pytest.mark.parametrize(
    "key",
    [
        "audio/../secret",
        "audio/",
        "/audio/u/c/m.wav",
        "Audio/u/c/m.wav",
        "video/u/c/m.wav",
        "m.wav",
        "",
        "audio/\0",
        "audio/\ud800",
        "audio/" + "\u3000" * 340,
    ],
    ids=ascii,
)
def test_a_key_that_would_never_be_signed_or_deleted_is_refused(create, engine, key):
    rule = DEFAULT_POLICY.key_refusal(key).removeprefix("the key ")
    with pytest.raises(InvalidKey, match=f"^Invalid object key: it {re.escape(rule)}"):
        create(NewAudio(key, 1, None))
    with engine.connect() as connection:
        assert get(connection, "m") is None
