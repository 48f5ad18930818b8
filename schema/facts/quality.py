"""Facts about data quality: rules, the values they compare rows with, and results."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from schema.states import CheckedTable, CheckScope, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that stored rows must keep; `stores/quality/rules` holds each with its SQL."""

    name: str
    table: CheckedTable
    severity: Severity
    says: str  # what should hold, in words
    reanalyze: bool = False  # a new analysis may fix it; until then the scores are not trusted


@dataclass(frozen=True, slots=True)
class RowScope:
    """Which messages are checked; those with an open quarantine case always are.

    All fields None: every message.
    """

    changed_since_xid: int | None = None  # written by a transaction not finished before this one
    since: datetime | None = None  # UTC; sent at or after
    until: datetime | None = None  # UTC; sent before


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """The values that rules compare rows with; they come from policy."""

    as_of: datetime  # UTC
    url_prefixes: tuple[str, ...]  # beginnings of our bucket's URLs; an encoded key follows
    key_prefix: str  # of recordings
    system_days: int  # retention period of system messages
    guest_days: int  # retention period of conversations without a learner
    # Learners' retention periods by the tier of their newest subscription, "" without any. Other
    # tiers are unknown.
    subscription_days: Mapping[str, int]
    retention_tolerance: timedelta
    url_expiry_tolerance: timedelta
    stale_lease: timedelta  # time since its expiry
    unleased_age: timedelta  # of messages in `analyzing` without a lease
    document_tolerance_ms: int
    pcm_tolerance_ms: int


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A message that breaks a rule."""

    message_id: str
    rule: str
    observed: str  # figures and names, never the learner's words or a URL


@dataclass(frozen=True, slots=True)
class SampledRecording:
    """A recording to look up in the bucket."""

    message_id: str
    storage_key: str
    size_bytes: int | None  # according to its row
    is_known: bool  # it has an open case of a rule about the bucket


@dataclass(frozen=True, slots=True)
class RuleResult:
    """Result of one rule."""

    rule: str
    severity: Severity
    checked: int  # rows checked
    broken: int  # rows that break the rule
    examples: tuple[str, ...] = ()  # ids of messages, at most 5


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Result of one check of data quality."""

    check_id: int
    scope: CheckScope
    checked: int  # messages, without those checked only because they are in quarantine
    failing: int  # of these, messages that break at least one rule of severity FAIL
    sampled: int  # recordings chosen at random to look up in the bucket
    missing: int  # of these, recordings missing from the bucket
    results: tuple[RuleResult, ...]  # of all rules, in the order of the catalogue
    quarantined: int  # cases opened
    released: int  # cases closed, because their rule holds again
    bucket_problem: str | None = None  # why the bucket could not be checked

    @property
    def failing_percent(self) -> float:
        """Share of the checked messages that break a failing rule."""
        return 100 * self.failing / self.checked if self.checked else 0.0
