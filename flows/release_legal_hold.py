"""Release a legal hold."""

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import AfterValidator, Field

from schema.written_text import written
from tasks.legal_holds import active_holds, publish_holds, release_hold


@flow(name="release-legal-hold", flow_run_name="release-hold-{hold_id}")
def release_legal_hold(
    hold_id: Annotated[int, Field(ge=1)],
    released_by: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(written)],
) -> None:
    """Release a legal hold; recordings that are due are deleted by the next sweep.

    Args:
        hold_id: Number of the hold, from the artifact legal-holds.
        released_by: Name of the person responsible.

    Raises:
        HoldNotActive: If no hold has this number, or someone else has released it.
    """
    change = release_hold(hold_id, released_by)
    get_run_logger().info(change)
    publish_holds(change, active_holds())
