"""Rules of data quality, what they compare rows with, and what a check found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from schema.states import CheckedTable, CheckScope, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """What stored rows must keep; `stores/quality/rules` holds each one with its SQL."""

    name: str
    table: CheckedTable
    severity: Severity
    says: str  # what holds, in words for a person
    reanalyze: bool = False  # another analysis may mend it; until then its scores are not trusted


@dataclass(frozen=True, slots=True)
class RowScope:
    """Which messages are looked at; those with an open case of quarantine always are.

    All fields empty: every message.
    """

    changed_since_xid: int | None = None  # written by a transaction not finished before this one
    since: datetime | None = None  # UTC; said at or after
    until: datetime | None = None  # UTC; said before


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """What rules compare rows with; decided by policy."""

    as_of: datetime  # UTC
    url_prefixes: tuple[str, ...]  # one or two that lead into our bucket; an encoded key follows
    key_prefix: str  # of recordings
    system_days: int  # how long audio of system messages is kept
    guest_days: int  # of conversations without a learner
    # Of learners, by the tier that their newest subscription names, "" without any. Nobody knows
    # what a learner of another tier was promised.
    subscription_days: Mapping[str, int]
    retention_tolerance: timedelta
    url_expiry_tolerance: timedelta
    stale_lease: timedelta  # beyond its end
    unleased_age: timedelta  # of messages that are `analyzing` without a lease
    document_tolerance_ms: int
    pcm_tolerance_ms: int


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One message that breaks one rule."""

    message_id: str
    rule: str
    observed: str  # figures and names, never what the learner said, nor a URL


@dataclass(frozen=True, slots=True)
class SampledRecording:
    """A recording that the bucket is asked for."""

    message_id: str
    storage_key: str
    size_bytes: int | None  # as its row says
    is_known: bool  # an open case says that it was not in order


@dataclass(frozen=True, slots=True)
class RuleResult:
    """How one rule fared."""

    rule: str
    severity: Severity
    checked: int  # rows that it looked at
    broken: int  # of these
    examples: tuple[str, ...] = ()  # ids of messages, at most 5


@dataclass(frozen=True, slots=True)
class QualityReport:
    """One check of data quality."""

    check_id: int
    scope: CheckScope
    checked: int  # messages, without those looked at only because they are in quarantine
    failing: int  # of these, messages that break at least one rule of severity FAIL
    sampled: int  # recordings chosen at random to be asked for in the bucket
    missing: int  # of these, recordings that the bucket lacks
    results: tuple[RuleResult, ...]  # of every rule, in the order of their catalogue
    quarantined: int  # cases opened
    released: int  # cases closed, because their rule holds again
    bucket_problem: str | None = None  # why the bucket could not be asked

    @property
    def failing_percent(self) -> float:
        """Share of the checked messages that break a failing rule."""
        return 100 * self.failing / self.checked if self.checked else 0.0
