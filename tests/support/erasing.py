"""Fixtures: learners with recordings, analyses and history, and what is left of them."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from schema.documents import AnalysisRecord
from stores.analysis import analyses, messages
from stores.bucket import versions
from tasks.erasure import erase_learner
from tasks.resources import storage

TEXT = "my secret is the number seventeen"
LATER = datetime(2099, 1, 1, tzinfo=UTC)
# Every table and column that may hold something of a learner, by learner.
_EVERYTHING = {
    "messages": "SELECT m.* FROM messages m JOIN conversations c ON c.id = m.conversation_id"
    " WHERE c.user_id = :user_id ORDER BY m.id",
    "analyses": "SELECT a.* FROM message_audio_analysis a JOIN messages m ON m.id = a.message_id"
    " JOIN conversations c ON c.id = m.conversation_id WHERE c.user_id = :user_id ORDER BY m.id",
    "history": "SELECT h.* FROM audio_ops.analysis_history h JOIN messages m ON m.id = h.message_id"
    " JOIN conversations c ON c.id = m.conversation_id WHERE c.user_id = :user_id ORDER BY h.id",
    "quarantine": "SELECT q.* FROM audio_ops.quarantine q JOIN messages m ON m.id = q.message_id"
    " JOIN conversations c ON c.id = m.conversation_id WHERE c.user_id = :user_id ORDER BY q.id",
    "orphans": "SELECT * FROM audio_ops.orphan_object WHERE user_id = :user_id ORDER BY 1",
}


@dataclass(frozen=True)
class Learner:
    user_id: UUID
    conversation_id: str

    @property
    def folder(self):
        return f"audio/{self.user_id}/"


@pytest.fixture
def new_learner(stage, add_user, add_conversation):
    """Make a learner with a conversation."""

    def _new_learner():
        user_id = add_user()
        return Learner(user_id, add_conversation(user_id=user_id))

    return _new_learner


@pytest.fixture
def learner(new_learner):
    return new_learner()


@pytest.fixture
def add_recording(engine, add_message):
    """Add a learner's message, analysed twice, with its object; returns the message's id."""

    def _add_recording(learner, audio=b"sound", **columns):
        message_id = f"m-{uuid4()}"
        columns = {
            "id": message_id,
            "conversation_id": learner.conversation_id,
            "content": TEXT,
            "audio_storage_key": f"{learner.folder}c/{message_id}_1.wav",
            "audio_processing_state": "analyzed",
            "audio_url": f"https://bucket.example/{message_id}?X-Amz-Signature=f00",
            "audio_url_expires_at": LATER,
            "audio_retention_expires_at": LATER,
            "audio_duration_ms": 1200,
            "audio_size_bytes": len(audio or b""),
            "pronunciation_score": 80,
            "fluency_score": 70,
            "speech_rate_wpm": 120,
            **columns,
        }
        add_message(**columns)
        if audio is not None:
            storage.bucket().put(columns["audio_storage_key"], audio, "audio/wav")
        for version in ("1", "2"):
            with engine.begin() as connection:
                analyses.upsert(connection, [analysis(message_id, analysis_version=version)])
        return message_id

    return _add_recording


def analysis(message_id, **columns):
    return AnalysisRecord(message_id=message_id, analyzed_at=LATER - timedelta(days=1), **columns)


@pytest.fixture
def read_message(engine):
    """Return one message."""

    def _read_message(message_id):
        with engine.connect() as connection:
            return messages.get(connection, message_id)

    return _read_message


@pytest.fixture
def everything(engine):
    """Return all rows and objects of a learner, byte for byte."""

    def _everything(learner):
        bucket = storage.bucket()
        with engine.connect() as connection:
            found = {
                name: connection.execute(sa.text(query), {"user_id": learner.user_id}).all()
                for name, query in _EVERYTHING.items()
            }
        found["objects"] = {
            version.key: (
                version.version_id,
                None if version.is_delete_marker else bucket.get(version.key, max_bytes=10_000),
            )
            for page in versions.list_versions(bucket, learner.folder)
            for version in page
        }
        return found

    return _everything


@pytest.fixture
def ledger_entries(engine):
    """Count the deletion ledger's entries by reason and state."""

    def _ledger_entries():
        with engine.connect() as connection:
            rows = connection.execute(
                sa.text("SELECT reason, state FROM audio_ops.deletion_ledger")
            )
            return Counter((row.reason, row.state) for row in rows)

    return _ledger_entries


def erase(learner, reason="request 7"):
    """Erase as the flow does, without Prefect; returns what was erased and what is left."""
    user_id = learner.user_id
    erase_learner.plan_erasure.fn(user_id, as_of=datetime.now(UTC))
    erase_learner.begin_erasure.fn(user_id, reason)
    erased = erase_learner.erase_messages.fn(user_id) + erase_learner.erase_leftovers.fn(user_id)
    return erased, erase_learner.verify_erasure.fn(user_id)


def keep_versions(status="Enabled"):
    bucket = storage.bucket()
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": status}
    )


def versions_under(prefix):
    pages = versions.list_versions(storage.bucket(), prefix)
    return [version for page in pages for version in page]
