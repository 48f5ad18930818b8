"""Schema `audio_ops`: legal holds, deletion ledger, orphan queue and tombstones.

None of these rows references the app's tables, because they must outlive the messages.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import OPERATIONS_SCHEMA, Base

_INSTANT = DateTime(timezone=True)


class LegalHold(Base):
    """A legal hold: the audio it covers must not be deleted until it is released."""

    __tablename__ = "legal_hold"
    __table_args__ = (
        CheckConstraint("scope IN ('message', 'conversation', 'user')", name="scope"),
        CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name="release"),
        CheckConstraint(
            "(salt IS NULL) = (subject_id IS NULL) AND (salt IS NULL) = (reason IS NULL)"
            " AND (salt IS NOT NULL OR released_at IS NOT NULL)",
            name="forgotten",
        ),
        Index(
            "legal_hold_active_idx",
            "scope",
            "subject_id",
            postgresql_where=text("released_at IS NULL"),
        ),
        {"schema": OPERATIONS_SCHEMA},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Names the hold to release it"
    )
    scope: Mapped[str] = mapped_column(Text, comment="message, conversation or user")
    subject_id: Mapped[str | None] = mapped_column(
        Text, comment="Id of that message, conversation, user; empty after an erasure"
    )
    reason: Mapped[str | None] = mapped_column(
        Text, comment="Why, such as the case's number; empty after an erasure"
    )
    placed_by: Mapped[str] = mapped_column(Text, comment="Who placed it")
    placed_at: Mapped[datetime] = mapped_column(
        _INSTANT, server_default=text("now()"), comment="When it was placed"
    )
    released_by: Mapped[str | None] = mapped_column(Text, comment="Who released it")
    released_at: Mapped[datetime | None] = mapped_column(_INSTANT, comment="When it was released")
    salt: Mapped[UUID | None] = mapped_column(
        server_default=text("gen_random_uuid()"),
        comment="Random; part of the digests in hold_event, empty after an erasure",
    )
    user_id: Mapped[UUID | None] = mapped_column(
        comment="The learner, if known when it was placed; empty after an erasure"
    )


class HoldEvent(Base):
    """An event in the history of legal holds: hash-chained, without subjects and reasons."""

    __tablename__ = "hold_event"
    __table_args__ = (
        CheckConstraint("event IN ('placed', 'released', 'forgotten')", name="event"),
        {"schema": OPERATIONS_SCHEMA},
    )

    position: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="From 1 without gaps"
    )
    hold_id: Mapped[int] = mapped_column(BigInteger, comment="The hold")
    event: Mapped[str] = mapped_column(Text, comment="placed, released or forgotten")
    scope: Mapped[str | None] = mapped_column(
        Text, comment="Of a placed hold: message, conversation or user"
    )
    subject_sha256: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="SHA-256 of the hold's salt and subject"
    )
    reason_sha256: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="SHA-256 of its salt and reason"
    )
    done_by: Mapped[str | None] = mapped_column(Text, comment="Who placed or released it")
    occurred_at: Mapped[datetime] = mapped_column(_INSTANT, comment="When, by the database's clock")
    hash: Mapped[bytes] = mapped_column(
        LargeBinary, comment="SHA-256 over the event before and this one's facts"
    )


class DeletionEntry(Base):
    """An object's deletion: intended, then deleted or withdrawn; final entries are hash-chained."""

    __tablename__ = "deletion_ledger"
    __table_args__ = (
        CheckConstraint(
            "reason IN ('retention', 'orphan', 'erasure')"
            " OR reason = 'repair' AND state <> 'intended'",
            name="reason",
        ),
        CheckConstraint(
            "storage_key IS NULL OR key_sha256 = sha256(convert_to(storage_key, 'UTF8'))",
            name="digest",
        ),
        CheckConstraint("state IN ('intended', 'deleted', 'withdrawn')", name="state"),
        CheckConstraint(
            "(state = 'intended') = (storage_key IS NOT NULL)"
            " AND (state = 'intended') = (finished_at IS NULL)"
            " AND (state = 'intended') = (position IS NULL)"
            " AND (state = 'intended') = (hash IS NULL)",
            name="final",
        ),
        # At most one open intent per object, whatever the reason.
        Index(
            "deletion_ledger_intended_idx",
            "key_sha256",
            unique=True,
            postgresql_where=text("state = 'intended'"),
        ),
        Index("deletion_ledger_position_idx", "position", unique=True),
        Index("deletion_ledger_message_id_idx", "message_id"),
        {"schema": OPERATIONS_SCHEMA},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of intending"
    )
    message_id: Mapped[str | None] = mapped_column(
        Text, comment="The message whose recording it was; empty if nobody knows"
    )
    storage_key: Mapped[str | None] = mapped_column(
        Text, comment="The object's key; emptied at the end, because it names the learner"
    )
    key_sha256: Mapped[bytes] = mapped_column(
        LargeBinary, comment="SHA-256 of the key in UTF-8: proves a deletion to whoever has the key"
    )
    reason: Mapped[str] = mapped_column(
        Text, comment="retention, orphan or erasure; repair, where the ledger was damaged"
    )
    tier: Mapped[str | None] = mapped_column(Text, comment="The owner's tier when it was intended")
    size_bytes: Mapped[int | None] = mapped_column(
        BigInteger, comment="Size of the object, as far as known"
    )
    retention_expires_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="End of the retention period that was over"
    )
    state: Mapped[str] = mapped_column(
        Text, server_default=text("'intended'"), comment="intended, deleted or withdrawn"
    )
    intended_at: Mapped[datetime] = mapped_column(
        _INSTANT, server_default=text("now()"), comment="When it was decided"
    )
    attempts: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Deletions that the bucket did not confirm"
    )
    last_error: Mapped[str | None] = mapped_column(
        Text, comment="What the bucket said to the last of them"
    )
    finished_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When it was deleted or withdrawn"
    )
    position: Mapped[int | None] = mapped_column(
        BigInteger, comment="Place in the chain of final entries, from 1 without gaps"
    )
    hash: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="SHA-256 over the entry before and this one's facts"
    )


