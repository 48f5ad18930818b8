"""Legal holds, changed and described in words; without Prefect, so that commands start fast."""

from schema.errors.deletion import HoldNotActive
from schema.facts.deletion import ActiveHold, PlacedHold
from schema.states import HoldScope
from schema.visible import visible
from schema.wording import counted
from schema.written_text import required
from stores import database
from stores.deletion import holds, orphan_queue
from tasks.resources.database import in_transaction


def place(scope: HoldScope, subject_id: str, reason: str, placed_by: str) -> tuple[PlacedHold, str]:
    """Place a hold once no deletion is in progress; placing it again has no effect.

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
    placed = in_transaction(holds.place, scope, subject_id, reason, placed_by)
    keeps = f"Legal hold {placed.hold_id} keeps {counted(placed.protected, 'recording')}; "
    keeps += f"{placed.already_deleted:,} had been deleted before it."
    if placed.placed_at >= began_at:
        return placed, keeps
    since = f"{placed.placed_at:%Y-%m-%d %H:%M} UTC"
    return placed, f"Nothing changed: the same hold has been in force since {since}. {keeps}"


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
