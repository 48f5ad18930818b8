"""The app's own tables, as far as we read them; we write only the audio columns."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Enum, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, UtcDateTime


class User(Base):
    """A learner."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=text("gen_random_uuid()"), comment="Learner's id"
    )
    display_name: Mapped[str | None] = mapped_column(Text, comment="Name shown in the app")
    email: Mapped[str] = mapped_column(
        Text, unique=True, comment="Address; personal data that this project never reads"
    )
    created_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, server_default=text("now()"), comment="UTC; when the account was made"
    )


class Subscription(Base):
    """A learner's subscription; of several the newest counts."""

    __tablename__ = "subscriptions"
    __table_args__ = (Index("subscriptions_user_id_idx", "user_id"),)

    id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=text("gen_random_uuid()"), comment="Subscription's id"
    )
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), comment="Who pays"
    )
    stripe_subscription_id: Mapped[str] = mapped_column(
        Text, unique=True, comment="Stripe's id; this project never reads it"
    )
    stripe_price_id: Mapped[str] = mapped_column(
        Text, comment="Stripe's price; this project never reads it"
    )
    current_tier: Mapped[str | None] = mapped_column(
        Enum("free", "plus", "premium", name="subscription_tier"),
        server_default=text("'free'"),
        comment="free, plus or premium; decides how long audio is kept; empty is free",
    )
    updated_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, server_default=text("now()"), comment="UTC; the latest is the newest"
    )


class Conversation(Base):
    """A session of a learner or a guest with the tutor."""

    __tablename__ = "conversations"
    __table_args__ = (Index("conversations_user_id_idx", "user_id"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True, comment="Conversation's id")
    user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id"), comment="The learner; empty for guests"
    )
    guest_id: Mapped[str | None] = mapped_column(Text, comment="The guest's browser, if no learner")
    target_language_id: Mapped[str] = mapped_column(
        Text, comment="Language being learnt, such as en, ja"
    )
    started_at: Mapped[datetime] = mapped_column(
        UtcDateTime, server_default=text("now()"), comment="UTC; when it began"
    )


class Message(Base):
    """A turn of a conversation; its audio, if any, is in the bucket."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_conversation_id_idx", "conversation_id"),
        Index("messages_role_idx", "role"),
        Index("messages_timestamp_idx", "timestamp"),
        Index("messages_conversation_timestamp_idx", "conversation_id", "timestamp"),
        Index("messages_conversation_role_idx", "conversation_id", "role"),
        Index("messages_audio_storage_idx", "audio_storage_key"),
        Index("messages_audio_processing_idx", "audio_processing_state"),
        Index("messages_audio_retention_idx", "audio_retention_expires_at"),
        Index("messages_pronunciation_idx", "pronunciation_score", "fluency_score"),
        Index("messages_audio_cleanup_idx", "audio_retention_expires_at", "audio_deleted_at"),
        # Ours: claims and sweeps read the first entries, whatever the table's size. Because their
        # queries also order by NULLS FIRST, the planner cannot pick another index (docs/adr/0014).
        Index(
            "audio_ops_messages_waiting_idx",
            text("timestamp NULLS FIRST"),
            "id",
            postgresql_where=text(
                "audio_processing_state = 'uploaded' AND audio_storage_key IS NOT NULL"
                " AND audio_deleted_at IS NULL"
            ),
        ),
        Index(
            "audio_ops_messages_expiring_idx",
            text("audio_retention_expires_at NULLS FIRST"),
            "id",
            postgresql_where=text("audio_storage_key IS NOT NULL AND audio_deleted_at IS NULL"),
        ),
        # Only columns that other indexes have as well, so that HOT updates remain possible.
        Index(
            "audio_ops_messages_overwritten_idx",
            "id",
            postgresql_where=text(
                "audio_processing_state = 'analyzed' AND pronunciation_score IS NULL"
                " AND fluency_score IS NOT NULL"
            ),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True, comment="Message's id")
    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversations.id"), comment="The conversation it belongs to"
    )
    role: Mapped[str] = mapped_column(Text, comment="Who speaks: user, assistant or system")
    content: Mapped[str] = mapped_column(Text, comment="What was said, as text")
    timestamp: Mapped[datetime] = mapped_column(
        UtcDateTime, server_default=text("now()"), comment="UTC; when it was said"
    )
    audio_url: Mapped[str | None] = mapped_column(
        Text, comment="Presigned URL for playing; whoever has it can listen until it expires"
    )
    audio_url_expires_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, comment="UTC; when audio_url stops working, at most 7 days after signing"
    )
    audio_storage_key: Mapped[str | None] = mapped_column(
        Text, comment="Key in the bucket; kept after a soft delete as the audit trail"
    )
    audio_duration_ms: Mapped[int | None] = mapped_column(comment="Length of the recording, ms")
    audio_size_bytes: Mapped[int | None] = mapped_column(comment="Size of the object, bytes")
    audio_format: Mapped[str | None] = mapped_column(
        Text, comment="Declared codec, such as pcm16, wav, mp3; the bytes may differ"
    )
    audio_sample_rate: Mapped[int | None] = mapped_column(
        server_default=text("24000"), comment="Declared sample rate, Hz"
    )
    audio_channels: Mapped[int | None] = mapped_column(
        server_default=text("1"), comment="Declared number of channels"
    )
    audio_processing_state: Mapped[str | None] = mapped_column(
        Text,
        server_default=text("'pending'"),
        comment="pending, uploading, uploaded, analyzing, analyzed, failed",
    )
    audio_processing_error: Mapped[str | None] = mapped_column(
        Text, comment="Why the state is failed, in words for a person"
    )
    audio_retention_expires_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, comment="UTC; end of the retention period; grace follows"
    )
    audio_deleted_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, comment="UTC; when the audio was deleted from the bucket"
    )
    pronunciation_score: Mapped[int | None] = mapped_column(
        comment="0-100; copy of the analysis' overall_accuracy_score"
    )
    fluency_score: Mapped[int | None] = mapped_column(
        comment="0-100; copy of the analysis' overall_fluency_score"
    )
    speech_rate_wpm: Mapped[int | None] = mapped_column(
        comment="Words per minute, pauses included; copy of the analysis'"
    )
