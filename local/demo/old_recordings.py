"""Recordings that the demo ages, and what a sweep must do with each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

from local.demo.outcomes import Outcome
from local.demo.recordings import Recording
from schema.states import HoldScope, ProcessingState, UserTier
from stores.deletion import holds

AGE = timedelta(days=38)  # beyond a free learner's 30 days and 7 of grace, within a premium one's

_GROW_OLD = text("""
UPDATE messages SET timestamp = timestamp - CAST(:age AS interval),
    audio_retention_expires_at = audio_retention_expires_at - CAST(:age AS interval)
WHERE id = ANY(:ids)
""")


@dataclass(frozen=True, slots=True)
class OldRecording:
    """A recording that is made `AGE` older."""

    message_id: str
    learner: str
    tier: UserTier
    is_held: bool  # under a legal hold
    goes: bool  # a sweep must delete it


CASES = (  # tier, under a legal hold, must go
    (UserTier.GUEST, False, True),
    (UserTier.FREE, False, True),
    (UserTier.FREE, True, False),
    (UserTier.PREMIUM, False, False),
)


def choose(
    uploaded: Mapping[str, Recording], outcomes: Mapping[str, Outcome]
) -> list[OldRecording]:
    """Choose an analysed recording for each case, of different learners; fewer if none fits."""
    candidates: dict[tuple[str, UserTier], str] = {}  # the first of each learner
    for message_id, recording in uploaded.items():
        learner = recording.learner
        if outcomes[message_id].state is ProcessingState.ANALYZED:
            candidates.setdefault((learner.name, learner.tier or UserTier.FREE), message_id)
    chosen = []
    for tier, is_held, goes in CASES:
        owner = next((owner for owner in candidates if owner[1] is tier), None)
        if owner is not None:
            message_id = candidates.pop(owner)
            chosen.append(OldRecording(message_id, owner[0], tier, is_held, goes))
    return chosen


def make_old(connection: Connection, recordings: Collection[OldRecording]) -> None:
    """Place the legal holds, then make these recordings `AGE` older."""
    for recording in recordings:
        if recording.is_held:
            holds.place(
                connection,
                HoldScope.MESSAGE,
                recording.message_id,
                "Shown in the demo",
                "make demo",
            )
    ids = [recording.message_id for recording in recordings]
    connection.execute(_GROW_OLD, {"age": AGE, "ids": ids})
