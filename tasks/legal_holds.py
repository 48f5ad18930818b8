"""Tasks of `flows/place_legal_hold.py`, `flows/release_legal_hold.py` and `kaiwa-audio hold`.

A hold's reason is shown in lists of holds, and never logged.
"""

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from reports.markdown import table
from schema.errors.deletion import HoldNotActive
from schema.facts.deletion import ActiveHold, PlacedHold
from schema.states import HoldScope
from schema.wording import counted
from stores import database
from stores.deletion import holds
from tasks.resources.database import in_transaction

_ESCAPED = str.maketrans({c: f"\\{c}" for c in "\\`*_[]>#!"})  # the table escapes the rest


@task(cache_policy=NO_CACHE)
def place_hold(
    scope: HoldScope, subject_id: str, reason: str, placed_by: str
) -> tuple[PlacedHold, str]:
    """Place a hold once no deletion is in progress; placing it again has no effect.

    Returns:
        The hold, and a sentence that says whether it is new and what it keeps.

    Raises:
        HoldSubjectUnknown: If there is no such message, conversation or user.
    """
    # After a lost answer, a retry finds the hold that this call placed: the time tells them apart.
    began_at = in_transaction(database.now)
    placed = in_transaction(holds.place, scope, subject_id, reason, placed_by)
    return placed, _placed_in_words(placed, is_new=placed.placed_at >= began_at)


@task(cache_policy=NO_CACHE)
def release_hold(hold_id: int, released_by: str) -> str:
    """Release a hold; recordings that no other hold covers may be deleted from now on.

    Returns:
        A sentence that says whether the hold was released now or earlier.

    Raises:
        HoldNotActive: If there is no hold with this id, or someone else has released it.
    """
    began_at = in_transaction(database.now)
    released = in_transaction(holds.release, hold_id, released_by)
    if released is None:
        raise HoldNotActive(hold_id)
    if released.released_at >= began_at:
        return f"Legal hold {hold_id} is released."
    return (
        f"Nothing changed: {released.released_by} had already released legal hold {hold_id} at "
        f"{released.released_at:%Y-%m-%d %H:%M} UTC."
    )


@task(cache_policy=NO_CACHE)
def active_holds() -> list[ActiveHold]:
    """Return the holds in force, oldest first."""
    return in_transaction(holds.active)


@task(cache_policy=NO_CACHE)
def publish_holds(change: str, active: list[ActiveHold]) -> None:
    """Publish the latest change and all holds in force as the artifact `legal-holds`."""
    create_markdown_artifact(
        _page(change, active),
        key="legal-holds",
        description=f"{counted(len(active), 'legal hold')} in force",
    )


def _placed_in_words(placed: PlacedHold, *, is_new: bool) -> str:
    keeps = f"keeps {counted(placed.protected, 'recording')}"
    deleted = f"{placed.already_deleted:,} had been deleted before it."
    if is_new:
        return f"Legal hold {placed.hold_id} {keeps}; {deleted}"
    return (
        f"Nothing changed: the same hold has been in force since {placed.placed_at:%Y-%m-%d %H:%M} "
        f"UTC. Legal hold {placed.hold_id} {keeps}; {deleted}"
    )


def _page(change: str, active: list[ActiveHold]) -> str:
    """Render Markdown; user input is escaped, so it cannot break the table or become a link."""
    if not active:
        return f"{change}\n\nNo legal hold is in force.\n"
    header = ("Hold", "On", "Reason", "Placed by", "Placed at (UTC)")
    rows = [
        (
            str(hold.hold_id),
            f"{hold.scope} {hold.subject_id.translate(_ESCAPED)}",
            hold.reason.translate(_ESCAPED),
            hold.placed_by.translate(_ESCAPED),
            f"{hold.placed_at:%Y-%m-%d %H:%M}",
        )
        for hold in active
    ]
    return "\n".join([change, "", *table(header, rows, align="rllll")]) + "\n"
