"""Errors of backfills."""

from schema.errors.base import KaiwaError


class BackfillUnknown(KaiwaError):
    """No backfill has this number."""

    def __init__(self, backfill_id: int) -> None:
        self.backfill_id = backfill_id
        super().__init__(
            f"There is no backfill {backfill_id}. `audio_ops.backfill` lists all of them.",
            backfill_id,
        )


class BackfillClosed(KaiwaError):
    """Nothing more is done with this backfill."""

    def __init__(self, backfill_id: int, state: str) -> None:
        self.backfill_id, self.state = backfill_id, state
        super().__init__(
            f"Backfill {backfill_id} {state}. Start a new one, with a reason of its own.",
            backfill_id,
            state,
        )


class EngineChanged(KaiwaError):
    """A backfill is for another version of the engine than the one that is installed here."""

    def __init__(self, backfill_id: int, wanted: str, installed: str) -> None:
        self.backfill_id, self.wanted, self.installed = backfill_id, wanted, installed
        super().__init__(
            f"Backfill {backfill_id} is for {wanted}; here {installed} is installed. Run it on "
            "workers with that version, or undo it and start a new one.",
            backfill_id,
            wanted,
            installed,
        )


class BackfillNotApproved(KaiwaError):
    """The first sample changed so much that a person must approve the rest, and nobody did."""

    def __init__(self, backfill_id: int, reason: str, answer: str) -> None:
        self.backfill_id, self.reason, self.answer = backfill_id, reason, answer
        super().__init__(
            f"Backfill {backfill_id} did not go on: {reason}, and {answer}. The first sample is "
            "written; undo it with undo-backfill, or run this again with "
            f"resume {backfill_id} and dry_run off.",
            backfill_id,
            reason,
            answer,
        )


class BackfillStopped(KaiwaError):
    """A backfill was stopped before all was done."""

    def __init__(self, backfill_id: int, still_open: int) -> None:
        self.backfill_id, self.still_open = backfill_id, still_open
        super().__init__(
            f"Backfill {backfill_id} was stopped with {still_open} messages to be done. To go on, "
            f"run this again with resume {backfill_id} and dry_run off.",
            backfill_id,
            still_open,
        )


class BackfillStalled(KaiwaError):
    """The workers of a backfill end again and again, and nothing gets done."""

    def __init__(self, backfill_id: int, still_open: int, ended: int) -> None:
        self.backfill_id, self.still_open, self.ended = backfill_id, still_open, ended
        super().__init__(
            f"Backfill {backfill_id}: {ended} workers were started and not one more message got "
            f"done; {still_open} are left. Their runs of work-on-backfill say why; or no worker "
            "has a free place. Mend that, and run this again with "
            f"resume {backfill_id} and dry_run off.",
            backfill_id,
            still_open,
            ended,
        )


class BackfillIncomplete(KaiwaError):
    """Part of a backfill could not be analysed."""

    def __init__(
        self, backfill_id: int, failed: int, selected: int, allowed_percent: float
    ) -> None:
        self.backfill_id, self.failed, self.selected = backfill_id, failed, selected
        self.allowed_percent = allowed_percent
        super().__init__(
            f"Backfill {backfill_id}: {failed} of {selected} messages could not be analysed; at "
            f"most {allowed_percent:g} % may. Its report says why; analyses that had worked still "
            "stand. Mend the cause and run the same selection again, with another reason: only "
            "what failed is taken then.",
            backfill_id,
            failed,
            selected,
            allowed_percent,
        )
