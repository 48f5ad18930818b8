"""Errors of the sweep, legal holds and erasure."""

from schema.errors.base import KaiwaError
from schema.wording import counted


class HoldSubjectUnknown(KaiwaError):
    """The subject of a legal hold does not exist, so the hold would protect nothing."""

    scope: str
    subject_id: str

    def __str__(self) -> str:
        return (
            f"There is no {self.scope} {self.subject_id!r}, and no queued recording of it. No hold "
            "was placed. Copy the id from the app's tables; the id of a user is a UUID."
        )


class HoldNotActive(KaiwaError):
    """No legal hold with this id is in force, so none was released."""

    hold_id: int

    def __str__(self) -> str:
        return (
            f"Legal hold {self.hold_id} is not in force; it may have been released already. "
            "`kaiwa-audio hold list` shows the active ones."
        )


class LedgerIntact(KaiwaError):
    """The deletion ledger has no break, so there is nothing to repair."""

    def __str__(self) -> str:
        return "The ledger is intact. Nothing was changed."


class LedgerBeyondRepair(KaiwaError):
    """The deletion ledger would still be broken after a repair, so it was not repaired."""

    entry_id: int | None
    problem: str

    def __str__(self) -> str:
        entry = "an entry" if self.entry_id is None else f"entry {self.entry_id}"
        return (
            f"Nothing was changed: after the repair, {entry} would still be wrong "
            f"({self.problem}). Correct it, or restore the table from a backup."
        )


class LocksLost(KaiwaError):
    """The database session that locked what is to be deleted was replaced by another."""

    def __str__(self) -> str:
        return (
            "Nothing more was deleted: the database session that held the locks was replaced "
            "within its transaction, probably by a connection pooler. Use session connections "
            "(docs/scaling.md, Connections)."
        )


class LearnerUnknown(KaiwaError):
    """Neither the tables nor the bucket know the learner to be erased."""

    def __str__(self) -> str:
        return (
            "This learner is unknown: no account, no conversation, nothing in the bucket. Nothing "
            "was done. Copy the id from the app's table `users`."
        )


class LearnerHeld(KaiwaError):
    """Legal holds forbid erasing the learner."""

    holds: int

    def __str__(self) -> str:
        return (
            f"{counted(self.holds, 'legal hold covers', 'legal holds cover')} this learner, so "
            "nothing more was erased. "
            "`kaiwa-audio hold list` shows them. Run the erasure again after their release."
        )


class ErasureIncomplete(KaiwaError):
    """Some data of the learner is left, so the run must fail."""

    messages: int
    objects: int
    refused: int

    def __str__(self) -> str:
        return (
            f"The erasure is incomplete: "
            f"{counted(self.messages, 'message still refers', 'messages still refer')} to a "
            "recording, "
            f"{counted(self.objects, 'object remains', 'objects remain')}, and "
            f"{counted(self.refused, 'key is', 'keys are')} not ours to delete. "
            "Everything else is erased. Correct the refused keys, then run again. The artifact "
            "`erase-learner` counts what is left."
        )


class SweepNotApproved(KaiwaError):
    """So much is due that the sweep needs approval, and it was not given."""

    reason: str
    outcome: str

    def __str__(self) -> str:
        return (
            f"Nothing was deleted: {self.reason}, and {self.outcome}. Read the artifact "
            "`sweep-retention`. If the plan is right, run again and approve it, or raise the limit."
        )


class SweepIncomplete(KaiwaError):
    """Audio that should be deleted is left, so the run must fail."""

    failed: int
    overdue: int
    broken: str | None

    def __str__(self) -> str:
        return (
            f"The bucket did not confirm {counted(self.failed, 'deletion')}, and "
            f"{counted(self.overdue, 'recording is', 'recordings are')} "
            "more than 3 days overdue."
            f"{f' The sweep stopped early: {self.broken}' if self.broken else ''} All confirmed "
            "deletions are recorded, and the next sweep retries the rest. The artifact "
            "`sweep-retention` counts the causes."
        )