class OrphanObject(Base):
    """An object that no message refers to; the next sweep deletes it."""

    __tablename__ = "orphan_object"
    __table_args__ = (
        CheckConstraint("source IN ('message_deleted', 'reconciliation')", name="source"),
        {"schema": OPERATIONS_SCHEMA},
    )

    storage_key: Mapped[str] = mapped_column(Text, primary_key=True, comment="The object's key")
    source: Mapped[str] = mapped_column(Text, comment="message_deleted or reconciliation")
    size_bytes: Mapped[int | None] = mapped_column(
        BigInteger, comment="Size of the object, as far as known"
    )
    message_id: Mapped[str | None] = mapped_column(Text, comment="The message that is gone")
    conversation_id: Mapped[str | None] = mapped_column(Text, comment="Its conversation")
    user_id: Mapped[UUID | None] = mapped_column(comment="The learner; empty if nobody knows")
    queued_at: Mapped[datetime] = mapped_column(
        _INSTANT, server_default=text("now()"), comment="When it was found"
    )
    refused: Mapped[str | None] = mapped_column(
        Text, comment="Why no sweep deletes it: a key that is not ours; for a person to look at"
    )


class OverflowingOrphan(Base):
    """An orphan found while the queue was locked; the next flow run moves it there.

    Nothing is unique here, so that the app's deletions never wait for each other or for us.
    """

    __tablename__ = "orphan_overflow"
    __table_args__ = ({"schema": OPERATIONS_SCHEMA},)

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of deletion"
    )
    storage_key: Mapped[str] = mapped_column(Text, comment="The object's key")
    source: Mapped[str] = mapped_column(Text, comment="message_deleted")
    size_bytes: Mapped[int | None] = mapped_column(
        BigInteger, comment="Size of the object, as far as known"
    )
    message_id: Mapped[str | None] = mapped_column(Text, comment="The message that is gone")
    conversation_id: Mapped[str | None] = mapped_column(Text, comment="Its conversation")
    user_id: Mapped[UUID | None] = mapped_column(comment="The learner; empty if nobody knows")
    queued_at: Mapped[datetime] = mapped_column(
        _INSTANT, server_default=text("now()"), comment="When the message was deleted"
    )


class ErasedLearner(Base):
    """The tombstone of an erased learner, whose data must not be restored."""

    __tablename__ = "erased_learner"
    __table_args__ = ({"schema": OPERATIONS_SCHEMA},)

    user_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The learner")
    receipt: Mapped[UUID] = mapped_column(
        server_default=text("gen_random_uuid()"), comment="Names the erasure without the learner"
    )
    reason: Mapped[str] = mapped_column(Text, comment="Why, such as the request's number")
    requested_at: Mapped[datetime] = mapped_column(
        _INSTANT, server_default=text("now()"), comment="When the erasure began"
    )
    completed_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When nothing was left; empty while some of it failed"
    )
