"""Facts about objects in the bucket and how they compare with rows."""

from dataclasses import dataclass
from datetime import datetime

from schema.states import FindingKind


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What HEAD says of an object."""

    key: str
    size_bytes: int
    modified_at: datetime  # UTC; when it was put


@dataclass(frozen=True, slots=True)
class Stray:
    """An object that by its key is of a message without a recording."""

    storage_key: str
    message_id: str
    was_deleted: bool  # the ledger says that this key was deleted, or is about to be


@dataclass(frozen=True, slots=True)
class Adoption:
    """An object and the message that takes it over; what its bytes do not tell is None."""

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
