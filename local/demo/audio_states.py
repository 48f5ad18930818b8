"""The state of recordings: rows, objects in the bucket, and the answers of signed URLs."""

import http.client
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import Engine, select

from schema.tables.app import Message
from schema.tables.deletion import DeletionEntry
from stores.bucket.audio_bucket import AudioBucket

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class AudioState:
    """A recording as the app's row and the bucket have it."""

    is_live: bool  # not deleted, according to the row
    has_url: bool
    is_stored: bool  # the bucket has its object
    has_scores: bool


GONE = AudioState(is_live=False, has_url=False, is_stored=False, has_scores=True)


def read_audio(
    engine: Engine, bucket: AudioBucket, message_ids: Collection[str]
) -> dict[str, AudioState]:
    """Return the state of every message's recording, by message id."""
    query = select(
        Message.id,
        Message.audio_storage_key,
        Message.audio_deleted_at,
        Message.audio_url,
        Message.pronunciation_score,
    ).where(Message.id.in_(message_ids))
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return {
        row.id: AudioState(
            is_live=row.audio_deleted_at is None,
            has_url=row.audio_url is not None,
            is_stored=bucket.head(row.audio_storage_key) is not None,
            has_scores=row.pronunciation_score is not None,
        )
        for row in rows
    }


def read_urls(engine: Engine, message_ids: Collection[str]) -> dict[str, str]:
    """Return the messages' signed URLs by message id. They are secrets."""
    query = select(Message.id, Message.audio_url).where(
        Message.id.in_(message_ids), Message.audio_url.is_not(None)
    )
    with engine.connect() as connection:
        return {row.id: row.audio_url for row in connection.execute(query)}


def read_deletions(engine: Engine, message_ids: Collection[str]) -> list[tuple[str | None, str]]:
    """Return message id and state of these messages' entries in the deletion ledger."""
    query = select(DeletionEntry.message_id, DeletionEntry.state).where(
        DeletionEntry.message_id.in_(message_ids)
    )
    with engine.connect() as connection:
        return [(message_id, state) for message_id, state in connection.execute(query)]


def surprises(
    before: Mapping[str, AudioState], after: Mapping[str, AudioState], *, gone: Collection[str]
) -> list[str]:
    """Return the messages that are neither as before nor, if they had to be deleted, gone."""
    expected = {**before, **dict.fromkeys(gone, GONE)}
    return [message_id for message_id in expected if after.get(message_id) != expected[message_id]]


def fetch(url: str) -> int:
    """Fetch a signed URL of the local bucket; return the status of the response.

    Uses no proxy, and no library that would log the URL.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().status
    finally:
        connection.close()
