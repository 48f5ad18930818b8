"""Errors of backfills."""

from schema.errors.base import KaiwaError
from schema.wording import counted


class BackfillUnknown(KaiwaError):
    """No backfill has this number."""

    backfill_id: int

    def __str__(self) -> str:
        return f"Backfill {self.backfill_id} does not exist. `audio_ops.backfill` lists all."


class BackfillClosed(KaiwaError):
    """The backfill's state allows no further work on it."""

    backfill_id: int
    state: str

    def __str__(self) -> str:
        return f"Backfill {self.backfill_id} {self.state}. Start a new one, with another reason."


class EngineChanged(KaiwaError):
    """The backfill is for another engine version than the one installed here."""

    backfill_id: int
    wanted: str
    installed: str

    def __str__(self) -> str:
        return (
            f"Backfill {self.backfill_id} requires {self.wanted}, but {self.installed} is "
            "installed here. Run it on workers with the required version, or undo it and start a "
            "new one."
        )


class BackfillNotApproved(KaiwaError):
    """The first sample changed so much that the rest needs approval, and it was not given."""

    backfill_id: int
    reason: str
    answer: str

    def __str__(self) -> str:
        return (
            f"Backfill {self.backfill_id} was not approved: {self.reason}, and {self.answer}. The "
            "first sample is written. Undo it with undo-backfill, or run this flow again with "
            f"resume {self.backfill_id} and dry_run off."
        )


class BackfillStopped(KaiwaError):
    """A backfill was stopped before it was finished."""

    backfill_id: int
    still_open: int

    def __str__(self) -> str:
        return (
            f"Backfill {self.backfill_id} was stopped with {counted(self.still_open, 'message')} "
            "left. To "
            f"continue, run this flow again with resume {self.backfill_id} and dry_run off."
        )


class BackfillStalled(KaiwaError):
    """The workers of a backfill keep ending without any progress."""

    backfill_id: int
    still_open: int
    started: int

    def __str__(self) -> str:
        return (
            f"Backfill {self.backfill_id} is stalled: "
            f"{counted(self.started, 'worker was', 'workers were')} "
            f"started, none has finished a message, and {self.still_open} are left. Check the "
            "runs of"
            " work-on-backfill, and that a worker has a free slot. Then run this flow again with"
            f" resume {self.backfill_id} and dry_run off."
        )


class BackfillIncomplete(KaiwaError):
    """Too many messages of a backfill could not be analysed."""

    backfill_id: int
    failed: int
    selected: int
    allowed_percent: float

    def __str__(self) -> str:
        return (
            f"Backfill {self.backfill_id}: {self.failed} of {counted(self.selected, 'message')} "
            "could not be "
            f"analysed; the limit is {self.allowed_percent:g} %. The report lists the causes, and "
            "earlier analyses of these messages are kept. Fix the cause and run the same selection "
            "with another reason: it takes only the messages that failed."
        )
