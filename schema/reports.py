"""What a run did, in numbers that can be added up."""

from collections import Counter
from dataclasses import astuple, dataclass, field
from datetime import datetime

from schema.states import FailureCause, FindingKind, UserTier


@dataclass(frozen=True, slots=True)
class AnalysisReport:
    """What became of the messages claimed by a chunk, or by a whole run, and of some others.

    `claimed = analyzed + failed + retried + quarantined + lost`.
    """

    claimed: int = 0
    analyzed: int = 0
    broken: int = 0  # of the analysed, those that break a rule of data quality; set aside
    broken_rules: Counter[str] = field(default_factory=Counter)  # how many of them, by rule
    failed: int = 0  # for good; the message says why
    retried: int = 0  # given back, to be tried again later
    quarantined: int = 0  # killed their worker too often
    lost: int = 0  # deleted, or taken over by another worker, while being analysed
    causes: Counter[FailureCause] = field(default_factory=Counter)
    audio_seconds: float = 0.0
    cpu_seconds: float = 0.0
    scores_put_back: int = 0  # that the app's saving again had emptied
    without_engine: Counter[str] = field(default_factory=Counter)  # go on waiting, by language

    @property
    def not_analyzed(self) -> int:
        """Messages that were tried and have no analysis now."""
        return self.failed + self.retried + self.quarantined

    def __add__(self, other: "AnalysisReport") -> "AnalysisReport":
        """Add up two reports."""
        return AnalysisReport(
            claimed=self.claimed + other.claimed,
            analyzed=self.analyzed + other.analyzed,
            broken=self.broken + other.broken,
            broken_rules=self.broken_rules + other.broken_rules,
            failed=self.failed + other.failed,
            retried=self.retried + other.retried,
            quarantined=self.quarantined + other.quarantined,
            lost=self.lost + other.lost,
            causes=self.causes + other.causes,
            audio_seconds=self.audio_seconds + other.audio_seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            scores_put_back=self.scores_put_back + other.scores_put_back,
            without_engine=self.without_engine + other.without_engine,
        )


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep would delete, and what it would pass over, counted before anything is done."""

    live: int  # messages with audio, and orphaned objects
    due: Counter[UserTier]  # recordings to delete, by their owners' tier
    due_bytes: Counter[UserTier]
    orphans: int  # objects without a message, to delete
    orphan_bytes: int
    kept: Counter[str]  # expired but not to be deleted, by why
    without_expiry: int  # live recordings that nobody gave an end
    oldest_due_at: datetime | None  # when the longest waiting of the due became due
    overdue: int  # should have been gone for days, held ones not counted
    digest: str  # SHA-256 of all that would be deleted and how
    sample: tuple[str, ...]  # keys of some of the due objects

    @property
    def objects(self) -> int:
        """How many objects would be deleted."""
        return self.due.total() + self.orphans

    @property
    def size_bytes(self) -> int:
        """How much would be freed, as far as sizes are known."""
        return self.due_bytes.total() + self.orphan_bytes


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep, or a chunk of one, did."""

    intended: int = 0  # objects under way to their deletion: confirmed, failed or withdrawn
    deleted: Counter[UserTier] = field(default_factory=Counter)  # recordings, by owners' tier
    deleted_bytes: Counter[UserTier] = field(default_factory=Counter)
    orphans: int = 0  # objects without a message, deleted
    orphan_bytes: int = 0
    let_go: int = 0  # messages that ended while others still need the object
    extended: int = 0  # messages whose owner's tier keeps them longer than was stored
    withdrawn: int = 0  # held, extended or changed after they were intended
    kept: Counter[str] = field(default_factory=Counter)  # expired but not deleted, by why
    failed: Counter[str] = field(default_factory=Counter)  # not confirmed, by what the bucket said
    expiries_set: int = 0  # messages that had no end
    broken: str | None = None  # why it ended early: the bucket was away, the database refused rows

    @property
    def objects(self) -> int:
        """How many objects were deleted."""
        return self.deleted.total() + self.orphans

    @property
    def size_bytes(self) -> int:
        """How much was freed, as far as sizes are known."""
        return self.deleted_bytes.total() + self.orphan_bytes

    def __add__(self, other: "SweepReport") -> "SweepReport":
        """Add up two reports."""
        return SweepReport(
            intended=self.intended + other.intended,
            deleted=self.deleted + other.deleted,
            deleted_bytes=self.deleted_bytes + other.deleted_bytes,
            orphans=self.orphans + other.orphans,
            orphan_bytes=self.orphan_bytes + other.orphan_bytes,
            let_go=self.let_go + other.let_go,
            extended=self.extended + other.extended,
            withdrawn=self.withdrawn + other.withdrawn,
            kept=self.kept + other.kept,
            failed=self.failed + other.failed,
            expiries_set=self.expiries_set + other.expiries_set,
            broken=self.broken or other.broken,
        )


@dataclass(frozen=True, slots=True)
class UrlReport:
    """What became of the URLs of messages with a recording, in a span of them or in all."""

    signed: int = 0  # in a dry run: would have been
    fresh: int = 0  # need no new one yet
    inactive: int = 0  # of learners who said nothing lately, if only active ones were asked for
    due: int = 0  # their recording may be deleted, or is being: no URL any more
    refused: int = 0  # their key is not one of ours; quarantined
    changed: int = 0  # somebody changed the message meanwhile; left to the next run

    def __add__(self, other: "UrlReport") -> "UrlReport":
        """Add up two reports."""
        return UrlReport(
            signed=self.signed + other.signed,
            fresh=self.fresh + other.fresh,
            inactive=self.inactive + other.inactive,
            due=self.due + other.due,
            refused=self.refused + other.refused,
            changed=self.changed + other.changed,
        )


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What an erasure found, or a step of it erased; nothing here tells whose it was."""

    messages: int = 0  # that held a recording, or facts of one
    objects: int = 0
    versions: int = 0  # of these objects, delete markers included
    size_bytes: int = 0  # of all versions
    analyses: int = 0
    history: int = 0  # what overwritten analyses had said
    control_rows: int = 0  # leases, quarantine, parked copies; what was found, exported or not
    orphans: int = 0  # queued objects of messages that the app had deleted
    shared: int = 0  # objects that live messages of others need: let go, not deleted
    refused: int = 0  # keys that are not ours to delete: a person must look at them
    failed: int = 0  # objects whose deletion the bucket did not confirm

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left, if this counts what is left."""
        return self == ErasureReport(shared=self.shared)

    def __add__(self, other: "ErasureReport") -> "ErasureReport":
        """Add up two reports."""
        return ErasureReport(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class FindingReport:
    """The findings of one kind."""

    kind: FindingKind
    count: int
    size_bytes: int  # in the bucket; of rows without objects, as the rows say
    oldest_at: datetime
    queued: int  # await the next sweep; 0 for what is no orphan
    examples: tuple[str, ...]  # keys


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """How far bucket and messages agree."""

    objects: int
    size_bytes: int  # of all objects
    rows: int  # that claim an object
    elsewhere: int  # rows with a key outside the prefix: not compared
    findings: tuple[FindingReport, ...]  # of those kinds that were found
    adopted: int = 0  # objects given to the messages they are of; without repair: that could be

    @property
    def count(self) -> int:
        """Findings of all kinds."""
        return sum(found.count for found in self.findings)
