"""Schema `audio_ops`: daily storage figures, bucket traffic and alert thresholds.

No row identifies a message or a learner.
"""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import OPERATIONS_SCHEMA, Base

_INSTANT = DateTime(timezone=True)


class StorageMetric(Base):
    """A measure of a day and tier."""

    __tablename__ = "storage_metric"
    __table_args__ = ({"schema": OPERATIONS_SCHEMA},)

    day: Mapped[date] = mapped_column(primary_key=True, comment="UTC date of the measurement")
    tier: Mapped[str] = mapped_column(
        Text, primary_key=True, comment="Whose audio: a tier, or unknown"
    )
    measure: Mapped[str] = mapped_column(
        Text, primary_key=True, comment="What is measured, such as bytes, added_objects"
    )
    value: Mapped[int] = mapped_column(BigInteger, comment="Bytes, milliseconds or a count")
    reconstructed: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Derived from what messages still told more than an hour later",
    )
    measured_at: Mapped[datetime] = mapped_column(
        _INSTANT, comment="The instant that the figure is true for"
    )


class BucketTraffic(Base):
    """The bucket's traffic on a day, from the provider's access log; filled from outside."""

    __tablename__ = "bucket_traffic"
    __table_args__ = (
        CheckConstraint(
            "sent_bytes >= 0 AND read_requests >= 0 AND write_requests >= 0", name="not_negative"
        ),
        {"schema": OPERATIONS_SCHEMA},
    )

    day: Mapped[date] = mapped_column(primary_key=True, comment="UTC date")
    sent_bytes: Mapped[int] = mapped_column(BigInteger, comment="Bytes sent to whomever")
    read_requests: Mapped[int] = mapped_column(
        BigInteger, server_default=text("0"), comment="GET and HEAD; S3's class B"
    )
    write_requests: Mapped[int] = mapped_column(
        BigInteger, server_default=text("0"), comment="PUT, COPY, POST, LIST; S3's class A"
    )


class ThresholdState(Base):
    """A measure's standing relative to its threshold, so that each crossing alerts once."""

    __tablename__ = "threshold_state"
    __table_args__ = ({"schema": OPERATIONS_SCHEMA},)

    measure: Mapped[str] = mapped_column(Text, primary_key=True, comment="stored or transferred")
    above: Mapped[bool] = mapped_column(
        comment="Whether it rose to the threshold and has not fallen clearly below it since"
    )
    as_of: Mapped[datetime] = mapped_column(_INSTANT, comment="When that was true")
    crossed_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When it last rose to the threshold and an alert was sent"
    )
