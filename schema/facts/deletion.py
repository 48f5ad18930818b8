"""Facts about due recordings, the ledger, holds and erasure."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from schema.facts.report import Report
from schema.states import DeletionReason, HoldScope, UserTier


@dataclass(frozen=True, slots=True)
class IntendedDeletion:
    """An object that is about to be deleted, and why."""

    storage_key: str
    message_id: str | None  # None: unknown
    reason: DeletionReason
    tier: UserTier | None = None  # the owner's, if known
    size_bytes: int | None = None
    retention_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A live message with audio, and everything that determines how long it is kept."""

    message_id: str
    storage_key: str
    role: str
    created_at: datetime  # UTC; time of the message
    has_user: bool  # whether its conversation belongs to a learner, not to a guest
    current_tier: str | None  # of the learner's newest subscription
    retention_expires_at: datetime | None  # UTC; as stored
    size_bytes: int | None
    processing_state: str | None
    held: bool  # an active legal hold covers it


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object in the orphan queue: no message refers to it."""

    storage_key: str
    message_id: str | None
    size_bytes: int | None
    queued_at: datetime  # UTC
    held: bool  # an active legal hold covers it, or may cover it
    in_use: bool  # a message refers to it again, is uploading to it, or could adopt it


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """A ledger entry that is not final: its object may or may not be deleted."""

    id: int
    storage_key: str
    message_id: str | None
    reason: DeletionReason
    attempts: int  # deletions that the bucket did not confirm


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The newest final entry of the deletion ledger; recorded elsewhere, it reveals truncation."""

    position: int  # 0: the ledger is empty
    hash: str  # SHA-256, hexadecimal

    def __str__(self) -> str:
        """Return the form that `kaiwa-audio ledger verify --head` accepts."""
        return f"{self.position}:{self.hash}"


@dataclass(frozen=True, slots=True)
class LedgerBreak:
    """The first entry of the deletion ledger that was changed or removed."""

    position: int | None  # where the chain breaks; None: the entry is not part of it
    entry_id: int | None  # None: the entry is missing
    problem: str


@dataclass(frozen=True, slots=True)
class LedgerRepair:
    """An entry that marks where the owner repaired a damaged ledger."""

    position: int
    repaired_at: str  # UTC, as in the chain
    note: str  # how many entries follow it anew, who repaired it and why


@dataclass(frozen=True, slots=True)
class LedgerVerification:
    """Result of verifying the whole deletion ledger."""

    head: LedgerHead  # the last intact entry
    broken: LedgerBreak | None
    repairs: tuple[LedgerRepair, ...] = ()  # up to the head


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A legal hold in force, placed now or by an earlier call, and its effect."""

    hold_id: int
    placed_at: datetime
    protected: int  # recordings that it keeps
    already_deleted: int  # recordings deleted before it was placed
    overtaken: int = 0  # of these, whose deletion was under way when it was placed
    unknown: int = 0  # recordings whose deletion was under way, and the bucket did not answer


@dataclass(frozen=True, slots=True)
class ReleasedHold:
    """A legal hold that is no longer in force."""

    hold_id: int
    released_by: str
    released_at: datetime


@dataclass(frozen=True, slots=True)
class ActiveHold:
    """A legal hold in force."""

    hold_id: int
    scope: HoldScope
    subject_id: str
    reason: str
    placed_by: str
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class LearnerRecording:
    """A learner's message with facts about its recording, live or deleted."""

    message_id: str
    storage_key: str | None
    size_bytes: int | None
    retention_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep would delete and what it would keep, counted beforehand."""

    live: int  # messages with audio, and orphaned objects
    due: Counter[UserTier]  # recordings to delete, by their owners' tier
    due_bytes: Counter[UserTier]
    orphans: int  # objects without a message, to delete
    orphan_bytes: int
    kept: Counter[str]  # expired but to be kept, by reason
    without_expiry: int  # live recordings without a retention expiry
    oldest_due_at: datetime | None  # when the oldest due recording became due
    overdue: int  # due for days; held ones are not counted
    digest: str  # SHA-256 of everything that would be deleted, and how
    sample: tuple[str, ...]  # keys of some due objects

    @property
    def objects(self) -> int:
        """Number of objects that would be deleted."""
        return self.due.total() + self.orphans

    @property
    def size_bytes(self) -> int:
        """Bytes that would be freed, as far as sizes are known."""
        return self.due_bytes.total() + self.orphan_bytes


@dataclass(frozen=True, slots=True)
class SweepReport(Report):
    """What a sweep, or a chunk of one, did."""

    intended: int = 0  # objects with an intent: deletion confirmed, failed or withdrawn
    deleted: Counter[UserTier] = field(default_factory=Counter)  # recordings, by owners' tier
    deleted_bytes: Counter[UserTier] = field(default_factory=Counter)
    orphans: int = 0  # objects without a message, deleted
    orphan_bytes: int = 0
    shared: int = 0  # messages ended whose object another message still uses
    extended: int = 0  # messages whose expiry was extended to match the owner's tier
    withdrawn: int = 0  # held, extended or changed after the intent was recorded
    kept: Counter[str] = field(default_factory=Counter)  # expired but not deleted, by reason
    failed: Counter[str] = field(default_factory=Counter)  # not confirmed, by the bucket's error
    expiries_set: int = 0  # messages that had no retention expiry
    broken: str | None = None  # why it stopped early: bucket unavailable, rows refused

    @property
    def objects(self) -> int:
        """Number of deleted objects."""
        return self.deleted.total() + self.orphans

    @property
    def size_bytes(self) -> int:
        """Freed bytes, as far as sizes are known."""
        return self.deleted_bytes.total() + self.orphan_bytes


@dataclass(frozen=True, slots=True)
class ErasureReport(Report):
    """What an erasure found, or a step of it erased, without identifying the learner."""

    messages: int = 0  # with a recording, or facts about one
    objects: int = 0
    versions: int = 0  # of these objects, delete markers included
    size_bytes: int = 0  # of all versions
    analyses: int = 0
    history: int = 0  # copies of overwritten analyses
    control_rows: int = 0  # leases, quarantine, parked copies, findings
    orphans: int = 0  # queued objects of messages that the app had deleted
    shared: int = 0  # objects kept, because live messages of others need them
    refused: int = 0  # keys that policy forbids deleting; must be corrected by hand
    failed: int = 0  # objects whose deletion the bucket did not confirm

    @property
    def is_empty(self) -> bool:
        """Whether this counts nothing, apart from shared objects."""
        return self == ErasureReport(shared=self.shared)
