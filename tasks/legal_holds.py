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
from stores.deletion import holds
from tasks.resources.database import in_transaction

_ESCAPED = str.maketrans({c: f"\\{c}" for c in "\\`*_[]>#!"})  # the table escapes the rest


@task(cache_policy=NO_CACHE)
def place_hold(scope: HoldScope, subject_id: str, reason: str, placed_by: str) -> PlacedHold:
    """Place a hold once no deletion is in progress; idempotent.

    Raises:
        HoldSubjectUnknown: If there is no such message, conversation or user.
    """
    return in_transaction(holds.place, scope, subject_id, reason, placed_by)


@task(cache_policy=NO_CACHE)
def release_hold(hold_id: int, released_by: str) -> None:
    """Release a hold; recordings that no other hold covers may be deleted from now on.

    Raises:
        HoldNotActive: If there is no hold with this id, or it was released already.
    """
    if not in_transaction(holds.release, hold_id, released_by):
        raise HoldNotActive(hold_id)


@task(cache_policy=NO_CACHE)
def active_holds() -> list[ActiveHold]:
    """Return the holds in force, oldest first."""
    return in_transaction(holds.active)


@task(cache_policy=NO_CACHE)
def publish_holds(change: str, active: list[ActiveHold]) -> None:
    """Publish the latest change and all holds in force as the artifact `legal-holds`."""
    number = "1 legal hold" if len(active) == 1 else f"{len(active):,} legal holds"
    create_markdown_artifact(
        _page(change, active), key="legal-holds", description=f"{number} in force"
    )


def placed_in_words(placed: PlacedHold) -> str:
    """Describe how many recordings a hold protects, and how many were already deleted."""
    return (
        f"Legal hold {placed.hold_id} keeps {placed.protected:,} recordings; "
        f"{placed.already_deleted:,} had been deleted before it."
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
