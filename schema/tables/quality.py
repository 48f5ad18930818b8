"""Schema `audio_ops`: checks of data quality and the results of their rules."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import OPERATIONS_SCHEMA, Base

_INSTANT = DateTime(timezone=True)


class QualityCheck(Base):
    """A check of messages and analyses."""

    __tablename__ = "quality_check"
    __table_args__ = (
        CheckConstraint("scope IN ('changed', 'everything', 'window')", name="scope"),
        {"schema": OPERATIONS_SCHEMA},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of beginning"
    )
    scope: Mapped[str] = mapped_column(Text, comment="changed, everything or window")
    since: Mapped[datetime | None] = mapped_column(_INSTANT, comment="Beginning of a window")
    until: Mapped[datetime | None] = mapped_column(_INSTANT, comment="End of a window, exclusive")
    started_at: Mapped[datetime] = mapped_column(
        _INSTANT, server_default=text("now()"), comment="When it began"
    )
    first_xid: Mapped[int] = mapped_column(
        BigInteger,
        comment="Transactions before this one were finished when it began; the next check of what"
        " has changed looks at rows that this one or later ones wrote",
    )
    finished_at: Mapped[datetime | None] = mapped_column(
        _INSTANT, comment="When all its results were written; empty: it broke off"
    )
    checked: Mapped[int | None] = mapped_column(BigInteger, comment="Messages looked at")
    failing: Mapped[int | None] = mapped_column(
        BigInteger, comment="Of these, messages that break a rule of severity fail"
    )


class QualityResult(Base):
    """The result of a rule in a check."""

    __tablename__ = "quality_result"
    __table_args__ = (
        CheckConstraint("severity IN ('warn', 'fail')", name="severity"),
        CheckConstraint("0 <= broken AND broken <= checked", name="broken"),
        {"schema": OPERATIONS_SCHEMA},
    )

    check_id: Mapped[int] = mapped_column(
        ForeignKey(QualityCheck.id, ondelete="CASCADE"), primary_key=True, comment="The check"
    )
    rule: Mapped[str] = mapped_column(Text, primary_key=True, comment="Name of the rule")
    severity: Mapped[str] = mapped_column(Text, comment="warn or fail")
    checked: Mapped[int] = mapped_column(BigInteger, comment="Rows that it looked at")
    broken: Mapped[int] = mapped_column(BigInteger, comment="Of these, rows that break it")
