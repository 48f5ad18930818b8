"""Facts about due recordings, the ledger, holds and erasure."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from schema.facts.report import Report
from schema.states import DeletionReason, HoldScope, UserTier


@dataclass(frozen=True, slots=True)
class IntendedDeletion:
    """An object that is about to be deleted, and why it may be."""

    storage_key: str
    message_id: str | None  # None: no message is known
    reason: DeletionReason
    tier: UserTier | None = None  # of its owner, if known
    size_bytes: int | None = None
    retention_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A live message with audio, and all that decides whether its audio is kept."""

    message_id: str
    storage_key: str
    role: str
    created_at: datetime  # UTC; when it was said
    has_user: bool  # whether its conversation belongs to a learner, not to a guest
    current_tier: str | None  # of the learner's newest subscription
    retention_expires_at: datetime | None  # UTC; as stored
    size_bytes: int | None
    processing_state: str | None
    held: bool  # an active legal hold covers it


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object in the queue of those that no message refers to."""

    storage_key: str
    message_id: str | None
    size_bytes: int | None
    queued_at: datetime  # UTC
    held: bool  # an active legal hold covers it, or nobody can tell
    in_use: bool  # a message refers to it again, is about to by an upload, or could adopt it


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """An entry of the deletion ledger that is not final: its object may or may not be gone."""

    id: int
    storage_key: str
    message_id: str | None
    reason: DeletionReason
    attempts: int  # deletions that the bucket did not confirm


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The newest final entry of the deletion ledger; kept elsewhere, it shows a cut-off end."""

    position: int  # 0: the ledger is empty
    hash: str  # SHA-256, hexadecimal

    def __str__(self) -> str:
        """Write it as `kaiwa-audio ledger verify --head` takes it."""
        return f"{self.position}:{self.hash}"


@dataclass(frozen=True, slots=True)
class LedgerBreak:
    """The first entry of the deletion ledger that is not as it was written."""

    position: int | None  # where the chain breaks; None: the entry has no place in it
    entry_id: int | None  # None: the entry is gone
    problem: str


@dataclass(frozen=True, slots=True)
class LedgerVerification:
    """What a walk along the whole deletion ledger found."""

    head: LedgerHead  # the last entry that is as it was written
    broken: LedgerBreak | None


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A legal hold just placed, and what it came in time for."""

    hold_id: int
    protected: int  # recordings that it keeps
    already_deleted: int  # recordings that it came too late for


@dataclass(frozen=True, slots=True)
class ActiveHold:
    """A legal hold that nobody has released."""

    hold_id: int
    scope: HoldScope
    subject_id: str
    reason: str
    placed_by: str
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class LearnerRecording:
    """What a message of a learner says of its recording, whether live or deleted."""

    message_id: str
    storage_key: str | None
    size_bytes: int | None
    retention_expires_at: datetime | None


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
class SweepReport(Report):
    """What a sweep, or a chunk of one, did."""

    intended: int = 0  # objects under way to their deletion: confirmed, failed or withdrawn
    deleted: Counter[UserTier] = field(default_factory=Counter)  # recordings, by owners' tier
    deleted_bytes: Counter[UserTier] = field(default_factory=Counter)
    orphans: int = 0  # objects without a message, deleted
    orphan_bytes: int = 0
    shared: int = 0  # messages ended whose object another message still uses
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


@dataclass(frozen=True, slots=True)
class ErasureReport(Report):
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
