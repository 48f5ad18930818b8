"""Create the reconciliations of bucket and messages, with inventory and findings.

Locks: nothing; the tables are new.
"""

import sqlalchemy as sa
from alembic import op

from migrations import parking

revision = "0007"
down_revision = "0006"

SCHEMA = "audio_ops"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Restore parked tables, or create new ones."""
    if not parking.restore_table("reconciliation"):
        _create_reconciliation()
    _create_bucket_inventory()
    if not parking.restore_table("reconciliation_finding"):
        _create_reconciliation_finding()


def downgrade() -> None:
    """Park the findings; drop the inventory, which the next reconciliation rebuilds."""
    parking.park_table("reconciliation_finding")
    op.drop_table("bucket_inventory", schema=SCHEMA)
    parking.park_table("reconciliation")


def _create_reconciliation() -> None:
    op.create_table(
        "reconciliation",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), comment="Order of beginning"),
        sa.Column(
            "token",
            sa.Uuid,
            nullable=False,
            comment="Names the run that works on it; a later run takes over with another token",
        ),
        sa.Column("bucket", sa.Text, nullable=False, comment="Address of the bucket"),
        sa.Column("prefix", sa.Text, nullable=False, comment="Only objects whose keys begin so"),
        sa.Column(
            "started_at",
            INSTANT,
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the listing began",
        ),
        sa.Column(
            "last_key",
            sa.Text,
            comment="Where the listing is; an interrupted one goes on behind this key",
        ),
        sa.Column(
            "objects",
            sa.BigInteger,
            server_default=sa.text("0"),
            nullable=False,
            comment="Objects listed so far",
        ),
        sa.Column(
            "size_bytes",
            sa.BigInteger,
            server_default=sa.text("0"),
            nullable=False,
            comment="Their size",
        ),
        sa.Column("listed_at", INSTANT, comment="When the listing was complete"),
        sa.Column("finished_at", INSTANT, comment="When every finding had been checked"),
        sa.PrimaryKeyConstraint("id", name="reconciliation_pkey"),
        schema=SCHEMA,
    )


def _create_bucket_inventory() -> None:
    op.create_table(
        "bucket_inventory",
        sa.Column(
            "storage_key", sa.Text(collation="C"), nullable=False, comment="The object's key"
        ),
        sa.Column("size_bytes", sa.BigInteger, nullable=False, comment="Its size"),
        sa.Column("modified_at", INSTANT, nullable=False, comment="When it was put"),
        sa.PrimaryKeyConstraint("storage_key", name="bucket_inventory_pkey"),
        schema=SCHEMA,
        prefixes=["UNLOGGED"],
    )


def _create_reconciliation_finding() -> None:
    op.create_table(
        "reconciliation_finding",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), comment="Order of finding"),
        sa.Column("reconciliation_id", sa.BigInteger, nullable=False, comment="The reconciliation"),
        sa.Column(
            "kind",
            sa.Text,
            nullable=False,
            comment=(
                "row_without_object, object_without_row, object_of_deleted_row, size_difference"
            ),
        ),
        sa.Column("storage_key", sa.Text, nullable=False, comment="The object's key"),
        sa.Column(
            "message_id",
            sa.Text,
            comment="The message that names the key; empty if none or several deleted ones do",
        ),
        sa.Column("row_bytes", sa.BigInteger, comment="The object's size as the message says it"),
        sa.Column(
            "object_bytes",
            sa.BigInteger,
            comment="Its size in the bucket; empty if it is not there",
        ),
        sa.Column(
            "dated_at",
            INSTANT,
            nullable=False,
            comment="When the object was put; when the message was said, if there is no object",
        ),
        sa.Column(
            "checked_at",
            INSTANT,
            comment="When bucket and messages were asked again; empty before that",
        ),
        sa.PrimaryKeyConstraint("id", name="reconciliation_finding_pkey"),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["audio_ops.reconciliation.id"],
            name="reconciliation_finding_reconciliation_id_reconciliation_id_fk",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "kind IN ('row_without_object', 'object_without_row', 'object_of_deleted_row',"
            " 'size_difference')",
            name="reconciliation_finding_kind_check",
        ),
        schema=SCHEMA,
    )
