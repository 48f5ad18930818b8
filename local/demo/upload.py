"""Uploads recordings as the app does: first the object, then the row.

Each call creates new learners and messages, so it can be repeated and changes no other row.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Engine, insert

from local.demo.recordings import Recording
from policy.retention import retention_expiry
from schema.facts.messages import NewAudio, NewMessage
from schema.states import UserTier
from schema.tables.app import Conversation, Subscription, User
from stores import messages
from stores.bucket.audio_bucket import AudioBucket

_UPLOADS_AT_ONCE = 8
_TURN = timedelta(seconds=20)  # between two messages of a conversation


@dataclass(frozen=True, slots=True)
class _Upload:
    message_id: str
    conversation_id: str
    user_id: UUID | None
    said_at: datetime
    recording: Recording

    @property
    def key(self) -> str:
        """The key under which the app would store it."""
        owner = self.user_id or "guest"
        epoch_ms = round(self.said_at.timestamp() * 1000)
        extension = self.recording.encoding.extension
        return f"audio/{owner}/{self.conversation_id}/{self.message_id}_{epoch_ms}.{extension}"


def upload(
    engine: Engine,
    bucket: AudioBucket,
    recordings: Iterable[Recording],
    *,
    as_of: datetime,
) -> Mapping[str, Recording]:
    """Upload all recordings, one conversation for each learner and language.

    Args:
        engine: The app's database.
        bucket: The audio bucket.
        recordings: In chronological order.
        as_of: No recording is later than this.

    Returns:
        The recordings by message id.
    """
    uploads: list[_Upload] = []
    conversations = defaultdict(list)
    for recording in recordings:
        conversations[recording.learner, recording.language].append(recording)
    for turns in conversations.values():
        uploads += _start_conversation(engine, turns, as_of)
    with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as threads:
        list(threads.map(lambda upload: _put(bucket, upload), uploads))  # raises what they raise
    with engine.begin() as connection:
        for upload in uploads:
            messages.create(connection, _message(upload))
    return {upload.message_id: upload.recording for upload in uploads}


def _start_conversation(
    engine: Engine, turns: list[Recording], as_of: datetime
) -> Iterable[_Upload]:
    learner = turns[0].learner
    user_id = None if learner.tier is UserTier.GUEST else uuid4()
    conversation_id = str(uuid4())
    started_at = as_of - len(turns) * _TURN
    with engine.begin() as connection:
        if user_id is not None:
            connection.execute(
                insert(User).values(
                    id=user_id, display_name=learner.name, email=f"{user_id}@demo.invalid"
                )
            )
        if user_id is not None and learner.tier is not None:
            connection.execute(
                insert(Subscription).values(
                    user_id=user_id,
                    stripe_subscription_id=f"sub_{uuid4().hex}",
                    stripe_price_id="price_demo",
                    current_tier=learner.tier.value,
                )
            )
        connection.execute(
            insert(Conversation).values(
                id=conversation_id,
                user_id=user_id,
                guest_id=str(uuid4()) if user_id is None else None,
                target_language_id=turns[0].language,
                started_at=started_at,
            )
        )
    return [
        _Upload(str(uuid4()), conversation_id, user_id, started_at + number * _TURN, recording)
        for number, recording in enumerate(turns)
    ]


def _put(bucket: AudioBucket, upload: _Upload) -> None:
    recording = upload.recording
    if recording.audio is not None and not recording.is_missing:
        bucket.put(upload.key, recording.audio, recording.encoding.content_type)


def _message(upload: _Upload) -> NewMessage:
    """Return the message as the app writes it."""
    recording = upload.recording
    audio = None
    if recording.audio is not None:
        audio = NewAudio(
            storage_key=upload.key,
            size_bytes=len(recording.audio),
            retention_expires_at=retention_expiry(
                recording.learner.tier or UserTier.FREE, upload.said_at
            ),
            duration_ms=round(recording.duration_seconds * 1000),
            audio_format=recording.encoding.audio_format,
            sample_rate_hz=recording.encoding.sample_rate_hz,
            channels=recording.encoding.channels,
        )
    return NewMessage(
        upload.message_id, upload.conversation_id, "user", recording.text, upload.said_at, audio
    )
