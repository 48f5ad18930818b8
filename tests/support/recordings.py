"""Fixtures: what learners say, uploaded or not yet."""

import functools
import io
import secrets
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import soundfile
import sqlalchemy as sa
from pydantic import SecretStr

from local import swift
from local.addresses import PrefectAddress, StackAddresses
from local.demo.synthesis import SAMPLE_RATE_HZ, Voice, speak
from schema.facts.analysis import ClaimedMessage
from tasks.resources import database, storage

SENTENCES = (
    "we went to the market",
    "she reads a book every evening",
    "can you tell me the way to the station",
    "my brother works in a small hospital",
)


@pytest.fixture
def noon():
    return datetime(2026, 1, 5, 12, tzinfo=UTC)


@functools.cache
def flac_of(text, voice="en-us"):
    file = io.BytesIO()
    soundfile.write(file, speak(text, Voice(voice)), SAMPLE_RATE_HZ, format="FLAC")
    return file.getvalue()


@pytest.fixture
def spoken():
    """Synthesise a sentence; returns it with its recording."""
    return lambda text: (text, flac_of(text))


@pytest.fixture
def claimed():
    """Make a claimed message that says `text`."""

    def _claimed(text, language="en", native_language=None):
        return ClaimedMessage(
            "message", "audio/u/c/m.flac", text, language, native_language, None, None, None, 0, 0
        )

    return _claimed


@pytest.fixture(scope="session")
def s3_server(request, tmp_path_factory):
    """The S3 server of this machine, its ports and its address."""
    lacks_swift = swift.obstacle(tmp_path_factory.getbasetemp())  # macOS, or no attributes
    return request.getfixturevalue("moto_server" if lacks_swift else "swift_server")


@pytest.fixture(scope="session")
def s3_address(s3_server):
    """Where the session's S3 server is."""
    return s3_server[2]


@pytest.fixture
def login_url(database_url):
    """URL with which tasks connect: here as the owner of all tables."""
    return database_url


@pytest.fixture
def stage(login_url, s3_address, monkeypatch):
    """Let tasks find this test's database and bucket in their environment."""
    nowhere = PrefectAddress("", SecretStr(""))  # the Prefect server is another fixture's
    addresses = StackAddresses(SecretStr(login_url), s3_address, nowhere)
    for name, value in addresses.environment().items():
        if value:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("KAIWA_ENGINE", "kaiwa")  # the quickest for English
    monkeypatch.setenv("TIGRIS_BUCKET_NAME", f"stage-{secrets.token_hex(4)}")  # an empty one
    database.engine.cache_clear()
    storage.bucket.cache_clear()
    storage.signer.cache_clear()
    storage.objects_address.cache_clear()
    storage.bucket().create_with_marker()
    yield
    database.engine().dispose()
    database.engine.cache_clear()
    storage.bucket.cache_clear()
    storage.signer.cache_clear()
    storage.objects_address.cache_clear()


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
        storage.bucket().put(key, audio, "audio/wav")
        return add_message(id=message_id, content=text, audio_storage_key=key, **columns)

    return _upload


# As far as these columns are in our own baseline; the app sets its translations and notes, too.
_SAVE_AGAIN = sa.text("""
INSERT INTO messages (
    id, conversation_id, role, content, timestamp, pronunciation_score, audio_url
)
SELECT id, conversation_id, role, content, timestamp, NULL, NULL FROM messages
ON CONFLICT (id) DO UPDATE
SET conversation_id = excluded.conversation_id, role = excluded.role, content = excluded.content,
    timestamp = excluded.timestamp, pronunciation_score = NULL, audio_url = NULL,
    audio_duration_ms = NULL
""")


@pytest.fixture
def app_saves_again(engine):
    """Let the app save all conversations again, as it does when a page is left."""

    def _app_saves_again():
        with engine.begin() as connection:
            connection.execute(_SAVE_AGAIN)

    return _app_saves_again
