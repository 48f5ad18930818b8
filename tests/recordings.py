"""Fixtures: what learners say, uploaded or not yet."""

import functools
import io
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import soundfile

from deployments.demo.synthesis import SAMPLE_RATE_HZ, Voice, speak
from schema.values import ClaimedMessage
from tasks import resources


@pytest.fixture
def noon():
    return datetime(2026, 1, 5, 12, tzinfo=UTC)


@functools.cache
def flac_of(text):
    file = io.BytesIO()
    soundfile.write(file, speak(text, Voice("en-us")), SAMPLE_RATE_HZ, format="FLAC")
    return file.getvalue()


@pytest.fixture
def spoken():
    """Synthesise a sentence; returns it with its recording."""
    return lambda text: (text, flac_of(text))


@pytest.fixture
def claimed():
    """Make a claimed message that says `text`."""

    def _claimed(text, language="en"):
        return ClaimedMessage("message", "audio/u/c/m.flac", text, language, None, None, None, 0, 0)

    return _claimed


@pytest.fixture
def stage(database_url, s3_bucket_variables, monkeypatch):
    """Let tasks find this test's database and bucket in their environment."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    for name, value in s3_bucket_variables.items():
        monkeypatch.setenv(name, value)
    resources.engine.cache_clear()
    resources.bucket.cache_clear()
    resources.bucket().create_with_marker()
    yield
    resources.engine().dispose()
    resources.engine.cache_clear()
    resources.bucket.cache_clear()


@pytest.fixture
def upload(stage, add_message):
    """Upload a recording, spoken or as given, with its message; returns the message's id."""

    def _upload(text, audio=None, **columns):
        message_id = str(uuid4())
        key = f"audio/u/c/{message_id}.wav"
        if audio is None:
            audio = flac_of(
                "we went to the market"
                if not text.isascii() or len(text) > 200 or not text
                else text
            )
        resources.bucket().put(key, audio, "audio/wav")
        return add_message(id=message_id, content=text, audio_storage_key=key, **columns)

    return _upload
