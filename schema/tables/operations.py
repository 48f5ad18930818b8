"""Schema `audio_ops`: control data of this project, never shown to learners.

Timestamps here are `timestamptz`: they come from the database's clock and do not depend on the
session's time zone.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.app import Message
from schema.tables.base import OPERATIONS_SCHEMA, Base

_INSTANT = DateTime(timezone=True)


def _message_id(*, primary_key: bool = False) -> Mapped[str]:
    """Return a foreign key to a message with ON DELETE CASCADE."""
    return mapped_column(
        ForeignKey(Message.id, ondelete="CASCADE"),
        primary_key=primary_key,
        comment="The message; its deletion deletes this row",
    )


class Lease(Base):
    """The lease of a message being analysed, or the time of its next retry."""

    __tablename__ = "lease"
    __table_args__ = (
        Index("lease_token_idx", "token"),
        Index("lease_leased_until_idx", "leased_until"),
        {"schema": OPERATIONS_SCHEMA},
    )

    message_id: Mapped[str] = _message_id(primary_key=True)
    token: Mapped[UUID | None] = mapped_column(comment="Names the claim that holds it; else empty")
    owner: Mapped[str | None] = mapped_column(
        Text, comment="Which worker holds it, for people; rights come from the token alone"
    )
    leased_until: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When others may take it over, unless renewed"
    )
    available_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="Not to be claimed before; the pause after a failed try"
    )
    attempts: Mapped[int] = mapped_column(server_default=text("0"), comment="Failed tries so far")
    crashes: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Tries that killed their worker process"
    )


class AnalysisHistory(Base):
    """A copy of an overwritten analysis."""

    __tablename__ = "analysis_history"
    __table_args__ = (
        Index("analysis_history_message_id_analyzed_at_idx", "message_id", "analyzed_at"),
        {"schema": OPERATIONS_SCHEMA},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of overwriting"
    )
    message_id: Mapped[str] = _message_id()
    analyzed_at: Mapped[datetime] = mapped_column(_INSTANT, comment="When that analysis was made")
    replaced_at: Mapped[datetime] = mapped_column(
        _INSTANT, server_default=text("now()"), comment="When a newer one overwrote it"
    )
    analysis_version: Mapped[str] = mapped_column(Text, comment="Its analysis_version")
    analysis_engine: Mapped[str | None] = mapped_column(Text, comment="Its analysis_engine")
    analysis_model_version: Mapped[str | None] = mapped_column(Text, comment="Its model version")
    analysis_language: Mapped[str | None] = mapped_column(Text, comment="Its analysis_language")
    overall_accuracy_score: Mapped[int | None] = mapped_column(comment="Its accuracy, 0-100")
    overall_fluency_score: Mapped[int | None] = mapped_column(comment="Its fluency, 0-100")
    speech_rate_wpm: Mapped[int | None] = mapped_column(comment="Its words per minute with pauses")
    analysis_error: Mapped[str | None] = mapped_column(Text, comment="Its error, if it had failed")


class Quarantine(Base):
    """Messages that broke a rule, until it holds again or they are released by hand."""

    __tablename__ = "quarantine"
    __table_args__ = (
        # One open case per message and rule; a released case may be opened again.
        Index(
            "quarantine_open_idx",
            "message_id",
            "rule",
            unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
        {"schema": OPERATIONS_SCHEMA},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of quarantining"
    )
    message_id: Mapped[str] = _message_id()
    rule: Mapped[str] = mapped_column(Text, comment="Name of the broken rule")
    observed: Mapped[str] = mapped_column(
        Text, comment="What was seen instead; never the learner's words"
    )
    quarantined_at: Mapped[datetime] = mapped_column(
        _INSTANT, server_default=text("now()"), comment="When it was set aside"
    )
    released_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When its rule held again, or a person released it"
    )
