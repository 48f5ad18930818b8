"""Tasks of `flows/place_legal_hold.py` and `flows/release_legal_hold.py`.

A hold's reason is shown in lists of holds, and never logged.
"""

import logging

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from reports.markdown import escaped, table
from schema.facts.deletion import ActiveHold, PlacedHold
from schema.states import HoldScope
from schema.wording import counted
from stores.deletion import hold_history
from tasks import holds
from tasks.resources.database import in_transaction

logger = logging.getLogger(__name__)


@task(cache_policy=NO_CACHE)
def place_hold(
    scope: HoldScope, subject_id: str, reason: str, placed_by: str
) -> tuple[PlacedHold, str]:
    """Place a hold; see `holds.place`."""
    return holds.place(scope, subject_id, reason, placed_by, tell=logger.warning)


@task(cache_policy=NO_CACHE)
def release_hold(hold_id: int, released_by: str) -> str:
    """Release a hold; see `holds.release`."""
    return holds.release(hold_id, released_by)


@task(cache_policy=NO_CACHE)
def active_holds() -> list[ActiveHold]:
    """Return the holds in force, oldest first."""
    return holds.active()


@task(cache_policy=NO_CACHE)
def publish_holds(change: str, active: list[ActiveHold]) -> None:
    """Publish the latest change and all holds in force as the artifact `legal-holds`."""
    head = in_transaction(hold_history.head)
    create_markdown_artifact(
        f"{_page(change, active)}\nHead of the history of legal holds: `{head}`\n",
        key="legal-holds",
        description=f"{counted(len(active), 'legal hold')} in force",
    )


def _page(change: str, active: list[ActiveHold]) -> str:
    """Render Markdown; user input is escaped, so it cannot break the table or become a link."""
    change = escaped(change)
    if not active:
        return f"{change}\n\nNo legal hold is in force.\n"
    header = ("Hold", "On", "Reason", "Placed by", "Placed at (UTC)")
    rows = [
        (
            str(hold.hold_id),
            f"{hold.scope} {escaped(hold.subject_id)}",
            escaped(hold.reason),
            escaped(hold.placed_by),
            f"{hold.placed_at:%Y-%m-%d %H:%M}",
        )
        for hold in active
    ]
    return "\n".join([change, "", *table(header, rows, align="rllll")]) + "\n"
