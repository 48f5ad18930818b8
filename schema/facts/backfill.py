"""Facts about backfills: request, plan, state, progress and changed scores."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from schema.facts.analysis import ClaimedMessage
from schema.states import AnalysisEngine, BackfillOutcome, BackfillSelection, FailureCause


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """Which messages to re-analyse, and in what order; a message must meet all conditions.

    Attributes:
        selection: The kind of messages.
        start: Start of the window, UTC, inclusive; None: the first message.
        end: End of the window, UTC, exclusive; None: the creation of the backfill.
        languages: Languages of the conversations, such as `en`; empty: all that are supported.
        conversation_ids: Only these conversations; empty: all.
        newest_first: Order: newest message first, or oldest first.
        limit: Maximum number of messages, counted in that order; None: all.
        canary_size: Messages of the first sample, drawn at random.
        engine: The engine that must have analysed them; None: the deployment's analyses them, and
            what another installed engine has analysed is not outdated.
    """

    selection: BackfillSelection
    start: datetime | None = None
    end: datetime | None = None
    languages: tuple[str, ...] = ()
    conversation_ids: tuple[str, ...] = ()
    newest_first: bool = True
    limit: int | None = None
    canary_size: int = 200
    engine: AnalysisEngine | None = None


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
    gone: int  # audio deleted
    newer: int  # analysed by a newer version of the engine
    done: int  # in another backfill with the same version of the engine
    unknown_languages: Counter[str]  # messages by language that the engine does not support

    @property
    def messages(self) -> int:
        """Messages to analyse, without the limit."""
        return sum(group.messages for group in self.groups)

    @property
    def audio_seconds(self) -> float:
        """Duration of the messages' audio."""
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

    @property
    def engine(self) -> str:
        """The engine's name."""
        return self.engine_version.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class BackfillClaim:
    """Messages of a backfill claimed together under one lease token."""

    token: UUID
    messages: tuple[ClaimedMessage, ...]
    passed_over: int  # finished without an analysis, because they no longer need one


@dataclass(frozen=True, slots=True)
class BackfillChild:
    """A run of `work-on-backfill` in one place; its replacement is of the next generation."""

    run_id: UUID
    generation: int  # from 0


@dataclass(frozen=True, slots=True)
class FinishedItem:
    """The outcome of a claimed message of a backfill."""

    message_id: str
    outcome: BackfillOutcome
    cause: FailureCause | None = None  # of a failure
    audio_ms: int | None = None  # duration of the analysed recording
    cpu_ms: int | None = None  # CPU time of the analysis


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """Progress of a backfill, counted from its items."""

    selected: int
    outcomes: Counter[BackfillOutcome] = field(default_factory=Counter)
    open: int = 0  # not finished, including those being analysed or waiting for a retry
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
    """Number of messages of a language with the same score before and after, each 0-100."""

    language: str
    score: str  # accuracy or fluency
    before: int
    after: int
    messages: int


@dataclass(frozen=True, slots=True)
class RescoredMessage:
    """Scores of a message before and after, 0-100."""

    message_id: str
    accuracy_before: int
    accuracy_after: int
    fluency_before: int
    fluency_after: int
