"""An order to keep recordings, whatever their age."""

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from schema.facts.deletion import PlacedHold
from schema.states import HoldScope
from tasks.legal_holds import active_holds, place_hold, placed_in_words, publish_holds


@flow(name="place-legal-hold", flow_run_name="hold-a-{scope}")
def place_legal_hold(
    scope: HoldScope,
    subject_id: Annotated[str, Field(min_length=1, max_length=200)],
    reason: Annotated[str, Field(min_length=1, max_length=1000)],
    placed_by: Annotated[str, Field(min_length=1, max_length=200)],
) -> PlacedHold:
    """Keep the recordings of a message, a conversation or a user until the hold is released.

    No sweep, orphan or erasure deletes what a hold covers. It waits for a deletion in progress;
    once it is placed nothing it covers is deleted any more. Placing the same hold again is safe.

    Args:
        scope: What is held.
        subject_id: Id of that message, conversation or user, as in the app's tables.
        reason: Why, such as the case's number, for whoever has to decide about the release.
        placed_by: Who says so.

    Returns:
        The hold, how many recordings it keeps, and how many had been deleted before.

    Raises:
        HoldSubjectUnknown: If there is no such message, conversation or user.
    """
    placed = place_hold(scope, subject_id, reason, placed_by)
    get_run_logger().info(placed_in_words(placed))
    publish_holds(placed_in_words(placed), active_holds())
    return placed
