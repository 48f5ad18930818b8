"""Errors of the sweep, legal holds and erasure."""

from schema.errors.base import KaiwaError


class HoldSubjectUnknown(KaiwaError):
    """A legal hold on something that does not exist would protect nothing."""

    def __init__(self, scope: str, subject_id: str) -> None:
        self.scope, self.subject_id = scope, subject_id
        super().__init__(
            f"There is no {scope} {subject_id!r}, nor a queued recording of it: nothing is held. "
            "Copy the id from the app's tables; a user's is a UUID.",
            scope,
            subject_id,
        )


class HoldNotActive(KaiwaError):
    """No legal hold of this id is in force, so none was released."""

    def __init__(self, hold_id: int) -> None:
        self.hold_id = hold_id
        super().__init__(
            f"No legal hold {hold_id} is in force; somebody may have released it. "
            "`kaiwa-audio hold list` shows those that are.",
            hold_id,
        )


class LearnerUnknown(KaiwaError):
    """Neither a table nor the bucket has heard of the learner to be erased."""

    def __init__(self) -> None:
        super().__init__(
            "Nothing is known of this learner: no account, no conversation, nothing in the bucket. "
            "Nothing was done. Copy the id from the app's `users`."
        )


class LearnerHeld(KaiwaError):
    """A legal hold obliges to keep what the learner wants erased."""

    def __init__(self, holds: int) -> None:
        self.holds = holds
        super().__init__(
            f"{holds} legal holds touch this learner, so nothing more was erased. "
            "`kaiwa-audio hold list` shows them; run the erasure when they are released.",
            holds,
        )


class ErasureIncomplete(KaiwaError):
    """Something of the learner is still there, so the run must not end green."""

    def __init__(self, messages: int, objects: int, refused: int) -> None:
        self.messages, self.objects, self.refused = messages, objects, refused
        super().__init__(
            f"Still there: {messages} messages that speak of a recording, {objects} objects, "
            f"{refused} keys that are not ours to delete. Everything else is erased. Correct "
            "refused keys, and run again; the artifact `erase-learner` counts all that is left.",
            messages,
            objects,
            refused,
        )


class SweepNotApproved(KaiwaError):
    """So much is due that a person must approve it, and nobody did."""

    def __init__(self, reason: str, outcome: str) -> None:
        self.reason, self.outcome = reason, outcome
        super().__init__(
            f"Nothing was deleted: {reason}, and {outcome}. Look at the artifact "
            "`sweep-retention`; if the plan is right, run again and approve, or raise the limit.",
            reason,
            outcome,
        )


class SweepIncomplete(KaiwaError):
    """Audio that should be gone is still there, so the run must not end green."""

    def __init__(self, failed: int, overdue: int, broken: str | None) -> None:
        self.failed, self.overdue, self.broken = failed, overdue, broken
        stopped = f" It stopped early: {broken}" if broken else ""
        super().__init__(
            f"The bucket did not confirm {failed} deletions, and {overdue} recordings should have "
            f"been gone for over 3 days.{stopped} Everything confirmed is written, and the next "
            "sweep tries the rest again; the artifact `sweep-retention` counts the causes.",
            failed,
            overdue,
            broken,
        )
