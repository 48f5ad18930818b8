"""Frozen facts of backfills: what is asked for, what it would do, how far it has come."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from schema.facts.analysis import ClaimedMessage
from schema.states import BackfillOutcome, BackfillSelection, FailureCause


@dataclass(frozen=True, slots=True)
class EngineRelease:
    """Which engine analyses, as `message_audio_analysis` names it."""

    engine: str
    version: str  # numbers with points between them
    model_version: str

    def __str__(self) -> str:
        """In one line, as `audio_ops.backfill` keeps it."""
        return f"{self.engine} {self.version} ({self.model_version})"


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """Which messages to analyse again, and in what order; all conditions hold at once.

    Attributes:
        selection: What kind of messages.
        start: Said at this instant or later, UTC; None: from the beginning.
        end: Said before; None: before the selection is frozen.
        languages: Of their conversations, such as `en`; empty: all that the engine knows.
        conversation_ids: Only these; empty: all.
        newest_first: Begin with the newest; the oldest otherwise.
        limit: At most so many, the first in that order; None: all.
        canary_size: Of these, so many at random are analysed first.
    """

    selection: BackfillSelection
    start: datetime | None = None
    end: datetime | None = None
    languages: tuple[str, ...] = ()
    conversation_ids: tuple[str, ...] = ()
    newest_first: bool = True
    limit: int | None = None
    canary_size: int = 200


@dataclass(frozen=True, slots=True)
class SelectedGroup:
    """Messages of a plan that share a language and who analysed them last."""

    language: str
    stored: str  # engine and version of what is stored, or `none`
    messages: int
    audio_seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a backfill would analyse, and what it would pass over."""

    groups: tuple[SelectedGroup, ...]
    gone: int  # their audio is deleted
    newer: int  # a newer version of the engine analysed them
    done: int  # another backfill has them, with the same version of the engine
    unknown_languages: Counter[str]  # the engine does not know

    @property
    def messages(self) -> int:
        """How many would be analysed, whatever the limit."""
        return sum(group.messages for group in self.groups)

    @property
    def audio_seconds(self) -> float:
        """How much speech that is."""
        return sum(group.audio_seconds for group in self.groups)

    @property
    def bytes(self) -> int:
        """What would be read from the bucket."""
        return sum(group.bytes for group in self.groups)


@dataclass(frozen=True, slots=True)
class Backfill:
    """One backfill as it stands."""

    id: int
    engine_version: str
    selected: int
    approved_by: str | None
    frozen: bool
    ended: bool
    stopped: bool
    undone: bool
    released: bool


@dataclass(frozen=True, slots=True)
class BackfillClaim:
    """Messages of a backfill taken together under one lease token."""

    token: UUID
    messages: tuple[ClaimedMessage, ...]
    passed_over: int  # need no analysis any more, and are finished


@dataclass(frozen=True, slots=True)
class BackfillChild:
    """A run of `work-on-backfill` that works in one place; a later generation replaces it."""

    run_id: UUID
    generation: int  # from 0


@dataclass(frozen=True, slots=True)
class FinishedItem:
    """What became of one claimed message of a backfill."""

    message_id: str
    outcome: BackfillOutcome
    cause: FailureCause | None = None  # of a failure
    audio_ms: int | None = None  # length of the recording that was analysed
    cpu_ms: int | None = None  # what its analysis took


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """How far a backfill has come, counted from its items."""

    selected: int
    outcomes: Counter[BackfillOutcome] = field(default_factory=Counter)
    open: int = 0  # to be done, those included that wait out a pause or are being analysed
    causes: Counter[str] = field(default_factory=Counter)  # of what failed
    audio_seconds: float = 0.0  # analysed
    cpu_seconds: float = 0.0

    @property
    def done(self) -> int:
        """Messages that are done with, whatever became of them; deleted ones are, too."""
        return self.selected - self.open

    @property
    def failed(self) -> int:
        """Messages that could not be analysed."""
        return self.outcomes[BackfillOutcome.FAILED] + self.outcomes[BackfillOutcome.QUARANTINED]


@dataclass(frozen=True, slots=True)
class Rescored:
    """How many messages of a language had one score before and another one after, 0-100."""

    language: str
    score: str  # accuracy or fluency
    before: int
    after: int
    messages: int


@dataclass(frozen=True, slots=True)
class RescoredMessage:
    """One message's scores before and after, 0-100."""

    message_id: str
    accuracy_before: int
    accuracy_after: int
    fluency_before: int
    fluency_after: int
