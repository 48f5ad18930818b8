"""Facts about objects in the bucket, and how they compare with rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schema.states import FindingKind


@dataclass(frozen=True, slots=True)
class BucketLimits:
    """How long the bucket may take; tries again included."""

    call_seconds: float  # for a request without an object's data
    least_bytes_per_second: float  # for an object's data, in addition

    def transfer_seconds(self, size_bytes: int) -> float:
        """Return the limit for reading or writing an object of this size."""
        return self.call_seconds + size_bytes / self.least_bytes_per_second


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """An object's properties from a HEAD request."""

    key: str
    size_bytes: int
    modified_at: datetime  # UTC; time of the upload


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A reconciliation, as driven by one run."""

    id: int
    token: UUID


@dataclass(frozen=True, slots=True)
class Stray:
    """An object whose key names a message without a recording."""

    storage_key: str
    message_id: str
    was_deleted: bool  # according to the ledger, this key was deleted or is being deleted


@dataclass(frozen=True, slots=True)
class Adoption:
    """An object and the message that adopts it; facts not found in its bytes are None."""

    message_id: str
    storage_key: str
    size_bytes: int
    format: str | None
    sample_rate_hz: int | None
    channels: int | None
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class FindingReport:
    """The findings of one kind."""

    kind: FindingKind
    count: int
    size_bytes: int  # in the bucket; for rows without an object, according to the rows
    oldest_at: datetime
    queued: int  # queued for the next sweep; 0 for findings other than orphans
    examples: tuple[str, ...]  # keys


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """Result of comparing bucket and messages."""

    objects: int
    size_bytes: int  # of all objects
    rows: int  # that refer to an object
    elsewhere: int  # rows with a key outside the prefix: not compared
    findings: tuple[FindingReport, ...]  # only kinds that were found
    adopted: int = 0  # objects attached to their messages; without repair: that could be

    @property
    def count(self) -> int:
        """Findings of all kinds."""
        return sum(found.count for found in self.findings)
