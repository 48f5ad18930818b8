"""Schema `audio_ops`: the bucket's listing and how it differs from the messages.

Keys identify learners, so an erasure also deletes their rows here. No row references a message, so
that the app can delete messages at any time; the next reconciliation removes the rest.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import OPERATIONS_SCHEMA, Base

_INSTANT = DateTime(timezone=True)


class Reconciliation(Base):
    """A comparison of bucket and messages; at most one is unfinished."""

    __tablename__ = "reconciliation"
    __table_args__ = ({"schema": OPERATIONS_SCHEMA},)

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of beginning"
    )
    token: Mapped[UUID] = mapped_column(
        comment="Names the run that works on it; a later run takes over with another token"
    )
    bucket: Mapped[str] = mapped_column(Text, comment="Address of the bucket")
    prefix: Mapped[str] = mapped_column(Text, comment="Only objects whose keys begin so")
    started_at: Mapped[datetime] = mapped_column(
        _INSTANT, server_default=text("now()"), comment="When the listing began"
    )
    last_key: Mapped[str | None] = mapped_column(
        Text, comment="Where the listing is; an interrupted one goes on behind this key"
    )
    objects: Mapped[int] = mapped_column(
        BigInteger, server_default=text("0"), comment="Objects listed so far"
    )
    size_bytes: Mapped[int] = mapped_column(
        BigInteger, server_default=text("0"), comment="Their size"
    )
    listed_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When the listing was complete"
    )
    finished_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When every finding had been checked"
    )


class InventoryObject(Base):
    """An object of the current listing; empty between reconciliations.

    Unlogged, because a listing can be repeated. If a server crash empties it, this is detected by
    comparing it with `reconciliation.objects`, which is logged.
    """

    __tablename__ = "bucket_inventory"
    __table_args__ = ({"schema": OPERATIONS_SCHEMA, "prefixes": ["UNLOGGED"]},)

    # Bytewise collation, the bucket's order: each page is appended at the end of the index.
    storage_key: Mapped[str] = mapped_column(
        Text(collation="C"), primary_key=True, comment="The object's key"
    )
    size_bytes: Mapped[int] = mapped_column(BigInteger, comment="Its size")
    modified_at: Mapped[datetime] = mapped_column(_INSTANT, comment="When it was put")


class ReconciliationFinding(Base):
    """A difference between bucket and messages; the last finished reconciliation's are kept."""

    __tablename__ = "reconciliation_finding"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('row_without_object', 'object_without_row', 'object_of_deleted_row',"
            " 'size_difference')",
            name="kind",
        ),
        {"schema": OPERATIONS_SCHEMA},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of finding"
    )
    reconciliation_id: Mapped[int] = mapped_column(
        ForeignKey(Reconciliation.id, ondelete="CASCADE"), comment="The reconciliation"
    )
    kind: Mapped[str] = mapped_column(
        Text,
        comment="row_without_object, object_without_row, object_of_deleted_row, size_difference",
    )
    storage_key: Mapped[str] = mapped_column(Text, comment="The object's key")
    message_id: Mapped[str | None] = mapped_column(
        Text, comment="The message that names the key; empty if none or several deleted ones do"
    )
    row_bytes: Mapped[int | None] = mapped_column(
        BigInteger, comment="The object's size as the message says it"
    )
    object_bytes: Mapped[int | None] = mapped_column(
        BigInteger, comment="Its size in the bucket; empty if it is not there"
    )
    dated_at: Mapped[datetime] = mapped_column(
        _INSTANT,
        comment="When the object was put; when the message was said, if there is no object",
    )
    checked_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When bucket and messages were asked again; empty before that"
    )
