"""Create the daily storage metrics, the bucket's traffic, and the checks of data quality.

Locks: nothing for longer than a moment; it creates tables and changes a comment.
"""

from functools import partial

import sqlalchemy as sa
from alembic import op

from migrations import parking

revision = "0008"
down_revision = "0007"

SCHEMA = "audio_ops"
INSTANT = sa.DateTime(timezone=True)
TABLES = (
    "storage_metric",
    "bucket_traffic",
    "threshold_state",
    "quality_check",
    "quality_result",
)
RELEASED = "When a person released it"
RELEASED_BY_ITSELF = "When its rule held again, or a person released it"
column = partial(sa.Column, nullable=False)


def upgrade() -> None:
    """Restore parked tables, or create new ones."""
    make = (_storage_metric, _bucket_traffic, _threshold_state, _quality_check, _quality_result)
    for table, make_table in zip(TABLES, make, strict=True):
        if not parking.restore_table(table):
            make_table()
    _comment_released_at(RELEASED_BY_ITSELF, RELEASED)


def downgrade() -> None:
    """Park the tables."""
    _comment_released_at(RELEASED, RELEASED_BY_ITSELF)
    for table in reversed(TABLES):
        parking.park_table(table)


def _comment_released_at(comment: str, existing: str) -> None:
    op.alter_column(
        "quarantine",
        "released_at",
        schema=SCHEMA,
        existing_type=INSTANT,
        comment=comment,
        existing_comment=existing,
    )


def _storage_metric() -> None:
    op.create_table(
        "storage_metric",
        column("day", sa.Date, comment="UTC date of the measurement"),
        column("tier", sa.Text, comment="Whose audio: a tier, or unknown"),
        column("measure", sa.Text, comment="What is measured, such as bytes, added_objects"),
        column("value", sa.BigInteger, comment="Bytes, milliseconds or a count"),
        column(
            "reconstructed",
            sa.Boolean,
            server_default=sa.text("false"),
            comment="Derived from what messages still told more than an hour later",
        ),
        column("measured_at", INSTANT, comment="The instant that the figure is true for"),
        sa.PrimaryKeyConstraint("day", "tier", "measure", name="storage_metric_pkey"),
        schema=SCHEMA,
    )


def _bucket_traffic() -> None:
    op.create_table(
        "bucket_traffic",
        column("day", sa.Date, comment="UTC date"),
        column("sent_bytes", sa.BigInteger, comment="Bytes sent to whomever"),
        column(
            "read_requests",
            sa.BigInteger,
            server_default=sa.text("0"),
            comment="GET and HEAD; S3's class B",
        ),
        column(
            "write_requests",
            sa.BigInteger,
            server_default=sa.text("0"),
            comment="PUT, COPY, POST, LIST; S3's class A",
        ),
        sa.PrimaryKeyConstraint("day", name="bucket_traffic_pkey"),
        sa.CheckConstraint(
            "sent_bytes >= 0 AND read_requests >= 0 AND write_requests >= 0",
            name=op.f("bucket_traffic_not_negative_check"),
        ),
        schema=SCHEMA,
    )


def _threshold_state() -> None:
    op.create_table(
        "threshold_state",
        column("measure", sa.Text, comment="stored or transferred"),
        column(
            "above",
            sa.Boolean,
            comment="Whether it rose to the threshold and has not fallen clearly below it since",
        ),
        column("as_of", INSTANT, comment="When that was true"),
        sa.Column(
            "crossed_at",
            INSTANT,
            comment="When it last rose to the threshold and an alert was sent",
        ),
        sa.PrimaryKeyConstraint("measure", name="threshold_state_pkey"),
        schema=SCHEMA,
    )


def _quality_check() -> None:
    op.create_table(
        "quality_check",
        column("id", sa.BigInteger, sa.Identity(always=True), comment="Order of beginning"),
        column("scope", sa.Text, comment="changed, everything or window"),
        sa.Column("since", INSTANT, comment="Beginning of a window"),
        sa.Column("until", INSTANT, comment="End of a window, exclusive"),
        column("started_at", INSTANT, server_default=sa.text("now()"), comment="When it began"),
        column(
            "first_xid",
            sa.BigInteger,
            comment="Transactions before this one were finished when it began; the next check of"
            " what has changed looks at rows that this one or later ones wrote",
        ),
        sa.Column(
            "finished_at", INSTANT, comment="When all its results were written; empty: it broke off"
        ),
        sa.Column("checked", sa.BigInteger, comment="Messages looked at"),
        sa.Column(
            "failing",
            sa.BigInteger,
            comment="Of these, messages that break a rule of severity fail",
        ),
        sa.PrimaryKeyConstraint("id", name="quality_check_pkey"),
        sa.CheckConstraint(
            "scope IN ('changed', 'everything', 'window')", name=op.f("quality_check_scope_check")
        ),
        schema=SCHEMA,
    )


def _quality_result() -> None:
    op.create_table(
        "quality_result",
        column("check_id", sa.BigInteger, comment="The check"),
        column("rule", sa.Text, comment="Name of the rule"),
        column("severity", sa.Text, comment="warn or fail"),
        column("checked", sa.BigInteger, comment="Rows that it looked at"),
        column("broken", sa.BigInteger, comment="Of these, rows that break it"),
        sa.PrimaryKeyConstraint("check_id", "rule", name="quality_result_pkey"),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["audio_ops.quality_check.id"],
            name="quality_result_check_id_quality_check_fk",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "severity IN ('warn', 'fail')", name=op.f("quality_result_severity_check")
        ),
        sa.CheckConstraint(
            "0 <= broken AND broken <= checked", name=op.f("quality_result_broken_check")
        ),
        schema=SCHEMA,
    )
