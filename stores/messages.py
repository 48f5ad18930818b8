"""The app's messages: create one, with or without a recording."""

from sqlalchemy import Connection, insert

from schema.facts.messages import NewAudio, NewMessage
from schema.object_keys import checked_recording_key
from schema.states import ProcessingState
from schema.tables.app import Message


def create(connection: Connection, message: NewMessage) -> None:
    """Insert a message; one with a recording waits for analysis.

    Args:
        connection: In a transaction.
        message: Its conversation must exist.

    Raises:
        InvalidKey: If a recording under its key would never be signed or deleted.
    """
    row = {
        "id": message.message_id,
        "conversation_id": message.conversation_id,
        "role": message.role,
        "content": message.content,
        "timestamp": message.sent_at,
    }
    if message.audio is not None:
        row |= _audio_columns(message.audio)
    connection.execute(insert(Message), row)


def _audio_columns(audio: NewAudio) -> dict[str, object]:
    return {
        "audio_storage_key": checked_recording_key(audio.storage_key),
        "audio_size_bytes": audio.size_bytes,
        "audio_duration_ms": audio.duration_ms,
        "audio_format": audio.audio_format,
        "audio_sample_rate": audio.sample_rate_hz,
        "audio_channels": audio.channels,
        "audio_url": audio.url,
        "audio_url_expires_at": audio.url_expires_at,
        "audio_processing_state": ProcessingState.UPLOADED,
        "audio_retention_expires_at": audio.retention_expires_at,
    }
