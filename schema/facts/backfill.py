"""Frozen facts of backfills: the request, the plan, the state, what is done and what changed."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from schema.facts.analysis import ClaimedMessage
from schema.states import BackfillOutcome, BackfillSelection, FailureCause


@dataclass(frozen=True, slots=True)
class EngineRelease:
    """An engine with its versions, as `message_audio_analysis` names them."""

    engine: str
    version: str  # numbers with points between them
    model_version: str

    def __str__(self) -> str:
        """In one line, as `audio_ops.backfill` keeps it."""
        return f"{self.engine} {self.version} ({self.model_version})"


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """Which messages to analyse again, and in what order; a message must meet all conditions.

    Attributes:
        selection: The kind of messages.
        start: Start of the window, UTC, inclusive; None: from the first message on.
        end: End of the window, UTC, exclusive; None: when the backfill is created.
        languages: Languages of the conversations, such as `en`; empty: all that the engine knows.
        conversation_ids: Only these conversations; empty: all.
        newest_first: Whether to begin with the newest message, or with the oldest.
        limit: Most messages, counted in that order; None: all.
        canary_size: Messages of the first sample, drawn at random.
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
    """Messages of a plan with the same language and the same stored engine version."""

    language: str
    stored: str  # engine and version of the stored analysis, or `none`
    messages: int
    audio_seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a backfill would analyse, and what it would leave out."""

    groups: tuple[SelectedGroup, ...]
    gone: int  # their audio is deleted
    newer: int  # analysed by a newer version of the engine
    done: int  # in another backfill with the same version of the engine
    unknown_languages: Counter[str]  # languages that the engine does not know

    @property
    def messages(self) -> int:
        """How many would be analysed, whatever the limit."""
        return sum(group.messages for group in self.groups)

    @property
    def audio_seconds(self) -> float:
        """Their length."""
        return sum(group.audio_seconds for group in self.groups)

    @property
    def bytes(self) -> int:
        """Bytes to read from the bucket."""
        return sum(group.bytes for group in self.groups)


@dataclass(frozen=True, slots=True)
class Backfill:
    """The current state of one backfill."""

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
    open: int = 0  # still to be done, being analysed and waiting for another try included
    causes: Counter[str] = field(default_factory=Counter)  # why messages failed
    audio_seconds: float = 0.0  # analysed
    cpu_seconds: float = 0.0

    @property
    def done(self) -> int:
        """Messages with any outcome, deleted ones included."""
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
