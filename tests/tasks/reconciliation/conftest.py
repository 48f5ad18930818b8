"""Fixtures: recordings in the bucket, objects without a message, statements, small pages."""

import pytest
import sqlalchemy as sa

from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, DeletionState
from stores.deletion import ledger
from tasks.reconciliation import listing

EPOCH_MS = 1_760_000_000_000
PCM = bytes(48_000)  # 1 s


@pytest.fixture
def record(put, add_message):
    """Add a message with its object; return its key."""

    def _record(key, data=b"data", **columns):
        put(key, data)
        add_message(audio_storage_key=key, audio_size_bytes=len(data), **columns)
        return key

    return _record


@pytest.fixture
def do(engine):
    def _do(statement, **values):
        with engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    return _do


@pytest.fixture
def small_pages(monkeypatch):
    """Two objects per page, two pages per chunk."""
    monkeypatch.setattr("stores.bucket.listing.KEYS_PER_PAGE", 2)
    monkeypatch.setattr(listing, "PAGES_PER_CHUNK", 2)


@pytest.fixture
def learner(add_user):
    return add_user()


@pytest.fixture
def conversation(add_conversation, learner):
    return add_conversation(user_id=learner)


@pytest.fixture
def save(add_message, conversation):
    """Save a message as the app does when a conversation ends: without its recording."""

    def _save(message_id="m", **columns):
        return add_message(
            id=message_id,
            **{
                "conversation_id": conversation,
                "audio_storage_key": None,
                "audio_format": None,
                "audio_processing_state": "pending",
                **columns,
            },
        )

    return _save


@pytest.fixture
def stray(put, learner, conversation):
    """Upload an object for a message of the learner; return the key."""

    def _stray(message_id="m", data=PCM, *, epoch_ms=EPOCH_MS, content_type="audio/pcm16"):
        return put(key_of(learner, conversation, message_id, epoch_ms), data, content_type)

    return _stray


@pytest.fixture
def queued(run_sql):
    """Queue an object, as an earlier reconciliation did."""

    def _queued(key, source="reconciliation"):
        run_sql(
            "INSERT INTO audio_ops.orphan_object (storage_key, source) VALUES (:key, :source)",
            key=key,
            source=source,
        )
        return key

    return _queued


@pytest.fixture
def in_ledger(engine):
    """Enter the deletion of a key into the ledger, up to a state."""

    def _in_ledger(key, state):
        with engine.begin() as connection:
            ledger.intend(connection, [IntendedDeletion(key, None, DeletionReason.ORPHAN)])
            if state is not DeletionState.INTENDED:
                ledger.finish(connection, {key: state})

    return _in_ledger


def key_of(owner, conversation_id, message_id, epoch_ms=EPOCH_MS):
    return f"audio/{owner}/{conversation_id}/{message_id}_{epoch_ms}.wav"
