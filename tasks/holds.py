"""Legal holds, changed and described in words; without Prefect, so that commands start fast."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from policy.deletion import IN_FLIGHT_SECONDS
from schema.errors.deletion import HoldNotActive
from schema.facts.deletion import ActiveHold, IntendedDeletion, PlacedHold
from schema.states import DeletionState, HoldScope
from schema.visible import visible
from schema.wording import counted
from schema.written_text import required
from stores import database
from stores.deletion import holds, in_flight, orphan_queue
from tasks.resources.database import in_transaction


def place(
    scope: HoldScope, subject_id: str, reason: str, placed_by: str, *, tell: Callable[[str], object]
) -> tuple[PlacedHold, str]:
    """Place a hold once no deletion is in progress; placing it again has no effect.

    A deletion whose database session ended may still be under way without its locks. The hold is
    then in force, and this waits until such a deletion has ended and asks the bucket what is left.

    Args:
        scope: Whether a message, conversation or user is held.
        subject_id: Id of the message, conversation or user.
        reason: Shown to people who decide about its release.
        placed_by: Name of the person responsible.
        tell: Told in a sentence that this waits, and why.

    Returns:
        The hold, and a sentence that says whether it is new and what it keeps.

    Raises:
        ParametersRefused: If a text is blank, or Postgres cannot store it.
        HoldSubjectUnknown: If there is no such message, conversation or user.
    """
    subject_id = required(subject_id, f"The id of the {scope}")
    reason = required(reason, "The reason")
    placed_by = required(placed_by, "The name")
    # After a lost answer, a retry finds the hold that this call placed: the time tells them apart.
    began_at = in_transaction(database.now)
    in_transaction(orphan_queue.take_overflow)
    placed, doubtful = in_transaction(_place, scope, subject_id, reason, placed_by)
    if doubtful:
        tell(
            f"Legal hold {placed.hold_id} is in force. "
            f"{counted(sum(doubtful.values()), 'recording')} may be in the middle of a deletion: "
            f"asking the bucket in {IN_FLIGHT_SECONDS:.0f} s."
        )
        # Loads the bucket's client, which no other change of a hold needs.
        from tasks.interrupted_deletions import settle

        states = settle(doubtful, after_seconds=IN_FLIGHT_SECONDS)
        placed = _recounted(placed, doubtful, states)
    return placed, _effect(placed, is_new=placed.placed_at >= began_at)


def _place(
    connection: Connection, scope: HoldScope, subject_id: str, reason: str, placed_by: str
) -> tuple[PlacedHold, dict[IntendedDeletion, int]]:
    placed = holds.place(connection, scope, subject_id, reason, placed_by)
    window = timedelta(seconds=IN_FLIGHT_SECONDS)
    return placed, in_flight.find(connection, scope, placed.hold_id, window=window)


def _recounted(
    placed: PlacedHold,
    doubtful: Mapping[IntendedDeletion, int],
    states: Mapping[str, DeletionState],
) -> PlacedHold:
    recordings = Counter[DeletionState | None]()
    for deletion, count in doubtful.items():
        recordings[states.get(deletion.storage_key)] += count
    overtaken, unknown = recordings[DeletionState.DELETED], recordings[None]
    return replace(
        placed,
        protected=placed.protected - overtaken - unknown,
        already_deleted=placed.already_deleted + overtaken,
        overtaken=overtaken,
        unknown=unknown,
    )


def _effect(placed: PlacedHold, *, is_new: bool) -> str:
    sentences = []
    if not is_new:
        since = f"{placed.placed_at:%Y-%m-%d %H:%M} UTC"
        sentences += [f"Nothing changed: the same hold has been in force since {since}."]
    keeps = f"Legal hold {placed.hold_id} keeps {counted(placed.protected, 'recording')}; "
    keeps += f"{placed.already_deleted:,} had been deleted before it"
    if placed.overtaken:
        keeps += f", {placed.overtaken:,} of them in a deletion that was under way"
    sentences += [f"{keeps}."]
    if placed.unknown:
        sentences += [
            f"It is unknown whether {counted(placed.unknown, 'more recording is', 'more are')} "
            "left: the bucket did not answer. The hold stands; place it again to ask again."
        ]
    return " ".join(sentences)


def release(hold_id: int, released_by: str) -> str:
    """Release a hold; recordings that no other hold covers may be deleted from now on.

    Returns:
        A sentence that says whether the hold was released now or earlier.

    Raises:
        ParametersRefused: If the name is blank, or Postgres cannot store it.
        HoldNotActive: If there is no hold with this id, or someone else has released it.
    """
    released_by = required(released_by, "The name")
    began_at = in_transaction(database.now)
    released = in_transaction(holds.release, hold_id, released_by)
    if released is None:
        raise HoldNotActive(hold_id)
    if released.released_at >= began_at:
        return f"Legal hold {hold_id} is released."
    who = visible(released.released_by)
    return (
        f"Nothing changed: {who} had already released legal hold {hold_id} at "
        f"{released.released_at:%Y-%m-%d %H:%M} UTC."
    )


def active() -> list[ActiveHold]:
    """Return the holds in force, oldest first."""
    return in_transaction(holds.active)
