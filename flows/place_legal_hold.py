"""Place a legal hold: an order to keep recordings, whatever their age."""

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import AfterValidator, Field

from schema.facts.deletion import PlacedHold
from schema.states import HoldScope
from schema.written_text import written
from tasks.legal_holds import active_holds, place_hold, publish_holds


@flow(name="place-legal-hold", flow_run_name="hold-a-{scope}")
def place_legal_hold(
    scope: HoldScope,
    subject_id: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(written)],
    reason: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(written)],
    placed_by: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(written)],
) -> PlacedHold:
    """Keep the recordings of a message, conversation or user until the hold is released.

    Neither sweep nor erasure deletes what a hold covers. Placing a hold waits for a deletion in
    progress; afterwards nothing it covers is deleted. If a deletion lost its database session, this
    waits 90 s more and asks the bucket what is left. Placing the same hold twice is harmless.

    Args:
        scope: What the hold covers: a message, a conversation or a user.
        subject_id: Id of that message, conversation or user in the app's tables.
        reason: Reason, such as a case number, for whoever decides about the release.
        placed_by: Name of the person responsible.

    Returns:
        The hold, and the numbers of recordings that it keeps, that were already deleted, and of
        which the bucket does not say.

    Raises:
        HoldSubjectUnknown: If there is no such message, conversation or user.
    """
    placed, change = place_hold(scope, subject_id, reason, placed_by)
    get_run_logger().info(change)
    publish_holds(change, active_holds())
    return placed
