"""Schema `audio_ops`: backfills and their messages."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from schema.states import BackfillOutcome
from schema.tables.app import Message
from schema.tables.base import OPERATIONS_SCHEMA, Base

_INSTANT = DateTime(timezone=True)
_OUTCOMES = ", ".join(f"'{outcome}'" for outcome in BackfillOutcome)


class Backfill(Base):
    """A selection of messages that an engine re-analyses."""

    __tablename__ = "backfill"
    __table_args__ = (
        # The same request continues the same backfill, unless that was undone.
        Index(
            "backfill_fingerprint_idx",
            "fingerprint",
            unique=True,
            postgresql_where=text("undone_at IS NULL"),
        ),
        {"schema": OPERATIONS_SCHEMA},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Its number, for people"
    )
    fingerprint: Mapped[str] = mapped_column(
        Text, comment="SHA-256 of the selection, the engine's version and the reason"
    )
    selection: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="What was asked for")
    reason: Mapped[str] = mapped_column(Text, comment="Why, in the words of whoever started it")
    engine_version: Mapped[str] = mapped_column(
        Text, comment="Engine, version and models that analyse; no other may go on with it"
    )
    created_at: Mapped[datetime] = mapped_column(
        _INSTANT,
        server_default=text("now()"),
        comment="When it was asked for; what was said later is not in it",
    )
    frozen_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When its selection was whole; nothing is claimed before"
    )
    frozen_to: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="Timestamp and id of the last message selected so far"
    )
    selected: Mapped[int] = mapped_column(BigInteger, comment="Messages in the selection")
    flow_run_id: Mapped[UUID | None] = mapped_column(
        comment="The Prefect run that drives it, or did last"
    )
    stopped_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="Since when its workers claim nothing; a rerun or `resume` goes on"
    )
    canary: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="How the first sample compares with what was stored"
    )
    approved_by: Mapped[str | None] = mapped_column(
        Text, comment="Who let it go on after the first sample; policy, if it changed little"
    )
    ended_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When the last message was done"
    )
    report: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="What it did, in numbers"
    )
    undone_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When putting back what it overwrote began"
    )
    undo_reason: Mapped[str | None] = mapped_column(Text, comment="Why it was undone")
    released_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When the documents that it overwrote were let go of; no undoing then"
    )


class BackfillItem(Base):
    """A message of a backfill."""

    __tablename__ = "backfill_item"
    __table_args__ = (
        # No engine version analyses a message twice, even in different backfills.
        Index(
            "backfill_item_message_id_engine_version_idx",
            "message_id",
            "engine_version",
            unique=True,
            postgresql_where=text("outcome IS NULL OR outcome = 'analyzed'"),
        ),
        # NULLS FIRST makes this the only index in this order, so that the planner, with outdated
        # statistics, does not scan the primary key through all finished items (docs/adr/0014).
        Index(
            "backfill_item_open_idx",
            "backfill_id",
            text("id NULLS FIRST"),
            postgresql_where=text("outcome IS NULL"),
        ),
        Index("backfill_item_canary_idx", "backfill_id", "id", postgresql_where=text("is_canary")),
        Index("backfill_item_backfill_id_idx", "backfill_id", "id"),
        Index("backfill_item_message_id_idx", "message_id"),  # the app deletes messages
        Index("backfill_item_token_idx", "token", postgresql_where=text("token IS NOT NULL")),
        CheckConstraint(f"outcome IN ({_OUTCOMES})", name="outcome"),
        {"schema": OPERATIONS_SCHEMA},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of work"
    )
    backfill_id: Mapped[int] = mapped_column(
        ForeignKey(Backfill.id, ondelete="CASCADE"), comment="The backfill"
    )
    message_id: Mapped[str] = mapped_column(
        ForeignKey(Message.id, ondelete="CASCADE"),
        comment="The message; its deletion deletes this row",
    )
    engine_version: Mapped[str] = mapped_column(Text, comment="The backfill's")
    language: Mapped[str] = mapped_column(Text, comment="Of its conversation")
    is_canary: Mapped[bool] = mapped_column(comment="Whether it is in the first sample")
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
    outcome: Mapped[BackfillOutcome | None] = mapped_column(
        Text, comment="What became of it; empty: to be done"
    )
    cause: Mapped[str | None] = mapped_column(Text, comment="Why it failed")
    done_at: Mapped[datetime | None] = mapped_column(_INSTANT, comment="When it was done")
    storage_key: Mapped[str | None] = mapped_column(
        Text, comment="Of the recording that was analysed; another key is another recording"
    )
    message_state: Mapped[str | None] = mapped_column(
        Text, comment="The message's state when it was claimed"
    )
    seen_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="Of the analysis that stood when it was claimed"
    )
    analyzed_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="Of the analysis that it wrote; only while that stands it can be undone"
    )
    accuracy_before: Mapped[int | None] = mapped_column(comment="0-100, of the overwritten one")
    accuracy_after: Mapped[int | None] = mapped_column(comment="0-100")
    fluency_before: Mapped[int | None] = mapped_column(comment="0-100, of the overwritten one")
    fluency_after: Mapped[int | None] = mapped_column(comment="0-100")
    audio_ms: Mapped[int | None] = mapped_column(comment="Length of the recording analysed, ms")
    cpu_ms: Mapped[int | None] = mapped_column(comment="What its analysis took, ms")


class BackfillPrevious(Base):
    """The overwritten analysis of a backfill's message, until it is undone or released."""

    __tablename__ = "backfill_previous"
    __table_args__ = ({"schema": OPERATIONS_SCHEMA},)

    item_id: Mapped[int] = mapped_column(
        ForeignKey(BackfillItem.id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        comment="The message of the backfill",
    )
    document: Mapped[dict[str, Any]] = mapped_column(
        JSONB, comment="The columns of the message, and the analysis or null"
    )
